/* SPDX-License-Identifier: MIT */
#include "support/wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "host/link.h"
#include "proto/json.h"

/* Snapshots: made, named, tagged, listed, started from, removed. */

static wire_exchange_t *ask(const char *method, const char *path, const char *body) {
  char id[64], whole[300];
  memcpy(id, wire.sandbox, sizeof id);
  wire.sandbox[0] = '\0';
  snprintf(whole, sizeof whole, path, id);
  wire_exchange_t *exchange = wire_ask(method, whole, "application/json", body, strlen(body), NULL);
  memcpy(wire.sandbox, id, sizeof id);
  return exchange;
}

static cJSON *gives(const char *method, const char *path, const char *body, long status) {
  wire_exchange_t *exchange = ask(method, path, body);
  if (exchange->status != status)
    fail_msg("%s %s: %ld %s", method, path, exchange->status,
             exchange->body.data != NULL ? exchange->body.data : "");
  cJSON *answer =
      exchange->body.len > 0 ? e2b__json_parse(exchange->body.data, exchange->body.len) : NULL;
  wire_end(exchange);
  return answer;
}

#define MAKE "/sandboxes/%s/snapshots"

static int count(const char *path) {
  cJSON *list = gives("GET", path, "", 200);
  int size = cJSON_GetArraySize(list);
  cJSON_Delete(list);
  return size;
}

/* The sandbox of the test is from now on one made of `template`. */
static void become(const char *template, const char *template_shown) {
  char body[200];
  wire_kill();
  snprintf(body, sizeof body, "{\"templateID\":\"%s\",\"timeout\":60}", template);
  cJSON *made = gives("POST", "/sandboxes", body, 201);
  assert_string_equal(e2b__json_string(made, "templateID", ""), template_shown);
  snprintf(wire.sandbox, sizeof wire.sandbox, "%s", e2b__json_string(made, "sandboxID", ""));
  cJSON_Delete(made);
}

static void files_come_back(void **state) {
  (void)state;
  char id[200], bare[200], path[300];
  wire_shell("cd ~user && mkdir -p d/e && echo one >d/e/f && chmod 750 d/e && ln -s e/f d/l && "
             "chmod 4711 d/e/f && touch -d @1000000000 d/e/f && mkfifo d/pipe && "
             "python3 -c 'import os; os.setxattr(\"d/e/f\", \"user.e2b.k\", b\"v\")'");
  wire_shell("(while :; do echo >>/tmp/beats; sleep 0.02; done) >/dev/null 2>&1 &");
  cJSON *made = gives("POST", MAKE, "{}", 201);
  snprintf(id, sizeof id, "%s", e2b__json_string(made, "snapshotID", ""));
  assert_non_null(strstr(id, ":default"));
  const cJSON *names = cJSON_GetObjectItemCaseSensitive(made, "names");
  assert_true(cJSON_IsArray(names));
  assert_int_equal(cJSON_GetArraySize(names), 0);
  cJSON_Delete(made);
  /* The one it was made of goes on. */
  wire_shell(
      "n=$(wc -l </tmp/beats); sleep 0.3; test $(wc -l </tmp/beats) -gt $n; echo two >~user/x");
  snprintf(bare, sizeof bare, "%.*s", (int)strcspn(id, ":"), id);
  become(id, bare);
  wire_shell("cd ~user && test \"$(cat d/l)\" = one && test ! -e x -a ! -e d/pipe && "
             "test \"$(stat -c %a,%Y d/e/f)\" = 4711,1000000000 -a \"$(stat -c %a d/e)\" = 750");
  wire_shell("cd ~user && python3 -c 'import os; assert os.getxattr(\"d/e/f\", \"user.e2b.k\") == "
             "b\"v\"'");
  wire_shell("test -s /tmp/beats");
  snprintf(path, sizeof path, "/templates/%s", bare);
  gives("DELETE", path, "", 204);
  cJSON_Delete(gives("DELETE", path, "", 404));
  char body[300];
  snprintf(body, sizeof body, "{\"templateID\":\"%s\"}", id);
  cJSON_Delete(gives("POST", "/v2/sandboxes", body, 404));
}

