/* SPDX-License-Identifier: MIT */
/* Many commands that print once a second:  streams streams=N seconds=S at_once=M */
#include "ours.h"

typedef struct stream {
  e2b_command_t *command;
} stream_t;

static ours_t ours;
static stream_t *streams;
static unsigned wanted, opened, running;
static uint64_t failed, events;

static void open_next(void);

static void on_stdout(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  (void)command;
  (void)user_data;
  if (len != 17) failed++;
  bench_latency(bench_now_us() - strtoull(data, NULL, 10));
  events++;
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
  e2b_future_then(e2b_command_start(ours.sandbox, "tick", NULL, &options), on_started,
                  &streams[opened++]);
}

static void on_end(uv_timer_t *timer) {
  *(unsigned *)timer->data = 0;
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
