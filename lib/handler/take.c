/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "handler/handler.h"

/* Whose a sandbox is. The handler remembers in memory; what it does not remember is asked of the
 * control plane, where the sandbox's metadata tells, so that a restart loses nobody's sandboxes. */

const char e2b__handling_owner_key[] = "e2bHandlerCaller";

static const char *metadata(const e2b_sandbox_info_t *info, const char *name) {
  for (size_t i = 0; i < info->metadata_count; i++) {
    if (strcmp(info->metadata[i].name, name) == 0) return info->metadata[i].value;
  }
  return NULL;
}

bool e2b__handling_owns(const e2b__handling_t *h, const e2b_sandbox_info_t *info) {
  const char *owner = metadata(info, e2b__handling_owner_key);
  return *h->caller->name == '\0' || (owner != NULL && strcmp(owner, h->caller->name) == 0);
}

static bool parse_runtime(const char *text, e2b_runtime_t *runtime) {
  static const struct {
    const char *name;
    e2b_runtime_t runtime;
  } names[] = {{"python", E2B_RUNTIME_PYTHON}, {"node", E2B_RUNTIME_NODE}};
  for (size_t i = 0; text != NULL && i < E2B__COUNT(names); i++) {
    if (strcmp(text, names[i].name) != 0) continue;
    *runtime = names[i].runtime;
    return true;
  }
  return false;
}

e2b_runtime_t e2b__handling_runtime_of(const e2b_sandbox_info_t *info) {
  e2b_runtime_t runtime = E2B_RUNTIME_AUTO;
  (void)parse_runtime(metadata(info, "runtime"), &runtime);
  return runtime;
}

bool e2b__handling_read_runtime(e2b__handling_t *h, const cJSON *object, e2b_runtime_t *runtime) {
  const char *text = e2b__json_string(object, "runtime", "");
  if (*text == '\0' || parse_runtime(text, runtime)) return true;
  e2b__handling_fail(h, 400, "Unknown runtime: %s", text);
  return false;
}

/* --- an existing one ----------------------------------------------------------------------------
 */

static uint64_t usual_life_ms(const e2b__handling_t *h) {
  return h->handler->create.timeout_ms != 0 ? h->handler->create.timeout_ms
                                            : h->handler->client->config.sandbox_timeout_ms;
}

static void on_connected(e2b__handling_t *h, e2b_future_t *done) {
  h->sandbox = e2b_future_sandbox(done);
  if (h->sandbox == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
    return;
  }
  const uint64_t prolonged_ms = usual_life_ms(h);
  /* Whoever has a name has his own only: they count as if they were just made, or a life too short
   * to be remembered would be a way around the limit. Without memory for it the next request asks
   * again. */
  (void)e2b__lease_add(h->handler, h->caller, h->sandbox, h->runtime, *h->caller->name != '\0',
                       h->life_ms > prolonged_ms ? h->life_ms : prolonged_ms);
  h->taken(h);
}

static void connect_to(e2b__handling_t *h) {
  e2b_connect_options options;
  E2B_INIT(&options);
  options.timeout_ms = h->handler->create.timeout_ms;
  e2b__handling_await(h, e2b_sandbox_connect(h->handler->client, h->id, &options), on_connected);
}

static void on_described(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_sandbox_info_t *info = e2b_future_sandbox_info(done);
  if (info == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
  } else if (!e2b__handling_owns(h, info)) {
    e2b__handling_fail_unknown(h, h->id); /* whether it exists is not this caller's business */
  } else {
    const int64_t left_ms = info->end_at_ms - e2b__wall_ms();
    h->life_ms = left_ms > 0 ? (uint64_t)left_ms : 0;
    h->runtime = e2b__handling_runtime_of(info);
    if (h->tag != 0) {
      connect_to(h);
    } else {
      h->taken(h);
    }
  }
}

static bool is_id(const char *id) {
  const size_t len = strlen(id);
  return len <= 128 && len == strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789_-");
}

