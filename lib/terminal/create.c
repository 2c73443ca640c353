/* SPDX-License-Identifier: MIT */
#include "terminal/terminal.h"

/* How a terminal begins: a new one, or one more viewer of one that exists. */

static const e2b__transport_ops_t *ops_of(e2b_transport_t kind) {
  switch (kind) {
  case E2B_TRANSPORT_AUTO:
  case E2B_TRANSPORT_AGENT: return &e2b__transport_agent;
  case E2B_TRANSPORT_JUPYTER: return &e2b__transport_jupyter;
  case E2B_TRANSPORT_TTYD: return &e2b__transport_ttyd;
  case E2B_TRANSPORT_ENVD: return &e2b__transport_envd;
  }
  return NULL;
}

bool e2b__terminal_id_is_pid(const char *id) {
  const size_t digits = strspn(id, "0123456789");
  return digits > 0 && digits <= 10 && id[digits] == '\0';
}

static e2b_transport_t choose(const e2b__terminal_spec_t *spec) {
  const e2b_transport_t wanted = spec->options.transport;
  if (wanted != E2B_TRANSPORT_AUTO) return wanted;
  if (spec->attach_id != NULL && e2b__terminal_id_is_pid(spec->attach_id)) {
    return E2B_TRANSPORT_ENVD;
  }
  return E2B_TRANSPORT_AGENT;
}

static int use(e2b_terminal_t *terminal, e2b_transport_t kind) {
  const e2b__transport_ops_t *ops = ops_of(kind);
  int rc = ops->make(terminal, terminal->spec, &terminal->transport);
  if (rc != 0) return rc;
  terminal->kind = (uint8_t)ops->kind;
  return ops->open(terminal->transport);
}

int e2b__terminal_fall_back(e2b_terminal_t *terminal) {
  const e2b__terminal_spec_t *spec = terminal->spec;
  if (terminal->kind != E2B_TRANSPORT_AGENT || spec->options.transport != E2B_TRANSPORT_AUTO ||
      spec->attach_id != NULL) {
    return E2B_EUNIMPLEMENTED;
  }
  E2B__LOG(
      &e2b__terminal_client(terminal)->log, E2B_LOG_WARN,
      "sandbox %s: the agent cannot run there; the terminal uses the process service, and what "
      "it prints during an outage will be lost",
      terminal->sandbox->record.id);
  terminal->transport->ops->close(terminal->transport, E2B_ECANCELED);
  terminal->transport = NULL;
  return use(terminal, E2B_TRANSPORT_ENVD);
}

static void abandon_start(void *work) {
  e2b_terminal_t *terminal = work;
  terminal->starting = NULL;
  e2b__terminal_leave_if_unwanted(terminal);
  e2b__terminal_drop(terminal);
}

static int begin(e2b_sandbox_t *sandbox, const char *attach_id, const e2b_terminal_options *options,
                 e2b_future_t *future) {
  e2b__terminal_spec_t *spec;
  int rc = e2b__terminal_spec_new(options, attach_id, &spec);
  e2b_terminal_t *terminal = rc == 0 ? e2b__terminal_new(sandbox, &spec->options) : NULL;
  if (terminal == NULL) {
    e2b__terminal_spec_free(spec);
    return rc != 0 ? rc : E2B_ENOMEM;
  }
  terminal->spec = spec;
  rc = use(terminal, choose(spec));
  if (rc == E2B_EUNIMPLEMENTED) rc = e2b__terminal_fall_back(terminal);
  if (rc == 0) {
    terminal->starting = future;
    terminal->refs++;
    e2b__future_bind(future, abandon_start, terminal);
  } else {
    e2b__terminal_conclude(terminal, NULL, true);
  }
  e2b__terminal_drop(terminal);
  return rc;
}

static const char *wrong_in(const e2b_terminal_options *given) {
  e2b_terminal_options options;
  e2b__options_copy(&options, sizeof options, given);
  const char *wrong = e2b__terminal_options_wrong(&options);
  return wrong != NULL ? wrong : "that is no terminal's id in this transport";
}

static e2b_future_t *start(e2b_sandbox_t *sandbox, bool attach, const char *attach_id,
                           const e2b_terminal_options *options, const char *name) {
  if (sandbox == NULL) return NULL;
  e2b_client_t *client = sandbox->client;
  e2b_future_t *future = e2b__future_new(&client->queue, E2B__KIND_TERMINAL, name);
  if (future == NULL || e2b_future_is_done(future)) return future;
  if (client->config.error != 0) {
    e2b__future_fail_text(future, client->config.error, "%s", client->config.error_text);
    return future;
  }
  int rc = attach && (attach_id == NULL || *attach_id == '\0') ? E2B_EINVAL : 0;
  if (rc == 0) rc = begin(sandbox, attach_id, options, future);
  if (rc != 0) {
    const char *why = rc == E2B_ETOOBIG
                          ? "the terminal's program, arguments and variables are too long"
                      : rc == E2B_EINVAL ? wrong_in(options)
                                         : NULL;
    e2b__future_fail_text(future, rc, "%s%s%s", e2b_code_text(rc), why != NULL ? ": " : "",
                          why != NULL ? why : "");
  }
  return future;
}

e2b_future_t *e2b_terminal_create(e2b_sandbox_t *sandbox, const e2b_terminal_options *options) {
  return start(sandbox, false, NULL, options, "e2b_terminal_create");
}

e2b_future_t *e2b_terminal_get_by_id(e2b_sandbox_t *sandbox, const char *id,
                                     const e2b_terminal_options *options) {
  return start(sandbox, true, id, options, "e2b_terminal_get_by_id");
}
