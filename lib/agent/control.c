/* SPDX-License-Identifier: MIT */
#include "agent/control.h"

#include "agent/ring.h"
#include "proto/json_scan.h"

#define LARGEST_OFFSET ((UINT64_C(1) << 53) - 1)

typedef struct reader {
  e2b__json_scan_t scan;
  e2b__control_t *control;
  e2b__arena_t *arena;
  const char *why;  /* the first thing that is wrong */
  unsigned present; /* bits of the members that were there */
  bool has_type;
  bool is_known; /* the type */
} reader_t;

typedef enum kind { TYPE, NAME, TEXT, NUMBER, LIST, MAP } kind_t;

typedef struct member {
  const char *name;
  kind_t kind;
  size_t place; /* in e2b__control_t */
  uint64_t least;
  uint64_t most;
  const char *why;
} member_t;

#define PLACE(member) offsetof(e2b__control_t, member)

enum { ID = 1, WRITER = 2, ARGV = 3, COLS = 6, ROWS = 7, OFFSET = 11, SIGNAL = 12 };

static const member_t members[] = {
    {"type", TYPE, 0, 0, 0, "type must be a string"},
    [ID] = {"id", NAME, PLACE(id), 0, 0, "id must be 1 to 64 of A-Z a-z 0-9 _ -"},
    [WRITER] = {"writer", NAME, PLACE(writer), 0, 0, "writer must be 1 to 64 of A-Z a-z 0-9 _ -"},
    [ARGV] = {"argv", LIST, PLACE(argv), 0, 0, "argv must be an array of strings without NUL"},
    {"envs", MAP, PLACE(envs), 0, 0, "envs must be an object of strings without NUL"},
    {"cwd", TEXT, PLACE(cwd), 0, 0, "cwd must be a path"},
    [COLS] = {"cols", NUMBER, PLACE(cols), 1, 65535, "cols must be 1 to 65535"},
    [ROWS] = {"rows", NUMBER, PLACE(rows), 1, 65535, "rows must be 1 to 65535"},
    {"ring", NUMBER, PLACE(ring), E2B__RING_SMALLEST, E2B__RING_LARGEST,
     "ring must be 4096 to 1073741824"},
    {"hold_ms", NUMBER, PLACE(hold_ms), 0, LARGEST_OFFSET, "hold_ms must be a whole number"},
    {"timeout_ms", NUMBER, PLACE(timeout_ms), 0, LARGEST_OFFSET,
     "timeout_ms must be a whole number"},
    [OFFSET] = {"offset", NUMBER, PLACE(offset), 0, LARGEST_OFFSET,
                "offset must be a whole number"},
    [SIGNAL] = {"signal", NUMBER, PLACE(signal), 1, 64, "signal must be 1 to 64"},
};

typedef struct shape {
  const char *name;
  unsigned required; /* bits */
  const char *why;
} shape_t;

static const shape_t shapes[E2B__CONTROL_TYPES] = {
    [E2B__CONTROL_CREATE] = {"create", 1u << ID | 1u << ARGV, "create needs id and argv"},
    [E2B__CONTROL_ATTACH] = {"attach", 1u << ID, "attach needs id"},
    [E2B__CONTROL_ACK] = {"ack", 1u << OFFSET, "ack needs offset"},
    [E2B__CONTROL_RESIZE] = {"resize", 1u << COLS | 1u << ROWS, "resize needs cols and rows"},
    [E2B__CONTROL_SIGNAL] = {"signal", 1u << SIGNAL, "signal needs signal"},
    [E2B__CONTROL_DETACH] = {"detach", 0, NULL},
    [E2B__CONTROL_LIST] = {"list", 0, NULL},
};

/* Something is wrong with the request, but it is JSON: the rest is still read. */
static bool blame(reader_t *r, const char *why) {
  if (r->why == NULL) r->why = why;
  return true;
}

static bool no_memory(reader_t *r) {
  return blame(r, "out of memory");
}

/* A string of the message as a C string; NULL when it holds a NUL or memory is out. `room` more
 * bytes are left before it. */
