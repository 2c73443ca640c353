/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>

/* Files held in memory: written, read, listed, moved, removed. */

static const char *const odd_names[] = {"with space",
                                        "quote\"d 'both'",
                                        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80.txt",
                                        "100% & + = ? #",
                                        "back\\slash",
                                        "-dash",
                                        "semi;colon`tick`$HOME",
                                        "new\nline"};

enum { ODD_NAMES = sizeof odd_names / sizeof *odd_names };

static const e2b_file_info_t *put(const char *path, const char *text) {
  return INFO(e2b_files_write(scene.sandbox, path, text, strlen(text), NULL));
}

static void assert_content(const char *path, const void *data, size_t len) {
  assert_bytes(*BYTES(e2b_files_read(scene.sandbox, path, NULL)), data, len);
}

static const char *output_of(const char *format, const char *path) {
  char line[512];
  snprintf(line, sizeof line, format, path);
  return scene_shell(line);
}

static void written_and_read(void **state) {
  (void)state;
  const char *path = scene_path("hello.txt");
  const e2b_file_info_t *info = put(path, "Hello World");
  assert_string_equal(info->name, "hello.txt");
  assert_string_equal(info->path, path);
  assert_int_equal(info->type, E2B_FILE_REGULAR);
  assert_content(path, "Hello World", 11);
  assert_string_equal(output_of("cat %s", path), "Hello World");
  assert_string_equal(output_of("stat -c %%a %s", path), "644\n");
  put(path, "shorter");
  assert_content(path, "shorter", 7);
}

static void empty_files(void **state) {
  (void)state;
  put(scene_path("empty"), "");
  assert_content(scene_path("empty"), "", 0);
  OK(e2b_files_write(scene.sandbox, scene_path("empty too"), NULL, 0, NULL));
  assert_int_equal(INFO(e2b_files_stat(scene.sandbox, scene_path("empty too"), NULL))->size, 0);
}

static void bytes_of_any_value(void **state) {
  (void)state;
  char bytes[1024];
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = (char)(i * 7);
  }
  memcpy(bytes, "\r\n--", 4); /* looks like what separates the parts of a form */
  const char *path = scene_path("binary");
  OK(e2b_files_write(scene.sandbox, path, bytes, sizeof bytes, NULL));
  assert_content(path, bytes, sizeof bytes);
}

static void five_megabytes(void **state) {
  (void)state;
  const size_t len = 5 << 20;
  char *data = test_malloc(len);
  unsigned seed = 1;
  for (size_t i = 0; i < len; i++) {
    seed = seed * 1103515245 + 12345;
    data[i] = (char)(seed >> 16);
  }
  const char *path = scene_path("big");
  OK(e2b_files_write(scene.sandbox, path, data, len, NULL));
  assert_content(path, data, len);
  test_free(data);
  e2b_file_options options;
  E2B_INIT(&options);
  options.max_bytes = len - 1;
  FAILS(E2B_ETOOBIG, e2b_files_read(scene.sandbox, path, &options));
  options.max_bytes = len;
  OK(e2b_files_read(scene.sandbox, path, &options));
}

static void names_of_any_kind(void **state) {
  (void)state;
  for (size_t i = 0; i < ODD_NAMES; i++) {
    char in_dir[128];
    snprintf(in_dir, sizeof in_dir, "odd/%s", odd_names[i]);
    const char *path = scene_path(in_dir);
    const e2b_file_info_t *info = put(path, odd_names[i]);
    assert_string_equal(info->name, odd_names[i]);
    assert_string_equal(info->path, path);
    assert_content(path, odd_names[i], strlen(odd_names[i]));
    assert_true(YES(e2b_files_exists(scene.sandbox, path, NULL)));
    assert_string_equal(INFO(e2b_files_stat(scene.sandbox, path, NULL))->name, odd_names[i]);
  }
  const e2b_file_list_t *list = LISTED(e2b_files_list(scene.sandbox, scene_path("odd"), 1, NULL));
  assert_int_equal(list->count, ODD_NAMES);
  char line[256];
  snprintf(line, sizeof line, "ls -A1 --zero %s | tr -dc '\\0' | wc -c", scene_path("odd"));
  assert_int_equal(strtol(scene_shell(line), NULL, 10), ODD_NAMES);
  for (size_t i = 0; i < ODD_NAMES; i++) {
    char in_dir[128];
    char other[160];
    snprintf(in_dir, sizeof in_dir, "odd/%s", odd_names[i]);
    snprintf(other, sizeof other, "odd/moved %s", odd_names[i]);
    OK(e2b_files_rename(scene.sandbox, scene_path(in_dir), scene_path(other), NULL));
    OK(e2b_files_remove(scene.sandbox, scene_path(other), NULL));
  }
  list = LISTED(e2b_files_list(scene.sandbox, scene_path("odd"), 1, NULL));
  assert_int_equal(list->count, 0);
}

