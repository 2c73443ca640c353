/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/harness.h"
#include "support/peer.h"

/* The public WebSocket: futures, handles, callbacks. */

typedef struct scene {
  harness_t h;
  e2b_client_options client;
  e2b_websocket_options options;
  peer_t *peer;
  char url[64];
  e2b_websocket_t *websocket;
  unsigned messages, pieces, drains, closed;
  size_t bytes;
  char last[64];
  e2b_websocket_t *seen; /* by the callbacks */
  int closed_code;
  unsigned close_code;
  bool yielded; /* the future's callback has run */
  bool inside;
  void (*at_message)(struct scene *sc);
} scene;

static void on_message(e2b_websocket_t *websocket, e2b_message_kind_t kind, const char *data,
                       size_t len, void *user_data) {
  scene *sc = user_data;
  assert_false(sc->inside);
  assert_true(kind == E2B_MESSAGE_TEXT || kind == E2B_MESSAGE_BINARY);
  sc->messages++;
  sc->bytes += len;
  sc->seen = websocket;
  snprintf(sc->last, sizeof sc->last, "%.*s", (int)len, data);
  if (sc->at_message != NULL) sc->at_message(sc);
}

static void on_piece(e2b_websocket_t *websocket, const char *data, size_t len, int first, int last,
                     void *user_data) {
  scene *sc = user_data;
  (void)websocket;
  (void)data;
  (void)first;
  assert_false(sc->inside);
  sc->bytes += len;
  sc->pieces += last != 0;
}

static void on_drain(e2b_websocket_t *websocket, void *user_data) {
  scene *sc = user_data;
  (void)websocket;
  assert_false(sc->inside);
  sc->drains++;
}

static void on_closed(e2b_websocket_t *websocket, const e2b_error_t *error,
                      const e2b_websocket_end_t *end, void *user_data) {
  scene *sc = user_data;
  (void)websocket;
  assert_false(sc->inside);
  sc->closed++;
  sc->closed_code = error != NULL ? error->code : 0;
  sc->close_code = end != NULL ? end->close_code : 0;
}

static void start(scene *sc) {
  memset(sc, 0, sizeof *sc);
  harness_start(&sc->h);
  harness_options(&sc->h, NULL, &sc->client);
  harness_client(&sc->h, &sc->client);
  sc->peer = peer_start(&sc->h.loop);
  harness_at_stop(&sc->h, peer_stop, sc->peer);
  snprintf(sc->url, sizeof sc->url, "ws://127.0.0.1:%u/echo?x=1#part", peer_port(sc->peer));
  E2B_INIT(&sc->options);
  sc->options.on_message = on_message;
  sc->options.on_drain = on_drain;
  sc->options.on_closed = on_closed;
  sc->options.user_data = sc;
}

static void stop(scene *sc) {
  e2b_websocket_release(sc->websocket);
  harness_stop(&sc->h);
}

static void open_it(scene *sc) {
  e2b_future_t *future = e2b_websocket_connect(sc->h.client, sc->url, &sc->options);
  assert_int_equal(harness_await(&sc->h, future), 0);
  sc->websocket = e2b_future_websocket(future);
  assert_non_null(sc->websocket);
  e2b_future_release(future);
}

static void until(scene *sc, const unsigned *count, unsigned at_least) {
  harness_until_count(&sc->h, count, at_least);
}

static void until_frames(scene *sc, unsigned count) {
  while (peer_frames(sc->peer) < count) {
    harness_turn_once(&sc->h);
  }
}

static void until_peer_ended(scene *sc) {
  while (!peer_ended(sc->peer)) {
    harness_turn_once(&sc->h);
  }
}

