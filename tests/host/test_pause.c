/* SPDX-License-Identifier: MIT */
#include "support/wire.h"

#include <stdio.h>
#include <string.h>

/* Pausing and resuming, as the control plane's callers and the sandbox's clients see it; and a
 * create that is sent again. */

enum { TOGETHER = 5 };

static wire_exchange_t *begin(const char *method, const char *what, const char *body,
                              const char *header) {
  char path[200], id[64];
  const char *const headers[] = {header, NULL};
  /* With the sandbox's name in the headers it would be a request to the sandbox. */
  memcpy(id, wire.sandbox, sizeof id);
  snprintf(path, sizeof path, what, id);
  wire.sandbox[0] = '\0';
  wire_exchange_t *exchange =
      wire_begin(method, path, "application/json", body, strlen(body), headers);
  memcpy(wire.sandbox, id, sizeof id);
  return exchange;
}

static void finish(wire_exchange_t *exchange) {
  for (int i = 0; i < 10000 && !exchange->done; i++)
    wire_turn();
  assert_true(exchange->done);
  assert_int_equal(exchange->code, CURLE_OK);
}

static const char *text_of(const wire_exchange_t *exchange) {
  return exchange->body.data != NULL ? exchange->body.data : "";
}

/* One call, its status, and what its answer contains. */
static void gives(const char *method, const char *what, const char *body, long status,
                  const char *part) {
  wire_exchange_t *exchange = begin(method, what, body, NULL);
  finish(exchange);
  if (exchange->status != status || strstr(text_of(exchange), part) == NULL)
    fail_msg("%s %s: %ld %s", method, what, exchange->status, text_of(exchange));
  wire_end(exchange);
}

static void together(const char *what, const char *body, long status) {
  wire_exchange_t *all[TOGETHER];
  for (int i = 0; i < TOGETHER; i++)
    all[i] = begin("POST", what, body, NULL);
  for (int i = 0; i < TOGETHER; i++) {
    finish(all[i]);
    assert_int_equal(all[i]->status, status);
    wire_end(all[i]);
  }
}

#define PAUSE  "/sandboxes/%s/pause"
#define RESUME "/sandboxes/%s/resume"
#define THIS   "/sandboxes/%s"

static void calls_join(void **state) {
  (void)state;
  together(PAUSE, "{}", 204);
  gives("POST", PAUSE, "{}", 409, "already paused");
  gives("GET", THIS, "", 200, "\"state\":\"paused\"");
  gives("GET", "/v2/sandboxes?state=paused", "", 200, wire.sandbox);
  gives("GET", "/v2/sandboxes?state=running", "", 200, "[]");
  gives("GET", "/sandboxes", "", 200, "[]");
  gives("POST", "/sandboxes/%s/timeout", "{\"timeout\":9}", 404, "doesn't exist");
  together(RESUME, "{\"timeout\":60}", 201);
  gives("GET", THIS, "", 200, "\"state\":\"running\"");
  gives("POST", RESUME, "{}", 409, "is already running");
  gives("POST", "/v2/sandboxes/%s/connect", "{}", 200, wire.sandbox);
  gives("POST", PAUSE, "", 204, "");
  together("/v2/sandboxes/%s/connect", "{}", 201);
}

/* A connect that comes while it pauses waits, and brings it back. */
static void connect_during_a_pause(void **state) {
  (void)state;
  wire_exchange_t *pause = begin("POST", PAUSE, "{}", NULL);
  wire_turn_for(20);
  assert_false(pause->done);
  gives("POST", "/sandboxes/%s/timeout", "{\"timeout\":9}", 409, "being paused");
  wire_exchange_t *connect = begin("POST", "/sandboxes/%s/connect", "{\"timeout\":60}", NULL);
  finish(pause);
  assert_int_equal(pause->status, 204);
  wire_end(pause);
  finish(connect);
  assert_int_equal(connect->status, 201);
  wire_end(connect);
  gives("GET", THIS, "", 200, "\"state\":\"running\"");
}

static void processes_rest(void **state) {
  (void)state;
  wire_shell("cat /proc/sys/kernel/random/boot_id >/tmp/boot");
  wire_shell("(while :; do echo >>/tmp/beats; sleep 0.02; done) >/dev/null 2>&1 &");
  wire_turn_for(100);
  wire_exchange_t *stream = wire_begin("GET", "/health", "application/json", "", 0, NULL);
  finish(stream);
  assert_int_equal(stream->status, 204);
  wire_end(stream);
  gives("POST", PAUSE, "{\"memory\":true}", 204, "");
  wire_exchange_t *away = wire_ask("GET", "/health", "application/json", "", 0, NULL);
  assert_int_equal(away->status, 502);
  assert_non_null(strstr(text_of(away), "The sandbox was not found"));
  wire_end(away);
  gives("POST", RESUME, "{\"timeout\":60}", 201, wire.sandbox);
  wire_shell("cmp /tmp/boot /proc/sys/kernel/random/boot_id");
  wire_shell("n=$(wc -l </tmp/beats); sleep 0.3; test $(wc -l </tmp/beats) -gt $n");
}

/* Without its memory: files stay, processes do not. */
static void a_cold_pause(void **state) {
  (void)state;
  wire_shell("sleep 1234 >/dev/null 2>&1 & cat /proc/sys/kernel/random/boot_id >/tmp/boot");
  gives("POST", PAUSE, "{\"memory\":false}", 204, "");
  gives("POST", RESUME, "{\"timeout\":60}", 201, wire.sandbox);
  wire_shell("! pgrep -f '[s]leep 1234'");
  if (wire.server.features & SERVER_ISOLATED)
    wire_shell("test -s /tmp/boot && ! cmp -s /tmp/boot /proc/sys/kernel/random/boot_id");
}

