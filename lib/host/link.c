/* SPDX-License-Identifier: MIT */
#include "host/link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "host/gateway.h"
#include "host/process.h"

/* A packet that the socket had no room for. */
typedef struct packet {
  e2b__list_t node;
  int fd; /* sent along, or -1 */
  size_t len;
  char data[];
} packet_t;

typedef struct e2b__host_link {
  e2b_host_t *host;
  e2b__host_sandbox_t *sandbox;
  uv_process_t process;
  uv_pipe_t complaints; /* its standard error until it runs */
  uv_poll_t poll;
  int fd;
  bool polling;
  bool exited;
  unsigned open; /* handles */
  uint32_t last_id;
  e2b__list_t starts;  /* e2b__host_start_t that wait */
  e2b__list_t packets; /* to be sent */
  char complaint[512];
} e2b__host_link_t;

static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- the end ---- */

static void maybe_ended(e2b__host_link_t *link) {
  if (link->open > 0 || !link->exited) return;
  e2b__host_sandbox_t *sandbox = link->sandbox;
  e2b__free(link);
  e2b__host_sandbox_ended(sandbox);
}

static void on_closed(uv_handle_t *handle) {
  e2b__host_link_t *link = handle->data;
  link->open--;
  e2b__host_handle_closed(link->host);
  maybe_ended(link);
}

static void close_handle(uv_handle_t *handle) {
  if (!uv_is_closing(handle)) uv_close(handle, on_closed);
}

static void close_socket(e2b__host_link_t *link) {
  e2b__list_t *node;
  if (!link->polling) return;
  link->polling = false;
  close_handle((uv_handle_t *)&link->poll);
  close(link->fd);
  link->fd = -1;
  while ((node = e2b__list_take(&link->packets)) != NULL) {
    packet_t *packet = E2B__CONTAINER(node, packet_t, node);
    if (packet->fd >= 0) close(packet->fd);
    e2b__free(packet);
  }
  while ((node = e2b__list_take(&link->starts)) != NULL) {
    e2b__host_start_t *start = E2B__CONTAINER(node, e2b__host_start_t, node);
    start->done(start, NULL);
  }
}

void e2b__host_link_hang_up(e2b__host_link_t *link) {
  close_socket(link);
}

void e2b__host_link_terminate(e2b__host_link_t *link) {
  if (!link->exited) uv_process_kill(&link->process, SIGKILL);
}

static void on_exit_(uv_process_t *process, int64_t status, int signal_number) {
  e2b__host_link_t *link = process->data;
  (void)status;
  (void)signal_number;
  link->exited = true;
  close_handle((uv_handle_t *)&link->process);
  close_handle((uv_handle_t *)&link->complaints);
  if (link->polling) e2b__host_sandbox_lost(link->sandbox);
}

/* ---- packets out ---- */

