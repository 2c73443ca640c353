/* SPDX-License-Identifier: MIT */
/* Callbacks come from the loop on a fresh stack, whatever is called; and inside each of them
 * anything may be called. */

#include "support/stage.h"

#include <stdio.h>

/* Every operation at once; each has its outcome, none of it inside a call. */
static void no_callback_comes_inside_a_call(void **state) {
  stage_t s;
  stage_open(&s, *state);
  for (size_t i = 0; i < operations_count; i++) {
    if (operations[i].prepare != NULL) operations[i].prepare(&s.f);
  }
  stage_script(&s.f);
  stage_attach(&s);
  for (size_t i = 0; i < operations_count; i++) {
    e2b_future_t *future = operations[i].start(&s);
    assert_int_equal(CALL(e2b_future_then(future, stage_on_future, &s)), 0);
  }
  assert_int_equal(s.outcomes, 0);
  harness_until_count(&s.f.h, &s.outcomes, (unsigned)operations_count);
  assert_true(s.callbacks > 4);
  stage_close(&s);
  assert_int_equal(s.outcomes, operations_count);
}

/* One after the other: each succeeds against a server that does what is asked. */
static void every_operation_succeeds(void **state) {
  for (size_t i = 0; i < operations_count; i++) {
    stage_t s;
    stage_open(&s, *state);
    if (operations[i].prepare != NULL) operations[i].prepare(&s.f);
    stage_script(&s.f);
    if (operations[i].on_command) stage_attach(&s);
    e2b_future_t *future = operations[i].start(&s);
    if (strcmp(operations[i].name, "command_wait") == 0) {
      e2b_future_release(CALL(e2b_command_close_stdin(s.command)));
    }
    const int code = harness_await(&s.f.h, future);
    if (strcmp(operations[i].name, "run_code that does not parse") == 0) {
      assert_int_equal(code, E2B_ESYNTAX);
      assert_string_equal(e2b_future_error(future)->detail, "SyntaxError: what?\n");
    } else if (code != 0) {
      fail_msg("%s: %s", operations[i].name, e2b_future_error(future)->message);
    }
    e2b_future_release(future);
    assert_int_equal(fault_unexpected(s.f.server), 0);
    stage_close(&s);
  }
}

/* --- what is done inside a callback -------------------------------------------------------------
 */

typedef struct scene {
  stage_t s; /* first */
  const char *wanted;
  e2b_future_t *future; /* of what calls back */
  void (*act)(struct scene *scene);
  bool acted;
  bool expects_nothing; /* after the action no data may come */
  unsigned callbacks_then;
} scene;

static void start_everything(scene *at) {
  for (size_t i = 0; i < operations_count; i++) {
    if (operations[i].on_command && at->s.command == NULL) continue;
    CALL(e2b_future_then(operations[i].start(&at->s), stage_on_future, &at->s));
  }
}
static void cancel_it(scene *at) {
  CALL(e2b_future_cancel(at->future));
  CALL(e2b_future_cancel(at->future));
  at->expects_nothing = at->s.output_of == NULL; /* who holds a handle learns of the end */
}
static void release_it(scene *at) {
  CALL_VOID(e2b_future_release(at->future));
  at->future = NULL;
}
static void await_it(scene *at) {
  REQUIRE(CALL(e2b_future_await(at->future, 1000)) == E2B_EREENTRANT);
}
static void disconnect_it(scene *at) {
  if (at->s.command == NULL) return;
  CALL_VOID(e2b_command_disconnect(at->s.command));
  at->expects_nothing = strcmp(at->wanted, "output") == 0;
}
static void release_command(scene *at) {
  CALL_VOID(e2b_command_release(at->s.command));
  at->s.command = NULL;
}
static void kill_it(scene *at) {
  if (at->s.command == NULL) return;
  CALL(e2b_future_then(e2b_command_kill(at->s.command), stage_on_future, &at->s));
  CALL(e2b_future_then(e2b_command_wait(at->s.command), stage_on_future, &at->s));
}
static void pause_and_resume(scene *at) {
  if (at->s.data_of != NULL) {
    CALL_VOID(e2b_transfer_pause(at->s.data_of));
    CALL_VOID(e2b_transfer_resume(at->s.data_of));
    CALL_VOID(e2b_transfer_pause(at->s.data_of));
    CALL_VOID(e2b_transfer_resume(at->s.data_of));
  }
  if (at->s.command == NULL) return;
  CALL_VOID(e2b_command_pause(at->s.command));
  CALL_VOID(e2b_command_resume(at->s.command));
  CALL_VOID(e2b_command_pause(at->s.command));
  CALL_VOID(e2b_command_resume(at->s.command));
}
static void pause_and_cancel(scene *at) {
  if (at->s.command != NULL) CALL_VOID(e2b_command_pause(at->s.command));
  if (at->s.data_of != NULL) CALL_VOID(e2b_transfer_pause(at->s.data_of));
  cancel_it(at);
}
static void release_upload(scene *at) {
  CALL_VOID(e2b_upload_release(at->s.upload));
  at->s.upload = NULL;
}
static void release_sandbox(scene *at) {
  CALL_VOID(e2b_sandbox_release(at->s.f.sandbox));
  at->s.f.sandbox = NULL;
}
static void close_client(scene *at) {
  CALL_VOID(e2b_client_close(at->s.f.h.client, stage_on_closed, &at->s));
  CALL_VOID(e2b_client_close(at->s.f.h.client, stage_on_closed, &at->s));
  at->s.f.h.client = NULL;
  REQUIRE(at->future == NULL || e2b_future_is_done(at->future) == 1);
  at->expects_nothing = true;
}
static void close_client_and_release_all(scene *at) {
  close_client(at);
  release_command(at);
  release_upload(at);
  release_sandbox(at);
  release_it(at);
}

