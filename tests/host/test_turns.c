/* SPDX-License-Identifier: MIT */
#include "support/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What takes long leaves the loop to others: they are answered while it goes on. */

/* libuv has one worker here; as long as this holds it, nothing that workers do gets done. */
static struct {
  uv_work_t work;
  uv_sem_t let_go;
  bool done;
} held;

static void hold(uv_work_t *work) {
  (void)work;
  uv_sem_wait(&held.let_go);
}

static void on_released(uv_work_t *work, int status) {
  (void)work;
  (void)status;
  held.done = true;
}

static void hold_workers(void) {
  held.done = false;
  assert_int_equal(uv_sem_init(&held.let_go, 0), 0);
  assert_int_equal(uv_queue_work(&wire.loop, &held.work, hold, on_released), 0);
}

static void nothing(uv_work_t *work) {
  (void)work;
}

/* And waits until all that had been given to them is done. */
static void release_workers(void) {
  uv_work_t last;
  uv_sem_post(&held.let_go);
  while (!held.done)
    wire_turn();
  held.done = false;
  assert_int_equal(uv_queue_work(&wire.loop, &last, nothing, on_released), 0);
  while (!held.done)
    wire_turn();
  uv_sem_destroy(&held.let_go);
}

static void others_are_answered(void) {
  wire_exchange_t *other = wire_ask("GET", "/health", "text/plain", "", 0, NULL);
  assert_int_equal(other->status, 204);
  wire_end(other);
}

static long stat_status(const char *path) {
  char body[128];
  snprintf(body, sizeof body, "{\"path\":\"%s\"}", path);
  wire_exchange_t *exchange =
      wire_ask("POST", "/filesystem.Filesystem/Stat", "application/json", body, strlen(body), NULL);
  long status = exchange->status;
  wire_end(exchange);
  return status;
}

#define TREE "mkdir -p /tmp/e2b-turns/a/b/c && touch /tmp/e2b-turns/f /tmp/e2b-turns/a/b/g"

static wire_exchange_t *begin(const char *method, const char *const *headers) {
  static const char body[] = "{\"path\":\"/tmp/e2b-turns\",\"depth\":10}";
  char path[64];
  snprintf(path, sizeof path, "/filesystem.Filesystem/%s", method);
  wire_shell(TREE);
  hold_workers();
  return wire_begin("POST", path, "application/json", body, sizeof body - 1, headers);
}

static wire_exchange_t *begin_removal(void) {
  return begin("Remove", NULL);
}

static void removal(void **state) {
  (void)state;
  wire_exchange_t *removal = begin_removal();
  others_are_answered();
  assert_false(removal->done);
  release_workers();
  while (!removal->done)
    wire_turn();
  assert_int_equal(removal->status, 200);
  assert_int_equal(stat_status("/tmp/e2b-turns"), 404);
  wire_end(removal);
}

/* A client that left, and then the sandbox: the removal goes on and harms nobody. */
static void removal_alone(void **state) {
  (void)state;
  for (int with_sandbox = 0; with_sandbox < 2; with_sandbox++) {
    wire_exchange_t *removal = begin_removal();
    others_are_answered();
    if (with_sandbox) {
      wire_kill();
      while (!removal->done)
        wire_turn();
      /* curl asks again on another connection: there is no such sandbox. */
      assert_true(removal->code != CURLE_OK || removal->status == 502);
    }
    wire_end(removal);
    wire_turn_for(20);
    release_workers();
    if (!with_sandbox) assert_int_equal(stat_status("/tmp/e2b-turns"), 404);
  }
}

static void listing(void **state) {
  static const char *const gzip[] = {"Accept-Encoding: gzip", NULL};
  (void)state;
  for (int compressed = 0; compressed < 2; compressed++) {
    wire_exchange_t *listing = begin("ListDir", compressed ? gzip : NULL);
    others_are_answered();
    assert_false(listing->done);
    release_workers();
    while (!listing->done)
      wire_turn();
    assert_int_equal(listing->status, 200);
    if (compressed)
      assert_memory_equal(listing->body.data, "\x1f\x8b", 2);
    else
      assert_non_null(strstr(listing->body.data, "\"path\":\"/tmp/e2b-turns/a/b/g\""));
    wire_end(listing);
  }
}

static void listing_alone(void **state) {
  (void)state;
  for (int with_sandbox = 0; with_sandbox < 2; with_sandbox++) {
    wire_exchange_t *listing = begin("ListDir", NULL);
    others_are_answered();
    if (with_sandbox) {
      wire_kill();
      while (!listing->done)
        wire_turn();
      assert_true(listing->code != CURLE_OK || listing->status == 502);
    }
    wire_end(listing);
    wire_turn_for(20);
    release_workers();
    if (!with_sandbox) assert_int_equal(stat_status("/tmp/e2b-turns"), 200);
  }
}

static void compression(void **state) {
  static const char *const headers[] = {"Accept-Encoding: gzip", NULL};
  (void)state;
  wire_shell("head -c 20000000 /dev/urandom > /tmp/e2b-turns-file");
  wire_exchange_t *transfer =
      wire_begin("GET", "/files?path=/tmp/e2b-turns-file", "text/plain", "", 0, headers);
  while (transfer->body.len == 0 && !transfer->done)
    wire_turn();
  others_are_answered();
  assert_false(transfer->done);
  while (!transfer->done)
    wire_turn();
  assert_int_equal(transfer->code, CURLE_OK);
  assert_int_equal(transfer->status, 200);
  wire_end(transfer);
  wire_shell("rm -f /tmp/e2b-turns-file");
}

int main(void) {
  const struct CMUnitTest tests[] = {WIRE_TEST(removal), WIRE_TEST(removal_alone),
                                     WIRE_TEST(listing), WIRE_TEST(listing_alone),
                                     WIRE_TEST(compression)};
  setenv("UV_THREADPOOL_SIZE", "1", 1);
  return cmocka_run_group_tests_name("turns", tests, wire_open, wire_close);
}
