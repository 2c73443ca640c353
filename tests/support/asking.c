/* SPDX-License-Identifier: MIT */
#include "support/asking.h"

#include <stdlib.h>

#define FIELDS(action, fields) "{\"action\":\"compute.sandbox." action "\"" fields "}"
#define ON(action, fields)     FIELDS(action, ",\"sandboxId\":\"" FAULTS_SANDBOX_ID "\"" fields)
#define PATH                   ",\"path\":\"/tmp/x\""

const question_t questions[] = {
    {"nothing", "{}", 400},
    {"create", FIELDS("create", ""), 200},
    {"create with an id",
     FIELDS("create", ",\"options\":{\"sandboxId\":\"" FAULTS_SANDBOX_ID "\"}"), 200},
    {"destroy", ON("destroy", ""), 200},
    {"getInfo", ON("getInfo", ""), 200},
    {"list", FIELDS("list", ""), 200},
    {"runCode", ON("runCode", ",\"runtime\":\"python\",\"code\":\"1\""), 200},
    {"runCode in a new one", FIELDS("runCode", ",\"runtime\":\"python\",\"code\":\"1\""), 200},
    {"runCommand", ON("runCommand", ",\"command\":\"ls\",\"args\":[\"-l\"]"), 200},
    {"runCommand as a stream", ON("runCommand", ",\"command\":\"ls\",\"stream\":true"), 200},
    {"runCode in a new one as a stream", FIELDS("runCode", ",\"code\":\"1\",\"stream\":true"), 200},
    {"readFile", ON("filesystem.readFile", PATH), 200},
    {"writeFile", ON("filesystem.writeFile", PATH ",\"content\":\"hello\""), 200},
    {"mkdir", ON("filesystem.mkdir", PATH), 200},
    {"readdir", ON("filesystem.readdir", PATH), 200},
    {"exists", ON("filesystem.exists", PATH), 200},
    {"remove", ON("filesystem.remove", PATH), 200},
};
const size_t questions_count = E2B__COUNT(questions);

static const char *ann(const e2b_http_request *request, void *user_data) {
  asking_t *a = user_data;
  (void)request;
  if (a->on_authorize != NULL) a->on_authorize(a);
  return "ann";
}

/* The list has two pages. */
static void owned(fault_server_t *server) {
#define HERS                                                                                \
  "{\"sandboxID\":\"" FAULTS_SANDBOX_ID "\",\"templateID\":\"base\",\"state\":\"running\"," \
  "\"alias\":\"a\",\"envdVersion\":\"0.6.13\",\"startedAt\":\"2026-01-01T00:00:00Z\","      \
  "\"endAt\":\"2026-01-01T01:00:00Z\",\"cpuCount\":2,\"memoryMB\":512,\"metadata\":{\"e2b"  \
  "HandlerCaller\":\"ann\"}}"
  fault_answer(fault_on(server, "GET /sandboxes/" FAULTS_SANDBOX_ID), 200, "application/json", HERS,
               NULL);
  fault_answer(fault_once(server, "GET /v2/sandboxes"), 200, "application/json", "[" HERS "]",
               "X-Next-Token: next\r\n");
  fault_answer(fault_on(server, "GET /v2/sandboxes"), 200, "application/json", "[" HERS "]", NULL);
}

void asking_open(asking_t *a) {
  memset(a, 0, sizeof *a);
  stage_open(&a->s, &faults_proto);
  owned(a->s.f.server);
  stage_script(&a->s.f);
  e2b_handler_options options;
  E2B_INIT(&options);
  options.authorize = ann;
  options.authorize_data = a;
  options.heartbeat_ms = 1; /* at any moment */
  assert_int_equal(e2b_handler_new(a->s.f.h.client, &options, &a->handler), 0);
}

static void called(asking_t *a) {
  REQUIRE(stage_inside == 0);
  REQUIRE(a->s.closed == 0);
  if (a->on_callback != NULL) a->on_callback(a);
}

static void on_data(e2b_http_stream_t *stream, const char *data, size_t len, void *user_data) {
  asking_t *a = user_data;
  REQUIRE(stream == a->stream && len > 0 && data != NULL);
  a->bytes += len;
  called(a);
}

static void on_end(e2b_http_stream_t *stream, void *user_data) {
  asking_t *a = user_data;
  REQUIRE(stream == a->stream);
  a->ended++;
  a->stream = NULL;
  called(a);
}

static void on_answer(e2b_future_t *future, void *user_data) {
  asking_t *a = user_data;
  const e2b_http_response_t *answer = e2b_future_http_response(future);
  a->answers++;
  a->status = answer != NULL ? answer->status : 0;
  a->code = answer == NULL ? e2b_future_error(future)->code : 0;
  a->retry_after = 0;
  for (size_t i = 0; answer != NULL && i < answer->headers_count; i++) {
    const e2b_pair_t *header = &answer->headers[i];
    if (strcmp(header->name, "Retry-After") == 0) a->retry_after = atoi(header->value);
  }
  if (answer != NULL && answer->stream != NULL) {
    REQUIRE(a->stream == NULL);
    a->stream = answer->stream;
    a->started++;
    REQUIRE(CALL(e2b_http_stream_start(a->stream, on_data, on_end, a)) == 0);
    REQUIRE(answer->stream == NULL);
  }
  called(a);
}

e2b_future_t *asking_start(asking_t *a, const question_t *question) {
  e2b_http_request request;
  E2B_INIT(&request);
  request.method = question->body != NULL ? "POST" : "GET";
  request.body = question->body;
  request.body_len = question->body != NULL ? strlen(question->body) : 0;
  e2b_future_t *future = CALL(e2b_handle_request(a->handler, &request));
  if (future != NULL) CALL(e2b_future_then(e2b_future_acquire(future), on_answer, a));
  return future;
}

typedef struct until {
  const asking_t *a;
  unsigned answers;
} until_t;

static bool is_over(void *ctx) {
  const until_t *u = ctx;
  return u->a->answers >= u->answers && u->a->ended == u->a->started;
}

void asking_settle(asking_t *a, unsigned answers) {
  until_t u = {a, answers};
  harness_until(&a->s.f.h, is_over, &u);
}

void asking_close(asking_t *a) {
  CALL_VOID(e2b_handler_release(a->handler));
  a->handler = NULL;
  stage_close(&a->s);
  assert_int_equal(a->ended, a->started);
}
