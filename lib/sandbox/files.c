/* SPDX-License-Identifier: MIT */
#include "sandbox/files.h"
#include "proto/filesystem.h"

/* The filesystem service: everything about files but their content. */

/* The daemon's seconds may be any number. */
static int64_t ms_of(const e2b__timestamp_t *time) {
  const int64_t most = INT64_MAX / 1000 - 3;
  const int64_t seconds = time->seconds > most    ? most
                          : time->seconds < -most ? -most
                                                  : time->seconds;
  return seconds * 1000 + time->nanos / 1000000;
}

int e2b__file_info_read(e2b__arena_t *arena, const e2b__entry_info_t *from, e2b_file_info_t *to) {
  to->name = e2b__text_of(arena, from->name);
  to->path = e2b__text_of(arena, from->path);
  to->permissions = e2b__text_of(arena, from->permissions);
  to->owner = e2b__text_of(arena, from->owner);
  to->group = e2b__text_of(arena, from->group);
  to->symlink_target = e2b__text_of(arena, from->symlink_target);
  if (to->name == NULL || to->path == NULL || to->permissions == NULL || to->owner == NULL ||
      to->group == NULL || to->symlink_target == NULL) {
    return E2B_ENOMEM;
  }
  to->type = from->type == E2B__FILE_TYPE_FILE        ? E2B_FILE_REGULAR
             : from->type == E2B__FILE_TYPE_DIRECTORY ? E2B_FILE_DIRECTORY
                                                      : E2B_FILE_OTHER;
  to->size = from->size;
  to->mode = from->mode;
  to->modified_ms = ms_of(&from->modified_time);
  to->metadata_count = from->metadata_count;
  return e2b__pairs_of(arena, from->metadata, from->metadata_count, &to->metadata);
}

const e2b_file_info_t *e2b_future_file_info(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_FILE_INFO);
}

const e2b_file_list_t *e2b_future_file_list(const e2b_future_t *future) {
  return e2b__future_value(future, E2B__KIND_FILE_LIST);
}

static void on_entry(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!e2b__daemon_ok(op, result)) return;
  e2b__arena_t *arena = e2b__future_arena(op->future);
  e2b__entry_response_t response;
  if (e2b__daemon_decode(op, result, &e2b__entry_response, &response) != 0) return;
  e2b_file_info_t *info = e2b__arena_calloc(arena, 1, sizeof *info);
  int rc = info == NULL             ? E2B_ENOMEM
           : response.entry == NULL ? E2B_EPROTOCOL
                                    : e2b__file_info_read(arena, response.entry, info);
  if (rc != 0) {
    e2b__operation_fail_answer(op, result, rc, "", "");
  } else {
    e2b__future_succeed(op->future, info, NULL);
  }
}

static void on_entries(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (!e2b__daemon_ok(op, result)) return;
  e2b__arena_t *arena = e2b__future_arena(op->future);
  e2b__list_dir_response_t response;
  if (e2b__daemon_decode(op, result, &e2b__list_dir_response, &response) != 0) return;
  e2b_file_list_t *list = e2b__arena_calloc(arena, 1, sizeof *list);
  e2b_file_info_t *items = e2b__arena_calloc(arena, response.entries_count + 1, sizeof *items);
  int rc = list != NULL && items != NULL ? 0 : E2B_ENOMEM;
  for (size_t i = 0; rc == 0 && i < response.entries_count; i++) {
    rc = e2b__file_info_read(arena, &response.entries[i], &items[i]);
  }
  if (rc != 0) {
    e2b__operation_fail_answer(op, result, rc, "", "");
    return;
  }
  list->items = items;
  list->count = response.entries_count;
  e2b__future_succeed(op->future, list, NULL);
}

static void on_nothing(e2b__operation_t *op, const e2b__call_result_t *result) {
  if (e2b__daemon_ok(op, result)) e2b__future_succeed_number(op->future, 1);
}

