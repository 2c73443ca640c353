/* SPDX-License-Identifier: MIT */
#include "proto/process.h"

#include "proto/message_internal.h"

static const e2b__field_t config_fields[] = {
    FIELD(1, STRING, e2b__process_config_t, cmd, "cmd"),
    FIELD_LIST(2, STRING, e2b__process_config_t, args, "args", NULL),
    FIELD_LIST(3, MAP, e2b__process_config_t, envs, "envs", NULL),
    FIELD_MAYBE(4, STRING, E2B__OPTIONAL, e2b__process_config_t, cwd, "cwd"),
};
static const e2b__message_t config =
    MESSAGE("process.ProcessConfig", config_fields, e2b__process_config_t);

static const e2b__field_t pty_size_fields[] = {
    FIELD(1, UINT32, e2b__pty_size_t, cols, "cols"),
    FIELD(2, UINT32, e2b__pty_size_t, rows, "rows"),
};
static const e2b__message_t pty_size =
    MESSAGE("process.PTY.Size", pty_size_fields, e2b__pty_size_t);

static const e2b__field_t pty_fields[] = {
    FIELD_NESTED(1, 0, e2b__pty_t, size, "size", &pty_size),
};
static const e2b__message_t pty = MESSAGE("process.PTY", pty_fields, e2b__pty_t);

static const e2b__field_t selector_fields[] = {
    FIELD_AS(1, UINT32, E2B__ONEOF, e2b__process_selector_t, pid,
             offsetof(e2b__process_selector_t, has_pid), "pid", NULL),
    FIELD_MAYBE(2, STRING, E2B__ONEOF, e2b__process_selector_t, tag, "tag"),
};
static const e2b__message_t selector =
    MESSAGE("process.ProcessSelector", selector_fields, e2b__process_selector_t);

static const e2b__field_t info_fields[] = {
    FIELD_NESTED(1, 0, e2b__process_info_t, config, "config", &config),
    FIELD(2, UINT32, e2b__process_info_t, pid, "pid"),
    FIELD_MAYBE(3, STRING, E2B__OPTIONAL, e2b__process_info_t, tag, "tag"),
};
static const e2b__message_t info = MESSAGE("process.ProcessInfo", info_fields, e2b__process_info_t);

static const e2b__field_t list_response_fields[] = {
    FIELD_LIST(1, MESSAGE, e2b__process_list_response_t, processes, "processes", &info),
};
const e2b__message_t e2b__process_list_response =
    MESSAGE("process.ListResponse", list_response_fields, e2b__process_list_response_t);

static const e2b__field_t start_request_fields[] = {
    FIELD_NESTED(1, 0, e2b__process_start_request_t, process, "process", &config),
    FIELD_NESTED(2, E2B__OPTIONAL, e2b__process_start_request_t, pty, "pty", &pty),
    FIELD_MAYBE(3, STRING, E2B__OPTIONAL, e2b__process_start_request_t, tag, "tag"),
    FIELD_AS(4, BOOL, E2B__OPTIONAL, e2b__process_start_request_t, stdin_open,
             offsetof(e2b__process_start_request_t, has_stdin), "stdin", NULL),
};
const e2b__message_t e2b__process_start_request =
    MESSAGE("process.StartRequest", start_request_fields, e2b__process_start_request_t);

/* --- events ----------------------------------------------------------------------------------- */

static const e2b__field_t start_event_fields[] = {
    FIELD(1, UINT32, e2b__process_start_event_t, pid, "pid"),
};
static const e2b__message_t start_event =
    MESSAGE("process.ProcessEvent.StartEvent", start_event_fields, e2b__process_start_event_t);

static const e2b__field_t data_event_fields[] = {
    FIELD_MAYBE(1, BYTES, E2B__ONEOF, e2b__process_data_event_t, stdout_data, "stdout"),
    FIELD_MAYBE(2, BYTES, E2B__ONEOF, e2b__process_data_event_t, stderr_data, "stderr"),
    FIELD_MAYBE(3, BYTES, E2B__ONEOF, e2b__process_data_event_t, pty_data, "pty"),
};
static const e2b__message_t data_event =
    MESSAGE("process.ProcessEvent.DataEvent", data_event_fields, e2b__process_data_event_t);

static const e2b__field_t end_event_fields[] = {
    FIELD(1, SINT32, e2b__process_end_event_t, exit_code, "exitCode"),
    FIELD(2, BOOL, e2b__process_end_event_t, exited, "exited"),
    FIELD(3, STRING, e2b__process_end_event_t, status, "status"),
    FIELD_MAYBE(4, STRING, E2B__OPTIONAL, e2b__process_end_event_t, error, "error"),
};
static const e2b__message_t end_event =
    MESSAGE("process.ProcessEvent.EndEvent", end_event_fields, e2b__process_end_event_t);

static const e2b__field_t event_fields[] = {
    FIELD_NESTED(1, E2B__ONEOF, e2b__process_event_t, start, "start", &start_event),
    FIELD_NESTED(2, E2B__ONEOF, e2b__process_event_t, data, "data", &data_event),
    FIELD_NESTED(3, E2B__ONEOF, e2b__process_event_t, end, "end", &end_event),
    FIELD_NESTED(4, E2B__ONEOF, e2b__process_event_t, keepalive, "keepalive", &e2b__empty),
};
static const e2b__message_t event =
    MESSAGE("process.ProcessEvent", event_fields, e2b__process_event_t);

static const e2b__field_t event_response_fields[] = {
    FIELD_NESTED(1, 0, e2b__process_event_response_t, event, "event", &event),
};
const e2b__message_t e2b__process_event_response =
    MESSAGE("process.StartResponse", event_response_fields, e2b__process_event_response_t);

