/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_CLOCKS_H
#define E2B_LIB_HOST_CLOCKS_H

#include "host/alarm.h"
#include "host/connect.h"

/* The clocks of a server stream: a sign of life when nothing else was sent for the interval that
 * the client asked for, and the client's deadline. Plain memory of the method's state. */
typedef struct e2b__host_clocks {
  e2b__host_call_t *call;
  e2b__host_alarm_t keepalive;
  e2b__host_alarm_t deadline;
  uint64_t last_event;
  void (*quiet)(struct e2b__host_clocks *clocks);   /* send a sign of life */
  void (*overdue)(struct e2b__host_clocks *clocks); /* stop; the call fails right after */
} e2b__host_clocks_t;

/* The deadline runs from here on. */
void e2b__host_clocks_init(e2b__host_clocks_t *clocks, e2b__host_call_t *call,
                           void (*quiet)(e2b__host_clocks_t *clocks),
                           void (*overdue)(e2b__host_clocks_t *clocks));
/* Signs of life from here on. */
void e2b__host_clocks_keep_alive(e2b__host_clocks_t *clocks);
/* Something was sent. */
void e2b__host_clocks_sent(e2b__host_clocks_t *clocks);
void e2b__host_clocks_stop(e2b__host_clocks_t *clocks);

#endif
