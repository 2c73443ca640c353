/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>

/* What is in a directory, and what is known of each thing in it. */

static void put(const char *name, size_t size) {
  static char zeros[10000];
  OK(e2b_files_write(scene.sandbox, scene_path(name), zeros, size, NULL));
}

static void sh(const char *format, const char *name) {
  char line[512];
  snprintf(line, sizeof line, format, scene_path(name));
  scene_shell(line);
}

static const e2b_file_info_t *stat_of(const char *name) {
  return INFO(e2b_files_stat(scene.sandbox, scene_path(name), NULL));
}

static void made_with_parents(void **state) {
  (void)state;
  const char *path = scene_path("a/b/c");
  assert_true(YES(e2b_files_mkdir(scene.sandbox, path, NULL)));
  assert_false(YES(e2b_files_mkdir(scene.sandbox, path, NULL)));
  assert_false(YES(e2b_files_mkdir(scene.sandbox, scene_path("a"), NULL)));
  assert_int_equal(stat_of("a/b")->type, E2B_FILE_DIRECTORY);
  sh("test -w %s", "a/b");
}

static void not_over_a_file(void **state) {
  (void)state;
  put("file", 1);
  const e2b_error_t *error =
      FAILS(E2B_EREQUEST, e2b_files_mkdir(scene.sandbox, scene_path("file"), NULL));
  assert_string_equal(error->connect_code, "invalid_argument");
  const int rc = e2b_future_await(
      scene_keep(e2b_files_mkdir(scene.sandbox, scene_path("file/below"), NULL)), LONG_ENOUGH_MS);
  assert_true(rc == E2B_EREQUEST || rc == E2B_ESERVER);
  assert_int_equal(stat_of("file")->type, E2B_FILE_REGULAR);
}

static void listed(void **state) {
  (void)state;
  put("ls/b.txt", 1234);
  put("ls/a/inner", 5);
  put("ls/.hidden", 0);
  OK(e2b_files_mkdir(scene.sandbox, scene_path("ls/c/d/e"), NULL));
  const e2b_file_list_t *list = LISTED(e2b_files_list(scene.sandbox, scene_path("ls"), 1, NULL));
  static const char *const one[] = {".hidden", "a", "b.txt", "c"};
  assert_int_equal(list->count, 4);
  for (size_t i = 0; i < 4; i++) {
    char path[64];
    snprintf(path, sizeof path, "ls/%s", one[i]);
    assert_string_equal(list->items[i].name, one[i]);
    assert_string_equal(list->items[i].path, scene_path(path));
  }
  assert_int_equal(list->items[1].type, E2B_FILE_DIRECTORY);
  assert_int_equal(list->items[2].type, E2B_FILE_REGULAR);
  assert_int_equal(list->items[2].size, 1234);
  assert_int_equal(LISTED(e2b_files_list(scene.sandbox, scene_path("ls"), 0, NULL))->count, 4);

  list = LISTED(e2b_files_list(scene.sandbox, scene_path("ls"), 2, NULL));
  static const char *const two[] = {"ls/.hidden", "ls/a", "ls/a/inner",
                                    "ls/b.txt",   "ls/c", "ls/c/d"};
  assert_int_equal(list->count, 6);
  for (size_t i = 0; i < 6; i++) {
    assert_string_equal(list->items[i].path, scene_path(two[i]));
  }
  assert_int_equal(LISTED(e2b_files_list(scene.sandbox, scene_path("ls"), 9, NULL))->count, 7);
  assert_int_equal(LISTED(e2b_files_list(scene.sandbox, scene_path("ls/c/d/e"), 1, NULL))->count,
                   0);
  FAILS(E2B_EREQUEST, e2b_files_list(scene.sandbox, scene_path("ls/b.txt"), 1, NULL));
}

static void a_thousand_entries(void **state) {
  (void)state;
  sh("d=%s; mkdir $d && cd $d && seq -f 'f %%04g' 1000 | xargs -d '\\n' touch", "crowd");
  const e2b_file_list_t *list = LISTED(e2b_files_list(scene.sandbox, scene_path("crowd"), 1, NULL));
  assert_int_equal(list->count, 1000);
  assert_string_equal(list->items[0].name, "f 0001");
  assert_string_equal(list->items[999].name, "f 1000");
}

