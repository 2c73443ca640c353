/* SPDX-License-Identifier: MIT */
#include "host/wake.h"

#include "host/daemon.h"
#include "host/edge.h"
#include "host/pause.h"
#include "host/server.h"
#include "host/waiter.h"

enum { MIN_LIFE_S = 300 };

static const e2b__host_handler_t held_handler = {.gone = e2b__host_waiter_gone};

/* What anybody may send must not bring back what is not open to everybody; a signature that the
 * sandbox would take is not enough. */
static bool may_wake(const e2b__host_request_t *request, const e2b__host_sandbox_t *sandbox) {
  bool daemon = request->port == E2B__HOST_ENVD_PORT;
  const char *wanted = daemon ? sandbox->access_token : sandbox->traffic_token;
  const char *token =
      e2b__host_header(request, daemon ? "X-Access-Token" : "e2b-traffic-access-token");
  return wanted[0] == '\0' || (token != NULL && e2b__host_secret_equal(token, wanted));
}

bool e2b__host_wake(e2b__host_request_t *request, e2b__host_sandbox_t *sandbox) {
  int64_t seconds = sandbox->life_s > MIN_LIFE_S ? sandbox->life_s : MIN_LIFE_S;
  if (!sandbox->auto_resume || sandbox->cold) return false;
  if (!may_wake(request, sandbox)) {
    e2b__host_refuse_route(request, E2B__REFUSAL_NOT_RESUMED);
    return true;
  }
  request->handler = &held_handler;
  e2b__host_wait_in(request, &sandbox->held);
  request->held = request->state != NULL;
  if (sandbox->state == E2B__SANDBOX_PAUSED)
    e2b__host_resume_begin(sandbox, seconds, false);
  else
    e2b__host_resume_join(sandbox, seconds, false);
  return true;
}

void e2b__host_wake_release(e2b__host_sandbox_t *sandbox) {
  e2b__host_request_t *request;
  while ((request = e2b__host_waiter_take(&sandbox->held)) != NULL) {
    request->held = false;
    e2b__host_unsuspend(request);
  }
}
