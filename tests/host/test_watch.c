/* SPDX-License-Identifier: MIT */
#include "support/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/envelope.h"
#include "proto/filesystem.h"

/* Watching directories, over the wire: which events in which order, and every end. */

#define SERVICE "/filesystem.Filesystem/"
#define DIR     "/tmp/watched"

static e2b__encoding_t encoding; /* of the present half of the run */

/* ---- a watch ---- */

typedef struct watch {
  wire_exchange_t *exchange;
  e2b__envelope_decoder_t decoder;
  size_t taken;
  char events[8192]; /* "CREATE name\n", with "+" behind the type when there is an entry */
  size_t len;
  unsigned starts, keepalives, count;
  char end[512];  /* the last envelope */
  char path[256]; /* of the last entry */
} watch_t;

static watch_t the;

static void note(const e2b__filesystem_event_t *event) {
  static const char *const types[] = {"?", "CREATE", "WRITE", "REMOVE", "RENAME", "CHMOD"};
  assert_in_range(event->type, 1, 5);
  the.count++;
  if (event->entry != NULL)
    snprintf(the.path, sizeof the.path, "%.*s", (int)event->entry->path.len,
             event->entry->path.ptr);
  if (the.len + event->name.len + 16 > sizeof the.events) return;
  the.len += (size_t)snprintf(the.events + the.len, sizeof the.events - the.len, "%s%s %.*s\n",
                              types[event->type], event->entry != NULL ? "+" : "",
                              (int)event->name.len, event->name.ptr);
}

static void take(void) {
  if (the.exchange->body.len == the.taken) return;
  const char *data = the.exchange->body.data + the.taken;
  size_t len = the.exchange->body.len - the.taken;
  e2b__envelope_t envelope;
  e2b__watch_response_t response;
  the.taken = the.exchange->body.len;
  while (len > 0 && e2b__envelope_next(&the.decoder, &data, &len, &envelope) == 1) {
    e2b__arena_t arena = {0};
    if (envelope.flags & E2B__ENVELOPE_END_STREAM) {
      snprintf(the.end, sizeof the.end, "%.*s", (int)envelope.len, envelope.payload);
      continue;
    }
    assert_int_equal(e2b__message_decode(&e2b__watch_response, envelope.payload, envelope.len,
                                         encoding, &arena, &response, NULL),
                     0);
    if (response.start != NULL) the.starts++;
    if (response.keepalive != NULL) the.keepalives++;
    if (response.filesystem != NULL) note(response.filesystem);
    e2b__arena_free(&arena);
  }
}

static void turn(void) {
  wire_turn();
  take();
}

static void until_over(void) {
  for (int i = 0; i < 20000 && !the.exchange->done; i++)
    turn();
  assert_true(the.exchange->done);
  take();
}

static e2b__buffer_t request(const e2b__message_t *type, const void *message, bool stream) {
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  unsigned char prefix[E2B__ENVELOPE_PREFIX] = {0};
  if (stream) assert_int_equal(e2b__buffer_append(&out, prefix, sizeof prefix), 0);
  assert_int_equal(e2b__message_encode(type, message, encoding, &out), 0);
  if (stream) e2b__envelope_prefix((unsigned char *)out.data, 0, out.len - sizeof prefix);
  return out;
}

static void begin(const char *path, bool recursive, bool entries, const char *const *headers) {
  e2b__watch_request_t input = {e2b__str(path), recursive, entries, false};
  e2b__buffer_t body = request(&e2b__watch_request, &input, true);
  memset(&the, 0, sizeof the);
  e2b__envelope_decoder_init(&the.decoder, 1 << 20);
  the.exchange =
      wire_begin("POST", SERVICE "WatchDir",
                 encoding == E2B__JSON ? "application/connect+json" : "application/connect+proto",
                 body.data, body.len, headers);
  e2b__buffer_free(&body);
  for (int i = 0; i < 10000 && the.starts == 0 && !the.exchange->done; i++)
    turn();
}

static void finish(void) {
  wire_end(the.exchange);
  e2b__envelope_decoder_free(&the.decoder);
}

/* Sets up, watches, acts: and sees exactly these events. */
static void see(const char *setup, bool recursive, bool entries, const char *const *steps,
                const char *events) {
  char line[512];
  unsigned before;
  snprintf(line, sizeof line,
           "rm -rf " DIR " /tmp/out && mkdir -p " DIR " /tmp/out && cd " DIR "; %s", setup);
  wire_shell(line);
  begin(DIR, recursive, entries, NULL);
  assert_int_equal(the.starts, 1);
  for (; *steps != NULL; steps++) {
    before = the.count;
    snprintf(line, sizeof line, "cd " DIR " || cd /tmp; %s", *steps);
    wire_shell(line);
    /* What a step does is told before the next one starts. */
    for (int i = 0; i < 100 && the.count == before; i++)
      turn();
  }
  for (int i = 0; i < 5000 && the.len < strlen(events); i++)
    turn();
  for (int i = 0; i < 30; i++)
    turn();
  assert_string_equal(the.events, events);
  assert_string_equal(the.end, "");
  finish();
}

