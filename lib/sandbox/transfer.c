/* SPDX-License-Identifier: MIT */
#include "base/pairs.h"
#include "sandbox/files.h"

/* Contents of files in pieces, in constant memory: one exchange, pushed or pulled along by the
 * user. */

enum {
  URL_CEILING = 1 << 20,
  REFUSAL_CEILING = 64 << 10,
  LINE_CEILING = 256 << 10, /* a processor's cache holds it, with what is copied in and out */
  READ_BUFFER = 64 << 10
};

/* Of both directions. */
struct e2b_transfer {
  e2b_future_t *future; /* NULL once decided or abandoned */
  e2b_sandbox_t *sandbox;
  e2b__exchange_t *exchange;
  e2b__probe_t *probe;
  e2b__buffer_t url;
  e2b__buffer_t answer; /* what is not a file's content */
  e2b__arena_t arena;
  struct curl_slist *headers;
  e2b_error_t error;
  uint64_t bytes;
  bool busy; /* inside a user's function */
  bool dead; /* to be freed when that has returned */
  e2b_file_data_cb on_data;
  void *user_data;
  e2b_upload_t *upload; /* NULL: a download */
};

struct e2b_upload {
  unsigned refs;
  e2b_transfer_t *transfer; /* NULL once it is over */
  e2b_upload_drain_cb on_drain;
  void *user_data;
  e2b__buffer_t line; /* bytes that wait */
  size_t taken;       /* of them, by curl */
  char *room;         /* inside on_drain: curl's buffer behind them; NULL: outside */
  size_t room_left;
  bool ended;
  bool refused;
};

static void upload_drop(e2b_upload_t *upload) {
  if (--upload->refs > 0) return;
  e2b__buffer_free(&upload->line);
  e2b__free(upload);
}

static void transfer_free(e2b_transfer_t *transfer) {
  if (transfer->upload != NULL) transfer->upload->transfer = NULL;
  if (transfer->busy) {
    transfer->dead = true;
    return;
  }
  if (transfer->upload != NULL) upload_drop(transfer->upload);
  e2b__buffer_free(&transfer->url);
  e2b__buffer_free(&transfer->answer);
  e2b__arena_free(&transfer->arena);
  e2b_sandbox_release(transfer->sandbox);
  e2b__free(transfer);
}

static void abandon(void *work) {
  e2b_transfer_t *transfer = work;
  transfer->future = NULL;
  if (transfer->exchange != NULL) e2b__exchange_cancel(transfer->exchange);
  if (transfer->probe != NULL) e2b__probe_cancel(transfer->probe);
  transfer->exchange = NULL;
  transfer->probe = NULL;
  transfer_free(transfer);
}

/* --- the end, common to both --------------------------------------------------------------------
 */

static void on_probed(void *ctx, e2b_presence_t presence) {
  e2b_transfer_t *transfer = ctx;
  transfer->probe = NULL;
  e2b__probe_apply(&transfer->arena, transfer->sandbox, presence, &transfer->error);
  e2b__future_fail(transfer->future, &transfer->error);
  transfer_free(transfer);
}

static void fail(e2b_transfer_t *transfer, const e2b__http_result_t *result) {
  e2b__call_result_t call = {0};
  call.code = result->code;
  call.clock = result->clock;
  call.status = result->status;
  call.maybe_received = result->maybe_received;
  call.why = result->why;
  call.attempts = 1;
  transfer->error = e2b__transport_error(&transfer->arena, transfer->url.data, &call);
  if (result->code == E2B_ECONNLOST) {
    transfer->probe = e2b__probe_start(transfer->sandbox, on_probed, transfer);
    if (transfer->probe != NULL) return;
  }
  e2b__future_fail(transfer->future, &transfer->error);
  transfer_free(transfer);
}

static void fail_refused(e2b_transfer_t *transfer, int status) {
  e2b__connect_error_t answer;
  const char *body = transfer->answer.data != NULL ? transfer->answer.data : "";
  e2b_error_t error = e2b__error(E2B_ENOMEM);
  if (e2b__connect_error_decode(body, transfer->answer.len, &transfer->arena, &answer) == 0) {
    error = e2b__refusal_error(&transfer->arena, status, &answer);
  }
  error.attempts = 1;
  e2b__future_fail(transfer->future, &error);
  transfer_free(transfer);
}

