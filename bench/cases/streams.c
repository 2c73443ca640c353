/* SPDX-License-Identifier: MIT */
/* Many commands that print the time once a second:  streams streams=N seconds=S at_once=M real=0
 * The canned server knows `tick`; a real one (1) runs shells that do the same, by the clock they
 * have. */
#include <time.h>

#include "ours.h"

enum { EVENT_BYTES = 17 };

typedef struct stream {
  e2b_command_t *command;
} stream_t;

static ours_t ours;
static stream_t *streams;
static unsigned wanted, opened, running;
static uint64_t failed, events;
static uint64_t clock_ahead_us; /* of theirs, before ours */
static const char *program = "tick";
static const char *const *args;

static void open_next(void);

static void on_stdout(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  (void)command;
  (void)user_data;
  if (len % EVENT_BYTES != 0) failed++;
  for (size_t at = 0; at + EVENT_BYTES <= len; at += EVENT_BYTES) {
    bench_latency(bench_now_us() + clock_ahead_us - strtoull(data + at, NULL, 10));
    events++;
  }
}

static void on_started(e2b_future_t *future, void *user_data) {
  stream_t *stream = user_data;
  stream->command = e2b_future_command(future);
  if (stream->command == NULL) ours_failed(future, &failed);
  running++;
  if (opened < wanted) open_next();
}

static void open_next(void) {
  e2b_run_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.on_stdout = on_stdout;
  e2b_future_then(e2b_command_start(ours.sandbox, program, args, &options), on_started,
                  &streams[opened++]);
}

static void on_end(uv_timer_t *timer) {
  *(unsigned *)timer->data = 0;
}

static void make_real(void) {
  /* It sleeps by waiting for what nobody writes, without a process for each second. */
  static const char *const ticking[] = {
      "-l", "-c",
      "exec {nothing}<> <(:); while :; do printf '%016d\\n' ${EPOCHREALTIME/[.,]/}; "
      "read -t 1 -u $nothing; done",
      NULL};
  program = "/bin/bash";
  args = ticking;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  clock_ahead_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 - bench_now_us();
}

/* Turns the loop for so long. */
static void run_for(uint64_t ms) {
  unsigned waiting = 1;
  uv_timer_t timer;
  uv_timer_init(&ours.loop, &timer);
  timer.data = &waiting;
  uv_timer_start(&timer, on_end, ms, 0);
  ours_run(&ours, &waiting);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&ours.loop, UV_RUN_NOWAIT);
}

int main(int argc, char **argv) {
  ours_init(&ours, argc, argv);
  wanted = (unsigned)bench_number("streams", 1000);
  if (bench_number("real", 0) != 0) make_real();
  const unsigned at_once = (unsigned)bench_number("at_once", 100);
  streams = calloc(wanted, sizeof *streams);
  if (streams == NULL) bench_die("out of memory");
  const uint64_t before = bench_resident_bytes();
  while (opened < wanted && opened < at_once) {
    open_next();
  }
  while (running < wanted) {
    uv_run(&ours.loop, UV_RUN_ONCE);
  }
  run_for(bench_number("settle_ms", 2000));
  bench_note("stream_bytes", (double)(bench_resident_bytes() - before) / wanted);
  events = 0;
  bench_start();
  run_for(bench_number("seconds", 10) * 1000);
  const int status = bench_finish(events, 0, failed);
  for (unsigned i = 0; i < wanted; i++) {
    e2b_command_disconnect(streams[i].command);
    e2b_command_release(streams[i].command);
  }
  ours_close(&ours);
  free(streams);
  return status;
}
