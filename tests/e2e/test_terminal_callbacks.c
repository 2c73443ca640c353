/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "support/cutter.h"
#include "support/viewer.h"

/* Callbacks come from the loop, never from inside a call, and may do anything: close, give up,
 * write, pause, kill, end the client. */

typedef enum event { DATA, GAP, EXIT, LOST, RESTORED, DRAIN, FUTURE, EVENTS } event;

static const char *const event_names[] = {"data",     "gap",   "exit",  "lost",
                                          "restored", "drain", "future"};

typedef struct stage stage;

typedef struct action {
  const char *name;
  void (*act)(stage *it);
  bool silent; /* no callback of data follows, only on_closed */
} action;

struct stage {
  e2b_client_t *client;
  e2b_sandbox_t *sandbox;
  e2b_terminal_t *terminal; /* a handle of our own; NULL once given back */
  cutter_t *cutter;
  event when;
  const action *what;
  unsigned inside; /* of calls into the library */
  bool acted;
  bool closed;
  bool client_closed;
  unsigned after; /* events of the terminal after a silent action */
  unsigned outcomes;
  unsigned expected_outcomes;
};

#define CALL(it, expression)                       \
  __extension__({                                  \
    (it)->inside++;                                \
    __typeof__(expression) result_ = (expression); \
    (it)->inside--;                                \
    result_;                                       \
  })
#define CALL_VOID(it, expression) ((it)->inside++, (void)(expression), (void)(it)->inside--)

static void require(bool condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "not so: %s\n", what); /* no jump out of a callback */
  abort();
}

static void on_outcome(e2b_future_t *future, void *user_data) {
  stage *it = user_data;
  (void)future;
  require(it->inside == 0, "an outcome comes from the loop");
  it->outcomes++;
}

static void watch(stage *it, e2b_future_t *future) {
  if (CALL(it, e2b_future_then(future, on_outcome, it)) == 0) it->expected_outcomes++;
}

/* Data may come before the future's callback: then the event brings the handle. */
static void happens(stage *it, event what, e2b_terminal_t *terminal) {
  if (it->terminal == NULL && !it->acted) it->terminal = e2b_terminal_acquire(terminal);
  require(it->inside == 0, "callbacks come from the loop");
  require(!it->closed, "on_closed is the last");
  /* A future always ends, also one whose terminal had data first and was closed for it. */
  if (it->acted && it->what->silent && what != FUTURE) it->after++;
  if (it->acted || it->when != what) return;
  it->acted = true;
  it->what->act(it);
}

static void on_data(e2b_terminal_t *t, const char *data, size_t len, void *user_data) {
  (void)data;
  (void)len;
  happens(user_data, DATA, t);
}
static void on_gap(e2b_terminal_t *t, uint64_t bytes, void *user_data) {
  (void)bytes;
  happens(user_data, GAP, t);
}
static void on_exit_event(e2b_terminal_t *t, const e2b_terminal_exit_t *end, void *user_data) {
  (void)end;
  happens(user_data, EXIT, t);
}
static void on_lost(e2b_terminal_t *t, const e2b_error_t *error, void *user_data) {
  (void)error;
  happens(user_data, LOST, t);
}
static void on_restored(e2b_terminal_t *t, void *user_data) {
  happens(user_data, RESTORED, t);
}
static void on_drain(e2b_terminal_t *t, void *user_data) {
  happens(user_data, DRAIN, t);
}
static void on_closed(e2b_terminal_t *t, const e2b_error_t *error, void *user_data) {
  stage *it = user_data;
  (void)t;
  (void)error;
  require(it->inside == 0, "on_closed comes from the loop");
  require(!it->closed, "on_closed comes once");
  it->closed = true;
}

static void on_client_closed(void *user_data) {
  ((stage *)user_data)->client_closed = true;
}

/* --- what is done -------------------------------------------------------------------------------
 */

