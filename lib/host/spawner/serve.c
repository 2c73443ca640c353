/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/spawner/spawner.h"
#include "host/spawner/sudo.h"

/* The first process of a sandbox: starts what the host asks for, reaps everything, and takes the
 * sandbox with it when the host's end of the socket is closed. */

enum { MAX_STRINGS = 1 << 20, MAX_PAYLOAD = 16 << 20 };

static int send_packet(const void *data, size_t len, const int *fds, int fd_count) {
  return e2b__spawner_send(E2B__SPAWNER_SOCKET_FD, data, len, fds, fd_count);
}

static int say_hello(e2b__spawner_identity_t identity) {
  uint32_t type = E2B__SPAWNER_HELLO;
  int fds[2] = {-1, -1}; /* root, network */
  if (identity == E2B__IDENTITY_MAPPED || identity == E2B__IDENTITY_NESTED) {
    if (e2b__inner_make(identity, &fds[0]) != 0) {
      perror("cannot make nested namespaces");
      return -1;
    }
  } else {
    fds[0] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  /* The spawner has moved to the sandbox's. */
  fds[1] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int rc = fds[0] >= 0 && fds[1] >= 0 ? send_packet(&type, sizeof type, fds, 2) : -1;
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0) close(fds[i]);
  return rc;
}

/* Splits `count` strings off the payload; NULL when they are not there or memory is out. */
static char **take_strings(char **at, char *end, uint32_t count) {
  if (count > MAX_STRINGS) return NULL;
  char **strings = calloc((size_t)count + 1, sizeof *strings);
  if (strings == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    char *nul = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;
    if (nul == NULL) {
      free(strings);
      return NULL;
    }
    strings[i] = *at;
    *at = nul + 1;
  }
  return strings;
}

static int start(const e2b__spawner_start_t *request, char *payload,
                 e2b__spawner_identity_t identity) {
  e2b__spawner_started_t answer = {E2B__SPAWNER_STARTED, request->id, 0, EINVAL,
                                   E2B__SPAWNER_STAGE_SETUP};
  e2b__spawner_result_t result = {0, 0, 0, {-1, -1, -1}, 0};
  char *end = payload + request->payload;
  char **cwd = take_strings(&payload, end, 1);
  char **argv = take_strings(&payload, end, request->argc);
  char **env = take_strings(&payload, end, request->envc);

  if (cwd != NULL && argv != NULL && env != NULL && request->argc > 0) {
    e2b__spawner_child_t child = {cwd[0],        argv,          env, request->flags,
                                  request->cols, request->rows, NULL};
    e2b__spawner_start(&child, identity, &result);
    answer.pid = result.pid;
    answer.error = result.error;
    answer.stage = (uint32_t)result.stage;
  }
  free(cwd);
  free(argv);
  free(env);
  int rc = send_packet(&answer, sizeof answer, result.fds, result.fd_count);
  for (int i = 0; i < result.fd_count; i++)
    close(result.fds[i]);
  return rc;
}

/* A long payload arrives as a memory file. */
static int start_mapped(const e2b__spawner_start_t *request, int fd,
                        e2b__spawner_identity_t identity) {
  if (request->payload > MAX_PAYLOAD) return -1;
  char *payload = malloc(request->payload);
  if (payload == NULL) return -1;
  size_t have = 0;
  while (have < request->payload) {
    ssize_t got = pread(fd, payload + have, request->payload - have, (off_t)have);
    if (got <= 0) break;
    have += (size_t)got;
  }
  int rc = have == request->payload ? start(request, payload, identity) : -1;
  free(payload);
  return rc;
}

static int make_sockets(const e2b__spawner_sockets_t *request) {
  static const int families[] = {AF_INET, AF_INET6};
  e2b__spawner_started_t answer = {E2B__SPAWNER_STARTED, request->id, 0, 0,
                                   E2B__SPAWNER_STAGE_SETUP};
  int fds[2], count = 0;
  for (int i = 0; i < 2; i++) {
    int fd = socket(families[i], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) fds[count++] = fd;
    if (i == 0 && fd < 0) answer.error = errno;
  }
  int rc = send_packet(&answer, sizeof answer, fds, answer.error == 0 ? count : 0);
  for (int i = 0; i < count; i++)
    close(fds[i]);
  return rc;
}

