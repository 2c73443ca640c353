/* SPDX-License-Identifier: MIT */
#include "host/spawner/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

/* Where the namespaces are: every sandbox's user namespace is made within the gateway's, so that
 * the gateway may reach into their networks, and nobody inside into the gateway's. slirp4netns runs
 * in that user namespace too: root there, nobody on the machine. */

enum { TUN_MAJOR = 10, TUN_MINOR = 200 };

static int say(uint32_t type, uint32_t id, int error, unsigned slot, int fd) {
  e2b__gateway_answer_t answer = {type, id, error, slot};
  return e2b__spawner_send(E2B__SPAWNER_SOCKET_FD, &answer, sizeof answer, &fd, fd >= 0 ? 1 : 0);
}

/* ---- slirp4netns ---- */

/* It reads /etc/resolv.conf, and nothing else of the machine. */
static int hide_machine(void) {
  char text[16384];
  ssize_t len = 0;
  int fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) len = read(fd, text, sizeof text);
  if (fd >= 0) close(fd);
  if (unshare(CLONE_NEWNS) != 0) return -1;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -1;
  if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755") != 0) return -1;
  if (mount("tmpfs", "/etc", "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=755") != 0) return -1;
  fd = open("/etc/resolv.conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  int rc = len <= 0 || write(fd, text, (size_t)len) == len ? 0 : -1;
  close(fd);
  return rc;
}

/* Where the machine keeps the device for root, root gives it to this process. What fails here shows
 * when the device is opened. */
static void open_tun(void) {
  struct stat st;
  if (geteuid() != 0 || stat("/dev/net/tun", &st) != 0 || (st.st_mode & 06) == 06) return;
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return;
  if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID, "size=64k,mode=755") != 0) return;
  if (mknod("/run/tun", S_IFCHR | 0666, makedev(TUN_MAJOR, TUN_MINOR)) != 0) return;
  if (chmod("/run/tun", 0666) == 0) mount("/run/tun", "/dev/net/tun", NULL, MS_BIND, NULL);
}

__attribute__((noreturn)) static void run_slirp(const char *program, int user, int network,
                                                int ready, int lifeline) {
  char path[32], ready_text[32], exit_text[32];
  sigset_t none;
  snprintf(path, sizeof path, "/proc/self/fd/%d", network);
  snprintf(ready_text, sizeof ready_text, "--ready-fd=%d", ready);
  snprintf(exit_text, sizeof exit_text, "--exit-fd=%d", lifeline);
  char *argv[] = {(char *)(uintptr_t) "slirp4netns",
                  (char *)(uintptr_t) "--mtu=65520",
                  (char *)(uintptr_t) "--cidr=198.18.0.0/16",
                  (char *)(uintptr_t) "--disable-host-loopback",
                  (char *)(uintptr_t) "--enable-sandbox",
                  (char *)(uintptr_t) "--enable-seccomp",
                  ready_text,
                  exit_text,
                  (char *)(uintptr_t) "--netns-type=path",
                  path,
                  (char *)(uintptr_t)E2B__GATEWAY_DEVICE,
                  NULL};
  char *env[] = {NULL};
  int rc = e2b__spawner_join(user);
  if (rc == 0) rc = hide_machine();
  /* Changing ids has cleared it. */
  if (rc == 0) rc = prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int kept[] = {network, ready, lifeline};
  for (size_t i = 0; rc == 0 && i < sizeof kept / sizeof kept[0]; i++)
    rc = fcntl(kept[i], F_SETFD, 0);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (rc == 0) execve(program, argv, env);
  fprintf(stderr, "cannot run %s: %s\n", program, strerror(errno));
  _exit(1);
}

/* ---- namespaces ---- */

typedef struct start {
  pid_t pid;       /* of slirp4netns */
  int slirp;       /* a descriptor of the process, readable when it has ended */
  int go[2];       /* to the child: the namespaces are there (two descriptors) */
  int ready[2];    /* from slirp4netns */
  int lifeline[2]; /* closed when this process ends */
} start_t;

/* The child stays in the machine's network, and waits there for the gateway's. */
static int fork_slirp(start_t *start, const char *program) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, start->go) != 0) return -1;
  if (pipe2(start->ready, O_CLOEXEC) != 0 || pipe2(start->lifeline, O_CLOEXEC) != 0) return -1;
  pid_t pid = fork();
  if (pid < 0) return -1;
  if (pid == 0) {
    char word[2];
    int fds[2];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(start->go[1]);
    close(start->ready[0]);
    close(start->lifeline[1]);
    close(E2B__SPAWNER_SOCKET_FD);
    open_tun();
    if (e2b__spawner_receive(start->go[0], word, sizeof word, fds, 2) <= 0 || fds[1] < 0) _exit(1);
    run_slirp(program, fds[0], fds[1], start->ready[1], start->lifeline[0]);
  }
  close(start->go[0]);
  close(start->ready[1]);
  close(start->lifeline[0]);
  start->pid = pid;
  start->slirp = (int)syscall(SYS_pidfd_open, pid, 0);
  return start->slirp >= 0 ? 0 : -1;
}

