/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/agent.h"

/* What goes out: first the bytes that wait (answers, the rest of a frame), then output straight
 * from the ring. A frame is made when the socket takes bytes, never before, so a slow viewer costs
 * no memory beyond one. */

enum {
  FRAME_MOST = 32 << 10, /* of output */
  A_ROUND = 256 << 10,   /* then it is others' turn */
  COUNT_LEN = 8,
  OUT_ENOUGH = 256 << 10,
  LIST_LOW = 32 << 10 /* the next part is made when less waits */
};

/* One frame of output. */
typedef struct frame {
  unsigned char head[E2B__WS_HEAD_LARGEST + COUNT_LEN];
  size_t head_len;
  struct iovec pieces[2];
  size_t len; /* of both */
} frame_t;

static size_t waiting(const e2b__connection_t *connection) {
  return connection->out.len - connection->out_at;
}

/* Control messages that are due because of what has been sent or not. Each may drop the connection,
 * and its viewer with it. */
static void add_news(e2b__connection_t *connection) {
  if (connection->phase == E2B__PHASE_OPEN && connection->lists > 0 &&
      waiting(connection) < LIST_LOW)
    e2b__answer_list(connection);
  if (connection->phase != E2B__PHASE_OPEN || connection->viewer == NULL) return;
  e2b__viewer_t *viewer = connection->viewer;
  e2b__terminal_t *terminal = viewer->terminal;
  if (viewer->size_due) {
    viewer->size_due = false;
    e2b__answer_size(connection);
    if (connection->phase != E2B__PHASE_OPEN) return;
  }
  uint64_t lost = e2b__flow_gap(&viewer->flow, &terminal->ring);
  if (lost > 0) e2b__answer_gap(connection, lost, viewer->flow.sent);
  if (connection->phase != E2B__PHASE_OPEN || viewer->exit_told) return;
  if (e2b__terminal_is_over(terminal) && viewer->flow.sent == terminal->ring.end) {
    viewer->exit_told = true;
    e2b__answer_exit(connection);
  }
}

/* The next frame of output; its length is 0 when there is none. */
static void make_frame(e2b__connection_t *connection, frame_t *frame) {
  e2b__viewer_t *viewer = connection->viewer;
  frame->len = frame->head_len = 0;
  if (connection->phase != E2B__PHASE_OPEN || viewer == NULL) return;
  size_t most = e2b__flow_sendable(&viewer->flow, &viewer->terminal->ring);
  if (most > FRAME_MOST) most = FRAME_MOST;
  frame->len = e2b__ring_peek(&viewer->terminal->ring, viewer->flow.sent, most, frame->pieces);
  if (frame->len == 0) return;
  uint64_t accepted = e2b__input_accepted(&viewer->input);
  frame->head_len = e2b__ws_head(frame->head, E2B__WS_OPCODE_BINARY, COUNT_LEN + frame->len);
  for (size_t i = 0; i < COUNT_LEN; i++)
    frame->head[frame->head_len++] = (unsigned char)(accepted >> 8 * (COUNT_LEN - 1 - i));
}

/* The part of a frame behind its first `sent` bytes must be kept: the ring moves on. */
static int keep_rest(e2b__connection_t *connection, const frame_t *frame, size_t sent) {
  const struct iovec parts[3] = {
      {(void *)frame->head, frame->head_len}, frame->pieces[0], frame->pieces[1]};
  int rc = 0;
  for (size_t i = 0; i < 3 && rc == 0; i++) {
    size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
    sent -= skip;
    if (skip < parts[i].iov_len)
      rc = e2b__buffer_append(&connection->out, (const char *)parts[i].iov_base + skip,
                              parts[i].iov_len - skip);
  }
  return rc;
}

/* Sends what waits and the frame in one call. How many bytes; 0 when the socket takes none, -1 when
 * the connection is gone. */
static ssize_t send_once(e2b__connection_t *connection, const frame_t *frame) {
  struct iovec parts[4];
  struct msghdr message = {.msg_iov = parts};
  size_t count = 0;
  ssize_t sent;
  if (waiting(connection) > 0)
    parts[count++] = (struct iovec){connection->out.data + connection->out_at, waiting(connection)};
  if (frame->len > 0) {
    parts[count++] = (struct iovec){(void *)frame->head, frame->head_len};
    parts[count++] = frame->pieces[0];
    if (frame->pieces[1].iov_len > 0) parts[count++] = frame->pieces[1];
  }
  message.msg_iovlen = count;
  do
    sent = sendmsg(connection->source.fd, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN) {
    e2b__connection_drop(connection);
    return -1;
  }
  if (sent < 0) sent = 0;
  size_t old = waiting(connection), of_old = (size_t)sent < old ? (size_t)sent : old;
  connection->out_at += of_old;
  if (connection->out_at == connection->out.len) {
    e2b__buffer_free(&connection->out);
    connection->out_at = 0;
  }
  if (frame->len == 0) return sent;
  size_t of_frame = (size_t)sent - of_old;
  if (of_frame == 0) return sent; /* not begun: made again later, with more in it */
  connection->viewer->flow.sent += frame->len;
  e2b__viewer_told(connection->viewer);
  if (of_frame < frame->head_len + frame->len && keep_rest(connection, frame, of_frame) != 0) {
    e2b__connection_drop(connection);
    return -1;
  }
  return sent;
}

static void say_all(e2b__connection_t *connection) {
  if (connection->said_all) return;
  connection->said_all = true;
  shutdown(connection->source.fd, SHUT_WR);
}

static void watch(e2b__connection_t *connection) {
  uint32_t events = connection->blocked ? EPOLLOUT : 0;
  /* Who asks and does not read is not listened to. */
  if (waiting(connection) <= OUT_ENOUGH) events |= EPOLLIN;
  if (e2b__source_watch(connection->agent, &connection->source, events) != 0)
    e2b__connection_drop(connection);
}

void e2b__connection_flush(e2b__connection_t *connection) {
  size_t total = 0;
  frame_t frame;
  if (connection->blocked) return; /* the epoll will say */
  for (;;) {
    add_news(connection);
    if (connection->phase == E2B__PHASE_CLOSED) return;
    e2b__viewer_t *viewer = connection->viewer;
    make_frame(connection, &frame);
    if (frame.len == 0 && viewer != NULL && viewer->input_due) {
      e2b__answer_input(connection, e2b__input_accepted(&viewer->input));
      if (connection->phase == E2B__PHASE_CLOSED) return;
      e2b__viewer_told(viewer);
    }
    size_t wanted = waiting(connection) + frame.head_len + frame.len;
    if (wanted == 0) break;
    ssize_t sent = send_once(connection, &frame);
    if (sent < 0) return;
    if ((size_t)sent < wanted) {
      connection->blocked = true;
      break;
    }
    total += (size_t)sent;
    if (total >= A_ROUND) {
      e2b__connection_touch(connection);
      break;
    }
  }
  if (waiting(connection) == 0 && connection->phase == E2B__PHASE_CLOSING) say_all(connection);
  watch(connection);
}
