/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_VIEWER_H
#define E2B_TESTS_SUPPORT_VIEWER_H

#include "support/scene.h"
#include "support/told.h"

/* Somebody in front of a terminal of the scene: remembers what it showed and what was told. */

typedef struct viewer {
  told_t told;              /* first */
  e2b_terminal_t *terminal; /* NULL until it is there */
  e2b_sandbox_t *sandbox;   /* the scene's at first */
  e2b_terminal_options options;
  size_t looked; /* viewer_sees() goes on from here */
  uint64_t bytes;
  bool forget; /* what it shows is counted, not kept */
  /* Called first in on_data, if set. */
  void (*on_data)(struct viewer *viewer, const char *data, size_t len);
  void *ctx;
} viewer;

/* Its options lead to this viewer; they may be changed before viewer_opens(). Given back by
 * viewer_tidy(). */
viewer *viewer_new(e2b_transport_t transport);
/* Waits until the terminal is there. */
e2b_terminal_t *viewer_opens(viewer *it);
e2b_terminal_t *viewer_attaches(viewer *it, const char *id);
/* The handle of a future that has succeeded. */
e2b_terminal_t *viewer_takes(viewer *it, e2b_future_t *future);
/* Types a text; it must be taken. */
void viewer_types(viewer *it, const char *text);
/* Waits until the text shows, behind what was looked for before. */
void viewer_sees(viewer *it, const char *text);
/* Waits for the last callback. */
void viewer_is_closed(viewer *it);
/* Waits for the program's end by itself, with that code. */
void viewer_sees_exit(viewer *it, int code);

/* After a test: releases all, then scene_tidy(). */
int viewer_tidy(void **state);

#endif
