/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "host/control.h"
#include "host/pause.h"
#include "host/waiter.h"

/* Pause, resume and connect. A call that comes while a change is under way joins it, or waits for
 * its end and goes on from there. */

enum { RESUME_DEFAULT_S = 15, CONNECT_DEFAULT_S = 300 };

void e2b__host_pause(e2b__host_request_t *request, const char *id, const cJSON *body) {
  e2b__host_sandbox_t *sandbox = e2b__host_control_find(request, id);
  if (sandbox == NULL) return;
  switch (sandbox->state) {
  case E2B__SANDBOX_RUNNING:
    e2b__host_pause_begin(sandbox, e2b__json_bool(body, "memory", true));
    e2b__host_wait(request, sandbox, E2B__WAIT_PAUSE);
    return;
  case E2B__SANDBOX_PAUSING: e2b__host_wait(request, sandbox, E2B__WAIT_PAUSE); return;
  case E2B__SANDBOX_PAUSED:
    e2b__host_answer_error(request, 409, "Error pausing sandbox - sandbox '%s' is already paused",
                           sandbox->id);
    return;
  default:
    e2b__host_answer_error(request, 409, "Sandbox '%s' cannot be paused while in 'resuming' state",
                           sandbox->id);
    return;
  }
}

/* One that runs no longer, or not yet again. */
static void bring_back(e2b__host_request_t *request, e2b__host_sandbox_t *sandbox, int64_t seconds,
                       const cJSON *body) {
  bool reboot = !e2b__json_bool(body, "memory", true);
  if (sandbox->state == E2B__SANDBOX_PAUSED)
    e2b__host_resume_begin(sandbox, seconds, reboot);
  else
    e2b__host_resume_join(sandbox, seconds, reboot);
  e2b__host_wait(request, sandbox, E2B__WAIT_RESUME);
}

static e2b__host_sandbox_t *find_for_life(e2b__host_request_t *request, const char *id,
                                          const cJSON *body, int64_t fallback, int64_t *seconds) {
  if (!e2b__host_take_seconds(request, body, "timeout", fallback, seconds)) return NULL;
  if (*seconds > E2B__HOST_MAX_LIFE_S) {
    e2b__host_answer_error(request, 400, "Timeout cannot be greater than 24 hours");
    return NULL;
  }
  return e2b__host_control_find(request, id);
}

void e2b__host_resume(e2b__host_request_t *request, const char *id, const cJSON *body) {
  int64_t seconds;
  e2b__host_sandbox_t *sandbox = find_for_life(request, id, body, RESUME_DEFAULT_S, &seconds);
  if (sandbox == NULL) return;
  if (sandbox->state == E2B__SANDBOX_RUNNING)
    e2b__host_answer_error(request, 409, "Sandbox %s is already running", sandbox->id);
  else
    bring_back(request, sandbox, seconds, body);
}

void e2b__host_connect(e2b__host_request_t *request, const char *id, const cJSON *body) {
  int64_t seconds;
  e2b__host_sandbox_t *sandbox = find_for_life(request, id, body, CONNECT_DEFAULT_S, &seconds);
  if (sandbox == NULL) return;
  if (sandbox->state != E2B__SANDBOX_RUNNING) {
    bring_back(request, sandbox, seconds, body);
    return;
  }
  e2b__host_sandbox_extend(sandbox, seconds);
  e2b__host_answer_sandbox(request, sandbox, 200);
}