static void described(void **state) {
  (void)state;
  put("facts", 4321);
  sh("chmod 640 %s", "facts");
  sh("touch -d '2024-05-06 07:08:09 UTC' %s", "facts");
  const e2b_file_info_t *info = stat_of("facts");
  assert_string_equal(info->name, "facts");
  assert_string_equal(info->path, scene_path("facts"));
  assert_int_equal(info->type, E2B_FILE_REGULAR);
  assert_int_equal(info->size, 4321);
  assert_int_equal(info->mode, 0640);
  assert_string_equal(info->permissions, "-rw-r-----");
  assert_true(info->modified_ms == (int64_t)1714979289000);
  assert_string_equal(info->symlink_target, "");
  sh("mkdir -m 1777 %s", "sticky");
  info = stat_of("sticky");
  assert_int_equal(info->type, E2B_FILE_DIRECTORY);
  assert_int_equal(info->mode, 0777);
}

static void owned(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_ANY_USER, "there, all files have one owner");
  put("mine", 1);
  const e2b_file_info_t *info = stat_of("mine");
  char owner[200];
  snprintf(owner, sizeof owner, "%s %s\n", info->owner, info->group);
  char line[200];
  snprintf(line, sizeof line, "stat -c '%%U %%G' %s", scene_path("mine"));
  assert_string_equal(scene_shell(line), owner);
  assert_string_equal(scene_shell("echo $(id -un) $(id -gn)"), owner);
}

static void links(void **state) {
  (void)state;
  put("target", 10);
  sh("cd %s && ln -s target to-file && ln -s a-dir to-dir && mkdir a-dir && ln -s none broken && "
     "mkfifo pipe",
     "");
  const e2b_file_info_t *info = stat_of("to-file");
  assert_int_equal(info->type, E2B_FILE_REGULAR);
  assert_string_equal(info->name, "to-file");
  assert_string_equal(info->path, scene_path("to-file"));
  assert_string_equal(info->symlink_target, scene_path("target"));
  info = stat_of("to-dir");
  assert_int_equal(info->type, E2B_FILE_DIRECTORY);
  assert_string_equal(info->symlink_target, scene_path("a-dir"));
  info = stat_of("broken");
  assert_int_equal(info->type, E2B_FILE_OTHER);
  assert_int_equal(stat_of("pipe")->type, E2B_FILE_OTHER);
  const e2b_bytes_t *bytes = BYTES(e2b_files_read(scene.sandbox, scene_path("to-file"), NULL));
  assert_int_equal(bytes->len, 10);
  FAILS(E2B_ENOTFOUND, e2b_files_read(scene.sandbox, scene_path("broken"), NULL));
  OK(e2b_files_remove(scene.sandbox, scene_path("to-file"), NULL));
  assert_int_equal(stat_of("target")->size, 10);
  OK(e2b_files_write(scene.sandbox, scene_path("to-dir/through"), "x", 1, NULL));
  assert_int_equal(stat_of("a-dir/through")->size, 1);
}

static void the_root(void **state) {
  (void)state;
  const e2b_file_list_t *list = LISTED(e2b_files_list(scene.sandbox, "/", 1, NULL));
  bool tmp = false;
  for (size_t i = 0; i < list->count; i++) {
    if (strcmp(list->items[i].path, "/tmp") == 0) tmp = true;
  }
  assert_true(tmp);
  assert_int_equal(INFO(e2b_files_stat(scene.sandbox, "/", NULL))->type, E2B_FILE_DIRECTORY);
  assert_int_equal(INFO(e2b_files_stat(scene.sandbox, "/dev/null", NULL))->type, E2B_FILE_OTHER);
}

/* The first directories that a user of the README makes are beside the system's own. */
static void at_the_top(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_ISOLATED, "what is made at / stays there");
  assert_true(YES(e2b_files_mkdir(scene.sandbox, "/analysis/data", NULL)));
  OK(e2b_files_write(scene.sandbox, "/analysis/data/people.csv", "a,b\n", 4, NULL));
  assert_string_equal(scene_shell("cat /analysis/data/people.csv"), "a,b\n");
  scene_shell("echo x >/analysis/data/written-by-a-program");
  assert_true(YES(e2b_files_exists(scene.sandbox, "/analysis/data/written-by-a-program", NULL)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(made_with_parents),
      SCENE_TEST(not_over_a_file),
      SCENE_TEST(listed),
      SCENE_TEST(a_thousand_entries),
      SCENE_TEST(described),
      SCENE_TEST(owned),
      SCENE_TEST(links),
      SCENE_TEST(the_root),
      SCENE_TEST(at_the_top),
  };
  return cmocka_run_group_tests_name("directories", tests, scene_open, scene_close);
}
