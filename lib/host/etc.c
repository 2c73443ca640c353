/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/isolation.h"
#include "host/spawner_protocol.h"
#include "host/tree.h"

/* What the /etc of each sandbox is made of: a few files of our own, and copies of what programs
 * need to find their parts. What is not on the list stays on the machine; nothing that is not
 * readable by everybody is copied. */

enum { DEPTH = 6, FILE_CEILING = 4 << 20, OWN_CEILING = 64 << 10 };

static const char *const copied[] = {
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "bash.bashrc",
    "bash_completion.d",
    "debian_version",
    "default/locale",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "login.defs",
    "lsb-release",
    "magic",
    "magic.mime",
    "mime.types",
    "networks",
    "os-release",
    "perl",
    "pip.conf",
    "protocols",
    "python3",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "R",
    "rpc",
    "services",
    "skel",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
    "xattr.conf",
};

static const struct {
  const char *name;
  const char *text;
} written[] = {
    {"passwd", "root:x:0:0:root:/root:/bin/bash\n"
               "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
               "user:x:1000:1000:user:/home/user:/bin/bash\n"},
    {"group", "root:x:0:\ntty:x:5:\nsudo:x:27:user\nuser:x:1000:\nnogroup:x:65534:\n"},
    {"shells", "/bin/sh\n/bin/bash\n/usr/bin/sh\n/usr/bin/bash\n"},
    {"hosts", "127.0.0.1 localhost e2b\n::1 localhost ip6-localhost ip6-loopback\n"},
    {"hostname", "e2b\n"},
    {"resolv.conf", "nameserver " E2B__GATEWAY_NAMESERVER "\n"},
    {"nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
                      "networks: files\nprotocols: files\nservices: files\n"},
    {"environment", ""},
    /* A sandbox's Python is nobody else's: what pip installs cannot harm a system. */
    {"xdg/pip/pip.conf", "[global]\nbreak-system-packages = true\n"},
    {"profile", "# PATH and the rest of the environment come with the process.\n"
                "if [ \"${PS1-}\" ]; then\n"
                "  if [ \"${BASH-}\" ] && [ \"$BASH\" != /bin/sh ]; then\n"
                "    [ -f /etc/bash.bashrc ] && . /etc/bash.bashrc\n"
                "  else\n"
                "    [ \"$(id -u)\" -eq 0 ] && PS1='# ' || PS1='$ '\n"
                "  fi\n"
                "fi\n"
                "for i in /etc/profile.d/*.sh; do\n"
                "  [ -r \"$i\" ] && . \"$i\"\n"
                "done\n"
                "unset i\n"},
    /* A shell may have started without the host's PATH, for example by `su -`. */
    {"profile.d/e2b.sh", "case \":$PATH:\" in\n"
                         "*:/opt/e2b/bin:*) ;;\n"
                         "*) PATH=\"/opt/e2b/python/bin:/opt/e2b/bin:$PATH\" ;;\n"
                         "esac\n"},
};

typedef struct copier {
  int to; /* the new /etc */
  uid_t owner;
} copier_t;

static int own(const copier_t *copier, const char *path) {
  if (copier->owner == geteuid()) return 0;
  return fchownat(copier->to, path, copier->owner, copier->owner, AT_SYMLINK_NOFOLLOW);
}

static int make_parents(const copier_t *copier, const char *path) {
  char part[4096];
  for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    if (mkdirat(copier->to, part, 0755) == 0) {
      if (own(copier, part) != 0) return -1;
    } else if (errno != EEXIST) {
      return -1;
    }
  }
  return 0;
}

