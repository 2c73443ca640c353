/* SPDX-License-Identifier: MIT */
/* The request handler: giving up, closing and releasing, at every moment of every request. */

#include "support/asking.h"

#include <stdio.h>

enum { LATEST = 60, PACE = 24 };

static void every_question_has_its_answer(void **state) {
  (void)state;
  for (size_t i = 0; i < questions_count; i++) {
    asking_t a;
    asking_open(&a);
    e2b_future_t *future = asking_start(&a, &questions[i]);
    asking_settle(&a, 1);
    if (a.status != questions[i].status) fail_msg("%s: %d", questions[i].name, a.status);
    e2b_future_release(future);
    asking_close(&a);
  }
}

/* --- from outside, after k turns of the loop ----------------------------------------------------
 */

typedef void (*disturb)(asking_t *a, e2b_future_t *future);

static void by_cancel(asking_t *a, e2b_future_t *future) {
  const unsigned answers = a->answers;
  CALL(e2b_future_cancel(future));
  assert_int_equal(a->answers, answers);
}

static void by_close(asking_t *a, e2b_future_t *future) {
  CALL_VOID(e2b_client_close(a->s.f.h.client, stage_on_closed, &a->s));
  a->s.f.h.client = NULL;
  assert_int_equal(e2b_future_is_done(future), 1);
}

static void by_release(asking_t *a, e2b_future_t *future) {
  (void)future;
  CALL_VOID(e2b_handler_release(a->handler));
  a->handler = NULL;
}

static void by_leaving(asking_t *a, e2b_future_t *future) {
  CALL(e2b_future_cancel(future));
  CALL_VOID(e2b_http_stream_close(a->stream));
}

static void by_pausing(asking_t *a, e2b_future_t *future) {
  (void)future;
  if (a->stream == NULL) return;
  CALL_VOID(e2b_http_stream_pause(a->stream));
  harness_turn(&a->s.f.h, 20);
  CALL_VOID(e2b_http_stream_resume(a->stream));
}

static void by_pausing_and_closing(asking_t *a, e2b_future_t *future) {
  if (a->stream != NULL) CALL_VOID(e2b_http_stream_pause(a->stream));
  harness_turn(&a->s.f.h, 20);
  by_close(a, future);
}

/* False when the request was over before. */
static bool disturb_after(const question_t *question, unsigned k, disturb how) {
  asking_t a;
  asking_open(&a);
  fault_pace(a.s.f.server, PACE);
  e2b_future_t *future = asking_start(&a, question);
  assert_non_null(future);
  harness_turn(&a.s.f.h, k);
  const bool early = a.answers == 0 || a.stream != NULL;
  if (early) how(&a, future);
  CALL_VOID(e2b_future_release(future));
  fault_pace(a.s.f.server, 0);
  asking_settle(&a, 1);
  if (a.answers != 1) fail_msg("%s, %u: %u answers", question->name, k, a.answers);
  asking_close(&a);
  return early;
}

static void walk(disturb how) {
  for (size_t i = 0; i < questions_count; i++) {
    unsigned k = 0;
    while (k < LATEST && disturb_after(&questions[i], k, how)) {
      k++;
    }
    assert_true(k > 0);
  }
}

static void cancelling_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_cancel);
}

static void closing_the_client_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_close);
}

static void releasing_the_handler_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_release);
}

static void a_browser_that_leaves_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_leaving);
}

static void a_browser_that_pauses_at_any_turn_of_the_loop(void **state) {
  (void)state;
  walk(by_pausing);
}

static void closing_the_client_while_a_stream_is_paused(void **state) {
  (void)state;
  walk(by_pausing_and_closing);
}

/* --- from inside, in every callback -------------------------------------------------------------
 */

static void close_stream(asking_t *a) {
  CALL_VOID(e2b_http_stream_close(a->stream));
}

static void pause_and_resume(asking_t *a) {
  if (a->stream == NULL) return;
  CALL_VOID(e2b_http_stream_pause(a->stream));
  CALL_VOID(e2b_http_stream_resume(a->stream));
}

static void release_handler(asking_t *a) {
  CALL_VOID(e2b_handler_release(a->handler));
  a->handler = NULL;
}

static void close_client(asking_t *a) {
  if (a->s.f.h.client != NULL) {
    CALL_VOID(e2b_client_close(a->s.f.h.client, stage_on_closed, &a->s));
  }
  a->s.f.h.client = NULL;
}

static void release_and_close(asking_t *a) {
  release_handler(a);
  close_client(a);
}

static void await_inside(asking_t *a) {
  if (a->handler == NULL) return;
  e2b_http_request request;
  E2B_INIT(&request);
  request.method = "OPTIONS";
  e2b_future_t *future = e2b_handle_request(a->handler, &request);
  REQUIRE(e2b_future_await(future, E2B_NO_TIMEOUT) == E2B_EREENTRANT);
  e2b_future_release(future);
}

