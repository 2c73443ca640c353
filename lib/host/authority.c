/* SPDX-License-Identifier: MIT */
#include "host/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ca.pem is the authority, ca.key its key, server.pem the server's certificate and key in one file,
 * so that the two are always of one making. */

enum {
  AUTHORITY_DAYS = 3652,
  SERVER_DAYS = 365,
  SERVER_LEFT_DAYS = 30,                /* with less left it is renewed */
  AUTHORITY_LEFT_DAYS = SERVER_DAYS + 1 /* it must outlive what it signs */
};

typedef struct authority {
  e2b_host_t *host;
  int dir;
  const char *path;
  const char *domain;
  char ca[E2B__HOST_PEM_SIZE];
  char ca_key[E2B__HOST_PEM_SIZE];
  char *why;
  size_t why_size;
} authority_t;

static int complain(authority_t *authority, const char *what) {
  snprintf(authority->why, authority->why_size, "the certificates' directory %s: %s: %s",
           authority->path, what, strerror(errno));
  return errno == ENOMEM ? E2B_ENOMEM : E2B_ESYSTEM;
}

static int complain_of_code(authority_t *authority, const char *what, int code) {
  snprintf(authority->why, authority->why_size, "cannot make %s (mbedTLS: -0x%04x)", what,
           (unsigned)-code);
  return E2B_ESYSTEM;
}

/* ---- files ---- */

/* What does not exist or is too long reads as nothing: it is made anew. */
static int read_text(authority_t *authority, const char *name, char *text) {
  size_t len = 0;
  text[0] = '\0';
  int fd = openat(authority->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : complain(authority, name);
  while (len < E2B__HOST_PEM_SIZE) {
    ssize_t count = read(fd, text + len, E2B__HOST_PEM_SIZE - len);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      int rc = complain(authority, name);
      close(fd);
      return rc;
    }
    if (count == 0) break;
    len += (size_t)count;
  }
  close(fd);
  text[len < E2B__HOST_PEM_SIZE ? len : 0] = '\0';
  return 0;
}

static int write_all(int fd, const char *text, size_t len) {
  while (len > 0) {
    ssize_t count = write(fd, text, len);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    text += count;
    len -= (size_t)count;
  }
  return fsync(fd);
}

