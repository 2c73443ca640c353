/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/md.h>

#include "support/cutter.h"
#include "support/test.h"
#include "support/viewer.h"

/* Not a byte lost, none twice, whatever happens to the connections: terminals of the agent behind a
 * line that breaks. */

static cutter_t *cutter;
static e2b_sandbox_t *sandbox; /* reached through the cutter; the test's own */

static void through_the_cutter(e2b_client_options *options) {
  options->sandbox_url = cutter_url(cutter);
  /* The host looks for a second whether a closed port opens; its answer has to find us waiting. */
  options->connect_timeout_ms = 2000;
}

static int enter(void **state) {
  (void)state;
  e2b_client_options options;
  server_options(&scene.server, &options);
  const char *url = options.sandbox_url != NULL ? options.sandbox_url : getenv("E2B_SANDBOX_URL");
  cutter = NULL;
  if (url == NULL || strncmp(url, "http://127.0.0.1:", 17) != 0) return 0;
  cutter = cutter_start(scene.loop, url);
  sandbox = MADE(e2b_sandbox_create(scene_client(through_the_cutter), NULL));
  return 0;
}

static int leave(void **state) {
  if (cutter == NULL) return 0;
  cutter_refuse(cutter, false);
  cutter_downwards(cutter, CUT_CLOSE, 0, 0);
  const int rc = viewer_tidy(state);
  cutter_stop(cutter);
  return rc;
}

static viewer *cut_viewer(void) {
  if (cutter == NULL) server_skip(&scene.server, "not reached by a plain URL on this machine");
  viewer *it = viewer_new(E2B_TRANSPORT_AGENT);
  it->sandbox = sandbox;
  it->options.program = "/bin/sh";
  it->options.liveness_ms = 300;
  it->options.hold_ms = E2B_NO_TIMEOUT;
  return it;
}

static const char *const *script(const char *text) {
  static const char *args[3];
  args[0] = "-c";
  args[1] = text;
  return args;
}

static unsigned scale(const char *variable, unsigned fallback) {
  const char *value = getenv(variable);
  return value != NULL && *value != '\0' ? (unsigned)strtoul(value, NULL, 10) : fallback;
}

/* --- output -------------------------------------------------------------------------------------
 */

static void hash(viewer *it, const char *data, size_t len) {
  assert_int_equal(mbedtls_md_update(it->ctx, (const unsigned char *)data, len), 0);
}

static void every_byte_once_through_a_hundred_cuts(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  const unsigned megabytes = scale("E2B_TEST_TERMINAL_MB", UNDER_ASAN ? 40 : 200);
  const uint64_t bytes = (uint64_t)megabytes << 20;
  char line[256];
  snprintf(line, sizeof line, "head -c %llu /dev/urandom >noise && sha256sum noise",
           (unsigned long long)bytes);
  char expected[65];
  snprintf(expected, sizeof expected, "%.64s",
           RAN(e2b_run_shell(sandbox, line, NULL))->stdout_data.ptr);
  mbedtls_md_context_t md;
  mbedtls_md_init(&md);
  assert_int_equal(mbedtls_md_setup(&md, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0), 0);
  mbedtls_md_starts(&md);

  it->options.args = script("stty raw -echo; cat noise; exit 3");
  it->on_data = hash;
  it->ctx = &md;
  it->forget = true;
  cutter_downwards(cutter, CUT_ANY, 100, bytes / 60);
  viewer_opens(it);
  viewer_sees_exit(it, 3);
  unsigned char digest[32];
  mbedtls_md_finish(&md, digest);
  mbedtls_md_free(&md);
  char got[65];
  for (unsigned i = 0; i < sizeof digest; i++) {
    snprintf(got + 2 * i, 3, "%02x", digest[i]);
  }
  print_message("%u MB, %u cuts, %u outages\n", megabytes, cutter_cuts(cutter), it->told.lost);
  assert_int_equal(it->bytes, bytes);
  assert_string_equal(got, expected);
  assert_int_equal(it->told.gaps, 0);
  assert_int_equal(it->told.lost, it->told.restored);
  assert_true(it->told.lost > 20);
}

/* Records of eight bytes that say where they are. */
static void check_records(viewer *it, const char *data, size_t len) {
  char record[16];
  /* Bytes that the program had written before these. */
  uint64_t at = it->bytes - len + it->told.gap;
  for (size_t i = 0; i < len; i++, at++) {
    if (i == 0 || at % 8 == 0) {
      snprintf(record, sizeof record, "%07llu\n", (unsigned long long)(at / 8 % 10000000));
    }
    if (data[i] != record[at % 8]) {
      print_error("byte %llu is %02x\n", (unsigned long long)at, (unsigned char)data[i]);
      fail();
    }
  }
}

