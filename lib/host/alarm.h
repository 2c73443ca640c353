/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_ALARM_H
#define E2B_LIB_HOST_ALARM_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include <uv/tree.h>

/* All clocks of the host on one uv_timer. An alarm is plain memory: setting it cannot fail, and an
 * object that holds one may be freed as soon as the alarm is cancelled. */

typedef struct e2b__host_alarm {
  RB_ENTRY(e2b__host_alarm) node;
  uint64_t at; /* milliseconds of e2b__host_now */
  bool set;
  void (*fire)(struct e2b__host_alarm *alarm); /* not set any more when it is called */
} e2b__host_alarm_t;

RB_HEAD(e2b__host_alarm_tree, e2b__host_alarm);

typedef struct e2b__host_alarms {
  uv_timer_t timer;
  struct e2b__host_alarm_tree tree;
} e2b__host_alarms_t;

uint64_t e2b__host_now(void);
int e2b__host_alarms_init(uv_loop_t *loop, e2b__host_alarms_t *alarms);
void e2b__host_alarms_close(e2b__host_alarms_t *alarms, uv_close_cb closed);
/* Replaces an earlier time. */
void e2b__host_alarm_set(e2b__host_alarms_t *alarms, e2b__host_alarm_t *alarm, uint64_t delay_ms,
                         void (*fire)(e2b__host_alarm_t *alarm));
void e2b__host_alarm_cancel(e2b__host_alarms_t *alarms, e2b__host_alarm_t *alarm);

#endif
