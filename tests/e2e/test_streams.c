/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>

/* Files in pieces: any size in constant memory, held up by the slower end, given up midway. */

#define MB        ((uint64_t)1000 * 1000)
#define BIG_BYTES (200 * MB)

/* The most memory this process ever had, in KiB. */
static long peak_kib(void) {
  char line[256];
  long kib = -1;
  FILE *status = fopen("/proc/self/status", "r");
  assert_non_null(status);
  while (fgets(line, sizeof line, status) != NULL) {
    if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
  }
  fclose(status);
  assert_true(kib > 0);
  return kib;
}

static void assert_grew_little(long before_kib) {
  const long grown = peak_kib() - before_kib;
  print_message("peak memory grew by %ld KiB\n", grown);
  if (!UNDER_ASAN) assert_true(grown < 24 * 1024);
}

/* Byte number n of the test file. */
static char byte_at(uint64_t n) {
  return (char)(n * 31 + (n >> 8) * 17 + (n >> 16) * 13);
}

static void fill(char *piece, uint64_t from, size_t len) {
  for (size_t i = 0; i < len; i++) {
    piece[i] = byte_at(from + i);
  }
}

/* --- uploads ------------------------------------------------------------------------------------
 */

typedef struct source {
  e2b_upload_t *upload;
  uint64_t written;
  uint64_t total;
  size_t refused;
  size_t drained;
  bool open; /* there is room */
} source;

static void on_drain(e2b_upload_t *upload, void *user_data) {
  source *from = user_data;
  assert_ptr_equal(upload, from->upload);
  from->drained++;
  from->open = true;
}

static e2b_future_t *open_upload(source *from, const char *path, uint64_t total) {
  memset(from, 0, sizeof *from);
  from->total = total;
  from->open = true;
  e2b_future_t *future =
      e2b_files_write_stream(scene.sandbox, path, on_drain, from, NULL, &from->upload);
  assert_non_null(future);
  assert_non_null(from->upload);
  return scene_keep(future);
}

static void pour(source *from) {
  static char piece[60000];
  while (from->open && from->written < from->total) {
    uint64_t len = from->total - from->written;
    if (len > sizeof piece) len = sizeof piece;
    fill(piece, from->written, len);
    const int rc = e2b_upload_write(from->upload, piece, len);
    if (rc == E2B_EAGAIN) {
      from->refused++;
      from->open = false;
    } else {
      assert_int_equal(rc, 0);
      from->written += len;
    }
  }
}

static const e2b_file_info_t *finish(source *from, e2b_future_t *future) {
  pour(from);
  while (from->written < from->total) {
    assert_true(scene_turn(LONG_ENOUGH_MS, &from->open));
    pour(from);
  }
  assert_int_equal(e2b_upload_end(from->upload), 0);
  const e2b_file_info_t *info = INFO(future);
  assert_int_equal(e2b_upload_write(from->upload, "x", 1), E2B_ECLOSED);
  e2b_upload_release(from->upload);
  return info;
}

/* --- downloads ----------------------------------------------------------------------------------
 */

typedef struct drain {
  uint64_t bytes;
  e2b_transfer_t *transfer;
  uint64_t pause_every; /* 0: never */
  bool paused;
  bool begun;
  bool wrong;
  e2b_future_t *give_up; /* at the first piece */
} drain;

static void on_data(e2b_transfer_t *transfer, const char *data, size_t len, void *user_data) {
  drain *to = user_data;
  to->begun = true;
  for (size_t i = 0; i < len; i++) {
    if (data[i] != byte_at(to->bytes + i)) to->wrong = true;
  }
  const uint64_t before = to->bytes;
  to->bytes += len;
  to->transfer = transfer;
  if (to->give_up != NULL) e2b_future_cancel(to->give_up);
  if (to->pause_every > 0 && before / to->pause_every != to->bytes / to->pause_every) {
    e2b_transfer_pause(transfer);
    to->paused = true;
  }
}

static void up_and_down(uint64_t size) {
  source from;
  const char *path = scene_path("stream");
  e2b_future_t *future = open_upload(&from, path, size);
  const e2b_file_info_t *info = finish(&from, future);
  assert_string_equal(info->path, path);
  assert_string_equal(info->name, "stream");
  assert_int_equal(info->type, E2B_FILE_REGULAR);
  assert_true((uint64_t)INFO(e2b_files_stat(scene.sandbox, path, NULL))->size == size);
  drain to;
  memset(&to, 0, sizeof to);
  future = OK(e2b_files_read_stream(scene.sandbox, path, on_data, &to, NULL));
  assert_true(to.bytes == size);
  assert_true(e2b_future_transferred(future) == size);
  assert_false(to.wrong);
}

static void sizes(void **state) {
  (void)state;
  static const uint64_t all[] = {0, 1, 65535, 65536, 1048576, 5000000};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    up_and_down(all[i]);
  }
}

static void two_hundred_megabytes(void **state) {
  (void)state;
  up_and_down(1 * MB); /* what is needed once is there now */
  const long before = peak_kib();
  up_and_down(BIG_BYTES);
  assert_grew_little(before);
}

static void back_pressure_on_an_upload(void **state) {
  (void)state;
  source from;
  e2b_future_t *future = open_upload(&from, scene_path("pressed"), 30 * MB);
  pour(&from);
  assert_true(from.refused == 1);
  assert_true(from.written >= 128 * 1024 && from.written <= 1 * MB);
  finish(&from, future);
  assert_true(from.drained >= 1 && from.drained <= from.refused);
}

