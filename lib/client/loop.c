/* SPDX-License-Identifier: MIT */
#include "client/client.h"

/* The completion queue on libuv, posts from other threads, and the handles that both need. */

enum { TASKS_AT_ONCE = 256 };

typedef struct post {
  e2b__list_t node;
  void (*fn)(void *user_data);
  void *user_data;
} post;

static e2b_client_t *client_of(e2b__queue_t *queue) {
  return E2B__CONTAINER(queue, e2b_client_t, queue);
}

static void on_idle(uv_idle_t *idle) {
  e2b_client_t *client = idle->data;
  /* A callback may give the last reference back. */
  e2b__queue_acquire(&client->queue);
  bool more = e2b__queue_drain(&client->queue, TASKS_AT_ONCE);
  if (!more && client->state < E2B__CLIENT_ENDING) uv_idle_stop(idle);
  e2b__queue_release(&client->queue);
}

static void wake(e2b__queue_t *queue) {
  e2b_client_t *client = client_of(queue);
  if (client->state < E2B__CLIENT_ENDING) uv_idle_start(&client->idle, on_idle);
}

static void on_await_timer(uv_timer_t *timer) {
  (void)timer; /* only ends the wait */
}

static int turn(e2b__queue_t *queue, uint64_t timeout_ms) {
  e2b_client_t *client = client_of(queue);
  if (client->state >= E2B__CLIENT_ENDING) return E2B_ECLOSED;
  uv_update_time(client->loop);
  if (timeout_ms != E2B_NO_TIMEOUT) {
    uv_timer_start(&client->await_timer, on_await_timer, timeout_ms, 0);
  }
  int alive = uv_run(client->loop, UV_RUN_ONCE);
  if (client->state < E2B__CLIENT_ENDING) uv_timer_stop(&client->await_timer);
  /* Nothing is left on the loop that could ever decide it. */
  if (!alive && timeout_ms == E2B_NO_TIMEOUT && e2b__list_empty(&queue->tasks) &&
      client->alive.count == 0) {
    return E2B_EAGAIN;
  }
  return 0;
}

static void free_client(e2b__queue_t *queue) {
  e2b_client_t *client = client_of(queue);
  curl_slist_free_all(client->api_headers);
  e2b__config_free(&client->config);
  uv_mutex_destroy(&client->post_mutex);
  e2b__free(client);
}

const e2b__queue_ops_t e2b__client_queue_ops = {wake, turn, free_client};

void e2b__client_run_posts(e2b_client_t *client, bool last) {
  e2b__list_t posts;
  e2b__list_init(&posts);
  uv_mutex_lock(&client->post_mutex);
  e2b__list_move(&posts, &client->posts);
  if (last) client->posts_closed = true;
  uv_mutex_unlock(&client->post_mutex);
  e2b__list_t *node;
  while ((node = e2b__list_take(&posts)) != NULL) {
    post *item = E2B__CONTAINER(node, post, node);
    e2b__call_out_begin();
    item->fn(item->user_data);
    e2b__call_out_end();
    e2b__free(item);
  }
}

static void on_async(uv_async_t *async) {
  e2b__client_run_posts(async->data, false);
}

int e2b_client_post(e2b_client_t *client, void (*fn)(void *user_data), void *user_data) {
  if (client == NULL || fn == NULL) return E2B_EINVAL;
  post *item = e2b__malloc(sizeof *item);
  if (item == NULL) return E2B_ENOMEM;
  item->fn = fn;
  item->user_data = user_data;
  uv_mutex_lock(&client->post_mutex);
  const bool closed = client->posts_closed;
  if (!closed) {
    e2b__list_append(&client->posts, &item->node);
    uv_async_send(&client->async);
  }
  uv_mutex_unlock(&client->post_mutex);
  if (closed) e2b__free(item);
  return closed ? E2B_ECLOSED : 0;
}

static void on_handle_closed(uv_handle_t *handle) {
  e2b_client_t *client = handle->data;
  if (--client->handles == 0) e2b__client_ended(client);
}

int e2b__client_loop_init(e2b_client_t *client) {
  e2b__list_init(&client->posts);
  if (uv_mutex_init(&client->post_mutex) != 0) return E2B_ESYSTEM;
  if (uv_async_init(client->loop, &client->async, on_async) != 0) {
    uv_mutex_destroy(&client->post_mutex);
    return E2B_ESYSTEM;
  }
  uv_unref((uv_handle_t *)&client->async);
  client->async.data = client;
  client->alive.handle = (uv_handle_t *)&client->async;
  uv_idle_init(client->loop, &client->idle);
  client->idle.data = client;
  uv_timer_init(client->loop, &client->await_timer);
  client->await_timer.data = client;
  uv_timer_init(client->loop, &client->owed_timer);
  client->owed_timer.data = client;
  client->handles = 4;
  return 0;
}

void e2b__client_loop_close(e2b_client_t *client) {
  uv_close((uv_handle_t *)&client->idle, on_handle_closed);
  uv_close((uv_handle_t *)&client->async, on_handle_closed);
  uv_close((uv_handle_t *)&client->await_timer, on_handle_closed);
  uv_close((uv_handle_t *)&client->owed_timer, on_handle_closed);
}
