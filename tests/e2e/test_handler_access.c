/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "proto/json.h"
#include "support/scene.h"

/* The door of the request handler: who may call, from where, and how much of it. */

static cJSON *kept[16];
static size_t kept_count;

static int tidy(void **state) {
  while (kept_count > 0) {
    cJSON_Delete(kept[--kept_count]);
  }
  return scene_tidy(state);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, NULL, tidy)

static const char *header_of(const e2b_http_response_t *answer, const char *name) {
  for (size_t i = 0; i < answer->headers_count; i++) {
    if (strcmp(answer->headers[i].name, name) == 0) return answer->headers[i].value;
  }
  return NULL;
}

static const cJSON *json_of(const e2b_http_response_t *answer) {
  cJSON *json = e2b__json_parse(answer->body.ptr, answer->body.len);
  assert_non_null(json);
  assert_true(kept_count < sizeof kept / sizeof *kept);
  kept[kept_count++] = json;
  return json;
}

static e2b_handler_t *handler_with(const e2b_handler_options *options) {
  e2b_handler_t *handler;
  assert_int_equal(e2b_handler_new(scene.client, options, &handler), 0);
  return handler;
}

static e2b_http_request request_of(const char *method, const char *body) {
  e2b_http_request request;
  E2B_INIT(&request);
  request.method = method;
  request.body = body;
  request.body_len = body != NULL ? strlen(body) : 0;
  return request;
}

static const e2b_http_response_t *answer_of(e2b_handler_t *to, const e2b_http_request *request) {
  return e2b_future_http_response(OK(e2b_handle_request(to, request)));
}

static const e2b_http_response_t *with_header(e2b_handler_t *to, const char *method,
                                              const char *body, const char *name,
                                              const char *value) {
  const e2b_pair_t headers[] = {{"Host", "app.example"}, {name, value}};
  e2b_http_request request = request_of(method, body);
  request.headers = headers;
  request.headers_count = 2;
  return answer_of(to, &request);
}

#define LIST "{\"action\":\"compute.sandbox.list\"}"

static void a_handler_wants_to_know_who_may_call(void **state) {
  e2b_handler_options options;
  e2b_handler_t *none;
  (void)state;
  E2B_INIT(&options);
  assert_int_equal(e2b_handler_new(scene.client, &options, &none), E2B_EINVAL);
  assert_int_equal(e2b_handler_new(scene.client, NULL, &none), E2B_EINVAL);
  options.bearer_token = "";
  assert_int_equal(e2b_handler_new(scene.client, &options, &none), E2B_EINVAL);
  assert_null(none);
}

static void a_wrong_token_is_unauthorized(void **state) {
  e2b_handler_options options;
  e2b_handler_t *guarded;
  (void)state;
  E2B_INIT(&options);
  options.bearer_token = "sesame";
  options.allow_anyone = E2B_ON; /* a token comes before it */
  assert_int_equal(e2b_handler_new(scene.client, &options, &guarded), 0);
  static const char *const wrong[] = {"Bearer sesam", "Bearer sesame1", "Bearer ",
                                      "sesame",       "Basic sesame",   "Bearer SESAME"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const e2b_http_response_t *answer =
        with_header(guarded, "POST", "{}", "Authorization", wrong[i]);
    assert_int_equal(answer->status, 401);
    assert_string_equal(header_of(answer, "WWW-Authenticate"), "Bearer");
    assert_null(strstr(answer->body.ptr, "sesame"));
  }
  assert_int_equal(with_header(guarded, "POST", "{}", "authorization", "bearer sesame")->status,
                   400);
  assert_int_equal(
      with_header(guarded, "POST", "{}", "Sec-WebSocket-Protocol", "x, e2b-bearer.sesame")->status,
      400);
  assert_int_equal(
      with_header(guarded, "POST", "{}", "Sec-WebSocket-Protocol", "e2b-bearer.sesam")->status,
      401);
  e2b_handler_release(guarded);
}

