/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "host/process_service.h"

/* Standard input and keystrokes: SendInput, CloseStdin, StreamInput. */

enum {
  STREAM_HIGH = 1 << 20,
  STREAM_LOW = 256 << 10,
  ALWAYS = 64 << 10,                   /* a process may have that much waiting for it */
  ALL_WAITING = E2B__HOST_RPC_CEILING, /* of one sandbox, past that */
};

static const e2b__empty_t nothing;

/* One piece of input on its way. It has its own copy: the client may be gone before the process
 * reads, and what was accepted is delivered all the same. */
typedef struct piece {
  e2b__host_write_t write;
  e2b__list_t node;
  e2b__host_call_t *call; /* NULL when the client is gone */
  bool pty;
  int pid;
  char data[];
} piece_t;

/* What a StreamInput call knows. */
typedef struct input_stream {
  e2b__list_t pieces;
  bool selected;
  e2b__process_selector_t selector;
  size_t queued;
  bool ended;
  char error[200];
} input_stream_t;

static void describe(char *text, size_t size, bool pty, int pid, int status) {
  char why[80];
  if (status == UV_EPIPE || status == UV_ECANCELED || status == UV_EIO)
    snprintf(text, size, "error writing to %s: error writing to %s of process '%d': %s",
             pty ? "tty" : "stdin", pty ? "tty" : "stdin", pid,
             pty ? "input/output error" : "write |1: broken pipe");
  else
    snprintf(text, size, "error writing to %s: %s", pty ? "tty" : "stdin",
             uv_strerror_r(status, why, sizeof why));
}

/* Checks that the process takes this input; answers why not. */
static e2b__host_channel_t *input_channel(e2b__host_call_t *call, e2b__host_process_t *process,
                                          const e2b__process_input_t *input, e2b__str_t *data) {
  if (input == NULL || (input->stdin_data.ptr == NULL && input->pty_data.ptr == NULL)) {
    e2b__host_call_fail(call, E2B__CODE_UNIMPLEMENTED, "invalid input type <nil>");
    return NULL;
  }
  bool pty = input->pty_data.ptr != NULL;
  *data = pty ? input->pty_data : input->stdin_data;
  if (pty && !process->pty) {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL,
                        "error writing to tty: tty not assigned to process \xe2\x80\x94 input "
                        "should be written to the stdin, not the tty");
    return NULL;
  }
  if (!pty && process->pty) {
    e2b__host_call_fail(call, E2B__CODE_INTERNAL,
                        "error writing to stdin: tty assigned to process \xe2\x80\x94 input should "
                        "be written to the pty, not the stdin");
    return NULL;
  }
  if (process->input != NULL && !process->input_closing) return process->input;
  e2b__host_call_fail(call, E2B__CODE_INTERNAL,
                      "error writing to stdin: stdin not enabled or closed");
  return NULL;
}

/* What was accepted waits until its process reads it, whether or not its client does. */
static bool is_too_much(e2b__host_call_t *call, const e2b__host_channel_t *channel, size_t len) {
  const e2b__host_sandbox_t *sandbox = call->request->sandbox;
  size_t sum = len;
  if (channel->queued + len <= ALWAYS) return false;
  for (e2b__list_t *n = sandbox->processes.next; n != &sandbox->processes; n = n->next) {
    const e2b__host_process_t *process = E2B__CONTAINER(n, e2b__host_process_t, node);
    if (process->input != NULL) sum += process->input->queued;
  }
  if (sum <= ALL_WAITING) return false;
  e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED,
                      "too much input waits for the processes of this sandbox");
  return true;
}

static int send_piece(e2b__host_call_t *call, e2b__host_process_t *process,
                      e2b__host_channel_t *channel, e2b__str_t data, piece_t **out,
                      void (*done)(e2b__host_write_t *write, int status)) {
  piece_t *piece = e2b__malloc(sizeof *piece + data.len);
  if (piece == NULL) return UV_ENOMEM;
  memset(piece, 0, sizeof *piece);
  memcpy(piece->data, data.ptr, data.len);
  piece->call = call;
  piece->pty = process->pty;
  piece->pid = process->pid;
  e2b__list_init(&piece->node);
  int rc = e2b__host_channel_write(channel, &piece->write, piece->data, data.len, done);
  if (rc != 0)
    e2b__free(piece);
  else
    *out = piece;
  return rc;
}

/* A close that waited for this piece. */
static void close_if_drained(e2b__host_channel_t *channel) {
  e2b__host_process_t *process = channel->owner;
  if (process == NULL || channel->queued > 0 || !process->input_closing) return;
  process->input = NULL;
  e2b__host_channel_close(channel);
}

/* ---- SendInput ---- */

static void on_sent(e2b__host_write_t *write, int status) {
  piece_t *piece = E2B__CONTAINER(write, piece_t, write);
  e2b__host_call_t *call = piece->call;
  if (call != NULL) {
    char text[200];
    call->state = NULL;
    if (status == 0) {
      e2b__host_call_reply(call, &e2b__empty, &nothing);
    } else {
      describe(text, sizeof text, piece->pty, piece->pid, status);
      e2b__host_call_fail(call, E2B__CODE_INTERNAL, "%s", text);
    }
  }
  close_if_drained(write->channel);
  e2b__free(piece);
}

