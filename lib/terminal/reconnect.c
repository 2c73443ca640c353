/* SPDX-License-Identifier: MIT */
#include "net/delay.h"
#include "net/retry.h"
#include "terminal/terminal.h"

/* Outages. One begins when a connection is lost (or the first one is not had), and its time runs
 * until bytes have come again, or the connection has held for a while: a server that takes
 * connections only to drop them does not begin a new account each time. Attempts follow each other
 * at growing, random distances, so that clients that were lost together do not come back together.
 */

enum { STEADY_MS = 10000 };

struct e2b__outage {
  e2b__delay_t *delay; /* until the next attempt */
  uint64_t began_ms;
  unsigned attempts;
};

void e2b__outage_pause(e2b_terminal_t *terminal) {
  if (terminal->outage == NULL) return;
  if (terminal->outage->delay != NULL) e2b__delay_cancel(terminal->outage->delay);
  terminal->outage->delay = NULL;
}

void e2b__outage_free(e2b_terminal_t *terminal) {
  e2b__outage_pause(terminal);
  e2b__free(terminal->outage);
  terminal->outage = NULL;
}

static void on_delay(void *ctx) {
  e2b_terminal_t *terminal = ctx;
  terminal->outage->delay = NULL;
  const int rc = terminal->transport->ops->open(terminal->transport);
  if (rc == 0) return;
  const e2b_error_t error = e2b__error(rc);
  e2b__terminal_failed(terminal, &error, rc != E2B_ENOMEM);
}

/* How long an outage may last. */
static uint64_t budget_ms(const e2b_terminal_t *terminal) {
  return terminal->state == E2B__TERMINAL_STARTING
             ? e2b__terminal_client(terminal)->config.request_timeout_ms
             : terminal->reconnect_ms;
}

static void give_up(e2b_terminal_t *terminal, const e2b_error_t *error) {
  e2b_error_t last = *error;
  last.attempts = terminal->outage != NULL ? terminal->outage->attempts : 0;
  e2b__terminal_conclude(terminal, &last, false);
}

static bool begin_outage(e2b_terminal_t *terminal, uint64_t now_ms) {
  const bool held = terminal->state == E2B__TERMINAL_OPEN &&
                    (terminal->steady || now_ms - terminal->opened_ms >= STEADY_MS);
  if (terminal->outage != NULL && !held) return true; /* the same one goes on */
  if (terminal->outage == NULL) terminal->outage = e2b__calloc(1, sizeof *terminal->outage);
  if (terminal->outage == NULL) return false;
  terminal->outage->began_ms = now_ms;
  terminal->outage->attempts = 0;
  return true;
}

void e2b__terminal_retry(e2b_terminal_t *terminal, const e2b_error_t *error) {
  e2b_client_t *client = e2b__terminal_client(terminal);
  const bool lost = terminal->state == E2B__TERMINAL_OPEN;
  uv_update_time(client->loop);
  const uint64_t now_ms = uv_now(client->loop);
  const bool begun = begin_outage(terminal, now_ms);
  terminal->steady = false;
  if (lost) {
    terminal->state = E2B__TERMINAL_LOST;
    E2B__LOG(&client->log, E2B_LOG_INFO, "terminal %s: connection lost: %s",
             e2b_terminal_id(terminal), error->message);
    if (terminal->on_lost != NULL) {
      e2b__call_out_begin();
      terminal->on_lost(terminal, error, terminal->user_data);
      e2b__call_out_end();
    }
    if (terminal->state != E2B__TERMINAL_LOST) return;
  }
  e2b__outage_t *outage = terminal->outage;
  const uint64_t budget = budget_ms(terminal);
  const uint64_t spent_ms = begun ? now_ms - outage->began_ms : budget;
  if (spent_ms >= budget) {
    give_up(terminal, error);
    return;
  }
  uint32_t random = 0;
  uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
  uint64_t wait_ms = e2b__retry_delay_ms(++outage->attempts, error->retry_after_ms, random);
  if (wait_ms > budget - spent_ms) wait_ms = budget - spent_ms;
  if (!lost) {
    E2B__LOG(&client->log, E2B_LOG_DEBUG, "terminal %s: could not connect, %u times by now: %s",
             e2b_terminal_id(terminal), outage->attempts, error->message);
  }
  outage->delay = e2b__delay_start(client->http, wait_ms, on_delay, terminal);
  if (outage->delay == NULL) {
    const e2b_error_t no_memory = e2b__error(E2B_ENOMEM);
    give_up(terminal, &no_memory);
  }
}
