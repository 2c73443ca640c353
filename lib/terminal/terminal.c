/* SPDX-License-Identifier: MIT */
#include "terminal/terminal.h"

#include <signal.h>

/* The handle: references, what users do with it, its end. */

enum { WRITE_LIMIT = 1 << 20, RECONNECT_MS = 300000 };

typedef struct waiter {
  e2b__list_t node;
  e2b_terminal_t *terminal;
  e2b_future_t *future;
} waiter;

/* Of a terminal whose failure there was no memory to keep. */
static e2b__terminal_failure_t no_memory;

/* --- references ------------------------------------------------------------------------------- */

static void on_closed_task(e2b__task_t *task) {
  e2b_terminal_t *terminal = E2B__CONTAINER(task, e2b_terminal_t, closed_task);
  const e2b_error_t *error = terminal->failure != NULL ? &terminal->failure->error : NULL;
  if (terminal->on_closed != NULL) {
    e2b__call_out_begin();
    terminal->on_closed(terminal, error, terminal->user_data);
    e2b__call_out_end();
  }
  e2b__terminal_drop(terminal);
}

static void on_stalled_task(e2b__task_t *task) {
  e2b_terminal_t *terminal = E2B__CONTAINER(task, e2b_terminal_t, stalled_task);
  if (terminal->state == E2B__TERMINAL_OPEN) terminal->transport->ops->go_on(terminal->transport);
  e2b__terminal_drop(terminal);
}

void e2b__terminal_stalled(e2b_terminal_t *terminal) {
  if (!e2b__list_empty(&terminal->stalled_task.node)) return;
  terminal->refs++;
  e2b__queue_push(&e2b__terminal_client(terminal)->queue, &terminal->stalled_task);
}

static void on_client_close(e2b__guest_t *guest) {
  e2b_terminal_t *terminal = E2B__CONTAINER(guest, e2b_terminal_t, guest);
  e2b__list_init(&guest->node);
  terminal->refs++;
  /* Futures are decided by the queue, each with its own reference. */
  terminal->state = E2B__TERMINAL_OVER;
  e2b__outage_free(terminal);
  if (terminal->transport != NULL)
    terminal->transport->ops->close(terminal->transport, E2B_ECLOSED);
  terminal->transport = NULL;
  if (terminal->yielded) {
    terminal->refs++;
    e2b__queue_push(&e2b__terminal_client(terminal)->queue, &terminal->closed_task);
  }
  e2b__terminal_drop(terminal);
}

e2b_terminal_t *e2b__terminal_new(e2b_sandbox_t *sandbox, const e2b_terminal_options *options) {
  e2b_terminal_t *terminal = e2b__calloc_aligned(sizeof *terminal);
  if (terminal == NULL) return NULL;
  terminal->refs = 1;
  terminal->sandbox = e2b_sandbox_acquire(sandbox);
  terminal->state = E2B__TERMINAL_STARTING;
  terminal->cols = options->cols;
  terminal->rows = options->rows;
  terminal->guest.on_client_close = on_client_close;
  e2b__guest_add(sandbox->client, &terminal->guest);
  e2b__list_init(&terminal->waiters);
  e2b__task_init(&terminal->closed_task, on_closed_task);
  e2b__task_init(&terminal->stalled_task, on_stalled_task);
  terminal->exit.exit_code = -1;
  terminal->write_limit = options->write_limit != 0 ? options->write_limit : WRITE_LIMIT;
  terminal->reconnect_ms = options->reconnect_ms != 0 ? options->reconnect_ms : RECONNECT_MS;
  terminal->on_data = options->on_data;
  terminal->on_gap = options->on_gap;
  terminal->on_exit = options->on_exit;
  terminal->on_lost = options->on_lost;
  terminal->on_restored = options->on_restored;
  terminal->on_drain = options->on_drain;
  terminal->on_closed = options->on_closed;
  terminal->user_data = options->user_data;
  return terminal;
}

void e2b__terminal_drop(e2b_terminal_t *terminal) {
  if (--terminal->refs > 0) return;
  e2b__list_remove(&terminal->guest.node);
  e2b__terminal_spec_free(terminal->spec);
  e2b__outage_free(terminal);
  if (terminal->failure != NULL && terminal->failure != &no_memory) {
    e2b__arena_free(&terminal->failure->arena);
    e2b__free(terminal->failure);
  }
  e2b__free(terminal->id);
  e2b_sandbox_release(terminal->sandbox);
  e2b__free_aligned(terminal);
}

e2b_terminal_t *e2b_terminal_acquire(e2b_terminal_t *terminal) {
  if (terminal != NULL) {
    terminal->handles++;
    terminal->refs++;
  }
  return terminal;
}

void e2b__terminal_leave_if_unwanted(e2b_terminal_t *terminal) {
  if (terminal->handles == 0 && terminal->waiting == 0 && terminal->starting == NULL) {
    e2b__terminal_conclude(terminal, NULL, true);
  }
}