static char *copy_string(reader_t *r, e2b__json_token_t token, size_t room, const char *why) {
  char *copy = e2b__arena_alloc(r->arena, room + token.len + 1);
  if (copy == NULL) {
    no_memory(r);
    return NULL;
  }
  size_t len = e2b__json_unescape(token, copy + room);
  copy[room + len] = '\0';
  if (memchr(copy + room, '\0', len) != NULL) {
    blame(r, why);
    return NULL;
  }
  return copy;
}

static bool read_type(reader_t *r, const member_t *member) {
  e2b__json_token_t token;
  (void)member;
  if (e2b__json_scan_peek(&r->scan) != '"') return e2b__json_scan_fail(&r->scan, "type");
  if (!e2b__json_scan_string(&r->scan, &token)) return false;
  r->has_type = true;
  for (size_t i = 0; i < E2B__CONTROL_TYPES; i++) {
    if (strlen(shapes[i].name) != token.len || memcmp(shapes[i].name, token.ptr, token.len) != 0)
      continue;
    r->control->type = (e2b__control_type_t)i;
    r->is_known = true;
    return true;
  }
  r->is_known = false;
  return true;
}

static bool is_name(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' &&
        c != '-')
      return false;
  }
  return len > 0 && len <= E2B__AGENT_NAME_LARGEST;
}

static bool read_name(reader_t *r, const member_t *member) {
  e2b__json_token_t token;
  char *to = (char *)r->control + member->place;
  if (!e2b__json_scan_string(&r->scan, &token)) return false;
  if (token.escaped || !is_name(token.ptr, token.len)) return blame(r, member->why);
  memcpy(to, token.ptr, token.len);
  to[token.len] = '\0';
  return true;
}

static bool read_text(reader_t *r, const member_t *member) {
  e2b__json_token_t token;
  if (!e2b__json_scan_string(&r->scan, &token)) return false;
  char *text = copy_string(r, token, 0, member->why);
  if (text != NULL && *text == '\0') return blame(r, member->why);
  memcpy((char *)r->control + member->place, &text, sizeof(char *));
  return true;
}

static bool read_number(reader_t *r, const member_t *member) {
  e2b__json_token_t token;
  bool negative;
  uint64_t value;
  if (!e2b__json_scan_number(&r->scan, &token)) return false;
  if (!e2b__json_integer(token, &negative, &value) || (negative && value != 0) ||
      value < member->least || value > member->most)
    return blame(r, member->why);
  memcpy((char *)r->control + member->place, &value, sizeof value);
  return true;
}

/* One more pointer at the end of an array in the arena, and the NULL behind it. */
static bool push(reader_t *r, char ***list, size_t *count, size_t *capacity, char *item) {
  if (*count + 1 >= *capacity) {
    size_t more = *capacity > 0 ? *capacity * 2 : 8;
    char **larger = e2b__arena_alloc(r->arena, more * sizeof *larger);
    if (larger == NULL) return false;
    if (*count > 0) memcpy(larger, *list, *count * sizeof *larger);
    *list = larger;
    *capacity = more;
  }
  (*list)[(*count)++] = item;
  (*list)[*count] = NULL;
  return true;
}

static bool read_list(reader_t *r, const member_t *member) {
  e2b__json_token_t token;
  size_t count = 0, capacity = 0;
  char **list = NULL;
  if (!e2b__json_scan_expect(&r->scan, '[')) return false;
  if (e2b__json_scan_take(&r->scan, ']')) return blame(r, "argv must not be empty");
  do {
    if (e2b__json_scan_peek(&r->scan) != '"') {
      if (!e2b__json_scan_skip(&r->scan)) return false;
      blame(r, member->why);
      continue;
    }
    if (!e2b__json_scan_string(&r->scan, &token)) return false;
    char *item = copy_string(r, token, 0, member->why);
    if (item != NULL && !push(r, &list, &count, &capacity, item)) no_memory(r);
  } while (e2b__json_scan_take(&r->scan, ','));
  r->control->argv = list;
  r->control->argc = count;
  return e2b__json_scan_expect(&r->scan, ']');
}