static void what_a_small_ring_lost_is_told_exactly(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.args = script("stty raw -echo; seq -f %07.0f 0 499999; exit 0");
  it->options.ring_bytes = 4096;
  it->options.hold_ms = 1;
  it->forget = true;
  it->on_data = check_records;
  cutter_downwards(cutter, CUT_ANY, 10, 200000);
  viewer_opens(it);
  viewer_sees_exit(it, 0);
  assert_int_equal(it->bytes + it->told.gap, 500000 * 8);
  assert_true(it->told.gaps > 0);
}

/* --- input --------------------------------------------------------------------------------------
 */

static void lines_typed_through_fifty_cuts_arrive_once(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.args = script("stty -echo; echo ready; cat >typed; cksum <typed; exit 4");
  e2b_terminal_t *terminal = viewer_opens(it);
  viewer_sees(it, "ready\r\n");
  cutter_upwards(cutter, CUT_ANY, 50, 1600);
  cutter_cut_now(cutter, CUT_RESET);
  char line[32];
  for (unsigned i = 0; i < 10000; i++) {
    const int len = snprintf(line, sizeof line, "line %05u\n", i);
    const unsigned drains = it->told.drains;
    int rc = e2b_terminal_write(terminal, line, (size_t)len);
    if (rc == E2B_EAGAIN) {
      for (unsigned tries = 0; it->told.drains == drains; tries++) {
        scene_pace(tries);
      }
      rc = e2b_terminal_write(terminal, line, (size_t)len);
    }
    assert_int_equal(rc, 0);
    if (i % 200 == 199) scene_turn(1, NULL);
  }
  viewer_types(it, "\x04");
  viewer_sees_exit(it, 4);
  print_message("%u cuts, %u outages\n", cutter_cuts(cutter), it->told.lost);
  const char *sum =
      RAN(e2b_run_shell(sandbox, "seq -f 'line %05.0f' 0 9999 | cksum", NULL))->stdout_data.ptr;
  char expected[64];
  snprintf(expected, sizeof expected, "%.*s", (int)strcspn(sum, "\n"), sum);
  viewer_sees(it, expected);
  assert_int_equal(cutter_cuts(cutter), 51);
}

/* --- the handshake ------------------------------------------------------------------------------
 */

static unsigned running_terminals(void) {
  e2b_terminal_list_options options;
  E2B_INIT(&options);
  options.transport = E2B_TRANSPORT_AGENT;
  const e2b_terminal_list_t *list =
      e2b_future_terminal_list(OK(e2b_terminal_list(sandbox, &options)));
  unsigned running = 0;
  for (size_t i = 0; i < list->count; i++) {
    running += list->items[i].running != 0;
  }
  return running;
}

static void cut_at_every_byte_of_the_beginning(void **state) {
  (void)state;
  /* Where sandboxes share a machine there are those of others. */
  const unsigned before = running_terminals();
  enum { STEPS = 200, ROUNDS = 6 }; /* of ended terminals the agent keeps 256 */
  static const cut_kind kinds[] = {CUT_CLOSE, CUT_RESET, CUT_SILENT};
  for (unsigned round = 0; round < ROUNDS; round++) {
    viewer *all[STEPS];
    e2b_future_t *futures[STEPS];
    cutter_step_by_step(cutter, kinds[round % 3], STEPS, 1 + round / 3 * STEPS);
    for (unsigned i = 0; i < STEPS; i++) {
      all[i] = cut_viewer();
      all[i]->options.args = script("echo once; exit 2");
      futures[i] = scene_keep(e2b_terminal_create(sandbox, &all[i]->options));
    }
    for (unsigned i = 0; i < STEPS; i++) {
      viewer_takes(all[i], OK(futures[i]));
    }
    for (unsigned i = 0; i < STEPS; i++) {
      viewer_sees_exit(all[i], 2);
      assert_int_equal(all[i]->told.seen_len, 6);
      assert_memory_equal(all[i]->told.seen, "once\r\n", 6);
      assert_int_equal(all[i]->told.lost, all[i]->told.restored);
      e2b_terminal_release(all[i]->terminal);
      all[i]->terminal = NULL;
    }
    cutter_downwards(cutter, CUT_CLOSE, 0, 0);
    /* Each create was sent twice or more, and made one terminal. */
    assert_int_equal(running_terminals(), before);
  }
}

/* --- outages ------------------------------------------------------------------------------------
 */

static void silence_is_noticed(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.program = NULL;
  viewer_opens(it);
  viewer_types(it, "PS1=; echo be''fore\n");
  viewer_sees(it, "before\r\n");
  cutter_cut_now(cutter, CUT_SILENT);
  for (unsigned tries = 0; it->told.restored == 0; tries++) {
    scene_pace(tries);
  }
  assert_int_equal(it->told.lost, 1);
  viewer_types(it, "echo af''ter\n");
  viewer_sees(it, "after\r\n");
}

