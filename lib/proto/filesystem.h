/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_FILESYSTEM_H
#define E2B_LIB_PROTO_FILESYSTEM_H

#include "proto/message.h"

/* filesystem.Filesystem: the daemon's service for everything about files but their content. */

typedef enum e2b__file_type {
  E2B__FILE_TYPE_UNSPECIFIED = 0,
  E2B__FILE_TYPE_FILE = 1,
  E2B__FILE_TYPE_DIRECTORY = 2,
  E2B__FILE_TYPE_SYMLINK = 3
} e2b__file_type_t;

typedef struct e2b__entry_info {
  e2b__str_t name;
  int32_t type; /* e2b__file_type_t */
  e2b__str_t path;
  int64_t size;
  uint32_t mode; /* the nine permission bits */
  e2b__str_t permissions;
  e2b__str_t owner;
  e2b__str_t group;
  bool has_modified_time;
  e2b__timestamp_t modified_time;
  e2b__str_t symlink_target; /* optional */
  e2b__str_pair_t *metadata;
  size_t metadata_count;
} e2b__entry_info_t;

/* StatRequest, MakeDirRequest, RemoveRequest: all have `path` = 1. */
typedef struct e2b__path_request {
  e2b__str_t path;
} e2b__path_request_t;

typedef struct e2b__move_request {
  e2b__str_t source;
  e2b__str_t destination;
} e2b__move_request_t;

typedef struct e2b__list_dir_request {
  e2b__str_t path;
  uint32_t depth;
} e2b__list_dir_request_t;

/* StatResponse, MakeDirResponse, MoveResponse. */
typedef struct e2b__entry_response {
  e2b__entry_info_t *entry;
} e2b__entry_response_t;

typedef struct e2b__list_dir_response {
  e2b__entry_info_t *entries;
  size_t entries_count;
} e2b__list_dir_response_t;

/* WatchDirRequest, CreateWatcherRequest. */
typedef struct e2b__watch_request {
  e2b__str_t path;
  bool recursive;
  bool include_entry;
  bool allow_network_mounts;
} e2b__watch_request_t;

typedef enum e2b__event_type {
  E2B__EVENT_TYPE_UNSPECIFIED = 0,
  E2B__EVENT_TYPE_CREATE = 1,
  E2B__EVENT_TYPE_WRITE = 2,
  E2B__EVENT_TYPE_REMOVE = 3,
  E2B__EVENT_TYPE_RENAME = 4,
  E2B__EVENT_TYPE_CHMOD = 5
} e2b__event_type_t;

typedef struct e2b__filesystem_event {
  e2b__str_t name;
  int32_t type; /* e2b__event_type_t */
  e2b__entry_info_t *entry;
} e2b__filesystem_event_t;

typedef struct e2b__watch_response { /* oneof */
  e2b__empty_t *start;
  e2b__filesystem_event_t *filesystem;
  e2b__empty_t *keepalive;
} e2b__watch_response_t;

/* CreateWatcherResponse, GetWatcherEventsRequest, RemoveWatcherRequest. */
typedef struct e2b__watcher_id {
  e2b__str_t watcher_id;
} e2b__watcher_id_t;

typedef struct e2b__watcher_events_response {
  e2b__filesystem_event_t *events;
  size_t events_count;
} e2b__watcher_events_response_t;

extern const e2b__message_t e2b__path_request;
extern const e2b__message_t e2b__move_request;
extern const e2b__message_t e2b__list_dir_request;
extern const e2b__message_t e2b__entry_response;
extern const e2b__message_t e2b__list_dir_response;
extern const e2b__message_t e2b__watch_request;
extern const e2b__message_t e2b__watch_response;
extern const e2b__message_t e2b__watcher_id;
extern const e2b__message_t e2b__watcher_events_response;

#endif
