/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_FLOW_H
#define E2B_LIB_AGENT_FLOW_H

#include <stdbool.h>

#include "agent/ring.h"
#include "base/buffer.h"

/* The arithmetic of one viewer: how much output it may be sent, what it has missed, and how much of
 * its input has been accepted. No socket and no clock. */

typedef struct e2b__flow {
  uint64_t acked; /* output up to here has been taken, or is gone */
  uint64_t sent;  /* output up to here is on its way */
} e2b__flow_t;

/* Begins at `offset`, or at the oldest byte when that is gone; returns how many are gone. */
uint64_t e2b__flow_begin(e2b__flow_t *flow, const e2b__ring_t *ring, uint64_t offset);
/* How much may be sent now: half a ring beyond what was acknowledged. Nothing while a gap has not
 * been told. */
size_t e2b__flow_sendable(const e2b__flow_t *flow, const e2b__ring_t *ring);
/* How many bytes were overwritten before they could be sent. When there are any and the window is
 * open, moves on to the oldest byte kept, as if all before had been acknowledged. */
uint64_t e2b__flow_gap(e2b__flow_t *flow, const e2b__ring_t *ring);
/* False for more than was sent. *progress: the window has moved. */
bool e2b__flow_ack(e2b__flow_t *flow, uint64_t offset, bool *progress);
/* How many bytes may be read into the ring without overwriting what a viewer that acknowledged up
 * to `acked` has not. */
size_t e2b__flow_room(const e2b__ring_t *ring, uint64_t acked);

enum { E2B__INPUT_WINDOW = 64 << 10 };

/* A writer's input, counted from its first byte. One window of it is accepted: ours to deliver
 * whatever becomes of the connection. A second may have come, and waits behind. */
typedef struct e2b__input {
  e2b__buffer_t queue;
  size_t at; /* of the queue's first byte in its buffer */
  uint64_t received;
} e2b__input_t;

void e2b__input_init(e2b__input_t *input);
void e2b__input_free(e2b__input_t *input);
uint64_t e2b__input_accepted(const e2b__input_t *input);
/* Whether that much more keeps to the window. */
bool e2b__input_fits(const e2b__input_t *input, size_t len);
/* Counts input that was delivered without a stay in the queue, which must be empty. */
void e2b__input_pass(e2b__input_t *input, size_t len);
/* 0 or E2B_ENOMEM. */
int e2b__input_append(e2b__input_t *input, const void *data, size_t len);
const char *e2b__input_peek(const e2b__input_t *input, size_t *len);
void e2b__input_drain(e2b__input_t *input, size_t count);
/* The connection is gone: what was not accepted counts as never sent. */
void e2b__input_cut(e2b__input_t *input);

#endif
