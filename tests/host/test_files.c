/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "host/entry.h"
#include "host/gzip.h"
#include "support/wire.h"

/* /files beyond what was recorded: ranges, conditions, content codings, parts and their names. */

#define RAW   "application/octet-stream"
#define PARTS "multipart/form-data; boundary=B"

static wire_exchange_t *upload(const char *path, const char *type, const void *body, size_t len,
                               const char *header) {
  char url[400];
  const char *const headers[] = {header, NULL};
  snprintf(url, sizeof url, "/files?username=user%s%s", path != NULL ? "&path=" : "",
           path != NULL ? path : "");
  return wire_ask("POST", url, type, body, len, headers);
}

static void put(const char *path, const void *content, size_t len, const char *header) {
  wire_exchange_t *exchange = upload(path, RAW, content, len, header);
  assert_int_equal(exchange->status, 200);
  wire_end(exchange);
}

static wire_exchange_t *get(const char *path, const char *header) {
  char url[400];
  const char *const headers[] = {header, NULL};
  snprintf(url, sizeof url, "/files?username=user&path=%s", path);
  return wire_ask("GET", url, "", "", 0, headers);
}

static const char *header_of(wire_exchange_t *exchange, const char *name) {
  struct curl_header *header;
  if (curl_easy_header(exchange->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return "";
  return header->value;
}

/* What a GET gives: status, one header (NULL: none is looked at), body. */
static void gives(const char *path, const char *ask, long status, const char *name,
                  const char *value, const char *body) {
  wire_exchange_t *exchange = get(path, ask);
  print_message("%s %s\n", path, ask != NULL ? ask : "");
  assert_int_equal(exchange->status, status);
  if (name != NULL) assert_string_equal(header_of(exchange, name), value);
  if (body != NULL)
    assert_string_equal(exchange->body.data != NULL ? exchange->body.data : "", body);
  wire_end(exchange);
}

static void fails(wire_exchange_t *exchange, long status, const char *text) {
  assert_int_equal(exchange->status, status);
  assert_non_null(exchange->body.data);
  if (strstr(exchange->body.data, text) == NULL)
    fail_msg("'%s' is not in: %s", text, exchange->body.data);
  wire_end(exchange);
}

static void ranges(void **state) {
  (void)state;
  put("r", "0123456789", 10, NULL);
  gives("r", "Range: bytes=2-4", 206, "Content-Range", "bytes 2-4/10", "234");
  gives("r", "Range: bytes=-3", 206, "Content-Range", "bytes 7-9/10", "789");
  gives("r", "Range: bytes=8-100", 206, "Content-Range", "bytes 8-9/10", "89");
  gives("r", "Range: bytes=0-9,0-9", 200, "Accept-Ranges", "bytes", "0123456789");
  gives("r", "Range: bytes=10-", 416, "Content-Range", "bytes */10",
        "invalid range: failed to overlap\n");
  gives("r", "Range: bytes=5-2", 416, NULL, NULL, "invalid range\n");
  gives("r", "Range: lines=1-2", 416, NULL, NULL, "invalid range\n");
  wire_exchange_t *exchange = get("r", "Range: bytes=0-1,8-");
  assert_int_equal(exchange->status, 206);
  const char *type = header_of(exchange, "Content-Type");
  assert_memory_equal(type, "multipart/byteranges; boundary=", 31);
  char wanted[512];
  snprintf(
      wanted, sizeof wanted,
      "--%s\r\nContent-Range: bytes 0-1/10\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n01"
      "\r\n--%s\r\nContent-Range: bytes 8-9/10\r\nContent-Type: text/plain; "
      "charset=utf-8\r\n\r\n89\r\n--%s--\r\n",
      type + 31, type + 31, type + 31);
  assert_string_equal(exchange->body.data, wanted);
  wire_end(exchange);
}

static void conditions(void **state) {
  (void)state;
  put("c", "content", 7, NULL);
  gives("c", "If-None-Match: *", 304, "Vary", "Accept-Encoding", "");
  gives("c", "If-Modified-Since: Fri Jan  1 00:00:00 2100", 304, NULL, NULL, "");
  gives("c", "If-Modified-Since: nonsense", 200, NULL, NULL, "content");
  gives("c", "If-Unmodified-Since: Fri, 01 Jan 1999 00:00:00 GMT", 412, NULL, NULL, "");
  gives("c", "If-Match: \"tag\"", 412, NULL, NULL, "");
  gives("c", "If-Match: *", 200, NULL, NULL, "content");
  wire_exchange_t *exchange = wire_ask(
      "GET", "/files?username=user&path=c", "", "", 0,
      (const char *const[]){"Range: bytes=0-1", "If-Range: Fri, 01 Jan 1999 00:00:00 GMT", NULL});
  assert_int_equal(exchange->status, 200);
  assert_int_equal(exchange->body.len, 7);
  wire_end(exchange);
}

static void codings(void **state) {
  (void)state;
  put("t.txt", "text", 4, NULL);
  put("e", "", 0, NULL);
  gives("t.txt", "Accept-Encoding: br, deflate", 200, "Content-Encoding", "", "text");
  gives("t.txt", "Accept-Encoding: identity, gzip", 200, "Content-Encoding", "", "text");
  gives("t.txt", "Accept-Encoding: *", 200, "Content-Encoding", "", "text");
  gives("t.txt", "Accept-Encoding: deflate, gzip", 200, "Content-Encoding", "gzip", NULL);
  gives("t.txt", "Accept-Encoding: gzip", 200, "Content-Type", "text/plain; charset=utf-8", NULL);
  gives("e", "Accept-Encoding: gzip", 200, "Content-Type", "application/octet-stream", NULL);
  gives("t.txt", "Accept-Encoding: *;q=0", 406, "Content-Type", "application/json; charset=utf-8",
        NULL);
  wire_exchange_t *exchange = wire_ask(
      "GET", "/files?username=user&path=t.txt", "", "", 0,
      (const char *const[]){"Range: bytes=0-1", "Accept-Encoding: gzip, identity;q=0", NULL});
  fails(exchange, 406, "identity encoding not acceptable for Range or conditional request");
}

static void names_and_types(void **state) {
  (void)state;
  put("%C3%BC%20x.json", "{}", 2, NULL);
  put("sp%20%22q", "\x89PNG\r\n\x1a\n", 8, NULL);
  gives("%C3%BC%20x.json", NULL, 200, "Content-Disposition",
        "inline; filename*=utf-8''%C3%BC%20x.json", "{}");
  gives("%C3%BC%20x.json", NULL, 200, "Content-Type", "application/json", "{}");
  gives("sp%20%22q", NULL, 200, "Content-Disposition", "inline; filename=\"sp \\\"q\"", NULL);
  gives("sp%20%22q", NULL, 200, "Content-Type", "image/png", NULL);
  gives("/proc/sys/kernel/ostype", "Accept-Encoding: gzip", 200, "Content-Encoding", "gzip", NULL);
}

/* A body that does not compress, far larger than any buffer on the way. */
static void large_bodies_pass_in_every_coding(void **state) {
  enum { SIZE = 12 << 20 };
  (void)state;
  char *content = malloc(SIZE);
  assert_non_null(content);
  uint32_t seed = 1;
  for (size_t i = 0; i < SIZE; i++)
    content[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
  e2b__buffer_t gzip = E2B__BUFFER_INIT(64 << 20), plain = E2B__BUFFER_INIT(64 << 20);
  e2b__gzip_reader_t reader;
  assert_int_equal(e2b__gzip_whole(&gzip, content, SIZE), 0);
  put("big", gzip.data, gzip.len, "Content-Encoding: gzip");
  wire_exchange_t *exchange = get("big", NULL);
  assert_int_equal(exchange->body.len, SIZE);
  assert_memory_equal(exchange->body.data, content, SIZE);
  wire_end(exchange);
  exchange = get("big", "Accept-Encoding: gzip");
  assert_int_equal(e2b__gunzip_whole(&plain, exchange->body.data, exchange->body.len, &reader), 0);
  assert_int_equal(plain.len, SIZE);
  assert_memory_equal(plain.data, content, SIZE);
  wire_end(exchange);
  e2b__buffer_free(&gzip);
  e2b__buffer_free(&plain);
  free(content);
}

static void a_compressed_body_may_be_broken(void **state) {
  static const char text[] = "content content content content";
  e2b__buffer_t gzip = E2B__BUFFER_INIT(4096);
  (void)state;
  assert_int_equal(e2b__gzip_whole(&gzip, text, sizeof text - 1), 0);
  fails(upload("b1", RAW, gzip.data, gzip.len - 6, "Content-Encoding: gzip"), 500,
        "error writing file: unexpected EOF");
  gives("b1", NULL, 200, NULL, NULL, text);
  fails(upload("b2", RAW, gzip.data, 5, "Content-Encoding: gzip"), 400,
        "failed to create gzip reader: unexpected EOF");
  fails(upload("b2", RAW, "", 0, "Content-Encoding: gzip"), 400,
        "failed to create gzip reader: EOF");
  fails(upload("b2", RAW, "0123456789ab", 12, "Content-Encoding: gzip"), 400,
        "gzip: invalid header");
  gives("b2", NULL, 404, NULL, NULL, NULL);
  gzip.data[gzip.len - 5] ^= 1;
  fails(upload("b3", RAW, gzip.data, gzip.len, "Content-Encoding: gzip"), 500,
        "gzip: invalid checksum");
  e2b__buffer_free(&gzip);
}

static void parts(void **state) {
  static const char quoted[] = "--B\r\nContent-Disposition: form-data; name=\"file\"; "
                               "filename=\"m 2\\\"q\"\r\n\r\nx\r\n--B--\r\n";
  static const char unnamed[] =
      "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nunnamed\r\n--B--\r\n";
  static const char other[] = "--B\r\nContent-Disposition: form-data; name=\"other\"; "
                              "filename=\"o\"\r\n\r\nx\r\n--B--\r\n";
  (void)state;
  fails(upload(NULL, PARTS, quoted, sizeof quoted - 1, NULL), 200, "m 2\\\"q\"");
  gives("m%202%22q", NULL, 200, NULL, NULL, "x");
  fails(upload(NULL, PARTS, unnamed, sizeof unnamed - 1, NULL), 400,
        "filename not found in Content-Disposition header");
  fails(upload("un", PARTS, unnamed, sizeof unnamed - 1, NULL), 200, "/un\"");
  gives("un", NULL, 200, NULL, NULL, "unnamed");
  fails(upload(NULL, PARTS, other, sizeof other - 1, NULL), 200, "[]");
  fails(upload("cut", PARTS, unnamed, sizeof unnamed - 8, NULL), 500,
        "error writing file: unexpected EOF");
  fails(upload(NULL, PARTS, "garbage", 7, NULL), 500,
        "error reading form: multipart: NextPart: EOF");
  fails(upload(NULL, "multipart/form-data", "x", 1, NULL), 500,
        "no multipart boundary param in Content-Type");
  fails(upload(NULL, "multipart/related; boundary=B", "x", 1, NULL), 500,
        "isn't multipart/form-data");
}

static void an_upload_replaces_in_place(void **state) {
  (void)state;
  put("old", "long content", 12, NULL);
  put("old", "new", 3, NULL);
  gives("old", NULL, 200, NULL, NULL, "new");
  fails(upload("old/x", RAW, "x", 1, NULL), 500, "error ensuring directories: path is a file: ");
  put("d1/d2/f", "x", 1, NULL);
  fails(upload("d1/d2", RAW, "x", 1, NULL), 400, "path is a directory: ");
  fails(upload("a&path=b", RAW, "x", 1, NULL), 400,
        "multiple values for single value parameter 'path'");
}

static void composing_is_all_or_nothing(void **state) {
  static const char todir[] = "{\"source_paths\":[\"p1\",\"p1\"],\"destination\":\"dir\","
                              "\"username\":\"user\"}";
  static const char good[] = "{\"source_paths\":[\"p1\",\"p1\"],\"destination\":\"to/out\","
                             "\"username\":\"user\"}";
  static const char same[] = "{\"source_paths\":[\"p1\"],\"destination\":\"p1\","
                             "\"username\":\"user\"}";
  (void)state;
  put("p1", "ab", 2, NULL);
  put("dir/x", "", 0, NULL);
  fails(wire_ask("POST", "/files/compose", "", todir, sizeof todir - 1, NULL), 500,
        "error finalizing compose");
  fails(wire_ask("POST", "/files/compose", "", same, sizeof same - 1, NULL), 400,
        "cannot be the same as destination");
  fails(wire_ask("POST", "/files/compose", "", "", 0, NULL), 400, "invalid request body: EOF");
  gives("p1", NULL, 200, NULL, NULL, "ab");
  fails(wire_ask("POST", "/files/compose", "", good, sizeof good - 1, NULL), 200, "to/out\"");
  gives("to/out", NULL, 200, NULL, NULL, "abab");
  gives("p1", NULL, 404, NULL, NULL, NULL);
}

/* Of many files each has a little metadata: together they must not cost more than they hold. */
static void metadata_takes_the_room_it_needs(void **state) {
  char path[] = "/var/tmp/e2b-metadata-XXXXXX";
  static char room[1024];
  e2b__arena_t arena = {0};
  e2b__str_pair_t *pairs;
  size_t count;
  (void)state;
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  unlink(path);
  assert_int_equal(fsetxattr(fd, "user.e2b.k", "v", 1, 0), 0);
  assert_int_equal(fsetxattr(fd, "user.other", "v", 1, 0), 0);
  e2b__arena_lend(&arena, room, sizeof room);
  assert_int_equal(e2b__host_metadata_read(fd, &arena, &pairs, &count), 0);
  assert_int_equal(count, 1);
  assert_in_range((uintptr_t)pairs, (uintptr_t)room, (uintptr_t)room + sizeof room);
  assert_string_equal(pairs[0].name.ptr, "k");
  e2b__arena_free(&arena);
  close(fd);
}

/* An answer has a ceiling: who asks for more is told so. */
static void a_list_may_be_too_long(void **state) {
  static const char body[] = "{\"path\":\"/home/user/many\"}";
  (void)state;
  wire_shell("mkdir ~user/many && cd ~user/many && python3 -c 'import os\n"
             "for i in range(17500):\n"
             "  fd = os.open(str(i), os.O_CREAT | os.O_WRONLY)\n"
             "  os.setxattr(fd, \"user.e2b.k\", b\"v\" * 3900)\n"
             "  os.close(fd)'");
  fails(wire_ask("POST", "/filesystem.Filesystem/ListDir", "application/json", body,
                 sizeof body - 1, NULL),
        429, "too many entries");
}

/* The disk of the machine must not be filled with what the sandbox does not have. */
static void composing_keeps_holes(void **state) {
  static const char body[] = "{\"source_paths\":[\"h1\",\"h2\",\"h1\"],\"destination\":\"holes\","
                             "\"username\":\"user\"}";
  (void)state;
  wire_shell("cd ~user && truncate -s 200M h1 && printf two >h2");
  fails(wire_ask("POST", "/files/compose", "", body, sizeof body - 1, NULL), 200, "holes\"");
  wire_shell("cd ~user && test $(stat -c %s holes) = $((400 * 1048576 + 3)) && "
             "test $(stat -c %b holes) -lt 1000 && "
             "python3 -c 'f = open(\"holes\", \"rb\"); f.seek((200 << 20) - 1); "
             "assert f.read(5) == b\"\\0two\\0\"'");
}

static void the_sandbox_may_end_meanwhile(void **state) {
  static char half[300000];
  static const char body[] =
      "{\"source_paths\":[\"p\",\"p\",\"p\"],\"destination\":\"o\",\"username\":\"user\"}";
  (void)state;
  put("p", half, sizeof half, NULL);
  wire_exchange_t *down = wire_begin("GET", "/files?username=user&path=/dev/zero", "", "", 0,
                                     (const char *const[]){"Accept-Encoding: gzip", NULL});
  wire_exchange_t *compose = wire_begin("POST", "/files/compose", "", body, sizeof body - 1, NULL);
  wire_turn();
  wire_kill();
  wire_turn_for(50);
  wire_end(compose);
  wire_end(down);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WIRE_TEST(ranges),
      WIRE_TEST(conditions),
      WIRE_TEST(codings),
      WIRE_TEST(names_and_types),
      WIRE_TEST(large_bodies_pass_in_every_coding),
      WIRE_TEST(a_compressed_body_may_be_broken),
      WIRE_TEST(parts),
      WIRE_TEST(an_upload_replaces_in_place),
      WIRE_TEST(composing_is_all_or_nothing),
      WIRE_TEST(composing_keeps_holes),
      WIRE_TEST(metadata_takes_the_room_it_needs),
      WIRE_TEST(a_list_may_be_too_long),
      WIRE_TEST(the_sandbox_may_end_meanwhile),
  };
  return cmocka_run_group_tests(tests, wire_open, wire_close);
}
