/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_SANDBOX_COMMAND_H
#define E2B_LIB_SANDBOX_COMMAND_H

#include "e2b/command.h"
#include "proto/process.h"
#include "sandbox/stream.h"

/*  state      stream   leaves by
 *  STARTING   open     the start event -> RUNNING; a failure -> FAILED; nobody cares -> DOOMED
 *  RUNNING    open     the end of the process -> EXITED; a failure -> FAILED; disconnect -> LEFT
 *  EXITED     ending   the end of the stream -> DONE
 *  DOOMED     open     the start event: killed -> LEFT, or RUNNING for who holds a handle
 *  DONE, FAILED, LEFT  -                                                                         */
typedef enum e2b__command_state {
  E2B__COMMAND_STARTING,
  E2B__COMMAND_RUNNING,
  E2B__COMMAND_EXITED,
  E2B__COMMAND_DOOMED,
  E2B__COMMAND_DONE,
  E2B__COMMAND_FAILED,
  E2B__COMMAND_LEFT
} e2b__command_state_t;

/* stdout or stderr on its way to the user. */
typedef struct e2b__output {
  e2b_output_cb callback;
  e2b__buffer_t collected;
  uint64_t bytes; /* seen */
  bool collect;
  char tail[4]; /* the start of a character, in text mode */
  uint8_t tail_len;
} e2b__output_t;

struct e2b_command {
  unsigned refs;    /* of the memory */
  unsigned handles; /* of these, the user's */
  e2b_sandbox_t *sandbox;
  e2b__guest_t guest;
  e2b__command_state_t state;
  e2b__stream_t *stream;
  uint32_t pid;
  bool kill_if_abandoned; /* e2b_run_*: the program belongs to the call */
  bool has_lifetime;
  bool text;
  e2b_future_t *starting; /* of e2b_command_start and connect */
  e2b__list_t waiters;    /* futures of the end */
  size_t waiting;
  void *user_data;
  e2b__output_t outputs[2]; /* stdout, stderr */
  uint64_t started_ns;
  const e2b_error_t *error; /* why it failed; this and the next are in the arena */
  /* Why what it was promised on standard input did not reach it; NULL: it did. */
  const e2b_error_t *input_error;
  e2b_execution_t execution;
  e2b__arena_t arena; /* of the result */
  const char *user;   /* who runs it; NULL: the default */

  /* Hook of the code room: looks at the result before anybody gets it. Answers nonzero when it
   * takes over; it calls e2b__command_conclude() later. */
  bool (*review)(e2b_command_t *command, void *ctx);
  void (*release_review)(void *ctx);
  void *review_ctx;

  /* input.c */
  e2b__list_t inputs; /* in line */
  size_t input_bytes;
  struct e2b__input_call *input_call; /* under way */
  bool input_refused;                 /* on_drain is owed */
  bool input_ended;
  e2b_drain_cb on_drain;
  e2b__task_t drain_task;
};

/* What Start is told, from the public options. */
typedef struct e2b__command_spec {
  const char *name; /* of the public function, for errors */
  const char *program;
  const char *const *args;
  e2b_run_options options; /* of today's size */
  uint32_t connect_pid;    /* not 0: attach instead */
  bool run;                /* the future is of the end, not of the start */
  e2b_runtime_t runtime;
  /* Code that is too long for an argument: fed to standard input, borrowed for the call. */
  const char *script;
  size_t script_len;
  bool (*review)(e2b_command_t *command, void *ctx);
  void (*release_review)(void *ctx);
  void *review_ctx;
} e2b__command_spec_t;

/* The future of the start or of the end. The review context goes to the command, or is released. */
e2b_future_t *e2b__command_launch(e2b_sandbox_t *sandbox, const e2b__command_spec_t *spec);
/* Gives the outcome to everybody who waits. With `error` it is a failure. */
void e2b__command_conclude(e2b_command_t *command, const e2b_error_t *error);

/* The program does not get the input that it was started with, and may wait for it for ever: it is
 * killed, or, when it does not belong to the call, let go. */
void e2b__command_lose_input(e2b_command_t *command, const e2b_error_t *error);

/* Starts another program in place of one that has exited and was under review; what that printed is
 * forgotten. 0 or an error. */
int e2b__command_restart(e2b_command_t *command, const e2b__command_spec_t *spec);

void e2b__command_hold(e2b_command_t *command); /* the memory */
void e2b__command_drop(e2b_command_t *command);

/* command.c: for events.c and launch.c */
/* The stream lives as long as somebody has an interest in it, or is to bring a pid to kill. */
void e2b__command_leave_if_unwanted(e2b_command_t *command);
void e2b__command_release_value(void *command);
/* The result as far as it is known. */
void e2b__command_refresh(e2b_command_t *command);
/* One more future of the end. `owner`: the program goes when it is cancelled. */
int e2b__command_add_waiter(e2b_command_t *command, e2b_future_t *future, bool owner);
void e2b__command_client_closes(e2b__guest_t *guest);

/* events.c */
extern const e2b__stream_events_t e2b__command_events;

/* processes.c: signals to what the process service started, under another function's name */
e2b_future_t *e2b__process_kill(e2b_sandbox_t *sandbox, uint32_t pid, const char *name);
/* SIGKILL for a program whose run is over for its caller: nobody hears of it, and closing the
 * client waits for it. */
void e2b__process_kill_owed(e2b_sandbox_t *sandbox, uint32_t pid);
/* Any signal, by a shell in the sandbox: `script` finds the signal's number in $0, the pid in $1,
 * and says "No such process" as kill does. Decides `future`, of a bool, later. */
void e2b__process_signal(e2b_future_t *future, e2b_sandbox_t *sandbox, uint32_t pid,
                         const char *user, int signal_number, const char *script);

/* output.c */
void e2b__output_init(e2b_command_t *command, size_t which, e2b_output_cb callback,
                      const e2b_run_options *options);
/* 0, or what is wrong: a ceiling. Calls out. */
int e2b__output_take(e2b_command_t *command, e2b__output_t *output, e2b__str_t data);
/* Hands over what waited for the rest of a character. */
void e2b__output_flush(e2b_command_t *command);

/* input.c */
void e2b__input_init(e2b_command_t *command);
/* Bytes that nobody waits for, or the end of the input. */
int e2b__input_push(e2b_command_t *command, const void *data, size_t len, bool end,
                    e2b_future_t *future);
void e2b__input_pump(e2b_command_t *command);
/* Nothing will be sent any more: who waits is told, with that code. */
void e2b__input_stop(e2b_command_t *command, int code);
/* The program has ended: what is in line fails, but what is on the way has a moment for its own
 * answer, which the news of the end may have overtaken. */
void e2b__input_finish(e2b_command_t *command);

#endif
