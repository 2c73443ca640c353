/* SPDX-License-Identifier: MIT */
#include "support/replay.h"

#ifdef E2B_TEST_WITH_HOST

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/gzip.h"
#include "proto/base64.h"
#include "proto/envelope.h"
#include "proto/json.h"

enum { CEILING = 8 << 20, KINDS = 65536 };

void replay_unpack(e2b__buffer_t *body) {
  e2b__gzip_reader_t reader;
  e2b__buffer_t plain = E2B__BUFFER_INIT(CEILING);
  assert_int_equal(e2b__gunzip_whole(&plain, body->data, body->len, &reader), 0);
  e2b__buffer_free(body);
  *body = plain;
}

/* ---- JSON ---- */

/* Of the moment, whatever the exchange. */
static bool passing(const cJSON *parent, const char *name) {
  static const char *const names[] = {
      "pid", "watcherId", "modifiedTime", "timestamp", "execution_count", "traceback", "png"};
  for (size_t i = 0; name != NULL && i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0) return true;
  /* A directory's size is the file system's business, and an ordinary user's host has one owner to
   * give. */
  if (name != NULL && strcmp(name, "size") == 0)
    return strcmp(e2b__json_string(parent, "type", ""), "FILE_TYPE_DIRECTORY") == 0;
  if ((wire.server.features & SERVER_OWNERS) == 0 && name != NULL)
    return strcmp(name, "owner") == 0 || strcmp(name, "group") == 0;
  return false;
}

/* protobuf's messages have a blank or a no-break space, so that nobody relies on either. */
static bool same_text(const char *left, const char *right) {
  static const char wide[] = "\302\240";
  for (; *left != '\0' || *right != '\0'; left++, right++) {
    bool left_wide = strncmp(left, wide, 2) == 0, right_wide = strncmp(right, wide, 2) == 0;
    if ((left_wide ? ' ' : *left) != (right_wide ? ' ' : *right)) return false;
    left += left_wide;
    right += right_wide;
  }
  return true;
}

static bool same_value(const cJSON *recorded, const cJSON *live) {
  if (cJSON_IsString(recorded)) return same_text(recorded->valuestring, live->valuestring);
  if (cJSON_IsNumber(recorded)) return recorded->valuedouble == live->valuedouble;
  return true; /* the type is the value, or the members are looked at */
}

static void compare_json(const replay_body *body, const char *at, const cJSON *parent,
                         const cJSON *recorded, const cJSON *live) {
  char below[256];
  const cJSON *member;
  int index = 0;
  if (live == NULL || (recorded->type & 0xff) != (live->type & 0xff)) {
    replay_differs(body->recording, "%s: %s", at, live == NULL ? "missing" : "of another type");
    return;
  }
  if ((body->flags & REPLAY_SHAPE) == 0 && !passing(parent, recorded->string) &&
      !same_value(recorded, live)) {
    char *left = cJSON_PrintUnformatted(recorded), *right = cJSON_PrintUnformatted(live);
    replay_differs(body->recording, "%s: %s, but %s", at, left, right);
    cJSON_free(left);
    cJSON_free(right);
  }
  if (cJSON_IsArray(recorded) && cJSON_GetArraySize(recorded) != cJSON_GetArraySize(live)) {
    char *text = cJSON_PrintUnformatted(live);
    replay_differs(body->recording, "%s[]: %d, but %s", at, cJSON_GetArraySize(recorded), text);
    cJSON_free(text);
    return;
  }
  cJSON_ArrayForEach(member, recorded) {
    if (cJSON_IsArray(recorded))
      snprintf(below, sizeof below, "%s[%d]", at, index);
    else
      snprintf(below, sizeof below, "%s.%s", at, member->string);
    compare_json(body, below, recorded, member,
                 cJSON_IsArray(recorded) ? cJSON_GetArrayItem(live, index)
                                         : cJSON_GetObjectItemCaseSensitive(live, member->string));
    index++;
  }
  cJSON_ArrayForEach(member, live) {
    if (cJSON_IsObject(live) && !cJSON_HasObjectItem(recorded, member->string))
      replay_differs(body->recording, "%s.%s: not in the recording", at, member->string);
  }
}

/* ---- streams ---- */

bool replay_envelope(const char **data, size_t *len, unsigned *flags, const char **payload,
                     size_t *size) {
  const unsigned char *p = (const unsigned char *)*data;
  if (*len < E2B__ENVELOPE_PREFIX) return false;
  *flags = p[0];
  *size = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
  if (*len - E2B__ENVELOPE_PREFIX < *size) return false;
  *payload = *data + E2B__ENVELOPE_PREFIX;
  *data += E2B__ENVELOPE_PREFIX + *size;
  *len -= E2B__ENVELOPE_PREFIX + *size;
  return true;
}