/* A yes or no: op->tag is the refusal that means no. */
static void on_yes_or_no(e2b__operation_t *op, const e2b__call_result_t *result) {
  e2b_error_t error;
  if (e2b__daemon_outcome(op, result, &error) == op->tag && *error.connect_code != '\0') {
    e2b__future_succeed_number(op->future, 0);
  } else if (e2b__daemon_ok(op, result)) {
    e2b__future_succeed_number(op->future, 1);
  }
}

typedef struct file_call {
  const char *name;
  const char *method;
  e2b__kind_t kind;
  bool safe;
  int no_code; /* the refusal that means no */
  e2b__operation_cb done;
} file_call;

static e2b_future_t *transmit(e2b_sandbox_t *sandbox, const file_call *what, const char *path,
                              const e2b_file_options *given, const e2b__message_t *type,
                              const void *message) {
  e2b_future_t *future;
  e2b__operation_t *op = e2b__daemon_operation(sandbox, what->kind, what->name, &future);
  if (op == NULL) return future;
  e2b_file_options options;
  e2b__options_copy(&options, sizeof options, given);
  op->tag = what->no_code;
  int rc = path != NULL ? e2b__daemon_user(op, options.user)
                        : e2b__operation_refuse(op, "there is no path");
  e2b__daemon_rpc(op, rc, what->method, type, message, what->safe, options.request_timeout_ms,
                  what->done);
  return future;
}

static e2b_future_t *send_path(e2b_sandbox_t *sandbox, const file_call *what, const char *path,
                               const e2b_file_options *options) {
  const e2b__path_request_t request = {e2b__str(path)};
  return transmit(sandbox, what, path, options, &e2b__path_request, &request);
}

e2b_future_t *e2b_files_list(e2b_sandbox_t *sandbox, const char *path, uint32_t depth,
                             const e2b_file_options *options) {
  static const file_call what = {
      "e2b_files_list", "/filesystem.Filesystem/ListDir", E2B__KIND_FILE_LIST, true, 0, on_entries};
  const e2b__list_dir_request_t request = {e2b__str(path), depth};
  return transmit(sandbox, &what, path, options, &e2b__list_dir_request, &request);
}

e2b_future_t *e2b_files_stat(e2b_sandbox_t *sandbox, const char *path,
                             const e2b_file_options *options) {
  static const file_call what = {
      "e2b_files_stat", "/filesystem.Filesystem/Stat", E2B__KIND_FILE_INFO, true, 0, on_entry};
  return send_path(sandbox, &what, path, options);
}

e2b_future_t *e2b_files_exists(e2b_sandbox_t *sandbox, const char *path,
                               const e2b_file_options *options) {
  static const file_call what = {"e2b_files_exists", "/filesystem.Filesystem/Stat",
                                 E2B__KIND_BOOL,     true,
                                 E2B_ENOTFOUND,      on_yes_or_no};
  return send_path(sandbox, &what, path, options);
}

e2b_future_t *e2b_files_mkdir(e2b_sandbox_t *sandbox, const char *path,
                              const e2b_file_options *options) {
  static const file_call what = {"e2b_files_mkdir", "/filesystem.Filesystem/MakeDir",
                                 E2B__KIND_BOOL,    false,
                                 E2B_EEXISTS,       on_yes_or_no};
  return send_path(sandbox, &what, path, options);
}

e2b_future_t *e2b_files_rename(e2b_sandbox_t *sandbox, const char *from, const char *to,
                               const e2b_file_options *options) {
  static const file_call what = {
      "e2b_files_rename", "/filesystem.Filesystem/Move", E2B__KIND_FILE_INFO, false, 0, on_entry};
  const e2b__move_request_t request = {e2b__str(from), e2b__str(to)};
  return transmit(sandbox, &what, to != NULL ? from : NULL, options, &e2b__move_request, &request);
}

e2b_future_t *e2b_files_remove(e2b_sandbox_t *sandbox, const char *path,
                               const e2b_file_options *options) {
  static const file_call what = {
      "e2b_files_remove", "/filesystem.Filesystem/Remove", E2B__KIND_NOTHING, true, 0, on_nothing};
  return send_path(sandbox, &what, path, options);
}
