/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/isolation.h"

/* The Python environment that the template code-interpreter-v1 has. Sandboxes see the directory
 * itself and the machine's /usr, nothing else of the machine: an environment whose interpreter is a
 * link to somebody's home would start nowhere. */

static bool is_below(const char *path, const char *dir) {
  size_t len = strlen(dir);
  return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* The first directory on the way that others may not enter. */
static bool is_closed(const char *path, char *blame, size_t size) {
  struct stat st;
  for (size_t len = 1; len <= strlen(path); len++) {
    if (len < strlen(path) && path[len] != '/') continue;
    snprintf(blame, size, "%.*s", (int)len, path);
    if (stat(blame, &st) == 0 && !(st.st_mode & 01)) return true;
  }
  return false;
}

int e2b__host_python_check(const e2b_host_t *host, char *why, size_t why_size) {
  char path[4200], blame[4200];
  if (host->python_dir == NULL) return 0;
  snprintf(path, sizeof path, "%.4000s/bin/python3", host->python_dir);
  char *real = realpath(path, NULL);
  if (real == NULL || access(real, X_OK) != 0) {
    snprintf(why, why_size, "%s is no Python environment: %s: %s", host->python_dir, path,
             strerror(errno));
    free(real);
    return E2B_EINVAL;
  }
  bool inside = is_below(real, host->python_dir) || is_below(real, "/usr");
  if (host->isolation != E2B__ISOLATION_NONE && !inside) {
    snprintf(why, why_size,
             "the Python environment %s cannot be used: its interpreter is %s, which no sandbox "
             "sees. Make it with one under /usr, or with a copy (python3 -m venv --copies)",
             host->python_dir, real);
    free(real);
    return E2B_EINVAL;
  }
  free(real);
  if (geteuid() == 0 && host->isolation != E2B__ISOLATION_NONE &&
      is_closed(host->python_dir, blame, sizeof blame)) {
    snprintf(why, why_size,
             "sandboxes cannot reach the Python environment %s: %s is closed to others "
             "(chmod o+x), or choose another directory",
             host->python_dir, blame);
    return E2B_EINVAL;
  }
  return 0;
}