static void carries_messages_and_says_goodbye(void **state) {
  (void)state;
  scene sc;
  start(&sc);
  sc.options.protocols = "a, b";
  peer_add_headers(sc.peer, "Sec-WebSocket-Protocol: b\r\n");
  open_it(&sc);
  assert_string_equal(e2b_websocket_protocol(sc.websocket), "b");
  assert_memory_equal(peer_request(sc.peer), "GET /echo?x=1 HTTP/1.1\r\n", 24);
  sc.inside = true;
  assert_int_equal(e2b_websocket_send(sc.websocket, E2B_MESSAGE_TEXT, "hello", 5), 0);
  assert_int_equal(e2b_websocket_send(sc.websocket, E2B_MESSAGE_TEXT, "\xff", 1), E2B_EINVAL);
  assert_int_equal(e2b_websocket_send(sc.websocket, 7, "x", 1), E2B_EINVAL);
  assert_int_equal(e2b_websocket_send(sc.websocket, E2B_MESSAGE_BINARY, "x", 513 << 20),
                   E2B_ETOOBIG);
  assert_int_equal(e2b_websocket_send_part(sc.websocket, E2B_MESSAGE_BINARY, "12", 2, 0), 0);
  assert_int_equal(e2b_websocket_send_part(sc.websocket, E2B_MESSAGE_BINARY, "34", 2, 1), 0);
  sc.inside = false;
  until_frames(&sc, 3);
  peer_text(sc.peer, FIN | TEXT, "world");
  until(&sc, &sc.messages, 1);
  assert_string_equal(sc.last, "world");
  assert_ptr_equal(sc.seen, sc.websocket);
  e2b_future_t *end = e2b_websocket_wait(sc.websocket);
  sc.inside = true;
  e2b_websocket_close(sc.websocket, 1000, "thanks");
  e2b_websocket_close(sc.websocket, 1000, "thanks");
  sc.inside = false;
  until_frames(&sc, 4);
  peer_frame(sc.peer, FIN | CLOSE, "\x03\xe9later", 7);
  assert_int_equal(harness_await(&sc.h, end), 0);
  assert_int_equal(e2b_future_websocket_end(end)->close_code, 1001);
  e2b_future_t *again = e2b_websocket_wait(sc.websocket);
  e2b_websocket_release(sc.websocket);
  sc.websocket = NULL;
  assert_int_equal(harness_await(&sc.h, again), 0);
  assert_string_equal(e2b_future_websocket_end(again)->reason, "later");
  assert_string_equal(e2b_future_websocket_end(end)->reason, "later");
  e2b_future_release(end);
  e2b_future_release(again);
  assert_int_equal(sc.closed, 1);
  assert_int_equal(sc.closed_code, 0);
  assert_int_equal(sc.close_code, 1001);
  stop(&sc);
}

static void on_yielded(e2b_future_t *future, void *user_data) {
  scene *sc = user_data;
  sc->yielded = true;
  sc->websocket = e2b_future_websocket(future);
  assert_int_equal(sc->messages, 0);
}

static void messages_come_after_the_handle(void **state) {
  (void)state;
  scene sc;
  start(&sc);
  peer_send_at_once(sc.peer, "\x81\x05hello\x88\x00", 9);
  assert_int_equal(
      e2b_future_then(e2b_websocket_connect(sc.h.client, sc.url, &sc.options), on_yielded, &sc), 0);
  until(&sc, &sc.closed, 1);
  assert_true(sc.yielded);
  assert_int_equal(sc.messages, 1);
  assert_int_equal(e2b_websocket_send(sc.websocket, E2B_MESSAGE_TEXT, "x", 1), E2B_ECLOSED);
  assert_int_equal(e2b_websocket_pending_bytes(sc.websocket), 0);
  e2b_websocket_pause(sc.websocket);
  e2b_websocket_resume(sc.websocket);
  e2b_websocket_close(sc.websocket, 0, NULL);
  stop(&sc);
}

static void a_url_that_is_none_is_refused(void **state) {
  (void)state;
  static const char *const urls[] = {"",      "ws://",         "ftp://a/",      "ws://a b/",
                                     "a.com", "ws://me:pw@a/", "ws://a:99999/", NULL};
  scene sc;
  start(&sc);
  for (size_t i = 0; i < E2B__COUNT(urls); i++) {
    e2b_future_t *future = e2b_websocket_connect(sc.h.client, urls[i], &sc.options);
    assert_int_equal(harness_await(&sc.h, future), E2B_EINVAL);
    e2b_future_release(future);
  }
  const e2b_pair_t header = {"X", "a\r\nb"};
  sc.options.headers = &header;
  sc.options.headers_count = 1;
  e2b_future_t *future = e2b_websocket_connect(sc.h.client, sc.url, NULL);
  e2b_future_cancel(future);
  e2b_future_release(future);
  future = e2b_websocket_connect(sc.h.client, sc.url, &sc.options);
  assert_int_equal(harness_await(&sc.h, future), E2B_EINVAL);
  e2b_future_release(future);
  assert_null(e2b_websocket_connect(NULL, sc.url, NULL));
  assert_null(e2b_sandbox_websocket(NULL, 80, "/", NULL));
  assert_null(e2b_websocket_wait(NULL));
  e2b_websocket_release(NULL);
  stop(&sc);
}