static void close_it(stage *it) {
  CALL_VOID(it, e2b_terminal_close(it->terminal));
  CALL_VOID(it, e2b_terminal_close(it->terminal));
}
static void release_it(stage *it) {
  CALL_VOID(it, e2b_terminal_release(it->terminal));
  it->terminal = NULL;
}
static void close_and_release_it(stage *it) {
  close_it(it);
  release_it(it);
}
static void use_it(stage *it) {
  e2b_terminal_t *terminal = it->terminal;
  if (terminal == NULL) return;
  CALL(it, e2b_terminal_write(terminal, "x", 1));
  CALL(it, e2b_terminal_resize(terminal, 99, 33));
  CALL_VOID(it, e2b_terminal_pause(terminal));
  CALL_VOID(it, e2b_terminal_resume(terminal));
  watch(it, CALL(it, e2b_terminal_signal(terminal, 28)));
  watch(it, CALL(it, e2b_terminal_wait(terminal)));
  e2b_future_t *given_up = CALL(it, e2b_terminal_wait(terminal));
  CALL(it, e2b_future_cancel(given_up));
  watch(it, given_up);
  require(CALL(it, e2b_future_await(given_up, 0)) == E2B_EREENTRANT, "no waiting inside");
}
static void kill_and_release_it(stage *it) {
  watch(it, CALL(it, e2b_terminal_kill(it->terminal)));
  watch(it, CALL(it, e2b_terminal_wait(it->terminal)));
  release_it(it);
}
static void end_the_client(stage *it) {
  CALL_VOID(it, e2b_client_close(it->client, on_client_closed, it));
}

static const action actions[] = {
    {"close", close_it, true},
    {"release", release_it, false}, /* the future may hold it yet */
    {"close and release", close_and_release_it, true},
    {"use", use_it, false},
    {"kill and release", kill_and_release_it, false},
    {"end the client", end_the_client, true},
};

/* --- where it happens ---------------------------------------------------------------------------
 */

static void on_terminal(e2b_future_t *future, void *user_data) {
  stage *it = user_data;
  if (it->terminal == NULL) it->terminal = e2b_future_terminal(future);
  if (it->terminal == NULL) return; /* the client has ended */
  happens(it, FUTURE, it->terminal);
}

/* Types until it is refused, for on_drain. */
static void fill(stage *it) {
  static char data[40000];
  memset(data, 'y', sizeof data);
  while (it->terminal != NULL &&
         CALL(it, e2b_terminal_write(it->terminal, data, sizeof data)) == 0) {
  }
}

static bool over(const stage *it) {
  return it->closed && (it->what->act != end_the_client || it->client_closed);
}

static void turn_until(stage *it, bool (*done)(const stage *it)) {
  for (unsigned turns = 0; !done(it); turns++) {
    scene_turn(5, NULL);
    if (turns > 4000) fail_msg("%s on %s hangs", it->what->name, event_names[it->when]);
  }
}

static bool ready(const stage *it) {
  return it->terminal != NULL || it->acted || it->closed;
}
static bool acted(const stage *it) {
  return it->acted || it->closed;
}

static void play(e2b_transport_t transport, event when, const action *what) {
  stage it = {.when = when, .what = what};
  e2b_client_options client;
  server_options(&scene.server, &client);
  it.cutter = cutter_start(scene.loop, client.sandbox_url);
  cutter_path(it.cutter, transport == E2B_TRANSPORT_AGENT ? "GET /v1" : "POST /process.Process/St");
  client.sandbox_url = cutter_url(it.cutter);
  it.client = e2b_client_new(scene.loop, &client);
  e2b_future_t *connect = e2b_sandbox_connect(it.client, e2b_sandbox_id(scene.sandbox), NULL);
  assert_int_equal(e2b_future_await(connect, LONG_ENOUGH_MS), 0);
  it.sandbox = e2b_future_sandbox(connect);
  e2b_future_release(connect);

  static const char *const args[] = {
      "-c",
      "stty raw -echo; i=0; while [ $i -lt 20 ]; do echo line; sleep 0.01; i=$((i+1)); done; "
      "head -c 100000 >/dev/null; exit 3",
      NULL};
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = transport;
  options.program = "/bin/sh";
  options.args = args;
  options.write_limit = 50000;
  options.on_data = on_data;
  options.on_gap = on_gap;
  options.on_exit = on_exit_event;
  options.on_lost = on_lost;
  options.on_restored = on_restored;
  options.on_drain = on_drain;
  options.on_closed = on_closed;
  options.user_data = &it;
  e2b_future_t *create = CALL(&it, e2b_terminal_create(it.sandbox, &options));
  CALL(&it, e2b_future_then(create, on_terminal, &it));
  turn_until(&it, ready);
  if (!acted(&it) && (when == LOST || when == RESTORED || when == GAP)) {
    cutter_cut_now(it.cutter, CUT_RESET);
    if (when != GAP || transport == E2B_TRANSPORT_ENVD) turn_until(&it, acted);
  }
  if (!over(&it)) fill(&it);
  if (what->act != end_the_client || !it.acted) {
    if (it.terminal != NULL && !it.closed) watch(&it, e2b_terminal_kill(it.terminal));
  }
  if (what->act == end_the_client && !it.acted) {
    it.acted = true; /* this transport has no such event */
    end_the_client(&it);
  }
  turn_until(&it, over);
  assert_int_equal(it.after, 0);
  CALL_VOID(&it, e2b_terminal_release(it.terminal));
  e2b_sandbox_release(it.sandbox);
  if (!it.client_closed) {
    e2b_client_close(it.client, on_client_closed, &it);
    while (!it.client_closed) {
      scene_turn(5, NULL);
    }
  }
  assert_int_equal(it.outcomes, it.expected_outcomes);
  cutter_stop(it.cutter);
}

