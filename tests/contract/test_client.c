/* SPDX-License-Identifier: MIT */
/* What a client is on its loop: posts from other threads, liveness, options of older sizes. */

#include "support/stage.h"

#include "e2b/code.h"

/* --- posts --------------------------------------------------------------------------------------
 */

enum { THREADS = 4, EACH = 500 };

typedef struct poster {
  struct office *office;
  unsigned number;
  unsigned accepted;
  unsigned run;
  uv_thread_t thread;
} poster;

typedef struct office {
  stage_t s; /* first */
  poster posters[THREADS];
  uv_thread_t loop_thread;
  bool until_closed;
} office;

typedef struct note {
  poster *from;
  unsigned number;
} note;

static void on_note(void *user_data) {
  note *n = user_data;
  poster *from = n->from;
  const uv_thread_t self = uv_thread_self();
  REQUIRE(uv_thread_equal(&self, &from->office->loop_thread) != 0);
  REQUIRE(from->office->s.closed == 0);
  REQUIRE(n->number == from->run); /* in the order of its thread */
  from->run++;
  free(n);
}

static void post_notes(void *ctx) {
  poster *p = ctx;
  e2b_client_t *client = p->office->s.f.h.client;
  for (unsigned i = 0; p->office->until_closed || i < EACH; i++) {
    note *n = malloc(sizeof *n);
    if (n == NULL) abort();
    n->from = p;
    n->number = p->accepted;
    const int rc = e2b_client_post(client, on_note, n);
    if (rc == 0) {
      p->accepted++;
      continue;
    }
    free(n);
    if (rc != E2B_ECLOSED) abort();
    break;
  }
}

static void begin_posting(office *o) {
  o->loop_thread = uv_thread_self();
  for (unsigned i = 0; i < THREADS; i++) {
    o->posters[i].office = o;
    o->posters[i].number = i;
    assert_int_equal(uv_thread_create(&o->posters[i].thread, post_notes, &o->posters[i]), 0);
  }
}

static bool all_run(void *ctx) {
  const office *o = ctx;
  unsigned run = 0;
  for (unsigned i = 0; i < THREADS; i++) {
    run += o->posters[i].run;
  }
  return run == THREADS * EACH;
}

static void posts_of_many_threads_run_in_their_order(void **state) {
  (void)state;
  office o;
  memset(&o, 0, sizeof o);
  stage_open(&o.s, NULL);
  begin_posting(&o);
  harness_until(&o.s.f.h, all_run, &o);
  for (unsigned i = 0; i < THREADS; i++) {
    uv_thread_join(&o.posters[i].thread);
  }
  stage_close(&o.s);
}

static bool some_run(void *ctx) {
  const office *o = ctx;
  return o->posters[0].run > 10 && o->posters[THREADS - 1].run > 10;
}

/* The client's memory outlives it as long as the sandbox's handle does. */
static void posts_that_were_accepted_run_before_the_end(void **state) {
  (void)state;
  office o;
  memset(&o, 0, sizeof o);
  stage_open(&o.s, NULL);
  o.until_closed = true;
  begin_posting(&o);
  harness_until(&o.s.f.h, some_run, &o);
  e2b_client_close(o.s.f.h.client, stage_on_closed, &o.s);
  harness_until_count(&o.s.f.h, &o.s.closed, 1);
  for (unsigned i = 0; i < THREADS; i++) {
    uv_thread_join(&o.posters[i].thread);
    assert_int_equal(o.posters[i].run, o.posters[i].accepted);
  }
  o.s.f.h.client = NULL;
  stage_close(&o.s);
}

typedef struct chain {
  stage_t s; /* first */
  unsigned run;
  int refused;
} chain;

static void on_link(void *user_data) {
  chain *c = user_data;
  REQUIRE(stage_inside == 0);
  c->run++;
  const int rc = CALL(e2b_client_post(c->s.f.h.client, on_link, c));
  if (rc != 0) c->refused = rc;
}

