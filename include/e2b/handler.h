/* SPDX-License-Identifier: MIT */
#ifndef E2B_HANDLER_H
#define E2B_HANDLER_H

#include "e2b/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;

/* A request handler: sandboxes, code, files and terminals for the front end of a web application.
 * It knows no web server: it is given a request and yields an answer, on the client's loop, and
 * never blocks. The README shows the JSON that it speaks. */
typedef struct e2b_handler e2b_handler_t;

/* What came in. Everything is borrowed for the call. */
typedef struct e2b_http_request {
  size_t size;
  const char *method;        /* "GET", "POST", "OPTIONS" */
  const char *path;          /* not looked at: the application has routed it here */
  const char *query;         /* behind the '?', still escaped; NULL when none */
  const e2b_pair_t *headers; /* names in any case */
  size_t headers_count;
  const void *body;
  size_t body_len;
  /* The body where the application has parsed it already; `body` is not looked at then. */
  const struct cJSON *json;
} e2b_http_request;

/* Who is calling: the name of a caller, for which limits count and to whom the sandboxes belong
 * that it creates; copied at once. A named caller reaches its own sandboxes only; "" is the one
 * caller of an application that tells none apart, and reaches all of the API key's. NULL refuses
 * the request: 401. Called inside e2b_handle_request(). */
typedef const char *(*e2b_authorize_cb)(const e2b_http_request *request, void *user_data);

typedef struct e2b_handler_options {
  size_t size;
  /* One of the next three is required. */
  e2b_authorize_cb authorize;
  void *authorize_data;
  /* `Authorization: Bearer <this>`, compared in constant time. A browser's WebSocket, which cannot
   * send that header, offers the sub-protocol "e2b-bearer.<this>" beside "e2b-terminal". Who has it
   * is the caller "", without `authorize` being asked. */
  const char *bearer_token;
  /* For development: without the other two, whoever can reach the server. Requests whose Host is
   * not loopback (localhost, 127.0.0.0/8, [::1]) are refused, 403. */
  e2b_toggle_t allow_anyone;

  /* Origins (scheme://host[:port]) whose pages may call from elsewhere: they get CORS headers and
   * may open WebSockets. "*" is any, "null" that of files and sandboxed frames. Default: none but
   * the request's own Host. */
  const char *const *allowed_origins;
  size_t allowed_origins_count;

  size_t max_body_bytes; /* default 8 MiB; past it, or with 100,000 values in it, 413 */
  /* Of one caller at a time, made by this handler, or, if it is named, found again; default 16. */
  unsigned max_sandboxes;
  unsigned max_runs;       /* of one caller at once; default 8 */
  unsigned max_streams;    /* of one caller at once, SSE and WebSocket; default 64 */
  uint64_t run_timeout_ms; /* the longest a run may take; default 300,000 */
  size_t max_output_bytes; /* of a run that is answered whole, each of both; default 1 MiB */

  /* What `create` starts from: template, life, environment. Copied. Metadata is added to. */
  const e2b_create_options *create;

  /* So long after its last word a stream says that it is still there: server-sent events by a
   * comment (": "), a WebSocket by a ping. Proxies end what is silent (nginx after 60 s), and a
   * browser that vanished is noticed by what is sent to it. A paused stream says nothing. Default
   * 15,000; E2B_NO_TIMEOUT: never. */
  uint64_t heartbeat_ms;
  /* Requests that type into a terminal, or resize it, leave a connection to it to the next ones; so
   * long after the last of them, and when all that was typed has arrived, it is closed. Default
   * 60,000. */
  uint64_t terminal_keep_ms;
} e2b_handler_options;

/* 0 and *handler; E2B_ENOMEM; E2B_EINVAL when the options name no way to tell who may call. Closing
 * the client ends all its streams and answers the requests under way with E2B_ECLOSED; the handler
 * is still to be released then. Its one timer keeps no loop running. */
E2B_API int e2b_handler_new(e2b_client_t *client, const e2b_handler_options *options,
                            e2b_handler_t **handler);
/* Ends all its streams. Requests under way still get their answers (503 where that would be a
 * stream); sandboxes live on. NULL is allowed. */
E2B_API void e2b_handler_release(e2b_handler_t *handler);

/* A body that comes piece by piece (server-sent events), or, when the status is 101, the bytes of a
 * WebSocket in both directions: whoever owns the connection moves them, and understands none. */
typedef struct e2b_http_stream e2b_http_stream_t;

typedef struct e2b_http_response {
  int status;
  /* Content-Length and Connection are the server's business; with 101 that is
   * "Connection: Upgrade". */
  const e2b_pair_t *headers;
  size_t headers_count;
  e2b_bytes_t body; /* empty when there is a stream */
  /* NULL when there is none, and from the moment on that the handler has ended it. Lent: see
   * e2b_http_stream_start(). */
  e2b_http_stream_t *stream;
} e2b_http_response_t;

/* Answers a request. Yields e2b_future_http_response(): it always succeeds, failures are answers
 * (unless the client is closed or memory is out). Cancelling, for when the browser has gone, kills
 * a run that is under way; what had been done is not undone. */
E2B_API e2b_future_t *e2b_handle_request(e2b_handler_t *handler, const e2b_http_request *request);
E2B_API const e2b_http_response_t *e2b_future_http_response(const e2b_future_t *future);

/* Bytes to be sent to the browser, from the loop, lent for the call. */
typedef void (*e2b_http_stream_data_cb)(e2b_http_stream_t *stream, const char *data, size_t len,
                                        void *user_data);
/* Nothing more comes: the connection is to be closed once all is sent. The stream is gone after
 * this. */
typedef void (*e2b_http_stream_end_cb)(e2b_http_stream_t *stream, void *user_data);

/* Takes the stream over from the future and starts it. `on_end` comes exactly once, also after
 * e2b_http_stream_close(). A stream that nobody started ends with its future. 0; E2B_EINVAL without
 * `on_data`, E2B_EALREADY when it was started before: then nothing has changed. */
E2B_API int e2b_http_stream_start(e2b_http_stream_t *stream, e2b_http_stream_data_cb on_data,
                                  e2b_http_stream_end_cb on_end, void *user_data);
/* The connection is slow: no more on_data until resumed. The sandbox's output waits, too. */
E2B_API void e2b_http_stream_pause(e2b_http_stream_t *stream);
E2B_API void e2b_http_stream_resume(e2b_http_stream_t *stream);
/* Bytes that the browser sent, of a WebSocket. */
E2B_API void e2b_http_stream_receive(e2b_http_stream_t *stream, const void *data, size_t len);
/* The browser has gone. A run whose output this was is killed; a terminal lives on. */
E2B_API void e2b_http_stream_close(e2b_http_stream_t *stream);

#ifdef __cplusplus
}
#endif

#endif
