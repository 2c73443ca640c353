/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon.h"

/* Process events as the daemon sends them: Connect envelopes, each in a chunk of its own. */

enum { LARGEST = 64 * 1024, BLOCK = 256 * 1024, SLOTS = 100, SLOT_MS = 10, LONGEST_LINE = 256 };

typedef struct text {
  char data[BLOCK + 2 * LARGEST];
  size_t len;
} text_t;

/* What floods repeat: as many events as fit, made when first asked for. */
typedef struct block {
  text_t text;
  bool json;
  size_t chunk;
  size_t events;
  struct block *next;
} block_t;

static block_t *blocks;
static connection_t *slots[SLOTS];
static unsigned next_slot, tick_slot;

static void put(text_t *text, const void *data, size_t len) {
  memcpy(text->data + text->len, data, len);
  text->len += len;
}

static void put_text(text_t *text, const char *s) {
  put(text, s, strlen(s));
}

static void put_base64(text_t *text, const unsigned char *data, size_t len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < len; i += 3) {
    const size_t left = len - i;
    const unsigned bits = (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) |
                          (left > 2 ? data[i + 2] : 0);
    const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                          left > 1 ? digits[bits >> 6 & 63] : '=',
                          left > 2 ? digits[bits & 63] : '='};
    put(text, four, 4);
  }
}

/* A field of protobuf's wire format that has a length. */
static void put_field(text_t *text, unsigned number, const void *data, size_t len) {
  unsigned char prefix[8] = {(unsigned char)(number << 3 | 2)};
  size_t at = 1;
  size_t rest = len;
  for (; rest >= 128; rest >>= 7) {
    prefix[at++] = (unsigned char)(rest | 128);
  }
  prefix[at++] = (unsigned char)rest;
  put(text, prefix, at);
  put(text, data, len);
}

static void put_chunk(text_t *out, unsigned flags, const text_t *payload) {
  char size[16];
  const unsigned char prefix[5] = {(unsigned char)flags, (unsigned char)(payload->len >> 24),
                                   (unsigned char)(payload->len >> 16),
                                   (unsigned char)(payload->len >> 8), (unsigned char)payload->len};
  snprintf(size, sizeof size, "%zx\r\n", payload->len + sizeof prefix);
  put_text(out, size);
  put(out, prefix, sizeof prefix);
  put(out, payload->data, payload->len);
  put_text(out, "\r\n");
}

/* StartResponse with one event: `number` of the oneof, its message in both encodings. */
static void put_event(text_t *out, bool json, unsigned number, const char *name,
                      const text_t *message) {
  static text_t event, payload;
  event.len = payload.len = 0;
  if (json) {
    put_text(&payload, "{\"event\":{\"");
    put_text(&payload, name);
    put_text(&payload, "\":");
    put(&payload, message->data, message->len);
    put_text(&payload, "}}");
  } else {
    put_field(&event, number, message->data, message->len);
    put_field(&payload, 1, event.data, event.len);
  }
  put_chunk(out, 0, &payload);
}

static void put_stdout(text_t *out, bool json, const void *data, size_t len) {
  static text_t message;
  message.len = 0;
  if (json) {
    put_text(&message, "{\"stdout\":\"");
    put_base64(&message, data, len);
    put_text(&message, "\"}");
  } else {
    put_field(&message, 1, data, len);
  }
  put_event(out, json, 2, "data", &message);
}

static void put_head(text_t *out, bool json) {
  static text_t message;
  message.len = 0;
  put_text(out, "HTTP/1.1 200 OK\r\nContent-Type: application/connect+");
  put_text(out, json ? "json" : "proto");
  put_text(out, "\r\nTransfer-Encoding: chunked\r\n\r\n");
  put_text(&message, json ? "{\"pid\":1234}" : "\x08\xd2\x09");
  put_event(out, json, 1, "start", &message);
}

static void put_end(text_t *out, bool json) {
  static text_t message;
  static const text_t nothing = {"{}", 2};
  message.len = 0;
  /* An exit code of 0 is not written in either. */
  put_text(&message, json ? "{\"exited\":true,\"status\":\"exit status 0\"}"
                          : "\x10\x01\x1a\x0d"
                            "exit status 0");
  put_event(out, json, 3, "end", &message);
  put_chunk(out, 2, &nothing);
  put_text(out, "0\r\n\r\n");
}