static void succeed_upload(e2b_transfer_t *transfer, int status) {
  e2b_file_info_t *files;
  size_t count;
  int rc = e2b__stored_files_parse(e2b__future_arena(transfer->future),
                                   transfer->answer.data != NULL ? transfer->answer.data : "",
                                   transfer->answer.len, &files, &count);
  if (rc == 0 && count != 1) rc = E2B_EPROTOCOL;
  if (rc == 0) {
    e2b__future_succeed(transfer->future, files, NULL);
    return;
  }
  e2b_error_t error =
      e2b__error_text(&transfer->arena, rc, "the answer to the upload: %s", e2b_code_text(rc));
  error.http_status = status;
  error.attempts = 1;
  error.maybe_applied = 1;
  e2b__future_fail(transfer->future, &error);
}

static void on_done(void *ctx, const e2b__http_result_t *result) {
  e2b_transfer_t *transfer = ctx;
  transfer->exchange = NULL;
  if (result->code != 0) {
    fail(transfer, result);
    return;
  }
  if (result->status < 200 || result->status >= 300) {
    fail_refused(transfer, result->status);
    return;
  }
  if (transfer->upload != NULL) {
    succeed_upload(transfer, result->status);
  } else {
    e2b__future_succeed_number(transfer->future, transfer->bytes);
  }
  transfer_free(transfer);
}

static int on_data(void *ctx, const char *data, size_t len) {
  e2b_transfer_t *transfer = ctx;
  const int status = e2b__exchange_status(transfer->exchange);
  if (transfer->upload != NULL || status < 200 || status >= 300) {
    const size_t room = REFUSAL_CEILING - transfer->answer.len;
    return e2b__buffer_append(&transfer->answer, data, len < room ? len : room);
  }
  transfer->bytes += len;
  transfer->busy = true;
  e2b__call_out_begin();
  transfer->on_data(transfer, data, len, transfer->user_data);
  e2b__call_out_end();
  transfer->busy = false;
  if (!transfer->dead) return 0;
  transfer_free(transfer);
  return E2B_ECANCELED;
}

static const e2b__http_events_t events = {on_data, on_done};

/* --- starting -----------------------------------------------------------------------------------
 */

static int add_header(e2b_transfer_t *transfer, char *line) {
  struct curl_slist *node = e2b__arena_alloc(&transfer->arena, sizeof *node);
  if (node == NULL) return E2B_ENOMEM;
  node->data = line;
  node->next = transfer->headers;
  transfer->headers = node;
  return 0;
}

static e2b_transfer_t *transfer_new(e2b_sandbox_t *sandbox, e2b_future_t *future) {
  e2b_transfer_t *transfer = e2b__calloc(1, sizeof *transfer);
  if (transfer == NULL) return NULL;
  transfer->future = future;
  transfer->sandbox = e2b_sandbox_acquire(sandbox);
  transfer->headers = sandbox->shared;
  e2b__buffer_init(&transfer->url, URL_CEILING);
  e2b__buffer_init(&transfer->answer, REFUSAL_CEILING);
  return transfer;
}

/* A pending future, or NULL with *future decided. */
static bool prepare(e2b_sandbox_t *sandbox, e2b__kind_t kind, const char *name,
                    e2b_future_t **future) {
  *future = NULL;
  if (sandbox == NULL) return false;
  const e2b__config_t *config = &sandbox->client->config;
  *future = e2b__future_new(&sandbox->client->queue, kind, name);
  if (*future == NULL || e2b_future_is_done(*future)) return false;
  if (config->error == 0) return true;
  e2b__future_fail_text(*future, config->error, "%s", config->error_text);
  return false;
}

/* `wrong`: which argument it is when `rc` is E2B_EINVAL. */
static void begin(e2b_transfer_t *transfer, int rc, const char *wrong,
                  e2b__http_request_t *request) {
  e2b_client_t *client = transfer->sandbox->client;
  request->url = transfer->url.data;
  request->headers = transfer->headers;
  request->stream = true;
  request->silence_ms = client->config.silence_timeout_ms;
  if (request->silence_ms == E2B_NO_TIMEOUT) request->silence_ms = 0;
  if (rc == 0) {
    transfer->exchange = e2b__exchange_start(client->http, request, &events, transfer);
    if (transfer->exchange == NULL) rc = E2B_ENOMEM;
  }
  if (rc == 0) {
    e2b__future_bind(transfer->future, abandon, transfer);
  } else {
    const bool said = rc == E2B_EINVAL;
    e2b__future_fail_text(transfer->future, rc, "%s%s%s", e2b_code_text(rc), said ? ": " : "",
                          said ? wrong : "");
    transfer_free(transfer);
  }
}

