/* SPDX-License-Identifier: MIT */
#include "e2b/code.h"

#include <stdio.h>

#include "base/pairs.h"
#include "sandbox/command.h"

/* Code goes to a fresh interpreter as an argument, or, when it is too long for one, on standard
 * input. Whether a failure is a syntax error is not guessed from stderr: the interpreter is asked
 * whether the code parses, which also tells a Node module from a script. */

enum {
  /* Below the kernel's limit for one argument (131,071 bytes), with room to spare. */
  LONGEST_ARGUMENT = 96 << 10,
  CHECK_TIMEOUT_MS = 30000,
  EXIT_NO_PARSE = 61, /* what the check answers */
  EXIT_IS_MODULE = 62
};

/* A parse error is printed and told by the exit status; anything else that may go wrong is not. */
static const char python_check[] = "import sys, traceback\n"
                                   "try:\n"
                                   "    compile(sys.stdin.buffer.read(), '<string>', 'exec')\n"
                                   "except (SyntaxError, ValueError):\n"
                                   "    traceback.print_exc(limit=0)\n"
                                   "    sys.exit(61)\n";

static const char node_check[] =
    "const vm = require('vm');\n"
    "const code = require('fs').readFileSync(0, 'utf8');\n"
    "const parses = (Kind) => {\n"
    "  try { new Kind(code); return null; }\n"
    "  catch (e) { return e instanceof SyntaxError ? e : null; }\n"
    "};\n"
    "const script = parses(vm.Script);\n"
    "if (script) {\n"
    "  const module = parses(vm.SourceTextModule);\n"
    "  if (!module) process.exit(62);\n"
    "  console.error(String((process.argv[1] === 'module' ? module : script).stack));\n"
    "  process.exit(61);\n"
    "}\n";

typedef struct code_run {
  e2b__arena_t arena;
  e2b__command_spec_t spec; /* its strings in the arena */
  const char *code;         /* a blank is before it */
  size_t len;
  e2b_runtime_t runtime;
  bool module;
  const char *args[6];
} code_run;

static void code_run_free(void *ctx) {
  code_run *run = ctx;
  e2b__arena_free(&run->arena);
  e2b__free(run);
}

/* --- what is started ----------------------------------------------------------------------------
 */

static void set_arguments(code_run *run) {
  const bool python = run->runtime == E2B_RUNTIME_PYTHON;
  const bool long_code = run->len > LONGEST_ARGUMENT || memchr(run->code, '\0', run->len) != NULL;
  const e2b_run_options *options = &run->spec.options;
  size_t count = 0;
  run->spec.program = python ? "python3" : "node";
  /* Somebody watches the output: it is to come when it is printed. */
  if (python && (options->on_stdout != NULL || options->on_stderr != NULL)) {
    run->args[count++] = "-u";
  }
  if (run->module) run->args[count++] = "--input-type=module";
  if (long_code) {
    run->args[count++] = "-";
    run->spec.script = run->code;
    run->spec.script_len = run->len;
  } else {
    run->args[count++] = python ? "-c" : "-e";
    /* Node takes what begins with a dash for its own option; a blank before it is no such thing. */
    run->args[count++] = !python && run->code[0] == '-' ? run->code - 1 : run->code;
  }
  run->args[count] = NULL;
  run->spec.args = run->args;
}

static const char *keep(code_run *run, const char *text, bool *ok) {
  if (text == NULL) return NULL;
  const char *copy = e2b__arena_strndup(&run->arena, text, strlen(text));
  if (copy == NULL) *ok = false;
  return copy;
}

static bool keep_code(code_run *run, const char *code) {
  char *copy = run->len < SIZE_MAX - 2 ? e2b__arena_alloc(&run->arena, run->len + 2) : NULL;
  if (copy == NULL) return false;
  copy[0] = ' ';
  memcpy(copy + 1, code, run->len);
  copy[run->len + 1] = '\0';
  run->code = copy + 1;
  return true;
}

/* The options have to outlast the call: a Node module is started twice. */
static int keep_options(code_run *run, const e2b_run_options *given) {
  e2b_run_options *options = &run->spec.options;
  bool ok = true;
  e2b__options_copy(options, sizeof *options, given);
  if (!e2b__pairs_ok(options->envs, options->envs_count)) return E2B_EINVAL;
  options->cwd = keep(run, options->cwd, &ok);
  options->user = keep(run, options->user, &ok);
  options->tag = keep(run, options->tag, &ok);
  if (options->stdin_data != NULL) {
    options->stdin_data = e2b__arena_strndup(&run->arena, options->stdin_data, options->stdin_len);
    ok = ok && options->stdin_data != NULL;
  }
  e2b_pair_t *envs = e2b__arena_calloc(&run->arena, options->envs_count + 1, sizeof *envs);
  if (envs == NULL) return E2B_ENOMEM;
  for (size_t i = 0; i < options->envs_count; i++) {
    envs[i].name = keep(run, options->envs[i].name, &ok);
    envs[i].value = keep(run, options->envs[i].value, &ok);
  }
  options->envs = envs;
  return ok ? 0 : E2B_ENOMEM;
}

/* --- does it parse? -----------------------------------------------------------------------------
 */

/* The first line that names the kind of error; the same length as the whole when there is none. */
static const char *error_line(const char *text, size_t *len) {
  static const char *const kinds[] = {"SyntaxError", "IndentationError", "TabError", "ValueError"};
  for (size_t i = 0; i < E2B__COUNT(kinds); i++) {
    const char *at = strstr(text, kinds[i]);
    if (at == NULL) continue;
    while (at > text && at[-1] != '\n') {
      at--;
    }
    *len = strcspn(at, "\r\n");
    return at;
  }
  *len = strcspn(text, "\r\n");
  return text;
}

