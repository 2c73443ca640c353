/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_TRANSPORT_H
#define E2B_LIB_TERMINAL_TRANSPORT_H

#include "base/future.h"
#include "e2b/terminal.h"

/* One terminal's way to its program. The terminal (terminal.c, events.c, reconnect.c) knows its
 * transport by these functions only, and the transport its terminal by the events below.
 *
 * Functions may be called from anywhere on the loop's thread, inside events too; events come from
 * the loop, never from inside a function. */

typedef struct e2b__transport e2b__transport_t;

/* What a terminal was asked to be, copied, until it runs. */
typedef struct e2b__terminal_spec {
  e2b__arena_t arena;
  e2b_terminal_options options; /* of today's size; strings in the arena; program, cols and rows are
                                   set */
  const char *const *argv;      /* program and arguments; ends with NULL */
  size_t argc;
  const char *attach_id; /* NULL: a new one */
} e2b__terminal_spec_t;

typedef struct e2b__transport_ops {
  e2b_transport_t kind;
  const char *name;
  /* Prepares one and sends nothing. `spec` stays valid until the terminal has opened. 0 and
   * *transport, or an error of the input. */
  int (*make)(e2b_terminal_t *terminal, const e2b__terminal_spec_t *spec,
              e2b__transport_t **transport);
  /* Connects: the first time to start the program or to attach, later to attach again. Opened or
   * failed follows, unless it answers an error itself. */
  int (*open)(e2b__transport_t *transport);
  /* Takes input, connected or not. 0 or E2B_ENOMEM. */
  int (*write)(e2b__transport_t *transport, const char *data, size_t len);
  /* Input that waits. */
  size_t (*waiting)(const e2b__transport_t *transport);
  /* The terminal's cols and rows have been set; connected only. */
  int (*resize)(e2b__transport_t *transport);
  /* A future of a bool, for a public function of that name. Connected or not. */
  e2b_future_t *(*signal)(e2b__transport_t *transport, int signal_number, const char *name);
  void (*pause)(e2b__transport_t *transport);
  void (*resume)(e2b__transport_t *transport);
  /* Memory ran out while something was to be sent (e2b__terminal_stalled()): tries again, and gives
   * the connection up if it cannot. From the loop. */
  void (*go_on)(e2b__transport_t *transport);
  /* Lets go of the terminal and frees the transport; futures of signals that wait fail with `code`.
   * No event comes any more. */
  void (*close)(e2b__transport_t *transport, int code);
} e2b__transport_ops_t;

/* First member of every transport. */
struct e2b__transport {
  const e2b__transport_ops_t *ops;
  e2b_terminal_t *terminal;
};

extern const e2b__transport_ops_t e2b__transport_agent;
extern const e2b__transport_ops_t e2b__transport_jupyter;
extern const e2b__transport_ops_t e2b__transport_ttyd;
extern const e2b__transport_ops_t e2b__transport_envd;

/* For those that have no signals: types the key that the terminal makes the signal of. */
e2b_future_t *e2b__terminal_type_signal(e2b__transport_t *transport, int signal_number,
                                        const char *name);

/* --- events. Each may end in e2b_terminal_close() or the like by the user: false then, and the
 * transport is gone. ----------------------------------------------------------------------------
 */

typedef struct e2b__terminal_opened {
  const char *id; /* copied; NULL: as before */
  uint32_t pid;
  uint16_t cols; /* 0: as before */
  uint16_t rows;
  uint64_t lost; /* output that is gone for this viewer */
} e2b__terminal_opened_t;

/* It is connected, for the first time or again. */
bool e2b__terminal_opened(e2b_terminal_t *terminal, const e2b__terminal_opened_t *opened);
/* Output. */
bool e2b__terminal_data(e2b_terminal_t *terminal, const char *data, size_t len);
bool e2b__terminal_gap(e2b_terminal_t *terminal, uint64_t bytes);
/* Not an event, and legal anywhere: go_on() follows. */
void e2b__terminal_stalled(e2b_terminal_t *terminal);
/* Some of the input that waited has gone. */
bool e2b__terminal_room(e2b_terminal_t *terminal);
/* The connection, or the attempt to make one, failed; the transport is ready for another open().
 * `final`: another attempt is no use. */
bool e2b__terminal_failed(e2b_terminal_t *terminal, const e2b_error_t *error, bool final);
/* The last event: all output has been delivered, and the transport is closed by it. */
void e2b__terminal_exited(e2b_terminal_t *terminal, const e2b_terminal_exit_t *exit);

#endif
