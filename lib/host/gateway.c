/* SPDX-License-Identifier: MIT */
#include "host/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/isolation.h"
#include "host/spawner_protocol.h"

enum {
  START_LIMIT_MS = 5000,
  SERVE_LIMIT_MS = 30000, /* from its start until there is a way out */
  END_LIMIT_MS = 2000,
  FIRST_PAUSE_MS = 250, /* before it is started again; twice as long every time */
  LAST_PAUSE_MS = 60000,
  STABLE_MS = 60000 /* who has served for so long begins with the first pause again */
};

/* One process after the other, in the one user namespace that the first has made: the namespaces of
 * the sandboxes, which are within that one, outlive it. */
struct e2b__host_gateway {
  e2b_host_t *host;
  uv_process_t process;
  uv_poll_t poll;
  int fd;        /* -1: it has ended, or is to */
  int outer;     /* the user namespace */
  int says;      /* a memory file: its standard error */
  unsigned open; /* handles */
  bool exited;
  bool has_served;   /* it, or one before it */
  uint64_t since_ms; /* it serves; 0: it does not yet */
  unsigned pause_ms;
  e2b__host_alarm_t alarm; /* what takes too long; the pause */
};

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_again(e2b__host_alarm_t *alarm);

bool e2b__host_gateway_is_up(const e2b_host_t *host) {
  return host->gateway != NULL && host->gateway->fd >= 0;
}

int e2b__host_gateway_namespace(const e2b_host_t *host) {
  return host->gateway != NULL ? host->gateway->outer : -1;
}

/* ---- the end ---- */

static void gateway_free(struct e2b__host_gateway *gateway) {
  e2b_host_t *host = gateway->host;
  e2b__host_alarm_cancel(&host->alarms, &gateway->alarm);
  close(gateway->outer);
  close(gateway->says);
  e2b__free(gateway);
  host->gateway = NULL;
}

static void on_closed(uv_handle_t *handle) {
  struct e2b__host_gateway *gateway = handle->data;
  e2b_host_t *host = gateway->host;
  if (--gateway->open == 0) {
    if (host->closing)
      gateway_free(gateway);
    else if (gateway->has_served)
      e2b__host_alarm_set(&host->alarms, &gateway->alarm, gateway->pause_ms, on_again);
  }
  e2b__host_handle_closed(host);
}

/* Its last line; it says one only when it fails. */
static void read_complaint(const struct e2b__host_gateway *gateway, char *line, size_t size) {
  char text[2048];
  ssize_t len = pread(gateway->says, text, sizeof text - 1, 0);
  while (len > 0 && text[len - 1] == '\n')
    len--;
  text[len > 0 ? len : 0] = '\0';
  const char *last = strrchr(text, '\n');
  last = last != NULL ? last + 1 : text;
  snprintf(line, size, "%.250s", *last != '\0' ? last : "it ended");
}

static void on_overdue(e2b__host_alarm_t *alarm) {
  struct e2b__host_gateway *gateway = E2B__CONTAINER(alarm, struct e2b__host_gateway, alarm);
  if (!gateway->exited) uv_process_kill(&gateway->process, SIGKILL);
}

/* It hears, ends slirp4netns, and ends. */
static void hang_up(struct e2b__host_gateway *gateway) {
  if (gateway->fd < 0) return;
  uv_close((uv_handle_t *)&gateway->poll, on_closed);
  close(gateway->fd);
  gateway->fd = -1;
  if (!gateway->exited)
    e2b__host_alarm_set(&gateway->host->alarms, &gateway->alarm, END_LIMIT_MS, on_overdue);
}

static void say_lost(const struct e2b__host_gateway *gateway, int signal_number) {
  char line[300];
  if (signal_number != 0)
    snprintf(line, sizeof line, "the gateway was ended by signal %d (%s)", signal_number,
             strsignal(signal_number));
  else
    read_complaint(gateway, line, sizeof line);
  if (gateway->has_served)
    E2B__HOST_LOG(gateway->host, ERROR,
                  "sandboxes have no way out for now, which is tried again in %u ms: %s",
                  gateway->pause_ms, line);
  else
    E2B__HOST_LOG(gateway->host, WARN, "sandboxes have no way out of this machine: %s", line);
}

