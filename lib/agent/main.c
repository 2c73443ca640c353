/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/ensure.h"

/* The program: see PROTOCOL.md. */

static const char usage[] =
    "usage: e2b-agent ensure [--idle-ms N] [--handshake-ms N] [--silence-ms N] [--keep-ms N]\n"
    "       e2b-agent find\n";

static bool read_ms(const char *text, uint64_t *value) {
  if (text == NULL || *text == '\0' || strlen(text) > 15) return false;
  for (*value = 0; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return false;
    *value = *value * 10 + (uint64_t)(*text - '0');
  }
  return true;
}

static bool read_options(char **argv, e2b__options_t *options) {
  const struct {
    const char *name;
    uint64_t *value;
  } known[] = {{"--idle-ms", &options->idle_ms},
               {"--handshake-ms", &options->handshake_ms},
               {"--silence-ms", &options->silence_ms},
               {"--keep-ms", &options->keep_ms}};
  for (; *argv != NULL; argv += 2) {
    bool found = false;
    for (size_t i = 0; i < E2B__COUNT(known) && !found; i++)
      found = strcmp(*argv, known[i].name) == 0 && read_ms(argv[1], known[i].value);
    if (!found) return false;
  }
  return true;
}

/* Who is started without standard streams must not open a lock as one. */
static void fill_streams(void) {
  int ends[2];
  for (int fd = 0; fd < 3; fd++) {
    if (fcntl(fd, F_GETFD) >= 0 || open("/dev/null", O_RDWR) >= 0) continue;
    (void)!pipe(ends);
  }
}

int main(int argc, char **argv) {
  e2b__options_t options = {60000, 10000, 120000, 600000};
  fill_streams();
  if (argc >= 2 && strcmp(argv[1], "ensure") == 0 && read_options(argv + 2, &options))
    return e2b__ensure(&options);
  if (argc == 2 && strcmp(argv[1], "find") == 0) return e2b__find();
  (void)!write(2, usage, sizeof usage - 1);
  return 2;
}
