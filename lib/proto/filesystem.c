/* SPDX-License-Identifier: MIT */
#include "proto/filesystem.h"

#include "proto/message_internal.h"

static const e2b__enum_value_t file_type_values[] = {
    {E2B__FILE_TYPE_UNSPECIFIED, "FILE_TYPE_UNSPECIFIED"},
    {E2B__FILE_TYPE_FILE, "FILE_TYPE_FILE"},
    {E2B__FILE_TYPE_DIRECTORY, "FILE_TYPE_DIRECTORY"},
    {E2B__FILE_TYPE_SYMLINK, "FILE_TYPE_SYMLINK"},
};
static const e2b__enum_t file_type = {file_type_values, E2B__COUNT(file_type_values)};

static const e2b__enum_value_t event_type_values[] = {
    {E2B__EVENT_TYPE_UNSPECIFIED, "EVENT_TYPE_UNSPECIFIED"},
    {E2B__EVENT_TYPE_CREATE, "EVENT_TYPE_CREATE"},
    {E2B__EVENT_TYPE_WRITE, "EVENT_TYPE_WRITE"},
    {E2B__EVENT_TYPE_REMOVE, "EVENT_TYPE_REMOVE"},
    {E2B__EVENT_TYPE_RENAME, "EVENT_TYPE_RENAME"},
    {E2B__EVENT_TYPE_CHMOD, "EVENT_TYPE_CHMOD"},
};
static const e2b__enum_t event_type = {event_type_values, E2B__COUNT(event_type_values)};

static const e2b__field_t entry_fields[] = {
    FIELD(1, STRING, e2b__entry_info_t, name, "name"),
    FIELD_AS(2, ENUM, 0, e2b__entry_info_t, type, 0, "type", &file_type),
    FIELD(3, STRING, e2b__entry_info_t, path, "path"),
    FIELD(4, INT64, e2b__entry_info_t, size, "size"),
    FIELD(5, UINT32, e2b__entry_info_t, mode, "mode"),
    FIELD(6, STRING, e2b__entry_info_t, permissions, "permissions"),
    FIELD(7, STRING, e2b__entry_info_t, owner, "owner"),
    FIELD(8, STRING, e2b__entry_info_t, group, "group"),
    FIELD_AS(9, TIMESTAMP, E2B__OPTIONAL, e2b__entry_info_t, modified_time,
             offsetof(e2b__entry_info_t, has_modified_time), "modifiedTime", NULL),
    FIELD_MAYBE(10, STRING, E2B__OPTIONAL, e2b__entry_info_t, symlink_target, "symlinkTarget"),
    FIELD_LIST(11, MAP, e2b__entry_info_t, metadata, "metadata", NULL),
};
static const e2b__message_t entry =
    MESSAGE("filesystem.EntryInfo", entry_fields, e2b__entry_info_t);

static const e2b__field_t path_request_fields[] = {
    FIELD(1, STRING, e2b__path_request_t, path, "path"),
};
const e2b__message_t e2b__path_request =
    MESSAGE("filesystem.StatRequest", path_request_fields, e2b__path_request_t);

static const e2b__field_t move_request_fields[] = {
    FIELD(1, STRING, e2b__move_request_t, source, "source"),
    FIELD(2, STRING, e2b__move_request_t, destination, "destination"),
};
const e2b__message_t e2b__move_request =
    MESSAGE("filesystem.MoveRequest", move_request_fields, e2b__move_request_t);

static const e2b__field_t list_dir_request_fields[] = {
    FIELD(1, STRING, e2b__list_dir_request_t, path, "path"),
    FIELD(2, UINT32, e2b__list_dir_request_t, depth, "depth"),
};
const e2b__message_t e2b__list_dir_request =
    MESSAGE("filesystem.ListDirRequest", list_dir_request_fields, e2b__list_dir_request_t);

static const e2b__field_t entry_response_fields[] = {
    FIELD_NESTED(1, 0, e2b__entry_response_t, entry, "entry", &entry),
};
const e2b__message_t e2b__entry_response =
    MESSAGE("filesystem.StatResponse", entry_response_fields, e2b__entry_response_t);

static const e2b__field_t list_dir_response_fields[] = {
    FIELD_LIST(1, MESSAGE, e2b__list_dir_response_t, entries, "entries", &entry),
};
const e2b__message_t e2b__list_dir_response =
    MESSAGE("filesystem.ListDirResponse", list_dir_response_fields, e2b__list_dir_response_t);

/* --- watching --------------------------------------------------------------------------------- */

static const e2b__field_t watch_request_fields[] = {
    FIELD(1, STRING, e2b__watch_request_t, path, "path"),
    FIELD(2, BOOL, e2b__watch_request_t, recursive, "recursive"),
    FIELD(3, BOOL, e2b__watch_request_t, include_entry, "includeEntry"),
    FIELD(4, BOOL, e2b__watch_request_t, allow_network_mounts, "allowNetworkMounts"),
};
const e2b__message_t e2b__watch_request =
    MESSAGE("filesystem.WatchDirRequest", watch_request_fields, e2b__watch_request_t);

static const e2b__field_t event_fields[] = {
    FIELD(1, STRING, e2b__filesystem_event_t, name, "name"),
    FIELD_AS(2, ENUM, 0, e2b__filesystem_event_t, type, 0, "type", &event_type),
    FIELD_NESTED(3, E2B__OPTIONAL, e2b__filesystem_event_t, entry, "entry", &entry),
};
static const e2b__message_t event =
    MESSAGE("filesystem.FilesystemEvent", event_fields, e2b__filesystem_event_t);

static const e2b__field_t watch_response_fields[] = {
    FIELD_NESTED(1, E2B__ONEOF, e2b__watch_response_t, start, "start", &e2b__empty),
    FIELD_NESTED(2, E2B__ONEOF, e2b__watch_response_t, filesystem, "filesystem", &event),
    FIELD_NESTED(3, E2B__ONEOF, e2b__watch_response_t, keepalive, "keepalive", &e2b__empty),
};
const e2b__message_t e2b__watch_response =
    MESSAGE("filesystem.WatchDirResponse", watch_response_fields, e2b__watch_response_t);

static const e2b__field_t watcher_id_fields[] = {
    FIELD(1, STRING, e2b__watcher_id_t, watcher_id, "watcherId"),
};
const e2b__message_t e2b__watcher_id =
    MESSAGE("filesystem.CreateWatcherResponse", watcher_id_fields, e2b__watcher_id_t);

static const e2b__field_t watcher_events_fields[] = {
    FIELD_LIST(1, MESSAGE, e2b__watcher_events_response_t, events, "events", &event),
};
const e2b__message_t e2b__watcher_events_response = MESSAGE(
    "filesystem.GetWatcherEventsResponse", watcher_events_fields, e2b__watcher_events_response_t);
