/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/utf8.h"
#include "proto/json.h"
#include "proto/json_scan.h"
#include "terminal/jupyter.h"

/* What is said on the socket: JSON arrays as text, of a word and what belongs to it. The server is
 * deaf ever after to a connection that said something of a wrong type, so only two forms are sent
 * (protocol 7.0, hazards 4 and 5). */

enum { CHUNK_BYTES = 32 << 10, TEXT_KEPT = 4096 };

static void breach(e2b__jupyter_t *jupyter, const char *what) {
  e2b__arena_t arena = {0};
  const e2b_error_t error = e2b__error_text(&arena, E2B_EPROTOCOL, "%s: the Jupyter server: %s",
                                            e2b_code_text(E2B_EPROTOCOL), what);
  e2b__jupyter_fail(jupyter, &error, false);
  e2b__arena_free(&arena);
}

/* --- input --------------------------------------------------------------------------------------
 */

static int send_stdin(e2b__jupyter_t *jupyter, const char *data, size_t len) {
  e2b__json_writer_t w;
  e2b__buffer_t message = E2B__BUFFER_INIT(1 << 20);
  e2b__json_begin(&w, &message);
  e2b__json_open(&w, NULL, '[');
  e2b__json_put_string(&w, NULL, "stdin", 5);
  e2b__json_put_string(&w, NULL, data, len);
  e2b__json_close(&w, ']');
  const int rc = w.rc != 0 ? w.rc
                           : e2b__websocket_send(jupyter->socket, E2B__WEBSOCKET_TEXT, message.data,
                                                 message.len);
  e2b__buffer_free(&message);
  return rc;
}

int e2b__jupyter_pump(e2b__jupyter_t *jupyter) {
  if (jupyter->state != E2B__JUPYTER_OPEN) return 0;
  for (;;) {
    size_t len = e2b__line_len(&jupyter->line);
    if (len > CHUNK_BYTES) len = CHUNK_BYTES;
    if (len == 0) return 0;
    /* A character that is cut waits for its rest. */
    const char *data = e2b__line_data(&jupyter->line);
    len -= e2b__utf8_tail(data, len);
    const int rc = len > 0 ? send_stdin(jupyter, data, len) : E2B_EAGAIN;
    if (rc != 0) return rc == E2B_ENOMEM ? rc : 0;
    e2b__line_take(&jupyter->line, len);
  }
}

int e2b__jupyter_send_size(e2b__jupyter_t *jupyter) {
  e2b_terminal_t *terminal = jupyter->base.terminal;
  char text[64];
  const int len =
      snprintf(text, sizeof text, "[\"set_size\",%u,%u,0,0]", terminal->rows, terminal->cols);
  const int rc = e2b__websocket_send(jupyter->socket, E2B__WEBSOCKET_TEXT, text, (size_t)len);
  terminal->resized = rc != 0;
  if (rc == E2B_ENOMEM) e2b__terminal_stalled(terminal);
  return 0;
}

/* --- output -------------------------------------------------------------------------------------
 */

static void remember(e2b__jupyter_t *jupyter, const char *data, size_t len) {
  const size_t size = sizeof jupyter->tail;
  if (len >= size) {
    memcpy(jupyter->tail, data + len - size, size);
    jupyter->tail_len = size;
    return;
  }
  const size_t keep = jupyter->tail_len + len > size ? size - len : jupyter->tail_len;
  memmove(jupyter->tail, jupyter->tail + jupyter->tail_len - keep, keep);
  memcpy(jupyter->tail + keep, data, len);
  jupyter->tail_len = keep + len;
}

/* Behind the last place where the output that the user has seen ends in a replay. NULL: none. */
static const char *find_new(const e2b__jupyter_t *jupyter, const char *data, size_t len) {
  const size_t tail = jupyter->tail_len < len ? jupyter->tail_len : len;
  const char *end_of_tail = jupyter->tail + jupyter->tail_len - tail;
  for (size_t at = len - tail + 1; at-- > 0;) {
    if (memcmp(data + at, end_of_tail, tail) == 0) return data + at + tail;
  }
  return NULL;
}

static bool deliver(e2b__jupyter_t *jupyter, const char *data, size_t len) {
  remember(jupyter, data, len);
  return e2b__terminal_data(jupyter->base.terminal, data, len);
}

/* The server sends again what it has kept: the part that the user has seen is left out. */
static bool replay(e2b__jupyter_t *jupyter, const char *data, size_t len) {
  jupyter->replaying = false;
  if (jupyter->tail_len == 0) return deliver(jupyter, data, len);
  const char *fresh = find_new(jupyter, data, len);
  if (fresh != NULL) return deliver(jupyter, fresh, (size_t)(data + len - fresh));
  if (!e2b__terminal_gap(jupyter->base.terminal, E2B_BYTES_UNKNOWN)) return false;
  return deliver(jupyter, data, len);
}

