/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>

/* Sandboxes: made with options, found again, described, listed, ended. */

static const char absent_id[] = "ithereisnosuchsandbox";

static e2b_create_options *fresh(void) {
  static e2b_create_options options;
  E2B_INIT(&options);
  return &options;
}

static e2b_sandbox_t *make(const e2b_create_options *options) {
  return MADE(e2b_sandbox_create(scene.client, options));
}

static const e2b_sandbox_info_t *info_of(e2b_sandbox_t *sandbox) {
  return e2b_future_sandbox_info(OK(e2b_sandbox_get_info(sandbox)));
}

static void need_control(void) {
  skip_unless(&scene.server, SERVER_CONTROL, "there is no control plane to ask");
}

static const char *metadata_of(const e2b_sandbox_info_t *info, const char *name) {
  for (size_t i = 0; i < info->metadata_count; i++) {
    if (strcmp(info->metadata[i].name, name) == 0) return info->metadata[i].value;
  }
  return NULL;
}

/* A value that no other run of the tests has. */
static const char *unique(void) {
  return scene_path("");
}

static void defaults(void **state) {
  (void)state;
  e2b_sandbox_t *sandbox = make(NULL);
  assert_non_null(e2b_sandbox_id(sandbox));
  assert_true(strlen(e2b_sandbox_id(sandbox)) > 0);
  assert_true(strlen(e2b_sandbox_envd_version(sandbox)) > 0);
  assert_true(YES(e2b_sandbox_is_running(sandbox)));
  assert_out(RAN(e2b_run_shell(sandbox, "echo $((6 * 7))", NULL)), "42\n");
  char host[300];
  const size_t len = e2b_sandbox_host(sandbox, 8080, host, sizeof host);
  assert_int_equal(len, strlen(host));
  assert_non_null(strstr(host, "8080"));
  assert_int_equal(e2b_sandbox_host(sandbox, 8080, host, 3), len);
  assert_int_equal(strlen(host), 2);
}

static void described(void **state) {
  (void)state;
  need_control();
  e2b_create_options *options = fresh();
  options->timeout_ms = 120000;
  e2b_sandbox_t *sandbox = make(options);
  const e2b_sandbox_info_t *info = info_of(sandbox);
  assert_string_equal(info->id, e2b_sandbox_id(sandbox));
  assert_string_equal(info->provider, "e2b");
  assert_string_equal(info->status, "running");
  assert_int_equal(info->state, E2B_SANDBOX_RUNNING);
  assert_true(info->started_at_ms > 1700000000000);
  assert_true(info->end_at_ms > info->started_at_ms);
  assert_in_range(info->end_at_ms - info->started_at_ms, 115000, 125000);
  assert_true(strlen(info->template_id) > 0);
  assert_string_equal(info->alias, "code-interpreter-v1");
  assert_string_equal(info->envd_version, e2b_sandbox_envd_version(sandbox));
  assert_true(info->cpu_count > 0);
  assert_true(info->memory_mb > 0);
  assert_int_equal(info->metadata_count, 0);
  const e2b_sandbox_info_t *again = e2b_future_sandbox_info(
      OK(e2b_sandbox_get_info_by_id(scene.client, e2b_sandbox_id(sandbox))));
  assert_string_equal(again->id, info->id);
  assert_true(again->started_at_ms == info->started_at_ms);
}

static void another_template(void **state) {
  (void)state;
  need_control();
  e2b_create_options *options = fresh();
  options->template_id = "base";
  e2b_sandbox_t *sandbox = make(options);
  assert_string_equal(info_of(sandbox)->alias, "base");
  options->template_id = "no-such-template-anywhere";
  const e2b_error_t *error = FAILS(E2B_ENOTFOUND, e2b_sandbox_create(scene.client, options));
  assert_non_null(strstr(error->detail, "no-such-template-anywhere"));
  assert_int_equal(error->http_status, 404);
  assert_string_equal(error->operation, "e2b_sandbox_create");
}

static void metadata_of_any_kind(void **state) {
  (void)state;
  need_control();
  const e2b_pair_t pairs[] = {{"plain", "value"},
                              {"a&b=c", "d=e&f"},
                              {"per%20cent", "100% +1 /?#"},
                              {"\xc3\xa4", "\xe2\x82\xac \xf0\x9f\x98\x80"},
                              {"quote\"d", "back\\slash\nline"},
                              {"empty", ""}};
  e2b_create_options *options = fresh();
  options->metadata = pairs;
  options->metadata_count = 6;
  e2b_sandbox_t *sandbox = make(options);
  const e2b_sandbox_info_t *info = info_of(sandbox);
  assert_int_equal(info->metadata_count, 6);
  for (size_t i = 0; i < 6; i++) {
    assert_non_null(metadata_of(info, pairs[i].name));
    assert_string_equal(metadata_of(info, pairs[i].name), pairs[i].value);
  }
}

