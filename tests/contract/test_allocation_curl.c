/* SPDX-License-Identifier: MIT */
/* The memory of libcurl runs out. A program of its own, since its allocator is global; and a
 * process for each step, since there are versions of libcurl that crash for want of memory: where
 * the fault is theirs, the step is counted and passed over. */

#include "support/session.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { CAME_THROUGH = 3, THEIR_FAULT = 77, WHOLE = 150, STRIDE = 9, STRIDE_FOR_GOOD = 37 };

typedef struct step {
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

static void one_session(void **state) {
  /* In place of cmocka's own. */
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGFPE, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  step *it = *state;
  it->came_through = session_run(&faults_proto, it->nth, it->for_good);
  assert_int_equal(own_live, 0);
}

static int run_step(size_t nth, bool for_good) {
  step it = {nth, for_good, false};
  const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(one_session, &it)};
  const int failed = cmocka_run_group_tests_name("step", tests, NULL, NULL);
  fflush(NULL);
  return failed != 0 ? 1 : it.came_through ? CAME_THROUGH : 0;
}

/* The exit status of a process that takes the step; -1 when it was killed. What it said is shown
 * when it went wrong. */
static int take_step(size_t nth, bool for_good) {
  FILE *words = tmpfile();
  assert_non_null(words);
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    dup2(fileno(words), STDOUT_FILENO);
    dup2(fileno(words), STDERR_FILENO);
    _exit(run_step(nth, for_good));
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

static void walk(bool for_good, size_t whole, size_t stride) {
  const bool all = getenv("E2B_TEST_ALL") != NULL;
  unsigned theirs = 0;
  size_t nth = 1;
  for (;;) {
    const int status = take_step(nth, for_good);
    if (status == CAME_THROUGH) break;
    if (status != 0 && status != THEIR_FAULT) fail_msg("allocation %zu: status %d", nth, status);
    theirs += status == THEIR_FAULT;
    nth += all || nth < whole ? 1 : stride;
  }
  print_message("%zu allocations; libcurl crashed at %u\n", nth, theirs);
  assert_true(nth > 100);
}

static void a_session_with_all_the_memory_it_wants(void **state) {
  (void)state;
  assert_int_equal(take_step(0, false), CAME_THROUGH);
}

static void a_session_without_one_allocation_of_curl(void **state) {
  (void)state;
  walk(false, WHOLE, STRIDE);
}

static void a_session_without_any_of_curl_from_one_on(void **state) {
  (void)state;
  walk(true, 1, STRIDE_FOR_GOOD);
}

int main(void) {
  static const e2b_allocator_t allocator = {own_malloc, own_realloc, own_free, NULL};
  e2b_set_allocator(&allocator);
  starving_curl();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_session_with_all_the_memory_it_wants),
      cmocka_unit_test(a_session_without_one_allocation_of_curl),
      cmocka_unit_test(a_session_without_any_of_curl_from_one_on),
  };
  const int failed = cmocka_run_group_tests_name("allocation of libcurl", tests, NULL, NULL);
  curl_global_cleanup();
  return failed;
}