void e2b_terminal_release(e2b_terminal_t *terminal) {
  if (terminal == NULL) return;
  terminal->handles--;
  e2b__terminal_leave_if_unwanted(terminal);
  e2b__terminal_drop(terminal);
}

void e2b__terminal_release_value(void *terminal) {
  e2b_terminal_release(terminal);
}

e2b_terminal_t *e2b_future_terminal(const e2b_future_t *future) {
  const e2b_terminal_t *terminal = e2b__future_value(future, E2B__KIND_TERMINAL);
  return e2b_terminal_acquire((e2b_terminal_t *)terminal);
}

/* --- accessors -------------------------------------------------------------------------------- */

const char *e2b_terminal_id(const e2b_terminal_t *terminal) {
  return terminal != NULL && terminal->id != NULL ? terminal->id : "";
}

uint32_t e2b_terminal_pid(const e2b_terminal_t *terminal) {
  return terminal != NULL ? terminal->pid : 0;
}

uint16_t e2b_terminal_cols(const e2b_terminal_t *terminal) {
  return terminal != NULL ? terminal->cols : 0;
}

uint16_t e2b_terminal_rows(const e2b_terminal_t *terminal) {
  return terminal != NULL ? terminal->rows : 0;
}

e2b_transport_t e2b_terminal_transport(const e2b_terminal_t *terminal) {
  return terminal != NULL ? terminal->kind : E2B_TRANSPORT_AUTO;
}

uint64_t e2b_terminal_offset(const e2b_terminal_t *terminal) {
  return terminal != NULL ? terminal->offset : 0;
}

size_t e2b_terminal_pending_bytes(const e2b_terminal_t *terminal) {
  const e2b__transport_t *transport = terminal != NULL ? terminal->transport : NULL;
  return transport != NULL ? transport->ops->waiting(transport) : 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void release_exit_value(void *value) {
  e2b__terminal_drop(E2B__CONTAINER(value, e2b_terminal_t, exit));
}

const e2b_terminal_exit_t *e2b_future_terminal_exit(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_TERMINAL_EXIT);
}

static void tell(e2b_terminal_t *terminal, e2b_future_t *future) {
  if (terminal->exited) {
    terminal->refs++;
    e2b__future_succeed(future, &terminal->exit, release_exit_value);
  } else if (terminal->failure != NULL) {
    e2b__future_fail(future, &terminal->failure->error);
  } else {
    e2b__future_fail_text(future, E2B_ECANCELED, "the terminal was closed");
  }
}

static void keep_failure(e2b_terminal_t *terminal, const e2b_error_t *error) {
  terminal->failure = e2b__calloc(1, sizeof *terminal->failure);
  if (terminal->failure != NULL) {
    terminal->failure->error = e2b__error_copy(&terminal->failure->arena, error);
  } else {
    no_memory.error = e2b__error(E2B_ENOMEM);
    terminal->failure = &no_memory;
  }
}

void e2b__terminal_conclude(e2b_terminal_t *terminal, const e2b_error_t *error, bool detached) {
  if (terminal->state == E2B__TERMINAL_OVER) return;
  terminal->refs++;
  if (error != NULL && !terminal->exited && !detached) keep_failure(terminal, error);
  terminal->state = E2B__TERMINAL_OVER;
  e2b__list_remove(&terminal->guest.node);
  e2b__outage_free(terminal);
  e2b__transport_t *transport = terminal->transport;
  terminal->transport = NULL;
  if (transport != NULL)
    transport->ops->close(transport, error != NULL ? error->code : E2B_ECANCELED);
  if (terminal->starting != NULL) {
    e2b_future_t *future = terminal->starting;
    terminal->starting = NULL;
    e2b__future_fail(future, error);
    e2b__terminal_drop(terminal);
  }
  e2b__list_t *node;
  while ((node = e2b__list_take(&terminal->waiters)) != NULL) {
    waiter *entry = E2B__CONTAINER(node, waiter, node);
    terminal->waiting--;
    tell(terminal, entry->future);
    e2b__free(entry);
    e2b__terminal_drop(terminal);
  }
  if (terminal->yielded) {
    terminal->refs++;
    e2b__queue_push(&e2b__terminal_client(terminal)->queue, &terminal->closed_task);
  }
  e2b__terminal_drop(terminal);
}

void e2b_terminal_close(e2b_terminal_t *terminal) {
  if (terminal != NULL) e2b__terminal_conclude(terminal, NULL, true);
}

static void abandon_wait(void *work) {
  waiter *entry = work;
  e2b_terminal_t *terminal = entry->terminal;
  e2b__list_remove(&entry->node);
  terminal->waiting--;
  e2b__free(entry);
  e2b__terminal_leave_if_unwanted(terminal);
  e2b__terminal_drop(terminal);
}