static void a_post_may_post_until_the_client_closes(void **state) {
  (void)state;
  chain c;
  memset(&c, 0, sizeof c);
  stage_open(&c.s, NULL);
  assert_int_equal(e2b_client_post(c.s.f.h.client, NULL, NULL), E2B_EINVAL);
  assert_int_equal(CALL(e2b_client_post(c.s.f.h.client, on_link, &c)), 0);
  harness_until_count(&c.s.f.h, &c.run, 10);
  CALL_VOID(e2b_client_close(c.s.f.h.client, stage_on_closed, &c.s));
  harness_until_count(&c.s.f.h, &c.s.closed, 1);
  assert_int_equal(c.refused, E2B_ECLOSED);
  c.s.f.h.client = NULL;
  stage_close(&c.s);
}

/* --- liveness -----------------------------------------------------------------------------------
 */

static void a_client_keeps_the_loop_only_while_something_is_pending(void **state) {
  for (size_t i = 0; i < operations_count; i++) {
    stage_t s;
    stage_open(&s, *state);
    if (operations[i].prepare != NULL) operations[i].prepare(&s.f);
    stage_script(&s.f);
    assert_int_equal(uv_run(&s.f.h.loop, UV_RUN_DEFAULT), 0);
    if (operations[i].on_command) stage_attach(&s);
    CALL(e2b_future_then(operations[i].start(&s), stage_on_future, &s));
    if (s.command != NULL) e2b_future_release(CALL(e2b_command_close_stdin(s.command)));
    assert_int_equal(uv_run(&s.f.h.loop, UV_RUN_DEFAULT), 0);
    if (s.outcomes != 1) fail_msg("%s: the loop ended before it", operations[i].name);
    stage_close(&s);
  }
}

static void connections_that_rest_keep_no_loop(void **state) {
  stage_t s;
  stage_open(&s, *state);
  stage_script(&s.f);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 4; i++) {
      CALL(e2b_future_then(e2b_files_stat(s.f.sandbox, "/x", NULL), stage_on_future, &s));
    }
    assert_int_equal(uv_run(&s.f.h.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(s.outcomes, 4 * (round + 1));
    assert_true(fault_connections_open(s.f.server) > 0);
  }
  stage_close(&s);
}

/* --- await --------------------------------------------------------------------------------------
 */

static void await_answers_when_the_time_is_over(void **state) {
  stage_t s;
  stage_open(&s, *state);
  fault_hang(fault_on(s.f.server, NULL));
  e2b_future_t *future = CALL(e2b_files_stat(s.f.sandbox, "/x", NULL));
  assert_int_equal(e2b_future_await(future, 0), E2B_EAGAIN);
  assert_int_equal(e2b_future_await(future, 5), E2B_EAGAIN);
  assert_int_equal(e2b_future_is_done(future), 0);
  CALL(e2b_future_cancel(future));
  assert_int_equal(e2b_future_await(future, E2B_NO_TIMEOUT), E2B_ECANCELED);
  CALL_VOID(e2b_future_release(future));
  stage_close(&s);
}

static void await_leaves_other_callbacks_their_turn(void **state) {
  stage_t s;
  stage_open(&s, *state);
  stage_script(&s.f);
  e2b_future_t *first = CALL(e2b_files_stat(s.f.sandbox, "/x", NULL));
  CALL(e2b_future_then(e2b_future_acquire(first), stage_on_future, &s));
  e2b_future_t *last = CALL(e2b_files_read(s.f.sandbox, "/x", NULL));
  assert_int_equal(e2b_future_await(last, E2B_NO_TIMEOUT), 0);
  assert_int_equal(e2b_future_await(first, E2B_NO_TIMEOUT), 0);
  assert_int_equal(e2b_future_bytes(last)->ptr[e2b_future_bytes(last)->len], '\0');
  e2b_future_release(first);
  e2b_future_release(last);
  stage_close(&s);
  assert_int_equal(s.outcomes, 1);
}

/* --- threads ------------------------------------------------------------------------------------
 */

static void no_thread_is_started(void **state) {
  const unsigned before = harness_threads();
  stage_t s;
  stage_open(&s, *state);
  stage_script(&s.f);
  stage_attach(&s);
  for (size_t i = 0; i < operations_count; i++) {
    CALL(e2b_future_then(operations[i].start(&s), stage_on_future, &s));
    assert_int_equal(harness_threads(), before);
  }
  harness_until_count(&s.f.h, &s.outcomes, (unsigned)operations_count);
  assert_int_equal(harness_threads(), before);
  stage_close(&s);
  assert_int_equal(harness_threads(), before);
}

