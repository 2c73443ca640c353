/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "proto/http_head.h"

/* One client's connection: the handshake, then frames, then a last word. */

enum {
  READ_SIZE = 64 << 10,
  READS_A_ROUND = 4,
  LINGER_MS = 2000,
  OUT_ENOUGH = 256 << 10, /* no more requests are read until some answers have gone */
  OUT_MOST = 8 << 20
};

/* One thread: whatever is read is dealt with before the next read. */
static unsigned char read_buffer[READ_SIZE];

static void drop_handshake(e2b__connection_t *connection) {
  if (e2b__list_empty(&connection->phase_node)) return;
  e2b__list_remove(&connection->phase_node);
  connection->agent->handshake_count--;
}

void e2b__connection_drop(e2b__connection_t *connection) {
  e2b__agent_t *agent = connection->agent;
  if (connection->phase == E2B__PHASE_CLOSED) return;
  connection->phase = E2B__PHASE_CLOSED;
  if (connection->viewer != NULL) e2b__viewer_lose(connection->viewer);
  drop_handshake(connection);
  e2b__source_close(agent, &connection->source);
  e2b__timer_stop(&agent->timers, &connection->clock);
  e2b__timers_unreserve(&agent->timers, 1);
  e2b__list_remove(&connection->dirty);
  e2b__list_remove(&connection->node);
  e2b__list_append(&agent->buried, &connection->node);
  agent->connection_count--;
  e2b__agent_count(agent);
}

void e2b__connections_bury(e2b__agent_t *agent) {
  for (e2b__list_t *node; (node = e2b__list_take(&agent->buried)) != NULL;) {
    e2b__connection_t *connection = E2B__CONTAINER(node, e2b__connection_t, node);
    e2b__ws_decoder_free(&connection->decoder);
    e2b__buffer_free(&connection->head);
    e2b__buffer_free(&connection->out);
    e2b__free(connection);
  }
}

void e2b__connection_touch(e2b__connection_t *connection) {
  if (connection->phase == E2B__PHASE_CLOSED || !e2b__list_empty(&connection->dirty)) return;
  e2b__list_append(&connection->agent->dirty, &connection->dirty);
}

void e2b__connection_frame(e2b__connection_t *connection, unsigned opcode, const void *data,
                           size_t len) {
  unsigned char head[E2B__WS_HEAD_LARGEST];
  if (connection->phase != E2B__PHASE_OPEN) return;
  size_t head_len = e2b__ws_head(head, opcode, len);
  if (e2b__buffer_append(&connection->out, head, head_len) != 0 ||
      e2b__buffer_append(&connection->out, data, len) != 0)
    e2b__connection_drop(connection);
  else
    e2b__connection_touch(connection);
}

/* ---- ending ---- */

static void linger(e2b__connection_t *connection) {
  e2b__agent_t *agent = connection->agent;
  drop_handshake(connection);
  connection->phase = E2B__PHASE_CLOSING;
  e2b__timer_start(&agent->timers, &connection->clock, e2b__agent_after(agent, LINGER_MS));
  e2b__connection_touch(connection);
}

void e2b__connection_close(e2b__connection_t *connection, unsigned code) {
  unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};
  if (connection->phase != E2B__PHASE_OPEN) return;
  if (connection->viewer != NULL) e2b__viewer_lose(connection->viewer);
  e2b__connection_frame(connection, E2B__WS_OPCODE_CLOSE, payload,
                        code == E2B__WS_NO_CODE ? 0 : sizeof payload);
  if (connection->phase == E2B__PHASE_OPEN) linger(connection);
}

static void refuse(e2b__connection_t *connection, unsigned status) {
  if (e2b__handshake_refuse(status, &connection->out) != 0)
    e2b__connection_drop(connection);
  else
    linger(connection);
}

static void on_clock(e2b__timer_t *timer) {
  e2b__connection_t *connection = E2B__CONTAINER(timer, e2b__connection_t, clock);
  e2b__agent_t *agent = connection->agent;
  switch (connection->phase) {
  case E2B__PHASE_HANDSHAKE: refuse(connection, 408); break;
  case E2B__PHASE_OPEN: {
    /* Restarting it with every frame would cost more than looking now and then. */
    uint64_t due = connection->heard_ms + agent->options.silence_ms;
    if (due > agent->now_ms)
      e2b__timer_start(&agent->timers, timer, due);
    else
      e2b__connection_close(connection, 4002);
    break;
  }
  case E2B__PHASE_CLOSING: e2b__connection_drop(connection); break;
  case E2B__PHASE_CLOSED: break;
  }
}