e2b_future_t *e2b_terminal_wait(e2b_terminal_t *terminal) {
  if (terminal == NULL) return NULL;
  e2b_future_t *future = e2b__future_new(&e2b__terminal_client(terminal)->queue,
                                         E2B__KIND_TERMINAL_EXIT, "e2b_terminal_wait");
  if (future == NULL || e2b_future_is_done(future)) return future;
  if (terminal->state == E2B__TERMINAL_OVER || terminal->exited) {
    tell(terminal, future);
    return future;
  }
  waiter *entry = e2b__malloc(sizeof *entry);
  if (entry == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  entry->terminal = terminal;
  entry->future = future;
  e2b__list_append(&terminal->waiters, &entry->node);
  terminal->waiting++;
  terminal->refs++;
  e2b__future_bind(future, abandon_wait, entry);
  return future;
}

/* --- what users do with it -------------------------------------------------------------------- */

size_t e2b__terminal_waiting(const e2b_terminal_t *terminal) {
  const e2b__transport_t *transport = terminal->transport;
  return transport != NULL && !terminal->exited ? transport->ops->waiting(transport) : 0;
}

int e2b_terminal_write(e2b_terminal_t *terminal, const void *data, size_t len) {
  if (terminal == NULL) return E2B_ENOMEM;
  if (data == NULL && len > 0) return E2B_EINVAL;
  if (terminal->transport == NULL || terminal->exited) return E2B_ECLOSED;
  if (len == 0) return 0; /* ttyd's server dies of an empty message (protocol 7.0) */
  e2b__transport_t *transport = terminal->transport;
  const size_t waiting = transport->ops->waiting(transport);
  if (waiting > 0 && (waiting > terminal->write_limit || len > terminal->write_limit - waiting)) {
    terminal->refused = true;
    return E2B_EAGAIN;
  }
  return transport->ops->write(transport, data, len);
}

int e2b_terminal_resize(e2b_terminal_t *terminal, uint16_t cols, uint16_t rows) {
  if (terminal == NULL) return E2B_ENOMEM;
  if (cols == 0 || rows == 0) return E2B_EINVAL;
  if (terminal->transport == NULL) return E2B_ECLOSED;
  terminal->cols = cols;
  terminal->rows = rows;
  terminal->resized = true;
  if (terminal->state != E2B__TERMINAL_OPEN) return 0;
  terminal->resized = false;
  return terminal->transport->ops->resize(terminal->transport);
}

e2b_future_t *e2b__terminal_type_signal(e2b__transport_t *transport, int signal_number,
                                        const char *name) {
  e2b_future_t *future =
      e2b__future_new(&e2b__terminal_client(transport->terminal)->queue, E2B__KIND_BOOL, name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  const char *key = signal_number == SIGINT    ? "\x03"
                    : signal_number == SIGQUIT ? "\x1c"
                    : signal_number == SIGTSTP ? "\x1a"
                                               : NULL;
  const int rc = key != NULL ? transport->ops->write(transport, key, 1) : E2B_EUNIMPLEMENTED;
  if (rc == 0) {
    e2b__future_succeed_number(future, 1);
  } else {
    e2b__future_fail_text(future, rc, "%s", e2b_code_text(rc));
  }
  return future;
}

static e2b_future_t *send_signal(e2b_terminal_t *terminal, int signal_number, const char *name) {
  if (terminal == NULL) return NULL;
  if (terminal->transport != NULL && !terminal->exited && signal_number > 0 &&
      signal_number <= 64) {
    return terminal->transport->ops->signal(terminal->transport, signal_number, name);
  }
  e2b_future_t *future =
      e2b__future_new(&e2b__terminal_client(terminal)->queue, E2B__KIND_BOOL, name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  if (signal_number <= 0 || signal_number > 64) {
    e2b__future_fail_text(future, E2B_EINVAL, "invalid argument: signal %d", signal_number);
  } else if (terminal->exited) {
    e2b__future_succeed_number(future, 0);
  } else if (terminal->failure != NULL) {
    e2b__future_fail(future, &terminal->failure->error);
  } else {
    e2b__future_fail_text(future, E2B_ECANCELED, "the terminal was closed");
  }
  return future;
}

e2b_future_t *e2b_terminal_signal(e2b_terminal_t *terminal, int signal_number) {
  return send_signal(terminal, signal_number, "e2b_terminal_signal");
}

e2b_future_t *e2b_terminal_kill(e2b_terminal_t *terminal) {
  return send_signal(terminal, SIGKILL, "e2b_terminal_kill");
}

void e2b_terminal_pause(e2b_terminal_t *terminal) {
  if (terminal == NULL || terminal->paused) return;
  terminal->paused = true;
  if (terminal->state == E2B__TERMINAL_OPEN) terminal->transport->ops->pause(terminal->transport);
}

void e2b_terminal_resume(e2b_terminal_t *terminal) {
  if (terminal == NULL || !terminal->paused) return;
  terminal->paused = false;
  if (terminal->state == E2B__TERMINAL_OPEN) terminal->transport->ops->resume(terminal->transport);
}
