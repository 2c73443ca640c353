/* SPDX-License-Identifier: MIT */
/* The promises of e2b/future.h, on futures that nothing but the test works on. */

#include "support/harness.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/future.h"

/* A queue that a test drains by hand, and that counts. */
typedef struct desk {
  e2b__queue_t queue;
  unsigned woken;
  unsigned turns;
  unsigned freed;
  e2b_future_t *decide_on_turn; /* succeeds when the loop is turned */
  int turn_rc;
} desk;

static void on_wake(e2b__queue_t *queue) {
  ((desk *)queue)->woken++;
}

static int on_turn(e2b__queue_t *queue, uint64_t timeout_ms) {
  (void)timeout_ms;
  desk *d = (desk *)queue;
  d->turns++;
  if (d->turn_rc != 0) return d->turn_rc;
  if (d->decide_on_turn != NULL) {
    e2b_future_t *future = d->decide_on_turn;
    d->decide_on_turn = NULL;
    e2b__future_succeed_number(future, 1);
  }
  e2b__queue_drain(queue, 256);
  return 0;
}

static void on_free(e2b__queue_t *queue) {
  ((desk *)queue)->freed++;
}

static const e2b__queue_ops_t desk_ops = {on_wake, on_turn, on_free};

static int open_desk(void **state) {
  static desk d;
  memset(&d, 0, sizeof d);
  e2b__queue_init(&d.queue, &desk_ops);
  *state = &d;
  return 0;
}

/* Every future gives its reference on the queue back. */
static int close_desk(void **state) {
  desk *d = *state;
  if (d->queue.refs != 1 || d->queue.pending_count != 0) return -1;
  e2b__queue_release(&d->queue);
  return d->freed == 1 ? 0 : -1;
}

static e2b_future_t *pending(desk *d) {
  e2b_future_t *future = e2b__future_new(&d->queue, E2B__KIND_BOOL, "e2b_test");
  assert_non_null(future);
  assert_int_equal(e2b_future_is_done(future), 0);
  return future;
}

typedef struct calls {
  unsigned count;
  e2b_future_t *future;
  int code;
} calls;

static void count_call(e2b_future_t *future, void *user_data) {
  calls *c = user_data;
  c->count++;
  c->future = future;
  const e2b_error_t *error = e2b_future_error(future);
  c->code = error != NULL ? error->code : 0;
}

static void count_abandon(void *work) {
  (*(unsigned *)work)++;
}

static void count_release(void *value) {
  (*(unsigned *)value)++;
}

static void the_first_outcome_wins(void **state) {
  desk *d = *state;
  e2b_future_t *future = pending(d);
  e2b__future_succeed_number(future, 1);
  assert_int_equal(e2b_future_cancel(future), 0);
  e2b__queue_close(&d->queue);
  assert_null(e2b_future_error(future));
  assert_int_equal(e2b_future_bool(future), 1);
  assert_int_equal(d->queue.decided_count, 1);
  e2b_future_release(future);
}

static void a_continuation_comes_once_and_only_from_the_queue(void **state) {
  desk *d = *state;
  calls before = {0};
  calls after = {0};
  e2b_future_t *first = pending(d);
  e2b_future_t *second = pending(d);
  e2b__future_succeed_number(second, 1);
  assert_int_equal(e2b_future_then(first, count_call, &before), 0);
  assert_int_equal(e2b_future_then(second, count_call, &after), 0);
  e2b__future_succeed_number(first, 1);
  assert_int_equal(before.count + after.count, 0);
  assert_true(d->woken > 0);
  while (e2b__queue_drain(&d->queue, 1)) {
  }
  assert_int_equal(before.count, 1);
  assert_int_equal(after.count, 1);
  assert_ptr_equal(before.future, first);
  assert_ptr_equal(after.future, second);
}

static void a_second_continuation_is_refused_and_takes_its_reference(void **state) {
  desk *d = *state;
  calls c = {0};
  calls never = {0};
  e2b_future_t *future = pending(d);
  assert_ptr_equal(e2b_future_acquire(future), future);
  e2b_future_acquire(future);
  assert_int_equal(e2b_future_then(future, count_call, &c), 0);
  assert_int_equal(e2b_future_then(future, count_call, &never), E2B_EALREADY);
  e2b__future_succeed_number(future, 1);
  e2b__queue_drain(&d->queue, 256);
  assert_int_equal(e2b_future_then(future, count_call, &never), E2B_EALREADY);
  e2b__queue_drain(&d->queue, 256);
  assert_int_equal(c.count, 1);
  assert_int_equal(never.count, 0);
}

static void a_continuation_without_callback_takes_the_reference_too(void **state) {
  desk *d = *state;
  e2b_future_t *future = pending(d);
  assert_int_equal(e2b_future_then(future, NULL, NULL), E2B_EINVAL);
  e2b__future_succeed_number(future, 1); /* the last reference was its own */
}

