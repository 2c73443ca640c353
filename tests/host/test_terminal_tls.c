/* SPDX-License-Identifier: MIT */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "e2b/host.h"
#include "support/cutter.h"
#include "support/test.h"
#include "support/viewer.h"

/* Terminals over wss://, through a host with an authority of its own: beside the one of the scene,
 * if that is in this process, too. */

enum { STEP = 100, MOST_STEPS = 200 };

static e2b_host_t *host;
static cutter_t *cutter;
static char folder[64], url[64];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw) {
  (void)info;
  (void)kind;
  (void)ftw;
  return remove(path);
}

/* By its domain, a key and its authority. */
static void by_name(e2b_client_options *options) {
  options->api_url = options->sandbox_url = NULL;
  options->domain = e2b_host_domain(host);
  options->api_key = e2b_host_api_key(host);
  options->ca_file = e2b_host_ca_file(host);
}

/* The sandbox's traffic takes the cutter's way, by address. */
static void through_the_cutter(e2b_client_options *options) {
  by_name(options);
  options->sandbox_url = url;
}

/* What the log has said of attempts that failed. */
static unsigned in_tls, in_upgrade;

static void on_log(e2b_log_level_t level, const char *line, void *user_data) {
  (void)level;
  (void)user_data;
  if (strstr(line, "could not connect, ") == NULL) return;
  if (strstr(line, "in the TLS handshake") != NULL) in_tls++;
  if (strstr(line, "the answer to the upgrade") != NULL) in_upgrade++;
}

static void through_the_cutter_aloud(e2b_client_options *options) {
  through_the_cutter(options);
  options->log = on_log;
  options->log_level = E2B_LOG_DEBUG;
  options->connect_timeout_ms = 2000; /* what a connection takes that fell silent */
}

static void host_up(void) {
  char why[512] = "";
  const char *without = getenv("E2B_TEST_NO_ISOLATION");
  e2b_host_options options;
  E2B_INIT(&options);
  snprintf(folder, sizeof folder, "/tmp/libe2b-tls-XXXXXX");
  assert_non_null(mkdtemp(folder));
  options.listen = "127.0.0.1:0";
  options.tls = 1;
  options.ca_dir = folder;
  options.no_isolation = without != NULL && strcmp(without, "1") == 0;
  if (e2b_host_start(scene.loop, &options, &host, why, sizeof why) != 0) fail_msg("%s", why);
  snprintf(url, sizeof url, "http%s", e2b_host_url(host) + strlen("https"));
  cutter = cutter_start(scene.loop, url);
  cutter_path(cutter, "\x16\x03"); /* how TLS begins */
  snprintf(url, sizeof url, "https%s", cutter_url(cutter) + strlen("http"));
}

static void on_closed(void *flag) {
  *(bool *)flag = true;
}

static int enter(void **state) {
  (void)state;
  host = NULL;
  if (scene.server.host != NULL) host_up();
  return 0;
}

static int leave(void **state) {
  bool closed = false;
  if (host != NULL) cutter_refuse(cutter, false);
  const int rc = viewer_tidy(state);
  if (host == NULL) return rc;
  cutter_stop(cutter);
  e2b_host_close(host, on_closed, &closed);
  assert_true(scene_turn(LONG_ENOUGH_MS, &closed));
  nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  return rc;
}

static viewer *secure_viewer(void (*client)(e2b_client_options *options), e2b_transport_t kind) {
  if (host == NULL) server_skip(&scene.server, "the host with TLS is in this process");
  viewer *it = viewer_new(kind);
  it->sandbox = MADE(e2b_sandbox_create(scene_client(client), NULL));
  return it;
}

static void an_echo_by_name(void **state) {
  (void)state;
  static const e2b_transport_t kinds[] = {E2B_TRANSPORT_AGENT, E2B_TRANSPORT_ENVD};
  for (size_t i = 0; i < 2; i++) {
    viewer *it = secure_viewer(by_name, kinds[i]);
    viewer_opens(it);
    viewer_types(it, "stty -echo; echo rea''dy; read word; echo got $word; exit 6\n");
    viewer_sees(it, "ready\r\n");
    viewer_types(it, "secret\n");
    viewer_sees(it, "got secret\r\n");
    viewer_sees_exit(it, 6);
  }
}

