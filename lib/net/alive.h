/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_ALIVE_H
#define E2B_LIB_NET_ALIVE_H

#include <uv.h>

/* Keeps the loop running while there is work and only then: one handle, referenced while the count
 * is above zero. Every other handle of the library is unreferenced. */
typedef struct e2b__alive {
  uv_handle_t *handle; /* active for the client's whole life */
  size_t count;
} e2b__alive_t;

static inline void e2b__alive_hold(e2b__alive_t *alive) {
  if (alive->count++ == 0) uv_ref(alive->handle);
}

static inline void e2b__alive_drop(e2b__alive_t *alive) {
  if (--alive->count == 0) uv_unref(alive->handle);
}

#endif
