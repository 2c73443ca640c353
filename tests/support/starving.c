/* SPDX-License-Identifier: MIT */
#include "support/starving.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>

#include "e2b/base.h"
#include "support/test.h"

static struct {
  size_t fail_at;
  bool for_good;
  bool failed;
  size_t count;
  size_t live;
} state;

static struct {
  size_t nth;
  bool for_good;
} playing;

static bool fails(void) {
  state.count++;
  if (state.fail_at == 0) return false;
  const bool now = state.for_good ? state.count >= state.fail_at : state.count == state.fail_at;
  state.failed |= now;
  return now;
}

static void *counted(void *ptr) {
  state.live += ptr != NULL;
  return ptr;
}

static void *starving_malloc(size_t size) {
  return fails() ? NULL : counted(malloc(size));
}

static void *starving_calloc(size_t count, size_t size) {
  return fails() ? NULL : counted(calloc(count, size));
}

static void *starving_realloc(void *old, size_t size) {
  if (fails()) return NULL;
  void *ptr = realloc(old, size);
  if (old == NULL) counted(ptr);
  return ptr;
}

static char *starving_strdup(const char *text) {
  return fails() ? NULL : counted(strdup(text));
}

static void starving_free(void *ptr) {
  state.live -= ptr != NULL;
  free(ptr);
}

/* --- the libraries ------------------------------------------------------------------------------
 */

static void *library_malloc(size_t size, void *user_data) {
  (void)user_data;
  return starving_malloc(size);
}

static void *library_realloc(void *ptr, size_t size, void *user_data) {
  (void)user_data;
  return starving_realloc(ptr, size);
}

static void library_free(void *ptr, void *user_data) {
  (void)user_data;
  starving_free(ptr);
}

void starving_library(void) {
  static const e2b_allocator_t allocator = {library_malloc, library_realloc, library_free, NULL};
  e2b_set_allocator(&allocator);
}

void starving_cjson(void) {
  cJSON_Hooks hooks = {starving_malloc, starving_free};
  cJSON_InitHooks(&hooks);
}

void starving_curl(void) {
  /* Before libe2b does it: the first call counts. */
  if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, starving_malloc, starving_free, starving_realloc,
                           starving_strdup, starving_calloc) != CURLE_OK) {
    abort();
  }
}

void starving_arm(size_t nth, bool for_good) {
  state.fail_at = nth;
  state.for_good = for_good;
  state.failed = false;
  state.count = 0;
}

size_t starving_count(void) {
  return state.count;
}

bool starving_failed(void) {
  return state.failed;
}

size_t starving_live(void) {
  return state.live;
}

void starving_library_arm(size_t nth) {
  starving_library();
  starving_arm(nth, false);
}

void starving_library_remove(void) {
  starving_arm(0, false);
  e2b_set_allocator(NULL);
}

/* --- from one allocation to the next ------------------------------------------------------------
 */

void starving_begin(void) {
  starving_arm(playing.nth, playing.for_good);
}

void starving_end(void) {
  state.fail_at = 0;
}

bool starving_play(const starving_scenario_t *scenario, size_t nth, bool for_good) {
  const size_t live = starving_live();
  starving_arm(0, false);
  playing.nth = nth;
  playing.for_good = for_good;
  scenario->play(scenario->ctx, nth);
  starving_end();
  if (starving_live() != live) {
    fail_msg("%s: %zu pieces are left after allocation %zu failed", scenario->name,
             starving_live() - live, nth);
  }
  return starving_failed();
}

size_t starving_walk(const starving_scenario_t *scenario, bool for_good, size_t whole,
                     size_t stride) {
  const bool all = getenv("E2B_TEST_ALL") != NULL;
  assert_false(starving_play(scenario, 0, for_good));
  size_t nth = 1;
  while (starving_play(scenario, nth, for_good)) {
    nth += all || nth < whole ? 1 : stride;
  }
  assert_true(nth > 1);
  print_message("%s: %zu allocations\n", scenario->name, nth - 1);
  return nth - 1;
}