/* Those that wait go on without. */
static void lose(struct e2b__host_gateway *gateway, int signal_number) {
  e2b_host_t *host = gateway->host;
  bool stable = gateway->since_ms != 0 && e2b__host_now() - gateway->since_ms >= STABLE_MS;
  hang_up(gateway);
  if (host->closing || gateway->outer < 0) return;
  gateway->since_ms = 0;
  gateway->pause_ms = stable || gateway->pause_ms == 0 ? FIRST_PAUSE_MS : gateway->pause_ms * 2;
  if (gateway->pause_ms > LAST_PAUSE_MS) gateway->pause_ms = LAST_PAUSE_MS;
  say_lost(gateway, signal_number);
  for (e2b__list_t *node = host->sandboxes.next, *next; node != &host->sandboxes; node = next) {
    e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    e2b__host_way_out_t was = sandbox->way_out;
    next = node->next;
    sandbox->way_out = E2B__WAY_OUT_NONE;
    if (was == E2B__WAY_OUT_WANTED || was == E2B__WAY_OUT_ASKED)
      e2b__host_sandbox_connected(sandbox);
  }
}

static void on_exit_(uv_process_t *process, int64_t status, int signal_number) {
  struct e2b__host_gateway *gateway = process->data;
  (void)status;
  gateway->exited = true;
  e2b__host_alarm_cancel(&gateway->host->alarms, &gateway->alarm);
  lose(gateway, signal_number);
  uv_close((uv_handle_t *)process, on_closed);
}

void e2b__host_gateway_stop(e2b_host_t *host) {
  struct e2b__host_gateway *gateway = host->gateway;
  if (gateway == NULL) return;
  hang_up(gateway);
  if (gateway->open == 0) gateway_free(gateway);
}

/* ---- requests ---- */