static const char *nobody(const e2b_http_request *request, void *user_data) {
  (void)request;
  (void)user_data;
  return NULL;
}

static const char *anybody(const e2b_http_request *request, void *user_data) {
  (void)request;
  (void)user_data;
  return "";
}

/* As from a variable that is not set. */
static void an_empty_token_is_none(void **state) {
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.bearer_token = "";
  options.authorize = nobody;
  e2b_handler_t *guarded = handler_with(&options);
  assert_int_equal(with_header(guarded, "POST", "{}", "Authorization", "Bearer ")->status, 401);
  assert_int_equal(
      with_header(guarded, "POST", "{}", "Sec-WebSocket-Protocol", "e2b-bearer.")->status, 401);
  e2b_handler_release(guarded);
  E2B_INIT(&options);
  options.bearer_token = "";
  options.allow_anyone = E2B_ON;
  guarded = handler_with(&options);
  assert_int_equal(with_header(guarded, "POST", "{}", "X", "y")->status, 403); /* not loopback */
  e2b_handler_release(guarded);
}

/* What a page embeds or links to comes without an origin, but with cookies. */
static void what_other_sites_embed_is_kept_out(void **state) {
  static const struct {
    const char *site;
    int status;
  } table[] = {{"cross-site", 403}, {"same-site", 403}, {"same-origin", 400}, {"none", 400}};
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.authorize = anybody;
  e2b_handler_t *guarded = handler_with(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const e2b_http_response_t *answer =
        with_header(guarded, "GET", NULL, "sec-fetch-site", table[i].site);
    if (answer->status != table[i].status) fail_msg("%s: %d", table[i].site, answer->status);
  }
  e2b_handler_release(guarded);
}

static void pages_of_other_sites_are_kept_out(void **state) {
  static const char *const allowed[] = {"https://good.example"};
  e2b_handler_options options;
  e2b_handler_t *guarded;
  (void)state;
  E2B_INIT(&options);
  options.authorize = anybody;
  options.allowed_origins = allowed;
  options.allowed_origins_count = 1;
  assert_int_equal(e2b_handler_new(scene.client, &options, &guarded), 0);
  const e2b_http_response_t *answer =
      with_header(guarded, "POST", "{}", "Origin", "https://evil.example");
  assert_int_equal(answer->status, 403);
  assert_null(header_of(answer, "Access-Control-Allow-Origin"));
  assert_int_equal(with_header(guarded, "POST", "{}", "Origin", "null")->status, 403);
  assert_int_equal(with_header(guarded, "OPTIONS", NULL, "Origin", "https://evil.example")->status,
                   403);
  assert_int_equal(
      with_header(guarded, "POST", "{}", "Origin", "https://good.example\r\nX: y")->status, 403);
  assert_int_equal(with_header(guarded, "POST", "{}", "Origin", "https://app.example")->status,
                   400);
  answer = with_header(guarded, "POST", "{}", "Origin", "https://good.example");
  assert_int_equal(answer->status, 400);
  assert_string_equal(header_of(answer, "Access-Control-Allow-Origin"), "https://good.example");
  answer = with_header(guarded, "OPTIONS", NULL, "Origin", "https://good.example");
  assert_int_equal(answer->status, 204);
  assert_non_null(header_of(answer, "Access-Control-Allow-Headers"));
  e2b_handler_release(guarded);
}

static const char *who(const e2b_http_request *request, void *user_data) {
  (void)user_data;
  for (size_t i = 0; i < request->headers_count; i++) {
    if (strcmp(request->headers[i].name, "X-User") == 0) return request->headers[i].value;
  }
  return NULL;
}

