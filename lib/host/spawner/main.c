/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "host/spawner/spawner.h"
#include "host/spawner/sudo.h"

int main(int argc, char **argv) {
  const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
  if (argc > 0 && strcmp(slash != NULL ? slash + 1 : argv[0], "sudo") == 0)
    return e2b__sudo_main(argc, argv);
  if (argc >= 3 && strcmp(argv[1], "launch") == 0) return e2b__spawner_launch(argv + 2);
  if (argc == 3 && strcmp(argv[1], "serve") == 0)
    return e2b__spawner_serve((e2b__spawner_identity_t)argv[2][0]);
  fprintf(stderr, "e2b-host-spawner: started by e2b-host only\n");
  return 2;
}