/* On all addresses, of both families where there are two. */
static int open_listener(unsigned port) {
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, off = 0, fd;
  fd = socket(AF_INET6, type, 0);
  if (fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0 &&
      bind(fd, (struct sockaddr *)&in6, sizeof in6) == 0 && listen(fd, 64) == 0)
    return fd;
  if (fd >= 0) close(fd);
  fd = socket(AF_INET, type, 0);
  if (fd < 0 || (bind(fd, (struct sockaddr *)&in, sizeof in) == 0 && listen(fd, 64) == 0))
    return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static int make_listener(const e2b__spawner_listen_t *request) {
  e2b__spawner_started_t answer = {E2B__SPAWNER_STARTED, request->id, 0, 0,
                                   E2B__SPAWNER_STAGE_SETUP};
  int fd = open_listener(request->port);
  if (fd < 0) answer.error = errno;
  int rc = send_packet(&answer, sizeof answer, &fd, fd >= 0 ? 1 : 0);
  if (fd >= 0) close(fd);
  return rc;
}

static int handle_packet(char *packet, size_t len, int fd, e2b__spawner_identity_t identity) {
  uint32_t type;
  if (len < sizeof type) return -1;
  memcpy(&type, packet, sizeof type);
  switch (type) {
  case E2B__SPAWNER_START: {
    e2b__spawner_start_t request;
    if (len < sizeof request) return -1;
    memcpy(&request, packet, sizeof request);
    if (fd >= 0) return start_mapped(&request, fd, identity);
    if (len != sizeof request + request.payload) return -1;
    return start(&request, packet + sizeof request, identity);
  }
  case E2B__SPAWNER_SIGNAL: {
    e2b__spawner_signal_t request;
    if (len != sizeof request) return -1;
    memcpy(&request, packet, sizeof request);
    if (request.pid > 1 || request.pid < E2B__SPAWNER_EVERYBODY) kill(request.pid, request.signal);
    if (request.pid == E2B__SPAWNER_EVERYBODY)
      e2b__spawner_signal_everybody(request.signal, identity);
    if (request.id == 0) return 0;
    if (request.pid == E2B__SPAWNER_EVERYBODY && request.signal == SIGSTOP)
      e2b__spawner_await_stop(identity);
    e2b__spawner_started_t answer = {E2B__SPAWNER_STARTED, request.id, 0, 0, 0};
    return send_packet(&answer, sizeof answer, NULL, 0);
  }
  case E2B__SPAWNER_SOCKETS: {
    e2b__spawner_sockets_t request;
    if (len != sizeof request) return -1;
    memcpy(&request, packet, sizeof request);
    return make_sockets(&request);
  }
  case E2B__SPAWNER_LISTEN: {
    e2b__spawner_listen_t request;
    if (len != sizeof request) return -1;
    memcpy(&request, packet, sizeof request);
    return make_listener(&request);
  }
  default: return -1;
  }
}

/* 0, or -1 when the host is gone. */
static int serve_packet(e2b__spawner_identity_t identity) {
  static char packet[sizeof(e2b__spawner_start_t) + E2B__SPAWNER_INLINE];
  int fd;
  ssize_t got = e2b__spawner_receive(E2B__SPAWNER_SOCKET_FD, packet, sizeof packet, &fd, 1);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  if (got <= 0) return -1;
  int rc = handle_packet(packet, (size_t)got, fd, identity);
  if (fd >= 0) close(fd);
  return rc;
}

static int reap(void) {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (e2b__sudo_reaped(pid, status) || e2b__disk_reaped(pid)) continue;
    e2b__spawner_exited_t report = {E2B__SPAWNER_EXITED, pid, status};
    if (send_packet(&report, sizeof report, NULL, 0) != 0) return -1;
  }
  return 0;
}

/* Without a pid namespace there is nobody who ends the others: as their subreaper it is the parent
 * of all that lost theirs, so killing its children until there are none ends everything. */
static void kill_children(void) {
  pid_t self = getpid();
  for (int round = 0; round < 1000; round++) {
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
      char path[300], line[512];
      int pid = atoi(entry->d_name), parent = 0;
      if (pid <= 1) continue;
      snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
      FILE *file = fopen(path, "re");
      if (file == NULL) continue;
      char *name_end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
      fclose(file);
      if (name_end != NULL && sscanf(name_end + 1, " %*c %d", &parent) == 1 && parent == self)
        kill(pid, SIGKILL);
    }
    if (proc != NULL) closedir(proc);
    if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD) return;
    while (waitpid(-1, NULL, WNOHANG) > 0)
      continue;
  }
}

