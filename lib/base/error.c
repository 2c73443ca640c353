/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
  int code;
  const char *name;
  const char *text;
  unsigned flags;
} table[] = {
#define ROW(name, number, text, flags) {number, "E2B_" #name, text, flags},
    E2B_ERROR_MAP(ROW)
#undef ROW
};

const e2b_error_t e2b__error_no_memory = {.code = E2B_ENOMEM,
                                          .message = "out of memory",
                                          .operation = "",
                                          .detail = "",
                                          .connect_code = "",
                                          .server_code = ""};

const e2b_error_t e2b__error_no_future = {.code = E2B_ENOMEM,
                                          .message = "out of memory, or an operation on no handle",
                                          .operation = "",
                                          .detail = "",
                                          .connect_code = "",
                                          .server_code = ""};

static size_t find(int code) {
  size_t i = 0;
  while (i < E2B__COUNT(table) && table[i].code != code) {
    i++;
  }
  return i;
}

const char *e2b_code_text(int code) {
  if (code == E2B_OK) return "success";
  size_t i = find(code);
  return i < E2B__COUNT(table) ? table[i].text : "unknown error";
}

const char *e2b_code_name(int code) {
  if (code == E2B_OK) return "E2B_OK";
  size_t i = find(code);
  return i < E2B__COUNT(table) ? table[i].name : "E2B_EUNKNOWN";
}

unsigned e2b_code_flags(int code) {
  size_t i = find(code);
  return i < E2B__COUNT(table) ? table[i].flags : 0;
}

e2b_error_t e2b__error(int code) {
  e2b_error_t error = {0};
  error.code = code;
  error.message = e2b_code_text(code);
  error.operation = error.detail = error.connect_code = error.server_code = "";
  return error;
}

e2b_error_t e2b__error_text(e2b__arena_t *arena, int code, const char *fmt, ...) {
  e2b_error_t error = e2b__error(code);
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  char *text = len >= 0 ? e2b__arena_alloc(arena, (size_t)len + 1) : NULL;
  if (text == NULL) return error;
  va_start(args, fmt);
  vsnprintf(text, (size_t)len + 1, fmt, args);
  va_end(args);
  error.message = text;
  return error;
}

static const char *copy(e2b__arena_t *arena, const char *s, const char *fallback) {
  if (s == NULL || *s == '\0') return "";
  const char *text = e2b__arena_strndup(arena, s, strlen(s));
  return text != NULL ? text : fallback;
}

e2b_error_t e2b__error_copy(e2b__arena_t *arena, const e2b_error_t *error) {
  e2b_error_t result = *error;
  result.message = copy(arena, error->message, e2b_code_text(error->code));
  result.operation = copy(arena, error->operation, "");
  result.detail = copy(arena, error->detail, "");
  result.connect_code = copy(arena, error->connect_code, "");
  result.server_code = copy(arena, error->server_code, "");
  return result;
}

const e2b_error_t *e2b__error_keep(e2b__arena_t *arena, const e2b_error_t *error) {
  e2b_error_t *kept = e2b__arena_alloc(arena, sizeof *kept);
  if (kept == NULL) return &e2b__error_no_memory;
  *kept = e2b__error_copy(arena, error);
  return kept;
}
