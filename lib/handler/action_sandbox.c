/* SPDX-License-Identifier: MIT */
#include "handler/handler.h"

/* create, destroy, getInfo, list. */

/* The largest page that the control plane gives, and how many of them one request may cost: whoever
 * has more sandboxes is told how to go on. */
enum { PAGE = 100, MOST_PAGES = 100 };

void e2b__action_create(e2b__handling_t *h) {
  const cJSON *options = cJSON_GetObjectItemCaseSensitive(h->body, "options");
  const char *id = e2b__json_string(options, "sandboxId", "");
  if (*id != '\0') {
    e2b__handling_take_sandbox(h, id, true, e2b__handling_answer_plain);
  } else {
    e2b__handling_make_sandbox(h, e2b__handling_answer_plain);
  }
}

static void on_killed(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_error_t *error = e2b_future_error(done);
  if (error != NULL) {
    e2b__handling_fail_with(h, error);
    return;
  }
  e2b__lease_forget(h->handler, h->id);
  if (e2b_future_bool(done)) {
    e2b__handling_answer_plain(h);
  } else {
    e2b__handling_fail_unknown(h, h->id);
  }
}

void e2b__action_destroy(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_sandbox_kill_by_id(h->handler->client, h->id), on_killed);
}

/* --- getInfo ------------------------------------------------------------------------------------
 */

static void put_info(e2b__handling_t *h, const e2b_sandbox_info_t *info) {
  char created[32];
  e2b__rfc3339_from_ms(info->started_at_ms, created);
  const e2b_runtime_t runtime = e2b__handling_runtime_of(info);
  e2b__json_open(&h->json, "info", '{');
  e2b__handling_put_text(h, "id", info->id);
  e2b__handling_put_text(h, "provider", "e2b");
  e2b__handling_put_text(h, "runtime", runtime == E2B_RUNTIME_NODE ? "node" : "python");
  e2b__handling_put_text(h, "status", info->status);
  e2b__handling_put_text(h, "createdAt", created);
  e2b__json_put_int(&h->json, "timeout", info->end_at_ms - info->started_at_ms);
  e2b__json_open(&h->json, "metadata", '{');
  for (size_t i = 0; i < info->metadata_count; i++) {
    /* Who made it is the handler's own note. */
    if (strcmp(info->metadata[i].name, e2b__handling_owner_key) == 0) continue;
    e2b__handling_put_text(h, info->metadata[i].name, info->metadata[i].value);
  }
  e2b__json_close(&h->json, '}');
  e2b__json_close(&h->json, '}');
}

static void on_info(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_sandbox_info_t *info = e2b_future_sandbox_info(done);
  if (info == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
    return;
  }
  e2b__handling_begin(h);
  put_info(h, info);
  e2b__handling_done(h);
}

void e2b__action_get_info(e2b__handling_t *h) {
  e2b__handling_await(h, e2b_sandbox_get_info_by_id(h->handler->client, h->id), on_info);
}

/* --- list ---------------------------------------------------------------------------------------
 */

static void ask_for_page(e2b__handling_t *h, const char *next_token);

static void on_page(e2b__handling_t *h, e2b_future_t *done) {
  const e2b_sandbox_list_t *page = e2b_future_sandbox_list(done);
  if (page == NULL) {
    e2b__handling_fail_with(h, e2b_future_error(done));
    return;
  }
  if (h->tag++ == 0) {
    e2b__handling_begin(h);
    e2b__json_open(&h->json, "sandboxes", '[');
  }
  for (size_t i = 0; i < page->count; i++) {
    if (!e2b__handling_owns(h, &page->items[i])) continue;
    e2b__json_open(&h->json, NULL, '{');
    e2b__handling_put_text(h, "sandboxId", page->items[i].id);
    e2b__handling_put_text(h, "provider", "e2b");
    e2b__json_close(&h->json, '}');
  }
  if (page->next_token != NULL && h->tag < MOST_PAGES) {
    ask_for_page(h, page->next_token);
    return;
  }
  e2b__json_close(&h->json, ']');
  if (page->next_token != NULL) e2b__handling_put_text(h, "nextToken", page->next_token);
  e2b__handling_done(h);
}

static void ask_for_page(e2b__handling_t *h, const char *next_token) {
  const e2b_pair_t mine = {e2b__handling_owner_key, h->caller->name};
  e2b_list_options options;
  E2B_INIT(&options);
  options.limit = PAGE;
  options.next_token = next_token;
  if (*h->caller->name != '\0') {
    options.metadata = &mine;
    options.metadata_count = 1;
  }
  e2b__handling_await(h, e2b_sandbox_list(h->handler->client, &options), on_page);
}

void e2b__action_list(e2b__handling_t *h) {
  h->tag = 0;
  ask_for_page(h, e2b__action_text(h, "nextToken"));
}