static void callers_do_not_reach_each_others_sandboxes(void **state) {
  e2b_handler_options options;
  e2b_handler_t *guarded;
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  E2B_INIT(&options);
  options.authorize = who;
  options.max_sandboxes = 1;
  assert_int_equal(e2b_handler_new(scene.client, &options, &guarded), 0);
  assert_int_equal(with_header(guarded, "POST", LIST, "X-Nobody", "x")->status, 401);
  static const char create[] = "{\"action\":\"compute.sandbox.create\"}";
  const cJSON *made = json_of(with_header(guarded, "POST", create, "X-User", "ann"));
  const char *id = e2b__json_string(made, "sandboxId", "");
  assert_string_not_equal(id, "");
  /* Her second is one too many, his first is not. */
  const e2b_http_response_t *answer = with_header(guarded, "POST", create, "X-User", "ann");
  assert_int_equal(answer->status, 429);
  assert_non_null(header_of(answer, "Retry-After"));
  char body[512];
  static const char *const actions[] = {"getInfo", "destroy", "runCode"};
  for (size_t i = 0; i < 3; i++) {
    snprintf(body, sizeof body,
             "{\"action\":\"compute.sandbox.%s\",\"code\":\"1\",\"sandboxId\":\"%s\"}", actions[i],
             id);
    assert_int_equal(with_header(guarded, "POST", body, "X-User", "bob")->status, 404);
  }
  answer = with_header(guarded, "POST", LIST, "X-User", "bob");
  assert_null(strstr(answer->body.ptr, id));
  assert_non_null(strstr(with_header(guarded, "POST", LIST, "X-User", "ann")->body.ptr, id));
  /* A handler that was started anew has to ask, and finds the same. */
  e2b_handler_release(guarded);
  assert_int_equal(e2b_handler_new(scene.client, &options, &guarded), 0);
  assert_int_equal(with_header(guarded, "POST", body, "X-User", "bob")->status, 404);
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.getInfo\",\"sandboxId\":\"%s\"}", id);
  answer = with_header(guarded, "POST", body, "X-User", "ann");
  assert_int_equal(answer->status, 200);
  assert_null(strstr(answer->body.ptr, "e2bHandlerCaller"));
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.destroy\",\"sandboxId\":\"%s\"}", id);
  assert_int_equal(with_header(guarded, "POST", body, "X-User", "ann")->status, 200);
  e2b_handler_release(guarded);
}

/* A handler that was started anew does not know what it had made, until it is asked for it. */
static void sandboxes_that_are_found_again_count(void **state) {
  e2b_handler_options options;
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  E2B_INIT(&options);
  options.authorize = who;
  options.max_sandboxes = 1;
  static const char create[] = "{\"action\":\"compute.sandbox.create\"}";
  e2b_handler_t *guarded = handler_with(&options);
  const cJSON *made = json_of(with_header(guarded, "POST", create, "X-User", "ann"));
  const char *id = e2b__json_string(made, "sandboxId", "");
  e2b_handler_release(guarded);
  guarded = handler_with(&options);
  char body[256];
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.filesystem.exists\",\"path\":\"/\",\"sandboxId\":\"%s\"}",
           id);
  /* Several at once are one sandbox. */
  const e2b_pair_t headers[] = {{"Host", "app.example"}, {"X-User", "ann"}};
  e2b_http_request request = request_of("POST", body);
  request.headers = headers;
  request.headers_count = 2;
  e2b_future_t *futures[3];
  for (size_t i = 0; i < 3; i++) {
    futures[i] = scene_keep(e2b_handle_request(guarded, &request));
  }
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(e2b_future_http_response(OK(futures[i]))->status, 200);
  }
  assert_int_equal(with_header(guarded, "POST", create, "X-User", "ann")->status, 429);
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.destroy\",\"sandboxId\":\"%s\"}", id);
  assert_int_equal(with_header(guarded, "POST", body, "X-User", "ann")->status, 200);
  made = json_of(with_header(guarded, "POST", create, "X-User", "ann"));
  assert_true(YES(e2b_sandbox_kill_by_id(scene.client, e2b__json_string(made, "sandboxId", ""))));
  e2b_handler_release(guarded);
}