static void variables_of_every_process(void **state) {
  (void)state;
  need_control();
  const e2b_pair_t envs[] = {{"PLAIN", "yes"}, {"ODD", "a b=c;$X'\"\xc3\xa4"}, {"OVER", "sandbox"}};
  e2b_create_options *options = fresh();
  options->envs = envs;
  options->envs_count = 3;
  e2b_sandbox_t *sandbox = make(options);
  const char *line = "printf '%s|%s|%s' \"$PLAIN\" \"$ODD\" \"$OVER\"";
  assert_out(RAN(e2b_run_shell(sandbox, line, NULL)), "yes|a b=c;$X'\"\xc3\xa4|sandbox");
  const e2b_pair_t own[] = {{"OVER", "call"}};
  e2b_run_options run;
  E2B_INIT(&run);
  run.envs = own;
  run.envs_count = 1;
  assert_out(RAN(e2b_run_shell(sandbox, line, &run)), "yes|a b=c;$X'\"\xc3\xa4|call");
  make(NULL); /* on servers that share a daemon, this takes the variables back */
}

static void secured_or_not(void **state) {
  (void)state;
  need_control();
  e2b_create_options *options = fresh();
  options->secure = E2B_ON;
  e2b_sandbox_t *sandbox = make(options);
  assert_out(RAN(e2b_run_shell(sandbox, "echo secure", NULL)), "secure\n");
  OK(e2b_files_write(sandbox, scene_path("secure"), "x", 1, NULL));
  options->secure = E2B_OFF;
  sandbox = make(options);
  e2b_future_t *future = scene_keep(e2b_run_shell(sandbox, "echo open", NULL));
  if (e2b_future_await(future, LONG_ENOUGH_MS) == E2B_EAUTH && scene.server.host == NULL) {
    server_skip(&scene.server, "its daemon wants a token of every sandbox");
  }
  assert_out(RAN(future), "open\n");
}

static void internet_is_an_option(void **state) {
  (void)state;
  need_control();
  e2b_create_options *options = fresh();
  options->internet_access = E2B_OFF;
  e2b_sandbox_t *sandbox = make(options);
  assert_int_equal(info_of(sandbox)->internet_access, E2B_OFF);
  assert_out(RAN(e2b_run_shell(sandbox, "echo up", NULL)), "up\n");
  options->internet_access = E2B_ON;
  assert_int_equal(info_of(make(options))->internet_access, E2B_ON);
}

static void sandboxes_are_apart(void **state) {
  (void)state;
  need_control();
  skip_unless(&scene.server, SERVER_ISOLATED, "its sandboxes share one file system");
  e2b_sandbox_t *one = make(NULL);
  e2b_sandbox_t *two = make(NULL);
  const char *path = scene_path("mine");
  OK(e2b_files_write(one, path, "one", 3, NULL));
  assert_true(YES(e2b_files_exists(one, path, NULL)));
  assert_false(YES(e2b_files_exists(two, path, NULL)));
  e2b_command_t *sleeper = STARTED(e2b_command_start_shell(one, "exec sleep 600", NULL));
  assert_int_equal(e2b_future_process_list(OK(e2b_command_list(one)))->count, 1);
  assert_int_equal(e2b_future_process_list(OK(e2b_command_list(two)))->count, 0);
  OK(e2b_command_kill(sleeper));
}

static void found_again(void **state) {
  (void)state;
  need_control();
  e2b_sandbox_t *sandbox = make(NULL);
  OK(e2b_files_write(sandbox, scene_path("kept"), "kept", 4, NULL));
  e2b_client_t *other = scene_client(NULL);
  e2b_future_t *future = OK(e2b_sandbox_connect(other, e2b_sandbox_id(sandbox), NULL));
  e2b_sandbox_t *again = e2b_future_sandbox(future);
  assert_string_equal(e2b_sandbox_id(again), e2b_sandbox_id(sandbox));
  const e2b_bytes_t *bytes = BYTES(e2b_files_read(again, scene_path("kept"), NULL));
  assert_bytes(*bytes, "kept", 4);
  assert_true(YES(e2b_sandbox_is_running(again)));
  e2b_sandbox_release(again);
}