static void set_limits(e2b__spawner_identity_t identity, const e2b__spawner_limits_t *limits) {
  /* Two are the spawner and bubblewrap. */
  struct rlimit processes = {limits->processes + 2, limits->processes + 2};
  rlim_t bytes = (rlim_t)limits->disk_mb << 20;
  struct rlimit file = {bytes, bytes};
  if (identity == E2B__IDENTITY_CALLER) return;
  if (limits->processes > 0) setrlimit(RLIMIT_NPROC, &processes);
  if (limits->disk_mb > 0) setrlimit(RLIMIT_FSIZE, &file);
}

/* Looks at the memory when it is time; until when to wait, as poll() wants it. */
static int watch_memory(e2b__spawner_identity_t identity, const e2b__spawner_limits_t *limits) {
  static long long due;
  struct timespec now;
  int killed;
  if (identity == E2B__IDENTITY_CALLER || limits->memory_mb == 0) return -1;
  clock_gettime(CLOCK_MONOTONIC, &now);
  long long ms = (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (ms < due) return (int)(due - ms);
  int wait = e2b__memory_watch(limits->memory_mb, &killed);
  if (wait >= 0) due = ms + wait;
  if (killed > 0) {
    e2b__spawner_exited_t report = {E2B__SPAWNER_STARVED, killed, 0};
    send_packet(&report, sizeof report, NULL, 0);
  }
  return wait;
}

/* The same for the memory and the disk, whichever comes first. */
static int watch(e2b__spawner_identity_t identity, const e2b__spawner_limits_t *limits) {
  int memory = watch_memory(identity, limits);
  if (identity == E2B__IDENTITY_CALLER || limits->disk_mb == 0) return memory;
  int disk = e2b__disk_wait(memory < 0);
  return memory < 0 || (disk >= 0 && disk < memory) ? disk : memory;
}

static int hear_disk(e2b__spawner_identity_t identity, const e2b__spawner_limits_t *limits) {
  e2b__disk_word_t word = e2b__disk_hear(limits->disk_mb);
  e2b__spawner_disk_t report = {E2B__SPAWNER_DISK, word != E2B__DISK_FREE, 0};
  if (word == E2B__DISK_SAME) return 0;
  if (word == E2B__DISK_OVERDRAWN) {
    e2b__spawner_signal_everybody(SIGKILL, identity);
    report.killed = 1;
  }
  return send_packet(&report, sizeof report, NULL, 0);
}

int e2b__spawner_serve(e2b__spawner_identity_t identity, const e2b__spawner_limits_t *limits) {
  sigset_t mask;
  struct pollfd fds[4 + E2B__SUDO_MAX];
  nfds_t count;

  close(E2B__SPAWNER_SELF_FD);
  fcntl(E2B__SPAWNER_SOCKET_FD, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_NAME, "e2b-spawner");
  /* Nothing that runs in the sandbox may look into or trace this process: where there are user
   * namespaces, programs are within one of their own; where there are none, this says so. */
  if (identity == E2B__IDENTITY_MACHINE) prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (identity != E2B__IDENTITY_CALLER) prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int signal_number = 1; signal_number < 32; signal_number++)
    if (signal_number != SIGCHLD) signal(signal_number, SIG_IGN);
  sigfillset(&mask);
  sigprocmask(SIG_SETMASK, &mask, NULL);
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  set_limits(identity, limits);
  fds[1].fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  fds[0].fd = E2B__SPAWNER_SOCKET_FD;
  fds[0].events = fds[1].events = fds[2].events = POLLIN;
  if (fds[1].fd < 0 || say_hello(identity) != 0) return 1;
  if (identity != E2B__IDENTITY_CALLER) e2b__sudo_listen();
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; null >= 0 && i < 3; i++)
    dup2(null, i);
  for (;;) {
    struct signalfd_siginfo info;
    int wait = watch(identity, limits);
    fds[2].fd = e2b__disk_fd();
    count = e2b__sudo_poll(fds, 3);
    if (poll(fds, count, wait) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (fds[1].revents != 0) {
      while (read(fds[1].fd, &info, sizeof info) > 0)
        continue;
      if (reap() != 0) break;
    }
    if (fds[2].revents != 0 && hear_disk(identity, limits) != 0) break;
    if (fds[0].revents != 0 && serve_packet(identity) != 0) break;
    e2b__sudo_serve(fds, 3, count, identity);
  }
  if (identity == E2B__IDENTITY_CALLER) kill_children();
  return 0;
}