enum {
  RESPONSE_EVENT = 1 << 3 | WIRE_LENGTH,
  EVENT_DATA = 2 << 3 | WIRE_LENGTH,
  DATA_STDOUT = 1 << 3 | WIRE_LENGTH,
  DATA_STDERR = 2 << 3 | WIRE_LENGTH,
  DATA_PTY = 3 << 3 | WIRE_LENGTH
};

static const unsigned char *enter_large(const unsigned char *at, const unsigned char *end) {
  size_t len = 0;
  for (unsigned shift = 0; at < end && shift < 28; shift += 7) {
    len |= (size_t)(*at & 0x7f) << shift;
    if (*at++ < 0x80) return len == (size_t)(end - at) ? at : NULL;
  }
  return NULL;
}

/* Into a field whose tag was read: its length must be all that is left. NULL when it is not. */
static inline const unsigned char *enter(const unsigned char *at, const unsigned char *end) {
  const size_t left = (size_t)(end - at);
  if (left < 2) return enter_large(at, end);
  if (at[0] < 0x80) return at[0] == left - 1 ? at + 1 : NULL;
  if (at[1] >= 0x80) return enter_large(at, end);
  return ((at[0] & 0x7fu) | (unsigned)at[1] << 7) == left - 2 ? at + 2 : NULL;
}

bool e2b__process_data_read(const char *message, size_t len, e2b__process_data_event_t *data) {
  const unsigned char *at = (const unsigned char *)message;
  const unsigned char *end = at + len;
  if (len == 0 || *at != RESPONSE_EVENT) return false;
  at = enter(at + 1, end);
  if (at == NULL || at == end || *at != EVENT_DATA) return false;
  at = enter(at + 1, end);
  if (at == NULL || at == end) return false;
  const unsigned char tag = *at;
  at = enter(at + 1, end);
  if (at == NULL) return false;
  const e2b__str_t output = {(const char *)at, (size_t)(end - at)};
  const e2b__str_t none = {NULL, 0};
  switch (tag) {
  case DATA_STDOUT: *data = (e2b__process_data_event_t){output, none, none}; return true;
  case DATA_STDERR: *data = (e2b__process_data_event_t){none, output, none}; return true;
  case DATA_PTY: *data = (e2b__process_data_event_t){none, none, output}; return true;
  default: return false;
  }
}

/* --- driving a process ------------------------------------------------------------------------ */

static const e2b__field_t selector_request_fields[] = {
    FIELD_NESTED(1, 0, e2b__process_selector_request_t, process, "process", &selector),
};
const e2b__message_t e2b__process_selector_request =
    MESSAGE("process.ConnectRequest", selector_request_fields, e2b__process_selector_request_t);

static const e2b__field_t update_request_fields[] = {
    FIELD_NESTED(1, 0, e2b__process_update_request_t, process, "process", &selector),
    FIELD_NESTED(2, E2B__OPTIONAL, e2b__process_update_request_t, pty, "pty", &pty),
};
const e2b__message_t e2b__process_update_request =
    MESSAGE("process.UpdateRequest", update_request_fields, e2b__process_update_request_t);

static const e2b__field_t input_fields[] = {
    FIELD_MAYBE(1, BYTES, E2B__ONEOF, e2b__process_input_t, stdin_data, "stdin"),
    FIELD_MAYBE(2, BYTES, E2B__ONEOF, e2b__process_input_t, pty_data, "pty"),
};
static const e2b__message_t input =
    MESSAGE("process.ProcessInput", input_fields, e2b__process_input_t);

static const e2b__field_t send_input_fields[] = {
    FIELD_NESTED(1, 0, e2b__send_input_request_t, process, "process", &selector),
    FIELD_NESTED(2, 0, e2b__send_input_request_t, input, "input", &input),
};
const e2b__message_t e2b__send_input_request =
    MESSAGE("process.SendInputRequest", send_input_fields, e2b__send_input_request_t);

/* The one message whose numbers do not begin with 1. */
static const e2b__field_t stream_data_fields[] = {
    FIELD_NESTED(2, 0, e2b__stream_input_data_t, input, "input", &input),
};
static const e2b__message_t stream_data =
    MESSAGE("process.StreamInputRequest.DataEvent", stream_data_fields, e2b__stream_input_data_t);

static const e2b__field_t stream_input_fields[] = {
    FIELD_NESTED(1, E2B__ONEOF, e2b__stream_input_request_t, start, "start",
                 &e2b__process_selector_request),
    FIELD_NESTED(2, E2B__ONEOF, e2b__stream_input_request_t, data, "data", &stream_data),
    FIELD_NESTED(3, E2B__ONEOF, e2b__stream_input_request_t, keepalive, "keepalive", &e2b__empty),
};
const e2b__message_t e2b__stream_input_request =
    MESSAGE("process.StreamInputRequest", stream_input_fields, e2b__stream_input_request_t);

static const e2b__enum_value_t signal_values[] = {
    {E2B__SIGNAL_UNSPECIFIED, "SIGNAL_UNSPECIFIED"},
    {E2B__SIGNAL_SIGKILL, "SIGNAL_SIGKILL"},
    {E2B__SIGNAL_SIGTERM, "SIGNAL_SIGTERM"},
};
static const e2b__enum_t signal_names = {signal_values, E2B__COUNT(signal_values)};

static const e2b__field_t send_signal_fields[] = {
    FIELD_NESTED(1, 0, e2b__send_signal_request_t, process, "process", &selector),
    FIELD_AS(2, ENUM, 0, e2b__send_signal_request_t, signal, 0, "signal", &signal_names),
};
const e2b__message_t e2b__send_signal_request =
    MESSAGE("process.SendSignalRequest", send_signal_fields, e2b__send_signal_request_t);