static int write_whole(const copier_t *copier, const char *path, int in, const char *text,
                       mode_t mode) {
  char buf[16384];
  int out = openat(copier->to, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (out < 0) return -1;
  int rc = 0;
  ssize_t got;
  if (text != NULL && write(out, text, strlen(text)) < 0) rc = -1;
  while (text == NULL && (got = read(in, buf, sizeof buf)) > 0)
    if (write(out, buf, (size_t)got) != got) rc = -1;
  fchmod(out, mode);
  close(out);
  return rc == 0 ? own(copier, path) : -1;
}

static int copy(const copier_t *copier, const char *path, int depth);

static int copy_directory(const copier_t *copier, const char *from, const char *path, int depth) {
  struct dirent *entry;
  int rc = 0;
  if (depth <= 0) return 0;
  if (mkdirat(copier->to, path, 0755) != 0 && errno != EEXIST) return -1;
  if (own(copier, path) != 0) return -1;
  DIR *dir = opendir(from);
  while (dir != NULL && rc == 0 && (entry = readdir(dir)) != NULL) {
    char child[4096];
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (snprintf(child, sizeof child, "%s/%s", path, entry->d_name) < (int)sizeof child)
      rc = copy(copier, child, depth - 1);
  }
  if (dir != NULL) closedir(dir);
  return rc;
}

/* Only failing to write is a failure; what the machine does not have is left out. */
static int copy(const copier_t *copier, const char *path, int depth) {
  char from[4200], target[4096];
  struct stat st;

  snprintf(from, sizeof from, "/etc/%s", path);
  if (lstat(from, &st) != 0) return 0;
  if (make_parents(copier, path) != 0) return -1;
  if (S_ISLNK(st.st_mode)) {
    ssize_t len = readlink(from, target, sizeof target - 1);
    if (len < 0) return 0;
    target[len] = '\0';
    return symlinkat(target, copier->to, path) == 0 || errno == EEXIST ? 0 : -1;
  }
  if (S_ISDIR(st.st_mode))
    return (st.st_mode & 05) == 05 ? copy_directory(copier, from, path, depth) : 0;
  if (!S_ISREG(st.st_mode) || !(st.st_mode & 04) || st.st_size > FILE_CEILING) return 0;
  int in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (in < 0) return 0;
  int rc = write_whole(copier, path, in, NULL, (st.st_mode & 0111) ? 0755 : 0644);
  close(in);
  return rc;
}

/* Sandboxes have the Python environment read-only. With the user's own packages beside its own,
 * pip puts there what it installs; of themselves environments leave them out. */
static int add_python(const e2b_host_t *host) {
  char from[4400], line[1024];
  if (host->python_dir == NULL) return 0;
  snprintf(from, sizeof from, "%.4000s/pyvenv.cfg", host->python_dir);
  FILE *in = fopen(from, "re");
  if (in == NULL) return 0;
  snprintf(from, sizeof from, "%.4000s/" E2B__ETC_PYVENV, host->etc_dir);
  FILE *out = fopen(from, "we");
  while (out != NULL && fgets(line, sizeof line, in) != NULL)
    if (strncmp(line, "include-system-site-packages", 28) != 0) fputs(line, out);
  if (out != NULL) fputs("include-system-site-packages = true\n", out);
  fclose(in);
  return out != NULL && fclose(out) == 0 ? 0 : -1;
}

int e2b__host_etc_build(e2b_host_t *host, char *why, size_t why_size) {
  copier_t copier = {-1, e2b__host_machine_uid(host, 0)};
  int rc = -1;

  host->etc_dir = e2b__format("%s/etc", host->state_dir);
  if (host->etc_dir == NULL) return E2B_ENOMEM;
  if (mkdir(host->etc_dir, 0755) == 0)
    copier.to = open(host->etc_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copier.to >= 0) rc = own(&copier, ".");
  for (size_t i = 0; rc == 0 && i < E2B__COUNT(copied); i++)
    rc = copy(&copier, copied[i], DEPTH);
  for (size_t i = 0; rc == 0 && i < E2B__COUNT(written); i++) {
    rc = make_parents(&copier, written[i].name);
    if (rc == 0) rc = write_whole(&copier, written[i].name, -1, written[i].text, 0644);
  }
  int saved = errno;
  if (copier.to >= 0) close(copier.to);
  if (rc == 0 && add_python(host) != 0) rc = -1;
  if (rc == 0) return 0;
  snprintf(why, why_size, "cannot prepare %s: %s", host->etc_dir, strerror(saved));
  return E2B_ESYSTEM;
}

/* ---- one sandbox's ---- */

/* What somebody may want to change; the rest of the directories is large, and shared. */
static const char *const own_directories[] = {"profile.d", "skel", "default", "xdg"};

/* The target of the link that stands for it; false: it is copied. */
static bool is_link(const char *path, const char *name, char *target, size_t size) {
  struct stat st;
  if (lstat(path, &st) != 0) return false;
  if (S_ISLNK(st.st_mode)) {
    ssize_t len = readlink(path, target, size - 1);
    target[len > 0 ? len : 0] = '\0';
    return len > 0;
  }
  snprintf(target, size, E2B__SANDBOX_ETC "/%s", name);
  for (size_t i = 0; i < E2B__COUNT(own_directories); i++)
    if (strcmp(name, own_directories[i]) == 0) return false;
  return S_ISDIR(st.st_mode) || st.st_size > OWN_CEILING;
}

static int give(const e2b_host_t *host, const char *root, const char *name) {
  char from[4400], to[4400], target[4096];
  uid_t owner = e2b__host_machine_uid(host, 0);
  snprintf(from, sizeof from, "%.4000s/%s", host->etc_dir, name);
  snprintf(to, sizeof to, "%.4000s/etc/%s", root, name);
  if (!is_link(from, name, target, sizeof target)) {
    int rc = e2b__host_tree_copy(from, to);
    if (rc != 0) errno = -rc;
    return rc == 0 ? 0 : -1;
  }
  if (symlink(target, to) != 0) return -1;
  return owner == geteuid() ? 0 : fchownat(AT_FDCWD, to, owner, owner, AT_SYMLINK_NOFOLLOW);
}

int e2b__host_etc_copy(const e2b_host_t *host, const char *root) {
  struct dirent *entry;
  int rc = 0;
  DIR *dir = opendir(host->etc_dir);
  if (dir == NULL) return -1;
  while (rc == 0 && (entry = readdir(dir)) != NULL)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
        strcmp(entry->d_name, E2B__ETC_PYVENV) != 0)
      rc = give(host, root, entry->d_name);
  int saved = errno;
  closedir(dir);
  errno = saved;
  return rc;
}
