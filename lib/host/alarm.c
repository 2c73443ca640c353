/* SPDX-License-Identifier: MIT */
#include "host/alarm.h"

static int compare(const e2b__host_alarm_t *a, const e2b__host_alarm_t *b) {
  if (a->at != b->at) return a->at < b->at ? -1 : 1;
  /* Equal times are told apart by address: the tree holds no equal keys. */
  return (uintptr_t)a < (uintptr_t)b ? -1 : (uintptr_t)a > (uintptr_t)b;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_STATIC(e2b__host_alarm_tree, e2b__host_alarm, node, compare)
#pragma GCC diagnostic pop

static void on_timer(uv_timer_t *timer);

uint64_t e2b__host_now(void) {
  return uv_hrtime() / 1000000u;
}

static void arm(e2b__host_alarms_t *alarms) {
  e2b__host_alarm_t *first = RB_MIN(e2b__host_alarm_tree, &alarms->tree);
  if (first == NULL) {
    uv_timer_stop(&alarms->timer);
    return;
  }
  uint64_t now = e2b__host_now();
  uv_update_time(alarms->timer.loop);
  uv_timer_start(&alarms->timer, on_timer, first->at > now ? first->at - now : 0, 0);
}

static void on_timer(uv_timer_t *timer) {
  e2b__host_alarms_t *alarms = timer->data;
  uint64_t now = e2b__host_now();
  e2b__host_alarm_t *alarm;

  while ((alarm = RB_MIN(e2b__host_alarm_tree, &alarms->tree)) != NULL && alarm->at <= now) {
    RB_REMOVE(e2b__host_alarm_tree, &alarms->tree, alarm);
    alarm->set = false;
    alarm->fire(alarm);
  }
  arm(alarms);
}

int e2b__host_alarms_init(uv_loop_t *loop, e2b__host_alarms_t *alarms) {
  RB_INIT(&alarms->tree);
  alarms->timer.data = alarms;
  return uv_timer_init(loop, &alarms->timer);
}

void e2b__host_alarms_close(e2b__host_alarms_t *alarms, uv_close_cb closed) {
  uv_close((uv_handle_t *)&alarms->timer, closed);
}

void e2b__host_alarm_set(e2b__host_alarms_t *alarms, e2b__host_alarm_t *alarm, uint64_t delay_ms,
                         void (*fire)(e2b__host_alarm_t *alarm)) {
  if (alarm->set) RB_REMOVE(e2b__host_alarm_tree, &alarms->tree, alarm);
  /* Thirty years are for ever, and leave room for the addition. */
  if (delay_ms > UINT64_C(1000000000000)) delay_ms = UINT64_C(1000000000000);
  alarm->at = e2b__host_now() + delay_ms;
  alarm->fire = fire;
  alarm->set = true;
  RB_INSERT(e2b__host_alarm_tree, &alarms->tree, alarm);
  if (RB_MIN(e2b__host_alarm_tree, &alarms->tree) == alarm) arm(alarms);
}

void e2b__host_alarm_cancel(e2b__host_alarms_t *alarms, e2b__host_alarm_t *alarm) {
  if (!alarm->set) return;
  alarm->set = false;
  RB_REMOVE(e2b__host_alarm_tree, &alarms->tree, alarm);
  /* A timer that comes too early finds nothing due; not worth setting it again. */
}