static void a_continuation_after_the_end_of_the_client_is_refused(void **state) {
  desk *d = *state;
  calls never = {0};
  e2b_future_t *future = pending(d);
  e2b__queue_close(&d->queue);
  d->queue.closed = true;
  assert_int_equal(e2b_future_error(future)->code, E2B_ECLOSED);
  assert_int_equal(e2b_future_then(future, count_call, &never), E2B_ECLOSED);
  assert_int_equal(never.count, 0);
}

static void null_is_an_answer_everywhere(void **state) {
  (void)state;
  calls never = {0};
  assert_int_equal(e2b_future_then(NULL, count_call, &never), E2B_ENOMEM);
  assert_int_equal(e2b_future_await(NULL, 0), E2B_ENOMEM);
  assert_int_equal(e2b_future_cancel(NULL), E2B_ENOMEM);
  assert_int_equal(e2b_future_is_done(NULL), E2B_ENOMEM);
  assert_int_equal(e2b_future_error(NULL)->code, E2B_ENOMEM);
  assert_string_equal(e2b_future_error(NULL)->message,
                      "out of memory, or an operation on no handle");
  assert_string_equal(e2b_future_error(NULL)->detail, "");
  assert_null(e2b_future_acquire(NULL));
  e2b_future_release(NULL);
  assert_int_equal(e2b_future_bool(NULL), 0);
  assert_int_equal(e2b_future_transferred(NULL), 0);
  assert_null(e2b_future_sandbox(NULL));
  assert_null(e2b_future_sandbox_info(NULL));
  assert_null(e2b_future_sandbox_list(NULL));
  assert_null(e2b_future_execution(NULL));
  assert_null(e2b_future_command(NULL));
  assert_null(e2b_future_process_list(NULL));
  assert_null(e2b_future_file_info(NULL));
  assert_null(e2b_future_file_list(NULL));
  assert_null(e2b_future_bytes(NULL));
  e2b_sandbox_release(NULL);
  e2b_command_release(NULL);
  e2b_upload_release(NULL);
  assert_int_equal(never.count, 0);
}

static void release_never_cancels(void **state) {
  desk *d = *state;
  unsigned abandoned = 0;
  e2b_future_t *future = pending(d);
  e2b__future_bind(future, count_abandon, &abandoned);
  e2b_future_release(future);
  assert_int_equal(abandoned, 0);
  assert_int_equal(d->queue.pending_count, 1);
  e2b__future_succeed_number(future, 1);
  assert_int_equal(abandoned, 0);
}

static void cancel_stops_the_work_once_and_never_calls_back_inside(void **state) {
  desk *d = *state;
  calls c = {0};
  unsigned abandoned = 0;
  e2b_future_t *future = pending(d);
  e2b__future_bind(future, count_abandon, &abandoned);
  e2b_future_acquire(future);
  assert_int_equal(e2b_future_then(future, count_call, &c), 0);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(e2b_future_cancel(future), 0);
    assert_int_equal(c.count, 0);
    assert_int_equal(e2b_future_is_done(future), 1);
  }
  assert_int_equal(abandoned, 1);
  const e2b_error_t *error = e2b_future_error(future);
  assert_int_equal(error->code, E2B_ECANCELED);
  assert_int_equal(error->maybe_applied, 1);
  assert_string_equal(error->operation, "e2b_test");
  e2b__queue_drain(&d->queue, 256);
  assert_int_equal(c.count, 1);
  assert_int_equal(e2b_future_cancel(future), 0);
  e2b__queue_drain(&d->queue, 256);
  assert_int_equal(c.count, 1);
  e2b_future_release(future);
}

static void cancel_in_its_callback(e2b_future_t *future, void *user_data) {
  count_call(future, user_data);
  assert_int_equal(e2b_future_cancel(future), 0);
  assert_int_equal(e2b_future_await(future, 0), E2B_EREENTRANT);
}

static void cancel_and_await_inside_the_callback(void **state) {
  desk *d = *state;
  calls c = {0};
  e2b_future_t *future = pending(d);
  assert_int_equal(e2b_future_then(future, cancel_in_its_callback, &c), 0);
  e2b__future_succeed_number(future, 1);
  e2b__queue_drain(&d->queue, 256);
  assert_int_equal(c.count, 1);
  assert_int_equal(c.code, 0);
  assert_int_equal(d->turns, 0);
}

static void await_answers_the_outcome_and_keeps_the_reference(void **state) {
  desk *d = *state;
  e2b_future_t *good = pending(d);
  d->decide_on_turn = good;
  assert_int_equal(e2b_future_await(good, E2B_NO_TIMEOUT), 0);
  assert_int_equal(d->turns, 1);
  assert_int_equal(e2b_future_await(good, 0), 0);
  assert_int_equal(d->turns, 1);
  e2b_future_release(good);

  e2b_future_t *bad = pending(d);
  e2b__future_fail_text(bad, E2B_EAUTH, "no");
  assert_int_equal(e2b_future_await(bad, 0), E2B_EAUTH);
  e2b_future_release(bad);

  e2b_future_t *slow = pending(d);
  assert_int_equal(e2b_future_await(slow, 0), E2B_EAGAIN);
  assert_int_equal(e2b_future_await(slow, 1), E2B_EAGAIN);
  d->turn_rc = E2B_ECLOSED;
  assert_int_equal(e2b_future_await(slow, E2B_NO_TIMEOUT), E2B_ECLOSED);
  e2b_future_cancel(slow);
  assert_int_equal(e2b_future_await(slow, 0), E2B_ECANCELED);
  e2b_future_release(slow);
}