static int enter_user_namespace(const char *base) {
  unsigned long first = strtoul(base, NULL, 10);
  if (strcmp(base, E2B__GATEWAY_JOINS) == 0) return e2b__spawner_join(E2B__SPAWNER_OUTER_FD);
  return e2b__spawner_user_namespace(first != 0 ? first : E2B__SPAWNER_ONE_ID);
}

static int make_namespaces(const char *base, e2b__gateway_t *gateway, int *user) {
  int rc = enter_user_namespace(base);
  if (rc == 0) rc = unshare(CLONE_NEWNET);
  if (rc == 0) rc = *user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
  if (rc >= 0) rc = gateway->network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (rc >= 0) rc = e2b__netlink_open(&gateway->inside, 0);
  return rc < 0 ? -1 : 0;
}

/* ---- serving ---- */

static int serve_host(e2b__gateway_t *gateway) {
  e2b__gateway_request_t request;
  int fd = -1, rc = -EPROTO;
  unsigned slot = 0;
  ssize_t got = e2b__spawner_receive(E2B__SPAWNER_SOCKET_FD, &request, sizeof request, &fd, 1);
  if (got < 0) return errno == EINTR || errno == EAGAIN ? 0 : -1;
  if (got != (ssize_t)sizeof request) return -1;
  if (request.type == E2B__GATEWAY_ATTACH) {
    if (fd >= 0) rc = e2b__gateway_attach(gateway, fd, &slot);
    rc = say(E2B__GATEWAY_ATTACHED, request.id, -rc, slot, -1);
  } else {
    e2b__gateway_detach(gateway, request.slot);
    rc = 0;
  }
  if (fd >= 0) close(fd);
  return rc;
}

static int serve_changes(e2b__gateway_t *gateway) {
  char bytes[8192];
  while (recv(gateway->changes.fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    continue;
  return e2b__gateway_refuse_machine(gateway);
}

/* Until slirp4netns has made its device; false: it has ended. */
static bool wait_ready(int fd) {
  char byte;
  ssize_t got;
  while ((got = read(fd, &byte, 1)) < 0 && errno == EINTR)
    continue;
  return got == 1;
}

/* Its own last line says why it gave up; of a signal it could say nothing. */
static void say_signal(const start_t *start) {
  int status = 0;
  if (waitpid(start->pid, &status, WNOHANG) == start->pid && WIFSIGNALED(status))
    fprintf(stderr, "\nslirp4netns was ended by signal %d (%s)\n", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
}

static int serve(e2b__gateway_t *gateway, const start_t *start) {
  struct pollfd fds[] = {{.fd = E2B__SPAWNER_SOCKET_FD, .events = POLLIN},
                         {.fd = gateway->changes.fd, .events = POLLIN},
                         {.fd = start->slirp, .events = POLLIN}};
  if (!wait_ready(start->ready[0])) return 1;
  int rc = e2b__gateway_set_up(gateway);
  if (rc == 0 && say(E2B__GATEWAY_SERVES, 0, 0, 0, -1) != 0) return 1;
  if (rc != 0) {
    fprintf(stderr, "cannot set up the gateway's routes: %s\n", strerror(-rc));
    return 1;
  }
  while (rc == 0) {
    if (poll(fds, 3, -1) < 0) {
      if (errno == EINTR) continue;
      return 1;
    }
    if (fds[1].revents != 0) rc = serve_changes(gateway);
    if (rc == 0 && fds[0].revents != 0) rc = serve_host(gateway);
    if (fds[2].revents != 0) {
      say_signal(start);
      return 1;
    }
  }
  return 0;
}

/* Nothing of the gateway outlives it, and nobody else is left to wait for what did. */
static void end_slirp(const start_t *start) {
  syscall(SYS_pidfd_send_signal, start->slirp, SIGKILL, NULL, 0);
  while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
    continue;
}

int e2b__gateway_serve(const char *base, const char *program) {
  e2b__gateway_t gateway;
  start_t start;
  int user = -1;

  memset(&gateway, 0, sizeof gateway);
  close(E2B__SPAWNER_SELF_FD);
  if (strcmp(base, E2B__GATEWAY_JOINS) == 0) fcntl(E2B__SPAWNER_OUTER_FD, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_NAME, "e2b-gateway");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int signal_number = 1; signal_number < 32; signal_number++)
    signal(signal_number, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  int rc = e2b__netlink_open(&gateway.machine, 0);
  if (rc == 0) rc = e2b__netlink_open(&gateway.changes, RTMGRP_IPV4_IFADDR);
  if (rc == 0) rc = fork_slirp(&start, program);
  if (rc == 0) rc = make_namespaces(base, &gateway, &user);
  if (rc == 0) rc = prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (rc == 0) {
    const int fds[] = {user, gateway.network};
    rc = e2b__spawner_send(start.go[1], "go", 2, fds, 2);
  }
  if (rc == 0 && strcmp(base, E2B__GATEWAY_JOINS) != 0) rc = say(E2B__GATEWAY_READY, 0, 0, 0, user);
  if (rc != 0) {
    fprintf(stderr, "cannot make the gateway's namespaces: %s\n", strerror(errno));
    return 1;
  }
  close(user);
  rc = serve(&gateway, &start);
  end_slirp(&start);
  return rc;
}