static void (*const deeds[])(asking_t *a) = {close_stream, pause_and_resume,  release_handler,
                                             close_client, release_and_close, await_inside};

static void callbacks_may_do_anything(void **state) {
  (void)state;
  for (size_t i = 0; i < questions_count; i++) {
    for (size_t j = 0; j < E2B__COUNT(deeds); j++) {
      asking_t a;
      asking_open(&a);
      a.on_callback = deeds[j];
      CALL_VOID(e2b_future_release(asking_start(&a, &questions[i])));
      asking_settle(&a, 1);
      a.on_callback = NULL;
      asking_close(&a);
    }
  }
}

static void the_hook_may_do_anything(void **state) {
  (void)state;
  for (size_t i = 0; i < questions_count; i++) {
    for (size_t j = 0; j < E2B__COUNT(deeds); j++) {
      asking_t a;
      if (deeds[j] == await_inside) continue; /* it would be asked for ever */
      asking_open(&a);
      a.on_authorize = deeds[j];
      CALL_VOID(e2b_future_release(asking_start(&a, &questions[i])));
      asking_settle(&a, 1);
      const bool released = a.handler == NULL;
      const bool closed = a.s.f.h.client == NULL;
      if (closed) {
        assert_int_equal(a.code, E2B_ECLOSED);
      } else if (released) {
        assert_int_equal(a.status, 503);
      } else {
        assert_int_equal(a.status, questions[i].status);
      }
      asking_close(&a);
    }
  }
}

/* --- what nobody takes ---------------------------------------------------------------------------
 */

static void streams_that_nobody_starts_end_with_their_answers(void **state) {
  (void)state;
  for (unsigned order = 0; order < 3; order++) {
    asking_t a;
    asking_open(&a);
    e2b_http_request request;
    E2B_INIT(&request);
    request.method = "POST";
    for (size_t i = 0; i < questions_count; i++) {
      if (strcmp(questions[i].name, "runCommand as a stream") == 0)
        request.body = questions[i].body;
    }
    assert_non_null(request.body);
    request.body_len = strlen(request.body);
    e2b_future_t *future = CALL(e2b_handle_request(a.handler, &request));
    assert_int_equal(harness_await(&a.s.f.h, future), 0);
    assert_non_null(e2b_future_http_response(future)->stream);
    if (order == 0) CALL_VOID(e2b_future_release(future));
    if (order == 1) {
      release_handler(&a);
      harness_turn(&a.s.f.h, 5);
      assert_null(e2b_future_http_response(future)->stream);
      CALL_VOID(e2b_future_release(future));
    }
    asking_close(&a);
    if (order == 2) { /* after the client has gone */
      assert_null(e2b_future_http_response(future)->stream);
      CALL_VOID(e2b_future_release(future));
    }
  }
}

static void a_closed_client_is_said_so(void **state) {
  asking_t a;
  (void)state;
  asking_open(&a);
  close_client(&a);
  e2b_future_t *future = asking_start(&a, &questions[1]);
  assert_int_equal(e2b_future_error(future)->code, E2B_ECLOSED);
  e2b_future_release(future);
  asking_settle(&a, 1);
  asking_close(&a);
}

static void who_is_to_come_back_is_told_when(void **state) {
  static const struct {
    int status;
    const char *header;
    int seconds;
  } rows[] = {{429, NULL, 1}, {429, "Retry-After: 7\r\n", 7}, {503, NULL, 1}, {400, NULL, 0}};
  (void)state;
  for (size_t i = 0; i < E2B__COUNT(rows); i++) {
    asking_t a;
    asking_open(&a);
    fault_clear(a.s.f.server);
    fault_answer(fault_on(a.s.f.server, CREATE), rows[i].status, "application/json", "{}",
                 rows[i].header);
    CALL_VOID(e2b_future_release(asking_start(&a, &questions[1])));
    asking_settle(&a, 1);
    assert_int_equal(a.status, rows[i].status);
    assert_int_equal(a.retry_after, rows[i].seconds);
    asking_close(&a);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_question_has_its_answer),
      cmocka_unit_test(cancelling_at_any_turn_of_the_loop),
      cmocka_unit_test(closing_the_client_at_any_turn_of_the_loop),
      cmocka_unit_test(releasing_the_handler_at_any_turn_of_the_loop),
      cmocka_unit_test(a_browser_that_leaves_at_any_turn_of_the_loop),
      cmocka_unit_test(a_browser_that_pauses_at_any_turn_of_the_loop),
      cmocka_unit_test(closing_the_client_while_a_stream_is_paused),
      cmocka_unit_test(callbacks_may_do_anything),
      cmocka_unit_test(the_hook_may_do_anything),
      cmocka_unit_test(streams_that_nobody_starts_end_with_their_answers),
      cmocka_unit_test(a_closed_client_is_said_so),
      cmocka_unit_test(who_is_to_come_back_is_told_when),
  };
  return cmocka_run_group_tests_name("handler", tests, NULL, NULL);
}
