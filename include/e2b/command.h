/* SPDX-License-Identifier: MIT */
#ifndef E2B_COMMAND_H
#define E2B_COMMAND_H

#include "e2b/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Programs in a sandbox. An operation on a NULL command returns NULL, which every future function
 * takes. */
typedef struct e2b_command e2b_command_t;

/* What a program left behind. A non-zero exit code is data, not an error. */
typedef struct e2b_execution {
  e2b_bytes_t stdout_data; /* empty when it went to a callback only */
  e2b_bytes_t stderr_data;
  int exit_code;      /* -1 when a signal ended it */
  int exited;         /* nonzero: it exited by itself */
  const char *status; /* "exit status 0", "signal: killed" */
  uint32_t pid;
  uint64_t duration_us; /* from the request to the end, as the client saw it */
  const char *sandbox_id;
  const char *provider;  /* "e2b" */
  e2b_runtime_t runtime; /* of e2b_run_code(); else E2B_RUNTIME_AUTO */
} e2b_execution_t;

E2B_API const e2b_execution_t *e2b_future_execution(const e2b_future_t *future);

/* Output as it arrives, from the loop, lent for the call. `command` is the program's handle, also
 * for e2b_run_command(); it may be paused, written to, signalled, acquired. */
typedef void (*e2b_output_cb)(e2b_command_t *command, const char *data, size_t len,
                              void *user_data);
/* Input that was refused with E2B_EAGAIN is welcome again. */
typedef void (*e2b_drain_cb)(e2b_command_t *command, void *user_data);

typedef struct e2b_run_options {
  size_t size;
  const char *cwd; /* default: the user's home */
  const e2b_pair_t *envs;
  size_t envs_count;
  const char *user; /* default: the template's */
  const char *tag;  /* a label to find it by */

  /* Bytes for standard input, which ends after them. Copied. With `keep_stdin_open` it does not
   * end, and e2b_command_write() and e2b_command_close_stdin() go on with it (in e2b_run_*(), from
   * the callbacks). With neither, the program has no input at all. When the bytes cannot be
   * delivered the outcome is that failure: a program that e2b_run_*() waits for is
   * killed, one that was started runs on. */
  const void *stdin_data;
  size_t stdin_len;
  int keep_stdin_open;

  /* The longest the program may run; it is killed then, and the outcome is E2B_ETIMEDOUT with
   * E2B_CLOCK_LIFETIME and what it printed so far. Default: as long as the sandbox lives. */
  uint64_t timeout_ms;
  uint64_t first_event_timeout_ms;

  e2b_output_cb on_stdout;
  e2b_output_cb on_stderr;
  e2b_drain_cb on_drain;
  void *user_data;
  int text; /* nonzero: a callback never gets a part of a UTF-8 character */
  /* Whether output is (also) collected in the result: default yes for a stream without callback,
   * no for one with. Past max_output_bytes the outcome is E2B_ETOOBIG. */
  e2b_toggle_t collect;
  size_t max_output_bytes; /* of each stream; default the client's */
} e2b_run_options;

/* Runs a program to its end. `args` is NULL or ends with NULL; the program's own name is not in
 * it. Arguments arrive exactly as given: no shell is between. Yields e2b_future_execution(). A
 * program that cannot be found has exit code 127 and says so on stderr. Process service, Start
 * (protocol 5.8, 5.9). Cancelling kills the program; the outcome does not wait for that,
 * e2b_client_close() does, unless the program was only being started then. Errors: E2B_EINVAL (no
 * program, text that is not UTF-8, a variable without name or value), E2B_EREQUEST (a working
 * directory that does not exist, arguments too long), E2B_EAUTH (no such user), E2B_ETIMEDOUT,
 * E2B_ESANDBOXGONE when the sandbox ended meanwhile, E2B_ETOOBIG, E2B_ECONNLOST, E2B_ENORESULT. */
E2B_API e2b_future_t *e2b_run_command(e2b_sandbox_t *sandbox, const char *program,
                                      const char *const *args, const e2b_run_options *options);

/* Runs one line of shell, in a login bash: /bin/bash -l -c line. */
E2B_API e2b_future_t *e2b_run_shell(e2b_sandbox_t *sandbox, const char *line,
                                    const e2b_run_options *options);

/* Starts a program and yields its handle, e2b_future_command(), as soon as it runs. Nothing limits
 * its life but the sandbox's, unless `timeout_ms` is given. Cancelling before it runs may or may
 * not leave it running. */
