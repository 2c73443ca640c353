/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/spawner/sudo.h"
#include "host/spawner/sudo_protocol.h"

typedef struct command {
  bool keep_env, login, as_user;
  char **assignments; /* NAME=value in front of the command */
  int assignment_count;
  char **argv;
  int argc;
} command_t;

static int usage(void) {
  fprintf(stderr,
          "usage: sudo [-EHnSkis] [-u user] [--] [NAME=value ...] [command [argument ...]]\n");
  return 1;
}

static int set_user(command_t *command, const char *name) {
  command->as_user = strcmp(name, "user") == 0 || strcmp(name, "#1000") == 0;
  if (command->as_user || strcmp(name, "root") == 0 || strcmp(name, "#0") == 0) return 0;
  fprintf(stderr, "sudo: unknown user %s\n", name);
  return -1;
}

static int parse(command_t *command, int argc, char **argv) {
  int option;
  bool shell = false;
  static char *const shell_argv[] = {(char *)(uintptr_t) "/bin/bash", NULL};
  static char *const login_argv[] = {(char *)(uintptr_t) "/bin/bash", (char *)(uintptr_t) "-l",
                                     NULL};
  while ((option = getopt(argc, argv, "+EHnSkisu:")) != -1) {
    switch (option) {
    case 'E': command->keep_env = true; break;
    case 'i': command->login = true; break;
    case 's': shell = true; break;
    case 'u':
      if (set_user(command, optarg) != 0) return -1;
      break;
    case 'H':
    case 'n':
    case 'S':
    case 'k': break;
    default: return -1;
    }
  }
  command->assignments = argv + optind;
  while (optind < argc && strchr(argv[optind], '=') != NULL && argv[optind][0] != '/') {
    command->assignment_count++;
    optind++;
  }
  command->argv = argv + optind;
  command->argc = argc - optind;
  if (command->argc > 0) return 0;
  if (!shell && !command->login) return -1;
  command->argv = command->login ? (char **)(uintptr_t)login_argv : (char **)(uintptr_t)shell_argv;
  command->argc = command->login ? 2 : 1;
  return 0;
}

static char packet[E2B__SUDO_PACKET];
static size_t used;

static bool put(const char *text) {
  size_t len = strlen(text) + 1;
  if (len > sizeof packet - used) return false;
  memcpy(packet + used, text, len);
  used += len;
  return true;
}

static bool is_own(const char *variable) {
  static const char *const own[] = {"HOME=", "USER=", "LOGNAME=", "SUDO_USER="};
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    if (strncmp(variable, own[i], strlen(own[i])) == 0) return true;
  return false;
}

/* Without -E only what a terminal and the sandbox itself need. */
static bool is_kept(const char *variable) {
  static const char *const kept[] = {"PATH=",    "TERM=",  "LANG=", "LC_",
                                     "COLUMNS=", "LINES=", "E2B_",  "PWD="};
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
    if (strncmp(variable, kept[i], strlen(kept[i])) == 0) return true;
  return false;
}

static bool fill(const command_t *command) {
  e2b__sudo_request_t request = {(uint32_t)command->argc, 0, command->as_user};
  char directory[4096];
  used = sizeof request;
  const char *home = command->as_user ? "/home/user" : "/root";
  if (command->login || getcwd(directory, sizeof directory) == NULL) strcpy(directory, home);
  bool good = put(directory);
  for (int i = 0; good && i < command->argc; i++)
    good = put(command->argv[i]);
  for (char **variable = environ; good && *variable != NULL; variable++) {
    if (is_own(*variable) || !(command->keep_env || is_kept(*variable))) continue;
    good = put(*variable);
    request.envc++;
  }
  good = good && put(command->as_user ? "HOME=/home/user" : "HOME=/root") &&
         put(command->as_user ? "USER=user" : "USER=root") &&
         put(command->as_user ? "LOGNAME=user" : "LOGNAME=root") &&
         put(getuid() == 0 ? "SUDO_USER=root" : "SUDO_USER=user");
  request.envc += 4;
  for (int i = 0; good && i < command->assignment_count; i++) {
    good = put(command->assignments[i]);
    request.envc++;
  }
  memcpy(packet, &request, sizeof request);
  return good;
}

static int ask(void) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * 3)];
  } control;
  struct iovec iov = {packet, used};
  struct msghdr message;
  struct sockaddr_un address;
  socklen_t len;
  int fds[3] = {0, 1, 2}, size = E2B__SUDO_PACKET * 2;

  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  e2b__sudo_address(&address, &len);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) != 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  memset(&message, 0, sizeof message);
  memset(&control, 0, sizeof control);
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fds);
  memcpy(CMSG_DATA(header), fds, sizeof fds);
  return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)used ? fd : -1;
}

/* Hands signals on until the answer comes. */
static int wait_for(int fd, int signals) {
  struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  struct signalfd_siginfo info;
  int status = 1 << 8;
  for (;;) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return status;
    if (fds[1].revents != 0 && read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
      int number = (int)info.ssi_signo;
      (void)!send(fd, &number, sizeof number, MSG_NOSIGNAL);
    }
    if (fds[0].revents == 0) continue;
    if (recv(fd, &status, sizeof status, 0) != (ssize_t)sizeof status) status = 1 << 8;
    return status;
  }
}

int e2b__sudo_main(int argc, char **argv) {
  static const int handed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
  command_t command;
  sigset_t mask;

  memset(&command, 0, sizeof command);
  if (parse(&command, argc, argv) != 0) return usage();
  if (!fill(&command)) {
    fprintf(stderr, "sudo: argument list too long\n");
    return 1;
  }
  sigemptyset(&mask);
  for (size_t i = 0; i < sizeof handed_on / sizeof handed_on[0]; i++)
    sigaddset(&mask, handed_on[i]);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  int fd = ask();
  if (fd < 0) {
    fprintf(stderr, "sudo: cannot reach the sandbox's spawner: %s\n", strerror(errno));
    return 1;
  }
  int status = wait_for(fd, signals);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
