/* SPDX-License-Identifier: MIT */
#ifndef E2B_WEB_H
#define E2B_WEB_H

#include "e2b/handler.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/* A web server for e2b_handle_request(): libmicrohttpd on the application's libuv loop, for those
 * who have no server of their own. In the library libe2b_web. Starts no thread.
 *
 * A client that has left ends what it asked for: its run is killed. One that only ends its sending
 * side (shutdown(SHUT_WR), `nc -N`) before it has its answer has left, too: nothing on the wire
 * tells the two apart until something is sent, and nginx and Node.js see it alike. A client keeps
 * its side open until it has read its answer. What comes in order before the end is still heard:
 * keystrokes on a WebSocket, for instance. */
typedef struct e2b_web e2b_web_t;

/* A page, a script: served as it is. Borrowed as long as the server lives. */
typedef struct e2b_web_file {
  const char *path; /* "/app.js"; "/" for the first page */
  const char *content_type;
  const void *data;
  size_t len;
} e2b_web_file_t;

typedef struct e2b_web_options {
  size_t size;
  const char *listen; /* "ADDRESS:PORT"; default "127.0.0.1:8080"; port 0 is any free one */
  const char *path;   /* what the handler answers; default "/api/compute" */
  const e2b_web_file_t *files; /* anything else is 404 */
  size_t files_count;
  size_t max_body_bytes;    /* default 8 MiB; past it 413 */
  unsigned max_connections; /* default 10,000 */
  /* Until a request has come whole, else 408; and how long a connection may ask for nothing, or
   * leave an answer unread, before it is closed (a WebSocket: at least two minutes, in which a
   * client that vanished without a word is noticed, too). Default 60,000. */
  uint64_t request_timeout_ms;
  /* Of all the bodies together that are just coming, from whomever: a caller is known only when his
   * has come. Default 256 MiB; past it 503. */
  size_t max_bodies_bytes;
} e2b_web_options;

/* Listens. 0 and *web; E2B_EINVAL (`listen`, or no handler), E2B_ENOMEM, E2B_ESYSTEM; `why` (if not
 * NULL, `why_size` bytes) says what is wrong. The handler must outlive the server. */
E2B_API int e2b_web_start(struct uv_loop_s *loop, e2b_handler_t *handler,
                          const e2b_web_options *options, e2b_web_t **web, char *why,
                          size_t why_size);
/* "http://127.0.0.1:8080". Valid until it is closed. */
E2B_API const char *e2b_web_url(const e2b_web_t *web);

typedef void (*e2b_web_closed_cb)(void *user_data);
/* Ends all connections, and what they ask for as if their clients had left; closes every handle,
 * then calls `closed` (may be NULL) from the loop. Allowed anywhere, the handler's callbacks
 * included; a second call says nothing new. */
E2B_API void e2b_web_close(e2b_web_t *web, e2b_web_closed_cb closed, void *user_data);

#ifdef __cplusplus
}
#endif

#endif
