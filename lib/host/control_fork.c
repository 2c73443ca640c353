/* SPDX-License-Identifier: MIT */
#include "host/control.h"
#include "host/frozen.h"
#include "host/snapshot.h"
#include "host/tls.h"
#include "host/waiter.h"

/* Forks of a sandbox: its files are copied once, aside, and each fork starts cold from there. */

enum { DEFAULT_LIFE_S = 15, MAX_FORKS = 100 };

typedef struct forks {
  e2b__host_frozen_t frozen;
  e2b__list_t waiters;
  int64_t life_s;
  int64_t count;
  int64_t waiting; /* for so many, and one more as long as they are being started */
  char ids[MAX_FORKS][24];
} forks_t;

static void forks_free(forks_t *forks) {
  e2b__host_frozen_clear(&forks->frozen);
  e2b__free(forks);
}

static void answer(e2b__host_request_t *request, const forks_t *forks) {
  static const char failed[] = "Failed to create sandbox";
  e2b__buffer_t out = E2B__BUFFER_INIT(E2B__HOST_JSON_CEILING);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '[');
  for (int64_t i = 0; i < forks->count; i++) {
    const char *id = forks->ids[i];
    e2b__host_sandbox_t *made =
        id[0] != '\0' ? e2b__host_sandbox_find_any(forks->frozen.host, id) : NULL;
    e2b__json_open(&w, NULL, '{');
    if (made != NULL) {
      e2b__host_put_sandbox(&w, "sandbox", made, e2b__host_tls_domain_of(request));
    } else {
      e2b__json_open(&w, "error", '{');
      e2b__json_put_int(&w, "code", 500);
      e2b__json_put_string(&w, "message", failed, sizeof failed - 1);
      e2b__json_close(&w, '}');
    }
    e2b__json_close(&w, '}');
  }
  e2b__json_close(&w, ']');
  e2b__host_answer_json(request, 201, &w);
}

static void one_less(forks_t *forks) {
  e2b__host_request_t *request;
  if (--forks->waiting > 0) return;
  while ((request = e2b__host_waiter_take(&forks->waiters)) != NULL)
    answer(request, forks);
  if (forks->frozen.rc == 0) {
    e2b__host_snapshot_discard(forks->frozen.host, forks->frozen.to);
    forks->frozen.to = NULL;
  }
  forks_free(forks);
}

static void on_ready(e2b__host_sandbox_t *sandbox, bool ok, void *data) {
  (void)sandbox;
  (void)ok;
  one_less(data);
}

static void start_one(forks_t *forks, const e2b__host_sandbox_t *of, int64_t at) {
  e2b__host_sandbox_spec_t spec;
  e2b_host_t *host = forks->frozen.host;
  /* Other calls may have taken the room while this one's files were copied. */
  if (host->sandbox_count >= host->max_sandboxes) return;
  memset(&spec, 0, sizeof spec);
  spec.template = of->template;
  spec.timeout_s = forks->life_s;
  spec.secure = of->access_token[0] != '\0';
  spec.private_traffic = of->traffic_token[0] != '\0';
  spec.metadata = cJSON_Duplicate(of->metadata, 1);
  spec.env = cJSON_Duplicate(of->env, 1);
  spec.network = cJSON_Duplicate(of->network, 1);
  spec.allow_internet = of->allow_internet;
  spec.has_allow_internet = of->has_allow_internet;
  spec.auto_pause = of->auto_pause;
  spec.pause_memory = of->pause_memory;
  spec.auto_resume = of->auto_resume;
  spec.snapshot_id = of->snapshot_id != NULL ? of->snapshot_id : of->template->name;
  spec.snapshot_dir = forks->frozen.to;
  forks->waiting++;
  e2b__host_sandbox_t *made = e2b__host_sandbox_create(host, &spec, on_ready, forks);
  if (made != NULL) {
    memcpy(forks->ids[at], made->id, sizeof forks->ids[at]);
    return;
  }
  cJSON_Delete(spec.metadata);
  cJSON_Delete(spec.env);
  cJSON_Delete(spec.network);
  forks->waiting--;
}

static void on_copied(e2b__host_frozen_t *frozen, e2b__host_sandbox_t *of) {
  forks_t *forks = E2B__CONTAINER(frozen, forks_t, frozen);
  bool good = of != NULL && frozen->rc == 0 && !frozen->host->closing;
  forks->waiting = 1;
  for (int64_t i = 0; good && i < forks->count; i++)
    start_one(forks, of, i);
  one_less(forks);
}

/* False: answered. */
static bool check_count(e2b__host_request_t *request, int64_t count) {
  e2b_host_t *host = request->host;
  if (count < 1)
    e2b__host_answer_error(request, 400, "Count must be at least 1");
  else if (count > MAX_FORKS)
    e2b__host_answer_error(request, 400, "Count cannot be greater than %d", (int)MAX_FORKS);
  else if (host->sandbox_count + (size_t)count > host->max_sandboxes)
    e2b__host_answer_error(request, 429,
                           "you have reached the maximum number of concurrent E2B sandboxes (%zu)",
                           host->max_sandboxes);
  else
    return true;
  return false;
}

void e2b__host_fork(e2b__host_request_t *request, const char *id, const cJSON *body) {
  int64_t life, count = e2b__json_int(body, "count", 1);
  if (!e2b__host_take_seconds(request, body, "timeout", DEFAULT_LIFE_S, &life)) return;
  if (life > E2B__HOST_MAX_LIFE_S || life == 0) {
    e2b__host_answer_error(request, 400,
                           life == 0 ? "Timeout must be greater than 0"
                                     : "Timeout cannot be greater than 24 hours");
    return;
  }
  if (!check_count(request, count)) return;
  e2b__host_sandbox_t *sandbox = e2b__host_control_find(request, id);
  if (sandbox == NULL) return;
  if (sandbox->state != E2B__SANDBOX_RUNNING) {
    e2b__host_answer_error(
        request, 409, "Sandbox '%s' is paused and cannot be forked; resume it first", sandbox->id);
    return;
  }
  forks_t *forks = e2b__calloc(1, sizeof *forks);
  if (forks != NULL) {
    e2b__list_init(&forks->waiters);
    forks->life_s = life;
    forks->count = count;
    if (e2b__host_frozen_begin(&forks->frozen, sandbox, on_copied) == 0) {
      e2b__host_wait_in(request, &forks->waiters);
      return;
    }
    forks_free(forks);
  }
  e2b__host_answer_error(request, 500, "Failed to fork the sandbox");
}
