/* SPDX-License-Identifier: MIT */
#ifndef E2B_BENCH_FLOOR_MULTI_H
#define E2B_BENCH_FLOOR_MULTI_H

#include <curl/curl.h>
#include <stdbool.h>
#include <uv.h>

/* The floor of everything over HTTP: libcurl's multi on libuv, as lean as we can write it. Handles
 * are made once and used again and again, their headers are made beforehand, no name is resolved,
 * polls stay registered while nothing is wanted, and nothing is checked that curl does not tell. */

typedef struct multi {
  uv_loop_t loop;
  CURLM *curl;
  uv_timer_t timer;
  struct multi_poll **polls; /* by descriptor */
  size_t polls_size;
  void (*on_done)(CURL *easy, CURLcode result); /* the handle is out of the multi */
  const unsigned *left;
} multi_t;

void multi_init(multi_t *multi, long max_connections, void (*on_done)(CURL *, CURLcode));
/* A handle that is ready for its first curl_multi_add_handle(). */
CURL *multi_easy(multi_t *multi, const char *url, struct curl_slist *headers);
/* Turns the loop until `*left` is 0. */
void multi_run(multi_t *multi, const unsigned *left);

/* The headers that the library sends too. */
struct curl_slist *multi_api_headers(void);
struct curl_slist *multi_stream_headers(void);
/* A Start request for the program `line`, in its envelope. Its length. */
size_t multi_start_body(const char *line, char *body, size_t size);

#endif
