/* SPDX-License-Identifier: MIT */
#include "handler/handler.h"

#include "handler/terminal.h"

enum {
  DEFAULT_BODY_BYTES = 8 << 20,
  DEFAULT_SANDBOXES = 16,
  DEFAULT_RUNS = 8,
  DEFAULT_STREAMS = 64,
  DEFAULT_RUN_MS = 300000,
  DEFAULT_OUTPUT_BYTES = 1 << 20,
  DEFAULT_HEARTBEAT_MS = 15000,
  DEFAULT_TERMINAL_KEEP_MS = 60000
};

/* --- callers ------------------------------------------------------------------------------------
 */

e2b__caller_t *e2b__caller_get(e2b_handler_t *handler, const char *name) {
  for (e2b__list_t *node = handler->callers.next; node != &handler->callers; node = node->next) {
    e2b__caller_t *caller = E2B__CONTAINER(node, e2b__caller_t, node);
    if (strcmp(caller->name, name) != 0) continue;
    caller->refs++;
    return caller;
  }
  e2b__caller_t *caller = e2b__calloc(1, sizeof *caller);
  if (caller == NULL) return NULL;
  caller->name = e2b__strdup(name);
  if (caller->name == NULL) {
    e2b__free(caller);
    return NULL;
  }
  caller->refs = 1;
  e2b__list_init(&caller->node);
  e2b__list_append(&handler->callers, &caller->node);
  return caller;
}

void e2b__caller_drop(e2b__caller_t *caller) {
  if (caller == NULL || --caller->refs > 0) return;
  e2b__list_remove(&caller->node);
  e2b__free(caller->name);
  e2b__free(caller);
}

/* --- the handler --------------------------------------------------------------------------------
 */

static const char *keep(e2b_handler_t *handler, const char *text, bool *ok) {
  if (text == NULL) return NULL;
  const char *copy = e2b__arena_strndup(&handler->arena, text, strlen(text));
  if (copy == NULL) *ok = false;
  return copy;
}

static const e2b_pair_t *keep_pairs(e2b_handler_t *handler, const e2b_pair_t *pairs, size_t count,
                                    bool *ok) {
  e2b_pair_t *copy = e2b__arena_calloc(&handler->arena, count + 1, sizeof *copy);
  if (copy == NULL) {
    *ok = false;
    return NULL;
  }
  for (size_t i = 0; i < count; i++) {
    copy[i].name = keep(handler, pairs[i].name, ok);
    copy[i].value = keep(handler, pairs[i].value, ok);
  }
  return copy;
}

static bool keep_options(e2b_handler_t *handler, const e2b_handler_options *given) {
  e2b_handler_options *options = &handler->options;
  e2b_create_options *create = &handler->create;
  bool ok = true;
  *options = *given;
  /* An empty one, of a variable that is not set, is none: everybody could say it. */
  const bool token = given->bearer_token != NULL && *given->bearer_token != '\0';
  options->bearer_token = token ? keep(handler, given->bearer_token, &ok) : NULL;
  const size_t origins = given->allowed_origins_count;
  const char **copy = e2b__arena_calloc(&handler->arena, origins + 1, sizeof *copy);
  if (copy == NULL) return false;
  for (size_t i = 0; i < origins; i++) {
    copy[i] = keep(handler, given->allowed_origins[i], &ok);
  }
  options->allowed_origins = copy;
  e2b__options_copy(create, sizeof *create, given->create);
  create->size = sizeof *create;
  create->template_id = keep(handler, create->template_id, &ok);
  create->metadata = keep_pairs(handler, create->metadata, create->metadata_count, &ok);
  create->envs = keep_pairs(handler, create->envs, create->envs_count, &ok);
  create->idempotency_key = NULL; /* it would name one sandbox for everybody */
  options->create = create;
  return ok;
}

/* Their terminals and runs end with the client, so nothing more comes. */
static void on_client_close(e2b__guest_t *guest) {
  e2b_handler_t *handler = E2B__CONTAINER(guest, e2b_handler_t, guest);
  e2b__http_stream_close_all(handler);
  e2b__handler_clock_close(handler);
}

static void set_defaults(e2b_handler_options *options) {
  if (options->max_body_bytes == 0) options->max_body_bytes = DEFAULT_BODY_BYTES;
  if (options->max_sandboxes == 0) options->max_sandboxes = DEFAULT_SANDBOXES;
  if (options->max_runs == 0) options->max_runs = DEFAULT_RUNS;
  if (options->max_streams == 0) options->max_streams = DEFAULT_STREAMS;
  if (options->run_timeout_ms == 0) options->run_timeout_ms = DEFAULT_RUN_MS;
  if (options->max_output_bytes == 0) options->max_output_bytes = DEFAULT_OUTPUT_BYTES;
  if (options->heartbeat_ms == 0) options->heartbeat_ms = DEFAULT_HEARTBEAT_MS;
  if (options->terminal_keep_ms == 0) options->terminal_keep_ms = DEFAULT_TERMINAL_KEEP_MS;
}

int e2b_handler_new(e2b_client_t *client, const e2b_handler_options *given,
                    e2b_handler_t **handler) {
  e2b_handler_options options;
  e2b__options_copy(&options, sizeof options, given);
  *handler = NULL;
  const bool token = options.bearer_token != NULL && *options.bearer_token != '\0';
  if (client == NULL) return E2B_EINVAL;
  if (options.authorize == NULL && !token && options.allow_anyone != E2B_ON) return E2B_EINVAL;
  e2b_handler_t *made = e2b__calloc(1, sizeof *made);
  if (made == NULL) return E2B_ENOMEM;
  made->refs = 1;
  e2b__list_init(&made->callers);
  e2b__list_init(&made->leases);
  e2b__list_init(&made->streams);
  e2b__list_init(&made->operators);
  if (!keep_options(made, &options)) {
    e2b__arena_free(&made->arena);
    e2b__free(made);
    return E2B_ENOMEM;
  }
  set_defaults(&made->options);
  made->client = client;
  e2b__queue_acquire(&client->queue);
  made->guest.on_client_close = on_client_close;
  e2b__list_init(&made->guest.node);
  if (client->state == E2B__CLIENT_OPEN) {
    e2b__guest_add(client, &made->guest);
    e2b__handler_clock_open(made);
  }
  *handler = made;
  return 0;
}

void e2b__handler_hold(e2b_handler_t *handler) {
  handler->refs++;
}

void e2b__handler_drop(e2b_handler_t *handler) {
  if (--handler->refs > 0) return;
  /* Requests that outlived the release may have left some. */
  e2b__operators_free(handler);
  e2b__lease_forget(handler, NULL);
  e2b__list_remove(&handler->guest.node);
  e2b__arena_free(&handler->arena);
  e2b__queue_t *queue = &handler->client->queue;
  e2b__free(handler);
  e2b__queue_release(queue);
}

void e2b_handler_release(e2b_handler_t *handler) {
  if (handler == NULL || handler->released) return;
  handler->released = true;
  e2b__http_stream_close_all(handler);
  e2b__operators_free(handler);
  e2b__lease_forget(handler, NULL);
  e2b__handler_clock_close(handler);
  e2b__handler_drop(handler);
}
