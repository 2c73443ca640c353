/* SPDX-License-Identifier: MIT */
#include "agent/ring.h"

#include "base/alloc.h"

/* Below this much free space the ring grows, so that reads are not cut into crumbs. */
enum { LEAST_FREE = 1 << 10 };

void e2b__ring_init(e2b__ring_t *ring, size_t limit) {
  size_t rounded = E2B__RING_SMALLEST;
  while (rounded < limit && rounded < E2B__RING_LARGEST)
    rounded *= 2;
  *ring = (e2b__ring_t){NULL, 0, rounded, 0, 0};
}

void e2b__ring_free(e2b__ring_t *ring) {
  e2b__free(ring->data);
  ring->data = NULL;
  ring->capacity = 0;
  ring->start = ring->end;
}

/* `len` bytes at `offset` of a ring of that capacity, in pieces. */
static void cut(unsigned char *data, size_t capacity, uint64_t offset, size_t len,
                struct iovec pieces[2]) {
  size_t at = (size_t)(offset & (capacity - 1));
  size_t first = capacity - at < len ? capacity - at : len;
  pieces[0] = (struct iovec){data + at, first};
  pieces[1] = (struct iovec){data, len - first};
}

static void grow(e2b__ring_t *ring) {
  size_t capacity = ring->capacity > 0 ? ring->capacity * 2 : E2B__RING_SMALLEST;
  unsigned char *data = e2b__malloc(capacity);
  if (data == NULL) return; /* what is there goes on, smaller */
  uint64_t offset = ring->start;
  while (offset < ring->end) {
    struct iovec from[2], to[2];
    size_t len = (size_t)(ring->end - offset);
    cut(ring->data, ring->capacity, offset, len, from);
    cut(data, capacity, offset, from[0].iov_len, to);
    memcpy(to[0].iov_base, from[0].iov_base, to[0].iov_len);
    memcpy(to[1].iov_base, (unsigned char *)from[0].iov_base + to[0].iov_len, to[1].iov_len);
    offset += from[0].iov_len;
  }
  e2b__free(ring->data);
  ring->data = data;
  ring->capacity = capacity;
}

size_t e2b__ring_space(e2b__ring_t *ring, size_t most, struct iovec pieces[2]) {
  size_t available = ring->capacity - (size_t)(ring->end - ring->start);
  if (available < LEAST_FREE && available < most && ring->capacity < ring->limit) {
    grow(ring);
    available = ring->capacity - (size_t)(ring->end - ring->start);
  }
  if (ring->capacity == 0) return 0;
  if (available == 0 || ring->capacity == ring->limit) available = ring->capacity;
  if (most > available) most = available;
  cut(ring->data, ring->capacity, ring->end, most, pieces);
  return most;
}

void e2b__ring_commit(e2b__ring_t *ring, size_t count) {
  ring->end += count;
  if (ring->end - ring->start > ring->capacity) ring->start = ring->end - ring->capacity;
}

size_t e2b__ring_peek(const e2b__ring_t *ring, uint64_t offset, size_t most,
                      struct iovec pieces[2]) {
  uint64_t have = ring->end - offset;
  if (most > have) most = (size_t)have;
  if (most == 0) {
    pieces[0] = pieces[1] = (struct iovec){NULL, 0};
    return 0;
  }
  cut(ring->data, ring->capacity, offset, most, pieces);
  return most;
}