/* 0, -EAGAIN or another -errno. */
static int ask(struct e2b__host_gateway *gateway, e2b__gateway_type_t type,
               const e2b__host_sandbox_t *sandbox) {
  e2b__gateway_request_t request = {type, (uint32_t)sandbox->serial, sandbox->cable};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec iov = {&request, sizeof request};
  struct msghdr message;

  memset(&message, 0, sizeof message);
  memset(&control, 0, sizeof control);
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  if (type == E2B__GATEWAY_ATTACH) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof sandbox->net_fd);
    memcpy(CMSG_DATA(header), &sandbox->net_fd, sizeof sandbox->net_fd);
  }
  ssize_t sent;
  while ((sent = sendmsg(gateway->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
    continue;
  return sent >= 0 ? 0 : -errno;
}

static bool must_wait(int rc) {
  return rc == -EAGAIN || rc == -ENOBUFS || rc == -ETOOMANYREFS;
}

/* What the socket had no room for before. */
static void ask_waiting(struct e2b__host_gateway *gateway) {
  e2b__list_t *all = &gateway->host->sandboxes;
  for (e2b__list_t *node = all->next; node != all; node = node->next) {
    e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    if (sandbox->way_out != E2B__WAY_OUT_WANTED && sandbox->way_out != E2B__WAY_OUT_UNWANTED)
      continue;
    bool wanted = sandbox->way_out == E2B__WAY_OUT_WANTED;
    int rc = ask(gateway, wanted ? E2B__GATEWAY_ATTACH : E2B__GATEWAY_DETACH, sandbox);
    if (must_wait(rc)) return;
    /* A socket that is broken ends at its reading side. */
    sandbox->way_out = wanted ? E2B__WAY_OUT_ASKED : E2B__WAY_OUT_NONE;
  }
  uv_poll_start(&gateway->poll, UV_READABLE, on_poll);
}

/* Of the rules for addresses the one that this can keep: all are denied, and none is excepted. */
static bool denies_all(const cJSON *network) {
  const cJSON *item, *allowed = cJSON_GetObjectItemCaseSensitive(network, "allowOut");
  if (cJSON_GetArraySize(allowed) > 0) return false;
  cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(network, "denyOut")) {
    if (cJSON_IsString(item) && strcmp(item->valuestring, "0.0.0.0/0") == 0) return true;
  }
  return false;
}

static bool may_go_out(const e2b__host_sandbox_t *sandbox) {
  return sandbox->allow_internet && !denies_all(sandbox->network);
}

bool e2b__host_gateway_apply(e2b__host_sandbox_t *sandbox) {
  e2b_host_t *host = sandbox->host;
  bool wanted = may_go_out(sandbox);
  if (!e2b__host_gateway_is_up(host) || sandbox->net_fd < 0) return false;
  if (wanted && sandbox->way_out == E2B__WAY_OUT_NONE)
    sandbox->way_out = E2B__WAY_OUT_WANTED;
  else if (!wanted && sandbox->way_out == E2B__WAY_OUT_THERE)
    sandbox->way_out = E2B__WAY_OUT_UNWANTED;
  else
    return false;
  uv_poll_start(&host->gateway->poll, UV_READABLE | UV_WRITABLE, on_poll);
  ask_waiting(host->gateway);
  return wanted;
}

/* ---- answers ---- */

static void take_answer(struct e2b__host_gateway *gateway, const e2b__gateway_answer_t *answer) {
  e2b_host_t *host = gateway->host;
  for (e2b__list_t *node = host->sandboxes.next; node != &host->sandboxes; node = node->next) {
    e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    if ((uint32_t)sandbox->serial != answer->id || sandbox->way_out != E2B__WAY_OUT_ASKED) continue;
    sandbox->way_out = answer->error == 0 ? E2B__WAY_OUT_THERE : E2B__WAY_OUT_NONE;
    sandbox->cable = answer->slot;
    if (answer->error != 0)
      E2B__HOST_LOG(host, ERROR, "sandbox %s: has no way out: %s", sandbox->id,
                    strerror(answer->error));
    /* It may have been forbidden meanwhile. */
    if (!may_go_out(sandbox)) e2b__host_gateway_apply(sandbox);
    e2b__host_sandbox_connected(sandbox);
    return;
  }
}

static void take_word(struct e2b__host_gateway *gateway) {
  e2b_host_t *host = gateway->host;
  e2b__host_alarm_cancel(&host->alarms, &gateway->alarm);
  gateway->since_ms = e2b__host_now();
  if (!gateway->has_served) {
    gateway->has_served = true;
    return;
  }
  E2B__HOST_LOG(host, INFO, "sandboxes have a way out again");
  for (e2b__list_t *node = host->sandboxes.next; node != &host->sandboxes; node = node->next) {
    e2b__host_sandbox_t *sandbox = E2B__CONTAINER(node, e2b__host_sandbox_t, node);
    if (sandbox->state != E2B__SANDBOX_ENDING) e2b__host_gateway_apply(sandbox);
  }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct e2b__host_gateway *gateway = poll->data;
  e2b__gateway_answer_t answer;
  if (events & UV_WRITABLE) ask_waiting(gateway);
  if (status == 0 && !(events & (UV_READABLE | UV_DISCONNECT))) return;
  for (int i = 0; i < 64 && gateway->fd >= 0; i++) {
    ssize_t got = recv(gateway->fd, &answer, sizeof answer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got != (ssize_t)sizeof answer) {
      hang_up(gateway); /* its exit follows */
      return;
    }
    if (answer.type == E2B__GATEWAY_ATTACHED) take_answer(gateway, &answer);
    if (answer.type == E2B__GATEWAY_SERVES) take_word(gateway);
  }
}

/* ---- the beginning ---- */

static const char *find_program(void) {
  static const char *const places[] = {"/usr/local/bin/slirp4netns", "/usr/bin/slirp4netns",
                                       "/bin/slirp4netns"};
  for (size_t i = 0; i < E2B__COUNT(places); i++)
    if (access(places[i], X_OK) == 0) return places[i];
  return NULL;
}

/* NULL, or why there can be no gateway. */
static const char *obstacle(const e2b_host_t *host) {
  static char text[100];
  if (host->isolation == E2B__ISOLATION_ROOT) return "this machine has no user namespaces";
  if (find_program() == NULL) return "slirp4netns is not installed";
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    close(fd);
    return NULL;
  }
  snprintf(text, sizeof text, "/dev/net/tun: %s", strerror(errno));
  return text;
}

/* The word that it has its namespaces. */
static int wait_ready(struct e2b__host_gateway *gateway) {
  e2b__gateway_answer_t answer;
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec iov = {&answer, sizeof answer};
  struct msghdr message;
  struct pollfd wait = {gateway->fd, POLLIN, 0};
  uint64_t end = e2b__monotonic_ns() / 1000000 + START_LIMIT_MS, now;

  while ((now = e2b__monotonic_ns() / 1000000) < end && poll(&wait, 1, (int)(end - now)) < 0 &&
         errno == EINTR)
    continue;
  memset(&message, 0, sizeof message);
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t got = recvmsg(gateway->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  struct cmsghdr *header = got == (ssize_t)sizeof answer ? CMSG_FIRSTHDR(&message) : NULL;
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) return -1;
  memcpy(&gateway->outer, CMSG_DATA(header), sizeof gateway->outer);
  return 0;
}