/* --- options ------------------------------------------------------------------------------------
 */

/* A struct that ends after `last`, with what is behind it poisoned. */
#define OLDER(options, last)                                                            \
  do {                                                                                  \
    const size_t known_ = offsetof(__typeof__(options), last) + sizeof((options).last); \
    memset((char *)&(options) + known_, 0xaa, sizeof(options) - known_);                \
    (options).size = known_;                                                            \
  } while (0)

static void options_of_an_older_size_are_defaults_for_the_rest(void **state) {
  (void)state;
  faults_t f;
  faults_open(&f, NULL);
  e2b_client_options client_options;
  E2B_INIT(&client_options);
  client_options.api_key = HARNESS_KEY;
  client_options.api_url = client_options.sandbox_url = fault_url(f.server);
  OLDER(client_options, debug);
  f.h.client = e2b_client_new(&f.h.loop, &client_options);
  assert_non_null(f.h.client);
  stage_script(&f);

  e2b_create_options create;
  E2B_INIT(&create);
  create.template_id = "mine";
  create.timeout_ms = 1500;
  OLDER(create, timeout_ms);
  e2b_future_t *future = e2b_sandbox_create(f.h.client, &create);
  assert_int_equal(harness_await(&f.h, future), 0);
  f.sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  assert_string_equal(fault_request(f.server, CREATE, 0)->body,
                      "{\"templateID\":\"mine\",\"timeout\":2,\"secure\":true,"
                      "\"allow_internet_access\":true}");

  e2b_run_options run;
  E2B_INIT(&run);
  run.cwd = "/tmp";
  OLDER(run, cwd);
  faults_succeeds(&f, e2b_run_command(f.sandbox, "ls", NULL, &run));
  e2b_code_options code;
  E2B_INIT(&code);
  code.runtime = E2B_RUNTIME_NODE;
  OLDER(code, runtime);
  faults_succeeds(&f, e2b_run_code(f.sandbox, "1", &code));
  e2b_file_options file;
  E2B_INIT(&file);
  OLDER(file, size);
  faults_succeeds(&f, e2b_files_write(f.sandbox, "/x", "1", 1, &file));
  e2b_list_options list;
  E2B_INIT(&list);
  OLDER(list, size);
  faults_succeeds(&f, e2b_sandbox_list(f.h.client, &list));
  e2b_connect_options connect;
  E2B_INIT(&connect);
  OLDER(connect, timeout_ms);
  faults_succeeds(&f, e2b_sandbox_connect(f.h.client, FAULTS_SANDBOX_ID, &connect));

  e2b_client_stats stats;
  E2B_INIT(&stats);
  OLDER(stats, requests_started);
  e2b_client_get_stats(f.h.client, &stats);
  assert_true(stats.requests_started > 3);
  assert_int_equal(stats.size, offsetof(e2b_client_stats, requests_started) + 8);
  assert_int_equal(stats.retries, 0xaaaaaaaaaaaaaaaau);
  faults_close(&f);
}

/* Small ones take another way than large ones. */
static void bodies_of_all_sizes_are_counted(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 1000, 16 << 10, (16 << 10) + 1, 300000};
  static const char stored[] = "[{\"name\":\"x\",\"path\":\"/x\",\"type\":\"file\"}]";
  faults_t f;
  faults_ready(&f, NULL);
  fault_answer(fault_on(f.server, "POST /files"), 200, "text/plain", stored, NULL);
  char *data = calloc(1, sizes[E2B__COUNT(sizes) - 1]);
  assert_non_null(data);
  e2b_client_stats before, after;
  E2B_INIT(&before);
  E2B_INIT(&after);
  for (size_t i = 0; i < E2B__COUNT(sizes); i++) {
    e2b_client_get_stats(f.h.client, &before);
    faults_succeeds(&f, e2b_files_write(f.sandbox, "/x", data, sizes[i], NULL));
    e2b_client_get_stats(f.h.client, &after);
    assert_int_equal(after.bytes_sent - before.bytes_sent, sizes[i]);
    assert_int_equal(after.bytes_received - before.bytes_received, sizeof stored - 1);
  }
  free(data);
  faults_close(&f);
}

