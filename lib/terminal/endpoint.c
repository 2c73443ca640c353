/* SPDX-License-Identifier: MIT */
#include "terminal/endpoint.h"

#include <stdio.h>

#include "proto/connect_error.h"
#include "proto/url.h"
#include "sandbox/daemon.h"

static int take_url(e2b__endpoint_t *endpoint, const char *text) {
  e2b__url_t url;
  const int rc = e2b__url_parse(text, &url);
  if (rc != 0) return rc;
  endpoint->secure = url.https;
  endpoint->port = url.port;
  endpoint->host = e2b__arena_strndup(&endpoint->arena, url.host, strlen(url.host));
  endpoint->path = e2b__arena_strndup(&endpoint->arena, url.path, strlen(url.path));
  e2b__url_free(&url);
  return endpoint->host != NULL && endpoint->path != NULL ? 0 : E2B_ENOMEM;
}

int e2b__endpoint_init(e2b__endpoint_t *endpoint, const e2b_sandbox_t *sandbox, uint16_t port,
                       const char *base_url) {
  memset(endpoint, 0, sizeof *endpoint);
  if (base_url != NULL) return take_url(endpoint, base_url);
  const e2b__config_t *config = &sandbox->client->config;
  /* In debug mode every port is on this machine, not behind the one of the process service. */
  const char *override = config->debug_url ? NULL : config->sandbox_url;
  char *direct = NULL;
  if (override == NULL) {
    direct = config->debug ? e2b__format("http://localhost:%u", port)
                           : e2b__format("https://%u-%s.%s", port, sandbox->record.id,
                                         sandbox->record.domain);
    if (direct == NULL) return E2B_ENOMEM;
  }
  const int rc = take_url(endpoint, direct != NULL ? direct : override);
  e2b__free(direct);
  if (rc != 0) return rc;
  if (override != NULL) {
    snprintf(endpoint->port_text, sizeof endpoint->port_text, "%u", port);
    e2b__endpoint_header(endpoint, "E2b-Sandbox-Id", sandbox->record.id);
    e2b__endpoint_header(endpoint, "E2b-Sandbox-Port", endpoint->port_text);
  }
  if (*sandbox->record.traffic_token != '\0') {
    e2b__endpoint_header(endpoint, "e2b-traffic-access-token", sandbox->record.traffic_token);
  }
  return 0;
}

void e2b__endpoint_free(e2b__endpoint_t *endpoint) {
  e2b__arena_free(&endpoint->arena);
}

e2b__websocket_options_t e2b__endpoint_websocket(const e2b__endpoint_t *endpoint,
                                                 const char *target) {
  e2b__websocket_options_t options;
  memset(&options, 0, sizeof options);
  options.secure = endpoint->secure;
  options.host = endpoint->host;
  options.port = endpoint->port;
  options.target = target;
  options.headers = endpoint->headers;
  options.headers_count = endpoint->headers_count;
  return options;
}

e2b_error_t e2b__endpoint_error(e2b__arena_t *arena, const e2b__websocket_end_t *end) {
  if (end->code == E2B_EREQUEST && end->status != 0) {
    e2b__connect_error_t answer;
    const size_t len = end->body != NULL ? end->body_len : 0;
    if (e2b__connect_error_decode(end->body != NULL ? end->body : "", len, arena, &answer) != 0) {
      return e2b__error(E2B_ENOMEM);
    }
    e2b_error_t error = e2b__refusal_error(arena, (int)end->status, &answer);
    error.retry_after_ms = end->retry_after_ms;
    return error;
  }
  if (end->code == 0) {
    return e2b__error_text(arena, E2B_ECONNLOST,
                           "connection lost: closed by the other side (%u%s%s)", end->close_code,
                           *end->reason != '\0' ? ", " : "", end->reason);
  }
  e2b_error_t error = *end->why != '\0' ? e2b__error_text(arena, end->code, "%s: %s",
                                                          e2b_code_text(end->code), end->why)
                                        : e2b__error(end->code);
  error.clock = end->clock;
  return error;
}

bool e2b__endpoint_is_final(int code) {
  return code != E2B_ENOMEM && code != E2B_ESERVER && code != E2B_EPROTOCOL &&
         (e2b_code_flags(code) & E2B_FLAG_TRANSIENT) == 0;
}

uint32_t e2b__endpoint_liveness(uint64_t wanted_ms) {
  enum { USUAL_MS = 60000, LONGEST_MS = 100000 };
  if (wanted_ms == 0) return USUAL_MS;
  return wanted_ms < LONGEST_MS ? (uint32_t)wanted_ms : LONGEST_MS;
}

e2b__delay_t *e2b__endpoint_clock(const e2b_sandbox_t *sandbox, void (*callback)(void *ctx),
                                  void *ctx) {
  const uint64_t ms = sandbox->client->config.first_event_timeout_ms;
  return ms != E2B_NO_TIMEOUT ? e2b__delay_start(sandbox->client->http, ms, callback, ctx) : NULL;
}

void e2b__endpoint_stop_clock(e2b__delay_t **clock) {
  if (*clock != NULL) e2b__delay_cancel(*clock);
  *clock = NULL;
}

e2b_error_t e2b__endpoint_silent(void) {
  e2b_error_t error = e2b__error(E2B_ETIMEDOUT);
  error.clock = E2B_CLOCK_FIRST_EVENT;
  return error;
}
