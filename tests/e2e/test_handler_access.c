/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "support/page.h"

/* The door of the request handler: who may call, from where, and how much of it. */

static e2b_handler_options options_for(e2b_authorize_cb authorize) {
  e2b_handler_options options;
  E2B_INIT(&options);
  options.authorize = authorize;
  return options;
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

static const char *who(const e2b_http_request *request, void *user_data) {
  (void)user_data;
  for (size_t i = 0; i < request->headers_count; i++) {
    if (strcmp(request->headers[i].name, "X-User") == 0) return request->headers[i].value;
  }
  return NULL;
}

static const e2b_http_response_t *with_headers(const char *method, const char *body,
                                               const e2b_pair_t *headers, size_t count) {
  e2b_http_request request = page_request(method, body);
  request.headers = headers;
  request.headers_count = count;
  return page_asks(&request);
}

static const e2b_http_response_t *with_header(const char *method, const char *body,
                                              const char *name, const char *value) {
  const e2b_pair_t headers[] = {{"Host", "app.example"}, {name, value}};
  return with_headers(method, body, headers, 2);
}

static const e2b_http_response_t *asked_by(const char *user, const char *body) {
  return with_header("POST", body, "X-User", user);
}

/* What asks for an action; lent until the next. */
static const char *action_on(const char *sandbox_id, const char *action, const char *members) {
  static char body[512];
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.%s\",\"sandboxId\":\"%s\"%s}", action,
           sandbox_id, members);
  return body;
}

#define CREATE "{\"action\":\"compute.sandbox.create\"}"

/* The id of a new sandbox of that user. */
static const char *made_by(const char *user, const char *body) {
  const cJSON *made = page_json(asked_by(user, body));
  const char *id = e2b__json_string(made, "sandboxId", "");
  assert_string_not_equal(id, "");
  return id;
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
  (void)state;
  E2B_INIT(&options);
  options.bearer_token = "sesame";
  options.allow_anyone = E2B_ON; /* a token comes before it */
  page_anew(&options);
  static const char *const wrong[] = {"Bearer sesam", "Bearer sesame1", "Bearer ",
                                      "sesame",       "Basic sesame",   "Bearer SESAME"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const e2b_http_response_t *answer = with_header("POST", "{}", "Authorization", wrong[i]);
    assert_int_equal(answer->status, 401);
    assert_string_equal(page_header(answer, "WWW-Authenticate"), "Bearer");
    assert_null(strstr(answer->body.ptr, "sesame"));
  }
  assert_int_equal(with_header("POST", "{}", "authorization", "bearer sesame")->status, 400);
  assert_int_equal(
      with_header("POST", "{}", "Sec-WebSocket-Protocol", "x, e2b-bearer.sesame")->status, 400);
  assert_int_equal(with_header("POST", "{}", "Sec-WebSocket-Protocol", "e2b-bearer.sesam")->status,
                   401);
}

/* As from a variable that is not set. */
static void an_empty_token_is_none(void **state) {
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.bearer_token = "";
  options.authorize = nobody;
  page_anew(&options);
  assert_int_equal(with_header("POST", "{}", "Authorization", "Bearer ")->status, 401);
  assert_int_equal(with_header("POST", "{}", "Sec-WebSocket-Protocol", "e2b-bearer.")->status, 401);
  E2B_INIT(&options);
  options.bearer_token = "";
  options.allow_anyone = E2B_ON;
  page_anew(&options);
  assert_int_equal(with_header("POST", "{}", "X", "y")->status, 403); /* not loopback */
}

/* What a page embeds or links to comes without an origin, but with cookies. */
static void what_other_sites_embed_is_kept_out(void **state) {
  static const struct {
    const char *site;
    int status;
  } table[] = {{"cross-site", 403}, {"same-site", 403}, {"same-origin", 400}, {"none", 400}};
  (void)state;
  e2b_handler_options options = options_for(anybody);
  page_anew(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const e2b_http_response_t *answer = with_header("GET", NULL, "sec-fetch-site", table[i].site);
    if (answer->status != table[i].status) fail_msg("%s: %d", table[i].site, answer->status);
  }
}

