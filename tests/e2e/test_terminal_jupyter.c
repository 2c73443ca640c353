/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cutter.h"
#include "support/viewer.h"

/* Terminals of a real Jupyter server, which E2B_TEST_JUPYTER_URL names, with its token in
 * E2B_TEST_JUPYTER_TOKEN. */

static viewer *jupyter_viewer(void) {
  const char *url = getenv("E2B_TEST_JUPYTER_URL");
  if (url == NULL || *url == '\0') server_skip(&scene.server, "E2B_TEST_JUPYTER_URL is not set");
  viewer *it = viewer_new(E2B_TRANSPORT_JUPYTER);
  it->options.base_url = url;
  it->options.credential = getenv("E2B_TEST_JUPYTER_TOKEN");
  return it;
}

static void sees_an_end(viewer *it) {
  viewer_is_closed(it);
  assert_int_equal(it->told.closed_code, 0);
  assert_int_equal(it->told.exits, 1);
  assert_false(it->told.exit.known);
}

static void a_short_program_loses_nothing(void **state) {
  (void)state;
  static const char *const args[] = {
      "-c", "printf '%s|' \"$@\" \"$WORD\"; stty size; pwd", "sh", "two words", "", NULL};
  static const e2b_pair_t envs[] = {{"WORD", "h\xc3\xa9llo \xf0\x9f\x98\x80"}};
  viewer *it = jupyter_viewer();
  it->options.program = "/bin/sh";
  it->options.args = args;
  it->options.envs = envs;
  it->options.envs_count = 1;
  it->options.cwd = "/usr";
  it->options.cols = 101;
  it->options.rows = 31;
  viewer_opens(it);
  sees_an_end(it);
  static const char expected[] = "two words||h\xc3\xa9llo \xf0\x9f\x98\x80|31 101\r\n/usr\r\n";
  assert_int_equal(it->told.seen_len, sizeof expected - 1);
  assert_memory_equal(it->told.seen, expected, sizeof expected - 1);
}

static void keys_signals_and_sizes(void **state) {
  (void)state;
  viewer *it = jupyter_viewer();
  e2b_terminal_t *terminal = viewer_opens(it);
  viewer_types(it, "PS1='$ '; echo he''re\n");
  viewer_sees(it, "here\r\n");
  /* It says so itself that it is in front: a key between two commands may be nobody's. */
  viewer_types(it, "sh -c 'echo wait\"\"ing; exec sleep 600'\n");
  viewer_sees(it, "waiting\r\n");
  assert_true(YES(e2b_terminal_signal(terminal, SIGINT)));
  viewer_sees(it, "^C");
  assert_int_equal(e2b_terminal_resize(terminal, 77, 22), 0);
  viewer_types(it, "stty size\n");
  viewer_sees(it, "22 77\r\n");
  /* A character in two writes. */
  assert_int_equal(e2b_terminal_write(terminal, "echo [\xc3", 7), 0);
  assert_int_equal(e2b_terminal_write(terminal, "\xa9] e''nd\n", 9), 0);
  viewer_sees(it, "[\xc3\xa9] end\r\n");
  FAILS(E2B_EUNIMPLEMENTED, e2b_terminal_signal(terminal, SIGUSR1));
  viewer_types(it, "exit\n");
  sees_an_end(it);
}

