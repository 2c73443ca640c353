/* SPDX-License-Identifier: MIT */
#include "support/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/json.h"

/* Metrics, logs and the stored network of a sandbox. */

static wire_exchange_t *ask(const char *method, const char *path, const char *body) {
  char id[64];
  memcpy(id, wire.sandbox, sizeof id);
  wire.sandbox[0] = '\0';
  wire_exchange_t *exchange = wire_ask(method, path, "application/json", body, strlen(body), NULL);
  memcpy(wire.sandbox, id, sizeof id);
  return exchange;
}

static char *path_of(const char *format) {
  static char path[300];
  snprintf(path, sizeof path, format, wire.sandbox);
  return path;
}

static cJSON *gives(const char *path, long status) {
  wire_exchange_t *exchange = ask("GET", path, "");
  assert_int_equal(exchange->status, status);
  cJSON *answer = e2b__json_parse(exchange->body.data, exchange->body.len);
  assert_non_null(answer);
  wire_end(exchange);
  return answer;
}

static void check_sample(const cJSON *sample) {
  static const char *const positive[] = {"timestampUnix", "cpuCount", "cpuUsedPct", "memUsed",
                                         "memTotal",      "diskUsed", "diskTotal"};
  for (size_t i = 0; i < E2B__COUNT(positive); i++) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(sample, positive[i]);
    if (!cJSON_IsNumber(item) || item->valuedouble <= 0) fail_msg("%s is not there", positive[i]);
  }
  assert_true(cJSON_HasObjectItem(sample, "memCache"));
  assert_non_null(e2b__json_string(sample, "timestamp", NULL));
  int64_t age = (int64_t)time(NULL) - e2b__json_int(sample, "timestampUnix", 0);
  assert_in_range(age + 1, 0, 12);
}

static void what_it_uses(void **state) {
  (void)state;
  /* Nothing of it is known before it has run for a moment. */
  cJSON *none = gives(path_of("/sandboxes/%s/metrics?start=1&end=2"), 200);
  assert_int_equal(cJSON_GetArraySize(none), 0);
  cJSON_Delete(none);
  wire_shell("(while :; do :; done) >/dev/null 2>&1 & "
             "(head -c 40000000 /dev/zero | tail -c 40000000 | (sleep 9; cat)) >/dev/null 2>&1 &");
  wire_turn_for(1500);
  cJSON *samples = gives(path_of("/sandboxes/%s/metrics"), 200);
  assert_int_equal(cJSON_GetArraySize(samples), 1);
  const cJSON *sample = cJSON_GetArrayItem(samples, 0);
  check_sample(sample);
  /* The loop has used a good part of one processor, and `tail` has its 40 MB. */
  assert_true(cJSON_GetObjectItemCaseSensitive(sample, "cpuUsedPct")->valuedouble > 5);
  assert_true(e2b__json_int(sample, "memUsed", 0) > 30000000);
  cJSON_Delete(samples);
  char path[300];
  snprintf(path, sizeof path, "/sandboxes/metrics?sandbox_ids=%s,inone", wire.sandbox);
  cJSON *many = gives(path, 200);
  const cJSON *each = cJSON_GetObjectItemCaseSensitive(many, "sandboxes");
  assert_int_equal(cJSON_GetArraySize(each), 1);
  check_sample(cJSON_GetObjectItemCaseSensitive(each, wire.sandbox));
  cJSON_Delete(many);
  cJSON_Delete(gives("/sandboxes/inone/metrics", 404));
  cJSON_Delete(gives(path_of("/sandboxes/%s/metrics?start=x"), 400));
}

static void logs_are_empty(void **state) {
  (void)state;
  cJSON *v1 = gives(path_of("/sandboxes/%s/logs?limit=9"), 200);
  assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(v1, "logs")));
  assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(v1, "logEntries")));
  cJSON_Delete(v1);
  cJSON *v2 = gives(path_of("/v2/sandboxes/%s/logs"), 200);
  assert_true(cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(v2, "logs")));
  cJSON_Delete(v2);
  cJSON_Delete(gives("/v2/sandboxes/inone/logs", 404));
}

static void the_network_is_kept(void **state) {
  (void)state;
  static const char set[] = "{\"allowOut\":[\"1.1.1.1\"],\"allow_internet_access\":false,"
                            "\"egressProxy\":{\"address\":\"p:1\",\"password\":\"secret\"}}";
  wire_exchange_t *exchange = ask("PUT", path_of("/sandboxes/%s/network"), set);
  assert_int_equal(exchange->status, 204);
  wire_end(exchange);
  cJSON *shown = gives(path_of("/sandboxes/%s"), 200);
  char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(shown, "network"));
  assert_string_equal(text, "{\"allowOut\":[\"1.1.1.1\"],\"egressProxy\":{\"address\":\"p:1\"}}");
  cJSON_free(text);
  assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(shown, "allowInternetAccess")));
  cJSON_Delete(shown);
  /* What is left out is gone. */
  exchange = ask("PUT", path_of("/sandboxes/%s/network"), "{}");
  assert_int_equal(exchange->status, 204);
  wire_end(exchange);
  shown = gives(path_of("/sandboxes/%s"), 200);
  assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(shown, "network")), 0);
  cJSON_Delete(shown);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WIRE_TEST(what_it_uses),
      WIRE_TEST(logs_are_empty),
      WIRE_TEST(the_network_is_kept),
  };
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