static void paused_downloads(void **state) {
  (void)state;
  source from;
  const char *path = scene_path("paused");
  finish(&from, open_upload(&from, path, 40 * MB));
  drain to;
  memset(&to, 0, sizeof to);
  to.pause_every = 5 * MB;
  e2b_future_t *future = scene_keep(e2b_files_read_stream(scene.sandbox, path, on_data, &to, NULL));
  size_t pauses = 0;
  while (!e2b_future_is_done(future)) {
    if (!to.paused) {
      e2b_future_await(future, PACE_MS);
      continue;
    }
    pauses++;
    const uint64_t bytes = to.bytes;
    scene_turn(2 * PACE_MS, NULL);
    assert_true(to.bytes - bytes < 1 * MB);
    assert_false(e2b_future_is_done(future));
    to.paused = false;
    e2b_transfer_resume(to.transfer);
  }
  OK(future);
  assert_true(to.bytes == 40 * MB);
  assert_false(to.wrong);
  assert_true(pauses >= 7);
}

static void a_download_given_up(void **state) {
  (void)state;
  source from;
  const char *path = scene_path("given-up");
  finish(&from, open_upload(&from, path, 40 * MB));
  drain to;
  memset(&to, 0, sizeof to);
  to.give_up = scene_keep(e2b_files_read_stream(scene.sandbox, path, on_data, &to, NULL));
  assert_int_equal(e2b_future_await(to.give_up, LONG_ENOUGH_MS), E2B_ECANCELED);
  const uint64_t bytes = to.bytes;
  assert_true(bytes > 0 && bytes < 40 * MB);
  assert_true(YES(e2b_files_exists(scene.sandbox, path, NULL)));
  scene_turn(PACE_MS, NULL);
  assert_true(to.bytes == bytes); /* not one piece after it */
}

static void an_upload_given_up(void **state) {
  (void)state;
  source from;
  e2b_future_t *future = open_upload(&from, scene_path("half"), 40 * MB);
  pour(&from);
  e2b_future_cancel(future);
  assert_int_equal(e2b_future_await(future, 0), E2B_ECANCELED);
  assert_int_equal(e2b_upload_write(from.upload, "x", 1), E2B_ECLOSED);
  e2b_upload_release(from.upload);

  future = open_upload(&from, scene_path("half"), 40 * MB);
  pour(&from);
  e2b_upload_release(from.upload); /* the last reference, before the end */
  assert_int_equal(e2b_future_await(future, LONG_ENOUGH_MS), E2B_ECANCELED);
  assert_true(YES(e2b_sandbox_is_running(scene.sandbox)));
}

static void streams_that_fail(void **state) {
  (void)state;
  drain to;
  memset(&to, 0, sizeof to);
  FAILS(E2B_ENOTFOUND,
        e2b_files_read_stream(scene.sandbox, scene_path("absent"), on_data, &to, NULL));
  assert_false(to.begun);
  FAILS(E2B_EREQUEST, e2b_files_read_stream(scene.sandbox, scene_path(""), on_data, &to, NULL));
  source from;
  e2b_future_t *future = open_upload(&from, scene_path(""), 3 * MB);
  while (from.written < from.total && !e2b_future_is_done(future)) {
    static char piece[60000];
    const int rc = e2b_upload_write(from.upload, piece, sizeof piece);
    if (rc == 0) from.written += sizeof piece;
    if (rc == E2B_EAGAIN) scene_turn(PACE_MS, NULL);
    if (rc != 0 && rc != E2B_EAGAIN) break;
  }
  e2b_upload_end(from.upload);
  FAILS(E2B_EREQUEST, future);
  e2b_upload_release(from.upload);
}

static void several_at_once(void **state) {
  (void)state;
  enum { COUNT = 8 };
  source from[COUNT];
  drain to[COUNT];
  e2b_future_t *futures[COUNT];
  char name[32];
  for (size_t i = 0; i < COUNT; i++) {
    snprintf(name, sizeof name, "several-%zu", i);
    futures[i] = open_upload(&from[i], scene_path(name), 3 * MB + i);
  }
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < COUNT; i++) {
      pour(&from[i]);
      if (from[i].written < from[i].total) more = true;
    }
    scene_turn(1, NULL);
  }
  for (size_t i = 0; i < COUNT; i++) {
    assert_int_equal(e2b_upload_end(from[i].upload), 0);
  }
  for (size_t i = 0; i < COUNT; i++) {
    OK(futures[i]);
    e2b_upload_release(from[i].upload);
    snprintf(name, sizeof name, "several-%zu", i);
    memset(&to[i], 0, sizeof to[i]);
    futures[i] =
        scene_keep(e2b_files_read_stream(scene.sandbox, scene_path(name), on_data, &to[i], NULL));
  }
  for (size_t i = 0; i < COUNT; i++) {
    OK(futures[i]);
    assert_true(to[i].bytes == 3 * MB + i);
    assert_false(to[i].wrong);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(sizes),
      SCENE_TEST(two_hundred_megabytes),
      SCENE_TEST(back_pressure_on_an_upload),
      SCENE_TEST(paused_downloads),
      SCENE_TEST(a_download_given_up),
      SCENE_TEST(an_upload_given_up),
      SCENE_TEST(streams_that_fail),
      SCENE_TEST(several_at_once),
  };
  return cmocka_run_group_tests_name("streams", tests, scene_open, scene_close);
}
