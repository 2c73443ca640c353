/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_PAGE_H
#define E2B_TESTS_SUPPORT_PAGE_H

#include "e2b/handler.h"
#include "proto/json.h"
#include "support/scene.h"

/* A request handler before the scene, and a page that asks it. Answers, and what is read from them,
 * are there until the test is over. */

extern e2b_handler_t *page_handler;

/* For cmocka, beside scene_open() and scene_close(): a handler that anyone may call, and its end.
 */
int page_setup(void **state);
int page_tidy(void **state);
#define PAGE_TEST(function) cmocka_unit_test_setup_teardown(function, page_setup, page_tidy)

/* Another handler in its place. */
void page_anew(const e2b_handler_options *options);

/* What is sent where the test does not say. */
e2b_http_request page_request(const char *method, const char *body);
const e2b_http_response_t *page_asks(const e2b_http_request *request);
const e2b_http_response_t *page_posts(const char *body);
const e2b_http_response_t *page_gets(const char *query, const e2b_pair_t *headers, size_t count);

/* NULL without that header. */
const char *page_header(const e2b_http_response_t *answer, const char *name);
const cJSON *page_json(const e2b_http_response_t *answer);

/* The headers that ask for a terminal's WebSocket. */
enum { PAGE_HANDSHAKE_COUNT = 5 };
extern const e2b_pair_t page_handshake[PAGE_HANDSHAKE_COUNT];

/* A browser that reads a stream. */
typedef struct page_viewer {
  char text[1 << 18]; /* NUL-terminated */
  size_t len;
  bool ended;
} page_viewer_t;

/* Starts the stream of the answer. */
e2b_http_stream_t *page_views(page_viewer_t *v, const e2b_http_response_t *answer);
void page_until_says(const page_viewer_t *v, const char *bytes, size_t len);
void page_until_ended(const page_viewer_t *v);

#endif