static void reading_what_is_not_there(void **state) {
  (void)state;
  const char *path = scene_path("absent");
  const e2b_error_t *error = FAILS(E2B_ENOTFOUND, e2b_files_read(scene.sandbox, path, NULL));
  assert_non_null(strstr(error->detail, path));
  assert_int_equal(error->http_status, 404);
  assert_int_equal(error->sandbox, E2B_PRESENCE_ALIVE);
  FAILS(E2B_EREQUEST, e2b_files_read(scene.sandbox, scene_path(""), NULL));
  FAILS(E2B_ENOTFOUND, e2b_files_stat(scene.sandbox, path, NULL));
  FAILS(E2B_ENOTFOUND, e2b_files_list(scene.sandbox, path, 1, NULL));
  FAILS(E2B_ENOTFOUND, e2b_files_rename(scene.sandbox, path, scene_path("else"), NULL));
  assert_false(YES(e2b_files_exists(scene.sandbox, path, NULL)));
  FAILS(E2B_EINVAL, e2b_files_read(scene.sandbox, NULL, NULL));
}

static void writing_where_it_cannot_be(void **state) {
  (void)state;
  OK(e2b_files_mkdir(scene.sandbox, scene_path("dir"), NULL));
  FAILS(E2B_EREQUEST, e2b_files_write(scene.sandbox, scene_path("dir"), "x", 1, NULL));
  put(scene_path("file"), "x");
  const int rc = e2b_future_await(
      scene_keep(e2b_files_write(scene.sandbox, scene_path("file/below"), "x", 1, NULL)),
      LONG_ENOUGH_MS);
  assert_true(rc == E2B_EREQUEST || rc == E2B_ESERVER);
}

static void many_at_once(void **state) {
  (void)state;
  enum { COUNT = 50 };
  static char names[COUNT][64];
  static char texts[COUNT][600];
  e2b_file_content_t files[COUNT];
  for (size_t i = 0; i < COUNT; i++) {
    snprintf(names[i], sizeof names[i], "many/%zu/%zu \"q\" \\b %%22 \xc3\xa4;=.", i % 7, i);
    memset(texts[i], 'a' + (int)(i % 26), sizeof texts[i]);
    files[i].path = scene_path(names[i]);
    files[i].data = texts[i];
    files[i].len = i * 11;
  }
  const e2b_file_list_t *list = LISTED(e2b_files_write_many(scene.sandbox, files, COUNT, NULL));
  assert_int_equal(list->count, COUNT);
  for (size_t i = 0; i < COUNT; i++) {
    assert_string_equal(list->items[i].path, files[i].path);
    assert_int_equal(list->items[i].type, E2B_FILE_REGULAR);
    assert_content(files[i].path, files[i].data, files[i].len);
  }
  list = LISTED(e2b_files_write_many(scene.sandbox, files, 1, NULL));
  assert_int_equal(list->count, 1);
  assert_string_equal(list->items[0].path, files[0].path);
}

static void none_at_once(void **state) {
  (void)state;
  e2b_future_t *future = scene_keep(e2b_files_write_many(scene.sandbox, NULL, 0, NULL));
  const int rc = e2b_future_await(future, LONG_ENOUGH_MS);
  assert_true(rc == 0 || rc == E2B_EINVAL);
  if (rc == 0) assert_int_equal(e2b_future_file_list(future)->count, 0);
}

static void removed(void **state) {
  (void)state;
  put(scene_path("tree/a/b/c"), "x");
  put(scene_path("tree/d"), "x");
  OK(e2b_files_remove(scene.sandbox, scene_path("tree/d"), NULL));
  assert_false(YES(e2b_files_exists(scene.sandbox, scene_path("tree/d"), NULL)));
  OK(e2b_files_remove(scene.sandbox, scene_path("tree"), NULL));
  assert_false(YES(e2b_files_exists(scene.sandbox, scene_path("tree"), NULL)));
  OK(e2b_files_remove(scene.sandbox, scene_path("tree"), NULL));
  OK(e2b_files_remove(scene.sandbox, scene_path("never/was"), NULL));
}

static void renamed(void **state) {
  (void)state;
  put(scene_path("old"), "moved");
  put(scene_path("there"), "replaced");
  const e2b_file_info_t *info =
      INFO(e2b_files_rename(scene.sandbox, scene_path("old"), scene_path("there"), NULL));
  assert_string_equal(info->name, "there");
  assert_string_equal(info->path, scene_path("there"));
  assert_int_equal(info->type, E2B_FILE_REGULAR);
  assert_int_equal(info->size, 5);
  assert_content(scene_path("there"), "moved", 5);
  assert_false(YES(e2b_files_exists(scene.sandbox, scene_path("old"), NULL)));
  OK(e2b_files_rename(scene.sandbox, scene_path("there"), scene_path("new/parent/it"), NULL));
  assert_content(scene_path("new/parent/it"), "moved", 5);
  info = INFO(e2b_files_rename(scene.sandbox, scene_path("new"), scene_path("newer"), NULL));
  assert_int_equal(info->type, E2B_FILE_DIRECTORY);
  assert_content(scene_path("newer/parent/it"), "moved", 5);
}

