/* SPDX-License-Identifier: MIT */
/* The request handler's list, page after page. */

#include <stdio.h>

#include "e2b/handler.h"
#include "proto/json.h"
#include "support/faults.h"

enum { PAGE = 100, MOST_PAGES = 100 };

#define LIST "GET /v2/sandboxes"

typedef struct list_test {
  faults_t f;
  e2b_handler_t *handler;
  char page[PAGE * 320 + 3];
  cJSON *answer;
} list_test;

static const char *ann(const e2b_http_request *request, void *user_data) {
  (void)request;
  (void)user_data;
  return "ann & co";
}

/* Every page has as many as it may; the last of them is somebody else's. */
static void begin(list_test *t) {
  e2b_handler_options options;
  memset(t, 0, sizeof *t);
  faults_open(&t->f, NULL);
  faults_client(&t->f);
  E2B_INIT(&options);
  options.authorize = ann;
  assert_int_equal(e2b_handler_new(t->f.h.client, &options, &t->handler), 0);
  size_t len = 0;
  for (unsigned i = 0; i < PAGE; i++) {
    len +=
        (size_t)snprintf(t->page + len, sizeof t->page - len,
                         "%c{\"sandboxID\":\"i%u\",\"templateID\":\"base\",\"state\":\"running\","
                         "\"envdVersion\":\"0.6.13\",\"startedAt\":\"2026-01-01T00:00:00Z\","
                         "\"endAt\":\"2026-01-01T01:00:00Z\",\"cpuCount\":2,\"memoryMB\":512,"
                         "\"metadata\":{\"e2bHandlerCaller\":\"%s\"}}",
                         i == 0 ? '[' : ',', i, i + 1 < PAGE ? "ann & co" : "bob");
  }
  snprintf(t->page + len, sizeof t->page - len, "]");
}

static void end(list_test *t) {
  cJSON_Delete(t->answer);
  e2b_handler_release(t->handler);
  faults_close(&t->f);
}

static void pages(list_test *t, unsigned times, const char *headers) {
  fault_rule_t *rule = fault_on(t->f.server, LIST);
  if (times != 0) fault_limit(rule, times);
  fault_answer(rule, 200, "application/json", t->page, headers);
}

static void list(list_test *t, const char *members, int status) {
  char body[128];
  e2b_http_request request;
  E2B_INIT(&request);
  snprintf(body, sizeof body, "{\"action\":\"compute.sandbox.list\"%s}", members);
  request.method = "POST";
  request.body = body;
  request.body_len = strlen(body);
  e2b_future_t *future = e2b_handle_request(t->handler, &request);
  assert_int_equal(harness_await(&t->f.h, future), 0);
  const e2b_http_response_t *answer = e2b_future_http_response(future);
  assert_int_equal(answer->status, status);
  cJSON_Delete(t->answer);
  t->answer = e2b__json_parse(answer->body.ptr, answer->body.len);
  e2b_future_release(future);
}

static int listed(const list_test *t) {
  return cJSON_GetArraySize(cJSON_GetObjectItem(t->answer, "sandboxes"));
}

static const char *next_token(const list_test *t) {
  return e2b__json_string(t->answer, "nextToken", "none");
}

static void more_than_a_thousand_are_listed(void **state) {
  list_test t;
  (void)state;
  begin(&t);
  pages(&t, 14, "X-Next-Token: more\r\n");
  pages(&t, 1, NULL);
  list(&t, "", 200);
  assert_int_equal(fault_count(t.f.server, LIST), 15);
  assert_int_equal(listed(&t), 15 * (PAGE - 1));
  assert_string_equal(next_token(&t), "none");
  const char *last = fault_request(t.f.server, LIST, 14)->target;
  assert_non_null(strstr(last, "limit=100"));
  assert_non_null(strstr(last, "nextToken=more"));
  assert_non_null(strstr(last, "metadata=e2bHandlerCaller"));
  end(&t);
}

/* A control plane that never comes to an end included. */
static void past_the_limit_a_list_says_how_to_go_on(void **state) {
  list_test t;
  (void)state;
  begin(&t);
  pages(&t, MOST_PAGES, "X-Next-Token: a/b?c=\"d\"\r\n");
  pages(&t, 1, NULL);
  list(&t, "", 200);
  assert_int_equal(fault_count(t.f.server, LIST), MOST_PAGES);
  assert_int_equal(listed(&t), MOST_PAGES * (PAGE - 1));
  assert_string_equal(next_token(&t), "a/b?c=\"d\"");
  list(&t, ",\"nextToken\":\"a/b?c=\\\"d\\\"\"", 200);
  assert_int_equal(fault_count(t.f.server, LIST), MOST_PAGES + 1);
  assert_int_equal(listed(&t), PAGE - 1);
  assert_string_equal(next_token(&t), "none");
  const char *last = fault_request(t.f.server, LIST, MOST_PAGES)->target;
  assert_non_null(strstr(last, "nextToken=a%2Fb%3Fc%3D%22d%22"));
  end(&t);
}

static void a_page_that_fails_fails_the_list(void **state) {
  list_test t;
  (void)state;
  begin(&t);
  pages(&t, 2, "X-Next-Token: more\r\n");
  fault_answer(fault_on(t.f.server, LIST), 400, "application/json",
               "{\"code\":400,\"message\":\"Invalid next token\"}", NULL);
  list(&t, "", 400);
  assert_null(cJSON_GetObjectItem(t.answer, "sandboxes"));
  assert_false(e2b__json_bool(t.answer, "success", true));
  end(&t);
}

static void a_token_is_text(void **state) {
  list_test t;
  (void)state;
  begin(&t);
  list(&t, ",\"nextToken\":5", 400);
  assert_string_equal(e2b__json_string(t.answer, "error", ""),
                      "Field 'nextToken' must be a string");
  assert_int_equal(fault_count(t.f.server, LIST), 0);
  end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(more_than_a_thousand_are_listed),
      cmocka_unit_test(past_the_limit_a_list_says_how_to_go_on),
      cmocka_unit_test(a_page_that_fails_fails_the_list),
      cmocka_unit_test(a_token_is_text),
  };
  return cmocka_run_group_tests_name("handler list", tests, NULL, NULL);
}
