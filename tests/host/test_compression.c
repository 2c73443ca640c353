/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/gzip.h"
#include "proto/envelope.h"
#include "support/wire.h"

/* gzip of calls and of streams: where it is asked for, and nowhere else. */

#define MAKE_DIR "/filesystem.Filesystem/MakeDir"
#define REMOVE   "/filesystem.Filesystem/Remove"
#define START    "/process.Process/Start"

static const char nothing[] = "{\"path\":\"/tmp/not-there\"}";
static const char echo[] = "{\"process\":{\"cmd\":\"/bin/echo\",\"args\":[\"hi\"]}}";

static const char *header_of(wire_exchange_t *exchange, const char *name) {
  struct curl_header *header;
  if (curl_easy_header(exchange->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return "";
  return header->value;
}

static wire_exchange_t *call(const char *path, const void *body, size_t len, const char *header) {
  const char *const headers[] = {header, NULL};
  return wire_ask("POST", path, "application/json", body, len, headers);
}

static void succeeds(const char *header, bool compressed) {
  wire_exchange_t *exchange = call(REMOVE, nothing, sizeof nothing - 1, header);
  assert_int_equal(exchange->status, 200);
  assert_string_equal(header_of(exchange, "Content-Encoding"), compressed ? "gzip" : "");
  assert_string_equal(header_of(exchange, "Accept-Encoding"), "gzip");
  if (compressed) {
    e2b__gzip_reader_t reader;
    e2b__buffer_t plain = E2B__BUFFER_INIT(4096);
    assert_int_equal(e2b__gunzip_whole(&plain, exchange->body.data, exchange->body.len, &reader),
                     0);
    assert_string_equal(plain.data, "{}");
    e2b__buffer_free(&plain);
  } else {
    assert_string_equal(exchange->body.data, "{}");
  }
  wire_end(exchange);
}

static void only_who_lists_gzip_gets_it(void **state) {
  (void)state;
  succeeds(NULL, false);
  succeeds("Accept-Encoding: gzip", true);
  succeeds("Accept-Encoding: deflate, gzip", true);
  succeeds("Accept-Encoding: br gzip", true);
  succeeds("Accept-Encoding: gzip;q=1", false);
  succeeds("Accept-Encoding: Gzip", false);
  succeeds("Connect-Accept-Encoding: gzip", false);
}

static void failures_are_plain(void **state) {
  (void)state;
  wire_exchange_t *exchange =
      call("/filesystem.Filesystem/Stat", nothing, sizeof nothing - 1, "Accept-Encoding: gzip");
  assert_int_equal(exchange->status, 404);
  assert_string_equal(header_of(exchange, "Content-Encoding"), "");
  assert_non_null(strstr(exchange->body.data, "\"code\":\"not_found\""));
  wire_end(exchange);
}

static void refuses(const char *body, size_t len, const char *header, long status,
                    const char *text) {
  wire_exchange_t *exchange = call(MAKE_DIR, body, len, header);
  assert_int_equal(exchange->status, status);
  assert_non_null(strstr(exchange->body.data, text));
  wire_end(exchange);
}

static void requests_may_be_compressed(void **state) {
  e2b__buffer_t gzip = E2B__BUFFER_INIT(4096);
  (void)state;
  assert_int_equal(e2b__gzip_whole(&gzip, nothing, sizeof nothing - 1), 0);
  wire_exchange_t *exchange = call(MAKE_DIR, gzip.data, gzip.len, "Content-Encoding: gzip");
  assert_int_equal(exchange->status, 200);
  /* Who sends it gets it. */
  assert_string_equal(header_of(exchange, "Content-Encoding"), "gzip");
  wire_end(exchange);
  refuses(gzip.data, gzip.len - 9, "Content-Encoding: gzip", 400, "decompress: unexpected EOF");
  refuses("0123456789ab", 12, "Content-Encoding: gzip", 400,
          "get decompressor: gzip: invalid header");
  refuses(nothing, sizeof nothing - 1, "Content-Encoding: br", 501, "supported encodings are gzip");
  e2b__buffer_free(&gzip);
}

/* Runs echo; `sent` and `received` say which side compresses. */
static void streams(const char *header, bool sent, bool received) {
  const char *const headers[] = {header, NULL};
  e2b__buffer_t body = E2B__BUFFER_INIT(4096), text = E2B__BUFFER_INIT(65536);
  e2b__envelope_decoder_t decoder;
  e2b__envelope_t envelope;
  unsigned char prefix[E2B__ENVELOPE_PREFIX] = {0};
  assert_int_equal(e2b__buffer_append(&body, prefix, sizeof prefix), 0);
  assert_int_equal(sent ? e2b__gzip_whole(&body, echo, sizeof echo - 1)
                        : e2b__buffer_append(&body, echo, sizeof echo - 1),
                   0);
  e2b__envelope_prefix((unsigned char *)body.data, sent, body.len - sizeof prefix);
  wire_exchange_t *exchange =
      wire_ask("POST", START, "application/connect+json", body.data, body.len, headers);
  assert_int_equal(exchange->status, 200);
  assert_string_equal(header_of(exchange, "Connect-Accept-Encoding"), "gzip");
  assert_string_equal(header_of(exchange, "Connect-Content-Encoding"), received ? "gzip" : "");
  const char *data = exchange->body.data;
  size_t len = exchange->body.len;
  e2b__envelope_decoder_init(&decoder, 65536);
  while (e2b__envelope_next(&decoder, &data, &len, &envelope) == 1) {
    e2b__gzip_reader_t reader;
    assert_int_equal(envelope.flags & E2B__ENVELOPE_COMPRESSED, received);
    assert_int_equal(received ? e2b__gunzip_whole(&text, envelope.payload, envelope.len, &reader)
                              : e2b__buffer_append(&text, envelope.payload, envelope.len),
                     0);
  }
  e2b__envelope_decoder_free(&decoder);
  assert_non_null(strstr(text.data, "\"stdout\":\"aGkK\""));
  assert_string_equal(text.data + text.len - 2, "{}");
  wire_end(exchange);
  e2b__buffer_free(&body);
  e2b__buffer_free(&text);
}

static void streams_compress_every_envelope_or_none(void **state) {
  (void)state;
  streams(NULL, false, false);
  streams("Accept-Encoding: gzip", false, false);
  streams("Connect-Accept-Encoding: gzip", false, true);
  streams("Connect-Content-Encoding: gzip", false, true);
  streams("Connect-Content-Encoding: gzip", true, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WIRE_TEST(only_who_lists_gzip_gets_it),
      WIRE_TEST(failures_are_plain),
      WIRE_TEST(requests_may_be_compressed),
      WIRE_TEST(streams_compress_every_envelope_or_none),
  };
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
