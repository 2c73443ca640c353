/* SPDX-License-Identifier: MIT */
#include "support/replay.h"

#ifdef E2B_TEST_WITH_HOST

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "host/signature.h"
#include "proto/base64.h"
#include "proto/envelope.h"
#include "proto/json.h"
#include "proto/url.h"

enum {
  FILE_CEILING = 1 << 20,
  HEADERS = 24,
  HEADER_SIZE = 512,
  OPEN = 8,
  LEARNED = 64,
  TAKEN = 256,
  MAX_FD = 1024,
  PATIENCE_MS = 60000
};

/* ---- what is learned ---- */

static struct { char recorded[64], live[256]; } learned[LEARNED];
static size_t learned_count;
static const char *signing_token;

void replay_learn(const char *recorded, const char *live) {
  size_t at = 0;
  while (at < learned_count && strcmp(learned[at].recorded, recorded) != 0)
    at++;
  assert_true(at < LEARNED);
  snprintf(learned[at].recorded, sizeof learned->recorded, "%s", recorded);
  snprintf(learned[at].live, sizeof learned->live, "%s", live);
  if (at == learned_count) learned_count++;
}

void replay_sign(const char *token) {
  signing_token = token;
}

/* Appends `data` with what was learned in its place, where it stands as a word of its own. */
static void say(e2b__buffer_t *out, const char *data, size_t len) {
  size_t at = 0;
  while (at < len) {
    const char *live = NULL;
    size_t size = 1;
    for (size_t i = 0; i < learned_count && live == NULL; i++) {
      size_t word = strlen(learned[i].recorded);
      if (word > len - at || memcmp(data + at, learned[i].recorded, word) != 0) continue;
      if (at > 0 && isalnum((unsigned char)data[at - 1])) continue;
      if (at + word < len && isalnum((unsigned char)data[at + word])) continue;
      live = learned[i].live;
      size = word;
    }
    assert_int_equal(live != NULL ? e2b__buffer_append_str(out, live)
                                  : e2b__buffer_append(out, data + at, size),
                     0);
    at += size;
  }
}

/* Envelopes announce their length, so each is written anew. */
static void say_body(e2b__buffer_t *out, const char *type, const e2b__buffer_t *body) {
  const char *data = body->data, *payload;
  size_t len = body->len, size;
  unsigned flags;
  unsigned char prefix[E2B__ENVELOPE_PREFIX] = {0};
  if (strncmp(type, "application/connect+json", 24) != 0) {
    say(out, data, len);
    return;
  }
  while (replay_envelope(&data, &len, &flags, &payload, &size)) {
    size_t at = out->len;
    assert_int_equal(e2b__buffer_append(out, prefix, sizeof prefix), 0);
    if (flags & E2B__ENVELOPE_COMPRESSED)
      assert_int_equal(e2b__buffer_append(out, payload, size), 0);
    else
      say(out, payload, size);
    e2b__envelope_prefix((unsigned char *)out->data + at, flags, out->len - at - sizeof prefix);
  }
}

static void query_member(const char *query, const char *name, e2b__buffer_t *value) {
  int rc = e2b__url_query_get(query, strlen(query), name, value);
  assert_true(rc >= 0);
  if (rc == 0) assert_int_equal(e2b__buffer_append(value, "", 0), 0);
}

/* A recorded signature was made with the recorded token. */
static void sign(const char *method, e2b__buffer_t *path) {
  const char *query = strchr(path->data, '?'), *old = strstr(path->data, "signature=v1_");
  char made[E2B__SIGNATURE_SIZE];
  e2b__buffer_t values[3], out = E2B__BUFFER_INIT(1024);
  static const char *const names[3] = {"path", "username", "signature_expiration"};
  if (signing_token == NULL || old == NULL || strncmp(old, "signature=v1_bad", 16) == 0) return;
  for (int i = 0; i < 3; i++) {
    e2b__buffer_init(&values[i], 1024);
    query_member(query + 1, names[i], &values[i]);
  }
  assert_int_equal(e2b__host_signature(values[0].data,
                                       strcmp(method, "GET") == 0 ? "read" : "write",
                                       values[1].len > 0 ? values[1].data : "", signing_token,
                                       values[2].len > 0 ? values[2].data : NULL, made),
                   0);
  old += strlen("signature=");
  assert_int_equal(e2b__buffer_append(&out, path->data, (size_t)(old - path->data)), 0);
  assert_int_equal(e2b__url_escape(&out, made, strlen(made)), 0);
  assert_int_equal(e2b__buffer_append_str(&out, old + strcspn(old, "&")), 0);
  for (int i = 0; i < 3; i++)
    e2b__buffer_free(&values[i]);
  e2b__buffer_free(path);
  *path = out;
}