static void pages_of_other_sites_are_kept_out(void **state) {
  static const char *const allowed[] = {"https://good.example"};
  (void)state;
  e2b_handler_options options = options_for(anybody);
  options.allowed_origins = allowed;
  options.allowed_origins_count = 1;
  page_anew(&options);
  const e2b_http_response_t *answer = with_header("POST", "{}", "Origin", "https://evil.example");
  assert_int_equal(answer->status, 403);
  assert_null(page_header(answer, "Access-Control-Allow-Origin"));
  assert_int_equal(with_header("POST", "{}", "Origin", "null")->status, 403);
  assert_int_equal(with_header("OPTIONS", NULL, "Origin", "https://evil.example")->status, 403);
  assert_int_equal(with_header("POST", "{}", "Origin", "https://good.example\r\nX: y")->status,
                   403);
  assert_int_equal(with_header("POST", "{}", "Origin", "https://app.example")->status, 400);
  answer = with_header("POST", "{}", "Origin", "https://good.example");
  assert_int_equal(answer->status, 400);
  assert_string_equal(page_header(answer, "Access-Control-Allow-Origin"), "https://good.example");
  answer = with_header("OPTIONS", NULL, "Origin", "https://good.example");
  assert_int_equal(answer->status, 204);
  assert_non_null(page_header(answer, "Access-Control-Allow-Headers"));
}

static void callers_do_not_reach_each_others_sandboxes(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  e2b_handler_options options = options_for(who);
  options.max_sandboxes = 1;
  page_anew(&options);
  assert_int_equal(with_header("POST", LIST, "X-Nobody", "x")->status, 401);
  const char *id = made_by("ann", CREATE);
  /* Her second is one too many, his first is not. */
  const e2b_http_response_t *answer = asked_by("ann", CREATE);
  assert_int_equal(answer->status, 429);
  assert_non_null(page_header(answer, "Retry-After"));
  static const char *const actions[] = {"getInfo", "destroy", "runCode"};
  for (size_t i = 0; i < 3; i++) {
    const char *body = action_on(id, actions[i], ",\"code\":\"1\"");
    assert_int_equal(asked_by("bob", body)->status, 404);
  }
  answer = asked_by("bob", LIST);
  assert_null(strstr(answer->body.ptr, id));
  assert_non_null(strstr(asked_by("ann", LIST)->body.ptr, id));
  /* A handler that was started anew has to ask, and finds the same. */
  page_anew(&options);
  assert_int_equal(asked_by("bob", action_on(id, "runCode", ",\"code\":\"1\""))->status, 404);
  answer = asked_by("ann", action_on(id, "getInfo", ""));
  assert_int_equal(answer->status, 200);
  assert_null(strstr(answer->body.ptr, "e2bHandlerCaller"));
  assert_int_equal(asked_by("ann", action_on(id, "destroy", ""))->status, 200);
}

/* A handler that was started anew does not know what it had made, until it is asked for it. */
static void sandboxes_that_are_found_again_count(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  e2b_handler_options options = options_for(who);
  options.max_sandboxes = 1;
  page_anew(&options);
  const char *id = made_by("ann", CREATE);
  page_anew(&options);
  /* Several at once are one sandbox. */
  const e2b_pair_t headers[] = {{"Host", "app.example"}, {"X-User", "ann"}};
  e2b_http_request request =
      page_request("POST", action_on(id, "filesystem.exists", ",\"path\":\"/\""));
  request.headers = headers;
  request.headers_count = 2;
  e2b_future_t *futures[3];
  for (size_t i = 0; i < 3; i++) {
    futures[i] = scene_keep(e2b_handle_request(page_handler, &request));
  }
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(e2b_future_http_response(OK(futures[i]))->status, 200);
  }
  assert_int_equal(asked_by("ann", CREATE)->status, 429);
  assert_int_equal(asked_by("ann", action_on(id, "destroy", ""))->status, 200);
  assert_true(YES(e2b_sandbox_kill_by_id(scene.client, made_by("ann", CREATE))));
}