static void results_are_lent_until_the_last_release(void **state) {
  desk *d = *state;
  unsigned released = 0;
  e2b_future_t *future = e2b__future_new(&d->queue, E2B__KIND_EXECUTION, "e2b_test");
  e2b__future_succeed(future, &released, count_release);
  assert_ptr_equal(e2b_future_execution(future), &released);
  e2b_future_acquire(future);
  e2b_future_release(future);
  assert_int_equal(released, 0);
  e2b_future_release(future);
  assert_int_equal(released, 1);

  released = 0;
  future = e2b__future_new(&d->queue, E2B__KIND_EXECUTION, "e2b_test");
  e2b__future_keep(future, &released, count_release);
  e2b__future_fail_text(future, E2B_ENORESULT, "%s", "partly");
  assert_null(e2b_future_execution(future));
  e2b_future_release(future);
  assert_int_equal(released, 1);
}

static void errors_are_copies_with_the_operation_filled_in(void **state) {
  desk *d = *state;
  char message[] = "words";
  e2b_error_t error = {0};
  error.code = E2B_ESERVER;
  error.message = message;
  error.operation = error.detail = error.connect_code = error.server_code = "";
  e2b_future_t *future = pending(d);
  e2b__future_fail(future, &error);
  memset(message, 'x', sizeof message - 1);
  assert_string_equal(e2b_future_error(future)->message, "words");
  assert_string_equal(e2b_future_error(future)->operation, "e2b_test");
  assert_int_equal(e2b_future_bool(future), 0);
  e2b_future_release(future);
}

static void accessors_say_nothing_before_the_decision(void **state) {
  desk *d = *state;
  e2b_future_t *future = pending(d);
  assert_int_equal(e2b_future_bool(future), 0);
  assert_null(e2b_future_error(future));
  e2b_future_cancel(future);
  assert_int_equal(e2b_future_bool(future), 0);
  e2b_future_release(future);
}

static void the_wrong_accessor_answers_null_or_asserts(void **state) {
  desk *d = *state;
  e2b_future_t *future = pending(d);
  e2b__future_succeed_number(future, 1);
#ifdef NDEBUG
  assert_null(e2b_future_execution(future));
  assert_null(e2b_future_sandbox(future));
  assert_int_equal(e2b_future_transferred(future), 0);
#else
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    close(STDERR_FILENO);
    signal(SIGABRT, SIG_DFL);
    e2b_future_execution(future);
    _exit(0);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
#endif
  e2b_future_release(future);
}

static void a_closing_queue_decides_what_waits_and_what_comes(void **state) {
  desk *d = *state;
  calls c = {0};
  unsigned abandoned = 0;
  e2b_future_t *waiting = pending(d);
  e2b__future_bind(waiting, count_abandon, &abandoned);
  assert_int_equal(e2b_future_then(waiting, count_call, &c), 0);
  e2b__queue_close(&d->queue);
  e2b_future_t *late = e2b__future_new(&d->queue, E2B__KIND_BOOL, "e2b_test");
  assert_int_equal(e2b_future_is_done(late), 1);
  assert_int_equal(e2b_future_then(late, count_call, &c), 0);
  e2b__queue_drain(&d->queue, 256);
  assert_int_equal(abandoned, 1);
  assert_int_equal(c.count, 2);
  assert_int_equal(c.code, E2B_ECLOSED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_desk, close_desk)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_first_outcome_wins),
      TEST(a_continuation_comes_once_and_only_from_the_queue),
      TEST(a_second_continuation_is_refused_and_takes_its_reference),
      TEST(a_continuation_without_callback_takes_the_reference_too),
      TEST(a_continuation_after_the_end_of_the_client_is_refused),
      TEST(null_is_an_answer_everywhere),
      TEST(release_never_cancels),
      TEST(cancel_stops_the_work_once_and_never_calls_back_inside),
      TEST(cancel_and_await_inside_the_callback),
      TEST(await_answers_the_outcome_and_keeps_the_reference),
      TEST(results_are_lent_until_the_last_release),
      TEST(errors_are_copies_with_the_operation_filled_in),
      TEST(accessors_say_nothing_before_the_decision),
      TEST(the_wrong_accessor_answers_null_or_asserts),
      TEST(a_closing_queue_decides_what_waits_and_what_comes),
  };
  return cmocka_run_group_tests_name("futures", tests, NULL, NULL);
}
