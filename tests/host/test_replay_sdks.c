/* SPDX-License-Identifier: MIT */
#include "support/replay.h"

/* What two programs asked the real daemon that used the official SDKs, in their order. */

static void javascript(void **state) {
  (void)state;
  replay_needs(true);
  static const replay_step steps[] = {
      {REPLAY_ASK, "01-start", 0},
      {REPLAY_ASK, "02-start", 0},
      {REPLAY_ASK, "03-start", 0},
      {REPLAY_ASK, "04-start", 0},
      {REPLAY_ASK, "05-start", 0},
      {REPLAY_BEGIN, "06-start", 0},
      {REPLAY_CUT, "06-start", 0},
      {REPLAY_SHELL, "while pgrep sleep; do :; done", 0}, /* the hang-up killed it */
      {REPLAY_ASK, "07-list", 0},
      {REPLAY_BEGIN, "08-start", 0},
      {REPLAY_ASK, "09-sendinput", 0},
      {REPLAY_ASK, "10-closestdin", 0},
      {REPLAY_END, "08-start", 0},
      {REPLAY_ASK, "11-sendsignal", 0},
      {REPLAY_ASK, "12-sendinput", 0},
      {REPLAY_ASK, "13-connect", 0},
      {REPLAY_ASK, "14-files", 0},
      {REPLAY_ASK, "15-files", 0},
      {REPLAY_ASK, "16-files", 0},
      {REPLAY_ASK, "17-files", 0},
      {REPLAY_ASK, "18-files", 0},
      {REPLAY_ASK, "19-files", 0},
      {REPLAY_ASK, "20-files", 0},
      {REPLAY_ASK, "21-files", 0},
      {REPLAY_SHELL,
       "mkdir -p /tmp/cap/fs/emptydir /tmp/cap/fs/new && cd /tmp/cap/fs && touch .hidden && "
       "touch -d @0 empty && printf 'hello world\\n' >a.txt && chown 54321:54322 a.txt && "
       "chmod 4755 a.txt && mkfifo fifo && ln -s loop loop && ln -s x dlink",
       0},
      {REPLAY_ASK, "22-listdir", 0},
      {REPLAY_ASK, "23-listdir", 0},
      {REPLAY_ASK, "24-stat", 0},
      {REPLAY_SHELL, "mkdir /tmp/cap/jsd && chown user: /tmp/cap/jsd", 0},
      {REPLAY_ASK, "25-makedir", 0},
      {REPLAY_ASK, "26-makedir", 0},
      {REPLAY_ASK, "27-move", 0},
      {REPLAY_ASK, "28-remove", 0},
      {REPLAY_ASK, "29-stat", 0},
      {REPLAY_SHELL, "printf old >/tmp/cap/jsd/x && chown user: /tmp/cap/jsd/x", 0},
      {REPLAY_BEGIN, "30-watchdir", 0},
      {REPLAY_ASK, "31-files", 0},
      {REPLAY_UNTIL, "30-watchdir", 3},
      {REPLAY_CUT, "30-watchdir", REPLAY_KINDS},
      {REPLAY_BEGIN, "32-start", 0},
      {REPLAY_ASK, "33-sendinput", 0},
      {REPLAY_ASK, "34-update", 0},
      {REPLAY_ASK, "35-sendinput", 0},
      {REPLAY_END, "32-start", 0},
      {REPLAY_ASK, "36-health", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay("sdk-js-2.51.0", steps);
}

static void python(void **state) {
  (void)state;
  replay_needs(true);
  static const replay_step steps[] = {
      {REPLAY_ASK, "01-start", 0},
      {REPLAY_ASK, "02-start", 0},
      {REPLAY_BEGIN, "03-start", 0},
      {REPLAY_ASK, "04-sendinput", 0},
      {REPLAY_UNTIL, "03-start", 2}, /* so that its answer is not chance */
      {REPLAY_ASK, "05-sendsignal", 0},
      {REPLAY_END, "03-start", 0},
      {REPLAY_ASK, "06-files", 0},
      {REPLAY_ASK, "07-files", 0},
      {REPLAY_SHELL,
       "mkdir -p /tmp/cap/fs/emptydir /tmp/cap/fs/d /tmp/cap/fs/m && cd /tmp/cap/fs && "
       "printf 'hello world\\n' >a.txt && "
       "python3 -c 'import os; os.setxattr(\"a.txt\", \"user.e2b.k\", b\"v\")' && "
       "ln -s /missing broken && ln -s a.txt link && ln -s loop loop && : >empty && mkfifo fifo && "
       "chmod 1777 d && chown -hR user:user /tmp/cap",
       0},
      {REPLAY_ASK, "08-listdir", 0},
      {REPLAY_ASK, "09-start", 0},
      {REPLAY_ASK, "10-createwatcher", 0},
      {REPLAY_ASK, "11-files", 0},
      {REPLAY_ASK, "12-getwatcherevents", 0},
      {REPLAY_ASK, "13-removewatcher", 0},
      {REPLAY_BEGIN, "14-start", 0},
      {REPLAY_ASK, "15-sendinput", 0},
      {REPLAY_END, "14-start", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay("sdk-python-2.63.0", steps);
}

static void all_of_it(void **state) {
  (void)state;
  replay_complete("sdk-js-2.51.0");
  replay_complete("sdk-python-2.63.0");
}

int main(void) {
  const struct CMUnitTest tests[] = {WIRE_TEST(javascript), WIRE_TEST(python),
                                     cmocka_unit_test(all_of_it)};
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