static const struct {
  const char *name;
  void (*act)(scene *at);
} actions[] = {{"start everything", start_everything},
               {"cancel", cancel_it},
               {"release the future", release_it},
               {"await", await_it},
               {"disconnect", disconnect_it},
               {"release the command", release_command},
               {"kill", kill_it},
               {"pause and resume", pause_and_resume},
               {"pause and cancel", pause_and_cancel},
               {"release the upload", release_upload},
               {"release the sandbox", release_sandbox},
               {"close the client", close_client},
               {"close the client, release all", close_client_and_release_all}};

static void act_once(scene *at) {
  if (at->acted) return;
  at->acted = true;
  if (at->s.output_of != NULL && at->s.command == NULL) {
    at->s.command = CALL(e2b_command_acquire(at->s.output_of));
  }
  at->act(at);
  at->callbacks_then = at->s.callbacks;
}

static void on_callback(stage_t *s, const char *kind) {
  scene *at = (scene *)s;
  if (strcmp(kind, at->wanted) == 0) act_once(at);
}

static void on_outcome(e2b_future_t *future, void *user_data) {
  scene *at = user_data;
  stage_on_future(future, &at->s);
  act_once(at);
}

static void on_post(void *user_data) {
  REQUIRE(stage_inside == 0);
  act_once(user_data);
}

/* --- what calls back ----------------------------------------------------------------------------
 */

static void by_future(scene *at) {
  at->wanted = "future";
  at->future = CALL(e2b_sandbox_is_running(at->s.f.sandbox));
  CALL(e2b_future_then(e2b_future_acquire(at->future), on_outcome, at));
}
static void by_output(scene *at) {
  at->wanted = "output";
  e2b_run_options options;
  stage_run_options(&at->s, &options);
  at->future = CALL(e2b_run_command(at->s.f.sandbox, "ls", NULL, &options));
}
static void by_output_text(scene *at) {
  at->wanted = "output";
  e2b_run_options options;
  stage_run_options(&at->s, &options);
  options.text = 1;
  options.collect = E2B_ON;
  at->future = CALL(e2b_run_command(at->s.f.sandbox, "ls", NULL, &options));
}
static void by_handle(scene *at) {
  at->wanted = "drain";
  stage_attach(&at->s);
  at->future = CALL(e2b_command_wait(at->s.command));
  static const char much[(4 << 20) - 1];
  e2b_future_release(CALL(e2b_command_write(at->s.command, much, sizeof much)));
  e2b_future_t *refused = CALL(e2b_command_write(at->s.command, "more", 4));
  assert_int_equal(harness_await(&at->s.f.h, refused), E2B_EAGAIN);
  e2b_future_release(refused);
}
static void by_data(scene *at) {
  at->wanted = "data";
  at->future = CALL(e2b_files_read_stream(at->s.f.sandbox, "/tmp/x", stage_on_data, &at->s, NULL));
}
static void by_upload(scene *at) {
  at->wanted = "upload drain";
  for (size_t i = 0; i < operations_count; i++) {
    if (strcmp(operations[i].name, "files_write_stream") == 0) {
      at->future = operations[i].start(&at->s);
    }
  }
}
static void by_post(scene *at) {
  at->wanted = "post";
  at->future = CALL(e2b_sandbox_is_running(at->s.f.sandbox));
  assert_int_equal(CALL(e2b_client_post(at->s.f.h.client, on_post, at)), 0);
}