unsigned replay_events(const char *type, const char *data, size_t len) {
  static const char keepalive[] = "\"keepalive\"";
  unsigned count = 0, flags;
  const char *payload;
  size_t size;
  if (strncmp(type, "application/connect", 19) == 0) {
    while (replay_envelope(&data, &len, &flags, &payload, &size))
      count += memmem(payload, size, keepalive, sizeof keepalive - 1) == NULL;
    return count;
  }
  for (const char *end; len > 0 && (end = memchr(data, '\n', len)) != NULL; data = end + 1) {
    count += memmem(data, (size_t)(end - data), keepalive, sizeof keepalive - 1) == NULL;
    len -= (size_t)(end + 1 - data);
  }
  return count;
}

/* What a side's stream came to. */
typedef struct side {
  char kinds[KINDS];
  size_t len;
  char last[512];     /* kind */
  const char *run[3]; /* kinds of output since the last other event: their order is chance */
  e2b__buffer_t output[3];
  cJSON *events; /* that are no output */
} side;

static const char *const outputs[3] = {"stdout", "stderr", "pty"};

/* Whether it counts. */
static bool add_kind(side *it, const char *kind) {
  /* inotify makes one of two equal events that nobody read in between; a slow machine makes more
   * keepalives. */
  if (strcmp(kind, it->last) == 0 &&
      (strncmp(kind, "EVENT_TYPE_", 11) == 0 || strcmp(kind, "keepalive") == 0))
    return false;
  snprintf(it->last, sizeof it->last, "%s", kind);
  if (it->len + strlen(kind) + 2 > sizeof it->kinds) fail_msg("too many events");
  it->len += (size_t)snprintf(it->kinds + it->len, sizeof it->kinds - it->len, "%s ", kind);
  return true;
}

static void end_run(side *it) {
  for (int i = 0; i < 3; i++) {
    if (it->run[i] != NULL) add_kind(it, it->run[i]);
    it->run[i] = NULL;
  }
}

static bool take_output(side *it, const cJSON *event) {
  const cJSON *data = cJSON_GetObjectItemCaseSensitive(event, "data");
  bool any = false;
  for (int i = 0; i < 3; i++) {
    const char *text = e2b__json_string(data, outputs[i], NULL);
    if (text == NULL) continue;
    size_t len;
    e2b__buffer_t *out = &it->output[i];
    assert_int_equal(e2b__buffer_reserve(out, e2b__base64_decoded_bound(strlen(text))), 0);
    assert_int_equal(e2b__base64_decode(text, strlen(text), out->data + out->len, &len), 0);
    e2b__buffer_commit(out, len);
    it->run[i] = outputs[i];
    any = true;
  }
  return any;
}

/* Takes `tree` over. */
static void take_event(side *it, cJSON *tree, unsigned flags, bool idle) {
  const cJSON *event = cJSON_GetObjectItemCaseSensitive(tree, "event"), *watched;
  char kind[512];
  if (event == NULL) event = tree;
  watched = cJSON_GetObjectItemCaseSensitive(event, "filesystem");
  if (take_output(it, event) ||
      (idle && cJSON_GetObjectItemCaseSensitive(event, "keepalive") != NULL)) {
    cJSON_Delete(tree);
    return;
  }
  end_run(it);
  if (flags & E2B__ENVELOPE_END_STREAM)
    snprintf(kind, sizeof kind, "end-of-stream");
  else if (watched != NULL)
    snprintf(kind, sizeof kind, "%s(%s)%s", e2b__json_string(watched, "type", "?"),
             e2b__json_string(watched, "name", "?"),
             cJSON_HasObjectItem(watched, "entry") ? "+entry" : "");
  else
    snprintf(kind, sizeof kind, "%s", event->child != NULL ? event->child->string : "{}");
  if (add_kind(it, kind))
    cJSON_AddItemToArray(it->events, tree);
  else
    cJSON_Delete(tree);
}

static void start_side(side *it) {
  memset(it, 0, sizeof *it);
  it->events = cJSON_CreateArray();
  for (int i = 0; i < 3; i++)
    e2b__buffer_init(&it->output[i], CEILING);
}

static void take_side(side *it, const e2b__buffer_t *bytes, bool idle) {
  const char *data = bytes->data, *payload;
  size_t len = bytes->len, size;
  unsigned flags;
  start_side(it);
  while (replay_envelope(&data, &len, &flags, &payload, &size)) {
    e2b__buffer_t plain = E2B__BUFFER_INIT(CEILING);
    assert_int_equal(e2b__buffer_append(&plain, payload, size), 0);
    if (flags & E2B__ENVELOPE_COMPRESSED) replay_unpack(&plain);
    cJSON *tree = e2b__json_parse(plain.data, plain.len);
    e2b__buffer_free(&plain);
    assert_non_null(tree);
    take_event(it, tree, flags, idle);
  }
  end_run(it);
}

