/* SPDX-License-Identifier: MIT */
#include "support/wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "host/link.h"
#include "proto/envelope.h"
#include "support/test.h"

/* Clients that give up: what they leave behind has an end. */

enum {
  PIECE = 40 << 20, /* in base64; of three, two may wait */
  PATIENCE_MS = 20000
};

static wire_exchange_t *start(const char *json, const char *const *headers) {
  unsigned char body[512];
  size_t len = strlen(json);
  e2b__envelope_prefix(body, 0, len);
  memcpy(body + E2B__ENVELOPE_PREFIX, json, len);
  return wire_begin("POST", "/process.Process/Start", "application/connect+json", body,
                    E2B__ENVELOPE_PREFIX + len, headers);
}

/* What was accepted stays although its client goes: so there is an end to what is accepted. */
static void what_waits_has_a_ceiling(void **state) {
  static const char head[] = "{\"process\":{\"tag\":\"deaf\"},\"input\":{\"stdin\":\"";
  static char body[sizeof head + PIECE + 3];
  wire_exchange_t *sent[3];
  unsigned over = 0;
  (void)state;
  wire_exchange_t *process =
      start("{\"process\":{\"cmd\":\"sleep\",\"args\":[\"1000\"]},\"stdin\":true,\"tag\":\"deaf\"}",
            NULL);
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

/* Its time is its own: also when nobody hears any more that it has started. */
static void a_process_ends_in_time_without_its_client(void **state) {
  char path[64];
  long child = 0;
  (void)state;
  if (wire.server.host->isolation == E2B__ISOLATION_NONE) skip();
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_find_any(wire.server.host, wire.sandbox);
  long pid = e2b__host_link_pid(sandbox->link);
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", pid, pid);
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%ld", &child), 1);
  fclose(file);
  /* The spawner sleeps meanwhile. */
  assert_int_equal(kill((pid_t)child, SIGSTOP), 0);
  wire_exchange_t *process = start("{\"process\":{\"cmd\":\"sleep\",\"args\":[\"4321\"]}}",
                                   (const char *const[]){"Connect-Timeout-Ms: 100", NULL});
  while (e2b__list_empty(&sandbox->processes))
    wire_turn();
  wire_end(process);
  while (!e2b__list_empty(&sandbox->requests))
    wire_turn();
  assert_int_equal(kill((pid_t)child, SIGCONT), 0);
  wire_shell("for i in $(seq 500); do pgrep -f 'sleep 432[1]' || exit 0; sleep 0.02; done; exit 1");
}

int main(void) {
  const struct CMUnitTest tests[] = {WIRE_TEST(what_waits_has_a_ceiling),
                                     WIRE_TEST(a_process_ends_in_time_without_its_client)};
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
