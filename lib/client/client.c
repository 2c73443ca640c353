/* SPDX-License-Identifier: MIT */
#include "client/client.h"

#include <signal.h>
#include <strings.h>

/*  state     close()                          leaves by
 *  OPEN      -> CLOSING, all is decided       close()
 *  CLOSING   no effect                        all outcomes delivered, nothing owed -> ENDING
 *  ENDING    no effect                        all handles closed -> CLOSED, on_closed
 *  CLOSED    must not be called                                                        */

/* For the kills that given-up runs are owed: enough for a far server, not too long for a Ctrl-C. */
enum { LONGEST_OWED_MS = 3000 };

static struct curl_slist *append(struct curl_slist *list, bool *ok, const char *name,
                                 const char *value) {
  /* curl sends a header without value only when it ends with a semicolon. */
  char *line = e2b__format(*value != '\0' ? "%s: %s" : "%s;%s", name, value);
  struct curl_slist *longer = line != NULL ? curl_slist_append(list, line) : NULL;
  e2b__free(line);
  if (longer == NULL) *ok = false;
  return longer != NULL ? longer : list;
}

static bool names_itself(const e2b__config_t *config) {
  for (size_t i = 0; i < config->api_headers_count; i++) {
    if (strcasecmp(config->api_headers[i].name, "User-Agent") == 0) return true;
  }
  return *config->user_agent == '\0';
}

/* The user agent is a line like the others: curl, told of it, would format it twice a request. */
static int make_headers(e2b_client_t *client) {
  const e2b__config_t *config = &client->config;
  bool ok = true;
  struct curl_slist *list = append(NULL, &ok, "Content-Type", "application/json");
  if (ok) {
    struct curl_slist *longer = curl_slist_append(list, "Expect:");
    ok = longer != NULL;
    if (ok) list = longer;
  }
  struct curl_slist *of_body = ok ? list->next : list;
  if (config->api_key != NULL) list = append(list, &ok, "X-API-KEY", config->api_key);
  list = append(list, &ok, "Accept", "application/json");
  if (!names_itself(config)) list = append(list, &ok, "User-Agent", config->user_agent);
  for (size_t i = 0; ok && i < config->api_headers_count; i++) {
    list = append(list, &ok, config->api_headers[i].name, config->api_headers[i].value);
  }
  client->api_headers = list;
  if (ok) client->bodiless_headers = of_body->next;
  return ok ? 0 : E2B_ENOMEM;
}

/* OpenSSL writes to sockets that the peer may have reset, and curl, told to leave signals alone,
 * does not shield it. The default action would end the whole program. */
