/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_CUTTER_H
#define E2B_TESTS_SUPPORT_CUTTER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* A bad line to a server: forwards TCP connections on the loop of the test, and breaks those that
 * carry a terminal's WebSocket as it is told. Other connections are left alone. */

typedef struct cutter cutter_t;

typedef enum cut_kind {
  CUT_CLOSE, /* in order, both ways */
  CUT_RESET,
  CUT_SILENT, /* it stays open, and nothing passes any more */
  CUT_ANY     /* one of these */
} cut_kind;

/* Forwards to a server at "http://127.0.0.1:PORT". */
cutter_t *cutter_start(uv_loop_t *loop, const char *url);
void cutter_stop(cutter_t *cutter);
/* What a terminal's connection begins with; static. The agent's at first. */
void cutter_path(cutter_t *cutter, const char *path);
const char *cutter_url(const cutter_t *cutter);

/* The next `times` terminals' connections break after a random number of bytes to the client,
 * `most` at most and at the least 1; the handshake's count. */
void cutter_downwards(cutter_t *cutter, cut_kind kind, unsigned times, uint64_t most);
/* The same for bytes from the client. */
void cutter_upwards(cutter_t *cutter, cut_kind kind, unsigned times, uint64_t most);
/* The next connection breaks after `from` bytes to the client, the one after it a byte later, and
 * so on. */
void cutter_step_by_step(cutter_t *cutter, cut_kind kind, unsigned times, unsigned from);
/* All that are open now. */
void cutter_cut_now(cutter_t *cutter, cut_kind kind);
/* New ones are closed at once, until false. */
void cutter_refuse(cutter_t *cutter, bool refuse);

unsigned cutter_cuts(const cutter_t *cutter);

#endif
