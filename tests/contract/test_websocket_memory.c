/* SPDX-License-Identifier: MIT */
/* The library's own memory runs out at each of its allocations in the life of a WebSocket: every
 * failure is told as that, and nothing is left. (wslay's and mbedTLS's allocations are their own.)
 */

#include <stdio.h>

#include "support/certificates.h"
#include "support/harness.h"
#include "support/peer.h"
#include "support/starving.h"

enum { BIG = 3 << 20, MESSAGES = 40 };

typedef struct session {
  harness_t h;
  peer_t *peer;
  e2b_websocket_t *websocket;
  unsigned messages;
  size_t bytes;
  int code; /* the first failure */
  bool done;
  bool closed;
} session;

static void note(session *it, int code) {
  if (it->code == 0) it->code = code;
}

static void on_message(e2b_websocket_t *websocket, e2b_message_kind_t kind, const char *data,
                       size_t len, void *user_data) {
  session *it = user_data;
  (void)kind;
  (void)data;
  it->messages++;
  it->bytes += len;
  if (it->messages == 1) e2b_websocket_pause(websocket); /* the others come with it, and wait */
}

static void on_closed(e2b_websocket_t *websocket, const e2b_error_t *error,
                      const e2b_websocket_end_t *end, void *user_data) {
  session *it = user_data;
  (void)websocket;
  (void)end;
  it->closed = true;
  if (error != NULL) note(it, error->code);
}

static void talk(session *it) {
  static char big[BIG];
  for (unsigned i = 0; i < MESSAGES; i++) {
    peer_frame(it->peer, TEXT, big, 1000);
    peer_frame(it->peer, FIN, big, 3000);
  }
  while (it->messages < 1 && !it->closed) {
    harness_turn_once(&it->h);
  }
  e2b_websocket_resume(it->websocket);
  while (it->messages < MESSAGES && !it->closed) {
    harness_turn_once(&it->h);
  }
  if (!it->closed) assert_int_equal(it->bytes, MESSAGES * 4000);
  const int rc = e2b_websocket_send(it->websocket, E2B_MESSAGE_BINARY, big, BIG);
  if (rc != 0 && rc != E2B_ECLOSED) note(it, rc);
  while (rc == 0 && !it->closed && peer_frames(it->peer) < 1) {
    harness_turn_once(&it->h);
  }
  e2b_future_t *end = e2b_websocket_wait(it->websocket);
  e2b_websocket_close(it->websocket, 1000, "that is all");
  peer_frame(it->peer, FIN | CLOSE, "\x03\xe8thanks", 8);
  while (!it->closed) {
    harness_turn_once(&it->h);
  }
  const int code = end != NULL ? harness_await(&it->h, end) : E2B_ENOMEM;
  if (code != 0) note(it, code);
  e2b_future_release(end);
  it->done = it->code == 0;
}

static void connect_it(session *it, bool tls) {
  char url[64];
  e2b_client_options options;
  e2b_websocket_options wanted;
  E2B_INIT(&options);
  options.api_key = HARNESS_KEY;
  options.ca_blob = localhost_pem.authority;
  options.ca_blob_len = strlen(localhost_pem.authority);
  it->h.client = e2b_client_new(&it->h.loop, &options);
  if (it->h.client == NULL) {
    note(it, E2B_ENOMEM);
    return;
  }
  E2B_INIT(&wanted);
  wanted.on_message = on_message;
  wanted.on_closed = on_closed;
  wanted.protocols = "a";
  wanted.user_data = it;
  snprintf(url, sizeof url, "%s://localhost:%u/", tls ? "wss" : "ws", peer_port(it->peer));
  e2b_future_t *future = e2b_websocket_connect(it->h.client, url, &wanted);
  const int code = future != NULL ? harness_await(&it->h, future) : E2B_ENOMEM;
  if (code != 0) note(it, code);
  it->websocket = e2b_future_websocket(future);
  e2b_future_release(future);
  if (it->websocket != NULL) talk(it);
}

static void run(bool tls, size_t nth) {
  session it;
  memset(&it, 0, sizeof it);
  harness_start(&it.h);
  it.peer = peer_start(&it.h.loop);
  peer_add_headers(it.peer, "Sec-WebSocket-Protocol: a\r\n");
  harness_at_stop(&it.h, peer_stop, it.peer);
  if (tls) peer_tls(it.peer, localhost_pem.certificate, localhost_pem.key);
  starving_begin();
  connect_it(&it, tls);
  e2b_websocket_release(it.websocket);
  harness_stop(&it.h);
  if (it.code != 0 && it.code != E2B_ENOMEM) {
    fail_msg("allocation %zu: %s", nth, e2b_code_name(it.code));
  }
  assert_true(it.done || starving_failed());
}

static void plain(void *ctx, size_t nth) {
  (void)ctx;
  run(false, nth);
}

static void over_tls(void *ctx, size_t nth) {
  (void)ctx;
  run(true, nth);
}

static void walk(void (*play)(void *ctx, size_t nth), bool for_good) {
  const starving_scenario_t scenario = {"a WebSocket", play, NULL};
  assert_true(starving_walk(&scenario, for_good, SIZE_MAX, 1) > 30);
}

static void without_one_allocation(void **state) {
  (void)state;
  walk(plain, false);
}

static void without_any_from_one_on(void **state) {
  (void)state;
  walk(plain, true);
}

static void over_tls_without_one_allocation(void **state) {
  (void)state;
  walk(over_tls, false);
}

int main(void) {
  starving_library();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_one_allocation),
      cmocka_unit_test(without_any_from_one_on),
      cmocka_unit_test(over_tls_without_one_allocation),
  };
  return cmocka_run_group_tests_name("websocket_memory", tests, localhost_pem_make,
                                     localhost_pem_free);
}
