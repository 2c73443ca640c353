/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "agent/ws_frame.h"
#include "base/utf8.h"
#include "fuzz.h"

/* However a client's bytes are cut, the same messages, data and end come out of them. The first
 * byte of the input is the size of the pieces. */

static void decode(const uint8_t *bytes, size_t size, size_t step, e2b__buffer_t *out) {
  e2b__ws_decoder_t decoder;
  bool over = false;
  e2b__ws_decoder_init(&decoder);
  for (size_t at = 0; at < size && !over; at += step) {
    size_t len = size - at < step ? size - at : step;
    unsigned char *copy = malloc(len), *data = copy;
    HOLDS(copy != NULL);
    memcpy(copy, bytes + at, len);
    while (!over) {
      e2b__ws_event_t event = e2b__ws_decode(&decoder, &data, &len);
      if (event.type == E2B__WS_MORE) break;
      over = event.type == E2B__WS_CLOSE || event.type == E2B__WS_FAULT;
      if (over) HOLDS(event.code >= 1000 && event.code <= 4999 && event.len == 0);
      if (event.type == E2B__WS_TEXT)
        HOLDS(event.len <= E2B__WS_LARGEST && e2b__utf8_valid(event.data, event.len));
      if (event.type == E2B__WS_PING) HOLDS(event.len <= E2B__WS_CONTROL_LARGEST);
      HOLDS(event.type != E2B__WS_DATA || event.len > 0);
      /* Data may come in pieces: it has no mark of its own. */
      if (event.type != E2B__WS_DATA)
        HOLDS(e2b__buffer_printf(out, "[%d %u %zu]", (int)event.type, event.code, event.len) == 0);
      HOLDS(e2b__buffer_append(out, event.data, event.len) == 0);
    }
    HOLDS(over || len == 0);
    free(copy);
  }
  e2b__ws_decoder_free(&decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  e2b__buffer_t whole = E2B__BUFFER_INIT(1 << 24), pieces = E2B__BUFFER_INIT(1 << 24);
  if (size < 2) return 0;
  decode(data + 1, size - 1, size - 1, &whole);
  decode(data + 1, size - 1, (size_t)data[0] + 1, &pieces);
  HOLDS(whole.len == pieces.len);
  HOLDS(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
  e2b__buffer_free(&whole);
  e2b__buffer_free(&pieces);
  return 0;
}
