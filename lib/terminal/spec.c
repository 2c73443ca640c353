/* SPDX-License-Identifier: MIT */
#include "base/pairs.h"
#include "terminal/terminal.h"

/* What a terminal was asked to be: the public options, checked, completed and copied, because the
 * program may be started later than the call returns, or twice. */

enum { COLS = 80, ROWS = 24, RING_MIN = 4 << 10, RING_MAX = 1 << 30 };

static const char *copy(e2b__terminal_spec_t *spec, const char *text, int *rc) {
  if (text == NULL) return NULL;
  const char *own = e2b__arena_strndup(&spec->arena, text, strlen(text));
  if (own == NULL) *rc = E2B_ENOMEM;
  return own;
}

/* An interactive login shell, as the official SDKs start it (protocol 8.6). */
static int copy_argv(e2b__terminal_spec_t *spec) {
  static const char *const shell_args[] = {"-i", "-l", NULL};
  e2b_terminal_options *options = &spec->options;
  int rc = 0;
  if (options->program == NULL) {
    options->program = "/bin/bash";
    options->args = shell_args;
  }
  while (options->args != NULL && options->args[spec->argc] != NULL) {
    spec->argc++;
  }
  spec->argc++;
  const char **argv = e2b__arena_calloc(&spec->arena, spec->argc + 1, sizeof *argv);
  if (argv == NULL) return E2B_ENOMEM;
  argv[0] = copy(spec, options->program, &rc);
  for (size_t i = 1; i < spec->argc; i++) {
    argv[i] = copy(spec, options->args[i - 1], &rc);
  }
  spec->argv = argv;
  options->program = argv[0];
  options->args = argv + 1;
  return rc;
}

static const e2b_pair_t default_envs[] = {
    {"TERM", "xterm-256color"}, {"LANG", "C.UTF-8"}, {"LC_ALL", "C.UTF-8"}};

static int copy_envs(e2b__terminal_spec_t *spec) {
  e2b_terminal_options *options = &spec->options;
  const size_t count = options->envs_count;
  e2b_pair_t *envs =
      e2b__arena_calloc(&spec->arena, count + E2B__COUNT(default_envs), sizeof *envs);
  if (envs == NULL) return E2B_ENOMEM;
  int rc = 0;
  for (size_t i = 0; i < count; i++) {
    envs[i].name = copy(spec, options->envs[i].name, &rc);
    envs[i].value = copy(spec, options->envs[i].value, &rc);
  }
  if (rc != 0) return rc;
  for (size_t d = 0; d < E2B__COUNT(default_envs); d++) {
    bool given = false;
    for (size_t i = 0; i < count; i++) {
      given |= strcmp(envs[i].name, default_envs[d].name) == 0;
    }
    if (!given) envs[options->envs_count++] = default_envs[d];
  }
  options->envs = envs;
  return 0;
}

const char *e2b__terminal_options_wrong(const e2b_terminal_options *options) {
  const uint32_t ring = options->ring_bytes;
  if (ring != 0 && (ring < RING_MIN || ring > RING_MAX)) return "ring_bytes is 4 KiB to 1 GiB";
  if (options->transport < E2B_TRANSPORT_AUTO || options->transport > E2B_TRANSPORT_ENVD) {
    return "there is no such transport";
  }
  if (options->program == NULL && options->args != NULL) return "arguments without a program";
  if (!e2b__pairs_are_text(options->envs, options->envs_count)) {
    return "a variable without a name or a value, or not UTF-8";
  }
  if (!e2b__is_text(options->program)) return "the program is not UTF-8";
  if (!e2b__is_text(options->cwd)) return "the working directory is not UTF-8";
  for (size_t i = 0; options->args != NULL && options->args[i] != NULL; i++) {
    if (!e2b__is_text(options->args[i])) return "an argument is not UTF-8";
  }
  if (options->user != NULL && strchr(options->user, ':') != NULL) {
    return "the user's name has a colon";
  }
  return NULL;
}

int e2b__terminal_spec_new(const e2b_terminal_options *options, const char *attach_id,
                           e2b__terminal_spec_t **out) {
  e2b__terminal_spec_t *spec = e2b__calloc(1, sizeof *spec);
  *out = spec;
  if (spec == NULL) return E2B_ENOMEM;
  e2b__options_copy(&spec->options, sizeof spec->options, options);
  if (e2b__terminal_options_wrong(&spec->options) != NULL) return E2B_EINVAL;
  if (spec->options.cols == 0) spec->options.cols = COLS;
  if (spec->options.rows == 0) spec->options.rows = ROWS;
  int rc = copy_argv(spec);
  if (rc == 0) rc = copy_envs(spec);
  if (rc != 0) return rc;
  spec->attach_id = copy(spec, attach_id, &rc);
  spec->options.cwd = copy(spec, spec->options.cwd, &rc);
  spec->options.user = copy(spec, spec->options.user, &rc);
  spec->options.base_url = copy(spec, spec->options.base_url, &rc);
  spec->options.credential = copy(spec, spec->options.credential, &rc);
  return rc;
}

void e2b__terminal_spec_free(e2b__terminal_spec_t *spec) {
  if (spec == NULL) return;
  e2b__arena_free(&spec->arena);
  e2b__free(spec);
}
