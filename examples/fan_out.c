/* SPDX-License-Identifier: MIT */

/* Two hundred pieces of code over twenty sandboxes, from one thread. A shared counter is the list
 * of what is to be done; every sandbox has a few lanes, and a lane that becomes free takes the next
 * piece. So no sandbox is asked for more than LANES at once, and none waits for a slower one. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

enum { SANDBOXES = 20, LANES = 2, JOBS = 200 };

typedef struct app app_t;

typedef struct worker {
  app_t *app;
  e2b_sandbox_t *sandbox;
  size_t busy; /* lanes */
  int ended;
} worker_t;

typedef struct lane {
  worker_t *worker;
  int job;
} lane_t;

struct app {
  demo_t demo;
  worker_t workers[SANDBOXES];
  lane_t lanes[SANDBOXES][LANES];
  size_t left; /* workers that are not done */
  int next_job;
  int succeeded, failed;
  int sandboxes_failed;
  int under_way, most_under_way;
  uint64_t began_ns;
};

static void show_progress(const app_t *app) {
  int finished = app->succeeded + app->failed;
  if (isatty(1)) {
    printf("\r%3d of %d done, %2d under way ", finished, JOBS, app->under_way);
    fflush(stdout);
  } else if (finished % 25 == 0) {
    printf("%3d of %d done, %2d under way\n", finished, JOBS, app->under_way);
  }
}

static void show_summary(const app_t *app) {
  printf("%s%d right, %d failed, %.1f s in all, up to %d under way at once\n",
         isatty(1) ? "\n" : "", app->succeeded, app->failed,
         (double)(uv_hrtime() - app->began_ns) / 1e9, app->most_under_way);
}

static void worker_done(app_t *app) {
  if (--app->left > 0) return;
  if (!app->demo.closing) show_summary(app);
  demo_close(&app->demo);
}

static void on_killed(e2b_future_t *future, void *user_data) {
  worker_t *worker = user_data;
  worker->app->sandboxes_failed += demo_failed(future);
  worker_done(worker->app);
}

static void on_result(e2b_future_t *future, void *user_data);

/* Gives the lane the next piece; when there is none and no other lane is busy, ends the sandbox. */
static void lane_next(lane_t *lane) {
  worker_t *worker = lane->worker;
  app_t *app = worker->app;
  e2b_code_options options;
  char code[64];

  if (app->demo.closing) return;
  if (app->next_job == JOBS) {
    if (worker->busy == 0 && !worker->ended) {
      worker->ended = 1;
      e2b_future_then(e2b_sandbox_kill(worker->sandbox), on_killed, worker);
    }
    return;
  }
  lane->job = app->next_job++;
  worker->busy++;
  if (++app->under_way > app->most_under_way) app->most_under_way = app->under_way;
  snprintf(code, sizeof code, "print(sum(range(%d)))", lane->job + 1);
  E2B_INIT(&options);
  options.runtime = E2B_RUNTIME_PYTHON;
  e2b_future_then(e2b_run_code(worker->sandbox, code, &options), on_result, lane);
}

static void on_result(e2b_future_t *future, void *user_data) {
  lane_t *lane = user_data;
  app_t *app = lane->worker->app;
  const e2b_execution_t *result = e2b_future_execution(future);
  long expected = (long)lane->job * (lane->job + 1) / 2;
  int right = !demo_failed(future) && result->exit_code == 0 &&
              strtol(result->stdout_data.ptr, NULL, 10) == expected;
  app->succeeded += right;
  app->failed += !right;
  app->under_way--;
  lane->worker->busy--;
  show_progress(app);
  lane_next(lane);
}

static void on_sandbox(e2b_future_t *future, void *user_data) {
  worker_t *worker = user_data;
  app_t *app = worker->app;
  if (demo_failed(future)) {
    app->sandboxes_failed++;
    worker_done(app);
    return;
  }
  worker->sandbox = e2b_future_sandbox(future);
  for (size_t i = 0; i < LANES; i++)
    lane_next(&app->lanes[worker - app->workers][i]);
}

static void start(app_t *app) {
  printf("%d runs over %d sandboxes, at most %d at once in each\n", JOBS, SANDBOXES, LANES);
  app->began_ns = uv_hrtime();
  app->left = SANDBOXES;
  for (size_t i = 0; i < SANDBOXES; i++) {
    app->workers[i].app = app;
    for (size_t k = 0; k < LANES; k++)
      app->lanes[i][k].worker = &app->workers[i];
    e2b_future_then(e2b_sandbox_create(app->demo.client, NULL), on_sandbox, &app->workers[i]);
  }
}

int main(void) {
  static app_t app;
  if (demo_start(&app.demo, uv_default_loop()) == 0) {
    start(&app);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  }
  for (size_t i = 0; i < SANDBOXES; i++)
    e2b_sandbox_release(app.workers[i].sandbox);
  return demo_finish(&app.demo, app.succeeded == JOBS && app.sandboxes_failed == 0);
}