static void relative_to_the_home(void **state) {
  (void)state;
  const char *home = scene_shell("printf %s ~");
  char expected[300];
  const e2b_file_info_t *info = put("libe2b-relative/x", "relative");
  snprintf(expected, sizeof expected, "%s/libe2b-relative/x", home);
  assert_string_equal(info->path, expected);
  assert_content(expected, "relative", 8);
  assert_content("libe2b-relative/x", "relative", 8);
  assert_content("~/libe2b-relative/x", "relative", 8);
  assert_string_equal(scene_shell("cat ~/libe2b-relative/x"), "relative");
  OK(e2b_files_remove(scene.sandbox, "~/libe2b-relative", NULL));
  assert_false(YES(e2b_files_exists(scene.sandbox, expected, NULL)));
}

static void whose_files(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_OWNERS, "there, all files have one owner");
  e2b_file_options options;
  E2B_INIT(&options);
  options.user = "root";
  OK(e2b_files_write(scene.sandbox, scene_path("roots"), "x", 1, &options));
  assert_string_equal(output_of("stat -c %%U %s", scene_path("roots")), "root\n");
  assert_string_equal(INFO(e2b_files_stat(scene.sandbox, scene_path("roots"), NULL))->owner,
                      "root");
  put(scene_path("mine"), "x");
  assert_string_equal(output_of("stat -c %%U %s", scene_path("mine")), "user\n");
  OK(e2b_files_write(scene.sandbox, "libe2b-of-root", "x", 1, &options));
  assert_true(YES(e2b_files_exists(scene.sandbox, "/root/libe2b-of-root", &options)));
  OK(e2b_files_remove(scene.sandbox, "libe2b-of-root", &options));
  options.user = "nobody-of-that-name";
  FAILS(E2B_EAUTH, e2b_files_write(scene.sandbox, scene_path("x"), "x", 1, &options));
  FAILS(E2B_EAUTH, e2b_files_list(scene.sandbox, "x", 1, &options));
}

static void seen_by_code(void **state) {
  (void)state;
  if (!scene_can("command -v python3")) server_skip(&scene.server, "there is no python3");
  put(scene_path("data/people.csv"), "name,age\nAlice,25\nBob,30\n");
  char code[400];
  snprintf(code, sizeof code,
           "import json\nrows = open('%s').read().split()[1:]\n"
           "json.dump({'mean': sum(int(r.split(',')[1]) for r in rows) / 2}, open('%s', 'w'))\n"
           "print('Results saved!')\n",
           scene_path("data/people.csv"), scene_path("data/results.json"));
  assert_out(RAN(e2b_run_code(scene.sandbox, code, NULL)), "Results saved!\n");
  assert_content(scene_path("data/results.json"), "{\"mean\": 27.5}", 14);
}

static void metadata(void **state) {
  (void)state;
  const e2b_pair_t pairs[] = {{"kind", "report"}, {"odd", "a=b; c, \"d\""}};
  e2b_file_options options;
  E2B_INIT(&options);
  options.metadata = pairs;
  options.metadata_count = 2;
  e2b_future_t *future =
      scene_keep(e2b_files_write(scene.sandbox, scene_path("described"), "x", 1, &options));
  const int rc = e2b_future_await(future, LONG_ENOUGH_MS);
  if (rc == E2B_EUNIMPLEMENTED || rc == E2B_ENOSPACE) {
    server_skip(&scene.server, "its file system keeps no metadata");
  }
  OK(future);
  const e2b_file_info_t *info = INFO(e2b_files_stat(scene.sandbox, scene_path("described"), NULL));
  if (info->metadata_count == 0 && scene.server.host == NULL) {
    server_skip(&scene.server, "its daemon knows no file metadata");
  }
  assert_int_equal(info->metadata_count, 2);
  const size_t kind = strcmp(info->metadata[0].name, "kind") == 0 ? 0 : 1;
  assert_string_equal(info->metadata[kind].value, "report");
  assert_string_equal(info->metadata[1 - kind].name, "odd");
  assert_string_equal(info->metadata[1 - kind].value, "a=b; c, \"d\"");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(written_and_read),
      SCENE_TEST(empty_files),
      SCENE_TEST(bytes_of_any_value),
      SCENE_TEST(five_megabytes),
      SCENE_TEST(names_of_any_kind),
      SCENE_TEST(reading_what_is_not_there),
      SCENE_TEST(writing_where_it_cannot_be),
      SCENE_TEST(many_at_once),
      SCENE_TEST(none_at_once),
      SCENE_TEST(removed),
      SCENE_TEST(renamed),
      SCENE_TEST(relative_to_the_home),
      SCENE_TEST(whose_files),
      SCENE_TEST(seen_by_code),
      SCENE_TEST(metadata),
  };
  return cmocka_run_group_tests_name("files", tests, scene_open, scene_close);
}
