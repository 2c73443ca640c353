/* SPDX-License-Identifier: MIT */
#include "support/replay.h"

/* Recorded calls of the filesystem service, watching included. */

#define FOLDER "filesystem"

/* Owned by `user`, with what each recording asks about. */
static const char tree[] = "mkdir -p /tmp/cap/fs/d/e /tmp/cap/fs/emptydir && cd /tmp/cap/fs && "
                           "printf 'hello world\\n' >a.txt && "
                           "python3 -c 'import os; os.setxattr(\"a.txt\", \"user.e2b.k\", b\"v\")' "
                           "&& ln -s /missing broken && "
                           "ln -s a.txt link && ln -s loop loop && : >empty && mkfifo fifo && "
                           "chmod 1777 d && printf x >d/x && "
                           "chown -hR user:user /tmp/cap";

static void reading(void **state) {
  (void)state;
  replay_needs(true);
  const replay_step steps[] = {
      {REPLAY_SHELL, tree, 0},
      {REPLAY_ASK, "fs-stat-file", 0},
      {REPLAY_ASK, "fs-stat-empty-file", 0},
      {REPLAY_ASK, "fs-stat-directory", 0},
      {REPLAY_ASK, "fs-stat-symlink", 0},
      {REPLAY_ASK, "fs-stat-broken-symlink", 0},
      {REPLAY_ASK, "fs-stat-fifo", 0},
      {REPLAY_ASK, "fs-stat-home", 0},
      {REPLAY_ASK, "fs-stat-not-found", 0},
      {REPLAY_ASK, "fs-stat-parent-is-file", 0},
      {REPLAY_ASK, "fs-stat-nul", 0},
      {REPLAY_ASK, "fs-stat-tilde-user", 0},
      {REPLAY_ASK, "fs-stat-bad-user", 0},
      {REPLAY_ASK, "fs-listdir-depth-2", 0},
      {REPLAY_ASK, "fs-listdir-empty", 0},
      {REPLAY_ASK, "fs-listdir-file", 0},
      {REPLAY_ASK, "fs-listdir-cyclic", 0},
      {REPLAY_ASK, "fs-listdir-not-found", 0},
      {REPLAY_SHELL, "touch $'/tmp/cap/fs/emptydir/\\xff'", 0},
      {REPLAY_ASK, "fs-listdir-non-utf8-name", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void changing(void **state) {
  (void)state;
  replay_needs(true);
  const replay_step steps[] = {
      {REPLAY_SHELL, tree, 0},
      {REPLAY_ASK, "fs-makedir", 0},
      {REPLAY_ASK, "fs-makedir-exists", 0},
      {REPLAY_ASK, "fs-makedir-on-file", 0},
      {REPLAY_ASK, "fs-makedir-parent-is-file", 0},
      {REPLAY_SHELL, "printf x >/tmp/cap/fs/mv1", 0},
      {REPLAY_ASK, "fs-move", 0},
      {REPLAY_ASK, "fs-move-missing", 0},
      {REPLAY_ASK, "fs-move-onto-directory", 0},
      {REPLAY_ASK, "fs-move-cross-device", 0},
      {REPLAY_ASK, "fs-remove", 0},
      {REPLAY_ASK, "fs-remove-missing", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void watching_by_polling(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_SHELL, "mkdir -p /tmp/cap/watch", 0},
      {REPLAY_ASK, "fs-createwatcher", 0},
      {REPLAY_SHELL, "printf x >/tmp/cap/watch/p1", 0},
      {REPLAY_SHELL, "cd /tmp/cap/watch && mv p1 p2", 0},
      {REPLAY_ASK, "fs-getwatcherevents", 0},
      {REPLAY_ASK, "fs-getwatcherevents-empty", 0},
      {REPLAY_ASK, "fs-removewatcher", 0},
      {REPLAY_ASK, "fs-getwatcherevents-unknown", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

/* All of its streams at once: they end by their deadlines. */
static void watching(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_SHELL, "mkdir -p /tmp/cap/watch /tmp/cap/fs && touch /tmp/cap/fs/a.txt", 0},
      {REPLAY_ASK, "fs-watchdir-not-a-directory", 0},
      {REPLAY_ASK, "fs-watchdir-not-found", 0},
      {REPLAY_BEGIN, "fs-watchdir-non-utf8-name", 0},
      {REPLAY_SHELL, "touch $'/tmp/cap/watch/\\xff'", 0},
      {REPLAY_END, "fs-watchdir-non-utf8-name", 0},
      {REPLAY_SHELL, "rm /tmp/cap/watch/*", 0},
      {REPLAY_BEGIN, "fs-watchdir", 0},
      {REPLAY_SHELL, "echo hi >/tmp/cap/watch/f1", 0},
      {REPLAY_UNTIL, "fs-watchdir", 3},
      {REPLAY_SHELL, "chmod 600 /tmp/cap/watch/f1", 0},
      {REPLAY_UNTIL, "fs-watchdir", 4},
      {REPLAY_SHELL, "cd /tmp/cap/watch && mv f1 f2 && mkdir sub", 0},
      {REPLAY_UNTIL, "fs-watchdir", 7},
      {REPLAY_SHELL, "cd /tmp/cap/watch && echo 1 >sub/x && ln -s f2 ln", 0},
      {REPLAY_UNTIL, "fs-watchdir", 10},
      {REPLAY_SHELL, "cd /tmp/cap/watch && rm f2 && rm -r sub", 0},
      /* What an entry shows depends on when it is looked at. */
      {REPLAY_END, "fs-watchdir", REPLAY_KINDS},
      {REPLAY_BEGIN, "fs-watchdir-directory-removed", 0},
      {REPLAY_SHELL, "rm -r /tmp/cap/watch", 0},
      {REPLAY_END, "fs-watchdir-directory-removed", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void all_of_it(void **state) {
  (void)state;
  replay_complete(FOLDER);
}

int main(void) {
  const struct CMUnitTest tests[] = {WIRE_TEST(reading), WIRE_TEST(changing),
                                     WIRE_TEST(watching_by_polling), WIRE_TEST(watching),
                                     cmocka_unit_test(all_of_it)};
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
