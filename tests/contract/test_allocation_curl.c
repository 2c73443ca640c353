/* SPDX-License-Identifier: MIT */
/* The memory of libcurl runs out. A program of its own, since its allocator is global; and a
 * process for each step, since there are versions of libcurl that crash for want of memory: where
 * the fault is theirs, the step is counted and passed over. */

#include "net/internal.h"
#include "support/session.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { CAME_THROUGH = 3, THEIR_FAULT = 77, WHOLE = 150, STRIDE = 9, STRIDE_FOR_GOOD = 37 };

/* What is done in a step. Whether it came through: no allocation has failed. */
typedef bool (*play_t)(size_t nth, bool for_good);

typedef struct step {
  play_t play;
  size_t nth;
  bool for_good;
  bool came_through;
} step;

/* What the library itself holds is counted apart. */
static size_t own_live;

static void *own_malloc(size_t size, void *user_data) {
  (void)user_data;
  void *ptr = malloc(size);
  own_live += ptr != NULL;
  return ptr;
}

static void *own_realloc(void *old, size_t size, void *user_data) {
  (void)user_data;
  void *ptr = realloc(old, size);
  own_live += ptr != NULL && old == NULL;
  return ptr;
}

static void own_free(void *ptr, void *user_data) {
  (void)user_data;
  own_live -= ptr != NULL;
  free(ptr);
}

static void *program_counter(const ucontext_t *context) {
#if defined(__x86_64__)
  return (void *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  return (void *)(uintptr_t)context->uc_mcontext.pc;
#else
  (void)context;
  return NULL;
#endif
}

static void on_crash(int number, siginfo_t *info, void *context) {
  (void)info;
  Dl_info where;
  void *at = program_counter(context);
  if (at != NULL && dladdr(at, &where) != 0 && where.dli_fname != NULL &&
      strstr(where.dli_fname, "libcurl") != NULL) {
    _exit(THEIR_FAULT);
  }
  signal(number, SIG_DFL); /* ours: it happens again, and is told */
}

/* --- what is played --------------------------------------------------------------------------- */

static bool play_session(size_t nth, bool for_good) {
  return session_run(&faults_proto, nth, for_good);
}

enum { STREAMS = 3 };

typedef struct streams {
  e2b_command_t *commands[STREAMS];
  unsigned asked, decided;
} streams_t;

static void on_started(e2b_future_t *future, void *user_data) {
  streams_t *s = user_data;
  const e2b_error_t *error = e2b_future_error(future);
  s->commands[s->decided++] = e2b_future_command(future);
  /* Want of memory is no caller's mistake. */
  if (error != NULL) assert_false(e2b_code_flags(error->code) & E2B_FLAG_INPUT);
}

/* Each long stream in a multi of its own: the second and the third are made with each. */
static void start_streams(void *ctx, size_t nth) {
  (void)ctx;
  faults_t f;
  streams_t s = {.asked = 0};
  faults_open(&f, &faults_proto);
  f.options.max_in_flight = 1; /* of the first multi, as many streams */
  faults_sandbox(&f);
  e2b__http_t *http = f.h.client->http;
  http->streams_a_multi = 1;
  bytes_t body = {NULL, 0};
  put_start(&f, &body, 7);
  faults_stream(&f, fault_on(f.server, START), &body, false);
  bytes_free(&body);
  starving_begin();
  while (s.asked < STREAMS) {
    e2b_future_then(e2b_command_start(f.sandbox, "cat", NULL, NULL), on_started, &s);
    harness_until_count(&f.h, &s.decided, ++s.asked);
  }
  starving_end();
  if (nth == 0) assert_int_equal(http->multis_empty, 0);
  for (unsigned i = 0; i < STREAMS; i++) {
    if (!starving_failed()) assert_non_null(s.commands[i]);
    if (s.commands[i] == NULL) continue;
    e2b_command_disconnect(s.commands[i]);
    e2b_command_release(s.commands[i]);
  }
  harness_turn(&f.h, 10);
  if (nth == 0) assert_int_equal(http->multis_empty, 1); /* of two, one is kept */
  faults_close(&f);
}

static bool play_streams(size_t nth, bool for_good) {
  const starving_scenario_t scenario = {"streams in several multis", start_streams, NULL};
  return !starving_play(&scenario, nth, for_good);
}

/* --- from one allocation to the next ---------------------------------------------------------- */

static void one_play(void **state) {
  /* In place of cmocka's own. */
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGFPE, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  step *it = *state;
  it->came_through = it->play(it->nth, it->for_good);
  assert_int_equal(own_live, 0);
}

static int run_step(play_t play, size_t nth, bool for_good) {
  step it = {play, nth, for_good, false};
  const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(one_play, &it)};
  const int failed = cmocka_run_group_tests_name("step", tests, NULL, NULL);
  fflush(NULL);
  return failed != 0 ? 1 : it.came_through ? CAME_THROUGH : 0;
}

