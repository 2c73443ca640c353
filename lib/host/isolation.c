/* SPDX-License-Identifier: MIT */
#include "host/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/gateway.h"

/* Kernel ids from here on are the sandboxes' when the host is root: a range that no distribution
 * gives to anybody. */
enum { MACHINE_BASE = 0x70000000 };

/* embed.c */
extern const unsigned char e2b__host_spawner_start[];
extern const unsigned char e2b__host_spawner_end[];

int e2b__host_isolation_load_spawner(e2b_host_t *host) {
  const unsigned char *at = e2b__host_spawner_start;
  int fd = memfd_create("e2b-host-spawner", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return E2B_ESYSTEM;
  while (at < e2b__host_spawner_end) {
    ssize_t written = write(fd, at, (size_t)(e2b__host_spawner_end - at));
    if (written <= 0) {
      close(fd);
      return E2B_ESYSTEM;
    }
    at += written;
  }
  /* What runs as root in a sandbox can open this file through /proc; it must not change it. */
  fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  fchmod(fd, 0555);
  host->spawner_fd = fd;
  return 0;
}

uid_t e2b__host_machine_uid(const e2b_host_t *host, uid_t uid) {
  switch (host->isolation) {
  case E2B__ISOLATION_MAPPED: return (uid_t)MACHINE_BASE + uid;
  case E2B__ISOLATION_ROOT: return uid;
  case E2B__ISOLATION_SELF:
  case E2B__ISOLATION_NONE: break;
  }
  return geteuid();
}

void e2b__host_owner_name(const e2b_host_t *host, uid_t machine_uid, char name[16]) {
  uid_t uid = machine_uid;
  if (host->isolation == E2B__ISOLATION_SELF || host->isolation == E2B__ISOLATION_NONE) {
    /* There is one identity; root and user share it. */
    if (uid == geteuid()) uid = E2B__SANDBOX_UID;
  } else if (host->isolation == E2B__ISOLATION_MAPPED && uid >= (uid_t)MACHINE_BASE) {
    uid -= (uid_t)MACHINE_BASE;
  }
  if (uid == 0)
    strcpy(name, "root");
  else if (uid == E2B__SANDBOX_UID)
    strcpy(name, "user");
  else
    snprintf(name, 16, "%u", (unsigned)uid);
}

/* ---- the command line ---- */

typedef struct words {
  e2b__arena_t *arena;
  char **list;
  size_t count, room;
  bool failed;
} words_t;

static void add(words_t *words, const char *word) {
  if (words->count + 1 >= words->room) words->failed = true;
  if (words->failed) return;
  char *copy = e2b__arena_strndup(words->arena, word, strlen(word));
  if (copy == NULL)
    words->failed = true;
  else
    words->list[words->count++] = copy;
}

static void add_all(words_t *words, ...) {
  va_list args;
  const char *word;
  va_start(args, words);
  while ((word = va_arg(args, const char *)) != NULL)
    add(words, word);
  va_end(args);
}

static const char *const system_dirs[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

static void add_launch(words_t *words, const e2b_host_t *host) {
  char mode[32] = "r";
  /* Within the gateway's namespace the sandboxes' ids are mapped already. */
  bool joins = e2b__host_gateway_namespace(host) >= 0;
  if (host->isolation == E2B__ISOLATION_MAPPED)
    snprintf(mode, sizeof mode, "%s%d", joins ? "jm" : "m", joins ? 0 : MACHINE_BASE);
  if (host->isolation == E2B__ISOLATION_SELF) strcpy(mode, joins ? "jn" : "n");
  add_all(words, "e2b-host-spawner", "launch", mode, "bwrap", "--unshare-pid",
          "--unshare-cgroup-try", "--die-with-parent", "--as-pid-1", "--clearenv", (char *)NULL);
  if (host->isolation == E2B__ISOLATION_ROOT) {
    add_all(words, "--unshare-ipc", "--unshare-uts", "--unshare-net", "--hostname", "e2b",
            (char *)NULL);
    /* Its root is the machine's: no more than what a root of its own files needs. */
    static const char *const keep[] = {
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",
        "CAP_KILL",  "CAP_SETGID",       "CAP_SETUID", "CAP_NET_BIND_SERVICE"};
    for (size_t i = 0; i < E2B__COUNT(keep); i++)
      add_all(words, "--cap-add", keep[i], (char *)NULL);
  } else {
    /* For the spawner, which makes the other namespaces within this one. */
    add_all(words, "--cap-add", "ALL", (char *)NULL);
  }
}

static void add_system(words_t *words) {
  struct stat st;
  add_all(words, "--ro-bind", "/usr", "/usr", (char *)NULL);
  /* On a merged system these are links, which the root directory has itself. */
  for (size_t i = 0; i < E2B__COUNT(system_dirs); i++)
    if (lstat(system_dirs[i], &st) == 0 && S_ISDIR(st.st_mode))
      add_all(words, "--ro-bind", system_dirs[i], system_dirs[i], (char *)NULL);
}

static void add_python(words_t *words, const e2b_host_t *host) {
  char *settings = e2b__format("%s/" E2B__ETC_PYVENV, host->etc_dir);
  add_all(words, "--ro-bind", host->python_dir, E2B__SANDBOX_PYTHON, (char *)NULL);
  if (settings == NULL)
    words->failed = true;
  else if (access(settings, F_OK) == 0)
    add_all(words, "--ro-bind", settings, E2B__SANDBOX_PYTHON "/pyvenv.cfg", (char *)NULL);
  e2b__free(settings);
}

/* See e2b__spawner_identity_t. */
static const char *identity_of(const e2b_host_t *host) {
  switch (host->isolation) {
  case E2B__ISOLATION_MAPPED: return "m";
  case E2B__ISOLATION_SELF: return "n";
  case E2B__ISOLATION_ROOT: return "r";
  case E2B__ISOLATION_NONE: break;
  }
  return "c";
}

static void add_serve(words_t *words, const char *program, const e2b_host_t *host) {
  const size_t limits[] = {host->limits.processes, host->limits.memory_mb, host->limits.disk_mb};
  add_all(words, program, "serve", identity_of(host), (char *)NULL);
  for (size_t i = 0; i < E2B__COUNT(limits); i++) {
    char number[32];
    snprintf(number, sizeof number, "%zu", limits[i]);
    add(words, number);
  }
}

char **e2b__host_isolation_command(e2b__host_sandbox_t *sandbox, e2b__arena_t *arena) {
  e2b_host_t *host = sandbox->host;
  words_t words = {arena, NULL, 0, 96, false};
  char root[4096];

  words.list = e2b__arena_calloc(arena, words.room, sizeof *words.list);
  if (words.list == NULL) return NULL;
  if (host->isolation == E2B__ISOLATION_NONE) {
    add_serve(&words, "e2b-host-spawner", host);
    return words.failed ? NULL : words.list;
  }
  snprintf(root, sizeof root, "%s/root", sandbox->dir);
  add_launch(&words, host);
  add_all(&words, "--bind", root, "/", (char *)NULL);
  add_system(&words);
  add_all(&words, "--ro-bind", host->etc_dir, E2B__SANDBOX_ETC, "--proc", "/proc", "--dev", "/dev",
          (char *)NULL);
  char *bin = e2b__format("%s/bin", host->state_dir);
  char *sudo = e2b__format("%s/bin/sudo", host->state_dir);
  if (bin == NULL || sudo == NULL)
    words.failed = true;
  else
    add_all(&words, "--ro-bind", bin, E2B__SANDBOX_BIN, (char *)NULL);
  /* Over the machine's, which could not work: it would need a setuid bit. */
  if (sudo != NULL && access("/usr/bin/sudo", F_OK) == 0)
    add_all(&words, "--ro-bind", sudo, "/usr/bin/sudo", (char *)NULL);
  e2b__free(bin);
  e2b__free(sudo);
  snprintf(root, sizeof root, "%s/boot_id", sandbox->dir);
  add_all(&words, "--ro-bind", root, "/proc/sys/kernel/random/boot_id", (char *)NULL);
  if (sandbox->template->python && host->python_dir != NULL) add_python(&words, host);
  add(&words, "--");
  add_serve(&words, "/proc/self/fd/4", host);
  return words.failed ? NULL : words.list;
}

/* ---- the root directory ---- */

static const struct {
  const char *path;
  mode_t mode;
  bool user;
} directories[] = {
    {"", 0755, false},
    {"boot", 0755, false},
    {"dev", 0755, false},
    {"opt", 0755, false},
    {"opt/e2b", 0755, false},
    {"opt/e2b/etc", 0755, false},
    {"etc", 0755, false},
    {"home", 0755, false},
    {"home/user", 0755, true},
    {"media", 0755, false},
    {"mnt", 0755, false},
    {"opt/e2b/bin", 0755, false},
    {"opt/e2b/python", 0755, false},
    {"proc", 0755, false},
    {"root", 0700, false},
    {"run", 0755, false},
    {"srv", 0755, false},
    {"sys", 0755, false},
    {"tmp", 01777, false},
    {"usr", 0755, false},
    {"var", 0755, false},
    {"var/cache", 0755, false},
    {"var/lib", 0755, false},
    {"var/log", 0755, false},
    {"var/tmp", 01777, false},
};

static int make_directory(const e2b_host_t *host, int at, const char *path, mode_t mode,
                          bool user) {
  uid_t owner = e2b__host_machine_uid(host, user ? E2B__SANDBOX_UID : 0);
  if (mkdirat(at, path, 0700) != 0) return -1;
  if (owner != geteuid() && fchownat(at, path, owner, owner, AT_SYMLINK_NOFOLLOW) != 0) return -1;
  return fchmodat(at, path, mode, 0);
}

static int copy_file(const char *from, int at, const char *to, uid_t owner) {
  char buf[16384];
  ssize_t got;
  int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0) return 0;
  int out = openat(at, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (out < 0) {
    close(in);
    return -1;
  }
  int rc = 0;
  while ((got = read(in, buf, sizeof buf)) > 0)
    if (write(out, buf, (size_t)got) != got) rc = -1;
  if (owner != geteuid() && fchown(out, owner, owner) != 0) rc = -1;
  fchmod(out, 0644);
  close(in);
  close(out);
  return rc;
}

static int fill_home(const e2b_host_t *host, int at, const char *home, uid_t owner) {
  static const char *const files[] = {".bashrc", ".profile", ".bash_logout"};
  char from[4200], to[300];
  for (size_t i = 0; i < E2B__COUNT(files); i++) {
    snprintf(from, sizeof from, "%s/skel/%s", host->etc_dir, files[i]);
    snprintf(to, sizeof to, "%s/%s", home, files[i]);
    if (copy_file(from, at, to, owner) != 0) return -1;
  }
  return 0;
}

static int fill_root(const e2b_host_t *host, int at) {
  char target[256];
  for (size_t i = 1; i < E2B__COUNT(directories); i++)
    if (make_directory(host, at, directories[i].path, directories[i].mode, directories[i].user))
      return -1;
  for (size_t i = 0; i < E2B__COUNT(system_dirs); i++) {
    const char *name = system_dirs[i] + 1;
    ssize_t len = readlink(system_dirs[i], target, sizeof target - 1);
    if (len > 0) {
      target[len] = '\0';
      if (symlinkat(target, at, name) != 0) return -1;
    } else if (errno == EINVAL && make_directory(host, at, name, 0755, false) != 0) {
      return -1;
    }
  }
  if (fill_home(host, at, "home/user", e2b__host_machine_uid(host, E2B__SANDBOX_UID)) != 0)
    return -1;
  return fill_home(host, at, "root", e2b__host_machine_uid(host, 0));
}

int e2b__host_isolation_make_root(e2b__host_sandbox_t *sandbox) {
  e2b_host_t *host = sandbox->host;
  bool isolated = host->isolation != E2B__ISOLATION_NONE;
  char path[4096];

  sandbox->dir = e2b__format("%s/sandboxes/%s", host->state_dir, sandbox->id);
  if (sandbox->dir == NULL) return E2B_ENOMEM;
  sandbox->home = isolated ? e2b__strdup(E2B__SANDBOX_HOME) : e2b__format("%s/home", sandbox->dir);
  if (sandbox->home == NULL) return E2B_ENOMEM;
  if (make_directory(host, AT_FDCWD, sandbox->dir, 0700, false) != 0) return E2B_ESYSTEM;
  snprintf(path, sizeof path, "%s/%s", sandbox->dir, isolated ? "root" : "home");
  if (make_directory(host, AT_FDCWD, path, 0755, !isolated) != 0) return E2B_ESYSTEM;
  int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return E2B_ESYSTEM;
  int rc = isolated ? fill_root(host, at) : fill_home(host, at, ".", geteuid());
  close(at);
  if (rc == 0 && isolated) rc = e2b__host_etc_copy(host, path);
  return rc == 0 ? 0 : E2B_ESYSTEM;
}

/* Programs that every sandbox has and the machine has not, or not in a form that works there. */
int e2b__host_isolation_make_bin(e2b_host_t *host) {
  char self[32], path[4200];
  snprintf(self, sizeof self, "/proc/self/fd/%d", host->spawner_fd);
  snprintf(path, sizeof path, "%s/bin", host->state_dir);
  if (mkdir(path, 0755) != 0 || chmod(path, 0755) != 0) return E2B_ESYSTEM;
  int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return E2B_ESYSTEM;
  int rc = copy_file(self, at, "sudo", e2b__host_machine_uid(host, 0));
  if (rc == 0) rc = fchmodat(at, "sudo", 0755, 0);
  if (rc == 0 && access("/usr/bin/python", F_OK) != 0)
    rc = symlinkat("/usr/bin/python3", at, "python");
  close(at);
  return rc == 0 ? 0 : E2B_ESYSTEM;
}

/* ---- what the machine allows ---- */

/* Runs the launcher with the smallest sandbox there is. What it says goes to `complaint`. */
static bool try_isolation(e2b_host_t *host, e2b__host_isolation_t isolation, char *complaint,
                          size_t size) {
  e2b__arena_t arena = {0};
  words_t words = {&arena, NULL, 0, 96, false};
  char *env[] = {(char *)(uintptr_t) "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", NULL};
  int out[2], status = -1;
  size_t have = 0;

  host->isolation = isolation;
  complaint[0] = '\0';
  words.list = e2b__arena_calloc(&arena, words.room, sizeof *words.list);
  if (words.list == NULL || pipe2(out, O_CLOEXEC) != 0) {
    e2b__arena_free(&arena);
    return false;
  }
  add_launch(&words, host);
  add_all(&words, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--",
          "/proc/self/fd/4", "probe", identity_of(host), (char *)NULL);
  pid_t pid = words.failed ? -1 : fork();
  if (pid == 0) {
    int program = host->spawner_fd;
    if (dup2(out[1], 2) < 0 || (program != 4 && dup2(program, 4) < 0)) _exit(127);
    fcntl(4, F_SETFD, 0);
    execve("/proc/self/fd/4", words.list, env);
    _exit(127);
  }
  close(out[1]);
  for (ssize_t got; pid > 0 && have + 1 < size; have += (size_t)got) {
    got = read(out[0], complaint + have, size - have - 1);
    if (got <= 0) break;
    complaint[have + (size_t)got] = '\0';
  }
  close(out[0]);
  complaint[strcspn(complaint, "\n")] = '\0';
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
    continue;
  e2b__arena_free(&arena);
  return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int e2b__host_isolation_probe(e2b_host_t *host, char *why, size_t why_size) {
  char complaint[300], second[300];
  bool root = geteuid() == 0;

  if (host->isolation == E2B__ISOLATION_NONE) return 0;
  if (try_isolation(host, root ? E2B__ISOLATION_MAPPED : E2B__ISOLATION_SELF, complaint,
                    sizeof complaint))
    return 0;
  if (root && try_isolation(host, E2B__ISOLATION_ROOT, second, sizeof second)) return 0;
  snprintf(why, why_size,
           "sandboxes cannot be isolated on this machine (%s). The host needs bubblewrap and user "
           "namespaces. Where the machine is itself a sandbox, e2b-host --no-isolation runs "
           "everything without isolation",
           complaint[0] != '\0' ? complaint : "bwrap failed without a word");
  return E2B_ESYSTEM;
}