static bool opened(e2b__jupyter_t *jupyter) {
  const bool first = jupyter->base.terminal->state == E2B__TERMINAL_STARTING;
  const e2b__terminal_opened_t facts = {.id = first ? jupyter->name : NULL};
  jupyter->state = E2B__JUPYTER_OPEN;
  jupyter->fresh = false;
  e2b__endpoint_stop_clock(&jupyter->clock);
  if (!e2b__terminal_opened(jupyter->base.terminal, &facts)) return false;
  if (e2b__jupyter_pump(jupyter) != 0) e2b__terminal_stalled(jupyter->base.terminal);
  return true;
}

/* The wrapper listens: the program may begin. */
static void begin(e2b__jupyter_t *jupyter, const char *data, size_t len) {
  static const char sign[] = E2B__JUPYTER_SIGN;
  const char *found = memmem(data, len, sign, sizeof sign - 1);
  if (found == NULL) return; /* a complaint about stty, perhaps */
  e2b__jupyter_send_size(jupyter);
  if (send_stdin(jupyter, "\n", 1) != 0) {
    breach(jupyter, "no room for a newline");
    return;
  }
  opened(jupyter);
}

static void on_stdout(e2b__jupyter_t *jupyter, e2b__json_token_t text) {
  const char *data = text.ptr;
  size_t len = text.len;
  if (text.escaped) {
    e2b__buffer_clear(&jupyter->text);
    if (e2b__buffer_reserve(&jupyter->text, text.len) != 0) {
      const e2b_error_t error = e2b__error(E2B_ENOMEM);
      e2b__jupyter_fail(jupyter, &error, false);
      return;
    }
    len = e2b__json_unescape(text, jupyter->text.data);
    data = jupyter->text.data;
  }
  if (len == 0) return;
  bool alive = true;
  if (jupyter->state == E2B__JUPYTER_READY) {
    begin(jupyter, data, len);
    return;
  }
  if (jupyter->replaying) {
    alive = replay(jupyter, data, len);
  } else {
    alive = deliver(jupyter, data, len);
  }
  if (alive && jupyter->text.capacity > TEXT_KEPT) e2b__buffer_free(&jupyter->text);
}

static void on_setup(e2b__jupyter_t *jupyter) {
  if (jupyter->state != E2B__JUPYTER_HELLO) return;
  if (jupyter->fresh) {
    jupyter->state = E2B__JUPYTER_READY;
    return;
  }
  jupyter->replaying = jupyter->tail_len > 0;
  opened(jupyter);
}

static void on_message(void *ctx, e2b__websocket_kind_t kind, const char *data, size_t len) {
  e2b__jupyter_t *jupyter = ctx;
  e2b__json_scan_t scan;
  e2b__json_token_t word;
  e2b__json_scan_init(&scan, data, len);
  if (kind != E2B__WEBSOCKET_TEXT || !e2b__json_scan_expect(&scan, '[') ||
      !e2b__json_scan_string(&scan, &word)) {
    breach(jupyter, "a message that is no array of a word");
    return;
  }
  if (word.len == 6 && memcmp(word.ptr, "stdout", 6) == 0) {
    e2b__json_token_t text;
    if (!e2b__json_scan_expect(&scan, ',') || !e2b__json_scan_string(&scan, &text)) {
      breach(jupyter, "output that is no text");
      return;
    }
    on_stdout(jupyter, text);
  } else if (word.len == 5 && memcmp(word.ptr, "setup", 5) == 0) {
    on_setup(jupyter);
  } else if (word.len == 10 && memcmp(word.ptr, "disconnect", 10) == 0) {
    const e2b_terminal_exit_t unknown = {0, -1, 0};
    if (jupyter->state == E2B__JUPYTER_OPEN) {
      e2b__terminal_exited(jupyter->base.terminal, &unknown);
    } else {
      const e2b_error_t error = e2b__error(E2B_ENORESULT);
      e2b__jupyter_fail(jupyter, &error, true);
    }
  }
}

/* --- the connection -----------------------------------------------------------------------------
 */

static void on_open(void *ctx, const char *protocol) {
  e2b__jupyter_t *jupyter = ctx;
  (void)protocol;
  jupyter->state = E2B__JUPYTER_HELLO;
  e2b__jupyter_start_clock(jupyter);
}

static void on_drain(void *ctx) {
  e2b__jupyter_t *jupyter = ctx;
  if (jupyter->state != E2B__JUPYTER_OPEN) return;
  if (jupyter->base.terminal->resized) e2b__jupyter_send_size(jupyter);
  if (e2b__jupyter_pump(jupyter) != 0) e2b__terminal_stalled(jupyter->base.terminal);
  e2b__terminal_room(jupyter->base.terminal);
}

static void on_closed(void *ctx, const e2b__websocket_end_t *end) {
  e2b__jupyter_gone(ctx, end);
}

const e2b__websocket_events_t e2b__jupyter_events = {on_open, on_message, NULL, on_drain,
                                                     on_closed};
