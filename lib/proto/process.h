/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_PROCESS_H
#define E2B_LIB_PROTO_PROCESS_H

#include "proto/message.h"

/* process.Process: the daemon's service that starts and drives processes. */

typedef struct e2b__process_config {
  e2b__str_t cmd;
  e2b__str_t *args;
  size_t args_count;
  e2b__str_pair_t *envs;
  size_t envs_count;
  e2b__str_t cwd; /* optional */
} e2b__process_config_t;

typedef struct e2b__pty_size {
  uint32_t cols;
  uint32_t rows;
} e2b__pty_size_t;

typedef struct e2b__pty {
  e2b__pty_size_t *size;
} e2b__pty_t;

typedef struct e2b__process_selector { /* oneof */
  bool has_pid;
  uint32_t pid;
  e2b__str_t tag;
} e2b__process_selector_t;

typedef struct e2b__process_info {
  e2b__process_config_t *config;
  uint32_t pid;
  e2b__str_t tag; /* optional */
} e2b__process_info_t;

typedef struct e2b__process_list_response {
  e2b__process_info_t *processes;
  size_t processes_count;
} e2b__process_list_response_t;

typedef struct e2b__process_start_request {
  e2b__process_config_t *process;
  e2b__pty_t *pty; /* optional */
  e2b__str_t tag;  /* optional */
  bool has_stdin;  /* absent means true */
  bool stdin_open;
} e2b__process_start_request_t;

typedef struct e2b__process_start_event {
  uint32_t pid;
} e2b__process_start_event_t;

typedef struct e2b__process_data_event { /* oneof */
  e2b__str_t stdout_data;
  e2b__str_t stderr_data;
  e2b__str_t pty_data;
} e2b__process_data_event_t;

typedef struct e2b__process_end_event {
  int32_t exit_code;
  bool exited;
  e2b__str_t status;
  e2b__str_t error; /* optional */
} e2b__process_end_event_t;

typedef struct e2b__process_event { /* oneof */
  e2b__process_start_event_t *start;
  e2b__process_data_event_t *data;
  e2b__process_end_event_t *end;
  e2b__empty_t *keepalive;
} e2b__process_event_t;

/* StartResponse and ConnectResponse. */
typedef struct e2b__process_event_response {
  e2b__process_event_t *event;
} e2b__process_event_response_t;

/* ConnectRequest, CloseStdinRequest. */
typedef struct e2b__process_selector_request {
  e2b__process_selector_t *process;
} e2b__process_selector_request_t;

typedef struct e2b__process_update_request {
  e2b__process_selector_t *process;
  e2b__pty_t *pty; /* optional */
} e2b__process_update_request_t;

typedef struct e2b__process_input { /* oneof */
  e2b__str_t stdin_data;
  e2b__str_t pty_data;
} e2b__process_input_t;

typedef struct e2b__send_input_request {
  e2b__process_selector_t *process;
  e2b__process_input_t *input;
} e2b__send_input_request_t;

typedef struct e2b__stream_input_data {
  e2b__process_input_t *input;
} e2b__stream_input_data_t;

typedef struct e2b__stream_input_request { /* oneof */
  e2b__process_selector_request_t *start;
  e2b__stream_input_data_t *data;
  e2b__empty_t *keepalive;
} e2b__stream_input_request_t;

typedef enum e2b__signal {
  E2B__SIGNAL_UNSPECIFIED = 0,
  E2B__SIGNAL_SIGKILL = 9,
  E2B__SIGNAL_SIGTERM = 15
} e2b__signal_t;

typedef struct e2b__send_signal_request {
  e2b__process_selector_t *process;
  int32_t signal; /* e2b__signal_t */
} e2b__send_signal_request_t;

/* The message that comes by the million: a StartResponse or ConnectResponse in the binary encoding
 * that holds one data event with one output, and nothing else. Reads it without looking into
 * tables, as e2b__message_decode() would. False: it is another, or wrong; *data is not touched. */
bool e2b__process_data_read(const char *message, size_t len, e2b__process_data_event_t *data);

extern const e2b__message_t e2b__process_list_response;
extern const e2b__message_t e2b__process_start_request;
extern const e2b__message_t e2b__process_event_response;
extern const e2b__message_t e2b__process_selector_request;
extern const e2b__message_t e2b__process_update_request;
extern const e2b__message_t e2b__send_input_request;
extern const e2b__message_t e2b__stream_input_request;
extern const e2b__message_t e2b__send_signal_request;

#endif