/* Neither a request nor the application's own metadata says whose a sandbox is. */
static void ownership_cannot_be_given_away_or_taken(void **state) {
  static const e2b_pair_t metadata[] = {
      {"e2bHandlerCaller", "bob"}, {"runtime", "python"}, {"team", "blue"}};
  static const char create[] =
      "{\"action\":\"compute.sandbox.create\",\"metadata\":{\"e2bHandlerCaller\":\"bob\"},"
      "\"options\":{\"runtime\":\"node\",\"metadata\":{\"e2bHandlerCaller\":\"bob\"},"
      "\"envs\":{\"e2bHandlerCaller\":\"bob\"}}}";
  e2b_handler_options options;
  e2b_create_options made_from;
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  E2B_INIT(&made_from);
  made_from.metadata = metadata;
  made_from.metadata_count = 3;
  E2B_INIT(&options);
  options.authorize = who;
  options.create = &made_from;
  e2b_handler_t *guarded = handler_with(&options);
  const cJSON *made = json_of(with_header(guarded, "POST", create, "X-User", "ann"));
  const char *id = e2b__json_string(made, "sandboxId", "");
  char body[512];
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.getInfo\",\"sandboxId\":\"%s\"}", id);
  /* Anew, so that nothing is remembered. */
  e2b_handler_release(guarded);
  guarded = handler_with(&options);
  assert_int_equal(with_header(guarded, "POST", body, "X-User", "bob")->status, 404);
  const cJSON *answer = json_of(with_header(guarded, "POST", body, "X-User", "ann"));
  const cJSON *info = cJSON_GetObjectItem(answer, "info");
  const cJSON *told = cJSON_GetObjectItem(info, "metadata");
  assert_string_equal(e2b__json_string(info, "runtime", ""), "node");
  assert_string_equal(e2b__json_string(told, "team", ""), "blue");
  assert_int_equal(cJSON_GetArraySize(told), 2); /* and the runtime */
  e2b_handler_release(guarded);
  assert_true(YES(e2b_sandbox_kill_by_id(scene.client, id)));
}

/* Each of them would take many times its length in memory. */
static void a_body_of_very_many_values_is_refused(void **state) {
  static char body[500000];
  static const struct {
    const char *begin;
    const char *piece;
    const char *end;
    int status;
  } table[] = {{"{\"a\":[[]", ",[]", "]}", 413},
               {"{\"a\":{}", ",\"\":{}", "}", 413},
               {"{\"a\":[0", ",0", "]}", 413},
               {"{\"content\":\"", "\\\"[{,", "\"}", 400},
               {"{\"content\":\"", ",\\\\", "\",\"b\":[]}", 400}};
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.authorize = anybody;
  e2b_handler_t *guarded = handler_with(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    size_t len = (size_t)snprintf(body, sizeof body, "%s", table[i].begin);
    const size_t piece = strlen(table[i].piece);
    while (len + piece + 20 < sizeof body) {
      memcpy(body + len, table[i].piece, piece);
      len += piece;
    }
    snprintf(body + len, sizeof body - len, "%s", table[i].end);
    const e2b_http_request request = request_of("POST", body);
    const e2b_http_response_t *answer = answer_of(guarded, &request);
    if (answer->status != table[i].status) fail_msg("%s: %d", table[i].piece, answer->status);
    if (answer->status == 400) {
      assert_non_null(strstr(answer->body.ptr, "Unknown action: undefined"));
    }
  }
  e2b_handler_release(guarded);
}

static void a_body_past_the_limit_is_refused(void **state) {
  e2b_handler_options options;
  e2b_handler_t *guarded;
  (void)state;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  options.max_body_bytes = 10;
  assert_int_equal(e2b_handler_new(scene.client, &options, &guarded), 0);
  const e2b_http_request request = request_of("POST", "{\"action\":\"x\"}");
  assert_int_equal(answer_of(guarded, &request)->status, 413);
  e2b_handler_release(guarded);
}