/* What takes no room in the sandbox takes none in copies of it: a program could fill the machine's
 * disk otherwise. */
static void holes_in_files_stay_holes(void **state) {
  char id[200];
  (void)state;
  wire_shell("cd ~user && truncate -s 256M all && "
             "python3 -c 'f = open(\"parts\", \"wb\"); f.seek(100 << 20); f.write(b\"middle\"); "
             "f.truncate(200 << 20)'");
  cJSON *made = gives("POST", MAKE, "{}", 201);
  snprintf(id, sizeof id, "%s", e2b__json_string(made, "snapshotID", ""));
  cJSON_Delete(made);
  char bare[200];
  snprintf(bare, sizeof bare, "%.*s", (int)strcspn(id, ":"), id);
  become(id, bare);
  wire_shell("cd ~user && test $(stat -c %s all) = 268435456 -a $(stat -c %s parts) = 209715200 && "
             "test $(stat -c %b all) -lt 1000 -a $(stat -c %b parts) -lt 1000 && "
             "python3 -c 'f = open(\"parts\", \"rb\"); f.seek(100 << 20); "
             "assert f.read(7) == b\"middle\\0\"'");
  char path[300];
  snprintf(path, sizeof path, "/templates/%s", bare);
  gives("DELETE", path, "", 204);
}

/* The spawner: what the process that the host started has for a child. */
static pid_t first_process(void) {
  e2b__host_sandbox_t *sandbox = e2b__host_sandbox_find_any(wire.server.host, wire.sandbox);
  char path[64];
  long pid = e2b__host_link_pid(sandbox->link), child = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", pid, pid);
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%ld", &child), 1);
  fclose(file);
  return (pid_t)child;
}

/* Nothing is copied before the programs have stopped, of which the spawner's word is the proof. */
static void files_are_of_one_moment(void **state) {
  (void)state;
  if (wire.server.host->isolation == E2B__ISOLATION_NONE) skip();
  wire_shell("(while :; do echo >>/tmp/beats; sleep 0.02; done) >/dev/null 2>&1 &");
  char id[64], path[300];
  memcpy(id, wire.sandbox, sizeof id);
  pid_t spawner = first_process();
  assert_int_equal(kill(spawner, SIGSTOP), 0);
  snprintf(path, sizeof path, "/sandboxes/%s/snapshots", id);
  wire.sandbox[0] = '\0';
  wire_exchange_t *exchange = wire_begin("POST", path, "application/json", "{}", 2, NULL);
  wire_turn_for(400);
  bool early = exchange->done;
  assert_int_equal(kill(spawner, SIGCONT), 0);
  assert_false(early);
  while (!exchange->done)
    wire_turn();
  memcpy(wire.sandbox, id, sizeof id);
  assert_int_equal(exchange->status, 201);
  cJSON *made = e2b__json_parse(exchange->body.data, exchange->body.len);
  const char *snapshot = e2b__json_string(made, "snapshotID", "");
  wire_shell("n=$(wc -l </tmp/beats); until [ $(wc -l </tmp/beats) -gt $n ]; do sleep 0.02; done");
  snprintf(path, sizeof path, "/templates/%.*s", (int)strcspn(snapshot, ":"), snapshot);
  gives("DELETE", path, "", 204);
  cJSON_Delete(made);
  wire_end(exchange);
}

