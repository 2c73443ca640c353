/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>

#include "host/interpreter.h"
#include "host/paths.h"

/* Contexts: which there are, what waits in them, and the life of their kernels. */

enum { PATIENCE_MS = 30000 };

static void wake(e2b__host_context_t *context);

static const e2b__host_language_t languages[] = {{"python", "python3", E2B__KERNEL_PYTHON},
                                                 {"javascript", "js", E2B__KERNEL_JAVASCRIPT},
                                                 {"typescript", "ts", E2B__KERNEL_TYPESCRIPT},
                                                 {"bash", NULL, E2B__KERNEL_BASH}};

const e2b__host_language_t *e2b__host_language_find(const char *text, char name[64]) {
  size_t len = 0;
  while (isspace((unsigned char)*text))
    text++;
  for (; text[len] != '\0' && len < 63; len++)
    name[len] = (char)tolower((unsigned char)text[len]);
  while (len > 0 && isspace((unsigned char)name[len - 1]))
    len--;
  name[len] = '\0';
  for (size_t i = 0; i < E2B__COUNT(languages); i++)
    if (strcmp(languages[i].name, name) == 0 ||
        (languages[i].alias != NULL && strcmp(languages[i].alias, name) == 0))
      return &languages[i];
  return NULL;
}

/* ---- the end ---- */

static void tell_waits(e2b__host_context_t *context, const char *why) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&context->waits)) != NULL) {
    e2b__host_ready_wait_t *wait = E2B__CONTAINER(node, e2b__host_ready_wait_t, node);
    wait->done(wait, context, why);
  }
}

static void fail_executions(e2b__host_context_t *context, e2b__host_execution_loss_t loss,
                            const char *why) {
  e2b__list_t *node;
  while ((node = e2b__list_take(&context->executions)) != NULL)
    e2b__host_execution_fail(E2B__CONTAINER(node, e2b__host_execution_t, node), loss, why);
}

static void end_kernel(e2b__host_context_t *context) {
  e2b__host_alarm_cancel(&context->sandbox->host->alarms, &context->patience);
  e2b__host_kernel_end(context->kernel);
  context->kernel = NULL;
}

/* Everything in it is over; it has no kernel. */
static void clear(e2b__host_context_t *context, const char *why) {
  e2b__host_execution_t *current = context->current;
  context->current = NULL;
  end_kernel(context);
  if (current != NULL) e2b__host_execution_fail(current, E2B__LOSS_TAKEN, why);
  fail_executions(context, E2B__LOSS_WAITING, why);
  tell_waits(context, why);
}

void e2b__host_context_delete(e2b__host_context_t *context) {
  e2b__list_remove(&context->node);
  clear(context, "the context was removed");
  e2b__free(context->cwd);
  e2b__free(context);
}

void e2b__host_interpreter_free(e2b__host_sandbox_t *sandbox) {
  e2b__host_interpreter_t *interpreter = sandbox->interpreter;
  if (interpreter == NULL) return;
  sandbox->interpreter = NULL;
  while (!e2b__list_empty(&interpreter->contexts))
    e2b__host_context_delete(E2B__CONTAINER(interpreter->contexts.next, e2b__host_context_t, node));
  e2b__free(interpreter);
}

/* ---- what the kernel says ---- */

static void on_ready(void *owner, const char *why) {
  e2b__host_context_t *context = owner;
  if (why != NULL) {
    context->kernel = NULL;
    fail_executions(context, E2B__LOSS_NO_KERNEL, why);
    tell_waits(context, why);
    if (!context->listed) e2b__host_context_delete(context);
    return;
  }
  context->listed = true;
  context->fresh = false;
  tell_waits(context, NULL);
  for (e2b__list_t *node = context->executions.next; node != &context->executions;
       node = node->next)
    e2b__host_execution_open(E2B__CONTAINER(node, e2b__host_execution_t, node));
  wake(context);
}

static void on_output(void *owner, const char *data, size_t len, bool whole) {
  e2b__host_context_t *context = owner;
  if (context->current != NULL) e2b__host_execution_output(context->current, data, len, whole);
}

static void on_ended(void *owner) {
  e2b__host_context_t *context = owner;
  e2b__host_execution_t *current = context->current;
  e2b__host_alarm_cancel(&context->sandbox->host->alarms, &context->patience);
  context->current = NULL;
  if (current != NULL) e2b__host_execution_end(current);
  if (e2b__host_kernel_state(context->kernel) == E2B__KERNEL_LEAVING) end_kernel(context);
  wake(context);
}

static void on_died(void *owner) {
  e2b__host_context_t *context = owner;
  e2b__host_execution_t *current = context->current;
  context->current = NULL;
  context->kernel = NULL;
  e2b__host_alarm_cancel(&context->sandbox->host->alarms, &context->patience);
  if (current != NULL) e2b__host_execution_fail(current, E2B__LOSS_DIED, NULL);
  wake(context);
}

static const e2b__host_kernel_events_t kernel_events = {on_ready, on_output, on_ended, on_died};

/* ---- taking turns ---- */

static void start_kernel(e2b__host_context_t *context) {
  const char *cwd = context->fresh ? context->cwd : e2b__host_home(context->sandbox, false);
  context->kernel = e2b__host_kernel_start(context->sandbox, context->kernel_language, cwd,
                                           &kernel_events, context);
  if (context->kernel == NULL) on_ready(context, "out of memory");
}

