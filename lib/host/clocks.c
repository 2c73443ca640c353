/* SPDX-License-Identifier: MIT */
#include "host/clocks.h"

static e2b__host_alarms_t *alarms_of(const e2b__host_clocks_t *clocks) {
  return &clocks->call->request->host->alarms;
}

static void on_keepalive(e2b__host_alarm_t *alarm) {
  e2b__host_clocks_t *clocks = E2B__CONTAINER(alarm, e2b__host_clocks_t, keepalive);
  uint64_t interval = (uint64_t)clocks->call->keepalive_ms;
  uint64_t quiet = e2b__host_now() - clocks->last_event;
  /* Set before, because what is called may stop it. */
  e2b__host_alarm_set(alarms_of(clocks), alarm, quiet >= interval ? interval : interval - quiet,
                      on_keepalive);
  if (quiet >= interval) clocks->quiet(clocks);
}

static void on_deadline(e2b__host_alarm_t *alarm) {
  e2b__host_clocks_t *clocks = E2B__CONTAINER(alarm, e2b__host_clocks_t, deadline);
  e2b__host_call_t *call = clocks->call;
  clocks->overdue(clocks);
  e2b__host_call_fail(call, E2B__CODE_DEADLINE_EXCEEDED, "context deadline exceeded");
}

void e2b__host_clocks_init(e2b__host_clocks_t *clocks, e2b__host_call_t *call,
                           void (*quiet)(e2b__host_clocks_t *clocks),
                           void (*overdue)(e2b__host_clocks_t *clocks)) {
  clocks->call = call;
  clocks->quiet = quiet;
  clocks->overdue = overdue;
  clocks->last_event = e2b__host_now();
  if (call->timeout_ms > 0)
    e2b__host_alarm_set(alarms_of(clocks), &clocks->deadline, (uint64_t)call->timeout_ms,
                        on_deadline);
}

void e2b__host_clocks_keep_alive(e2b__host_clocks_t *clocks) {
  e2b__host_alarm_set(alarms_of(clocks), &clocks->keepalive, (uint64_t)clocks->call->keepalive_ms,
                      on_keepalive);
}

void e2b__host_clocks_sent(e2b__host_clocks_t *clocks) {
  clocks->last_event = e2b__host_now();
}

void e2b__host_clocks_stop(e2b__host_clocks_t *clocks) {
  e2b__host_alarm_cancel(alarms_of(clocks), &clocks->keepalive);
  e2b__host_alarm_cancel(alarms_of(clocks), &clocks->deadline);
}
