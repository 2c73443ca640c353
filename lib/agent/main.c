/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: e2b-agent ensure|find\n";

int main(int argc, char **argv) {
  (void)argc;
  (void)argv;
  (void)!write(2, usage, sizeof usage - 1);
  return 2;
}
