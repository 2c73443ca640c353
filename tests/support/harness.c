/* SPDX-License-Identifier: MIT */
#include "support/harness.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void on_guard(uv_timer_t *timer) {
  harness_t *h = timer->data;
  fprintf(stderr, "the test hangs; the loop's handles are:\n");
  uv_print_all_handles(&h->loop, stderr);
  fprintf(stderr, "the log:\n%s", h->log);
  abort();
}

void harness_start(harness_t *h) {
  memset(h, 0, sizeof *h);
  signal(SIGPIPE, SIG_IGN); /* a client that has hung up is no reason to die */
  assert_int_equal(uv_loop_init(&h->loop), 0);
  assert_int_equal(uv_timer_init(&h->loop, &h->guard), 0);
  h->guard.data = h;
  uv_unref((uv_handle_t *)&h->guard);
  uv_timer_start(&h->guard, on_guard, HARNESS_GUARD_MS, 0);
  h->log = calloc(1, 1);
  assert_non_null(h->log);
}

static void on_log(e2b_log_level_t level, const char *line, void *user_data) {
  (void)level;
  harness_t *h = user_data;
  const size_t len = strlen(line);
  char *longer = realloc(h->log, h->log_len + len + 2);
  if (longer == NULL) abort();
  h->log = longer;
  memcpy(h->log + h->log_len, line, len);
  memcpy(h->log + h->log_len + len, "\n", 2);
  h->log_len += len + 1;
}

void harness_options(harness_t *h, const char *url, e2b_client_options *options) {
  E2B_INIT(options);
  options->api_key = HARNESS_KEY;
  options->api_url = options->sandbox_url = url;
  options->debug = E2B_OFF;
  options->log = on_log;
  options->log_user_data = h;
  options->log_level = E2B_LOG_TRACE;
}

void harness_client(harness_t *h, const e2b_client_options *options) {
  assert_null(h->client);
  e2b_client_options own;
  harness_options(h, NULL, &own);
  h->client = e2b_client_new(&h->loop, options != NULL ? options : &own);
  assert_non_null(h->client);
  h->client_closed = false;
}

void harness_at_stop(harness_t *h, void (*close_it)(void *ctx), void *ctx) {
  assert_true(h->closers_count < E2B__COUNT(h->closers));
  h->closers[h->closers_count] = close_it;
  h->closers_ctx[h->closers_count++] = ctx;
}

static void on_closed(void *user_data) {
  harness_t *h = user_data;
  h->client_closed = true;
}

void harness_close_client(harness_t *h) {
  if (h->client == NULL) return;
  /* The queue is looked at after the client has gone. */
  e2b__queue_t *queue = &h->client->queue;
  e2b__queue_acquire(queue);
  e2b_client_close(h->client, on_closed, h);
  h->client = NULL;
  harness_until_true(h, &h->client_closed);
  assert_int_equal(queue->pending_count, 0);
  assert_true(e2b__list_empty(&queue->pending));
  assert_true(e2b__list_empty(&queue->tasks));
  e2b__queue_release(queue);
}

static void print_handle(uv_handle_t *handle, void *ctx) {
  (void)ctx;
  fprintf(stderr, "left on the loop: %s%s\n", uv_handle_type_name(handle->type),
          uv_is_closing(handle) ? " (closing)" : "");
}

void harness_stop(harness_t *h) {
  harness_close_client(h);
  while (h->closers_count > 0) {
    h->closers_count--;
    h->closers[h->closers_count](h->closers_ctx[h->closers_count]);
  }
  while (uv_run(&h->loop, UV_RUN_DEFAULT) != 0) {
  }
  uv_close((uv_handle_t *)&h->guard, NULL);
  uv_run(&h->loop, UV_RUN_DEFAULT);
  const int rc = uv_loop_close(&h->loop);
  if (rc != 0) uv_walk(&h->loop, print_handle, NULL);
  free(h->log);
  h->log = NULL;
  assert_int_equal(rc, 0);
}

int harness_await(harness_t *h, e2b_future_t *future) {
  (void)h; /* its guard keeps this from lasting for ever */
  assert_non_null(future);
  int rc;
  do {
    rc = e2b_future_await(future, HARNESS_GUARD_MS);
  } while (!e2b_future_is_done(future) && rc == E2B_EAGAIN);
  assert_int_equal(e2b_future_is_done(future), 1);
  return rc;
}

void harness_until(harness_t *h, bool (*done)(void *ctx), void *ctx) {
  /* The guard counts only while it is referenced; so a loop with nothing to do still waits. */
  uv_ref((uv_handle_t *)&h->guard);
  while (!done(ctx)) {
    uv_run(&h->loop, UV_RUN_ONCE);
  }
  uv_unref((uv_handle_t *)&h->guard);
}

void harness_turn_once(harness_t *h) {
  uv_ref((uv_handle_t *)&h->guard);
  uv_run(&h->loop, UV_RUN_ONCE);
  uv_unref((uv_handle_t *)&h->guard);
}

static bool is_true(void *ctx) {
  return *(const bool *)ctx;
}

void harness_until_true(harness_t *h, const bool *flag) {
  harness_until(h, is_true, (void *)(uintptr_t)flag);
}

struct counted {
  const unsigned *counter;
  unsigned at_least;
};

static bool has_count(void *ctx) {
  const struct counted *wanted = ctx;
  return *wanted->counter >= wanted->at_least;
}

void harness_until_count(harness_t *h, const unsigned *counter, unsigned at_least) {
  struct counted wanted = {counter, at_least};
  harness_until(h, has_count, &wanted);
}

void harness_turn(harness_t *h, unsigned times) {
  for (unsigned i = 0; i < times; i++) {
    uv_run(&h->loop, UV_RUN_NOWAIT);
  }
}

static unsigned entries(const char *path) {
  unsigned count = 0;
  DIR *dir = opendir(path);
  assert_non_null(dir);
  const struct dirent *entry;
  while ((entry = readdir(dir)) != NULL) {
    if (entry->d_name[0] != '.') count++;
  }
  closedir(dir);
  return count;
}

unsigned harness_threads(void) {
  return entries("/proc/self/task");
}

unsigned harness_descriptors(void) {
  return entries("/proc/self/fd") - 1; /* without the one that reads the directory */
}