static void names_and_tags(void **state) {
  (void)state;
  static const char *const bodies[] = {"{\"name\":\"snap\"}", "{\"name\":\"snap\"}",
                                       "{\"name\":\"snap:v2\"}"};
  char owner[300];
  snprintf(owner, sizeof owner, "/snapshots?sandboxID=%s", wire.sandbox);
  for (size_t i = 0; i < E2B__COUNT(bodies); i++) {
    char line[100];
    snprintf(line, sizeof line, "echo %zu >~user/which", i);
    wire_shell(line);
    cJSON *made = gives("POST", MAKE, bodies[i], 201);
    assert_string_equal(e2b__json_string(made, "snapshotID", ""),
                        i == 2 ? "local/snap:v2" : "local/snap:default");
    cJSON_Delete(made);
  }
  cJSON *tags = gives("GET", "/templates/local%%2Fsnap/tags", "", 200);
  assert_int_equal(cJSON_GetArraySize(tags), 2);
  assert_string_equal(e2b__json_string(cJSON_GetArrayItem(tags, 0), "tag", ""), "v2");
  assert_int_equal(strlen(e2b__json_string(cJSON_GetArrayItem(tags, 0), "buildID", "")), 36);
  cJSON_Delete(tags);
  assert_int_equal(count("/snapshots?name=snap"), 1);
  assert_int_equal(count("/snapshots?name=local/snap:default"), 1);
  assert_int_equal(count("/snapshots?name=snap:v3"), 0);
  assert_int_equal(count("/snapshots?name=other"), 0);
  assert_int_equal(count(owner), 1);
  assert_int_equal(count("/snapshots?sandboxID=inone"), 0);
  become("snap:default", "local/snap");
  wire_shell("test $(cat ~user/which) = 1");
  become("local/snap:v2", "local/snap");
  wire_shell("test $(cat ~user/which) = 2");
  cJSON_Delete(gives("POST", "/v2/sandboxes", "{\"templateID\":\"snap:v3\"}", 404));
  gives("DELETE", "/templates/local%%2Fsnap%%3Av2", "", 204);
  assert_int_equal(count("/snapshots"), 0);
}

/* While one starts from it, a snapshot goes, or another takes its name: it gets the files that were
 * there when it asked. */
static void one_that_goes_while_another_starts_from_it_is_whole(void **state) {
  (void)state;
  static const char from[] = "{\"templateID\":\"going\",\"timeout\":60}";
  wire_shell("mkdir ~user/many && cd ~user/many && seq 3000 | xargs touch");
  for (int removed = 0; removed < 2; removed++) {
    char original[64];
    cJSON_Delete(gives("POST", MAKE, "{\"name\":\"going\"}", 201));
    memcpy(original, wire.sandbox, sizeof original);
    wire.sandbox[0] = '\0';
    wire_exchange_t *start =
        wire_begin("POST", "/sandboxes", "application/json", from, sizeof from - 1, NULL);
    if (removed) {
      wire_exchange_t *removal =
          wire_begin("DELETE", "/templates/going", "application/json", "", 0, NULL);
      while (!removal->done)
        wire_turn();
      assert_int_equal(removal->status, 204);
      wire_end(removal);
    } else {
      memcpy(wire.sandbox, original, sizeof original);
      cJSON_Delete(gives("POST", MAKE, "{\"name\":\"going\"}", 201));
    }
    while (!start->done)
      wire_turn();
    assert_int_equal(start->status, 201);
    cJSON *made = e2b__json_parse(start->body.data, start->body.len);
    wire_end(start);
    snprintf(wire.sandbox, sizeof wire.sandbox, "%s", e2b__json_string(made, "sandboxID", ""));
    cJSON_Delete(made);
    wire_shell("test $(ls ~user/many | wc -l) = 3000");
    wire_kill();
    memcpy(wire.sandbox, original, sizeof original);
  }
  assert_int_equal(count("/snapshots?name=going"), 0);
}