/* Neither a request nor the application's own metadata says whose a sandbox is. */
static void ownership_cannot_be_given_away_or_taken(void **state) {
  static const e2b_pair_t metadata[] = {
      {"e2bHandlerCaller", "bob"}, {"runtime", "python"}, {"team", "blue"}};
  static const char create[] =
      "{\"action\":\"compute.sandbox.create\",\"metadata\":{\"e2bHandlerCaller\":\"bob\"},"
      "\"options\":{\"runtime\":\"node\",\"metadata\":{\"e2bHandlerCaller\":\"bob\"},"
      "\"envs\":{\"e2bHandlerCaller\":\"bob\"}}}";
  e2b_create_options made_from;
  (void)state;
  skip_unless(&scene.server, SERVER_CONTROL, "its own sandboxes");
  E2B_INIT(&made_from);
  made_from.metadata = metadata;
  made_from.metadata_count = 3;
  e2b_handler_options options = options_for(who);
  options.create = &made_from;
  page_anew(&options);
  const char *id = made_by("ann", create);
  const char *body = action_on(id, "getInfo", "");
  /* Anew, so that nothing is remembered. */
  page_anew(&options);
  assert_int_equal(asked_by("bob", body)->status, 404);
  const cJSON *answer = page_json(asked_by("ann", body));
  const cJSON *info = cJSON_GetObjectItem(answer, "info");
  const cJSON *told = cJSON_GetObjectItem(info, "metadata");
  assert_string_equal(e2b__json_string(info, "runtime", ""), "node");
  assert_string_equal(e2b__json_string(told, "team", ""), "blue");
  assert_int_equal(cJSON_GetArraySize(told), 2); /* and the runtime */
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
  (void)state;
  e2b_handler_options options = options_for(anybody);
  page_anew(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    size_t len = (size_t)snprintf(body, sizeof body, "%s", table[i].begin);
    const size_t piece = strlen(table[i].piece);
    while (len + piece + 20 < sizeof body) {
      memcpy(body + len, table[i].piece, piece);
      len += piece;
    }
    snprintf(body + len, sizeof body - len, "%s", table[i].end);
    const e2b_http_response_t *answer = page_posts(body);
    if (answer->status != table[i].status) fail_msg("%s: %d", table[i].piece, answer->status);
    if (answer->status == 400) {
      assert_non_null(strstr(answer->body.ptr, "Unknown action: undefined"));
    }
  }
}

static void a_body_past_the_limit_is_refused(void **state) {
  e2b_handler_options options;
  (void)state;
  E2B_INIT(&options);
  options.allow_anyone = E2B_ON;
  options.max_body_bytes = 10;
  page_anew(&options);
  assert_int_equal(page_posts("{\"action\":\"x\"}")->status, 413);
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
  (void)state;
  e2b_handler_options options = options_for(anybody);
  page_anew(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const e2b_pair_t headers[] = {{"host", table[i].host}, {"ORIGIN", table[i].origin}};
    const int status = with_headers("POST", "{}", headers, 2)->status;
    if (status != table[i].status) {
      fail_msg("%s on %s: %d", table[i].origin, table[i].host, status);
    }
  }
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
  (void)state;
  e2b_handler_options options = options_for(anybody);
  options.allowed_origins = allowed;
  options.allowed_origins_count = 3;
  page_anew(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const e2b_http_response_t *answer = with_header("POST", "{}", "Origin", table[i].origin);
    if (answer->status != table[i].status) fail_msg("%s: %d", table[i].origin, answer->status);
    if (answer->status == 400) {
      assert_string_equal(page_header(answer, "Access-Control-Allow-Origin"), table[i].origin);
    }
  }
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
  page_anew(&options);
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const e2b_pair_t host = {"Host", table[i].host};
    const int status = with_headers("POST", "{}", &host, 1)->status;
    if (status != table[i].status) fail_msg("%s: %d", table[i].host, status);
  }
}