static void refusals_have_types(void **state) {
  (void)state;
  static const struct {
    const char *answer;
    int code, status;
    const char *words;
    uint64_t retry_after_ms;
    e2b_presence_t sandbox;
  } cases[] = {
      {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", E2B_EAUTH, 401, "", 0, 0},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 53\r\n\r\n"
       "{\"sandboxId\":\"i1\",\"message\":\"token missing\",\"code\":403}",
       E2B_EAUTH, 403, "token missing", 0, 0},
      {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", E2B_EFORBIDDEN, 403, "no", 0, 0},
      {"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nnothing", E2B_ENOTFOUND, 404, "nothing",
       0, 0},
      {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", E2B_ERATE,
       429, "", 3000, 0},
      {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 63\r\n\r\n"
       "{\"sandboxId\":\"i1\",\"message\":\"The sandbox was not found\",\"code\":502}",
       E2B_ESANDBOXGONE, 502, "not found", 0, E2B_PRESENCE_GONE},
      {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 61\r\n\r\n"
       "{\"sandboxId\":\"i1\",\"message\":\"not open\",\"port\":8080,\"code\":502}  ",
       E2B_EPORTCLOSED, 502, "not open", 0, E2B_PRESENCE_ALIVE},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", E2B_EPROTOCOL, 200, "", 0, 0},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    scene sc;
    start(&sc);
    char *answer = strdup(cases[i].answer);
    assert_non_null(answer);
    /* The lengths are those of the bodies. */
    char *body = strstr(answer, "\r\n\r\n") + 4;
    char *fixed = malloc(1024);
    assert_non_null(fixed);
    const char *length = strstr(answer, "Content-Length: ");
    snprintf(fixed, 1024, "%.*sContent-Length: %zu\r\n\r\n%s", (int)(length - answer), answer,
             strlen(body), body);
    peer_answer_instead(sc.peer, fixed);
    e2b_future_t *future = e2b_websocket_connect(sc.h.client, sc.url, &sc.options);
    assert_int_equal(harness_await(&sc.h, future), cases[i].code);
    const e2b_error_t *error = e2b_future_error(future);
    assert_int_equal(error->http_status, cases[i].status);
    assert_non_null(strstr(error->message, cases[i].words));
    assert_int_equal(error->retry_after_ms, cases[i].retry_after_ms);
    assert_int_equal(error->sandbox, cases[i].sandbox);
    assert_string_equal(error->operation, "e2b_websocket_connect");
    assert_null(e2b_future_websocket(future));
    e2b_future_release(future);
    assert_int_equal(sc.closed, 0);
    free(answer);
    free(fixed);
    stop(&sc);
  }
}

static void failures_say_where_and_why(void **state) {
  (void)state;
  scene sc;
  start(&sc);
  e2b_future_t *future = e2b_websocket_connect(sc.h.client, "ws://127.0.0.1:1/secret", NULL);
  assert_int_equal(harness_await(&sc.h, future), E2B_ECONNECT);
  const e2b_error_t *error = e2b_future_error(future);
  assert_non_null(strstr(error->message, "could not connect: 127.0.0.1:1: connection refused"));
  assert_null(strstr(error->message, "secret"));
  assert_false(error->maybe_applied);
  e2b_future_release(future);
  peer_answer_instead(sc.peer, "");
  sc.options.connect_timeout_ms = 50;
  future = e2b_websocket_connect(sc.h.client, sc.url, &sc.options);
  assert_int_equal(harness_await(&sc.h, future), E2B_ETIMEDOUT);
  assert_int_equal(e2b_future_error(future)->clock, E2B_CLOCK_CONNECT);
  e2b_future_release(future);
  stop(&sc);
}

static void a_lost_connection_is_told_twice(void **state) {
  (void)state;
  scene sc;
  start(&sc);
  open_it(&sc);
  e2b_future_t *end = e2b_websocket_wait(sc.websocket);
  peer_reset(sc.peer);
  assert_int_equal(harness_await(&sc.h, end), E2B_ECONNLOST);
  assert_string_equal(e2b_future_error(end)->operation, "e2b_websocket_wait");
  assert_int_equal(sc.closed, 1);
  assert_int_equal(sc.closed_code, E2B_ECONNLOST);
  e2b_future_release(end);
  stop(&sc);
}

static void cancelled_at_every_step(void **state) {
  (void)state;
  for (int how = 0; how < 3; how++) { /* cancelled, released, the client closed */
    bool through = false;
    for (unsigned turns = 0; !through; turns++) {
      scene sc;
      start(&sc);
      e2b_future_t *future = e2b_websocket_connect(sc.h.client, sc.url, &sc.options);
      harness_turn(&sc.h, turns);
      through = e2b_future_is_done(future) != 0;
      sc.inside = true;
      if (how == 0) e2b_future_cancel(future);
      if (how == 2) e2b_client_close(sc.h.client, NULL, NULL);
      sc.inside = false;
      if (how == 2) sc.h.client = NULL;
      if (how == 0 && !through) assert_int_equal(harness_await(&sc.h, future), E2B_ECANCELED);
      if (how == 2 && !through) assert_int_equal(e2b_future_error(future)->code, E2B_ECLOSED);
      e2b_future_release(future);
      stop(&sc);
      assert_int_equal(sc.closed, 0);
    }
  }
}

static void the_last_release_hangs_up(void **state) {
  (void)state;
  scene sc;
  start(&sc);
  open_it(&sc);
  assert_ptr_equal(e2b_websocket_acquire(sc.websocket), sc.websocket);
  e2b_websocket_release(sc.websocket);
  e2b_future_t *end = e2b_websocket_wait(sc.websocket);
  e2b_websocket_release(sc.websocket); /* a wait is an interest, too */
  sc.websocket = NULL;
  peer_text(sc.peer, FIN | TEXT, "still there");
  until(&sc, &sc.messages, 1);
  e2b_future_cancel(end);
  until_peer_ended(&sc);
  assert_int_equal(harness_await(&sc.h, end), E2B_ECANCELED);
  e2b_future_release(end);
  assert_int_equal(sc.closed, 0);
  stop(&sc);
}

static void close_with_waiters(void **state) {
  (void)state;
  scene sc;
  start(&sc);
  open_it(&sc);
  e2b_future_t *end = e2b_websocket_wait(sc.websocket);
  harness_close_client(&sc.h);
  assert_int_equal(e2b_future_error(end)->code, E2B_ECLOSED);
  e2b_future_release(end);
  assert_int_equal(e2b_websocket_send(sc.websocket, E2B_MESSAGE_TEXT, "x", 1), E2B_ECLOSED);
  end = e2b_websocket_wait(sc.websocket);
  assert_int_equal(e2b_future_error(end)->code, E2B_ECLOSED);
  e2b_future_release(end);
  stop(&sc);
}

static void release_it(scene *sc) {
  e2b_websocket_release(sc->websocket);
  sc->websocket = NULL;
}

static void close_it(scene *sc) {
  e2b_websocket_close(sc->websocket, 1000, NULL);
}

static void close_client(scene *sc) {
  e2b_client_close(sc->h.client, NULL, NULL);
  sc->h.client = NULL;
}

static void pause_and_resume(scene *sc) {
  e2b_websocket_pause(sc->websocket);
  e2b_websocket_resume(sc->websocket);
  assert_int_equal(e2b_websocket_send(sc->websocket, E2B_MESSAGE_TEXT, "in", 2), 0);
}

static void anything_may_be_done_inside_a_callback(void **state) {
  (void)state;
  static void (*const ways[])(scene * sc) = {release_it, close_it, close_client, pause_and_resume};
  for (size_t i = 0; i < E2B__COUNT(ways); i++) {
    scene sc;
    start(&sc);
    sc.at_message = ways[i];
    open_it(&sc);
    peer_send(sc.peer, "\x81\x05hello\x81\x05world\x88\x00", 16);
    until_peer_ended(&sc);
    harness_turn(&sc.h, 5);
    assert_int_equal(sc.messages, ways[i] == pause_and_resume ? 2 : 1);
    assert_int_equal(sc.closed, ways[i] == close_it || ways[i] == pause_and_resume);
    stop(&sc);
  }
}

static void sending_past_the_limit(void **state) {
  (void)state;
  scene sc;
  start(&sc);
  sc.options.max_pending_bytes = 100000;
  sc.options.on_piece = on_piece;
  open_it(&sc);
  peer_pause(sc.peer);
  static char data[50000];
  unsigned sent = 0;
  int rc;
  while ((rc = e2b_websocket_send(sc.websocket, E2B_MESSAGE_BINARY, data, sizeof data)) == 0) {
    sent++;
  }
  assert_int_equal(rc, E2B_EAGAIN);
  assert_true(e2b_websocket_pending_bytes(sc.websocket) > 0);
  peer_read(sc.peer);
  until(&sc, &sc.drains, 1);
  until_frames(&sc, sent);
  /* The other way round. */
  e2b_websocket_pause(sc.websocket);
  for (int i = 0; i < 100; i++) {
    peer_frame(sc.peer, FIN | BINARY, data, sizeof data);
  }
  harness_turn(&sc.h, 50);
  assert_int_equal(sc.bytes, 0);
  e2b_websocket_resume(sc.websocket);
  until(&sc, &sc.pieces, 100);
  assert_int_equal(sc.bytes, 100 * sizeof data);
  stop(&sc);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(carries_messages_and_says_goodbye),
      cmocka_unit_test(messages_come_after_the_handle),
      cmocka_unit_test(a_url_that_is_none_is_refused),
      cmocka_unit_test(refusals_have_types),
      cmocka_unit_test(failures_say_where_and_why),
      cmocka_unit_test(a_lost_connection_is_told_twice),
      cmocka_unit_test(cancelled_at_every_step),
      cmocka_unit_test(the_last_release_hangs_up),
      cmocka_unit_test(close_with_waiters),
      cmocka_unit_test(anything_may_be_done_inside_a_callback),
      cmocka_unit_test(sending_past_the_limit),
  };
  return cmocka_run_group_tests_name("websocket_api", tests, NULL, NULL);
}
