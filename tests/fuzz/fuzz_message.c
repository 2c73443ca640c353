/* SPDX-License-Identifier: MIT */
#include "fuzz.h"
#include "proto/filesystem.h"
#include "proto/process.h"

/* What decodes can be encoded, in both encodings, and is the same after another round. The first
 * byte of the input picks the message, its highest bit the encoding (set: JSON). */

static const e2b__message_t *const types[] = {
    &e2b__empty,
    &e2b__process_list_response,
    &e2b__process_start_request,
    &e2b__process_event_response,
    &e2b__process_selector_request,
    &e2b__process_update_request,
    &e2b__send_input_request,
    &e2b__stream_input_request,
    &e2b__send_signal_request,
    &e2b__path_request,
    &e2b__move_request,
    &e2b__list_dir_request,
    &e2b__entry_response,
    &e2b__list_dir_response,
    &e2b__watch_request,
    &e2b__watch_response,
    &e2b__watcher_id,
    &e2b__watcher_events_response,
};

typedef union any {
  e2b__process_list_response_t list;
  e2b__process_start_request_t start;
  e2b__process_event_response_t event;
  e2b__send_input_request_t input;
  e2b__stream_input_request_t stream;
  e2b__send_signal_request_t signal;
  e2b__entry_response_t entry;
  e2b__list_dir_response_t listing;
  e2b__watch_request_t watch;
  e2b__watch_response_t watched;
  e2b__watcher_events_response_t events;
  e2b__move_request_t move;
} any;

/* Through `encoding` and back; the binary form must be the one we know. */
static void check_round(const e2b__message_t *type, const any *message, e2b__encoding_t encoding,
                        const e2b__buffer_t *binary) {
  e2b__buffer_t text = E2B__BUFFER_INIT(1 << 26), again = E2B__BUFFER_INIT(1 << 26);
  e2b__arena_t arena = {0};
  any back;
  int rc = e2b__message_encode(type, message, encoding, &text);
  /* Only a time can fail: binary holds more of them than RFC 3339 can tell. */
  HOLDS(rc == 0 || (rc == E2B_EINVAL && encoding == E2B__JSON));
  if (rc == 0) {
    HOLDS(e2b__message_decode(type, text.data, text.len, encoding, &arena, &back, NULL) == 0);
    HOLDS(e2b__message_encode(type, &back, E2B__PROTO, &again) == 0);
    HOLDS(again.len == binary->len && memcmp(again.data, binary->data, again.len) == 0);
  }
  e2b__arena_free(&arena);
  e2b__buffer_free(&text);
  e2b__buffer_free(&again);
}

/* The short way gives what the tables give, wherever it is open. */
static void check_short_way(const char *bytes, size_t size, int rc, const any *message) {
  e2b__process_data_event_t quick;
  if (!e2b__process_data_read(bytes, size, &quick)) return;
  HOLDS(rc == 0 && message->event.event != NULL && message->event.event->data != NULL);
  HOLDS(memcmp(&quick, message->event.event->data, sizeof quick) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const e2b__message_t *type = types[(data[0] & 0x7f) % E2B__COUNT(types)];
  e2b__encoding_t encoding = (data[0] & 0x80) != 0 ? E2B__JSON : E2B__PROTO;
  e2b__buffer_t binary = E2B__BUFFER_INIT(1 << 26);
  e2b__arena_t arena = {0};
  const char *why = NULL;
  any message;
  HOLDS(type->size <= sizeof message);
  int rc =
      e2b__message_decode(type, (const char *)data + 1, size - 1, encoding, &arena, &message, &why);
  HOLDS(rc == 0 || (rc == E2B_EPROTOCOL && why != NULL));
  if (type == &e2b__process_event_response && encoding == E2B__PROTO) {
    check_short_way((const char *)data + 1, size - 1, rc, &message);
  }
  if (rc == 0) {
    HOLDS(e2b__message_encode(type, &message, E2B__PROTO, &binary) == 0);
    check_round(type, &message, E2B__PROTO, &binary);
    check_round(type, &message, E2B__JSON, &binary);
  }
  e2b__arena_free(&arena);
  e2b__buffer_free(&binary);
  return 0;
}