static void listed_watched_and_killed(void **state) {
  (void)state;
  viewer *it = jupyter_viewer();
  e2b_terminal_t *terminal = viewer_opens(it);
  viewer_types(it, "echo sh''own\n");
  viewer_sees(it, "shown\r\n");
  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_JUPYTER;
  options.base_url = it->options.base_url;
  options.credential = it->options.credential;
  const e2b_terminal_list_t *list =
      e2b_future_terminal_list(OK(e2b_terminal_list(scene.sandbox, &options)));
  bool found = false;
  for (size_t i = 0; i < list->count; i++) {
    found |= strcmp(list->items[i].id, e2b_terminal_id(terminal)) == 0;
  }
  assert_true(found);
  viewer *other = jupyter_viewer();
  viewer_attaches(other, e2b_terminal_id(terminal));
  viewer_sees(other, "shown\r\n");
  viewer_types(other, "echo an''other\n");
  viewer_sees(it, "another\r\n");
  viewer_sees(other, "another\r\n");
  assert_true(YES(e2b_terminal_kill_by_id(scene.sandbox, e2b_terminal_id(terminal), &options)));
  sees_an_end(it);
  sees_an_end(other);
  assert_false(YES(e2b_terminal_kill_by_id(scene.sandbox, e2b_terminal_id(terminal), &options)));
  viewer *late = jupyter_viewer();
  FAILS(E2B_ENOTFOUND,
        e2b_terminal_get_by_id(scene.sandbox, e2b_terminal_id(terminal), &late->options));
}

static void a_wrong_token_is_said_so(void **state) {
  (void)state;
  static const char *const credentials[] = {NULL, "not-the-token"};
  for (unsigned i = 0; i < 2; i++) {
    viewer *it = jupyter_viewer();
    if (it->options.credential == NULL || *it->options.credential == '\0') {
      server_skip(&scene.server, "the Jupyter server wants no token");
    }
    it->options.credential = credentials[i];
    const e2b_error_t *error = FAILS(E2B_EAUTH, e2b_terminal_create(scene.sandbox, &it->options));
    assert_non_null(strstr(error->message, "`credential`"));
    FAILS(E2B_EAUTH, e2b_terminal_get_by_id(scene.sandbox, "e2b_none", &it->options));
    e2b_terminal_list_options options;
    E2B_INIT(&options);
    options.transport = E2B_TRANSPORT_JUPYTER;
    options.base_url = it->options.base_url;
    options.credential = it->options.credential;
    FAILS(E2B_EAUTH, e2b_terminal_list(scene.sandbox, &options));
    FAILS(E2B_EAUTH, e2b_terminal_kill_by_id(scene.sandbox, "e2b_none", &options));
  }
}

/* The server replays what it kept; what the user has seen of it is left out. */
static void output_goes_on_after_an_outage(void **state) {
  (void)state;
  viewer *it = jupyter_viewer();
  cutter_t *cutter = cutter_start(scene.loop, it->options.base_url);
  cutter_path(cutter, "GET /terminals/websocket");
  it->options.base_url = cutter_url(cutter);
  static const char *const args[] = {
      "-c", "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.01; done", NULL};
  it->options.program = "/bin/sh";
  it->options.args = args;
  viewer_opens(it);
  viewer_sees(it, "line 50\r\n");
  cutter_cut_now(cutter, CUT_RESET);
  viewer_sees(it, "line 150\r\n");
  cutter_cut_now(cutter, CUT_CLOSE);
  sees_an_end(it);
  char *expected = test_calloc(300, 12);
  size_t len = 0;
  for (unsigned i = 0; i < 300; i++) {
    len += (size_t)sprintf(expected + len, "line %u\r\n", i);
  }
  assert_int_equal(it->told.seen_len, len);
  assert_memory_equal(it->told.seen, expected, len);
  test_free(expected);
  assert_int_equal(it->told.lost, 2);
  assert_int_equal(it->told.restored, 2);
  assert_int_equal(it->told.gaps, 0);
  viewer_tidy(state);
  cutter_stop(cutter);
}

#define JUPYTER_TEST(test) cmocka_unit_test_setup_teardown(test, NULL, viewer_tidy)

static const struct CMUnitTest tests[] = {
    JUPYTER_TEST(a_short_program_loses_nothing),  JUPYTER_TEST(keys_signals_and_sizes),
    JUPYTER_TEST(listed_watched_and_killed),      JUPYTER_TEST(a_wrong_token_is_said_so),
    JUPYTER_TEST(output_goes_on_after_an_outage),
};

SCENE_RUN("terminal jupyter", tests)
