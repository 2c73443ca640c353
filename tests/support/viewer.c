/* SPDX-License-Identifier: MIT */
#include "support/viewer.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static viewer *viewers[MOST];
static size_t count;

static void on_data(e2b_terminal_t *terminal, const char *data, size_t len, void *user_data) {
  viewer *it = user_data;
  (void)terminal;
  it->bytes += len;
  if (it->on_data != NULL) it->on_data(it, data, len);
  if (it->forget) return;
  told_output(&it->told, data, len);
}

viewer *viewer_new(e2b_transport_t transport) {
  assert_true(count < MOST);
  viewer *it = calloc(1, sizeof *it);
  assert_non_null(it);
  viewers[count++] = it;
  it->sandbox = scene.sandbox;
  E2B_INIT(&it->options);
  it->options.transport = transport;
  told_by(&it->told, &it->options);
  it->options.on_data = on_data;
  return it;
}

e2b_terminal_t *viewer_takes(viewer *it, e2b_future_t *future) {
  it->terminal = e2b_future_terminal(future);
  assert_non_null(it->terminal);
  return it->terminal;
}

e2b_terminal_t *viewer_opens(viewer *it) {
  return viewer_takes(it, OK(e2b_terminal_create(it->sandbox, &it->options)));
}

e2b_terminal_t *viewer_attaches(viewer *it, const char *id) {
  return viewer_takes(it, OK(e2b_terminal_get_by_id(it->sandbox, id, &it->options)));
}

void viewer_types(viewer *it, const char *text) {
  assert_int_equal(e2b_terminal_write(it->terminal, text, strlen(text)), 0);
}

void viewer_sees(viewer *it, const char *text) {
  for (unsigned tries = 0;; tries++) {
    const char *found =
        it->told.seen_len > it->looked
            ? memmem(it->told.seen + it->looked, it->told.seen_len - it->looked, text, strlen(text))
            : NULL;
    if (found != NULL) {
      it->looked = (size_t)(found - it->told.seen) + strlen(text);
      return;
    }
    if (it->told.closed > 0 || tries * PACE_MS > LONG_ENOUGH_MS - 1000) {
      print_error("waited for: %s\n  saw: %s\n", text,
                  it->told.seen != NULL ? it->told.seen : "nothing");
      fail();
    }
    scene_pace(tries);
  }
}

void viewer_is_closed(viewer *it) {
  for (unsigned tries = 0; it->told.closed == 0; tries++) {
    scene_pace(tries);
  }
  assert_int_equal(it->told.closed, 1);
}

void viewer_sees_exit(viewer *it, int code) {
  viewer_is_closed(it);
  assert_int_equal(it->told.closed_code, 0);
  assert_int_equal(it->told.exits, 1);
  assert_true(it->told.exit.known);
  if (it->told.exit.signal != 0) print_error("signal %d\n", it->told.exit.signal);
  assert_int_equal(it->told.exit.exit_code, code);
  assert_int_equal(it->told.exit.signal, 0);
}

int viewer_tidy(void **state) {
  /* The programs would run on. */
  for (size_t i = 0; i < count; i++) {
    if (viewers[i]->terminal != NULL) scene_keep(e2b_terminal_kill(viewers[i]->terminal));
  }
  for (size_t i = 0; i < count; i++) {
    if (viewers[i]->terminal != NULL) viewer_is_closed(viewers[i]);
    e2b_terminal_release(viewers[i]->terminal);
    viewers[i]->terminal = NULL;
  }
  const int rc = scene_tidy(state);
  while (count > 0) {
    viewer *it = viewers[--count];
    told_free(&it->told);
    free(it);
  }
  return rc;
}
