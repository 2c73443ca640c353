/* SPDX-License-Identifier: MIT */
#include "support/wire.h"

#include <string.h>

#include "proto/envelope.h"
#include "support/test.h"

/* Input that no process reads. */

enum {
  PIECE = 40 << 20, /* in base64; of three, two may wait */
  PATIENCE_MS = 20000
};

static wire_exchange_t *start(const char *json) {
  unsigned char body[512];
  size_t len = strlen(json);
  e2b__envelope_prefix(body, 0, len);
  memcpy(body + E2B__ENVELOPE_PREFIX, json, len);
  return wire_begin("POST", "/process.Process/Start", "application/connect+json", body,
                    E2B__ENVELOPE_PREFIX + len, NULL);
}

/* What was accepted stays although its client goes: so there is an end to what is accepted. */
static void what_waits_has_a_ceiling(void **state) {
  static const char head[] = "{\"process\":{\"tag\":\"deaf\"},\"input\":{\"stdin\":\"";
  static char body[sizeof head + PIECE + 3];
  wire_exchange_t *sent[3];
  unsigned over = 0;
  (void)state;
  wire_exchange_t *process = start(
      "{\"process\":{\"cmd\":\"sleep\",\"args\":[\"1000\"]},\"stdin\":true,\"tag\":\"deaf\"}");
  while (process->body.len == 0)
    wire_turn();
  memcpy(body, head, sizeof head - 1);
  memset(body + sizeof head - 1, 'A', PIECE); /* four of them are three bytes */
  memcpy(body + sizeof head - 1 + PIECE, "\"}}", 3);
  for (int i = 0; i < 3; i++)
    sent[i] = wire_begin("POST", "/process.Process/SendInput", "application/json", body,
                         sizeof head - 1 + PIECE + 3, NULL);
  uint64_t end = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
  while (!sent[0]->done && !sent[1]->done && !sent[2]->done && uv_hrtime() < end)
    wire_turn();
  for (int i = 0; i < 3; i++) {
    if (!sent[i]->done) continue;
    over++;
    assert_int_equal(sent[i]->code, CURLE_OK);
    assert_int_equal(sent[i]->status, 429);
    assert_non_null(strstr(sent[i]->body.data, "resource_exhausted"));
  }
  assert_int_equal(over, 1);
  for (int i = 0; i < 3; i++)
    wire_end(sent[i]);
  wire_end(process);
}

int main(void) {
  const struct CMUnitTest tests[] = {WIRE_TEST(what_waits_has_a_ceiling)};
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