/* ---- reading ---- */

static void on_event(e2b__connection_t *connection, const e2b__ws_event_t *event) {
  switch (event->type) {
  case E2B__WS_TEXT: e2b__connection_control(connection, event->data, event->len); break;
  case E2B__WS_DATA: e2b__connection_input(connection, event->data, event->len); break;
  case E2B__WS_PING:
    e2b__connection_frame(connection, E2B__WS_OPCODE_PONG, event->data, event->len);
    break;
  case E2B__WS_CLOSE:
  case E2B__WS_FAULT: e2b__connection_close(connection, event->code); break;
  case E2B__WS_MORE: break;
  }
}

static void take_frames(e2b__connection_t *connection, unsigned char *data, size_t len) {
  while (connection->phase == E2B__PHASE_OPEN) {
    e2b__ws_event_t event = e2b__ws_decode(&connection->decoder, &data, &len);
    if (event.type == E2B__WS_MORE) break;
    on_event(connection, &event);
  }
}

static void open_websocket(e2b__connection_t *connection) {
  e2b__agent_t *agent = connection->agent;
  drop_handshake(connection);
  connection->phase = E2B__PHASE_OPEN;
  e2b__ws_decoder_init(&connection->decoder);
  e2b__timer_start(&agent->timers, &connection->clock,
                   e2b__agent_after(agent, agent->options.silence_ms));
  e2b__connection_touch(connection);
}

static void take_head(e2b__connection_t *connection, unsigned char *data, size_t len) {
  e2b__buffer_t *head = &connection->head;
  size_t seen = head->len;
  size_t most = head->ceiling - seen < len ? head->ceiling - seen : len;
  if (e2b__buffer_append(head, data, most) != 0) {
    e2b__connection_drop(connection);
    return;
  }
  size_t end = e2b__http_head_end(head->data, head->len, seen);
  if (end == 0) {
    if (head->len == head->ceiling) refuse(connection, 431);
    return;
  }
  unsigned status = e2b__handshake(head->data, end, connection->agent->secret, &connection->out);
  e2b__buffer_free(head);
  if (status == 500) {
    e2b__connection_drop(connection);
  } else if (status != 101) {
    linger(connection);
  } else {
    open_websocket(connection);
    take_frames(connection, data + (end - seen), len - (end - seen));
  }
}

static void on_ready(e2b__source_t *source, uint32_t events) {
  e2b__connection_t *connection = (e2b__connection_t *)source;
  if ((events & EPOLLOUT) != 0) {
    connection->blocked = false;
    e2b__connection_touch(connection);
  }
  if ((events & ~(uint32_t)EPOLLOUT) == 0) return;
  for (int i = 0; i < READS_A_ROUND && connection->phase != E2B__PHASE_CLOSED; i++) {
    ssize_t got = recv(source->fd, read_buffer, sizeof read_buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      e2b__connection_drop(connection);
      break;
    }
    connection->heard_ms = connection->agent->now_ms;
    if (connection->phase == E2B__PHASE_HANDSHAKE)
      take_head(connection, read_buffer, (size_t)got);
    else
      take_frames(connection, read_buffer, (size_t)got);
    /* Usually that was all; the epoll knows if not. */
    if (got < (ssize_t)sizeof read_buffer || connection->out.len > OUT_ENOUGH) break;
  }
}

e2b__connection_t *e2b__connection_new(e2b__agent_t *agent, int fd) {
  e2b__connection_t *connection = e2b__calloc(1, sizeof *connection);
  if (connection == NULL || e2b__timers_reserve(&agent->timers, 1) != 0) {
    e2b__free(connection);
    return NULL;
  }
  connection->agent = agent;
  connection->source = (e2b__source_t){fd, 0, on_ready};
  connection->clock.fire = on_clock;
  connection->heard_ms = agent->now_ms;
  e2b__buffer_init(&connection->head, E2B__HANDSHAKE_LARGEST);
  e2b__buffer_init(&connection->out, OUT_MOST);
  e2b__list_init(&connection->dirty);
  e2b__list_append(&agent->connections, &connection->node);
  e2b__list_append(&agent->handshakes, &connection->phase_node);
  agent->connection_count++;
  agent->handshake_count++;
  e2b__agent_count(agent);
  e2b__timer_start(&agent->timers, &connection->clock,
                   e2b__agent_after(agent, agent->options.handshake_ms));
  if (e2b__source_watch(agent, &connection->source, EPOLLIN) != 0) e2b__connection_drop(connection);
  return connection;
}