static void conclude_unparsable(e2b_command_t *command, const e2b_execution_t *check) {
  const e2b__buffer_t *printed = &command->outputs[1].collected;
  const char *detail = printed->len > 0 ? printed->data : check->stderr_data.ptr;
  size_t len;
  const char *line = error_line(check->stderr_data.ptr, &len);
  e2b_error_t error = e2b__error_text(&command->arena, E2B_ESYNTAX, "Syntax error: %.*s",
                                      (int)(len < 500 ? len : 500), line);
  error.detail = detail;
  error.sandbox = E2B_PRESENCE_ALIVE;
  e2b__command_conclude(command, &error);
}

static void on_checked(e2b_future_t *check, void *user_data) {
  e2b_command_t *command = user_data;
  const e2b_execution_t *answer = e2b_future_execution(check);
  if (command->state != E2B__COMMAND_EXITED) {
    /* Nobody waits any more. */
  } else if (answer != NULL && answer->exit_code == EXIT_NO_PARSE) {
    conclude_unparsable(command, answer);
  } else if (answer != NULL && answer->exit_code == EXIT_IS_MODULE) {
    code_run *run = command->review_ctx;
    run->module = true;
    set_arguments(run);
    command->review = NULL; /* it parses, so whatever comes now is the program's own */
    int rc = e2b__command_restart(command, &run->spec);
    if (rc != 0) {
      const e2b_error_t error = e2b__error(rc);
      e2b__command_conclude(command, &error);
    }
  } else {
    e2b__command_conclude(command, NULL);
  }
  e2b__command_drop(command);
}

/* Code that does not parse prints nothing and leaves with 1, in both languages. */
static bool may_be_unparsable(const e2b_command_t *command) {
  if (command->execution.exit_code != 1 || command->outputs[0].bytes > 0) return false;
  const e2b__output_t *errors = &command->outputs[1];
  if (!errors->collect) return true;
  return errors->collected.len > 0 && (strstr(errors->collected.data, "SyntaxError") != NULL ||
                                       strstr(errors->collected.data, "IndentationError") != NULL ||
                                       strstr(errors->collected.data, "TabError") != NULL ||
                                       strstr(errors->collected.data, "null bytes") != NULL);
}

static bool review(e2b_command_t *command, void *ctx) {
  code_run *run = ctx;
  if (!may_be_unparsable(command)) return false;
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = run->spec.options.user;
  options.stdin_data = run->code;
  options.stdin_len = run->len;
  options.timeout_ms = CHECK_TIMEOUT_MS;
  const char *const python_args[] = {"-c", python_check, NULL};
  const char *const node_args[] = {"--experimental-vm-modules",
                                   "--no-warnings",
                                   "-e",
                                   node_check,
                                   run->module ? "module" : "script",
                                   NULL};
  const bool python = run->runtime == E2B_RUNTIME_PYTHON;
  e2b_future_t *check = e2b_run_command(command->sandbox, python ? "python3" : "node",
                                        python ? python_args : node_args, &options);
  e2b__command_hold(command);
  if (e2b_future_then(check, on_checked, command) == 0) return true;
  e2b__command_drop(command);
  return false;
}

/* --- the public function ------------------------------------------------------------------------
 */

static e2b_future_t *refuse(e2b_sandbox_t *sandbox, int code, const char *why) {
  e2b_future_t *future =
      e2b__future_new(&sandbox->client->queue, E2B__KIND_EXECUTION, "e2b_run_code");
  if (future != NULL && !e2b_future_is_done(future)) e2b__future_fail_text(future, code, "%s", why);
  return future;
}

e2b_future_t *e2b_run_code(e2b_sandbox_t *sandbox, const char *code,
                           const e2b_code_options *given) {
  e2b_code_options options;
  e2b__options_copy(&options, sizeof options, given);
  if (sandbox == NULL) return NULL;
  if (code == NULL) return refuse(sandbox, E2B_EINVAL, "invalid argument: there is no code");
  if (options.runtime < E2B_RUNTIME_AUTO || options.runtime > E2B_RUNTIME_NODE) {
    return refuse(sandbox, E2B_EINVAL, "invalid argument: there is no such runtime");
  }
  code_run *run = e2b__calloc(1, sizeof *run);
  if (run == NULL) return refuse(sandbox, E2B_ENOMEM, "out of memory");
  run->len = options.code_len != 0 ? options.code_len : strlen(code);
  const int rc = keep_code(run, code) ? keep_options(run, options.run) : E2B_ENOMEM;
  if (rc != 0) {
    code_run_free(run);
    return refuse(sandbox, rc,
                  rc == E2B_EINVAL ? "invalid argument: a variable without a name or a value"
                                   : e2b_code_text(rc));
  }
  run->runtime =
      options.runtime != E2B_RUNTIME_AUTO ? options.runtime : sandbox->client->config.runtime;
  if (run->runtime == E2B_RUNTIME_AUTO) run->runtime = e2b_detect_runtime(code, run->len);
  set_arguments(run);
  const e2b_run_options *known = &run->spec.options;
  if (run->spec.script != NULL && (known->stdin_data != NULL || known->keep_stdin_open)) {
    code_run_free(run);
    return refuse(sandbox, E2B_EINVAL,
                  "invalid argument: code of more than 96 KiB comes in on standard input itself");
  }
  run->spec.name = "e2b_run_code";
  run->spec.run = true;
  run->spec.runtime = run->runtime;
  run->spec.review = review;
  run->spec.release_review = code_run_free;
  run->spec.review_ctx = run;
  return e2b__command_launch(sandbox, &run->spec);
}
