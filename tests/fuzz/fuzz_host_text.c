/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "fuzz.h"
#include "host/gzip.h"
#include "host/http_text.h"
#include "host/paths.h"

/* What the host reads out of headers, paths and compressed bodies. The first byte of the input
 * chooses. */

static void ranges(const char *text) {
  static const uint64_t sizes[] = {0, 1, 1000, UINT64_C(1) << 62};
  for (size_t i = 0; i < E2B__COUNT(sizes); i++) {
    e2b__arena_t arena = {0};
    e2b__host_range_t *list;
    size_t count;
    if (e2b__host_parse_ranges(text, sizes[i], &arena, &list, &count) == 0)
      for (size_t k = 0; k < count; k++)
        HOLDS(list[k].from <= sizes[i] && list[k].len <= sizes[i] - list[k].from);
    e2b__arena_free(&arena);
  }
}

static void conditions(const char *text) {
  bool has_ranges;
  for (unsigned which = 0; which < 5; which++) {
    const char *headers[5] = {NULL};
    headers[which] = text;
    e2b__host_conditions_t all = {headers[0], headers[1], headers[2], headers[3], headers[4]};
    unsigned status = e2b__host_check_conditions(&all, 1000000000, &has_ranges);
    HOLDS(status == 200 || status == 304 || status == 412);
  }
}

static void dates(const char *text) {
  int64_t seconds, again;
  char out[32];
  if (!e2b__host_date_parse(text, &seconds) || !e2b__host_date_write(seconds, out)) return;
  /* Of a year that the form has room for. */
  if (seconds >= -62135596800 && seconds < 253402300800)
    HOLDS(e2b__host_date_parse(out, &again) && again == seconds);
}

static void codings(const char *text) {
  bool identity;
  e2b__host_coding_t coding = e2b__host_choose_coding(text, &identity);
  HOLDS(coding != E2B__CODING_NONE || !identity);
  e2b__host_list_has(text, "gzip");
}

static void names(const char *text, size_t len) {
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 24);
  HOLDS(e2b__host_write_disposition(&out, text) == 0);
  for (size_t i = 0; i < out.len; i++)
    HOLDS((unsigned char)out.data[i] >= ' ' || out.data[i] == '\t');
  e2b__host_type_by_name(text);
  HOLDS(e2b__host_type_by_content(text, len < E2B__HOST_SNIFF ? len : E2B__HOST_SNIFF) != NULL);
  e2b__buffer_free(&out);
}

static void paths(const char *text) {
  e2b__arena_t arena = {0};
  char *clean = e2b__host_path_clean(&arena, text);
  HOLDS(clean != NULL && clean[0] == '/' && strlen(clean) <= strlen(text) + 1);
  HOLDS(strstr(clean, "//") == NULL && strstr(clean, "/../") == NULL &&
        strstr(clean, "/./") == NULL);
  size_t len = strlen(clean);
  HOLDS(len == 1 || clean[len - 1] != '/');
  HOLDS(len < 3 || strcmp(clean + len - 3, "/..") != 0);
  HOLDS(strcmp(e2b__host_path_clean(&arena, clean), clean) == 0);
  HOLDS(e2b__host_path_name(clean)[0] != '\0');
  e2b__arena_free(&arena);
}

/* The same content and the same complaint, however it is cut. */
static void inflate_in_pieces(const char *data, size_t size, size_t step, e2b__buffer_t *out) {
  e2b__gzip_reader_t reader = {0};
  char piece[512];
  for (size_t at = 0; at < size; at += step) {
    size_t len = size - at < step ? size - at : step, got;
    char *copy = malloc(len);
    HOLDS(copy != NULL);
    memcpy(copy, data + at, len);
    const char *in = copy;
    while (out->len < 1 << 20 &&
           (got = e2b__gzip_read(&reader, &in, &len, piece, sizeof piece)) > 0)
      HOLDS(e2b__buffer_append(out, piece, got) == 0);
    free(copy);
    if (out->len >= 1 << 20) break;
  }
  if (out->len < 1 << 20)
    HOLDS(e2b__buffer_printf(out, "[%d %s]", e2b__gzip_read_end(&reader), reader.why) == 0);
  e2b__gzip_reader_free(&reader);
}

static void gzip(const char *data, size_t size) {
  e2b__buffer_t whole = E2B__BUFFER_INIT(1 << 22), cut = E2B__BUFFER_INIT(1 << 22);
  e2b__buffer_t packed = E2B__BUFFER_INIT(1 << 26), back = E2B__BUFFER_INIT(1 << 26);
  e2b__gzip_reader_t reader;
  inflate_in_pieces(data, size, size + 1, &whole);
  inflate_in_pieces(data, size, 3, &cut);
  size_t same = whole.len < cut.len ? whole.len : cut.len;
  HOLDS(whole.len == cut.len || same >= 1 << 20);
  HOLDS(memcmp(whole.data, cut.data, same) == 0);
  /* And back. */
  HOLDS(e2b__gzip_whole(&packed, data, size) == 0);
  HOLDS(e2b__gunzip_whole(&back, packed.data, packed.len, &reader) == 0);
  HOLDS(back.len == size && (size == 0 || memcmp(back.data, data, size) == 0));
  e2b__buffer_free(&whole);
  e2b__buffer_free(&cut);
  e2b__buffer_free(&packed);
  e2b__buffer_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  char *text = malloc(size);
  HOLDS(text != NULL);
  memcpy(text, data + 1, size - 1);
  text[size - 1] = '\0';
  switch (data[0]) {
  case 'r': ranges(text); break;
  case 'c': conditions(text); break;
  case 'd': dates(text); break;
  case 'a': codings(text); break;
  case 'n': names(text, size - 1); break;
  case 'p': paths(text); break;
  case 'z': gzip(text, size - 1); break;
  default: break;
  }
  free(text);
  return 0;
}