static void anything_inside_any_callback(void **state) {
  if (scene.server.host == NULL) server_skip(&scene.server, "not the host in the process");
  for (unsigned when = 0; when < EVENTS; when++) {
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
      play(*(const e2b_transport_t *)*state, (event)when, &actions[i]);
    }
  }
}

/* --- given up at any time -----------------------------------------------------------------------
 */

static void never(e2b_terminal_t *t, const char *data, size_t len, void *user_data) {
  (void)t;
  (void)data;
  (void)len;
  require(!*(bool *)user_data, "nothing comes after the cancel");
}

/* A fresh handle and a fresh client each time, so that whoever starts the agent is cut short too.
 */
static void given_up_at_any_time(void **state) {
  if (scene.server.host == NULL) server_skip(&scene.server, "not the host in the process");
  for (unsigned turns = 0; turns < 120; turns += turns < 20 ? 1 : 5) {
    for (unsigned closes = 0; closes < 2; closes++) {
      bool given_up = false;
      stage it = {.what = &actions[0]};
      e2b_client_options client;
      server_options(&scene.server, &client);
      it.client = e2b_client_new(scene.loop, &client);
      e2b_future_t *connect = e2b_sandbox_connect(it.client, e2b_sandbox_id(scene.sandbox), NULL);
      assert_int_equal(e2b_future_await(connect, LONG_ENOUGH_MS), 0);
      it.sandbox = e2b_future_sandbox(connect);
      e2b_future_release(connect);
      static const char *const args[] = {"-c", "echo words; exit 0", NULL};
      e2b_terminal_options options;
      E2B_INIT(&options);
      options.transport = *(const e2b_transport_t *)*state;
      options.program = "/bin/sh";
      options.args = args;
      options.on_data = never;
      options.user_data = &given_up;
      e2b_future_t *create = e2b_terminal_create(it.sandbox, &options);
      e2b_sandbox_release(it.sandbox);
      for (unsigned i = 0; i < turns; i++) {
        if (turns < 20) uv_run(scene.loop, UV_RUN_NOWAIT);
        if (turns >= 20) scene_turn(1, NULL);
      }
      const bool early = !e2b_future_is_done(create);
      if (closes == 0) e2b_future_cancel(create);
      if (closes == 1) e2b_client_close(it.client, on_client_closed, &it);
      given_up = early || closes == 1;
      if (early) {
        assert_int_equal(e2b_future_error(create)->code, closes == 0 ? E2B_ECANCELED : E2B_ECLOSED);
      }
      scene_turn(2, NULL);
      e2b_future_release(create);
      if (closes == 0) e2b_client_close(it.client, on_client_closed, &it);
      while (!it.client_closed) {
        scene_turn(5, NULL);
      }
    }
  }
}

static e2b_transport_t agent = E2B_TRANSPORT_AGENT;
static e2b_transport_t envd = E2B_TRANSPORT_ENVD;

static const struct CMUnitTest tests[] = {
    {"anything inside any callback (agent)", anything_inside_any_callback, NULL, viewer_tidy,
     &agent},
    {"given up at any time (agent)", given_up_at_any_time, NULL, viewer_tidy, &agent},
    {"given up at any time (envd)", given_up_at_any_time, NULL, viewer_tidy, &envd},
    {"anything inside any callback (envd)", anything_inside_any_callback, NULL, viewer_tidy, &envd},
};

SCENE_RUN("terminal callbacks", tests)
