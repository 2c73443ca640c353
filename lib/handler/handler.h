/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HANDLER_HANDLER_H
#define E2B_LIB_HANDLER_HANDLER_H

#include <uv.h>

#include "base/future.h"
#include "client/client.h"
#include "e2b/handler.h"
#include "proto/json.h"

/* The way of one request: e2b_handle_request() looks at method, origin and caller (request.c),
 * finds the action and what it requires (action.c), takes hold of the sandbox (lease.c), starts the
 * library's own operation (action_*.c), and writes the answer (handling.c). */

/* Who calls, while anything of theirs is known. */
typedef struct e2b__caller {
  e2b__list_t node; /* in handler->callers */
  unsigned refs;
  char *name;
  unsigned sandboxes; /* made by this handler, as far as it knows still alive */
  unsigned runs;
  unsigned streams;
} e2b__caller_t;

/* A sandbox that a caller may reach. */
typedef struct e2b__lease {
  e2b__list_t node; /* in handler->leases, the last used first */
  e2b__caller_t *caller;
  e2b_sandbox_t *sandbox;
  e2b_runtime_t runtime; /* of code that names none */
  bool counted;          /* among the caller's */
  uint64_t ends_at_ms;   /* of the loop's clock: when it is dead unless somebody prolonged it */
} e2b__lease_t;

struct e2b_terminal;
struct e2b__operator;

struct e2b_handler {
  unsigned refs;
  e2b_client_t *client; /* by a reference on its queue */
  e2b__guest_t guest;
  e2b__arena_t arena; /* of the options' strings */
  e2b_handler_options options;
  e2b_create_options create;
  e2b__list_t callers;
  e2b__list_t leases;
  size_t leases_count;
  e2b__list_t streams;   /* that spoke last, last */
  e2b__list_t operators; /* the last used first */
  uv_timer_t clock;
  bool has_clock; /* not yet closed; it holds a reference */
  uint64_t clock_at_ms;
  bool released;
};

void e2b__handler_hold(e2b_handler_t *handler);
void e2b__handler_drop(e2b_handler_t *handler);

/* The caller of that name, with a reference. NULL when out of memory. */
e2b__caller_t *e2b__caller_get(e2b_handler_t *handler, const char *name);
void e2b__caller_drop(e2b__caller_t *caller);

/* clock.c: what falls due without a request. Without a clock, once the client is closed or the
 * handler released, nothing does. */
void e2b__handler_clock_open(e2b_handler_t *handler);
void e2b__handler_clock_close(e2b_handler_t *handler);
/* Looks at `at_ms` of the loop's clock, or before. UINT64_MAX: need not. */
void e2b__handler_clock_set(e2b_handler_t *handler, uint64_t at_ms);

/* lease.c */
/* The lease of a sandbox that this caller is known to reach; NULL when there is none. */
e2b__lease_t *e2b__lease_find(e2b_handler_t *handler, const e2b__caller_t *caller, const char *id);
/* 0 or E2B_ENOMEM. `counted`: it is among the caller's sandboxes, until it is forgotten. */
int e2b__lease_add(e2b_handler_t *handler, e2b__caller_t *caller, e2b_sandbox_t *sandbox,
                   e2b_runtime_t runtime, bool counted, uint64_t life_ms);
/* The sandbox is dead, or not to be had: forgets it, whoever's it is. */
void e2b__lease_forget(e2b_handler_t *handler, const char *id);
/* Forgets what must have ended by now. */
void e2b__lease_expire(e2b_handler_t *handler);

/* One request under way. */
typedef struct e2b__handling e2b__handling_t;
typedef void (*e2b__handling_cb)(e2b__handling_t *h, e2b_future_t *done);

struct e2b__handling {
  e2b_handler_t *handler;
  e2b_future_t *outer; /* NULL once decided, or given up by its owner */
  e2b_future_t *inner; /* the operation that is waited for */
  e2b__handling_cb next;
  e2b__caller_t *caller;
  const struct e2b__action *action;
  cJSON *body;
  char *origin;           /* allowed, and to be named in the answer; NULL otherwise */
  char *id;               /* of the sandbox that the action is about; NULL when it has none */
  e2b_sandbox_t *sandbox; /* its handle, where the action needs one */
  e2b_runtime_t runtime;  /* of its lease */
  uint64_t life_ms;       /* that it is known to have left */
  e2b_runtime_t asked;    /* by this request */
  void (*taken)(e2b__handling_t *h); /* goes on when the sandbox is there */
  bool entered;                      /* the application has been called */
  bool making;                       /* inner makes a sandbox; counted among the caller's */
  bool made;    /* it was made for this request, and nobody has been told of it */
  bool running; /* counted among the caller's runs */
  intptr_t tag; /* the action's own note */
  e2b__buffer_t text;
  e2b__json_writer_t json; /* into text */
  struct e2b_http_stream *stream;
  void *work;                /* the action's own; from e2b__malloc(), freed with the handling */
  e2b__handling_cb orphaned; /* what `next` would have got, when the request was given up before */
  struct e2b__operator *operator; /* that is being made, and what to do with it */
  void (*operate)(e2b__handling_t *h, struct e2b_terminal *terminal);
};

/* handling.c */
e2b__handling_t *e2b__handling_new(e2b_handler_t *handler, e2b_future_t *outer);
/* Around a call of the application's, which may close the client: that ends the request. False: it
 * is gone. */