void line(connection_t *connection, bool json, const char *output) {
  static struct {
    char output[LONGEST_LINE];
    text_t text;
  } answers[2];
  text_t *answer = &answers[json].text;
  if (strcmp(answers[json].output, output) != 0) {
    if (strlen(output) >= LONGEST_LINE) abort();
    strcpy(answers[json].output, output);
    answer->len = 0;
    put_head(answer, json);
    put_stdout(answer, json, output, strlen(output));
    put_end(answer, json);
  }
  connection_write(connection, answer->data, answer->len);
}

/* --- floods ------------------------------------------------------------------------------------
 */

static const block_t *block_of(bool json, size_t chunk) {
  for (const block_t *block = blocks; block != NULL; block = block->next) {
    if (block->json == json && block->chunk == chunk) return block;
  }
  static char output[LARGEST];
  memset(output, 'x', sizeof output);
  block_t *block = calloc(1, sizeof *block);
  if (block == NULL || chunk == 0 || chunk > LARGEST / 2) abort();
  block->json = json;
  block->chunk = chunk;
  while (block->text.len < BLOCK) {
    put_stdout(&block->text, json, output, chunk);
    block->events++;
  }
  block->next = blocks;
  return blocks = block;
}

static void flood_more(connection_t *connection) {
  const block_t *block = connection->block;
  if (connection->left >= block->events) {
    connection->left -= block->events;
    connection_write(connection, block->text.data, block->text.len);
    return;
  }
  static text_t last[2];
  text_t *text = &last[connection->json];
  connection->more = NULL;
  if (text->len == 0) put_end(text, connection->json);
  connection_write(connection, text->data, text->len);
}

/* Whole blocks: at least `total` bytes of output. */
void flood_start(connection_t *connection, bool json, size_t chunk, uint64_t total) {
  static text_t head[2];
  if (head[json].len == 0) put_head(&head[json], json);
  connection_write(connection, head[json].data, head[json].len);
  connection->json = json;
  connection->block = block_of(json, chunk);
  const uint64_t of_block = connection->block->events * chunk;
  connection->left = (total + of_block - 1) / of_block * connection->block->events;
  connection->more = flood_more;
  flood_more(connection);
}

/* --- ticks -------------------------------------------------------------------------------------
 */

void ticks_start(connection_t *connection, bool json) {
  static text_t head[2];
  if (head[json].len == 0) put_head(&head[json], json);
  connection_write(connection, head[json].data, head[json].len);
  connection->json = json;
  connection_t **slot = &slots[next_slot++ % SLOTS];
  connection->next_tick = *slot;
  connection->at_tick = slot;
  if (*slot != NULL) (*slot)->at_tick = &connection->next_tick;
  *slot = connection;
}

void ticks_forget(connection_t *connection) {
  free(connection->head);
  connection->head = NULL;
  if (connection->at_tick == NULL) return;
  *connection->at_tick = connection->next_tick;
  if (connection->next_tick != NULL) connection->next_tick->at_tick = connection->at_tick;
  connection->at_tick = NULL;
}

static void on_tick(uv_timer_t *timer) {
  static text_t event[2];
  char output[24];
  struct timespec now;
  (void)timer;
  clock_gettime(CLOCK_MONOTONIC, &now);
  snprintf(output, sizeof output, "%016llu\n",
           (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
  for (int json = 0; json < 2; json++) {
    event[json].len = 0;
    put_stdout(&event[json], json, output, strlen(output));
  }
  connection_t *connection = slots[tick_slot++ % SLOTS];
  while (connection != NULL) {
    connection_t *next = connection->next_tick;
    connection_write(connection, event[connection->json].data, event[connection->json].len);
    connection = next;
  }
}

void events_init(uv_loop_t *loop) {
  static uv_timer_t timer;
  uv_timer_init(loop, &timer);
  uv_timer_start(&timer, on_tick, SLOT_MS, SLOT_MS);
}