/* The word that it has its namespaces is not waited for. */
static int spawn(struct e2b__host_gateway *gateway) {
  e2b_host_t *host = gateway->host;
  uv_process_options_t options;
  uv_stdio_container_t stdio[6];
  char base[32] = E2B__GATEWAY_JOINS;
  char *argv[] = {(char *)(uintptr_t) "e2b-host-spawner", (char *)(uintptr_t) "gateway", base,
                  (char *)(uintptr_t)find_program(), NULL};
  char *env[] = {NULL};
  int pair[2];

  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return -1;
  if (gateway->outer < 0)
    snprintf(base, sizeof base, "%lu",
             host->isolation == E2B__ISOLATION_MAPPED
                 ? (unsigned long)e2b__host_machine_uid(host, 0)
                 : 0);
  memset(&options, 0, sizeof options);
  memset(stdio, 0, sizeof stdio);
  stdio[0].flags = stdio[1].flags = UV_IGNORE;
  stdio[2].flags = stdio[3].flags = stdio[4].flags = stdio[5].flags = UV_INHERIT_FD;
  stdio[2].data.fd = gateway->says;
  stdio[3].data.fd = pair[1];
  stdio[4].data.fd = host->spawner_fd;
  stdio[5].data.fd = gateway->outer;
  options.exit_cb = on_exit_;
  options.file = "/proc/self/fd/4";
  options.args = argv;
  options.env = env;
  options.stdio = stdio;
  options.stdio_count = gateway->outer < 0 ? 5 : 6;
  int rc = uv_spawn(host->loop, &gateway->process, &options);
  close(pair[1]);
  gateway->fd = pair[0];
  uv_poll_init(host->loop, &gateway->poll, gateway->fd);
  gateway->open = 2;
  e2b__host_handle_opened(host);
  e2b__host_handle_opened(host);
  gateway->exited = rc != 0;
  if (rc != 0) uv_close((uv_handle_t *)&gateway->process, on_closed);
  return rc == 0 ? 0 : -1;
}

static void attend(struct e2b__host_gateway *gateway) {
  uv_poll_start(&gateway->poll, UV_READABLE, on_poll);
  e2b__host_alarm_set(&gateway->host->alarms, &gateway->alarm, SERVE_LIMIT_MS, on_overdue);
}

static void on_again(e2b__host_alarm_t *alarm) {
  struct e2b__host_gateway *gateway = E2B__CONTAINER(alarm, struct e2b__host_gateway, alarm);
  /* What the last one said goes; both have one place in the file. */
  if (ftruncate(gateway->says, 0) == 0) lseek(gateway->says, 0, SEEK_SET);
  if (find_program() != NULL && spawn(gateway) == 0) {
    attend(gateway);
  } else if (gateway->open > 0) {
    lose(gateway, 0);
  } else {
    e2b__host_alarm_set(&gateway->host->alarms, alarm, LAST_PAUSE_MS, on_again);
  }
}

void e2b__host_gateway_start(e2b_host_t *host) {
  char line[300] = "out of memory";
  const char *why = obstacle(host);
  struct e2b__host_gateway *gateway = NULL;
  if (why == NULL) gateway = e2b__calloc(1, sizeof *gateway);
  if (gateway != NULL) {
    host->gateway = gateway;
    gateway->host = host;
    gateway->fd = gateway->outer = -1;
    gateway->process.data = gateway->poll.data = gateway;
    gateway->says = memfd_create("e2b-gateway", MFD_CLOEXEC);
    if (gateway->says >= 0 && spawn(gateway) == 0 && wait_ready(gateway) == 0) {
      attend(gateway);
      return;
    }
    read_complaint(gateway, line, sizeof line);
    hang_up(gateway);
    if (!gateway->exited && gateway->open > 0) uv_process_kill(&gateway->process, SIGKILL);
  }
  E2B__HOST_LOG(host, WARN, "sandboxes have no way out of this machine: %s",
                why != NULL ? why : line);
}