static const struct {
  const char *name;
  void (*begin)(scene *at);
} callbacks[] = {{"a future's callback", by_future},
                 {"on_stdout", by_output},
                 {"on_stdout of text", by_output_text},
                 {"on_drain", by_handle},
                 {"a file's data", by_data},
                 {"an upload's on_drain", by_upload},
                 {"a post", by_post}};

/* A program whose output comes in one piece, so that more is at hand when the callback returns. */
static void talkative_program(faults_t *f) {
  fault_rule_t *rule = fault_once(f->server, START);
  bytes_t body = {NULL, 0};
  put_start(f, &body, 7);
  for (int i = 0; i < 3; i++) {
    put_out(f, &body, "a\xc3\xa9\xc3", 4); /* the second letter is cut */
    put_err(f, &body, "words", 5);
  }
  put_exit(f, &body, 0);
  put_end(&body, NULL);
  faults_stream(f, rule, &body, true);
  bytes_free(&body);
}

static bool has_acted(void *ctx) {
  return ((scene *)ctx)->acted;
}

static bool is_over(void *ctx) {
  const scene *at = ctx;
  return at->future == NULL || e2b_future_is_done(at->future) == 1;
}

static void anything_may_be_called_inside_any_callback(void **state) {
  for (size_t c = 0; c < E2B__COUNT(callbacks); c++) {
    for (size_t a = 0; a < E2B__COUNT(actions); a++) {
      scene at;
      memset(&at, 0, sizeof at);
      stage_open(&at.s, *state);
      talkative_program(&at.s.f);
      stage_script(&at.s.f);
      at.s.on_callback = on_callback;
      at.act = actions[a].act;
      callbacks[c].begin(&at);
      harness_until(&at.s.f.h, has_acted, &at);
      if (getenv("E2B_TEST_VERBOSE") != NULL) {
        print_message("%s inside %s\n", actions[a].name, callbacks[c].name);
      }
      if (at.s.command != NULL) CALL_VOID(e2b_command_resume(at.s.command));
      if (at.s.f.h.client != NULL) {
        e2b_future_release(at.s.command != NULL ? CALL(e2b_command_kill(at.s.command))
                                                : CALL(e2b_command_kill_by_pid(at.s.f.sandbox, 7)));
        harness_until(&at.s.f.h, is_over, &at);
        stage_settle(&at.s);
      }
      CALL_VOID(e2b_future_release(at.future));
      if (at.expects_nothing && at.s.callbacks != at.callbacks_then) {
        fail_msg("%s inside %s: data came after it", actions[a].name, callbacks[c].name);
      }
      stage_close(&at.s);
    }
  }
}

/* --- pauses -------------------------------------------------------------------------------------
 */

static void pause_first(stage_t *s, const char *kind) {
  (void)kind;
  if (s->callbacks > 1) return;
  if (s->output_of != NULL) {
    s->command = CALL(e2b_command_acquire(s->output_of));
    CALL_VOID(e2b_command_pause(s->command));
  }
}

/* All that there is to read has arrived when the first callback pauses. */
static void a_paused_program_keeps_what_has_come_and_its_end(void **state) {
  stage_t s;
  stage_open(&s, *state);
  talkative_program(&s.f);
  s.on_callback = pause_first;
  e2b_run_options options;
  stage_run_options(&s, &options);
  e2b_future_t *future = CALL(e2b_run_command(s.f.sandbox, "ls", NULL, &options));
  harness_until_count(&s.f.h, &s.callbacks, 1);
  harness_turn(&s.f.h, 20);
  assert_int_equal(s.callbacks, 1);
  assert_int_equal(e2b_future_is_done(future), 0);
  CALL_VOID(e2b_command_resume(s.command));
  assert_int_equal(s.callbacks, 1);
  assert_int_equal(harness_await(&s.f.h, future), 0);
  assert_int_equal(s.callbacks, 6);
  e2b_future_release(future);
  stage_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_BOTH(no_callback_comes_inside_a_call),
      IN_BOTH(every_operation_succeeds),
      IN_BOTH(anything_may_be_called_inside_any_callback),
      IN_BOTH(a_paused_program_keeps_what_has_come_and_its_end),
  };
  return cmocka_run_group_tests_name("re-entrancy", tests, NULL, NULL);
}