E2B_API e2b_future_t *e2b_command_start(e2b_sandbox_t *sandbox, const char *program,
                                        const char *const *args, const e2b_run_options *options);
E2B_API e2b_future_t *e2b_command_start_shell(e2b_sandbox_t *sandbox, const char *line,
                                              const e2b_run_options *options);

/* A handle to a program that already runs: its output from now on (what it wrote while nobody was
 * attached is gone), its exit, its input. Of the options, the callbacks, `user_data`, `collect`,
 * `text`, `max_output_bytes` and `first_event_timeout_ms` count. Whose program it is the handle
 * does not know: e2b_command_signal() is the template's user's. Process service, Connect.
 * E2B_ENOTFOUND when there is no such process. */
E2B_API e2b_future_t *e2b_command_connect(e2b_sandbox_t *sandbox, uint32_t pid,
                                          const e2b_run_options *options);

/* The handle, with a reference of its own. */
E2B_API e2b_command_t *e2b_future_command(const e2b_future_t *future);
E2B_API e2b_command_t *e2b_command_acquire(e2b_command_t *command);
/* Gives a reference back. The last one disconnects (unless a wait is pending); the program runs on,
 * but what of `stdin_data` it has not got yet, it never gets. NULL is allowed. */
E2B_API void e2b_command_release(e2b_command_t *command);

E2B_API uint32_t e2b_command_pid(const e2b_command_t *command);

/* Its end: yields e2b_future_execution(). Any number of times, also after the end. Cancelling gives
 * up the waiting only. */
E2B_API e2b_future_t *e2b_command_wait(e2b_command_t *command);

/* Sends bytes to its standard input, in the order of the calls; the bytes are copied. Yields
 * success once the sandbox has taken them. At most 4 MiB wait in line: past that the future fails
 * with E2B_EAGAIN, nothing of it is sent, and `on_drain` follows when there is room again. (A piece
 * of any size is taken when nothing waits.)
 * E2B_ENOSTDIN when it has none open. Never sent twice. A program that does not read holds the call
 * up: no clock ends it but the request's own failure, a kill, or a cancel, and what was sent then
 * may still arrive. */
E2B_API e2b_future_t *e2b_command_write(e2b_command_t *command, const void *data, size_t len);
/* Ends its standard input after all that was written. Succeeds also when the program has ended. */
E2B_API e2b_future_t *e2b_command_close_stdin(e2b_command_t *command);

/* Sends a signal by its number (of Linux) to the process. SIGKILL goes through the process service;
 * any other by a `kill` run in the sandbox as the same user, because the service's own SIGTERM may
 * cut the program's last words (protocol 5.9). Yields e2b_future_bool(): 0 when it had ended.
 * E2B_EFORBIDDEN when that user may not; E2B_EREQUEST when the system has no such signal. */
E2B_API e2b_future_t *e2b_command_signal(e2b_command_t *command, int signal_number);
/* SIGKILL. Idempotent. */
E2B_API e2b_future_t *e2b_command_kill(e2b_command_t *command);
E2B_API e2b_future_t *e2b_command_kill_by_pid(e2b_sandbox_t *sandbox, uint32_t pid);

/* Stops and goes on reading its output. A paused stream stops reading its socket, and in the end
 * the program blocks on its writes, for every other viewer too. A few callbacks' worth of data that
 * had already arrived waits in the handle, and so does the news of its end, by a time limit too.
 * Both may be called anywhere. */
E2B_API void e2b_command_pause(e2b_command_t *command);
E2B_API void e2b_command_resume(e2b_command_t *command);

/* Lets go of the program, which runs on: no output callback comes after this call, and futures of
 * e2b_command_wait() and of input that was not taken yet fail with E2B_ECANCELED. */
E2B_API void e2b_command_disconnect(e2b_command_t *command);

typedef struct e2b_process_info {
  uint32_t pid;
  const char *tag; /* "" when none */
  const char *program;
  const char *const *args; /* ends with NULL */
  size_t args_count;
  const e2b_pair_t *envs;
  size_t envs_count;
  const char *cwd; /* "" when none was asked for */
} e2b_process_info_t;

typedef struct e2b_process_list {
  const e2b_process_info_t *items;
  size_t count;
} e2b_process_list_t;

/* All programs that run in the sandbox and were started through its process service. */
E2B_API e2b_future_t *e2b_command_list(e2b_sandbox_t *sandbox);
E2B_API const e2b_process_list_t *e2b_future_process_list(const e2b_future_t *future);

#ifdef __cplusplus
}
#endif

#endif