/* "NAME=VALUE" of two strings. */
static char *join(reader_t *r, e2b__json_token_t name, e2b__json_token_t value, const char *why) {
  char *left = copy_string(r, name, 0, why);
  if (left == NULL) return NULL;
  size_t len = strlen(left);
  if (len == 0 || strchr(left, '=') != NULL) {
    blame(r, "names in envs must not be empty nor hold '='");
    return NULL;
  }
  char *text = copy_string(r, value, len + 1, why);
  if (text == NULL) return NULL;
  memcpy(text, left, len + 1);
  text[len] = '=';
  return text;
}

static bool read_map(reader_t *r, const member_t *member) {
  e2b__json_token_t name, value;
  size_t count = 0, capacity = 0;
  char **list = NULL;
  r->control->envs = NULL;
  if (!e2b__json_scan_expect(&r->scan, '{')) return false;
  if (e2b__json_scan_take(&r->scan, '}')) return true;
  do {
    if (!e2b__json_scan_name(&r->scan, &name)) return false;
    if (e2b__json_scan_peek(&r->scan) != '"') {
      if (!e2b__json_scan_skip(&r->scan)) return false;
      blame(r, member->why);
      continue;
    }
    if (!e2b__json_scan_string(&r->scan, &value)) return false;
    char *item = join(r, name, value, member->why);
    if (item != NULL && !push(r, &list, &count, &capacity, item)) no_memory(r);
  } while (e2b__json_scan_take(&r->scan, ','));
  r->control->envs = list;
  return e2b__json_scan_expect(&r->scan, '}');
}

static bool read_value(reader_t *r, size_t which) {
  static const struct {
    char first; /* of the value's text; 0: a number */
    bool (*read)(reader_t *, const member_t *);
  } kinds[] = {[TYPE] = {'"', read_type},   [NAME] = {'"', read_name}, [TEXT] = {'"', read_text},
               [NUMBER] = {0, read_number}, [LIST] = {'[', read_list}, [MAP] = {'{', read_map}};
  const member_t *member = &members[which];
  char first = e2b__json_scan_peek(&r->scan);
  /* null is absent. */
  if (first == 'n' && member->kind != TYPE) return e2b__json_scan_skip(&r->scan);
  bool fits = kinds[member->kind].first != 0 ? first == kinds[member->kind].first
                                             : first == '-' || (first >= '0' && first <= '9');
  if (!fits && member->kind != TYPE) {
    blame(r, member->why);
    return e2b__json_scan_skip(&r->scan);
  }
  r->present |= 1u << which;
  return kinds[member->kind].read(r, member);
}

static bool read_member(reader_t *r) {
  e2b__json_token_t name;
  if (!e2b__json_scan_name(&r->scan, &name)) return false;
  for (size_t i = 0; i < E2B__COUNT(members); i++)
    if (strlen(members[i].name) == name.len && memcmp(members[i].name, name.ptr, name.len) == 0)
      return read_value(r, i);
  return e2b__json_scan_skip(&r->scan);
}

static bool read_object(reader_t *r) {
  if (!e2b__json_scan_expect(&r->scan, '{')) return false;
  if (!e2b__json_scan_take(&r->scan, '}')) {
    do {
      if (!read_member(r)) return false;
    } while (e2b__json_scan_take(&r->scan, ','));
    if (!e2b__json_scan_expect(&r->scan, '}')) return false;
  }
  return e2b__json_scan_end(&r->scan) && r->has_type;
}

e2b__control_result_t e2b__control_read(e2b__control_t *control, const char *text, size_t len,
                                        e2b__arena_t *arena, const char **why) {
  reader_t r = {.control = control, .arena = arena};
  *control = (e2b__control_t){.cols = 80, .rows = 24, .ring = 256 << 10, .hold_ms = 10000};
  e2b__json_scan_init(&r.scan, text, len);
  if (!read_object(&r)) return E2B__CONTROL_BREACH;
  control->has_offset = (r.present & 1u << OFFSET) != 0;
  if (!r.is_known)
    r.why = "unknown type";
  else if ((r.present & shapes[control->type].required) != shapes[control->type].required)
    blame(&r, shapes[control->type].why);
  *why = r.why;
  return r.why == NULL ? E2B__CONTROL_GOOD : E2B__CONTROL_INVALID;
}
