/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "e2b/e2b.h"
#include "sandbox/handle.h"
#include "support/wire.h"

/* What the library's users are told when a token is missing or wrong: all of it is a matter of
 * authentication, and none is tried again. */

enum { PATIENCE_MS = 60000 };

static e2b_client_t *client;

static e2b_sandbox_t *make(const char *body) {
  char id[64];
  wire.sandbox[0] = '\0';
  wire_exchange_t *made =
      wire_ask("POST", "/sandboxes", "application/json", body, strlen(body), NULL);
  assert_int_equal(made->status, 201);
  const char *at = strstr(made->body.data, "\"sandboxID\":\"");
  assert_non_null(at);
  snprintf(id, sizeof id, "%.*s", (int)strcspn(at + 13, "\""), at + 13);
  wire_end(made);
  e2b_future_t *future = e2b_sandbox_connect(client, id, NULL);
  assert_int_equal(e2b_future_await(future, PATIENCE_MS), 0);
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  e2b_future_release(future);
  return sandbox;
}

static void succeeds(e2b_future_t *future) {
  const int rc = e2b_future_await(future, PATIENCE_MS);
  if (rc != 0) fail_msg("%s: %s", e2b_code_name(rc), e2b_future_error(future)->message);
  e2b_future_release(future);
}

static void is_refused(e2b_future_t *future, int status, const char *words) {
  const int rc = e2b_future_await(future, PATIENCE_MS);
  const e2b_error_t *error = e2b_future_error(future);
  const char *message = error != NULL ? error->message : "";
  if (rc != E2B_EAUTH || strstr(message, words) == NULL) {
    fail_msg("%s: %s\n  instead of %s", e2b_code_name(rc), message, words);
  }
  assert_int_equal(error->http_status, status);
  e2b_future_release(future);
}

static e2b_future_t *terminal(e2b_sandbox_t *sandbox) {
  e2b_terminal_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  return e2b_terminal_create(sandbox, &options);
}

static e2b_future_t *terminals(e2b_sandbox_t *sandbox) {
  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  return e2b_terminal_list(sandbox, &options);
}

static e2b_future_t *content(e2b_sandbox_t *sandbox) {
  return e2b_files_read(sandbox, "/etc/hostname", NULL);
}

static void on_closed(void *flag) {
  *(bool *)flag = true;
}

static int enter(void **state) {
  e2b_client_options options;
  (void)state;
  server_options(&wire.server, &options);
  client = e2b_client_new(&wire.loop, &options);
  return client != NULL ? 0 : -1;
}

static int leave(void **state) {
  bool closed = false;
  (void)state;
  e2b_client_close(client, on_closed, &closed);
  while (!closed)
    uv_run(&wire.loop, UV_RUN_ONCE);
  wire.sandbox[0] = '\0';
  return 0;
}

/* The daemon's port wants another one. */
static void a_traffic_token(void **state) {
  static const char missing[] = "Token header 'e2b-traffic-access-token' is missing";
  static const char invalid[] = "'e2b-traffic-access-token' is invalid";
  (void)state;
  e2b_sandbox_t *sandbox = make("{\"templateID\":\"base\",\"timeout\":300,\"secure\":true,"
                                "\"network\":{\"allowPublicTraffic\":false}}");
  const char *right = sandbox->record.traffic_token;
  assert_int_equal(strlen(right), 64);
  succeeds(terminal(sandbox));
  succeeds(terminals(sandbox));
  const char *const wrong[] = {"", "not-the-token"};
  const char *const words[] = {missing, invalid};
  for (int i = 0; i < 2; i++) {
    sandbox->record.traffic_token = wrong[i];
    is_refused(terminal(sandbox), 403, words[i]);
    is_refused(terminals(sandbox), 403, words[i]);
    is_refused(e2b_sandbox_websocket(sandbox, 8080, "/", NULL), 403, words[i]);
    succeeds(e2b_run_shell(sandbox, "true", NULL));
    succeeds(content(sandbox));
  }
  sandbox->record.traffic_token = right;
  succeeds(terminal(sandbox));
  succeeds(e2b_sandbox_kill(sandbox));
  e2b_sandbox_release(sandbox);
}

/* A handle to it whose access token is another's. */
static e2b_sandbox_t *stranger_to(const e2b_sandbox_t *sandbox) {
  e2b__sandbox_record_t record = sandbox->record;
  record.access_token = "not-the-token";
  e2b_sandbox_t *stranger = e2b__sandbox_new(client, &record);
  assert_non_null(stranger);
  return stranger;
}

static void an_access_token(void **state) {
  static const char words[] = "unauthorized access, please provide a valid access token";
  (void)state;
  e2b_sandbox_t *sandbox = make("{\"templateID\":\"base\",\"timeout\":300,\"secure\":true}");
  e2b_sandbox_t *stranger = stranger_to(sandbox);
  is_refused(e2b_run_shell(stranger, "true", NULL), 401, words);
  is_refused(e2b_files_stat(stranger, "/etc", NULL), 401, words);
  is_refused(content(stranger), 401, "access token present in header but does not match");
  is_refused(e2b_command_list(stranger), 401, words);
  is_refused(terminal(stranger), 401, words);
  is_refused(terminals(stranger), 401, words);
  e2b_sandbox_release(stranger);
  succeeds(e2b_sandbox_kill(sandbox));
  e2b_sandbox_release(sandbox);
}

/* The edge asks for the token before it wakes anything. */
static void the_token_of_one_that_is_paused(void **state) {
  static const char words[] = "This sandbox can't be resumed with the credentials provided";
  char path[128];
  (void)state;
  e2b_sandbox_t *sandbox =
      make("{\"templateID\":\"base\",\"timeout\":300,\"secure\":true,\"autoPause\":true,"
           "\"autoResume\":{\"enabled\":true}}");
  snprintf(path, sizeof path, "/sandboxes/%s/pause", e2b_sandbox_id(sandbox));
  wire_exchange_t *pause = wire_ask("POST", path, "application/json", "{}", 2, NULL);
  assert_int_equal(pause->status, 204);
  wire_end(pause);
  e2b_sandbox_t *stranger = stranger_to(sandbox);
  is_refused(e2b_run_shell(stranger, "true", NULL), 403, words);
  is_refused(content(stranger), 403, words);
  is_refused(e2b_sandbox_is_running(stranger), 403, words);
  e2b_sandbox_release(stranger);
  succeeds(e2b_run_shell(sandbox, "true", NULL));
  succeeds(e2b_sandbox_kill(sandbox));
  e2b_sandbox_release(sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_traffic_token, enter, leave),
      cmocka_unit_test_setup_teardown(an_access_token, enter, leave),
      cmocka_unit_test_setup_teardown(the_token_of_one_that_is_paused, enter, leave),
  };
  return cmocka_run_group_tests_name("tokens", tests, wire_open, wire_close);
}