/* A string of its own, gone when spent() was called: use of it later is use after free. */
static char *lent[16];
static size_t lent_count;

static char *lend(const char *text) {
  char *copy = strdup(text);
  assert_non_null(copy);
  lent[lent_count++] = copy;
  return copy;
}

static e2b_future_t *spent(e2b_future_t *future) {
  while (lent_count > 0) {
    free(lent[--lent_count]);
  }
  return future;
}

static void what_a_call_is_given_may_go_right_after_it(void **state) {
  stage_t s;
  stage_open(&s, *state);
  fault_rule_t *rule = fault_once(s.f.server, START);
  stage_program(&s.f, rule, "", "SyntaxError\n", 1);
  rule = fault_once(s.f.server, START);
  stage_program(&s.f, rule, "", "", 62); /* a module: started a second time */
  stage_script(&s.f);
  e2b_pair_t *pair = (e2b_pair_t *)(void *)lend("room for a pair of pointers");
  pair->name = lend("name");
  pair->value = lend("value");
  e2b_run_options run;
  E2B_INIT(&run);
  run.cwd = lend("/tmp");
  run.user = lend("root");
  run.tag = lend("tag");
  run.envs = pair;
  run.envs_count = 1;
  run.stdin_data = lend("input");
  run.stdin_len = 5;
  e2b_code_options code;
  E2B_INIT(&code);
  code.runtime = E2B_RUNTIME_NODE;
  code.run = &run;
  e2b_future_t *futures[8];
  size_t count = 0;
  futures[count++] = spent(e2b_run_code(s.f.sandbox, lend("await 1"), &code));
  assert_int_equal(harness_await(&s.f.h, futures[0]), 0);
  const char **args = (const char **)(void *)lend("room for two pointers");
  args[0] = lend("-l");
  args[1] = NULL;
  futures[count++] = spent(e2b_run_command(s.f.sandbox, lend("ls"), args, NULL));
  e2b_file_options file;
  E2B_INIT(&file);
  file.user = lend("root");
  futures[count++] = spent(e2b_files_write(s.f.sandbox, lend("/x"), lend("data"), 4, &file));
  file.user = NULL;
  futures[count++] = spent(e2b_files_rename(s.f.sandbox, lend("/x"), lend("/y"), &file));
  futures[count++] = spent(e2b_files_read(s.f.sandbox, lend("/x"), &file));
  futures[count++] = spent(e2b_sandbox_kill_by_id(s.f.h.client, lend(FAULTS_SANDBOX_ID)));
  futures[count++] = spent(e2b_sandbox_connect(s.f.h.client, lend(FAULTS_SANDBOX_ID), NULL));
  e2b_create_options create;
  E2B_INIT(&create);
  create.template_id = lend("base");
  futures[count++] = spent(e2b_sandbox_create(s.f.h.client, &create));
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(harness_await(&s.f.h, futures[i]), 0);
    e2b_future_release(futures[i]);
  }
  stage_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate(no_thread_is_started, &faults_proto),
      cmocka_unit_test(posts_of_many_threads_run_in_their_order),
      cmocka_unit_test(posts_that_were_accepted_run_before_the_end),
      cmocka_unit_test(a_post_may_post_until_the_client_closes),
      IN_BOTH(a_client_keeps_the_loop_only_while_something_is_pending),
      cmocka_unit_test_prestate(connections_that_rest_keep_no_loop, &faults_proto),
      cmocka_unit_test_prestate(await_answers_when_the_time_is_over, &faults_proto),
      cmocka_unit_test_prestate(await_leaves_other_callbacks_their_turn, &faults_proto),
      cmocka_unit_test(options_of_an_older_size_are_defaults_for_the_rest),
      cmocka_unit_test(bodies_of_all_sizes_are_counted),
      IN_BOTH(what_a_call_is_given_may_go_right_after_it),
  };
  return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
