/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

typedef struct field {
  unsigned number;
  uint64_t value; /* of a varint */
  const unsigned char *data;
  size_t len;
} field_t;

static int append(char **to, size_t *len, size_t *size, const void *data, size_t count) {
  if (*size - *len < count) {
    const size_t wanted = (*len + count) * 2;
    char *larger = realloc(*to, wanted);
    if (larger == NULL) return -1;
    *to = larger;
    *size = wanted;
  }
  memcpy(*to + *len, data, count);
  *len += count;
  return 0;
}

static int varint(const unsigned char **at, const unsigned char *end, uint64_t *value) {
  *value = 0;
  for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
    const unsigned char byte = *(*at)++;
    *value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return 1;
  }
  return 0;
}

/* 1 with the next field, 0 at the end, -1 when there is none. */
static int next_field(const unsigned char **at, const unsigned char *end, field_t *field) {
  uint64_t tag;
  if (*at == end) return 0;
  if (!varint(at, end, &tag) || !varint(at, end, &field->value)) return -1;
  field->number = (unsigned)(tag >> 3);
  field->data = *at;
  field->len = 0;
  if ((tag & 7) == 0) return 1;
  if ((tag & 7) != 2 || field->value > (uint64_t)(end - *at)) return -1;
  field->len = (size_t)field->value;
  *at += field->len;
  return 1;
}

static int take_message(events_t *events, const unsigned char *at, const unsigned char *end) {
  field_t response, event, field;
  if (next_field(&at, end, &response) != 1 || response.number != 1) return -1;
  at = response.data;
  end = at + response.len;
  if (next_field(&at, end, &event) != 1) return -1;
  at = event.data;
  end = at + event.len;
  int more;
  while ((more = next_field(&at, end, &field)) == 1) {
    if (event.number == 1) events->started = 1;
    if (event.number == 2 && field.number == 1 &&
        append(&events->output, &events->output_len, &events->output_size, field.data, field.len) !=
            0) {
      return -1;
    }
    if (event.number == 3 && field.number == 1) events->exit_code = (int)(field.value >> 1);
    if (event.number == 3) events->exited = 1;
  }
  return more;
}

/* The length of the envelope at `data`, which has at least its prefix. */
static size_t envelope(const char *data) {
  const unsigned char *p = (const unsigned char *)data;
  return 5 + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
}

static int take_envelope(events_t *events, const char *data, size_t len) {
  if (data[0] & 2) {
    events->ended = 1;
    return len == 7 ? 0 : -1; /* "{}": no error */
  }
  return take_message(events, (const unsigned char *)data + 5, (const unsigned char *)data + len);
}

int events_take(events_t *events, const char *data, size_t len) {
  while (events->kept_len > 0) {
    const size_t whole = events->kept_len < 5 ? 5 : envelope(events->kept);
    const size_t missing = whole - events->kept_len;
    const size_t piece = len < missing ? len : missing;
    if (append(&events->kept, &events->kept_len, &events->kept_size, data, piece) != 0) return -1;
    data += piece;
    len -= piece;
    if (events->kept_len < 5 || events->kept_len < envelope(events->kept)) {
      if (len == 0) return 0;
      continue;
    }
    if (take_envelope(events, events->kept, events->kept_len) != 0) return -1;
    events->kept_len = 0;
  }
  while (len >= 5 && len >= envelope(data)) {
    const size_t whole = envelope(data);
    if (take_envelope(events, data, whole) != 0) return -1;
    data += whole;
    len -= whole;
  }
  return len > 0 ? append(&events->kept, &events->kept_len, &events->kept_size, data, len) : 0;
}

void events_reset(events_t *events) {
  events->kept_len = events->output_len = 0;
  events->started = events->exited = events->exit_code = events->ended = 0;
}

void events_free(events_t *events) {
  free(events->kept);
  free(events->output);
}
