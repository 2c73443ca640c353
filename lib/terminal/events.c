/* SPDX-License-Identifier: MIT */
#include "terminal/terminal.h"

/* What a transport tells, on its way to the user. Events come from the loop on a fresh stack, so
 * users are called from here without another turn through the queue. */

/* The user may close the terminal or give it up inside. Events go on while the transport that told
 * is still its terminal's. */
typedef struct visit {
  e2b_terminal_t *terminal;
  e2b__transport_t *transport;
} visit;

static visit enter(e2b_terminal_t *terminal) {
  const visit it = {terminal, terminal->transport};
  terminal->refs++;
  return it;
}

static bool leave(visit it) {
  const bool goes_on = it.terminal->transport == it.transport;
  e2b__terminal_drop(it.terminal);
  return goes_on;
}

static void call(e2b_terminal_t *terminal, e2b_terminal_cb callback) {
  if (callback == NULL) return;
  e2b__call_out_begin();
  callback(terminal, terminal->user_data);
  e2b__call_out_end();
}

static void yield(e2b_terminal_t *terminal) {
  e2b_future_t *future = terminal->starting;
  if (future == NULL) return;
  terminal->starting = NULL;
  terminal->yielded = true;
  terminal->handles++; /* the future's, with the memory reference that `starting` had */
  e2b__future_succeed(future, terminal, e2b__terminal_release_value);
}

/* `bytes` may be E2B_BYTES_UNKNOWN, which moves no offset. */
static void tell_gap(e2b_terminal_t *terminal, uint64_t bytes) {
  if (bytes == 0) return;
  if (terminal->on_gap != NULL) {
    e2b__call_out_begin();
    terminal->on_gap(terminal, bytes, terminal->user_data);
    e2b__call_out_end();
  }
  if (bytes != E2B_BYTES_UNKNOWN) terminal->offset += bytes;
}

static int keep_id(e2b_terminal_t *terminal, const char *id) {
  if (id == NULL || terminal->id != NULL) return 0;
  terminal->id = e2b__strdup(id);
  return terminal->id != NULL ? 0 : E2B_ENOMEM;
}

/* The first news of the program. */
static int begin(e2b_terminal_t *terminal, const e2b__terminal_opened_t *opened) {
  int rc = keep_id(terminal, opened->id);
  if (rc != 0) return rc;
  if (opened->pid != 0) terminal->pid = opened->pid;
  if (opened->cols != 0 && !terminal->resized) terminal->cols = opened->cols;
  if (opened->rows != 0 && !terminal->resized) terminal->rows = opened->rows;
  return 0;
}

bool e2b__terminal_opened(e2b_terminal_t *terminal, const e2b__terminal_opened_t *opened) {
  const visit it = enter(terminal);
  const bool again = terminal->state == E2B__TERMINAL_LOST;
  const int rc = begin(terminal, opened);
  if (rc != 0) {
    const e2b_error_t error = e2b__error(rc);
    e2b__terminal_conclude(terminal, &error, false);
    return leave(it);
  }
  terminal->state = E2B__TERMINAL_OPEN;
  terminal->opened_ms = uv_now(e2b__terminal_client(terminal)->loop);
  e2b__outage_pause(terminal);
  e2b__terminal_spec_free(terminal->spec);
  terminal->spec = NULL;
  yield(terminal);
  if (again) call(terminal, terminal->on_restored);
  if (terminal->transport == it.transport) tell_gap(terminal, opened->lost);
  if (terminal->transport == it.transport && terminal->resized) {
    terminal->resized = false;
    it.transport->ops->resize(it.transport);
  }
  if (terminal->transport == it.transport && terminal->paused)
    it.transport->ops->pause(it.transport);
  return leave(it);
}

bool e2b__terminal_data(e2b_terminal_t *terminal, const char *data, size_t len) {
  if (!terminal->steady) {
    terminal->steady = true;
    e2b__outage_free(terminal);
  }
  const visit it = enter(terminal);
  if (len > 0 && terminal->on_data != NULL) {
    e2b__call_out_begin();
    terminal->on_data(terminal, data, len, terminal->user_data);
    e2b__call_out_end();
  }
  terminal->offset += len;
  return leave(it);
}

bool e2b__terminal_gap(e2b_terminal_t *terminal, uint64_t bytes) {
  const visit it = enter(terminal);
  tell_gap(terminal, bytes);
  return leave(it);
}

bool e2b__terminal_room(e2b_terminal_t *terminal) {
  if (!terminal->steady) {
    terminal->steady = true;
    e2b__outage_free(terminal);
  }
  if (!terminal->refused) return true;
  e2b__transport_t *transport = terminal->transport;
  if (transport->ops->waiting(transport) > terminal->write_limit / 2) return true;
  terminal->refused = false;
  const visit it = enter(terminal);
  call(terminal, terminal->on_drain);
  return leave(it);
}

bool e2b__terminal_failed(e2b_terminal_t *terminal, const e2b_error_t *error, bool final) {
  const visit it = enter(terminal);
  const bool starting = terminal->state == E2B__TERMINAL_STARTING;
  if (starting && error->code == E2B_EUNIMPLEMENTED) {
    const int rc = e2b__terminal_fall_back(terminal);
    if (rc == 0) return leave(it);
    if (rc != E2B_EUNIMPLEMENTED) {
      const e2b_error_t other = e2b__error(rc);
      e2b__terminal_conclude(terminal, &other, false);
      return leave(it);
    }
  }
  if (final) {
    e2b__terminal_conclude(terminal, error, false);
  } else {
    e2b__terminal_retry(terminal, error);
  }
  return leave(it);
}

void e2b__terminal_exited(e2b_terminal_t *terminal, const e2b_terminal_exit_t *exit) {
  const visit it = enter(terminal);
  terminal->exit = *exit;
  terminal->exited = true;
  if (terminal->on_exit != NULL) {
    e2b__call_out_begin();
    terminal->on_exit(terminal, &terminal->exit, terminal->user_data);
    e2b__call_out_end();
  }
  e2b__terminal_conclude(terminal, NULL, false);
  leave(it);
}