/* ---- one recording ---- */

typedef struct recording {
  char name[128]; /* folder/name */
  cJSON *tree;
  const cJSON *request, *response;
  wire_exchange_t *exchange;
} recording;

static recording open_ones[OPEN];
static char taken[TAKEN][128];
static size_t taken_count;

static recording *load(const char *folder, const char *name) {
  char path[512];
  static char text[FILE_CEILING];
  recording *it = NULL;
  for (size_t i = 0; i < OPEN && it == NULL; i++)
    if (open_ones[i].tree == NULL) it = &open_ones[i];
  assert_non_null(it);
  snprintf(it->name, sizeof it->name, "%s/%s", folder, name);
  snprintf(path, sizeof path, "%s/replay/%s.json", E2B_FIXTURES, it->name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail_msg("no recording %s", path);
  size_t len = fread(text, 1, sizeof text, file);
  fclose(file);
  it->tree = e2b__json_parse(text, len);
  assert_non_null(it->tree);
  it->request = cJSON_GetObjectItemCaseSensitive(it->tree, "request");
  it->response = cJSON_GetObjectItemCaseSensitive(it->tree, "response");
  it->exchange = NULL;
  assert_true(taken_count < TAKEN);
  snprintf(taken[taken_count++], sizeof *taken, "%s", it->name);
  return it;
}

static recording *opened(const char *folder, const char *name) {
  char full[128];
  snprintf(full, sizeof full, "%s/%s", folder, name);
  for (size_t i = 0; i < OPEN; i++)
    if (open_ones[i].tree != NULL && strcmp(open_ones[i].name, full) == 0) return &open_ones[i];
  fail_msg("%s was not begun", full);
  return NULL;
}

static void close_one(recording *it) {
  wire_end(it->exchange);
  cJSON_Delete(it->tree);
  it->tree = NULL;
}

static void decode_body(const cJSON *side, e2b__buffer_t *out) {
  const char *text = e2b__json_string(side, "body_base64", "");
  size_t len;
  e2b__buffer_init(out, FILE_CEILING);
  assert_int_equal(e2b__buffer_reserve(out, e2b__base64_decoded_bound(strlen(text))), 0);
  assert_int_equal(e2b__base64_decode(text, strlen(text), out->data, &len), 0);
  e2b__buffer_commit(out, len);
}

/* What curl and the wire see to themselves. */
static bool own_header(const char *name) {
  static const char *const names[] = {"Host",           "Content-Length",   "Content-Type",
                                      "E2b-Sandbox-Id", "E2b-Sandbox-Port", "Connection"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcasecmp(name, names[i]) == 0) return true;
  return false;
}

static const char *header_of(const cJSON *side, const char *name) {
  const cJSON *found = cJSON_GetObjectItem(cJSON_GetObjectItemCaseSensitive(side, "headers"), name);
  return cJSON_IsString(found) ? found->valuestring : "";
}

static void begin(recording *it) {
  char texts[HEADERS][HEADER_SIZE];
  const char *lines[HEADERS + 1] = {NULL}, *type = header_of(it->request, "Content-Type");
  const char *method = e2b__json_string(it->request, "method", "");
  const cJSON *header;
  size_t count = 0;
  e2b__buffer_t path = E2B__BUFFER_INIT(1024), given, body = E2B__BUFFER_INIT(FILE_CEILING);
  cJSON_ArrayForEach(header, cJSON_GetObjectItemCaseSensitive(it->request, "headers")) {
    e2b__buffer_t value = E2B__BUFFER_INIT(HEADER_SIZE);
    if (own_header(header->string)) continue;
    assert_true(count < HEADERS);
    /* Recordings show header bytes as the characters of Latin-1. */
    if (strcmp(header->valuestring, "\303\251") == 0)
      assert_int_equal(e2b__buffer_append_str(&value, "\351"), 0);
    else
      say(&value, header->valuestring, strlen(header->valuestring));
    snprintf(texts[count], HEADER_SIZE, "%s: %s", header->string, value.data);
    lines[count] = texts[count];
    count++;
    e2b__buffer_free(&value);
  }
  const char *target = e2b__json_string(it->request, "path", "");
  say(&path, target, strlen(target));
  sign(method, &path);
  decode_body(it->request, &given);
  say_body(&body, type, &given);
  wire.anonymous = true;
  it->exchange = wire_begin(method, path.data, type, body.data, body.len, lines);
  wire.anonymous = false;
  e2b__buffer_free(&path);
  e2b__buffer_free(&given);
  e2b__buffer_free(&body);
}

static void await_events(recording *it, unsigned count) {
  uint64_t end = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
  while (!it->exchange->done && uv_hrtime() < end &&
         replay_events(header_of(it->response, "Content-Type"), it->exchange->body.data,
                       it->exchange->body.len) < count)
    wire_turn();
  if (uv_hrtime() >= end) fail_msg("%s: no answer", it->name);
}

/* ---- comparing ---- */

static void learn_number(const cJSON *recorded, const cJSON *live, const char *name) {
  char left[32], right[32];
  int64_t a = e2b__json_int(recorded, name, 0), b = e2b__json_int(live, name, 0);
  if (a == 0 || b == 0) return;
  snprintf(left, sizeof left, "%lld", (long long)a);
  snprintf(right, sizeof right, "%lld", (long long)b);
  replay_learn(left, right);
}

static cJSON *first_message(const char *type, const e2b__buffer_t *body) {
  const char *data = body->data, *payload = body->data;
  size_t len = body->len, size = body->len;
  unsigned flags = 0;
  if (strncmp(type, "application/connect+json", 24) == 0 &&
      !replay_envelope(&data, &len, &flags, &payload, &size))
    return NULL;
  if (strstr(type, "json") == NULL || (flags & E2B__ENVELOPE_COMPRESSED) || size == 0) return NULL;
  return e2b__json_parse(payload, size);
}

/* Ids of processes, watchers and contexts. */
static void learn(recording *it, const e2b__buffer_t *recorded, const e2b__buffer_t *live) {
  const char *type = header_of(it->response, "Content-Type");
  cJSON *left = first_message(type, recorded), *right = first_message(type, live);
  const cJSON *events[2] = {cJSON_GetObjectItemCaseSensitive(left, "event"),
                            cJSON_GetObjectItemCaseSensitive(right, "event")};
  learn_number(cJSON_GetObjectItemCaseSensitive(events[0], "start"),
               cJSON_GetObjectItemCaseSensitive(events[1], "start"), "pid");
  static const char *const names[] = {"watcherId", "id"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *id = e2b__json_string(left, names[i], NULL);
    const char *live_id = e2b__json_string(right, names[i], NULL);
    if (id != NULL && live_id != NULL) replay_learn(id, live_id);
  }
  cJSON_Delete(left);
  cJSON_Delete(right);
}

static void compare_header(recording *it, const char *name, const char *value, size_t index) {
  struct curl_header *answered;
  int rc = curl_easy_header(it->exchange->easy, name, index, CURLH_HEADER, -1, &answered);
  if (rc != CURLHE_OK) {
    replay_differs(it->name, "header %s: missing", name);
    return;
  }
  /* Bodies are compared themselves, and times are other times. */
  if (strcasecmp(name, "Date") == 0 || strcasecmp(name, "Last-Modified") == 0 ||
      strcasecmp(name, "Content-Length") == 0)
    return;
  if (strcmp(answered->value, value) != 0)
    replay_differs(it->name, "header %s: %s, but %s", name, value, answered->value);
}

static void compare_headers(recording *it) {
  const cJSON *header, *value;
  cJSON_ArrayForEach(header, cJSON_GetObjectItemCaseSensitive(it->response, "headers")) {
    size_t index = 0;
    if (cJSON_IsString(header)) compare_header(it, header->string, header->valuestring, 0);
    if (cJSON_IsArray(header))
      cJSON_ArrayForEach(value, header)
          compare_header(it, header->string, value->valuestring, index++);
  }
}

static bool packed(recording *it) {
  struct curl_header *header;
  return curl_easy_header(it->exchange->easy, "Content-Encoding", 0, CURLH_HEADER, -1, &header) ==
             CURLHE_OK &&
         strcmp(header->value, "gzip") == 0;
}

static void compare(recording *it, unsigned flags) {
  e2b__buffer_t raw;
  replay_body body = {.recording = it->name,
                      .path = e2b__json_string(it->request, "path", ""),
                      .type = header_of(it->response, "Content-Type"),
                      .recorded = E2B__BUFFER_INIT(FILE_CEILING),
                      .live = it->exchange->body,
                      .flags = flags};
  long status;
  e2b__buffer_init(&it->exchange->body, 0);
  curl_easy_getinfo(it->exchange->easy, CURLINFO_RESPONSE_CODE, &status);
  if (status != e2b__json_int(it->response, "status", 0))
    replay_differs(it->name, "status: %d, but %ld", (int)e2b__json_int(it->response, "status", 0),
                   status);
  compare_headers(it);
  decode_body(it->response, &raw);
  if (strcmp(header_of(it->response, "Content-Encoding"), "gzip") == 0 && raw.len > 0)
    replay_unpack(&raw);
  if (packed(it) && body.live.len > 0) replay_unpack(&body.live);
  learn(it, &raw, &body.live);
  say_body(&body.recorded, body.type, &raw);
  replay_compare(&body);
  e2b__buffer_free(&raw);
  e2b__buffer_free(&body.recorded);
  e2b__buffer_free(&body.live);
}

/* ---- scenes ---- */

static void finish(recording *it, unsigned flags) {
  uint64_t end = uv_hrtime() + (uint64_t)PATIENCE_MS * 1000000;
  while (!it->exchange->done && uv_hrtime() < end)
    wire_turn();
  if (!it->exchange->done) fail_msg("%s: no end", it->name);
  bool whole = it->exchange->code == CURLE_OK;
  if (whole != e2b__json_bool(it->response, "complete", true))
    replay_differs(it->name, "end: %s", whole ? "not cut" : "cut");
  compare(it, flags);
  close_one(it);
}

static void start(recording *it) {
  e2b__buffer_t raw;
  begin(it);
  await_events(it, 1);
  decode_body(it->response, &raw);
  learn(it, &raw, &it->exchange->body);
  e2b__buffer_free(&raw);
}

/* curl tells the port of a connection that is in use, and not its descriptor. */
static void close_half(recording *it) {
  struct sockaddr_in name;
  long port = 0;
  int found = -1;
  curl_easy_getinfo(it->exchange->easy, CURLINFO_LOCAL_PORT, &port);
  for (int fd = 0; fd < MAX_FD && found < 0; fd++) {
    socklen_t size = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &size) == 0 && name.sin_family == AF_INET &&
        ntohs(name.sin_port) == port)
      found = fd;
  }
  assert_true(port > 0 && found >= 0);
  assert_int_equal(shutdown(found, SHUT_WR), 0);
}