static void connecting_prolongs_a_life(void **state) {
  (void)state;
  need_control();
  e2b_create_options *options = fresh();
  options->timeout_ms = 60000;
  e2b_sandbox_t *sandbox = make(options);
  const int64_t end = info_of(sandbox)->end_at_ms;
  e2b_connect_options connect;
  E2B_INIT(&connect);
  connect.timeout_ms = 600000;
  e2b_future_t *future = OK(e2b_sandbox_connect(scene.client, e2b_sandbox_id(sandbox), &connect));
  e2b_sandbox_release(e2b_future_sandbox(future));
  const int64_t later = info_of(sandbox)->end_at_ms;
  assert_true(later > end + 400000);
  connect.timeout_ms = 30000;
  future = OK(e2b_sandbox_connect(scene.client, e2b_sandbox_id(sandbox), &connect));
  e2b_sandbox_release(e2b_future_sandbox(future));
  assert_true(info_of(sandbox)->end_at_ms >= later); /* never shorter */
}

static void not_found(void **state) {
  (void)state;
  need_control();
  const e2b_error_t *error =
      FAILS(E2B_ESANDBOXNOTFOUND, e2b_sandbox_connect(scene.client, absent_id, NULL));
  assert_non_null(strstr(error->message, absent_id));
  FAILS(E2B_ESANDBOXNOTFOUND, e2b_sandbox_get_info_by_id(scene.client, absent_id));
  FAILS(E2B_ESANDBOXNOTFOUND, e2b_sandbox_set_timeout_by_id(scene.client, absent_id, 60000));
  assert_false(YES(e2b_sandbox_kill_by_id(scene.client, absent_id)));
  FAILS(E2B_EINVAL, e2b_sandbox_connect(scene.client, "", NULL));
  FAILS(E2B_EINVAL, e2b_sandbox_get_info_by_id(scene.client, NULL));
  /* An id is a name, not a path. */
  const int rc = e2b_future_await(
      scene_keep(e2b_sandbox_get_info_by_id(scene.client, "../v2/sandboxes?x=")), LONG_ENOUGH_MS);
  assert_true(rc == E2B_ESANDBOXNOTFOUND || rc == E2B_EREQUEST);
}

static void wrong_key(e2b_client_options *options) {
  options->api_key = "e2b_ffffffffffffffffffffffffffffffffffffffff";
}

static void malformed_key(e2b_client_options *options) {
  options->api_key = "not-a-key";
  options->validate_api_key = E2B_ON;
}

static void keys_that_are_refused(void **state) {
  (void)state;
  need_control();
  e2b_client_t *client = scene_client(wrong_key);
  const e2b_error_t *error = FAILS(E2B_EAUTH, e2b_sandbox_create(client, NULL));
  assert_int_equal(strncmp(error->message, "E2B authentication failed", 25), 0);
  assert_int_equal(error->http_status, 401);
  assert_null(strstr(error->message, "ffffffff"));
  FAILS(E2B_EAUTH, e2b_sandbox_list(client, NULL));
  FAILS(E2B_EAUTH, e2b_sandbox_connect(client, absent_id, NULL));
  FAILS(E2B_EAUTH, e2b_sandbox_kill_by_id(client, absent_id));
  client = scene_client(malformed_key);
  error = FAILS(E2B_EKEYFORMAT, e2b_sandbox_create(client, NULL));
  assert_int_equal(strncmp(error->message, "Invalid E2B API key format", 26), 0);
}

static void killed_twice(void **state) {
  (void)state;
  need_control();
  e2b_sandbox_t *sandbox = make(NULL);
  assert_true(YES(e2b_sandbox_kill(sandbox)));
  assert_false(YES(e2b_sandbox_kill(sandbox)));
  assert_false(YES(e2b_sandbox_is_running(sandbox)));
  FAILS(E2B_ESANDBOXNOTFOUND, e2b_sandbox_get_info(sandbox));
  sandbox = make(NULL);
  assert_true(YES(e2b_sandbox_kill_by_id(scene.client, e2b_sandbox_id(sandbox))));
  assert_false(YES(e2b_sandbox_kill_by_id(scene.client, e2b_sandbox_id(sandbox))));
}

/* --- listing ------------------------------------------------------------------------------------
 */

static bool contains(const e2b_sandbox_list_t *list, const char *id) {
  for (size_t i = 0; i < list->count; i++) {
    if (strcmp(list->items[i].id, id) == 0) return true;
  }
  return false;
}

