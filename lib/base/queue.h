/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_BASE_QUEUE_H
#define E2B_LIB_BASE_QUEUE_H

#include <stdbool.h>

#include "base/alloc.h"
#include "base/list.h"

/* The completion queue: the one place from which users are called about things that ended. Filled
 * from anywhere on the loop's thread, drained by the loop on a fresh stack, in bounded batches.
 * It knows no loop; its owner gives it two functions. The owner embeds it and lives as long as it
 * has references, because futures outlive clients. */

typedef struct e2b__task {
  e2b__list_t node;
  void (*run)(struct e2b__task *task);
} e2b__task_t;

typedef struct e2b__queue e2b__queue_t;

typedef struct e2b__queue_ops {
  void (*wake)(e2b__queue_t *queue); /* tasks wait: drain soon, from the loop */
  /* Turns the loop once, `timeout_ms` at most. Nonzero when it cannot. */
  int (*turn)(e2b__queue_t *queue, uint64_t timeout_ms);
  void (*free)(e2b__queue_t *queue); /* the last reference is gone */
} e2b__queue_ops_t;

struct e2b__queue {
  const e2b__queue_ops_t *ops;
  e2b__list_t tasks;
  e2b__list_t pending; /* futures that are not decided */
  e2b__list_t owed;    /* of these, the ones that the closing leaves alone */
  unsigned refs;
  bool closing; /* new futures fail with E2B_ECLOSED */
  bool closed;  /* nothing will be drained any more */
  size_t pending_count;
  uint64_t decided_count;
};

void e2b__queue_init(e2b__queue_t *queue, const e2b__queue_ops_t *ops); /* one reference */
void e2b__queue_acquire(e2b__queue_t *queue);
void e2b__queue_release(e2b__queue_t *queue);

void e2b__task_init(e2b__task_t *task, void (*run)(e2b__task_t *task));
/* Adds a task unless it waits already. */
void e2b__queue_push(e2b__queue_t *queue, e2b__task_t *task);
/* Takes a task out if it waits. */
void e2b__queue_cancel(e2b__task_t *task);
/* Runs up to `most` of the tasks that wait now; nonzero when some are left. */
bool e2b__queue_drain(e2b__queue_t *queue, size_t most);

/* Per thread, not per client: a wait inside a callback turns the loop again whichever client the
 * callback came from. */
extern _Thread_local unsigned e2b__call_out_depth;

/* Every call into a user's function stands between these two. */
static inline void e2b__call_out_begin(void) {
  e2b__call_out_depth++;
}

static inline void e2b__call_out_end(void) {
  e2b__call_out_depth--;
}

/* Nonzero while this thread is inside a user's function called by the library. */
bool e2b__calling_out(void);

#endif