/* Many records, both ways. */
static void a_flood_arrives_whole(void **state) {
  (void)state;
  static const char *const args[] = {"-c", "stty raw -echo; head -c 300000 | tr a b; exit 0", NULL};
  enum { BYTES = 300000, PIECE = 30000 };
  static char piece[PIECE];
  viewer *it = secure_viewer(through_the_cutter, E2B_TRANSPORT_AGENT);
  it->options.program = "/bin/sh";
  it->options.args = args;
  viewer_opens(it);
  memset(piece, 'a', sizeof piece);
  for (unsigned i = 0; i < BYTES / PIECE; i++) {
    assert_int_equal(e2b_terminal_write(it->terminal, piece, sizeof piece), 0);
  }
  viewer_sees_exit(it, 0);
  assert_int_equal(it->bytes, BYTES);
  assert_int_equal(strspn(it->told.seen, "b"), BYTES);
}

static void cut_and_back(void **state) {
  (void)state;
  static const cut_kind kinds[] = {CUT_CLOSE, CUT_RESET};
  viewer *it = secure_viewer(through_the_cutter, E2B_TRANSPORT_AGENT);
  it->options.liveness_ms = 500;
  viewer_opens(it);
  viewer_types(it, "PS1=; cd /usr\n");
  char line[64], expected[64];
  for (unsigned round = 0; round < 6; round++) {
    cutter_cut_now(cutter, kinds[round % 2]);
    /* Typed while nobody knows of the cut, or into the outage. */
    snprintf(line, sizeof line, "echo rou''nd %u $PWD\n", round);
    viewer_types(it, line);
    snprintf(expected, sizeof expected, "round %u /usr\r\n", round);
    viewer_sees(it, expected);
  }
  assert_true(it->told.lost >= 6);
  assert_int_equal(it->told.lost, it->told.restored);
  assert_int_equal(it->told.gaps, 0);
  assert_int_equal(e2b_terminal_offset(it->terminal), it->bytes);
}

/* The connection breaks; the next one breaks, too, after so many bytes of the server's. Nothing of
 * what is typed into that is lost. */
static void cut_and_cut_again(viewer *it, cut_kind kind, unsigned bytes) {
  char line[64], expected[64];
  cutter_step_by_step(cutter, kind, 1, bytes);
  cutter_cut_now(cutter, CUT_RESET);
  snprintf(line, sizeof line, "echo aft''er %u\n", bytes);
  viewer_types(it, line);
  snprintf(expected, sizeof expected, "after %u\r\n", bytes);
  viewer_sees(it, expected);
}

/* At every so many bytes of the server's: in the handshake of TLS, and in that of the WebSocket,
 * whose answer is longer than a step. Ends behind both; answers where TLS was last cut. */
static unsigned cut_in_the_handshakes(viewer *it) {
  static const cut_kind kinds[] = {CUT_CLOSE, CUT_RESET};
  unsigned last = 0;
  for (unsigned step = 0;; step++) {
    const unsigned tls = in_tls, upgrade = in_upgrade;
    cut_and_cut_again(it, kinds[step % 2], step * STEP);
    if (in_tls > tls) last = step * STEP;
    if (in_tls == tls && in_upgrade == upgrade) return last;
    assert_true(step < MOST_STEPS);
  }
}

static void cut_while_it_connects(void **state) {
  (void)state;
  in_tls = in_upgrade = 0;
  viewer *it = secure_viewer(through_the_cutter_aloud, E2B_TRANSPORT_AGENT);
  viewer_opens(it);
  viewer_types(it, "PS1=; echo be''fore\n");
  viewer_sees(it, "before\r\n");
  const unsigned last_in_tls = cut_in_the_handshakes(it);
  assert_true(in_tls >= 2);
  assert_true(in_upgrade >= 1);
  /* Nothing more comes, and nothing tells: there is the clock of connecting. */
  const unsigned tls = in_tls, upgrade = in_upgrade;
  for (unsigned step = 0; in_upgrade == upgrade; step++) {
    cut_and_cut_again(it, CUT_SILENT, last_in_tls + step * STEP);
    assert_true(step < MOST_STEPS);
  }
  assert_true(in_tls > tls);
  assert_int_equal(it->told.lost, it->told.restored);
  assert_int_equal(it->told.gaps, 0);
  assert_int_equal(e2b_terminal_offset(it->terminal), it->bytes);
}

#define TLS_TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)

static const struct CMUnitTest tests[] = {TLS_TEST(an_echo_by_name),
                                          TLS_TEST(a_flood_arrives_whole), TLS_TEST(cut_and_back),
                                          TLS_TEST(cut_while_it_connects)};

SCENE_RUN("terminal tls", tests)