e2b_future_t *e2b_files_read_stream(e2b_sandbox_t *sandbox, const char *path,
                                    e2b_file_data_cb on_piece, void *user_data,
                                    const e2b_file_options *given) {
  e2b_future_t *future;
  if (!prepare(sandbox, E2B__KIND_TRANSFERRED, "e2b_files_read_stream", &future)) return future;
  e2b_file_options options;
  e2b__options_copy(&options, sizeof options, given);
  e2b_transfer_t *transfer = transfer_new(sandbox, future);
  if (transfer == NULL) {
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  transfer->on_data = on_piece;
  transfer->user_data = user_data;
  int rc = path != NULL && on_piece != NULL
               ? e2b__files_url(&transfer->url, sandbox, path, options.user)
               : E2B_EINVAL;
  e2b__http_request_t request;
  memset(&request, 0, sizeof request);
  request.method = "GET";
  request.repeatable = true;
  request.first_event_ms = sandbox->client->config.first_event_timeout_ms;
  request.buffer_bytes = READ_BUFFER;
  begin(transfer, rc, path == NULL ? "there is no path" : "there is no callback", &request);
  return future;
}

uint64_t e2b_future_transferred(const e2b_future_t *future) {
  return e2b__future_number(future, E2B__KIND_TRANSFERRED);
}

void e2b_transfer_pause(e2b_transfer_t *transfer) {
  if (transfer->exchange != NULL) e2b__exchange_pause(transfer->exchange);
}

void e2b_transfer_resume(e2b_transfer_t *transfer) {
  if (transfer->exchange != NULL) e2b__exchange_resume(transfer->exchange);
}

/* --- uploads ------------------------------------------------------------------------------------
 */

static size_t waiting(const e2b_upload_t *upload) {
  return upload->line.len - upload->taken;
}

static size_t take_line(e2b_upload_t *upload, char *to, size_t size) {
  size_t len = waiting(upload);
  if (len > size) len = size;
  if (len > 0) memcpy(to, upload->line.data + upload->taken, len);
  upload->taken += len;
  if (upload->taken == upload->line.len) {
    e2b__buffer_clear(&upload->line);
    upload->taken = 0;
  }
  return len;
}

/* What on_drain writes goes straight to where curl wants it: the line would be one copy more. */
static size_t ask(e2b_upload_t *upload, char *to, size_t size) {
  upload->refused = false;
  upload->room = to;
  upload->room_left = size;
  e2b__call_out_begin();
  upload->on_drain(upload, upload->user_data);
  e2b__call_out_end();
  const size_t written = size - upload->room_left;
  upload->room = NULL;
  upload->room_left = 0;
  return written;
}

/* curl asks for bytes: first those that wait, then, before the last of them are gone, the user's.
 */
static size_t source(void *ctx, char *to, size_t size, bool *end) {
  e2b_transfer_t *transfer = ctx;
  e2b_upload_t *upload = transfer->upload;
  size_t len = take_line(upload, to, size);
  if (len < size && upload->refused && !upload->ended && upload->on_drain != NULL) {
    transfer->busy = true;
    upload->refs++;
    len += ask(upload, to + len, size - len);
    e2b_upload_release(upload); /* inside, the caller may have given up his */
    transfer->busy = false;
    if (transfer->dead) {
      transfer_free(transfer);
      return 0;
    }
  }
  *end = len == 0 && upload->ended;
  return len;
}

/* For `len` bytes more. Asked for what can be sent at once, the user has brought enough with that.
 */
static bool is_full(const e2b_upload_t *upload, size_t len) {
  if (upload->room != NULL) return upload->room_left == 0;
  const size_t before = waiting(upload);
  return before > 0 && (before > LINE_CEILING || len > LINE_CEILING - before);
}

int e2b_upload_write(e2b_upload_t *upload, const void *data, size_t len) {
  if (upload == NULL) return E2B_ENOMEM;
  if (data == NULL && len > 0) return E2B_EINVAL;
  if (upload->ended || upload->transfer == NULL) return E2B_ECLOSED;
  if (is_full(upload, len)) {
    upload->refused = true;
    return E2B_EAGAIN;
  }
  if (upload->taken > waiting(upload)) { /* moving up costs less than was sent meanwhile */
    e2b__buffer_consume(&upload->line, upload->taken);
    upload->taken = 0;
  }
  const size_t at_once = len < upload->room_left ? len : upload->room_left;
  if (at_once < len) {
    const int rc = e2b__buffer_append(&upload->line, (const char *)data + at_once, len - at_once);
    if (rc != 0) return rc;
  }
  if (at_once > 0) {
    memcpy(upload->room, data, at_once);
    upload->room += at_once;
    upload->room_left -= at_once;
  }
  if (upload->transfer->exchange != NULL) {
    e2b__exchange_continue_body(upload->transfer->exchange);
  }
  return 0;
}

int e2b_upload_end(e2b_upload_t *upload) {
  if (upload == NULL) return E2B_ENOMEM;
  if (upload->ended || upload->transfer == NULL) return E2B_ECLOSED;
  upload->ended = true;
  if (upload->transfer->exchange != NULL) {
    e2b__exchange_continue_body(upload->transfer->exchange);
  }
  return 0;
}

void e2b_upload_release(e2b_upload_t *upload) {
  if (upload == NULL) return;
  e2b_transfer_t *transfer = upload->transfer;
  /* The library's own reference is the transfer's: without another, nobody can end it. */
  if (transfer != NULL && !upload->ended && upload->refs == 2 && transfer->future != NULL) {
    e2b_future_cancel(transfer->future);
  }
  upload_drop(upload);
}

static e2b_upload_t *upload_new(e2b_upload_drain_cb callback, void *user_data) {
  e2b_upload_t *upload = e2b__calloc(1, sizeof *upload);
  if (upload == NULL) return NULL;
  upload->refs = 1;
  upload->on_drain = callback;
  upload->user_data = user_data;
  e2b__buffer_init(&upload->line, SIZE_MAX / 4);
  return upload;
}

e2b_future_t *e2b_files_write_stream(e2b_sandbox_t *sandbox, const char *path,
                                     e2b_upload_drain_cb callback, void *user_data,
                                     const e2b_file_options *given, e2b_upload_t **out) {
  static char content_type[] = "Content-Type: application/octet-stream";
  e2b_future_t *future;
  if (out != NULL) *out = NULL;
  if (!prepare(sandbox, E2B__KIND_FILE_INFO, "e2b_files_write_stream", &future)) return future;
  if (out == NULL) {
    e2b__future_fail_text(future, E2B_EINVAL, "invalid argument: there is no room for the handle");
    return future;
  }
  e2b_file_options options;
  e2b__options_copy(&options, sizeof options, given);
  e2b_transfer_t *transfer = transfer_new(sandbox, future);
  e2b_upload_t *upload = upload_new(callback, user_data);
  if (transfer == NULL || upload == NULL) {
    if (transfer != NULL) transfer_free(transfer);
    if (upload != NULL) upload_drop(upload);
    e2b__future_fail_text(future, E2B_ENOMEM, "out of memory");
    return future;
  }
  transfer->upload = upload;
  upload->transfer = transfer;
  upload->refs++;
  *out = upload;
  int rc = path != NULL ? e2b__files_url(&transfer->url, sandbox, path, options.user) : E2B_EINVAL;
  if (rc == 0 && !e2b__takes_raw_uploads(sandbox)) rc = E2B_EUNIMPLEMENTED;
  if (rc == 0) rc = add_header(transfer, content_type);
  if (!e2b__pairs_ok(options.metadata, options.metadata_count)) rc = E2B_EINVAL;
  for (size_t i = 0; rc == 0 && i < options.metadata_count; i++) {
    char *line = e2b__metadata_line(&transfer->arena, &options.metadata[i], &rc);
    if (rc == 0) rc = add_header(transfer, line);
  }
  e2b__http_request_t request;
  memset(&request, 0, sizeof request);
  request.method = "POST";
  request.source = source;
  begin(transfer, rc, path == NULL ? "there is no path" : E2B__METADATA_WRONG, &request);
  return future;
}
