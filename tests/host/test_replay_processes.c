/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "proto/envelope.h"
#include "support/replay.h"

/* Recorded calls of the process service: commands, their input and signals, terminals. */

#define FOLDER "processes"

/* Starts /bin/sleep 3 in the background, under a tag if there is one; whoever recorded it kept no
 * recording. Its process id stands from now on where recordings have `recorded`. */
static wire_exchange_t *start_sleep(const char *tag, const char *recorded) {
  char body[256] = "", pid[32] = "";
  int len =
      snprintf(body + E2B__ENVELOPE_PREFIX, sizeof body - E2B__ENVELOPE_PREFIX,
               "{\"process\":{\"cmd\":\"/bin/sleep\",\"args\":[\"3\"]}%s%s%s}",
               tag != NULL ? ",\"tag\":\"" : "", tag != NULL ? tag : "", tag != NULL ? "\"" : "");
  e2b__envelope_prefix((unsigned char *)body, 0, (size_t)len);
  wire_exchange_t *exchange =
      wire_begin("POST", "/process.Process/Start", "application/connect+json", body,
                 (size_t)len + E2B__ENVELOPE_PREFIX, NULL);
  const char *data, *payload, *at;
  size_t left, size;
  unsigned flags;
  do {
    wire_turn();
    data = exchange->body.data;
    left = exchange->body.len;
    assert_false(exchange->done);
  } while (!replay_envelope(&data, &left, &flags, &payload, &size));
  at = strstr(payload, "\"pid\":");
  assert_non_null(at);
  snprintf(pid, sizeof pid, "%.*s", (int)strspn(at + 6, "0123456789"), at + 6);
  if (recorded != NULL) replay_learn(recorded, pid);
  return exchange;
}

static void commands(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "process-start-success", 0},
      {REPLAY_ASK, "process-start-exit-0-no-output", 0},
      {REPLAY_ASK, "process-start-exit-3", 0},
      {REPLAY_ASK, "process-start-proto", 0},
      {REPLAY_ASK, "process-start-proto-sigkill", 0},
      {REPLAY_ASK, "process-start-self-sigkill", 0},
      {REPLAY_ASK, "process-start-self-sigterm", 0},
      {REPLAY_ASK, "process-start-self-sigsegv", 0},
      {REPLAY_ASK, "process-start-bash-command-not-found", 0},
      {REPLAY_ASK, "process-start-missing-executable", 0},
      {REPLAY_ASK, "process-start-not-executable", 0},
      {REPLAY_ASK, "process-start-environment", 0},
      {REPLAY_ASK, "process-start-binary-and-split-utf8", 0},
      {REPLAY_ASK, "process-start-gzip-stream", 0},
      /* The recording kept only the beginning of each piece of output. */
      {REPLAY_ASK, "process-start-200kib-stdout", REPLAY_KINDS},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void refusals(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "process-start-bad-cwd", 0},
      {REPLAY_ASK, "process-start-bad-user", 0},
      {REPLAY_ASK, "process-start-cwd-is-file", 0},
      {REPLAY_ASK, "process-start-cwd-tilde-user", 0},
      {REPLAY_ASK, "process-start-nul-in-args", 0},
      {REPLAY_ASK, "process-start-timeout-11-digits", 0},
      {REPLAY_ASK, "process-start-timeout-garbage", 0},
      {REPLAY_ASK, "process-start-timeout-zero", 0},
      {REPLAY_ASK, "process-connect-not-found", 0},
      {REPLAY_ASK, "process-sendinput-not-found", 0},
      {REPLAY_ASK, "process-streaminput-not-found", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void input(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_BEGIN, "process-start-cat-session", 0},
      {REPLAY_ASK, "process-list-one", 0},
      {REPLAY_ASK, "process-sendinput-stdin", 0},
      {REPLAY_ASK, "process-sendinput-by-tag", 0},
      {REPLAY_ASK, "process-sendinput-bad-base64", 0},
      {REPLAY_ASK, "process-sendinput-no-input", 0},
      {REPLAY_ASK, "process-sendinput-no-selector", 0},
      {REPLAY_ASK, "process-sendinput-pty-on-pipe", 0},
      {REPLAY_ASK, "process-sendsignal-number-2", 0},
      {REPLAY_ASK, "process-sendsignal-unknown-enum", 0},
      {REPLAY_ASK, "process-update-on-pipe", 0},
      {REPLAY_ASK, "process-streaminput", 0},
      {REPLAY_ASK, "process-closestdin", 0},
      {REPLAY_END, "process-start-cat-session", 0},
      {REPLAY_DONE, NULL, 0},
  };
  wire_exchange_t *listed = start_sleep(NULL, NULL);
  replay(FOLDER, steps);
  wire_end(listed);
}