/* The page's origin, the server's Host, and whether the one is the other's own. */
static void a_page_is_the_servers_own_whatever_names_its_port(void **state) {
  static const struct {
    const char *origin;
    const char *host;
    int status; /* 400: it got past the door */
  } table[] = {
      {"http://app.example", "app.example", 400},
      {"https://app.example", "app.example", 400},
      {"https://APP.example", "app.Example", 400},
      {"https://app.example:443", "app.example", 400},
      {"https://app.example", "app.example:443", 400},
      {"http://app.example", "app.example:80", 400},
      {"http://app.example:8080", "app.example:8080", 400},
      {"http://[::1]:8080", "[::1]:8080", 400},
      {"http://[::1]", "[::1]:80", 400},
      {"http://app.example:8080", "app.example", 403},
      {"http://app.example", "app.example:8080", 403},
      {"http://app.example.evil", "app.example", 403},
      {"http://app.example@evil.example", "app.example", 403},
      {"http://evil.example/app.example", "app.example", 403},
      {"http://app.example/", "app.example", 400},
      {"http://app.example?", "app.example", 403},
      {"null", "null", 403},
      {"", "app.example", 403},
      {"app.example", "app.example", 403},
      {"file://app.example", "app.example", 403},
      {"http://app.example", "", 403},
      {"http://app.example", "app.example app.example", 403},
  };
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.authorize = anybody;
  e2b_handler_t *guarded = handler_with(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const e2b_pair_t headers[] = {{"host", table[i].host}, {"ORIGIN", table[i].origin}};
    e2b_http_request request = request_of("POST", "{}");
    request.headers = headers;
    request.headers_count = 2;
    const int status = answer_of(guarded, &request)->status;
    if (status != table[i].status) {
      fail_msg("%s on %s: %d", table[i].origin, table[i].host, status);
    }
  }
  e2b_handler_release(guarded);
}

static void allowed_origins_are_compared_as_origins(void **state) {
  static const char *const allowed[] = {"https://good.example", "null", "app://phone"};
  static const struct {
    const char *origin;
    int status;
  } table[] = {{"https://good.example:443", 400},
               {"https://GOOD.example", 400},
               {"http://good.example", 403},
               {"https://good.example:444", 403},
               {"https://good.example.evil", 403},
               {"null", 400},
               {"app://phone", 400},
               {"app://phone2", 403}};
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.authorize = anybody;
  options.allowed_origins = allowed;
  options.allowed_origins_count = 3;
  e2b_handler_t *guarded = handler_with(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const e2b_http_response_t *answer =
        with_header(guarded, "POST", "{}", "Origin", table[i].origin);
    if (answer->status != table[i].status) fail_msg("%s: %d", table[i].origin, answer->status);
    if (answer->status == 400) {
      assert_string_equal(header_of(answer, "Access-Control-Allow-Origin"), table[i].origin);
    }
  }
  e2b_handler_release(guarded);
}

/* A name that is made to point to this machine does not make a page its own. */
static void without_a_credential_only_loopback_is_served(void **state) {
  static const struct {
    const char *host;
    int status;
  } table[] = {{"localhost", 400},     {"LOCALHOST:8080", 400}, {"app.localhost:1", 400},
               {"127.0.0.1:80", 400},  {"127.9.9.9", 400},      {"[::1]:8080", 400},
               {"evil.example", 403},  {"128.0.0.1", 403},      {"127.0.0.1.evil.example", 403},
               {"evillocalhost", 403}, {"[::2]", 403},          {"", 403}};
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  e2b_handler_t *open = handler_with(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const e2b_pair_t host = {"Host", table[i].host};
    e2b_http_request request = request_of("POST", "{}");
    request.headers = &host;
    request.headers_count = 1;
    const int status = answer_of(open, &request)->status;
    if (status != table[i].status) fail_msg("%s: %d", table[i].host, status);
  }
  e2b_handler_release(open);
}

