/* SPDX-License-Identifier: MIT */
#include "support/told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void told_output(told_t *told, const char *data, size_t len) {
  if (told->seen_len + len + 1 > told->seen_room) {
    told->seen_room = (told->seen_len + len + 1) * 2;
    told->seen = realloc(told->seen, told->seen_room);
    if (told->seen == NULL) abort();
  }
  memcpy(told->seen + told->seen_len, data, len);
  told->seen_len += len;
  told->seen[told->seen_len] = '\0';
}

static void on_data(e2b_terminal_t *terminal, const char *data, size_t len, void *user_data) {
  (void)terminal;
  told_output(user_data, data, len);
}

static void on_gap(e2b_terminal_t *terminal, uint64_t bytes, void *user_data) {
  told_t *told = user_data;
  (void)terminal;
  told->gaps++;
  told->gap += bytes == E2B_BYTES_UNKNOWN ? 1 : bytes;
}

static void on_exit_event(e2b_terminal_t *terminal, const e2b_terminal_exit_t *end,
                          void *user_data) {
  told_t *told = user_data;
  (void)terminal;
  told->exits++;
  told->exit = *end;
}

static void on_lost(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  (void)terminal;
  if (error == NULL || *error->message == '\0') abort();
  ((told_t *)user_data)->lost++;
}

static void on_restored(e2b_terminal_t *terminal, void *user_data) {
  (void)terminal;
  ((told_t *)user_data)->restored++;
}

static void on_drain(e2b_terminal_t *terminal, void *user_data) {
  (void)terminal;
  ((told_t *)user_data)->drains++;
}

static void on_closed(e2b_terminal_t *terminal, const e2b_error_t *error, void *user_data) {
  told_t *told = user_data;
  (void)terminal;
  told->closed++;
  if (error == NULL) return;
  told->closed_code = error->code;
  snprintf(told->closed_message, sizeof told->closed_message, "%s", error->message);
}

void told_by(told_t *told, e2b_terminal_options *options) {
  options->on_data = on_data;
  options->on_gap = on_gap;
  options->on_exit = on_exit_event;
  options->on_lost = on_lost;
  options->on_restored = on_restored;
  options->on_drain = on_drain;
  options->on_closed = on_closed;
  options->user_data = told;
}

void told_free(told_t *told) {
  free(told->seen);
}