static void run_line(const char *line) {
  e2b__buffer_t said = E2B__BUFFER_INIT(FILE_CEILING);
  say(&said, line, strlen(line));
  wire_shell(said.data);
  e2b__buffer_free(&said);
}

static void take_step(const char *folder, const replay_step *step) {
  recording *it;
  switch (step->verb) {
  case REPLAY_ASK:
    it = load(folder, step->what);
    begin(it);
    finish(it, step->flags);
    break;
  case REPLAY_SEND: begin(load(folder, step->what)); break;
  case REPLAY_BEGIN: start(load(folder, step->what)); break;
  case REPLAY_END: finish(opened(folder, step->what), step->flags); break;
  case REPLAY_CUT:
    it = opened(folder, step->what);
    compare(it, step->flags);
    close_one(it);
    break;
  case REPLAY_HALF: close_half(opened(folder, step->what)); break;
  case REPLAY_UNTIL: await_events(opened(folder, step->what), step->flags); break;
  case REPLAY_SHELL: run_line(step->what); break;
  case REPLAY_DONE: break;
  }
}

static bool left_out; /* a scene was skipped */

static bool keeps_metadata(void) {
  wire_exchange_t *probe =
      wire_ask("POST", "/files?username=user&path=probe", "application/octet-stream", "x", 1,
               (const char *const[]){"X-Metadata-A: b", NULL});
  bool kept = probe->body.data != NULL && strstr(probe->body.data, "metadata") != NULL;
  wire_end(probe);
  return kept;
}