static void requests_are_reset(void **state) {
  (void)state;
  static const char body[] = "\0\0\0\0\x3c"
                             "{\"process\":{\"cmd\":\"/bin/sleep\",\"args\":[\"99\"]},"
                             "\"stdin\":false}";
  wire_exchange_t *stream = wire_begin("POST", "/process.Process/Start", "application/connect+json",
                                       body, sizeof body - 1, NULL);
  wire_turn_for(300);
  assert_false(stream->done);
  gives("POST", PAUSE, "{}", 204, "");
  for (int i = 0; i < 1000 && !stream->done; i++)
    wire_turn();
  assert_true(stream->done);
  assert_int_not_equal(stream->code, CURLE_OK);
  wire_end(stream);
  gives("DELETE", THIS, "", 204, "");
  gives("POST", PAUSE, "{}", 404, "doesn't exist or you don't have access to it");
  gives("POST", RESUME, "{}", 404, "doesn't exist or you don't have access to it");
  wire.sandbox[0] = '\0';
}

static void killed_while_it_changes(void **state) {
  (void)state;
  wire_exchange_t *pause = begin("POST", PAUSE, "{}", NULL);
  wire_exchange_t *connect = begin("POST", "/sandboxes/%s/connect", "{}", NULL);
  wire_turn_for(20);
  gives("DELETE", THIS, "", 204, "");
  finish(pause);
  finish(connect);
  assert_int_equal(pause->status, 404);
  assert_int_equal(connect->status, 404);
  wire_end(pause);
  wire_end(connect);
  wire.sandbox[0] = '\0';
}

static void take_id(const wire_exchange_t *exchange, char *id, size_t size) {
  const char *at = strstr(text_of(exchange), "\"sandboxID\":\"");
  assert_non_null(at);
  snprintf(id, size, "%.*s", (int)strcspn(at + 13, "\""), at + 13);
}

static void the_end_of_life_pauses(void **state) {
  (void)state;
  wire_kill();
  wire_exchange_t *made = begin("POST", "/sandboxes",
                                "{\"templateID\":\"base\",\"timeout\":1,\"autoPause\":true}", NULL);
  finish(made);
  assert_int_equal(made->status, 201);
  take_id(made, wire.sandbox, sizeof wire.sandbox);
  wire_end(made);
  gives("GET", THIS, "", 200, "\"onTimeout\":\"pause\"");
  wire_turn_for(1300);
  gives("GET", THIS, "", 200, "\"state\":\"paused\"");
  gives("POST", RESUME, "{\"timeout\":60}", 201, wire.sandbox);
}

/* A request brings back what was created so, and nothing else. */
static void traffic_resumes(void **state) {
  (void)state;
  wire_kill();
  wire_exchange_t *made = begin("POST", "/sandboxes",
                                "{\"templateID\":\"base\",\"timeout\":600,\"autoPause\":true,"
                                "\"autoResume\":{\"enabled\":true}}",
                                NULL);
  finish(made);
  assert_int_equal(made->status, 201);
  take_id(made, wire.sandbox, sizeof wire.sandbox);
  wire_end(made);
  gives("POST", PAUSE, "{}", 204, "");
  wire_shell("test $(whoami) = root");
  gives("GET", THIS, "", 200, "\"state\":\"running\"");
  /* Also one that comes while it pauses; and one whose client does not stay. */
  wire_exchange_t *pause = begin("POST", PAUSE, "{}", NULL);
  wire_turn_for(20);
  wire_exchange_t *gone = wire_begin("GET", "/health", "application/json", "", 0, NULL);
  wire_turn_for(20);
  wire_end(gone);
  wire_exchange_t *stays =
      wire_ask("POST", "/files?path=/tmp/f", "application/octet-stream", "content", 7, NULL);
  assert_int_equal(stays->status, 200);
  wire_end(stays);
  finish(pause);
  assert_int_equal(pause->status, 204);
  wire_end(pause);
  wire_shell("test $(cat /tmp/f) = content");
  /* Without its memory it stays where it is. */
  gives("POST", PAUSE, "{\"memory\":false}", 204, "");
  wire_exchange_t *cold = wire_ask("GET", "/health", "application/json", "", 0, NULL);
  assert_int_equal(cold->status, 502);
  wire_end(cold);
}

static void a_create_sent_again(void **state) {
  static const char key[] = "Idempotency-Key: the-key-1", body[] = "{\"templateID\":\"base\"}";
  wire_exchange_t *all[3];
  char ids[3][64];
  (void)state;
  wire_kill();
  for (int i = 0; i < 2; i++)
    all[i] = begin("POST", "/v2/sandboxes", body, key);
  for (int i = 0; i < 3; i++) {
    if (i == 2) all[i] = begin("POST", "/v2/sandboxes", body, key);
    finish(all[i]);
    assert_int_equal(all[i]->status, 201);
    take_id(all[i], ids[i], sizeof ids[i]);
    assert_string_equal(ids[i], ids[0]);
    wire_end(all[i]);
  }
  wire_exchange_t *wrong = begin("POST", "/v2/sandboxes", body, "Idempotency-Key: A_");
  finish(wrong);
  assert_int_equal(wrong->status, 400);
  wire_end(wrong);
  memcpy(wire.sandbox, ids[0], sizeof wire.sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WIRE_TEST(calls_join),
      WIRE_TEST(connect_during_a_pause),
      WIRE_TEST(processes_rest),
      WIRE_TEST(a_cold_pause),
      WIRE_TEST(requests_are_reset),
      WIRE_TEST(killed_while_it_changes),
      WIRE_TEST(the_end_of_life_pauses),
      WIRE_TEST(traffic_resumes),
      WIRE_TEST(a_create_sent_again),
  };
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
