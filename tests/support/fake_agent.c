/* SPDX-License-Identifier: MIT */
#include "support/fake_agent.h"

#include <stdarg.h>
#include <stdio.h>

#include "support/stage.h"

/* --- the stage -------------------------------------------------------------------------------- */

void fake_agent_open_with(fake_agent_t *a, void (*change)(e2b_client_options *options)) {
  memset(a, 0, sizeof *a);
  faults_open(&a->f, NULL);
  if (change != NULL) change(&a->f.options);
  faults_sandbox(&a->f);
  a->peer = peer_start(&a->f.h.loop);
  harness_at_stop(&a->f.h, peer_stop, a->peer);
  peer_add_headers(a->peer, "Sec-WebSocket-Protocol: e2b-terminal.v1\r\n");
  /* From here on the sandbox's ports are this machine's, and its daemon is the scripted server. */
  e2b__config_t *config = &a->f.h.client->config;
  config->debug = config->debug_url = true;
  char address[256];
  snprintf(address, sizeof address, "{\"protocol\":1,\"port\":%u,\"secret\":\"%064d\"}\n",
           peer_port(a->peer), 7);
  stage_program(&a->f, fault_on(a->f.server, START), address, "", 0);
  E2B_INIT(&a->options);
  a->options.transport = E2B_TRANSPORT_AGENT;
  told_by(&a->told, &a->options);
}

void fake_agent_open(fake_agent_t *a) {
  fake_agent_open_with(a, NULL);
}

void fake_agent_close(fake_agent_t *a) {
  e2b_terminal_release(a->terminal);
  e2b_future_release(a->future);
  faults_close(&a->f);
  told_free(&a->told);
}

int fake_agent_setup(void **state) {
  fake_agent_t *a = malloc(sizeof *a);
  assert_non_null(a);
  fake_agent_open(a);
  *state = a;
  return 0;
}

int fake_agent_teardown(void **state) {
  fake_agent_close(*state);
  free(*state);
  return 0;
}

/* --- the agent's part ------------------------------------------------------------------------- */

void fake_agent_until_frames(fake_agent_t *a, unsigned count) {
  while (peer_frames(a->peer) < count) {
    harness_turn_once(&a->f.h);
  }
}

void fake_agent_got(fake_agent_t *a, unsigned nth, const char *text) {
  peer_got_t frame;
  fake_agent_until_frames(a, nth + 1);
  assert_true(peer_got(a->peer, nth, &frame));
  if (strstr(frame.data, text) == NULL) fail_msg("%s\n  instead of %s", frame.data, text);
}

void fake_agent_says(fake_agent_t *a, const char *fmt, ...) {
  char text[1024];
  va_list args;
  va_start(args, fmt);
  const int len = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  assert_true(len > 0 && (size_t)len < sizeof text);
  for (char *at = text; (at = strchr(at, '\'')) != NULL;) {
    *at = '"';
  }
  peer_text(a->peer, FIN | TEXT, text);
}

void fake_agent_attaches(fake_agent_t *a, uint64_t offset, uint64_t lost, uint64_t input) {
  fake_agent_says(a,
                  "{'type':'attached','id':'" FAKE_AGENT_ID "','pid':7,'argv':['sh'],'cols':80,"
                  "'rows':24,'offset':%llu,'lost':%llu,'input':%llu,'window':65536,'ring':262144}",
                  (unsigned long long)offset, (unsigned long long)lost, (unsigned long long)input);
}

void fake_agent_prints(fake_agent_t *a, uint64_t input, const char *text) {
  unsigned char frame[256];
  const size_t len = strlen(text);
  assert_true(len <= sizeof frame - 8);
  for (unsigned i = 0; i < 8; i++) {
    frame[i] = (unsigned char)(input >> 8 * (7 - i));
  }
  memcpy(frame + 8, text, len);
  peer_frame(a->peer, FIN | BINARY, frame, 8 + len);
}

void fake_agent_shows(fake_agent_t *a, uint64_t input, const char *text) {
  const size_t len = a->told.seen_len + strlen(text);
  fake_agent_prints(a, input, text);
  while (a->told.seen_len < len) {
    harness_turn_once(&a->f.h);
  }
}

/* --- what happens ----------------------------------------------------------------------------- */

void fake_agent_begin(fake_agent_t *a) {
  a->future = e2b_terminal_create(a->f.sandbox, &a->options);
  fake_agent_got(a, 0, "\"type\":\"create\"");
}

void fake_agent_begin_well(fake_agent_t *a) {
  fake_agent_begin(a);
  fake_agent_attaches(a, 0, 0, 0);
  assert_int_equal(harness_await(&a->f.h, a->future), 0);
  a->terminal = e2b_future_terminal(a->future);
  assert_non_null(a->terminal);
}

void fake_agent_type(fake_agent_t *a, unsigned nth, const char *text) {
  assert_int_equal(e2b_terminal_write(a->terminal, text, strlen(text)), 0);
  fake_agent_got(a, nth, text);
}

void fake_agent_comes_back(fake_agent_t *a) {
  const unsigned before = *peer_upgrades(a->peer);
  peer_reset(a->peer);
  harness_until_count(&a->f.h, peer_upgrades(a->peer), before + 1);
  fake_agent_got(a, 0, "\"type\":\"attach\"");
}

void fake_agent_ended(fake_agent_t *a, int code, const char *words) {
  harness_until_count(&a->f.h, &a->told.closed, 1);
  if (a->told.closed_code != code || strstr(a->told.closed_message, words) == NULL) {
    fail_msg("%s: %s\n  instead of %s: %s", e2b_code_name(a->told.closed_code),
             a->told.closed_message, e2b_code_name(code), words);
  }
  assert_int_equal(a->told.closed, 1);
  e2b_future_t *wait = e2b_terminal_wait(a->terminal);
  assert_int_equal(harness_await(&a->f.h, wait), code);
  e2b_future_release(wait);
  assert_int_equal(e2b_terminal_write(a->terminal, "x", 1), E2B_ECLOSED);
}

void fake_agent_refused(fake_agent_t *a, int code, const char *words) {
  const int rc = harness_await(&a->f.h, a->future);
  const e2b_error_t *error = e2b_future_error(a->future);
  const char *message = error != NULL ? error->message : "";
  if (rc != code || strstr(message, words) == NULL) {
    fail_msg("%s: %s\n  instead of %s: %s", e2b_code_name(rc), message, e2b_code_name(code), words);
  }
  assert_int_equal(a->told.closed, 0); /* no future has yielded it */
}