void replay_skip(const char *reason) {
  left_out = true;
  server_skip(&wire.server, reason);
}

void replay_needs(bool kept) {
  const char *reason = NULL;
  if ((wire.server.features & SERVER_ISOLATED) == 0)
    reason = "recordings are about /home/user";
  else if (kept && (wire.server.features & SERVER_OWNERS) == 0)
    reason = "its files have one owner";
  else if (kept && !keeps_metadata())
    reason = "its files have no attributes";
  if (reason != NULL) replay_skip(reason);
}

void replay(const char *folder, const replay_step *steps) {
  for (; steps->verb != REPLAY_DONE; steps++)
    take_step(folder, steps);
  replay_judge();
}

void replay_complete(const char *folder) {
  char path[512], name[300];
  unsigned left = 0;
  if (left_out) server_skip(&wire.server, "some of its scenes were");
  snprintf(path, sizeof path, "%s/replay/%s", E2B_FIXTURES, folder);
  DIR *dir = opendir(path);
  assert_non_null(dir);
  for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    const char *dot = strstr(entry->d_name, ".json");
    bool found = dot == NULL;
    snprintf(name, sizeof name, "%s/%.*s", folder, dot != NULL ? (int)(dot - entry->d_name) : 0,
             entry->d_name);
    for (size_t i = 0; i < taken_count && !found; i++)
      found = strcmp(taken[i], name) == 0;
    if (found || replay_excused(name)) continue;
    print_error("never replayed: %s\n", name);
    left++;
  }
  closedir(dir);
  assert_int_equal(left, 0);
  replay_unmet(folder);
}

#endif
