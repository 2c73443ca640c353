/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "host/edge.h"
#include "host/server.h"

/* After "101 Switching Protocols" the host only carries bytes, in both directions, until both are
 * at their end or one side is gone. A direction that cannot be written is not read. */

enum { ROOM = 65536, CLIENT = 0, PROGRAM = 1 };

static char room[ROOM];

typedef struct end {
  struct e2b__host_tunnel *tunnel;
  e2b__host_wire_t *wire;
  e2b__buffer_t out; /* waits to be written to it */
  bool read_all;     /* it has said its end */
  bool told_all;     /* the other's end was passed on to it */
} end_t;

typedef struct e2b__host_tunnel {
  e2b__host_request_t *request;
  struct MHD_UpgradeResponseHandle *upgraded; /* NULL before and after */
  end_t ends[2];
  bool closed;
} e2b__host_tunnel_t;

void e2b__host_tunnel_close(e2b__host_tunnel_t *tunnel) {
  if (tunnel->closed) return;
  tunnel->closed = true;
  bool reset = !tunnel->ends[CLIENT].told_all || !tunnel->ends[PROGRAM].told_all;
  for (int i = 0; i < 2; i++) {
    e2b__host_wire_close(tunnel->ends[i].wire, reset);
    tunnel->ends[i].wire = NULL;
  }
  if (tunnel->upgraded == NULL) return;
  MHD_upgrade_action(tunnel->upgraded, MHD_UPGRADE_ACTION_CLOSE);
  tunnel->upgraded = NULL;
  e2b__host_server_wake(tunnel->request->server);
}

void e2b__host_tunnel_free(e2b__host_tunnel_t *tunnel) {
  e2b__host_tunnel_close(tunnel);
  for (int i = 0; i < 2; i++)
    e2b__buffer_free(&tunnel->ends[i].out);
}

/* 0, or -1 when that side is gone. */
static int flush(end_t *to, const end_t *from) {
  if (to->out.len > 0) {
    ssize_t sent = e2b__host_wire_write(to->wire, to->out.data, to->out.len);
    if (sent < 0) return -1;
    e2b__buffer_consume(&to->out, (size_t)sent);
    if (to->out.len > 0) return 0;
    e2b__buffer_free(&to->out);
  }
  if (from->read_all && !to->told_all) {
    to->told_all = true;
    shutdown(to->wire->fd, SHUT_WR);
  }
  return 0;
}

static int carry(end_t *from, end_t *to) {
  bool ended = false;
  if (from->read_all || to->out.len > 0) return 0;
  ssize_t got = e2b__host_wire_read(from->wire, room, sizeof room, &ended);
  if (got < 0) return -1;
  from->read_all = ended;
  ssize_t sent = got > 0 ? e2b__host_wire_write(to->wire, room, (size_t)got) : 0;
  if (sent < 0) return -1;
  return sent < got ? e2b__buffer_append(&to->out, room + sent, (size_t)(got - sent)) : 0;
}

static void settle(e2b__host_tunnel_t *tunnel) {
  bool over = true;
  for (int i = 0; i < 2; i++) {
    end_t *end = &tunnel->ends[i], *other = &tunnel->ends[!i];
    bool read = !end->read_all && other->out.len == 0;
    e2b__host_wire_want(end->wire, (read ? UV_READABLE : 0) | (end->out.len > 0 ? UV_WRITABLE : 0));
    over = over && end->told_all;
  }
  if (over) e2b__host_tunnel_close(tunnel);
}

static void on_ready(void *owner, int events) {
  end_t *end = owner;
  e2b__host_tunnel_t *tunnel = end->tunnel;
  end_t *other = &tunnel->ends[end == &tunnel->ends[CLIENT] ? PROGRAM : CLIENT];
  int rc = events & UV_WRITABLE ? flush(end, other) : 0;
  if (rc == 0 && (events & UV_READABLE)) rc = carry(end, other);
  if (rc == 0) rc = flush(other, end);
  if (rc == 0)
    settle(tunnel);
  else
    e2b__host_request_reset(tunnel->request);
}

/* libmicrohttpd closes `client` itself, later: the tunnel has a descriptor of its own. */
static void on_upgraded(void *cls, struct MHD_Connection *connection, void *state,
                        const char *extra, size_t extra_len, MHD_socket client,
                        struct MHD_UpgradeResponseHandle *upgraded) {
  e2b__host_tunnel_t *tunnel = cls;
  end_t *ends = tunnel->ends;
  int on = 1, fd;
  (void)connection;
  (void)state;
  tunnel->upgraded = upgraded;
  if (!tunnel->closed) {
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fd = fcntl(client, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0)
      ends[CLIENT].wire = e2b__host_wire_open(tunnel->request->host, fd, &ends[CLIENT], on_ready);
    if (ends[CLIENT].wire != NULL &&
        e2b__buffer_append(&ends[PROGRAM].out, extra, extra_len) == 0 &&
        flush(&ends[PROGRAM], &ends[CLIENT]) == 0 && flush(&ends[CLIENT], &ends[PROGRAM]) == 0) {
      settle(tunnel);
      return;
    }
  }
  tunnel->closed = false;
  e2b__host_tunnel_close(tunnel);
}

struct MHD_Response *e2b__host_tunnel_response(e2b__host_edge_t *edge, const char *data,
                                               size_t len) {
  e2b__host_tunnel_t *tunnel = e2b__arena_calloc(&edge->request->arena, 1, sizeof *tunnel);
  if (tunnel == NULL) return NULL;
  struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgraded, tunnel);
  if (response == NULL) return NULL;
  tunnel->request = edge->request;
  for (int i = 0; i < 2; i++) {
    tunnel->ends[i].tunnel = tunnel;
    e2b__buffer_init(&tunnel->ends[i].out, 2 * E2B__HTTP_HEAD_CEILING + ROOM);
  }
  if (e2b__buffer_append(&tunnel->ends[CLIENT].out, data, len) != 0) {
    MHD_destroy_response(response);
    return NULL;
  }
  e2b__host_wire_want(edge->wire, 0);
  tunnel->ends[PROGRAM].wire = edge->wire;
  edge->wire->owner = &tunnel->ends[PROGRAM];
  edge->wire->ready = on_ready;
  edge->wire = NULL;
  edge->tunnel = tunnel;
  return response;
}
