/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/spawner/gateway.h"
#include "host/spawner/spawner.h"
#include "host/spawner/sudo.h"

/* The host lives in an application, whose files and sockets are often open across an exec: nothing
 * of them may reach a sandbox. */
static void close_inherited(int last) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, last + 1, ~0U, 0) == 0) return;
#endif
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL) {
    for (int fd = last + 1; fd < 65536; fd++)
      close(fd);
    return;
  }
  for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
    const int fd = atoi(entry->d_name);
    if (fd > last && fd != dirfd(dir)) close(fd);
  }
  closedir(dir);
}

/* serve IDENTITY PROCESSES MEMORY_MB DISK_MB */
static int serve(char **argv) {
  e2b__spawner_limits_t limits = {strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10),
                                  strtoul(argv[3], NULL, 10)};
  return e2b__spawner_serve((e2b__spawner_identity_t)argv[0][0], &limits);
}

/* Tells by its exit code whether this machine has what serving needs. */
static int probe(const char *identity) {
  int root;
  if (identity[0] == E2B__IDENTITY_MACHINE) return 0;
  if (e2b__inner_make((e2b__spawner_identity_t)identity[0], &root) == 0) return 0;
  perror("cannot make nested namespaces");
  return 1;
}

int main(int argc, char **argv) {
  const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
  if (argc > 0 && strcmp(slash != NULL ? slash + 1 : argv[0], "sudo") == 0)
    return e2b__sudo_main(argc, argv);
  const bool launches = argc > 1 && strcmp(argv[1], "launch") == 0;
  const bool gateway = argc == 4 && strcmp(argv[1], "gateway") == 0;
  const bool joins = launches || (gateway && strcmp(argv[2], E2B__GATEWAY_JOINS) == 0);
  close_inherited(joins ? E2B__SPAWNER_OUTER_FD : E2B__SPAWNER_SELF_FD);
  if (argc >= 4 && launches) return e2b__spawner_launch(argv + 2);
  if (argc == 6 && strcmp(argv[1], "serve") == 0) return serve(argv + 2);
  if (argc == 3 && strcmp(argv[1], "probe") == 0) return probe(argv[2]);
  if (gateway) return e2b__gateway_serve(argv[2], argv[3]);
  fprintf(stderr, "e2b-host-spawner: started by e2b-host only\n");
  return 2;
}