#define STEPS(...)        \
  (const char *const[]) { \
    __VA_ARGS__, NULL     \
  }

/* ---- events ---- */

static void files(void **state) {
  (void)state;
  see("true", false, false,
      STEPS("touch a", "echo hi > b", "echo x >> a", "mv a c", "chmod 600 c", "rm c"),
      "CREATE a\nCHMOD a\nCREATE b\nWRITE b\nWRITE a\nRENAME a\nCREATE c\nCHMOD c\nREMOVE c\n");
  see("echo 0 > h", false, false, STEPS("echo 1 > .t", "mv .t h"),
      "CREATE .t\nWRITE .t\nRENAME .t\nCREATE h\n");
  see("touch /tmp/out/in; touch there", false, false,
      STEPS("mv /tmp/out/in .", "mv there /tmp/out"), "CREATE in\nRENAME there\n");
  see("mkdir d; touch a", false, false, STEPS("cat a; ls d; touch d/x", "chmod 700 .", "rm -r d"),
      "CHMOD .\nREMOVE d\n");
}

static void entries(void **state) {
  (void)state;
  see("true", true, true, STEPS("mkdir d", "echo > d/f", "chmod 600 d/f", "mv d/f d/g", "rm d/g"),
      "CREATE+ d\nCREATE+ d/f\nWRITE+ d/f\nCHMOD+ d/f\nRENAME d/f\nCREATE+ d/g\nREMOVE d/g\n");
  assert_string_equal(the.path, DIR "/d/g");
}

static void trees(void **state) {
  (void)state;
  see("true", true, false, STEPS("mkdir -p x/y/z", "touch x/y/z/f", "rm -r x"),
      "CREATE x\nCREATE x/y\nCREATE x/y/z\nCREATE x/y/z/f\nCHMOD x/y/z/f\nREMOVE x/y/z/f\n"
      "REMOVE x/y/z\nREMOVE x/y\nREMOVE x\n");
  /* Nothing is lost between a directory's move and its new place. */
  see("mkdir -p x/y; touch x/y/1", true, false, STEPS("mv x z; touch z/y/2; rm z/y/1"),
      "RENAME x\nCREATE z\nCREATE z/y/2\nCHMOD z/y/2\nREMOVE z/y/1\n");
  see("mkdir -p a/b c", true, false, STEPS("mv a/b c/d", "touch c/d/f"),
      "RENAME a/b\nCREATE c/d\nCREATE c/d/f\nCHMOD c/d/f\n");
  see("mkdir -p /tmp/out/x/y; touch /tmp/out/x/1 /tmp/out/x/y/2; mkdir -p p/q", true, false,
      STEPS("mv /tmp/out/x .", "touch x/y/3", "mv p /tmp/out; touch /tmp/out/p/q/no", "touch end"),
      "CREATE x\nCREATE x/1\nCREATE x/y\nCREATE x/y/2\nCREATE x/y/3\nCHMOD x/y/3\nRENAME p\n"
      "CREATE end\nCHMOD end\n");
}

static unsigned told(char directory, int number, const char *name) {
  char line[64];
  unsigned times = 0;
  snprintf(line, sizeof line, "CREATE %c%d%s\n", directory, number, name);
  for (const char *at = the.events; (at = strstr(at, line)) != NULL; at++)
    times++;
  return times;
}

/* Whatever comes before the watch of a new directory and whatever after: each name once. */
static void each_name_once(void **state) {
  (void)state;
  wire_shell("mkdir -p " DIR);
  begin(DIR, true, false, NULL);
  wire_shell("cd " DIR "; for i in 1 2 3 4 5 6 7 8; do mkdir -p d$i/e/f; : > d$i/1; : > d$i/e/2; "
             ": > d$i/e/f/3; mv d$i m$i; : > m$i/e/f/4; done");
  for (int i = 0; i < 300; i++)
    turn();
  static const char *const names[] = {"/1", "/e", "/e/2", "/e/f", "/e/f/3", "/e/f/4"};
  for (int i = 1; i <= 8; i++)
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
      assert_int_equal(told('d', i, names[k]) + told('m', i, names[k]), 1);
  finish();
}

/* ---- ends ---- */

