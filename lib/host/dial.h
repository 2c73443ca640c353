/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_DIAL_H
#define E2B_LIB_HOST_DIAL_H

#include "host/link.h"
#include "host/wire.h"

/* Connects to a port inside a sandbox: 127.0.0.1, else ::1, and again for about a second, because
 * whoever asks may just have started the program that will listen there. */

typedef struct e2b__host_dial {
  e2b__host_sandbox_t *sandbox;
  unsigned port;
  unsigned attempt;
  e2b__host_start_t start;
  int spare; /* the socket of the other family, or -1 */
  e2b__host_wire_t *wire;
  e2b__host_alarm_t clock;
  bool busy;
  void *owner;
  /* Once, later. The wire is the callee's, who sets its owner anew; NULL: nobody listens. */
  void (*done)(void *owner, e2b__host_wire_t *wire);
} e2b__host_dial_t;

void e2b__host_dial_start(e2b__host_dial_t *dial, e2b__host_sandbox_t *sandbox, unsigned port,
                          void *owner, void (*done)(void *owner, e2b__host_wire_t *wire));
/* `done` is not called any more. Harmless when there is nothing to cancel. */
void e2b__host_dial_cancel(e2b__host_dial_t *dial);

#endif