void e2b__handling_take_sandbox(e2b__handling_t *h, const char *id, bool connect,
                                void (*next)(e2b__handling_t *h)) {
  if (!is_id(id)) {
    e2b__handling_fail_unknown(h, id);
    return;
  }
  h->id = e2b__strdup(id);
  if (h->id == NULL) {
    e2b__handling_fail(h, 500, "out of memory");
    return;
  }
  h->taken = next;
  h->tag = connect;
  e2b__lease_expire(h->handler);
  e2b__lease_t *lease = e2b__lease_find(h->handler, h->caller, id);
  if (lease != NULL) {
    h->runtime = lease->runtime;
    if (connect) h->sandbox = e2b_sandbox_acquire(lease->sandbox);
    next(h);
  } else if (*h->caller->name != '\0') {
    /* Asked first: to connect would wake a sandbox that may be somebody else's. */
    e2b__handling_await(h, e2b_sandbox_get_info_by_id(h->handler->client, id), on_described);
  } else if (connect) {
    connect_to(h);
  } else {
    next(h);
  }
}

/* --- a new one ----------------------------------------------------------------------------------
 */

static uint64_t wanted_life_ms(const e2b__handling_t *h) {
  const cJSON *options = cJSON_GetObjectItemCaseSensitive(h->body, "options");
  const int64_t asked = e2b__json_int(options, "timeout", 0);
  return asked > 0 ? (uint64_t)asked : usual_life_ms(h);
}

static void on_made(e2b__handling_t *h, e2b_future_t *done) {
  h->sandbox = e2b_future_sandbox(done);
  if (h->sandbox == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
    return;
  }
  h->id = e2b__strdup(e2b_sandbox_id(h->sandbox));
  if (h->id == NULL ||
      e2b__lease_add(h->handler, h->caller, h->sandbox, h->runtime, true, wanted_life_ms(h)) != 0) {
    e2b_future_release(e2b_sandbox_kill(h->sandbox));
    e2b__handling_fail(h, 500, "out of memory");
    return;
  }
  h->making = false; /* the lease counts it now */
  h->caller->sandboxes--;
  h->made = true;
  h->taken(h);
}

/* The handler's metadata, the caller and the runtime. `pairs` has room for two more. What the
 * application's own say under the same names does not count: JSON would have two. */
static size_t add_metadata(const e2b__handling_t *h, e2b_pair_t *pairs) {
  static const char *const names[] = {NULL, "python", "node"};
  const e2b_create_options *create = &h->handler->create;
  size_t count = 0;
  for (size_t i = 0; i < create->metadata_count; i++) {
    const char *name = create->metadata[i].name;
    if (strcmp(name, e2b__handling_owner_key) == 0) continue;
    if (strcmp(name, "runtime") == 0 && h->runtime != E2B_RUNTIME_AUTO) continue;
    pairs[count++] = create->metadata[i];
  }
  if (*h->caller->name != '\0') {
    pairs[count].name = e2b__handling_owner_key;
    pairs[count++].value = h->caller->name;
  }
  if (h->runtime != E2B_RUNTIME_AUTO) {
    pairs[count].name = "runtime";
    pairs[count++].value = names[h->runtime];
  }
  return count;
}

void e2b__handling_make_sandbox(e2b__handling_t *h, void (*next)(e2b__handling_t *h)) {
  e2b__lease_expire(h->handler);
  if (h->caller->sandboxes >= h->handler->options.max_sandboxes) {
    e2b__handling_fail(h, 429, "Too many sandboxes (limit %u)", h->handler->options.max_sandboxes);
    return;
  }
  const cJSON *options = cJSON_GetObjectItemCaseSensitive(h->body, "options");
  h->runtime = h->asked;
  if (!e2b__handling_read_runtime(h, options, &h->runtime)) return;
  e2b_create_options create = h->handler->create;
  e2b_pair_t *pairs = e2b__calloc(create.metadata_count + 2, sizeof *pairs);
  if (pairs == NULL) {
    e2b__handling_fail(h, 500, "out of memory");
    return;
  }
  create.metadata_count = add_metadata(h, pairs);
  create.metadata = pairs;
  create.timeout_ms = wanted_life_ms(h);
  h->taken = next;
  h->making = true;
  h->caller->sandboxes++;
  e2b_future_t *future = e2b_sandbox_create(h->handler->client, &create);
  e2b__free(pairs);
  e2b__handling_await(h, future, on_made);
}