static void listed_by_metadata(void **state) {
  (void)state;
  need_control();
  const e2b_pair_t pairs[] = {{"run", unique()}, {"a&b=c%", "d=e&f +g\xc3\xa4"}};
  const e2b_pair_t others[] = {{"run", unique()}, {"a&b=c%", "other"}};
  e2b_create_options *options = fresh();
  options->metadata = pairs;
  options->metadata_count = 2;
  e2b_sandbox_t *one = make(options);
  options->metadata = others;
  e2b_sandbox_t *two = make(options);
  e2b_list_options list;
  E2B_INIT(&list);
  list.metadata = pairs;
  list.metadata_count = 1;
  const e2b_sandbox_list_t *found =
      e2b_future_sandbox_list(OK(e2b_sandbox_list(scene.client, &list)));
  assert_int_equal(found->count, 2);
  assert_true(contains(found, e2b_sandbox_id(one)) && contains(found, e2b_sandbox_id(two)));
  assert_string_equal(found->items[0].provider, "e2b");
  assert_string_equal(found->items[0].status, "running");
  assert_true(found->items[0].end_at_ms > found->items[0].started_at_ms);
  assert_string_equal(metadata_of(&found->items[0], "run"), unique());
  list.metadata_count = 2;
  found = e2b_future_sandbox_list(OK(e2b_sandbox_list(scene.client, &list)));
  assert_int_equal(found->count, 1);
  assert_string_equal(found->items[0].id, e2b_sandbox_id(one));
  list.states = E2B_LIST_RUNNING;
  found = e2b_future_sandbox_list(OK(e2b_sandbox_list(scene.client, &list)));
  assert_int_equal(found->count, 1);
  list.states = E2B_LIST_PAUSED;
  found = e2b_future_sandbox_list(OK(e2b_sandbox_list(scene.client, &list)));
  assert_int_equal(found->count, 0);
  assert_null(found->next_token);
}

static void listed_in_pages(void **state) {
  (void)state;
  need_control();
  enum { COUNT = 7 };
  const e2b_pair_t pairs[] = {{"pages", unique()}};
  e2b_create_options *options = fresh();
  options->metadata = pairs;
  options->metadata_count = 1;
  e2b_sandbox_t *sandboxes[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    sandboxes[i] = make(options);
  }
  for (unsigned limit = 1; limit <= COUNT + 1; limit++) {
    for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
      e2b_list_options list;
      E2B_INIT(&list);
      list.metadata = pairs;
      list.metadata_count = 1;
      list.limit = limit;
      list.oldest_first = oldest_first ? E2B_ON : E2B_DEFAULT;
      size_t seen = 0;
      size_t pages = 0;
      do {
        const e2b_sandbox_list_t *page =
            e2b_future_sandbox_list(OK(e2b_sandbox_list(scene.client, &list)));
        assert_true(page->count <= limit);
        for (size_t i = 0; i < page->count; i++, seen++) {
          const size_t expected = oldest_first ? seen : COUNT - 1 - seen;
          assert_true(seen < COUNT);
          assert_string_equal(page->items[i].id, e2b_sandbox_id(sandboxes[expected]));
        }
        list.next_token = page->next_token;
        pages++;
      } while (list.next_token != NULL && pages <= COUNT + 1);
      assert_int_equal(seen, COUNT);
      assert_int_equal(pages, (COUNT + limit - 1) / limit);
    }
  }
}

static void lists_that_are_refused(void **state) {
  (void)state;
  need_control();
  e2b_list_options list;
  E2B_INIT(&list);
  list.next_token = "no token of yours";
  FAILS(E2B_EREQUEST, e2b_sandbox_list(scene.client, &list));
  E2B_INIT(&list);
  list.limit = 101;
  const int rc =
      e2b_future_await(scene_keep(e2b_sandbox_list(scene.client, &list)), LONG_ENOUGH_MS);
  assert_true(rc == E2B_EREQUEST || rc == E2B_EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(defaults),
      SCENE_TEST(described),
      SCENE_TEST(another_template),
      SCENE_TEST(metadata_of_any_kind),
      SCENE_TEST(variables_of_every_process),
      SCENE_TEST(secured_or_not),
      SCENE_TEST(internet_is_an_option),
      SCENE_TEST(sandboxes_are_apart),
      SCENE_TEST(found_again),
      SCENE_TEST(connecting_prolongs_a_life),
      SCENE_TEST(not_found),
      SCENE_TEST(keys_that_are_refused),
      SCENE_TEST(killed_twice),
      SCENE_TEST(listed_by_metadata),
      SCENE_TEST(listed_in_pages),
      SCENE_TEST(lists_that_are_refused),
  };
  return cmocka_run_group_tests_name("sandbox", tests, scene_open, scene_close);
}
