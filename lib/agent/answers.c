/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"
#include "proto/json_write.h"

/* Control messages to a client. */

enum {
  MESSAGE_MOST = 128 << 10,
  PART = 32 << 10 /* of a list: then the next message begins */
};

typedef struct message {
  e2b__buffer_t text;
  e2b__json_writer_t w;
} message_t;

static void put_text(message_t *message, const char *name, const char *text) {
  e2b__json_put_string(&message->w, name, text, strlen(text));
}

static void begin(message_t *message, const char *type) {
  e2b__buffer_init(&message->text, MESSAGE_MOST);
  e2b__json_begin(&message->w, &message->text);
  e2b__json_open(&message->w, NULL, '{');
  put_text(message, "type", type);
}

/* A message that memory was short for would be missed: the connection goes, and comes again. */
static void finish(message_t *message, e2b__connection_t *connection) {
  e2b__json_close(&message->w, '}');
  if (message->w.rc == 0)
    e2b__connection_frame(connection, E2B__WS_OPCODE_TEXT, message->text.data, message->text.len);
  else
    e2b__connection_drop(connection);
  e2b__buffer_free(&message->text);
}

static void put_number(message_t *message, const char *name, uint64_t value) {
  e2b__json_put_int(&message->w, name, (int64_t)value);
}

static void put_argv(message_t *message, const e2b__terminal_t *terminal) {
  e2b__json_open(&message->w, "argv", '[');
  for (size_t i = 0; i < terminal->argc; i++)
    put_text(message, NULL, terminal->argv[i]);
  e2b__json_close(&message->w, ']');
}

static void put_size(message_t *message, const e2b__terminal_t *terminal) {
  put_number(message, "cols", terminal->cols);
  put_number(message, "rows", terminal->rows);
}

void e2b__answer_attached(e2b__connection_t *connection, uint64_t lost) {
  const e2b__viewer_t *viewer = connection->viewer;
  const e2b__terminal_t *terminal = viewer->terminal;
  message_t message;
  begin(&message, "attached");
  put_text(&message, "id", terminal->id);
  put_number(&message, "pid", (uint64_t)terminal->pid);
  put_argv(&message, terminal);
  put_size(&message, terminal);
  put_number(&message, "offset", viewer->flow.sent);
  put_number(&message, "lost", lost);
  put_number(&message, "input", e2b__input_accepted(&viewer->input));
  e2b__json_put_bool(&message.w, "known", viewer->known);
  put_number(&message, "window", E2B__INPUT_WINDOW);
  put_number(&message, "ring", terminal->ring.limit);
  finish(&message, connection);
}

void e2b__answer_error(e2b__connection_t *connection, const char *code, const char *text,
                       const char *id) {
  message_t message;
  begin(&message, "error");
  put_text(&message, "code", code);
  put_text(&message, "message", text);
  if (*id != '\0') put_text(&message, "id", id);
  finish(&message, connection);
}

void e2b__answer_signalled(e2b__connection_t *connection, const char *id, bool found) {
  message_t message;
  begin(&message, "signalled");
  put_text(&message, "id", id);
  e2b__json_put_bool(&message.w, "found", found);
  finish(&message, connection);
}

void e2b__answer_input(e2b__connection_t *connection, uint64_t offset) {
  message_t message;
  begin(&message, "input");
  put_number(&message, "offset", offset);
  finish(&message, connection);
}

void e2b__answer_gap(e2b__connection_t *connection, uint64_t lost, uint64_t offset) {
  message_t message;
  begin(&message, "gap");
  put_number(&message, "lost", lost);
  put_number(&message, "offset", offset);
  finish(&message, connection);
}

void e2b__answer_size(e2b__connection_t *connection) {
  message_t message;
  begin(&message, "size");
  put_size(&message, connection->viewer->terminal);
  finish(&message, connection);
}

static void put_end(message_t *message, const e2b__terminal_t *terminal) {
  e2b__json_put_int(&message->w, "code", terminal->code);
  e2b__json_put_int(&message->w, "signal", terminal->signal);
}

void e2b__answer_exit(e2b__connection_t *connection) {
  const e2b__terminal_t *terminal = connection->viewer->terminal;
  message_t message;
  begin(&message, "exit");
  put_end(&message, terminal);
  put_number(&message, "offset", terminal->ring.end);
  finish(&message, connection);
}

static void put_terminal(message_t *message, const e2b__terminal_t *terminal) {
  bool over = e2b__terminal_is_over(terminal);
  e2b__json_open(&message->w, NULL, '{');
  put_text(message, "id", terminal->id);
  put_number(message, "pid", (uint64_t)terminal->pid);
  put_argv(message, terminal);
  put_size(message, terminal);
  put_text(message, "status", over ? "exited" : "running");
  if (over) put_end(message, terminal);
  e2b__json_put_int(&message->w, "created_ms", terminal->created_ms);
  put_number(message, "viewers", terminal->attached_count);
  e2b__json_close(&message->w, '}');
}

void e2b__answer_list(e2b__connection_t *connection) {
  e2b__agent_t *agent = connection->agent;
  e2b__list_t *node = agent->terminals.next;
  message_t message;
  begin(&message, "terminals");
  e2b__json_open(&message.w, "terminals", '[');
  for (; node != &agent->terminals && message.text.len < PART; node = node->next) {
    const e2b__terminal_t *terminal = E2B__CONTAINER(node, e2b__terminal_t, node);
    /* By number: the one told last may be gone by now. */
    if (terminal->number <= connection->list_after) continue;
    connection->list_after = terminal->number;
    put_terminal(&message, terminal);
  }
  e2b__json_close(&message.w, ']');
  bool more = node != &agent->terminals;
  e2b__json_put_bool(&message.w, "more", more);
  if (!more) {
    connection->lists--;
    connection->list_after = 0;
  }
  finish(&message, connection);
}