void e2b__handling_enter(e2b__handling_t *h);
bool e2b__handling_leave(e2b__handling_t *h);
/* Calls `next` with the future when it is decided, unless the request was given up by then. */
void e2b__handling_await(e2b__handling_t *h, e2b_future_t *future, e2b__handling_cb next);
/* The same for what must be let go of: then `orphaned` gets the future instead, or NULL when there
 * was no memory for one. */
void e2b__handling_await_or(e2b__handling_t *h, e2b_future_t *future, e2b__handling_cb next,
                            e2b__handling_cb orphaned);
/* Begins the envelope of a success; the action adds its members to h->json and says done. */
void e2b__handling_begin(e2b__handling_t *h);
void e2b__handling_put_text(e2b__handling_t *h, const char *name, const char *text);
void e2b__handling_done(e2b__handling_t *h);
/* A success that says nothing else. */
void e2b__handling_answer_plain(e2b__handling_t *h);
/* These answer, and the handling is gone. */
void e2b__handling_fail(e2b__handling_t *h, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The failure of an operation. Forgets a sandbox that is gone. */
void e2b__handling_fail_with(e2b__handling_t *h, const e2b_error_t *error);
/* There is no such sandbox, as far as this caller is concerned. */
void e2b__handling_fail_unknown(e2b__handling_t *h, const char *sandbox_id);
/* An answer without a body. */
void e2b__handling_answer_empty(e2b__handling_t *h, int status, bool preflight);
/* An answer whose body (200) or bytes (101) are h->stream's, unless the handler has closed it. */
void e2b__handling_answer_stream(e2b__handling_t *h, int status, const e2b_pair_t *headers,
                                 size_t count);
/* The HTTP status that a failure of the library's means. */
int e2b__handling_status(const e2b_error_t *error);

/* request.c: the value of a header, NULL when there is none. */
const char *e2b__request_header(const e2b_http_request *request, const char *name);

/* action.c: what a request may ask for. */
typedef struct e2b__action {
  const char *name; /* behind "compute.sandbox." */
  /* What is said when the request names no sandbox; NULL: it need not. */
  const char *sandbox_missing;
  enum {
    E2B__NO_SANDBOX,
    E2B__SANDBOX_ID,    /* the caller's right to it is enough */
    E2B__SANDBOX,       /* a handle to talk to it */
    E2B__SANDBOX_OR_NEW /* the same; one is made when none is named */
  } takes;
  bool runs; /* counts among the caller's runs */
  /* What it must contain: text of at least one character, text, or a number above 0. */
  struct e2b__requirement {
    const char *field;
    enum { E2B__NEEDS_NOTHING, E2B__NEEDS_TEXT, E2B__NEEDS_CONTENT, E2B__NEEDS_NUMBER } kind;
    const char *missing;
  } requires[5]; /* ends with one without a field */
  void (*run)(e2b__handling_t *h);
} e2b__action_t;

/* Finds the action of h->body, checks it, and goes on with it. */
void e2b__action_start(e2b__handling_t *h);
/* The same for a GET, whose only action is a terminal's stream. */
void e2b__action_start_stream(e2b__handling_t *h, const e2b_http_request *request);
/* A member that is text, checked before; NULL when absent, null, or empty. */
const char *e2b__action_text(const e2b__handling_t *h, const char *field);
double e2b__action_number(const e2b__handling_t *h, const char *field);

void e2b__action_create(e2b__handling_t *h);
void e2b__action_destroy(e2b__handling_t *h);
void e2b__action_get_info(e2b__handling_t *h);
void e2b__action_list(e2b__handling_t *h);
void e2b__action_run_code(e2b__handling_t *h);
void e2b__action_run_command(e2b__handling_t *h);
void e2b__action_read_file(e2b__handling_t *h);
void e2b__action_write_file(e2b__handling_t *h);
void e2b__action_mkdir(e2b__handling_t *h);
void e2b__action_readdir(e2b__handling_t *h);
void e2b__action_exists(e2b__handling_t *h);
void e2b__action_remove(e2b__handling_t *h);
void e2b__action_terminal_create(e2b__handling_t *h);
void e2b__action_terminal_get(e2b__handling_t *h);
void e2b__action_terminal_list(e2b__handling_t *h);
void e2b__action_terminal_write(e2b__handling_t *h);
void e2b__action_terminal_resize(e2b__handling_t *h);
void e2b__action_terminal_kill(e2b__handling_t *h);

/* take.c: these go on with `next`, or answer. */
/* Makes a sandbox for the caller: h->sandbox. */
void e2b__handling_make_sandbox(e2b__handling_t *h, void (*next)(e2b__handling_t *h));
/* Takes hold of the sandbox of that id, if it is the caller's: h->id, and with `connect`
 * h->sandbox. */
void e2b__handling_take_sandbox(e2b__handling_t *h, const char *id, bool connect,
                                void (*next)(e2b__handling_t *h));
/* Whether the sandbox that is described so may be reached by the caller. */
bool e2b__handling_owns(const e2b__handling_t *h, const e2b_sandbox_info_t *info);
/* The runtime that its metadata names. */
e2b_runtime_t e2b__handling_runtime_of(const e2b_sandbox_info_t *info);
/* False: the text names no runtime, and that is answered. */
bool e2b__handling_read_runtime(e2b__handling_t *h, const cJSON *object, e2b_runtime_t *runtime);
extern const char e2b__handling_owner_key[]; /* metadata of a sandbox: its caller's name */

#endif