/* Whole or not at all, also when the machine stops meanwhile. */
static int write_text(authority_t *authority, const char *name, mode_t mode, const char *text) {
  char fresh[64];
  snprintf(fresh, sizeof fresh, "%s.new", name);
  unlinkat(authority->dir, fresh, 0);
  int fd =
      openat(authority->dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return complain(authority, fresh);
  int rc = write_all(fd, text, strlen(text)) == 0 ? 0 : complain(authority, fresh);
  close(fd);
  if (rc == 0 && renameat(authority->dir, fresh, authority->dir, name) != 0)
    rc = complain(authority, name);
  if (rc != 0) unlinkat(authority->dir, fresh, 0);
  if (rc == 0) fsync(authority->dir);
  return rc;
}

/* ---- the directory ---- */

static char *default_path(void) {
  char home[4096];
  size_t size = sizeof home;
  const char *state = getenv("XDG_STATE_HOME");
  if (state != NULL && state[0] == '/') return e2b__format("%s/e2b-host", state);
  if (uv_os_homedir(home, &size) != 0) return NULL;
  return e2b__format("%s/.local/state/e2b-host", home);
}

/* With what leads there. */
static int make_directory(const char *path) {
  char part[4096];
  size_t len = strlen(path);
  if (len >= sizeof part) {
    errno = ENAMETOOLONG;
    return -1;
  }
  for (size_t i = 1; i <= len; i++) {
    if (path[i] != '/' && path[i] != '\0') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    if (mkdir(part, 0700) != 0 && errno != EEXIST) return -1;
  }
  return 0;
}

/* Whoever writes there can speak as any server to those who trust the authority. */
static int open_directory(authority_t *authority) {
  struct stat st;
  if (make_directory(authority->path) != 0) return complain(authority, "making it");
  authority->dir = open(authority->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (authority->dir < 0 || fstat(authority->dir, &st) != 0)
    return complain(authority, "opening it");
  if (st.st_uid == geteuid() && (st.st_mode & 022) == 0) return 0;
  snprintf(authority->why, authority->why_size,
           "the certificates' directory %s must be yours, and writable by nobody else (chmod 700)",
           authority->path);
  return E2B_EINVAL;
}

/* Hosts that start at the same time make one authority, not two. The lock ends with its file. */
static int take_lock(authority_t *authority, int *lock) {
  *lock = openat(authority->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (*lock < 0) return complain(authority, "lock");
  while (flock(*lock, LOCK_EX) != 0)
    if (errno != EINTR) return complain(authority, "lock");
  return 0;
}

/* ---- what is in it ---- */

static int need_authority(authority_t *authority) {
  e2b_host_t *host = authority->host;
  int rc = read_text(authority, "ca.pem", authority->ca);
  if (rc == 0) rc = read_text(authority, "ca.key", authority->ca_key);
  if (rc != 0) return rc;
  if (e2b__host_certificate_good(authority->ca, authority->ca_key, authority->ca, NULL,
                                 AUTHORITY_LEFT_DAYS))
    return 0;
  if (authority->ca[0] != '\0')
    E2B__HOST_LOG(host, WARN,
                  "%s/ca.pem is damaged or near its end: clients must be given the new one",
                  authority->path);
  rc = e2b__host_key_make(authority->ca_key, sizeof authority->ca_key);
  if (rc == 0)
    rc = e2b__host_certificate_make_authority(authority->ca_key, AUTHORITY_DAYS, authority->ca,
                                              sizeof authority->ca);
  if (rc != 0) return complain_of_code(authority, "a certificate authority", rc);
  rc = write_text(authority, "ca.key", 0600, authority->ca_key);
  if (rc == 0) rc = write_text(authority, "ca.pem", 0644, authority->ca);
  if (rc == 0)
    E2B__HOST_LOG(host, INFO, "made the certificate authority %s/ca.pem", authority->path);
  return rc;
}

static int need_server(authority_t *authority, e2b__host_credentials_t *out) {
  char name[300], both[E2B__HOST_PEM_SIZE];
  snprintf(name, sizeof name, "api.%s", authority->domain);
  int rc = read_text(authority, "server.pem", both);
  if (rc != 0) return rc;
  if (e2b__host_certificate_good(both, both, authority->ca, name, SERVER_LEFT_DAYS)) {
    memcpy(out->certificate, both, sizeof both);
    memcpy(out->key, both, sizeof both);
  } else {
    rc = e2b__host_key_make(out->key, sizeof out->key);
    if (rc == 0)
      rc =
          e2b__host_certificate_make_server(out->key, authority->ca_key, authority->domain,
                                            SERVER_DAYS, out->certificate, sizeof out->certificate);
    if (rc != 0) return complain_of_code(authority, "the server's certificate", rc);
    if (strlen(out->certificate) + strlen(out->key) >= sizeof both)
      return complain_of_code(authority, "the server's certificate", 0);
    strcpy(both, out->certificate);
    strcat(both, out->key);
    rc = write_text(authority, "server.pem", 0600, both);
  }
  explicit_bzero(both, sizeof both);
  return rc;
}

int e2b__host_authority_open(e2b_host_t *host, const char *wanted, const char *domain,
                             e2b__host_credentials_t *out, char *why, size_t why_size) {
  authority_t authority;
  int lock = -1;
  memset(&authority, 0, sizeof authority);
  authority.host = host;
  authority.dir = -1;
  authority.domain = domain;
  authority.why = why;
  authority.why_size = why_size;
  char *path = wanted != NULL ? e2b__strdup(wanted) : default_path();
  if (path == NULL) return E2B_ENOMEM;
  authority.path = path;
  int rc = open_directory(&authority);
  if (rc == 0) rc = take_lock(&authority, &lock);
  if (rc == 0) rc = need_authority(&authority);
  if (rc == 0) rc = need_server(&authority, out);
  explicit_bzero(authority.ca_key, sizeof authority.ca_key);
  if (rc == 0) {
    char *real = realpath(path, NULL);
    out->ca_file = real != NULL ? e2b__format("%s/ca.pem", real) : NULL;
    free(real);
    if (out->ca_file == NULL) rc = E2B_ENOMEM;
  }
  if (lock >= 0) close(lock);
  if (authority.dir >= 0) close(authority.dir);
  e2b__free(path);
  return rc;
}