static int send_now(e2b__host_link_t *link, const void *data, size_t len, int fd) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec iov = {(void *)(uintptr_t)data, len};
  struct msghdr message;

  memset(&message, 0, sizeof message);
  memset(&control, 0, sizeof control);
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  ssize_t sent;
  while ((sent = sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
    continue;
  return sent == (ssize_t)len ? 0 : -errno;
}

/* Takes `fd`. */
static int send_packet(e2b__host_link_t *link, const void *data, size_t len, int fd) {
  if (!link->polling) {
    if (fd >= 0) close(fd);
    return E2B_ECLOSED;
  }
  if (e2b__list_empty(&link->packets)) {
    int rc = send_now(link, data, len, fd);
    if (rc != -EAGAIN && rc != -ENOBUFS) {
      if (fd >= 0) close(fd);
      return rc == 0 ? 0 : E2B_ESYSTEM;
    }
  }
  packet_t *packet = e2b__malloc(sizeof *packet + len);
  if (packet == NULL) {
    if (fd >= 0) close(fd);
    return E2B_ENOMEM;
  }
  packet->fd = fd;
  packet->len = len;
  memcpy(packet->data, data, len);
  e2b__list_append(&link->packets, &packet->node);
  uv_poll_start(&link->poll, UV_READABLE | UV_WRITABLE, on_poll);
  return 0;
}

static void send_waiting(e2b__host_link_t *link) {
  while (!e2b__list_empty(&link->packets)) {
    packet_t *packet = E2B__CONTAINER(link->packets.next, packet_t, node);
    int rc = send_now(link, packet->data, packet->len, packet->fd);
    if (rc == -EAGAIN || rc == -ENOBUFS) return;
    /* A link that is broken ends at its reading side. */
    e2b__list_remove(&packet->node);
    if (packet->fd >= 0) close(packet->fd);
    e2b__free(packet);
  }
  uv_poll_start(&link->poll, UV_READABLE, on_poll);
}

static int memory_file(const char *data, size_t len) {
  int fd = memfd_create("e2b-start", MFD_CLOEXEC);
  if (fd < 0) return -1;
  while (len > 0) {
    ssize_t written = write(fd, data, len);
    if (written <= 0) {
      close(fd);
      return -1;
    }
    data += written;
    len -= (size_t)written;
  }
  return fd;
}

int e2b__host_link_start(e2b__host_link_t *link, const e2b__host_program_t *program,
                         e2b__host_start_t *start) {
  e2b__buffer_t out = E2B__BUFFER_INIT(16 << 20);
  e2b__spawner_start_t header;
  int fd = -1;

  memset(&header, 0, sizeof header);
  header.type = E2B__SPAWNER_START;
  header.id = start->id = ++link->last_id;
  header.flags = program->flags;
  header.cols = (uint16_t)program->cols;
  header.rows = (uint16_t)program->rows;
  header.argc = (uint32_t)program->argc;
  header.envc = (uint32_t)program->envc;
  int rc = e2b__buffer_append(&out, &header, sizeof header);
  if (rc == 0) rc = e2b__buffer_append(&out, program->cwd, strlen(program->cwd) + 1);
  for (size_t i = 0; rc == 0 && i < program->argc; i++)
    rc = e2b__buffer_append(&out, program->argv[i], strlen(program->argv[i]) + 1);
  for (size_t i = 0; rc == 0 && i < program->envc; i++)
    rc = e2b__buffer_append(&out, program->env[i], strlen(program->env[i]) + 1);
  if (rc == 0) {
    size_t payload = out.len - sizeof header;
    header.payload = (uint32_t)payload;
    memcpy(out.data, &header, sizeof header);
    if (payload > E2B__SPAWNER_INLINE) {
      fd = memory_file(out.data + sizeof header, payload);
      out.len = sizeof header;
      if (fd < 0) rc = E2B_ESYSTEM;
    }
  }
  if (rc == 0) rc = send_packet(link, out.data, out.len, fd);
  e2b__buffer_free(&out);
  if (rc == 0) e2b__list_append(&link->starts, &start->node);
  return rc;
}

int e2b__host_link_sockets(e2b__host_link_t *link, e2b__host_start_t *start) {
  e2b__spawner_sockets_t packet = {E2B__SPAWNER_SOCKETS, ++link->last_id};
  start->id = packet.id;
  int rc = send_packet(link, &packet, sizeof packet, -1);
  if (rc == 0) e2b__list_append(&link->starts, &start->node);
  return rc;
}

int e2b__host_link_listen(e2b__host_link_t *link, unsigned port, e2b__host_start_t *start) {
  e2b__spawner_listen_t packet = {E2B__SPAWNER_LISTEN, ++link->last_id, port};
  start->id = packet.id;
  int rc = send_packet(link, &packet, sizeof packet, -1);
  if (rc == 0) e2b__list_append(&link->starts, &start->node);
  return rc;
}

int e2b__host_link_pid(const e2b__host_link_t *link) {
  return link->exited ? 0 : link->process.pid;
}

void e2b__host_link_signal(e2b__host_link_t *link, int pid, int signal_number) {
  e2b__spawner_signal_t packet = {E2B__SPAWNER_SIGNAL, 0, pid, signal_number};
  send_packet(link, &packet, sizeof packet, -1);
}

int e2b__host_link_signal_then(e2b__host_link_t *link, int pid, int signal_number,
                               e2b__host_start_t *start) {
  e2b__spawner_signal_t packet = {E2B__SPAWNER_SIGNAL, ++link->last_id, pid, signal_number};
  start->id = packet.id;
  int rc = send_packet(link, &packet, sizeof packet, -1);
  if (rc == 0) e2b__list_append(&link->starts, &start->node);
  return rc;
}

/* ---- packets in ---- */

static void take_started(e2b__host_link_t *link, const e2b__spawner_started_t *packet, int *fds,
                         int fd_count) {
  for (e2b__list_t *node = link->starts.next; node != &link->starts; node = node->next) {
    e2b__host_start_t *start = E2B__CONTAINER(node, e2b__host_start_t, node);
    if (start->id != packet->id) continue;
    e2b__host_started_t started = {packet->pid, packet->error, (int)packet->stage, {-1, -1, -1}, 0};
    for (int i = 0; i < fd_count && i < 3; i++) {
      started.fds[started.fd_count++] = fds[i];
      fds[i] = -1;
    }
    e2b__list_remove(&start->node);
    start->done(start, &started);
    return;
  }
}

static void take_packet(e2b__host_link_t *link, const char *data, size_t len, int *fds,
                        int fd_count) {
  uint32_t type = 0;
  if (len >= sizeof type) memcpy(&type, data, sizeof type);
  switch (type) {
  case E2B__SPAWNER_HELLO:
    if (fd_count == 2) {
      e2b__host_sandbox_hello(link->sandbox, fds[0], fds[1]);
      fds[0] = fds[1] = -1;
    }
    return;
  case E2B__SPAWNER_STARTED: {
    e2b__spawner_started_t packet;
    if (len != sizeof packet) return;
    memcpy(&packet, data, sizeof packet);
    take_started(link, &packet, fds, fd_count);
    return;
  }
  case E2B__SPAWNER_STARVED: {
    e2b__spawner_exited_t packet;
    if (len != sizeof packet) return;
    memcpy(&packet, data, sizeof packet);
    E2B__HOST_LOG(link->host, WARN, "sandbox %s: more than %zu MB of memory: killed process %d",
                  link->sandbox->id, link->host->limits.memory_mb, (int)packet.pid);
    return;
  }
  case E2B__SPAWNER_DISK: {
    e2b__spawner_disk_t packet;
    if (len != sizeof packet) return;
    memcpy(&packet, data, sizeof packet);
    link->sandbox->disk_full = packet.full != 0;
    E2B__HOST_LOG(link->host, WARN, "sandbox %s: %s %zu MB of files%s", link->sandbox->id,
                  packet.full ? "more than" : "again less than", link->host->limits.disk_mb,
                  packet.killed ? ", and more: killed its processes" : "");
    return;
  }
  case E2B__SPAWNER_EXITED: {
    e2b__spawner_exited_t packet;
    if (len != sizeof packet) return;
    memcpy(&packet, data, sizeof packet);
    e2b__host_process_exited(link->sandbox, packet.pid, packet.status);
    return;
  }
  default: return;
  }
}

/* 1: a packet was taken, 0: there is none now, -1: the spawner is gone. */
static int receive(e2b__host_link_t *link) {
  char data[256];
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * 3)];
  } control;
  struct iovec iov = {data, sizeof data};
  struct msghdr message;
  int fds[3] = {-1, -1, -1}, fd_count = 0;

  memset(&message, 0, sizeof message);
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t got = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  if (got == 0) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
    /* What is aligned has room for one more. */
    fd_count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (fd_count > 3) fd_count = 3;
    memcpy(fds, CMSG_DATA(header), sizeof(int) * (size_t)fd_count);
  }
  take_packet(link, data, (size_t)got, fds, fd_count);
  for (int i = 0; i < 3; i++)
    if (fds[i] >= 0) close(fds[i]);
  return 1;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  e2b__host_link_t *link = poll->data;
  if (events & UV_WRITABLE) send_waiting(link);
  if (status == 0 && !(events & (UV_READABLE | UV_DISCONNECT))) return;
  for (int i = 0; i < 64 && link->polling; i++) {
    int rc = receive(link);
    if (rc > 0) continue;
    if (rc < 0) e2b__host_sandbox_lost(link->sandbox);
    return;
  }
}

