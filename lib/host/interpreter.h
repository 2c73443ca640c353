/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_INTERPRETER_H
#define E2B_LIB_HOST_INTERPRETER_H

#include "host/kernel.h"
#include "host/request.h"

/* The code interpreter of a sandbox: contexts, each a kernel that keeps its variables from one cell
 * to the next, behind HTTP on port E2B__HOST_INTERPRETER_PORT.
 *
 * A context's kernel is started when it is needed first. Cells of one context run one after the
 * other, in the order of their requests; those of different contexts at the same time. */

struct e2b__host_execution;

typedef struct e2b__host_interpreter {
  e2b__host_sandbox_t *sandbox;
  e2b__list_t contexts; /* oldest first */
} e2b__host_interpreter_t;

typedef struct e2b__host_context {
  e2b__list_t node;
  e2b__host_sandbox_t *sandbox;
  char id[37];
  const char *language; /* static */
  e2b__host_kernel_language_t kernel_language;
  char *cwd;       /* as it was asked for */
  bool is_default; /* of its language */
  bool listed;     /* clients know it: its kernel has run, or it was there from the beginning */
  bool fresh;      /* no kernel has run in it: the first one starts in cwd */
  e2b__host_kernel_t *kernel;          /* NULL: none runs; the next cell starts one */
  e2b__list_t executions;              /* that wait for their turn */
  struct e2b__host_execution *current; /* NULL: nobody listens to what runs, if anything does */
  e2b__list_t waits;                   /* e2b__host_ready_wait_t */
  e2b__host_alarm_t patience;          /* with a kernel that was interrupted */
} e2b__host_context_t;

/* A request that is answered when the kernel is ready. Memory of the request. */
typedef struct e2b__host_ready_wait {
  e2b__list_t node;
  e2b__host_request_t *request;
  /* `why` not NULL: there will be no kernel. */
  void (*done)(struct e2b__host_ready_wait *wait, const e2b__host_context_t *context,
               const char *why);
} e2b__host_ready_wait_t;

/* One POST /execute; memory of the request. */
typedef struct e2b__host_execution {
  e2b__list_t node;             /* of context->executions, while it waits */
  e2b__host_context_t *context; /* NULL: it is over */
  e2b__host_request_t *request;
  cJSON *body;
  const char *code;
  const cJSON *env; /* or NULL */
  e2b__host_stream_t stream;
  bool open;     /* its answer has begun */
  bool mid_line; /* the last piece of output did not end one */
  e2b__host_alarm_t keepalive;
} e2b__host_execution_t;

/* interpreter.c */
void e2b__host_interpreter_route(e2b__host_request_t *request);

/* interpreter_context.c */
/* The sandbox's, made when it is asked for first; NULL: out of memory. */
e2b__host_interpreter_t *e2b__host_interpreter_of(e2b__host_sandbox_t *sandbox);
/* Forgets all contexts and ends their kernels: the sandbox ends, or starts afresh. */
void e2b__host_interpreter_free(e2b__host_sandbox_t *sandbox);

typedef struct e2b__host_language {
  const char *name;
  const char *alias; /* or NULL */
  e2b__host_kernel_language_t kernel;
} e2b__host_language_t;
/* By any spelling clients use; NULL: this host has no such kernel. `name`, if not NULL, becomes the
 * spelling that answers use. */
const e2b__host_language_t *e2b__host_language_find(const char *text, char name[64]);

/* A new one at the end of the list; its kernel does not run yet. NULL: out of memory. */
e2b__host_context_t *e2b__host_context_new(e2b__host_interpreter_t *interpreter,
                                           const e2b__host_language_t *language, const char *cwd);
/* NULL: there is none that clients know. */
e2b__host_context_t *e2b__host_context_find(e2b__host_interpreter_t *interpreter, const char *id);
/* Of that language, made if need be; NULL: out of memory. */
e2b__host_context_t *e2b__host_context_default(e2b__host_interpreter_t *interpreter,
                                               const e2b__host_language_t *language);
/* Puts the execution in line. */
void e2b__host_context_execute(e2b__host_context_t *context, e2b__host_execution_t *execution);
/* Calls `done` once its kernel runs, starting it if need be. */
void e2b__host_context_wait(e2b__host_context_t *context, e2b__host_ready_wait_t *wait);
/* Ends what runs and what waits, and the kernel with its variables. A new one starts. */
void e2b__host_context_restart(e2b__host_context_t *context, e2b__host_ready_wait_t *wait);
void e2b__host_context_delete(e2b__host_context_t *context);
/* The execution's client has gone. */
void e2b__host_context_leave(e2b__host_execution_t *execution);

/* interpreter_execute.c */
extern const e2b__host_handler_t e2b__host_execute_handler;
/* The answer begins; there is a kernel. */
void e2b__host_execution_open(e2b__host_execution_t *execution);
/* Its cell runs from now on: silence is broken by keepalives. */
void e2b__host_execution_begin(e2b__host_execution_t *execution);
void e2b__host_execution_output(e2b__host_execution_t *execution, const char *data, size_t len,
                                bool whole);
/* It is over: the cell's last line was there. */
void e2b__host_execution_end(e2b__host_execution_t *execution);
typedef enum e2b__host_execution_loss {
  E2B__LOSS_DIED,    /* the kernel ended by itself */
  E2B__LOSS_TAKEN,   /* its context was restarted or deleted while it ran */
  E2B__LOSS_WAITING, /* the same while it waited */
  E2B__LOSS_NO_KERNEL
} e2b__host_execution_loss_t;
/* It is over otherwise; `why` is the answer of one that has not begun. */
void e2b__host_execution_fail(e2b__host_execution_t *execution, e2b__host_execution_loss_t loss,
                              const char *why);

/* interpreter_body.c */
/* The body as an object with the members named, of the types they must have; NULL: the request was
 * answered. */
cJSON *e2b__host_interpreter_body(e2b__host_request_t *request, bool needs_code);
void e2b__host_interpreter_text(e2b__host_request_t *request, unsigned status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* 500: there is no kernel of that name. */
void e2b__host_interpreter_no_kernel(e2b__host_request_t *request, const char *name);

#endif