static void typed_and_resized_in_an_outage(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.program = NULL;
  viewer_opens(it);
  viewer_types(it, "echo be''fore\n");
  viewer_sees(it, "before\r\n");
  cutter_refuse(cutter, true);
  cutter_cut_now(cutter, CUT_RESET);
  for (unsigned tries = 0; it->told.lost == 0; tries++) {
    scene_pace(tries);
  }
  viewer_types(it, "stty size; echo af''ter\n");
  assert_int_equal(e2b_terminal_resize(it->terminal, 91, 37), 0);
  assert_int_equal(it->told.restored, 0);
  cutter_refuse(cutter, false);
  viewer_sees(it, "37 91\r\n");
  viewer_sees(it, "after\r\n");
  assert_int_equal(it->told.restored, 1);
}

static void ended_in_an_outage(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.args = script("echo first; read go <fifo; seq 1 2000; exit 11");
  RAN(e2b_run_shell(sandbox, "mkfifo fifo", NULL));
  viewer_opens(it);
  viewer_sees(it, "first\r\n");
  cutter_refuse(cutter, true);
  cutter_cut_now(cutter, CUT_CLOSE);
  for (unsigned tries = 0; it->told.lost == 0; tries++) {
    scene_pace(tries);
  }
  assert_int_equal(RAN(e2b_run_shell(sandbox,
                                     "echo >fifo; while pgrep -f '[e]cho first' >/dev/null; "
                                     "do sleep 0.02; done",
                                     NULL))
                       ->exit_code,
                   0);
  cutter_refuse(cutter, false);
  viewer_sees_exit(it, 11);
  viewer_sees(it, "1\r\n2\r\n");
  viewer_sees(it, "\r\n1999\r\n2000\r\n");
}

static void an_outage_that_lasts_too_long(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.program = NULL;
  it->options.reconnect_ms = 500;
  e2b_terminal_t *terminal = viewer_opens(it);
  e2b_future_t *wait = scene_keep(e2b_terminal_wait(terminal));
  cutter_refuse(cutter, true);
  cutter_cut_now(cutter, CUT_CLOSE);
  FAILS(E2B_ECONNLOST, wait);
  assert_true(e2b_future_error(wait)->attempts > 1);
  viewer_is_closed(it);
  assert_int_equal(it->told.closed_code, E2B_ECONNLOST);
  assert_int_equal(it->told.lost, 1);
  assert_int_equal(it->told.exits, 0);
}

static void killed_in_an_outage(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.program = NULL;
  e2b_terminal_t *terminal = viewer_opens(it);
  cutter_refuse(cutter, true);
  cutter_cut_now(cutter, CUT_CLOSE);
  for (unsigned tries = 0; it->told.lost == 0; tries++) {
    scene_pace(tries);
  }
  e2b_future_t *kill = scene_keep(e2b_terminal_kill(terminal));
  cutter_refuse(cutter, false);
  assert_true(YES(kill));
  viewer_is_closed(it);
  assert_int_equal(it->told.exit.signal, 9);
}

static void the_sandbox_ends(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.program = NULL;
  e2b_terminal_t *terminal = viewer_opens(it);
  e2b_future_t *wait = scene_keep(e2b_terminal_wait(terminal));
  OK(e2b_sandbox_kill(sandbox));
  FAILS(E2B_ESANDBOXGONE, wait);
  viewer_is_closed(it);
  assert_int_equal(it->told.closed_code, E2B_ESANDBOXGONE);
}

/* The next agent has another secret and knows nothing of the last one's terminals. */
static void the_agent_is_killed(void **state) {
  (void)state;
  viewer *it = cut_viewer();
  it->options.program = NULL;
  e2b_terminal_t *terminal = viewer_opens(it);
  e2b_future_t *wait = scene_keep(e2b_terminal_wait(terminal));
  const e2b_execution_t *killed = RAN(e2b_run_shell(sandbox, "pkill -9 -f '[e]2b/agent-'", NULL));
  if (killed->exit_code != 0) fail_msg("pkill: %d %s", killed->exit_code, killed->stderr_data.ptr);
  FAILS(E2B_ENORESULT, wait);
  viewer_is_closed(it);
  viewer *next = cut_viewer();
  next->options.program = NULL;
  viewer_opens(next);
  viewer_types(next, "echo an''other\n");
  viewer_sees(next, "another\r\n");
}

#define CUT_TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)

static const struct CMUnitTest tests[] = {
    CUT_TEST(every_byte_once_through_a_hundred_cuts),
    CUT_TEST(what_a_small_ring_lost_is_told_exactly),
    CUT_TEST(lines_typed_through_fifty_cuts_arrive_once),
    CUT_TEST(cut_at_every_byte_of_the_beginning),
    CUT_TEST(silence_is_noticed),
    CUT_TEST(typed_and_resized_in_an_outage),
    CUT_TEST(ended_in_an_outage),
    CUT_TEST(an_outage_that_lasts_too_long),
    CUT_TEST(killed_in_an_outage),
    CUT_TEST(the_sandbox_ends),
    CUT_TEST(the_agent_is_killed),
};

SCENE_RUN("terminal cuts", tests)
