/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_KERNEL_H
#define E2B_LIB_HOST_KERNEL_H

#include "host/process.h"

/* A kernel: a program of ours in the sandbox that runs the cells of one context (kernels/). Its
 * text comes to it on standard input, ahead of the cells; what it needs is its interpreter.
 *
 * Host to kernel, on standard input: one cell at a time, in the form that the kernel's language
 * asks for (kernel_input.c). SIGINT to its process group interrupts a cell, or, for JavaScript, a
 * line
 * {"interrupt": true}.
 *
 * Kernel to host, on standard output: lines of JSON. Those of a cell go to its client as they are,
 * so they have the very form that clients know: number_of_executions first, which says that the
 * cell can be interrupted from now on, then stdout, stderr, result and error, and
 * {"type": "end_of_execution"} last. Others are for the host:
 *     {"type": "ready"}                           it waits for its first cell
 *     {"type": "unavailable", "message": "..."}   it cannot start, and why
 *     {"type": "exiting"}                         it goes once this cell has ended
 *
 * What comes on standard error while a cell runs is the output of programs that the cell started;
 * a line of stdout is made of it. */

typedef enum e2b__host_kernel_language {
  E2B__KERNEL_PYTHON,
  E2B__KERNEL_JAVASCRIPT,
  E2B__KERNEL_TYPESCRIPT,
  E2B__KERNEL_BASH
} e2b__host_kernel_language_t;

typedef enum e2b__host_kernel_state {
  E2B__KERNEL_STARTING,
  E2B__KERNEL_IDLE,
  E2B__KERNEL_SENT,    /* has a cell that it did not begin */
  E2B__KERNEL_RUNNING, /* can be interrupted */
  E2B__KERNEL_LEAVING, /* the same, and exits afterwards */
  E2B__KERNEL_ENDING   /* the cell has ended, an interrupt of it is still on its way */
} e2b__host_kernel_state_t;

struct e2b__host_kernel;

/* Of whoever owns the kernel. Called from the loop; the kernel may be ended in any of them. */
typedef struct e2b__host_kernel_events {
  /* `why` NULL: it takes cells. Else it has ended, and is not the owner's any more. */
  void (*ready)(void *owner, const char *why);
  /* A piece of the running cell's answer: whole lines, except that very long ones come in pieces;
   * `whole`: this piece ends one. */
  void (*output)(void *owner, const char *data, size_t len, bool whole);
  /* The cell's last line was given to `output`; the kernel takes the next. */
  void (*ended)(void *owner);
  /* The process ended by itself; the kernel is not the owner's any more. */
  void (*died)(void *owner);
} e2b__host_kernel_events_t;

typedef struct e2b__host_kernel e2b__host_kernel_t;

/* Starts one in `cwd`, or in the home directory if that cannot be entered. NULL: out of memory, or
 * the sandbox is at its end. */
e2b__host_kernel_t *e2b__host_kernel_start(e2b__host_sandbox_t *sandbox,
                                           e2b__host_kernel_language_t language, const char *cwd,
                                           const e2b__host_kernel_events_t *events, void *owner);
e2b__host_kernel_state_t e2b__host_kernel_state(const e2b__host_kernel_t *kernel);
/* Gives it a cell; only when idle. `env` is an object of strings, or NULL. 0 or a code. */
int e2b__host_kernel_run(e2b__host_kernel_t *kernel, const char *code, const cJSON *env);
/* Interrupts the cell, as soon as it has begun. Its end follows as ever. */
void e2b__host_kernel_interrupt(e2b__host_kernel_t *kernel);
/* Stops and goes on taking its output: a kernel that writes more waits. */
void e2b__host_kernel_pause(e2b__host_kernel_t *kernel, bool paused);
/* Ends it, with its process group. No event follows. NULL does no harm. */
void e2b__host_kernel_end(e2b__host_kernel_t *kernel);

/* kernel_input.c: the line that gives a kernel its cell. */
int e2b__host_kernel_cell(e2b__host_kernel_language_t language, const char *code, const cJSON *env,
                          e2b__buffer_t *out);

/* kernel_programs.c */
typedef struct e2b__host_kernel_program {
  const char *text;
  size_t len;
} e2b__host_kernel_program_t;
e2b__host_kernel_program_t e2b__host_kernel_program(e2b__host_kernel_language_t language);

#endif
