/* SPDX-License-Identifier: MIT */
#ifndef E2B_BENCH_KEYS_H
#define E2B_BENCH_KEYS_H

#include <uv.h>

#include "bench.h"

/* Who types into the terminals of a case, the same for ours and for the floor: one key at a time in
 * each. Back to back the next one follows the echo; paced, `rate` keys a second go round all
 * terminals, whatever the echoes do.
 *     terminals=N rate=R (0: back to back) count=KEYS warm_up=KEYS */
typedef struct keys {
  unsigned terminals;
  uint64_t failed;
  void (*type)(unsigned terminal); /* sends the one byte `KEYS_KEY` */
  uv_loop_t *loop;
  uv_timer_t timer;
  uint64_t rate;
  uint64_t left;       /* to be echoed before this part is over */
  uint64_t to_type;    /* of these, not typed yet */
  uint64_t a_tick;     /* keys */
  unsigned next;       /* terminal to be typed into, when paced */
  uint64_t *typed_ns;  /* by terminal; 0: nothing on its way */
  uint64_t resident;   /* when the first terminal was open */
  uint64_t operations; /* of the part that counts */
} keys_t;

enum { KEYS_KEY = 'x' };

void keys_init(keys_t *keys, uv_loop_t *loop, void (*type)(unsigned terminal));
/* The first terminal is open; the others follow. */
void keys_one_open(keys_t *keys);
/* All are open: types until `count` are echoed. */
void keys_run(keys_t *keys);
/* Output of a terminal. */
void keys_echo(keys_t *keys, unsigned terminal, const char *data, size_t len);
/* What main() returns. */
int keys_finish(keys_t *keys);

#endif