static void on_send_gone(e2b__host_call_t *call) {
  piece_t *piece = call->state;
  if (piece != NULL) piece->call = NULL;
}

void e2b__host_send_input_call(e2b__host_call_t *call, const void *message) {
  const e2b__send_input_request_t *input = message;
  e2b__str_t data;
  piece_t *piece = NULL;
  e2b__host_process_t *process = e2b__host_select(call, input->process, false);
  if (process == NULL) return;
  e2b__host_channel_t *channel = input_channel(call, process, input->input, &data);
  if (channel == NULL) return;
  if (data.len == 0) {
    e2b__host_call_reply(call, &e2b__empty, &nothing);
    return;
  }
  if (is_too_much(call, channel, data.len)) return;
  int rc = send_piece(call, process, channel, data, &piece, on_sent);
  if (rc != 0) {
    char text[200];
    describe(text, sizeof text, process->pty, process->pid, rc);
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "%s", text);
    return;
  }
  call->state = piece;
  call->gone = on_send_gone;
}

/* ---- CloseStdin ---- */

void e2b__host_close_stdin_call(e2b__host_call_t *call, const void *message) {
  const e2b__process_selector_request_t *input = message;
  e2b__host_process_t *process = e2b__host_select(call, input->process, false);
  if (process == NULL) return;
  if (process->pty) {
    e2b__host_call_fail(call, E2B__CODE_UNKNOWN,
                        "error closing stdin: cannot close stdin for PTY process \xe2\x80\x94 send "
                        "Ctrl+D (0x04) instead");
    return;
  }
  if (process->input != NULL) {
    process->input_closing = true;
    close_if_drained(process->input);
  }
  e2b__host_call_reply(call, &e2b__empty, &nothing);
}

/* ---- StreamInput ---- */

static void stream_maybe_done(e2b__host_call_t *call) {
  input_stream_t *stream = call->state;
  if (!stream->ended || stream->queued > 0) return;
  if (stream->error[0] != '\0')
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "%s", stream->error);
  else
    e2b__host_call_reply(call, &e2b__empty, &nothing);
}

static void on_streamed(e2b__host_write_t *write, int status) {
  piece_t *piece = E2B__CONTAINER(write, piece_t, write);
  e2b__host_call_t *call = piece->call;
  if (call != NULL) {
    input_stream_t *stream = call->state;
    e2b__list_remove(&piece->node);
    stream->queued -= write->len;
    if (status != 0 && stream->error[0] == '\0')
      describe(stream->error, sizeof stream->error, piece->pty, piece->pid, status);
    if (stream->queued < STREAM_LOW) e2b__host_request_resume(call->request);
    stream_maybe_done(call);
  }
  close_if_drained(write->channel);
  e2b__free(piece);
}

static void on_stream_gone(e2b__host_call_t *call) {
  input_stream_t *stream = call->state;
  e2b__list_t *node;
  while ((node = e2b__list_take(&stream->pieces)) != NULL)
    E2B__CONTAINER(node, piece_t, node)->call = NULL;
}

static input_stream_t *stream_of(e2b__host_call_t *call) {
  if (call->state != NULL) return call->state;
  input_stream_t *stream = e2b__arena_calloc(&call->request->arena, 1, sizeof *stream);
  if (stream == NULL) {
    e2b__host_call_fail(call, E2B__CODE_RESOURCE_EXHAUSTED, "out of memory");
    return NULL;
  }
  e2b__list_init(&stream->pieces);
  call->state = stream;
  call->gone = on_stream_gone;
  return stream;
}

static void select_stream(e2b__host_call_t *call, input_stream_t *stream,
                          const e2b__process_selector_request_t *start) {
  e2b__host_process_t *process = e2b__host_select(call, start->process, false);
  if (process == NULL) return;
  /* By pid from now on: the message's tag does not outlive it. */
  stream->selector.has_pid = true;
  stream->selector.pid = (uint32_t)process->pid;
  stream->selected = true;
}

void e2b__host_stream_input_call(e2b__host_call_t *call, const void *message) {
  const e2b__stream_input_request_t *input = message;
  e2b__str_t data;
  piece_t *piece = NULL;
  input_stream_t *stream = stream_of(call);
  if (stream == NULL || stream->error[0] != '\0') return;
  if (input->start != NULL) select_stream(call, stream, input->start);
  if (input->data == NULL) return;
  if (!stream->selected) {
    e2b__host_request_reset(call->request);
    return;
  }
  e2b__host_process_t *process = e2b__host_select(call, &stream->selector, false);
  if (process == NULL) return;
  e2b__host_channel_t *channel = input_channel(call, process, input->data->input, &data);
  if (channel == NULL || data.len == 0 || is_too_much(call, channel, data.len)) return;
  int rc = send_piece(call, process, channel, data, &piece, on_streamed);
  if (rc != 0) {
    describe(stream->error, sizeof stream->error, process->pty, process->pid, rc);
    return;
  }
  e2b__list_append(&stream->pieces, &piece->node);
  stream->queued += data.len;
  if (stream->queued >= STREAM_HIGH) e2b__host_request_pause(call->request);
}

void e2b__host_stream_input_end(e2b__host_call_t *call) {
  input_stream_t *stream = stream_of(call);
  if (stream == NULL) return;
  stream->ended = true;
  stream_maybe_done(call);
}