static void the_directory_goes(void **state) {
  (void)state;
  see("touch a", true, false, STEPS("rm -r " DIR, "mkdir " DIR, "touch " DIR "/b"),
      "REMOVE a\nREMOVE .\n");
  see("mkdir d", true, false, STEPS("mv " DIR " /tmp/out/w", "cd /tmp/out/w; touch d/b c"),
      "RENAME .\n");
}

static void keepalive_and_deadline(void **state) {
  (void)state;
  static const char *const headers[] = {"Keepalive-Ping-Interval: 1", "Connect-Timeout-Ms: 1500",
                                        NULL};
  begin("/tmp", false, false, headers);
  until_over();
  assert_int_equal(the.keepalives, 1);
  assert_string_equal(the.end, "{\"error\":{\"code\":\"deadline_exceeded\","
                               "\"message\":\"context deadline exceeded\"}}");
  finish();
}

static void refusals(void **state) {
  (void)state;
  static const struct {
    const char *path, *code, *text;
  } cases[] = {
      {"/nope", "not_found", "path /nope not found: stat /nope: no such file or directory"},
      {"/etc/passwd", "invalid_argument", "path /etc/passwd not a directory: %!w(<nil>)"},
      {"/etc/passwd/x", "internal",
       "error statting path /etc/passwd/x: stat /etc/passwd/x: not a directory"},
      {"~who", "invalid_argument",
       "failed to expand path '' for user 'root': cannot expand user-specific home dir"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char wanted[256];
    begin(cases[i].path, true, false, NULL);
    snprintf(wanted, sizeof wanted, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
             cases[i].code, cases[i].text);
    assert_string_equal(the.end, wanted);
    assert_int_equal(the.starts, 0);
    finish();
  }
}

static void names_that_are_no_text(void **state) {
  (void)state;
  wire_shell("mkdir -p " DIR);
  begin(DIR, false, false, NULL);
  wire_shell("touch $'" DIR "/\\xff'");
  until_over();
  assert_non_null(strstr(the.end, "\"unknown\""));
  assert_non_null(strstr(the.end, "FilesystemEvent.name contains invalid UTF-8"));
  finish();
}

/* The kernel's queue is what waits for a client that does not read; it has an end. */
static void a_client_that_does_not_read(void **state) {
  (void)state;
  wire_shell("mkdir -p " DIR);
  begin(DIR, false, false, NULL);
  curl_easy_pause(the.exchange->easy, CURLPAUSE_RECV);
  wire_shell("cd " DIR "; a=$(printf 'a%.0s' {1..200}); b=${a//a/b}; "
             "for i in {1..60000}; do printf x >> $a; printf x >> $b; done");
  curl_easy_pause(the.exchange->easy, CURLPAUSE_CONT);
  until_over();
  assert_in_range(the.count, 1000, 119999);
  assert_string_equal(the.end, "{\"error\":{\"code\":\"internal\",\"message\":\"watcher error: "
                               "fsnotify: queue or buffer overflow\"}}");
  finish();
}

/* ---- watchers that are asked ---- */

static wire_exchange_t *unary(const char *method, const e2b__message_t *type, const void *message) {
  char path[64];
  e2b__buffer_t body = request(type, message, false);
  snprintf(path, sizeof path, SERVICE "%s", method);
  wire_exchange_t *exchange =
      wire_ask("POST", path, encoding == E2B__JSON ? "application/json" : "application/proto",
               body.data != NULL ? body.data : "", body.len, NULL);
  e2b__buffer_free(&body);
  return exchange;
}

static wire_exchange_t *create(const char *path, bool with_entries, char id[32]) {
  e2b__watch_request_t input = {e2b__str(path), false, with_entries, false};
  wire_exchange_t *exchange = unary("CreateWatcher", &e2b__watch_request, &input);
  e2b__arena_t arena = {0};
  e2b__watcher_id_t output;
  id[0] = '\0';
  if (exchange->status != 200) return exchange;
  assert_int_equal(e2b__message_decode(&e2b__watcher_id, exchange->body.data, exchange->body.len,
                                       encoding, &arena, &output, NULL),
                   0);
  snprintf(id, 32, "%.*s", (int)output.watcher_id.len, output.watcher_id.ptr);
  e2b__arena_free(&arena);
  return exchange;
}

/* The status; events are in the.events. */
static long ask(const char *method, const char *id) {
  e2b__watcher_id_t input = {e2b__str(id)};
  e2b__watcher_events_response_t output;
  e2b__arena_t arena = {0};
  wire_exchange_t *exchange = unary(method, &e2b__watcher_id, &input);
  long status = exchange->status;
  memset(&the, 0, sizeof the);
  if (status == 200) {
    assert_int_equal(e2b__message_decode(&e2b__watcher_events_response,
                                         exchange->body.data != NULL ? exchange->body.data : "",
                                         exchange->body.len, encoding, &arena, &output, NULL),
                     0);
    for (size_t i = 0; i < output.events_count; i++)
      note(&output.events[i]);
  } else {
    snprintf(the.end, sizeof the.end, "%s", exchange->body.data);
  }
  e2b__arena_free(&arena);
  wire_end(exchange);
  return status;
}

static void asked(void **state) {
  (void)state;
  char id[32], wanted[64];
  wire_shell("mkdir -p " DIR);
  wire_end(create(DIR, true, id));
  assert_int_equal(strlen(id), 21);
  assert_int_equal(id[0], 'w');
  assert_int_equal(ask("GetWatcherEvents", id), 200);
  assert_string_equal(the.events, "");
  for (int i = 0; i < 20; i++) {
    char line[64];
    snprintf(line, sizeof line, ": > " DIR "/%d", i);
    snprintf(wanted, sizeof wanted, "CREATE+ %d\n", i);
    wire_shell(line);
    assert_int_equal(ask("GetWatcherEvents", id), 200);
    assert_string_equal(the.events, wanted);
  }
  wire_shell("touch $'" DIR "/\\xff'");
  assert_int_equal(ask("GetWatcherEvents", id), 500);
  assert_non_null(strstr(the.end, "\"internal\""));
  assert_non_null(strstr(the.end, "FilesystemEvent.name contains invalid UTF-8"));
  assert_int_equal(ask("GetWatcherEvents", id), 200);
  assert_string_equal(the.events, "");
  assert_int_equal(ask("RemoveWatcher", id), 200);
  assert_int_equal(ask("GetWatcherEvents", id), 404);
  snprintf(wanted, sizeof wanted, "watcher with id %s not found", id);
  assert_non_null(strstr(the.end, wanted));
  assert_int_equal(ask("RemoveWatcher", id), 404);
}

static void too_many_events(void **state) {
  (void)state;
  char id[32];
  wire_shell("mkdir -p " DIR);
  wire_end(create(DIR, false, id));
  wire_shell("cd " DIR "; a=$(printf 'a%.0s' {1..250}); b=${a//a/b}; "
             "for i in {1..40000}; do printf x >> $a; printf x >> $b; done");
  for (int i = 0; i < 2; i++) {
    assert_int_equal(ask("GetWatcherEvents", id), 500);
    assert_non_null(strstr(the.end, "watcher error: fsnotify: queue or buffer overflow"));
  }
  assert_int_equal(ask("RemoveWatcher", id), 200);
}

/* Either the host's ceiling or the machine's is reached; both are answers, and both pass. */
static void too_many_watchers(void **state) {
  (void)state;
  static char ids[65][32];
  long status = 200;
  int count = 0;
  wire_exchange_t *exchange = NULL;
  while (status == 200) {
    assert_in_range(count, 0, 64);
    exchange = create("/tmp", false, ids[count]);
    status = exchange->status;
    if (status == 200) {
      count++;
      wire_end(exchange);
    }
  }
  if (status == 429)
    assert_non_null(strstr(exchange->body.data, "resource_exhausted"));
  else
    assert_non_null(strstr(exchange->body.data, "error creating watcher: too many open files"));
  wire_end(exchange);
  assert_true(count > 0);
  assert_int_equal(ask("RemoveWatcher", ids[0]), 200);
  exchange = create("/tmp", false, ids[0]);
  assert_int_equal(exchange->status, 200);
  wire_end(exchange);
}

/* With streams open and watchers asked for; that nothing is left, closing shows. */
static void the_sandbox_goes(void **state) {
  (void)state;
  char id[32];
  wire_end(create("/tmp", false, id));
  begin("/tmp", true, false, NULL);
  assert_int_equal(the.starts, 1);
  wire_kill();
  until_over();
  assert_int_not_equal(the.exchange->code, CURLE_OK);
  finish();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WIRE_TEST(files),
      WIRE_TEST(entries),
      WIRE_TEST(trees),
      WIRE_TEST(each_name_once),
      WIRE_TEST(the_directory_goes),
      WIRE_TEST(keepalive_and_deadline),
      WIRE_TEST(refusals),
      WIRE_TEST(names_that_are_no_text),
      WIRE_TEST(a_client_that_does_not_read),
      WIRE_TEST(asked),
      WIRE_TEST(too_many_events),
      WIRE_TEST(too_many_watchers),
      WIRE_TEST(the_sandbox_goes),
  };
  encoding = E2B__JSON;
  int failed = cmocka_run_group_tests_name("watch, JSON", tests, wire_open, wire_close);
  encoding = E2B__PROTO;
  return failed + cmocka_run_group_tests_name("watch, binary", tests, wire_open, wire_close);
}
