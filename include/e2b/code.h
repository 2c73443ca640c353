/* SPDX-License-Identifier: MIT */
#ifndef E2B_CODE_H
#define E2B_CODE_H

#include "e2b/command.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct e2b_code_options {
  size_t size;
  e2b_runtime_t runtime; /* default: the client's, else detected */
  size_t code_len;       /* default: up to the NUL */
  /* Working directory, environment, user, limits, callbacks; may be NULL. */
  const e2b_run_options *run;
} e2b_code_options;

/* Runs code in a fresh interpreter, without a shell between: python3 or node. Code of any size.
 * Yields e2b_future_execution(); its `runtime` says which interpreter it was. A run-time error of
 * the code is data: exit code and stderr tell. E2B_ESYNTAX, with stderr in `detail`, only when the
 * code itself does not parse. `run->stdin_data` is given to the code, and `keep_stdin_open` heeded,
 * when it is at most 96 KiB; larger code comes in on standard input itself, and they are
 * E2B_EINVAL. A module that Node does not know for one is first started as a script, which fails
 * before anything of it ran: `on_stderr` sees that too, and a time limit counts from each start.
 * Cancelling kills it. Further errors as of e2b_run_command(). */
E2B_API e2b_future_t *e2b_run_code(e2b_sandbox_t *sandbox, const char *code,
                                   const e2b_code_options *options);

/* The interpreter that a piece of code looks like it is for. Never E2B_RUNTIME_AUTO. */
E2B_API e2b_runtime_t e2b_detect_runtime(const char *code, size_t len);

#ifdef __cplusplus
}
#endif

#endif