/* The interpreter's answers: a line of JSON each. */
static void take_lines(side *it, const e2b__buffer_t *bytes, bool idle) {
  const char *data = bytes->data;
  size_t len = bytes->len;
  start_side(it);
  for (const char *end; len > 0 && (end = memchr(data, '\n', len)) != NULL; data = end + 1) {
    cJSON *tree = e2b__json_parse(data, (size_t)(end - data));
    len -= (size_t)(end + 1 - data);
    assert_non_null(tree);
    const char *type = e2b__json_string(tree, "type", "?");
    int output = strcmp(type, "stdout") == 0 ? 0 : strcmp(type, "stderr") == 0 ? 1 : 2;
    if (output < 2) {
      assert_int_equal(
          e2b__buffer_append_str(&it->output[output], e2b__json_string(tree, "text", "")), 0);
      it->run[output] = outputs[output];
    } else if (!idle || strcmp(type, "keepalive") != 0) {
      end_run(it);
      if (add_kind(it, type)) cJSON_AddItemToArray(it->events, cJSON_Duplicate(tree, 1));
    }
    cJSON_Delete(tree);
  }
  end_run(it);
}

static void free_side(side *it) {
  cJSON_Delete(it->events);
  for (int i = 0; i < 3; i++)
    e2b__buffer_free(&it->output[i]);
}

static void compare_events(const replay_body *body, bool lines) {
  static side recorded, live;
  bool idle = (body->flags & REPLAY_PULSE) == 0;
  char at[32];
  (lines ? take_lines : take_side)(&recorded, &body->recorded, idle);
  (lines ? take_lines : take_side)(&live, &body->live, idle);
  if (strcmp(recorded.kinds, live.kinds) != 0) {
    replay_differs(body->recording, "events: %s, but %s", recorded.kinds, live.kinds);
  } else if ((body->flags & REPLAY_KINDS) == 0) {
    for (int i = 0; i < cJSON_GetArraySize(recorded.events); i++) {
      snprintf(at, sizeof at, "event %d ", i);
      compare_json(body, at, NULL, cJSON_GetArrayItem(recorded.events, i),
                   cJSON_GetArrayItem(live.events, i));
    }
    /* A terminal's output is the shell's: its prompt, its pieces. */
    for (int i = 0; i < 2; i++) {
      const e2b__buffer_t *left = &recorded.output[i], *right = &live.output[i];
      if (left->len != right->len || (left->len > 0 && memcmp(left->data, right->data, left->len)))
        replay_differs(body->recording, "%s: %s, but %s", outputs[i], left->data, right->data);
    }
  }
  free_side(&recorded);
  free_side(&live);
}

/* Binary messages: all but the first event, which has the process id, byte by byte. */
static void compare_binary(const replay_body *body) {
  const char *left = body->recorded.data, *right = body->live.data, *l, *r;
  size_t left_len = body->recorded.len, right_len = body->live.len, l_size, r_size;
  unsigned l_flags, r_flags, index = 0;
  while (replay_envelope(&left, &left_len, &l_flags, &l, &l_size)) {
    if (!replay_envelope(&right, &right_len, &r_flags, &r, &r_size)) {
      replay_differs(body->recording, "events: fewer");
      return;
    }
    if (l_flags != r_flags || (index > 0 && (l_size != r_size || memcmp(l, r, l_size) != 0)))
      replay_differs(body->recording, "event %u", index);
    index++;
  }
  if (right_len != 0) replay_differs(body->recording, "events: more");
}

void replay_compare(const replay_body *body) {
  if (strncmp(body->type, "application/connect+json", 24) == 0) {
    compare_events(body, false);
    return;
  }
  if (body->type[0] == '\0' && strcmp(body->path, "/execute") == 0) {
    compare_events(body, true);
    return;
  }
  if (strncmp(body->type, "application/connect+proto", 25) == 0) {
    compare_binary(body);
    return;
  }
  cJSON *recorded = NULL, *live = NULL;
  if (body->recorded.len > 0) recorded = e2b__json_parse(body->recorded.data, body->recorded.len);
  if (body->live.len > 0) live = e2b__json_parse(body->live.data, body->live.len);
  if (recorded != NULL) compare_json(body, "$", NULL, recorded, live);
  /* protojson sprinkles blanks over what the other services answer. */
  bool exact = recorded == NULL ||
               (strncmp(body->path, "/files", 6) == 0 && strchr("?/", body->path[6]) != NULL);
  if (exact && (body->flags & REPLAY_SHAPE) == 0 &&
      (body->recorded.len != body->live.len ||
       (body->live.len > 0 && memcmp(body->recorded.data, body->live.data, body->live.len) != 0)))
    replay_differs(body->recording, "body: %s, but %s", body->recorded.data, body->live.data);
  cJSON_Delete(recorded);
  cJSON_Delete(live);
}

#endif
