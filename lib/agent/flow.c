/* SPDX-License-Identifier: MIT */
#include "agent/flow.h"

uint64_t e2b__flow_begin(e2b__flow_t *flow, const e2b__ring_t *ring, uint64_t offset) {
  uint64_t lost = offset < ring->start ? ring->start - offset : 0;
  flow->acked = flow->sent = offset + lost;
  return lost;
}

static uint64_t window_left(const e2b__flow_t *flow, const e2b__ring_t *ring) {
  uint64_t window = ring->limit / 2, outstanding = flow->sent - flow->acked;
  return outstanding < window ? window - outstanding : 0;
}

size_t e2b__flow_sendable(const e2b__flow_t *flow, const e2b__ring_t *ring) {
  uint64_t left = window_left(flow, ring), have = ring->end - flow->sent;
  if (flow->sent < ring->start) return 0;
  return (size_t)(have < left ? have : left);
}

uint64_t e2b__flow_gap(e2b__flow_t *flow, const e2b__ring_t *ring) {
  if (flow->sent >= ring->start || window_left(flow, ring) == 0) return 0;
  return e2b__flow_begin(flow, ring, flow->sent);
}

bool e2b__flow_ack(e2b__flow_t *flow, uint64_t offset, bool *progress) {
  *progress = false;
  if (offset > flow->sent) return false;
  if (offset > flow->acked) {
    *progress = true;
    flow->acked = offset;
  }
  return true;
}

size_t e2b__flow_room(const e2b__ring_t *ring, uint64_t acked) {
  if (acked < ring->start) acked = ring->start;
  return (size_t)(acked + ring->limit - ring->end);
}

/* ---- input ---- */

void e2b__input_init(e2b__input_t *input) {
  e2b__buffer_init(&input->queue, 2 * E2B__INPUT_WINDOW);
  input->at = 0;
  input->received = 0;
}

void e2b__input_free(e2b__input_t *input) {
  e2b__buffer_free(&input->queue);
  input->at = 0;
}

static size_t queued(const e2b__input_t *input) {
  return input->queue.len - input->at;
}

uint64_t e2b__input_accepted(const e2b__input_t *input) {
  size_t waiting = queued(input);
  return input->received - (waiting > E2B__INPUT_WINDOW ? waiting - E2B__INPUT_WINDOW : 0);
}

bool e2b__input_fits(const e2b__input_t *input, size_t len) {
  return len <= E2B__INPUT_WINDOW - (size_t)(input->received - e2b__input_accepted(input));
}

void e2b__input_pass(e2b__input_t *input, size_t len) {
  input->received += len;
}

int e2b__input_append(e2b__input_t *input, const void *data, size_t len) {
  if (input->at > 0) {
    e2b__buffer_consume(&input->queue, input->at);
    input->at = 0;
  }
  int rc = e2b__buffer_append(&input->queue, data, len);
  if (rc == 0) input->received += len;
  return rc;
}

const char *e2b__input_peek(const e2b__input_t *input, size_t *len) {
  *len = queued(input);
  return *len > 0 ? input->queue.data + input->at : NULL;
}

void e2b__input_drain(e2b__input_t *input, size_t count) {
  input->at += count;
  /* Typing is rare: an idle terminal keeps no buffer for it. */
  if (input->at == input->queue.len) e2b__input_free(input);
}

void e2b__input_cut(e2b__input_t *input) {
  uint64_t accepted = e2b__input_accepted(input);
  e2b__buffer_truncate(&input->queue, input->queue.len - (size_t)(input->received - accepted));
  input->received = accepted;
}
