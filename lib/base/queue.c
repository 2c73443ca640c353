/* SPDX-License-Identifier: MIT */
#include "base/queue.h"

_Thread_local unsigned e2b__call_out_depth;

bool e2b__calling_out(void) {
  return e2b__call_out_depth > 0;
}

void e2b__queue_init(e2b__queue_t *queue, const e2b__queue_ops_t *ops) {
  memset(queue, 0, sizeof *queue);
  queue->ops = ops;
  queue->refs = 1;
  e2b__list_init(&queue->tasks);
  e2b__list_init(&queue->pending);
  e2b__list_init(&queue->owed);
}

void e2b__queue_acquire(e2b__queue_t *queue) {
  queue->refs++;
}

void e2b__queue_release(e2b__queue_t *queue) {
  if (--queue->refs == 0) queue->ops->free(queue);
}

void e2b__task_init(e2b__task_t *task, void (*run)(e2b__task_t *task)) {
  e2b__list_init(&task->node);
  task->run = run;
}

void e2b__queue_push(e2b__queue_t *queue, e2b__task_t *task) {
  if (!e2b__list_empty(&task->node)) return;
  bool was_empty = e2b__list_empty(&queue->tasks);
  e2b__list_append(&queue->tasks, &task->node);
  if (was_empty) queue->ops->wake(queue);
}

void e2b__queue_cancel(e2b__task_t *task) {
  e2b__list_remove(&task->node);
}

bool e2b__queue_drain(e2b__queue_t *queue, size_t most) {
  e2b__list_t *node;
  while (most-- > 0 && (node = e2b__list_take(&queue->tasks)) != NULL) {
    e2b__task_t *task = E2B__CONTAINER(node, e2b__task_t, node);
    task->run(task);
  }
  return !e2b__list_empty(&queue->tasks);
}
