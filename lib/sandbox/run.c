/* SPDX-License-Identifier: MIT */
#include "sandbox/command.h"

/* The public ways to start a program: what they differ in is what Start is told. */

static e2b__command_spec_t make_spec(const char *name, const e2b_run_options *options, bool run) {
  e2b__command_spec_t spec;
  memset(&spec, 0, sizeof spec);
  spec.name = name;
  spec.run = run;
  e2b__options_copy(&spec.options, sizeof spec.options, options);
  return spec;
}

static e2b_future_t *program(e2b_sandbox_t *sandbox, const char *name, bool run, const char *file,
                             const char *const *args, const e2b_run_options *options) {
  e2b__command_spec_t spec = make_spec(name, options, run);
  spec.program = file;
  spec.args = args;
  return e2b__command_launch(sandbox, &spec);
}

/* A login shell, as the official SDKs run their lines in. */
static e2b_future_t *shell(e2b_sandbox_t *sandbox, const char *name, bool run, const char *line,
                           const e2b_run_options *options) {
  const char *const args[] = {"-l", "-c", line, NULL};
  return program(sandbox, name, run, line != NULL ? "/bin/bash" : NULL, args, options);
}

e2b_future_t *e2b_run_command(e2b_sandbox_t *sandbox, const char *file, const char *const *args,
                              const e2b_run_options *options) {
  return program(sandbox, "e2b_run_command", true, file, args, options);
}

e2b_future_t *e2b_run_shell(e2b_sandbox_t *sandbox, const char *line,
                            const e2b_run_options *options) {
  return shell(sandbox, "e2b_run_shell", true, line, options);
}

e2b_future_t *e2b_command_start(e2b_sandbox_t *sandbox, const char *file, const char *const *args,
                                const e2b_run_options *options) {
  return program(sandbox, "e2b_command_start", false, file, args, options);
}

e2b_future_t *e2b_command_start_shell(e2b_sandbox_t *sandbox, const char *line,
                                      const e2b_run_options *options) {
  return shell(sandbox, "e2b_command_start_shell", false, line, options);
}

e2b_future_t *e2b_command_connect(e2b_sandbox_t *sandbox, uint32_t pid,
                                  const e2b_run_options *options) {
  e2b__command_spec_t spec = make_spec("e2b_command_connect", options, false);
  spec.connect_pid = pid;
  spec.options.timeout_ms = 0;
  spec.options.stdin_data = NULL;
  spec.options.stdin_len = 0;
  spec.options.user = NULL;
  return e2b__command_launch(sandbox, &spec);
}