static void answers_are_not_kept_nor_guessed_at(void **state) {
  (void)state;
  e2b_handler_options options = options_for(anybody);
  page_anew(&options);
  const e2b_http_response_t *answer = with_header("POST", "{}", "X", "y");
  assert_string_equal(page_header(answer, "X-Content-Type-Options"), "nosniff");
  assert_string_equal(page_header(answer, "Cache-Control"), "no-store");
}

/* --- limits -------------------------------------------------------------------------------------
 */

static void count_in(e2b_future_t *future, void *user_data) {
  unsigned *counts = user_data;
  const e2b_http_response_t *answer = e2b_future_http_response(future);
  counts[answer != NULL && answer->status == 429]++;
  counts[2]++;
}

static void of_five_at_once_three_are_refused(const e2b_http_request *request) {
  unsigned counts[3] = {0};
  for (int i = 0; i < 5; i++) {
    e2b_future_then(e2b_handle_request(page_handler, request), count_in, counts);
  }
  for (unsigned tries = 0; counts[2] < 5; tries++) {
    scene_pace(tries);
  }
  assert_int_equal(counts[0], 2);
  assert_int_equal(counts[1], 3);
}

static void runs_at_once_are_limited(void **state) {
  (void)state;
  e2b_handler_options options = options_for(anybody);
  options.max_runs = 2;
  page_anew(&options);
  const e2b_http_request request = page_request(
      "POST", action_on(e2b_sandbox_id(scene.sandbox), "runCommand", ",\"command\":\"true\""));
  of_five_at_once_three_are_refused(&request);
  assert_int_equal(page_asks(&request)->status, 200);
}

static void streams_asked_for_at_once_are_limited_too(void **state) {
  (void)state;
  e2b_handler_options options = options_for(anybody);
  options.max_streams = 2;
  page_anew(&options);
  const char *sandbox_id = e2b_sandbox_id(scene.sandbox);
  const cJSON *made = page_json(page_posts(action_on(sandbox_id, "terminal.create", "")));
  /* A handler that does not know the sandbox yet has to ask for it first. */
  page_anew(&options);
  char query[256];
  snprintf(query, sizeof query, "action=terminal.stream&sandboxId=%s&terminalId=%s", sandbox_id,
           e2b__json_string(cJSON_GetObjectItem(made, "terminal"), "id", ""));
  e2b_http_request request = page_request("GET", NULL);
  request.query = query;
  of_five_at_once_three_are_refused(&request);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PAGE_TEST(a_handler_wants_to_know_who_may_call),
      PAGE_TEST(a_wrong_token_is_unauthorized),
      PAGE_TEST(an_empty_token_is_none),
      PAGE_TEST(pages_of_other_sites_are_kept_out),
      PAGE_TEST(what_other_sites_embed_is_kept_out),
      PAGE_TEST(callers_do_not_reach_each_others_sandboxes),
      PAGE_TEST(sandboxes_that_are_found_again_count),
      PAGE_TEST(ownership_cannot_be_given_away_or_taken),
      PAGE_TEST(a_body_past_the_limit_is_refused),
      PAGE_TEST(a_body_of_very_many_values_is_refused),
      PAGE_TEST(a_page_is_the_servers_own_whatever_names_its_port),
      PAGE_TEST(allowed_origins_are_compared_as_origins),
      PAGE_TEST(without_a_credential_only_loopback_is_served),
      PAGE_TEST(answers_are_not_kept_nor_guessed_at),
      PAGE_TEST(runs_at_once_are_limited),
      PAGE_TEST(streams_asked_for_at_once_are_limited_too),
  };
  return cmocka_run_group_tests_name("handler_access", tests, scene_open, scene_close);
}