static void answers_are_not_kept_nor_guessed_at(void **state) {
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.authorize = anybody;
  e2b_handler_t *guarded = handler_with(&options);
  const e2b_http_response_t *answer = with_header(guarded, "POST", "{}", "X", "y");
  assert_string_equal(header_of(answer, "X-Content-Type-Options"), "nosniff");
  assert_string_equal(header_of(answer, "Cache-Control"), "no-store");
  e2b_handler_release(guarded);
}

/* --- limits -------------------------------------------------------------------------------------
 */

static void count_in(e2b_future_t *future, void *user_data) {
  unsigned *counts = user_data;
  const e2b_http_response_t *answer = e2b_future_http_response(future);
  counts[answer != NULL && answer->status == 429]++;
  counts[2]++;
}

static void runs_at_once_are_limited(void **state) {
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.authorize = anybody;
  options.max_runs = 2;
  e2b_handler_t *guarded = handler_with(&options);
  char body[256];
  unsigned counts[3] = {0};
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.runCommand\",\"command\":\"true\",\"sandboxId\":\"%s\"}",
           e2b_sandbox_id(scene.sandbox));
  const e2b_http_request request = request_of("POST", body);
  for (int i = 0; i < 5; i++) {
    e2b_future_then(e2b_handle_request(guarded, &request), count_in, counts);
  }
  for (unsigned tries = 0; counts[2] < 5; tries++) {
    scene_pace(tries);
  }
  assert_int_equal(counts[0], 2);
  assert_int_equal(counts[1], 3);
  assert_int_equal(answer_of(guarded, &request)->status, 200);
  e2b_handler_release(guarded);
}

static void streams_asked_for_at_once_are_limited_too(void **state) {
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.authorize = anybody;
  options.max_streams = 2;
  e2b_handler_t *guarded = handler_with(&options);
  char body[256];
  char query[256];
  snprintf(body, sizeof body,
           "{\"action\":\"compute.sandbox.terminal.create\",\"sandboxId\":\"%s\"}",
           e2b_sandbox_id(scene.sandbox));
  const e2b_http_request create = request_of("POST", body);
  const cJSON *made = json_of(answer_of(guarded, &create));
  /* A handler that does not know the sandbox yet has to ask for it first. */
  e2b_handler_release(guarded);
  guarded = handler_with(&options);
  snprintf(query, sizeof query, "action=terminal.stream&sandboxId=%s&terminalId=%s",
           e2b_sandbox_id(scene.sandbox),
           e2b__json_string(cJSON_GetObjectItem(made, "terminal"), "id", ""));
  e2b_http_request request = request_of("GET", NULL);
  request.query = query;
  unsigned counts[3] = {0};
  for (int i = 0; i < 5; i++) {
    e2b_future_then(e2b_handle_request(guarded, &request), count_in, counts);
  }
  for (unsigned tries = 0; counts[2] < 5; tries++) {
    scene_pace(tries);
  }
  assert_int_equal(counts[0], 2);
  assert_int_equal(counts[1], 3);
  e2b_handler_release(guarded);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_handler_wants_to_know_who_may_call),
      TEST(a_wrong_token_is_unauthorized),
      TEST(an_empty_token_is_none),
      TEST(pages_of_other_sites_are_kept_out),
      TEST(what_other_sites_embed_is_kept_out),
      TEST(callers_do_not_reach_each_others_sandboxes),
      TEST(sandboxes_that_are_found_again_count),
      TEST(ownership_cannot_be_given_away_or_taken),
      TEST(a_body_past_the_limit_is_refused),
      TEST(a_body_of_very_many_values_is_refused),
      TEST(a_page_is_the_servers_own_whatever_names_its_port),
      TEST(allowed_origins_are_compared_as_origins),
      TEST(without_a_credential_only_loopback_is_served),
      TEST(answers_are_not_kept_nor_guessed_at),
      TEST(runs_at_once_are_limited),
      TEST(streams_asked_for_at_once_are_limited_too),
  };
  return cmocka_run_group_tests_name("handler_access", tests, scene_open, scene_close);
}
