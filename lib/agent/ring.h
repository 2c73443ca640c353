/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_AGENT_RING_H
#define E2B_LIB_AGENT_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* The last bytes of an endless stream, found by their offset from its first. Memory is taken as it
 * fills, by doubling, so a terminal that shows a prompt and waits costs one page. */
typedef struct e2b__ring {
  unsigned char *data;
  size_t capacity; /* of data: 0, or a power of two */
  size_t limit;    /* of capacity: a power of two */
  uint64_t start;  /* of the oldest byte kept */
  uint64_t end;    /* behind the newest */
} e2b__ring_t;

enum { E2B__RING_SMALLEST = 4 << 10, E2B__RING_LARGEST = 1 << 30 };

/* `limit` is rounded up to a power of two between the two bounds. */
void e2b__ring_init(e2b__ring_t *ring, size_t limit);
void e2b__ring_free(e2b__ring_t *ring);
/* Where the next bytes go, in one or two pieces; returns how many fit, at most `most`; 0 only when
 * there is no memory at all. The oldest bytes are in the way once the limit is reached, and are
 * given up by commit, as many as were written. */
size_t e2b__ring_space(e2b__ring_t *ring, size_t most, struct iovec pieces[2]);
void e2b__ring_commit(e2b__ring_t *ring, size_t count);
/* The bytes from `offset` on (start <= offset <= end), in one or two pieces; returns how many, at
 * most `most`. A piece may be empty. */
size_t e2b__ring_peek(const e2b__ring_t *ring, uint64_t offset, size_t most,
                      struct iovec pieces[2]);

#endif