static void forks(void **state) {
  (void)state;
  wire_shell("echo mine >~user/f");
  cJSON *made = gives("POST", "/sandboxes/%s/fork", "{\"count\":2,\"timeout\":60}", 201);
  assert_int_equal(cJSON_GetArraySize(made), 2);
  char original[64];
  memcpy(original, wire.sandbox, sizeof original);
  for (int i = 0; i < 2; i++) {
    const cJSON *item = cJSON_GetArrayItem(made, i);
    const cJSON *sandbox = cJSON_GetObjectItemCaseSensitive(item, "sandbox");
    assert_string_equal(e2b__json_string(sandbox, "templateID", ""), "base");
    snprintf(wire.sandbox, sizeof wire.sandbox, "%s", e2b__json_string(sandbox, "sandboxID", ""));
    assert_string_not_equal(wire.sandbox, original);
    wire_shell("test $(cat ~user/f) = mine && echo other >~user/f");
    wire_kill();
  }
  cJSON_Delete(made);
  memcpy(wire.sandbox, original, sizeof original);
  wire_shell("test $(cat ~user/f) = mine");
  cJSON_Delete(gives("POST", "/sandboxes/%s/fork", "{\"count\":0}", 400));
  cJSON_Delete(gives("POST", "/sandboxes/%s/fork", "{\"count\":101}", 400));
  cJSON_Delete(gives("POST", "/sandboxes/inone/fork", "{}", 404));
}

static void refusals(void **state) {
  (void)state;
  cJSON_Delete(gives("POST", MAKE, "{\"name\":\"No Name\"}", 400));
  cJSON_Delete(gives("POST", "/sandboxes/inone/snapshots", "{}", 404));
  cJSON_Delete(gives("GET", "/templates/none/tags", "", 404));
  cJSON_Delete(gives("DELETE", "/templates/base", "", 501));
  gives("POST", "/sandboxes/%s/pause", "{}", 204);
  cJSON_Delete(gives("POST", MAKE, "{}", 409));
  cJSON_Delete(gives("POST", "/sandboxes/%s/fork", "{}", 409));
}

/* Newest first, each once, whatever comes meanwhile. */
static void pages(void **state) {
  (void)state;
  char seen[8][64], path[128] = "/snapshots?limit=2", *next;
  int total = 0, fetched = 0;
  for (int i = 0; i < 5; i++) {
    char body[64];
    snprintf(body, sizeof body, "{\"name\":\"page-%d\"}", i);
    cJSON_Delete(gives("POST", MAKE, body, 201));
  }
  do {
    struct curl_header *header = NULL;
    wire_exchange_t *page = ask("GET", path, "");
    assert_int_equal(page->status, 200);
    cJSON *list = e2b__json_parse(page->body.data, page->body.len);
    assert_true(cJSON_GetArraySize(list) <= 2);
    for (const cJSON *item = list->child; item != NULL; item = item->next) {
      const char *id = e2b__json_string(item, "snapshotID", "");
      if (strncmp(id, "local/page-", 11) != 0) continue;
      for (int i = 0; i < total; i++)
        assert_string_not_equal(seen[i], id);
      assert_true(total < 8);
      snprintf(seen[total++], sizeof *seen, "%s", id);
    }
    cJSON_Delete(list);
    bool more = curl_easy_header(page->easy, "X-Next-Token", 0, CURLH_HEADER, -1, &header) == 0;
    next = more ? header->value : NULL;
    if (next != NULL) snprintf(path, sizeof path, "/snapshots?limit=2&nextToken=%s", next);
    wire_end(page);
    /* One that comes between two pages is on neither. */
    if (++fetched == 1) cJSON_Delete(gives("POST", MAKE, "{}", 201));
  } while (next != NULL);
  assert_int_equal(total, 5);
  assert_true(fetched >= 3);
  assert_string_equal(seen[0], "local/page-4:default");
  assert_string_equal(seen[4], "local/page-0:default");
  cJSON_Delete(gives("GET", "/snapshots?limit=0", "", 400));
  cJSON_Delete(gives("GET", "/snapshots?nextToken=x", "", 400));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WIRE_TEST(files_come_back),
      WIRE_TEST(holes_in_files_stay_holes),
      WIRE_TEST(files_are_of_one_moment),
      WIRE_TEST(names_and_tags),
      WIRE_TEST(pages),
      WIRE_TEST(one_that_goes_while_another_starts_from_it_is_whole),
      WIRE_TEST(forks),
      WIRE_TEST(refusals),
  };
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