/* ---- the beginning ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  e2b__host_link_t *link = handle->data;
  size_t have = strlen(link->complaint);
  (void)suggested;
  /* What does not fit any more is read and forgotten. */
  static char rest[256];
  if (have + 1 < sizeof link->complaint)
    *buf = uv_buf_init(link->complaint + have, (unsigned)(sizeof link->complaint - have - 1));
  else
    *buf = uv_buf_init(rest, sizeof rest);
}

static void on_complaint(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  e2b__host_link_t *link = stream->data;
  if (got < 0) {
    uv_read_stop(stream);
    return;
  }
  if (buf->base >= link->complaint && buf->base < link->complaint + sizeof link->complaint)
    buf->base[got] = '\0';
  memcpy(link->sandbox->complaint, link->complaint, sizeof link->complaint);
}

int e2b__host_link_open(e2b__host_sandbox_t *sandbox, char **argv) {
  e2b_host_t *host = sandbox->host;
  uv_process_options_t options;
  uv_stdio_container_t stdio[6];
  char *env[] = {(char *)(uintptr_t) "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", NULL};
  int pair[2];

  e2b__host_link_t *link = e2b__calloc(1, sizeof *link);
  if (link == NULL) return E2B_ENOMEM;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    e2b__free(link);
    return E2B_ESYSTEM;
  }
  link->host = host;
  link->sandbox = sandbox;
  link->fd = pair[0];
  e2b__list_init(&link->starts);
  e2b__list_init(&link->packets);
  link->process.data = link->complaints.data = link->poll.data = link;
  memset(&options, 0, sizeof options);
  memset(stdio, 0, sizeof stdio);
  stdio[0].flags = stdio[1].flags = UV_IGNORE;
  stdio[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
  stdio[2].data.stream = (uv_stream_t *)&link->complaints;
  stdio[3].flags = stdio[4].flags = UV_INHERIT_FD;
  stdio[3].data.fd = pair[1];
  stdio[4].data.fd = host->spawner_fd;
  options.exit_cb = on_exit_;
  options.file = "/proc/self/fd/4";
  options.args = argv;
  options.env = env;
  options.stdio = stdio;
  options.stdio_count = 5;
  if (e2b__host_gateway_namespace(host) >= 0) {
    stdio[E2B__SPAWNER_OUTER_FD].flags = UV_INHERIT_FD;
    stdio[E2B__SPAWNER_OUTER_FD].data.fd = e2b__host_gateway_namespace(host);
    options.stdio_count = 6;
  }
  uv_pipe_init(host->loop, &link->complaints, 0);
  int rc = uv_spawn(host->loop, &link->process, &options);
  close(pair[1]);
  uv_poll_init(host->loop, &link->poll, link->fd);
  link->open = 3;
  for (int i = 0; i < 3; i++)
    e2b__host_handle_opened(host);
  link->polling = true;
  sandbox->link = link;
  if (rc != 0) {
    snprintf(sandbox->complaint, sizeof sandbox->complaint, "%s", uv_strerror(rc));
    link->exited = true;
    close_handle((uv_handle_t *)&link->process);
    close_handle((uv_handle_t *)&link->complaints);
    return E2B_ESYSTEM;
  }
  uv_read_start((uv_stream_t *)&link->complaints, on_alloc, on_complaint);
  uv_poll_start(&link->poll, UV_READABLE, on_poll);
  return 0;
}