/* Does what can be done now. May end the context. */
static void wake(e2b__host_context_t *context) {
  bool wanted = !e2b__list_empty(&context->executions) || !e2b__list_empty(&context->waits);
  if (context->kernel == NULL) {
    if (wanted) start_kernel(context);
    return;
  }
  if (e2b__host_kernel_state(context->kernel) != E2B__KERNEL_IDLE) return;
  e2b__list_t *node = e2b__list_take(&context->executions);
  if (node == NULL) return;
  e2b__host_execution_t *execution = E2B__CONTAINER(node, e2b__host_execution_t, node);
  context->current = execution;
  e2b__host_execution_begin(execution);
  if (e2b__host_kernel_run(context->kernel, execution->code, execution->env) != 0) {
    end_kernel(context);
    on_died(context);
  }
}

void e2b__host_context_execute(e2b__host_context_t *context, e2b__host_execution_t *execution) {
  execution->context = context;
  e2b__list_append(&context->executions, &execution->node);
  if (context->kernel != NULL && e2b__host_kernel_state(context->kernel) != E2B__KERNEL_STARTING)
    e2b__host_execution_open(execution);
  wake(context);
}

void e2b__host_context_wait(e2b__host_context_t *context, e2b__host_ready_wait_t *wait) {
  e2b__list_append(&context->waits, &wait->node);
  wake(context);
}

void e2b__host_context_restart(e2b__host_context_t *context, e2b__host_ready_wait_t *wait) {
  clear(context, "the context was restarted");
  context->fresh = false;
  e2b__host_context_wait(context, wait);
}

/* ---- a client goes ---- */

static void on_patience(e2b__host_alarm_t *alarm) {
  e2b__host_context_t *context = E2B__CONTAINER(alarm, e2b__host_context_t, patience);
  /* As long as nobody waits for it, the variables are worth more. */
  if (e2b__list_empty(&context->executions)) {
    e2b__host_alarm_set(&context->sandbox->host->alarms, alarm, PATIENCE_MS, on_patience);
    return;
  }
  E2B__HOST_LOG(context->sandbox->host, WARN,
                "sandbox %s: a kernel did not heed interrupts for %d s and is replaced",
                context->sandbox->id, PATIENCE_MS / 1000);
  end_kernel(context);
  wake(context);
}

void e2b__host_context_leave(e2b__host_execution_t *execution) {
  e2b__host_context_t *context = execution->context;
  execution->context = NULL;
  e2b__list_remove(&execution->node);
  if (context == NULL || context->current != execution) return;
  context->current = NULL;
  e2b__host_kernel_pause(context->kernel, false);
  e2b__host_kernel_interrupt(context->kernel);
  e2b__host_alarm_set(&context->sandbox->host->alarms, &context->patience, PATIENCE_MS,
                      on_patience);
}

/* ---- which there are ---- */

static int name_it(char id[37]) {
  char hex[33];
  if (e2b__host_random_hex(hex, 32) != 0) return -1;
  snprintf(id, 37, "%.8s-%.4s-4%.3s-%c%.3s-%.12s", hex, hex + 8, hex + 12, "89ab"[hex[15] & 3],
           hex + 16, hex + 20);
  return 0;
}

e2b__host_context_t *e2b__host_context_new(e2b__host_interpreter_t *interpreter,
                                           const e2b__host_language_t *language, const char *cwd) {
  e2b__host_context_t *context = e2b__calloc(1, sizeof *context);
  if (context == NULL) return NULL;
  context->cwd = e2b__strdup(cwd);
  if (context->cwd == NULL || name_it(context->id) != 0) {
    e2b__free(context->cwd);
    e2b__free(context);
    return NULL;
  }
  context->sandbox = interpreter->sandbox;
  context->language = language->name;
  context->kernel_language = language->kernel;
  context->fresh = true;
  e2b__list_init(&context->executions);
  e2b__list_init(&context->waits);
  e2b__list_append(&interpreter->contexts, &context->node);
  return context;
}

e2b__host_context_t *e2b__host_context_find(e2b__host_interpreter_t *interpreter, const char *id) {
  for (e2b__list_t *node = interpreter->contexts.next; node != &interpreter->contexts;
       node = node->next) {
    e2b__host_context_t *context = E2B__CONTAINER(node, e2b__host_context_t, node);
    if (context->listed && strcmp(context->id, id) == 0) return context;
  }
  return NULL;
}

e2b__host_context_t *e2b__host_context_default(e2b__host_interpreter_t *interpreter,
                                               const e2b__host_language_t *language) {
  for (e2b__list_t *node = interpreter->contexts.next; node != &interpreter->contexts;
       node = node->next) {
    e2b__host_context_t *context = E2B__CONTAINER(node, e2b__host_context_t, node);
    if (context->is_default && strcmp(context->language, language->name) == 0) return context;
  }
  e2b__host_context_t *context =
      e2b__host_context_new(interpreter, language, e2b__host_home(interpreter->sandbox, false));
  if (context != NULL) context->is_default = true;
  return context;
}

e2b__host_interpreter_t *e2b__host_interpreter_of(e2b__host_sandbox_t *sandbox) {
  e2b__host_interpreter_t *interpreter = sandbox->interpreter;
  if (interpreter != NULL) return interpreter;
  interpreter = e2b__calloc(1, sizeof *interpreter);
  if (interpreter == NULL) return NULL;
  interpreter->sandbox = sandbox;
  e2b__list_init(&interpreter->contexts);
  sandbox->interpreter = interpreter;
  /* Two are there from the beginning. */
  for (size_t i = 0; i < 2; i++) {
    e2b__host_context_t *context = e2b__host_context_default(interpreter, &languages[i]);
    if (context != NULL) context->listed = true;
  }
  return interpreter;
}
