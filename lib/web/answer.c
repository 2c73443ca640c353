/* SPDX-License-Identifier: MIT */
#include "web/web.h"

/* The handler's answer becomes libmicrohttpd's. */

enum {
  HOLD_AT = 256 << 10, /* bytes that wait for a slow client from which on the stream is paused */
  GO_ON_BELOW = 64 << 10,
  BLOCK = 32 << 10,
  KEEP_BUFFER = 16 << 10 /* thousands of idle streams must not keep what a burst needed */
};

static void give(e2b__web_exchange_t *x, unsigned status, struct MHD_Response *response) {
  x->phase = E2B__WEB_ANSWERED;
  x->status = status;
  x->response = response; /* NULL, when memory is out, ends the connection */
  e2b__web_exchange_resume(x);
}

void e2b__web_exchange_answer(e2b__web_exchange_t *x, unsigned status, const char *type,
                              const void *data, size_t len) {
  struct MHD_Response *response =
      MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT);
  if (response != NULL) MHD_add_response_header(response, "Content-Type", type);
  if (response != NULL && status == 503) MHD_add_response_header(response, "Retry-After", "1");
  give(x, status, response);
}

/* --- a stream -----------------------------------------------------------------------------------
 */

static size_t waiting(const e2b__web_exchange_t *x) {
  return x->out.len - x->sent;
}

static ssize_t read_stream(void *cls, uint64_t position, char *room, size_t size) {
  e2b__web_exchange_t *x = cls;
  (void)position;
  if (x->cut) return MHD_CONTENT_READER_END_WITH_ERROR;
  size_t len = waiting(x);
  if (len == 0) {
    if (x->stream_ended) return MHD_CONTENT_READER_END_OF_STREAM;
    e2b__web_exchange_suspend(x);
    return 0;
  }
  if (len > size) len = size;
  memcpy(room, x->out.data + x->sent, len);
  x->sent += len;
  if (x->sent == x->out.len) {
    x->sent = 0;
    if (x->out.capacity > KEEP_BUFFER) {
      e2b__buffer_free(&x->out);
    } else {
      e2b__buffer_clear(&x->out);
    }
  }
  if (x->stream_held && waiting(x) < GO_ON_BELOW && x->stream != NULL) {
    x->stream_held = false;
    e2b_http_stream_resume(x->stream);
  }
  return (ssize_t)len;
}

static void on_data(e2b_http_stream_t *stream, const char *data, size_t len, void *user_data) {
  e2b__web_exchange_t *x = user_data;
  if (x->cut) return;
  if (x->sent > 0) {
    e2b__buffer_consume(&x->out, x->sent);
    x->sent = 0;
  }
  if (e2b__buffer_append(&x->out, data, len) != 0) {
    e2b__web_exchange_cut(x);
    return;
  }
  if (waiting(x) >= HOLD_AT && !x->stream_held) {
    x->stream_held = true;
    e2b_http_stream_pause(stream);
  }
  if (x->socket != NULL) {
    e2b__web_socket_flush(x);
  } else {
    e2b__web_exchange_resume(x);
  }
}

static void on_end(e2b_http_stream_t *stream, void *user_data) {
  e2b__web_exchange_t *x = user_data;
  (void)stream;
  x->stream = NULL;
  x->stream_ended = true;
  if (x->socket != NULL) {
    e2b__web_socket_flush(x);
  } else {
    e2b__web_exchange_resume(x);
  }
  e2b__web_exchange_drop(x);
}

static struct MHD_Response *take_stream(e2b__web_exchange_t *x, e2b_http_stream_t *stream,
                                        unsigned status) {
  struct MHD_Response *response =
      status == MHD_HTTP_SWITCHING_PROTOCOLS
          ? e2b__web_socket_response(x)
          : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, x, NULL);
  if (response == NULL) return NULL;
  x->stream = stream;
  x->refs++; /* on_end gives it back */
  e2b_http_stream_start(stream, on_data, on_end, x);
  return response;
}

/* --- the future ---------------------------------------------------------------------------------
 */

static struct MHD_Response *make_response(e2b__web_exchange_t *x,
                                          const e2b_http_response_t *answer) {
  struct MHD_Response *response =
      answer->stream != NULL
          ? take_stream(x, answer->stream, (unsigned)answer->status)
          : MHD_create_response_from_buffer(answer->body.len, (void *)(uintptr_t)answer->body.ptr,
                                            MHD_RESPMEM_MUST_COPY);
  for (size_t i = 0; response != NULL && i < answer->headers_count; i++) {
    MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
  }
  return response;
}

void e2b__web_exchange_refuse(e2b__web_exchange_t *x) {
  static const char text[] = "{\"success\":false,\"sandboxId\":\"\",\"provider\":\"e2b\","
                             "\"error\":\"The service is not available\"}";
  e2b__web_exchange_answer(x, 503, "application/json", text, sizeof text - 1);
}

static void on_answer(e2b_future_t *future, void *user_data) {
  e2b__web_exchange_t *x = user_data;
  const e2b_http_response_t *answer = e2b_future_http_response(future);
  x->future = NULL;
  if (!x->cut && x->connection != NULL) {
    if (answer != NULL) {
      give(x, (unsigned)answer->status, make_response(x, answer));
    } else {
      e2b__web_exchange_refuse(x);
    }
  }
  e2b__web_exchange_drop(x);
}

typedef struct gathered {
  e2b_pair_t *pairs;
  size_t count;
} gathered;

static enum MHD_Result gather(void *cls, enum MHD_ValueKind kind, const char *name,
                              const char *value) {
  gathered *headers = cls;
  (void)kind;
  headers->pairs[headers->count].name = name;
  headers->pairs[headers->count++].value = value != NULL ? value : "";
  return MHD_YES;
}

void e2b__web_exchange_ask(e2b__web_exchange_t *x) {
  const int count = MHD_get_connection_values(x->connection, MHD_HEADER_KIND, NULL, NULL);
  gathered headers = {e2b__calloc((size_t)(count > 0 ? count : 0) + 1, sizeof(e2b_pair_t)), 0};
  if (headers.pairs == NULL) {
    e2b__web_exchange_refuse(x);
    return;
  }
  MHD_get_connection_values(x->connection, MHD_HEADER_KIND, gather, &headers);
  e2b_http_request request;
  E2B_INIT(&request);
  request.method = x->method;
  request.path = x->path;
  request.query = x->query;
  request.headers = headers.pairs;
  request.headers_count = headers.count;
  request.body = x->body.data;
  request.body_len = x->body.len;
  x->future = e2b_handle_request(x->web->handler, &request);
  e2b__free(headers.pairs);
  e2b__web_exchange_forget_body(x);
  x->refs++;
  if (e2b_future_then(x->future, on_answer, x) == 0) return;
  x->future = NULL;
  x->refs--;
  e2b__web_exchange_refuse(x);
}