static void init_process(void) {
  struct sigaction action;
  curl_global_init(CURL_GLOBAL_DEFAULT);
  if (sigaction(SIGPIPE, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
      action.sa_handler == SIG_DFL) {
    signal(SIGPIPE, SIG_IGN);
  }
}

e2b_client_t *e2b_client_new(uv_loop_t *loop, const e2b_client_options *options) {
  static uv_once_t once = UV_ONCE_INIT;
  uv_once(&once, init_process);
  e2b_client_t *client = e2b__calloc(1, sizeof *client);
  if (client == NULL) return NULL;
  e2b__queue_init(&client->queue, &e2b__client_queue_ops);
  e2b__list_init(&client->guests);
  client->loop = loop;
  if (e2b__config_init(&client->config, options) != 0) {
    e2b__free(client);
    return NULL;
  }
  e2b_client_options known;
  e2b__options_copy(&known, sizeof known, options);
  client->log.callback = known.log;
  client->log.user_data = known.log_user_data;
  client->log.level = known.log_level;
  /* Once the loop has a handle, only the loop can take it away: then the client goes as if closed.
   */
  if (make_headers(client) == 0 && e2b__client_loop_init(client) == 0) {
    client->http =
        e2b__http_new(loop, &client->queue, &client->alive, &client->log, &client->config.http);
    if (client->http != NULL) return client;
    e2b__client_loop_close(client);
    return NULL;
  }
  curl_slist_free_all(client->api_headers);
  e2b__config_free(&client->config);
  e2b__free(client);
  return NULL;
}

void e2b__client_ended(e2b_client_t *client) {
  client->state = E2B__CLIENT_CLOSED;
  if (client->on_closed != NULL) {
    e2b__call_out_begin();
    client->on_closed(client->on_closed_data);
    e2b__call_out_end();
  }
  e2b__queue_release(&client->queue);
}

static void on_http_closed(void *ctx) {
  e2b__client_loop_close(ctx);
}

static void on_dialer_closed(void *ctx) {
  e2b_client_t *client = ctx;
  e2b__http_t *http = client->http;
  client->http = NULL;
  e2b__http_close(http, on_http_closed, client);
}

static void end(e2b_client_t *client) {
  e2b__dialer_t *dialer = client->dialer;
  client->state = E2B__CLIENT_ENDING;
  client->queue.closed = true;
  uv_idle_stop(&client->idle);
  uv_timer_stop(&client->owed_timer);
  client->dialer = NULL;
  if (dialer != NULL) {
    e2b__dialer_close(dialer, on_dialer_closed, client);
  } else {
    on_dialer_closed(client);
  }
}

e2b__dialer_t *e2b__client_dialer(e2b_client_t *client) {
  if (client->dialer == NULL && client->state < E2B__CLIENT_ENDING) {
    client->dialer = e2b__dialer_new(client->loop, &client->queue, &client->alive, &client->log,
                                     &client->config.http);
  }
  return client->dialer;
}

static void on_close_task(e2b__task_t *task) {
  e2b_client_t *client = E2B__CONTAINER(task, e2b_client_t, close_task);
  e2b__client_run_posts(client, true);
  if (!e2b__list_empty(&client->queue.tasks)) {
    e2b__queue_push(&client->queue, task); /* behind the deliveries */
  } else if (e2b__list_empty(&client->queue.owed)) {
    end(client);
  } /* else on_paid() comes */
}

static void on_paid(e2b_future_t *future, void *user_data) {
  e2b_client_t *client = user_data;
  (void)future;
  if (client->state == E2B__CLIENT_CLOSING) {
    e2b__queue_push(&client->queue, &client->close_task);
  }
}

void e2b__client_owe(e2b_client_t *client, e2b_future_t *future) {
  e2b__future_owe(future);
  e2b_future_then(future, on_paid, client);
}

static void on_owed_timer(uv_timer_t *timer) {
  e2b_client_t *client = timer->data;
  e2b__queue_write_off(&client->queue);
}

void e2b_client_close(e2b_client_t *client, e2b_client_closed_cb on_closed, void *user_data) {
  if (client == NULL || client->state != E2B__CLIENT_OPEN) return;
  client->state = E2B__CLIENT_CLOSING;
  client->queue.closing = true;
  client->on_closed = on_closed;
  client->on_closed_data = user_data;
  /* At once, as a cancel does it: whatever still happens before the loop comes round, no data
   * reaches the user any more. */
  e2b__list_t *node;
  while ((node = e2b__list_take(&client->guests)) != NULL) {
    e2b__guest_t *guest = E2B__CONTAINER(node, e2b__guest_t, node);
    guest->on_client_close(guest);
  }
  e2b__queue_close(&client->queue);
  if (!e2b__list_empty(&client->queue.owed)) {
    uv_update_time(client->loop);
    uv_timer_start(&client->owed_timer, on_owed_timer, LONGEST_OWED_MS, 0);
  }
  e2b__task_init(&client->close_task, on_close_task);
  e2b__queue_push(&client->queue, &client->close_task);
}

void e2b_client_get_stats(const e2b_client_t *client, e2b_client_stats *stats) {
  e2b_client_stats now;
  memset(&now, 0, sizeof now);
  if (client->http != NULL) {
    e2b__http_stats_t http;
    e2b__http_get_stats(client->http, &http);
    now.requests_started = http.started;
    now.requests_failed = http.failed;
    now.retries = http.retries;
    now.connections_opened = http.connections;
    now.bytes_received = http.received;
    now.bytes_sent = http.sent;
    now.in_flight = http.in_flight;
    now.streams_open = http.streams;
    now.waiting = http.waiting;
  }
  now.futures_decided = client->queue.decided_count;
  now.futures_pending = client->queue.pending_count;
  const size_t size = stats->size < sizeof now ? stats->size : sizeof now;
  now.size = size;
  memcpy(stats, &now, size);
}