static void tags(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "process-tag-lookup-a", 0},
      {REPLAY_ASK, "process-tag-lookup-b", 0},
      {REPLAY_DONE, NULL, 0},
  };
  wire_exchange_t *a = start_sleep("A", NULL), *b = start_sleep("B", NULL);
  replay(FOLDER, steps);
  wire_end(a);
  wire_end(b);
}

static void a_deadline_of_a_connection(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_ASK, "process-connect-deadline", 0},
      {REPLAY_DONE, NULL, 0},
  };
  wire_exchange_t *met = start_sleep(NULL, "18979");
  replay(FOLDER, steps);
  wire_end(met);
}

static void signals(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_BEGIN, "process-start-killed-by-sendsignal", 0},
      {REPLAY_ASK, "process-sendinput-stdin-disabled", 0},
      {REPLAY_ASK, "process-sendsignal-sigkill", 0},
      {REPLAY_END, "process-start-killed-by-sendsignal", 0},
      {REPLAY_ASK, "process-sendsignal-after-exit", 0},
      {REPLAY_ASK, "process-connect-exited-retained", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

/* They take as long as their programs and deadlines, so all run at once. */
static void waiting(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_BEGIN, "process-start-client-half-close", 0},
      {REPLAY_HALF, "process-start-client-half-close", 0},
      {REPLAY_BEGIN, "process-start-keepalive", 0},
      {REPLAY_BEGIN, "process-start-background-grandchild", 0},
      {REPLAY_BEGIN, "process-start-deadline", 0},
      {REPLAY_BEGIN, "process-start-then-dropped", 0},
      {REPLAY_UNTIL, "process-start-then-dropped", 2},
      {REPLAY_CUT, "process-start-then-dropped", 0},
      {REPLAY_BEGIN, "process-connect-after-drop", 0},
      {REPLAY_END, "process-start-client-half-close", 0},
      {REPLAY_END, "process-start-deadline", 0},
      {REPLAY_END, "process-start-background-grandchild", 0},
      {REPLAY_END, "process-start-keepalive", REPLAY_PULSE},
      /* How much it had printed before depends on when it is met again. */
      {REPLAY_END, "process-connect-after-drop", REPLAY_KINDS},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void terminals(void **state) {
  (void)state;
  replay_needs(false);
  static const replay_step steps[] = {
      {REPLAY_BEGIN, "pty-session", 0},
      {REPLAY_ASK, "pty-sendinput", 0},
      {REPLAY_ASK, "pty-sendinput-as-stdin", 0},
      {REPLAY_ASK, "pty-closestdin", 0},
      {REPLAY_ASK, "pty-update-resize", 0},
      {REPLAY_ASK, "pty-sendinput-2", 0},
      /* Before it runs, Ctrl-C would be the shell's. */
      {REPLAY_SHELL, "until pgrep -x sleep; do :; done", 0},
      {REPLAY_ASK, "pty-sendinput-ctrl-c", 0},
      {REPLAY_ASK, "pty-sendinput-exit", 0},
      {REPLAY_END, "pty-session", 0},
      {REPLAY_BEGIN, "pty-session-killed", 0},
      {REPLAY_UNTIL, "pty-session-killed", 2},
      {REPLAY_SHELL, "kill -9 19219", 0},
      {REPLAY_END, "pty-session-killed", 0},
      {REPLAY_DONE, NULL, 0},
  };
  replay(FOLDER, steps);
}

static void all_of_it(void **state) {
  (void)state;
  replay_complete(FOLDER);
}

int main(void) {
  const struct CMUnitTest tests[] = {WIRE_TEST(commands),
                                     WIRE_TEST(refusals),
                                     WIRE_TEST(input),
                                     WIRE_TEST(tags),
                                     WIRE_TEST(a_deadline_of_a_connection),
                                     WIRE_TEST(signals),
                                     WIRE_TEST(waiting),
                                     WIRE_TEST(terminals),
                                     cmocka_unit_test(all_of_it)};
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