/* The exit status of a process that takes the step; -1 when it was killed. What it said is shown
 * when it went wrong. */
static int take_step(play_t play, size_t nth, bool for_good) {
  FILE *words = tmpfile();
  assert_non_null(words);
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    dup2(fileno(words), STDOUT_FILENO);
    dup2(fileno(words), STDERR_FILENO);
    _exit(run_step(play, nth, for_good));
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  const bool fine = code == 0 || code == CAME_THROUGH || code == THEIR_FAULT;
  if (!fine || getenv("E2B_TEST_VERBOSE") != NULL) {
    char line[512];
    rewind(words);
    while (fgets(line, sizeof line, words) != NULL) {
      fputs(line, stderr);
    }
  }
  fclose(words);
  return code;
}

static void walk(play_t play, bool for_good, size_t whole, size_t stride, size_t at_least) {
  const bool all = getenv("E2B_TEST_ALL") != NULL;
  unsigned theirs = 0;
  size_t nth = 1;
  for (;;) {
    const int status = take_step(play, nth, for_good);
    if (status == CAME_THROUGH) break;
    if (status != 0 && status != THEIR_FAULT) fail_msg("allocation %zu: status %d", nth, status);
    theirs += status == THEIR_FAULT;
    nth += all || nth < whole ? 1 : stride;
  }
  print_message("%zu allocations; libcurl crashed at %u\n", nth, theirs);
  assert_true(nth > at_least);
}

static void a_session_with_all_the_memory_it_wants(void **state) {
  (void)state;
  assert_int_equal(take_step(play_session, 0, false), CAME_THROUGH);
}

static void a_session_without_one_allocation_of_curl(void **state) {
  (void)state;
  walk(play_session, false, WHOLE, STRIDE, 100);
}

static void a_session_without_any_of_curl_from_one_on(void **state) {
  (void)state;
  walk(play_session, true, 1, STRIDE_FOR_GOOD, 100);
}

static void streams_in_several_multis_without_one_allocation_of_curl(void **state) {
  (void)state;
  assert_int_equal(take_step(play_streams, 0, false), CAME_THROUGH);
  walk(play_streams, false, WHOLE, STRIDE, STREAMS * 10);
}

static void streams_in_several_multis_without_any_of_curl_from_one_on(void **state) {
  (void)state;
  walk(play_streams, true, 1, STREAMS, STREAMS * 10);
}

int main(void) {
  static const e2b_allocator_t allocator = {own_malloc, own_realloc, own_free, NULL};
  e2b_set_allocator(&allocator);
  starving_curl();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_session_with_all_the_memory_it_wants),
      cmocka_unit_test(a_session_without_one_allocation_of_curl),
      cmocka_unit_test(a_session_without_any_of_curl_from_one_on),
      cmocka_unit_test(streams_in_several_multis_without_one_allocation_of_curl),
      cmocka_unit_test(streams_in_several_multis_without_any_of_curl_from_one_on),
  };
  const int failed = cmocka_run_group_tests_name("allocation of libcurl", tests, NULL, NULL);
  curl_global_cleanup();
  return failed;
}
