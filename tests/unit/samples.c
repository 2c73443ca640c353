/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include <stdlib.h>

static e2b__str_t args[] = {E2B__STR("-l"), E2B__STR(""), E2B__STR("echo \"h\303\251\"\n")};
static e2b__str_pair_t envs[] = {{E2B__STR("TERM"), E2B__STR("xterm")},
                                 {E2B__STR("EMPTY"), E2B__STR("")},
                                 {E2B__STR("\360\237\231\202"), E2B__STR("\\")}};
static e2b__process_config_t config = {E2B__STR("/bin/bash"), args, 3, envs, 3, E2B__STR("/home")};
static e2b__process_config_t bare_config = {E2B__STR("ls"), NULL, 0, NULL, 0, {NULL, 0}};
static e2b__pty_size_t size = {80, 24};
static e2b__pty_t pty = {&size};
static e2b__pty_t pty_without_size = {NULL};
static e2b__process_selector_t by_pid = {true, 731, {NULL, 0}};
static e2b__process_selector_t by_pid_zero = {true, 0, {NULL, 0}};
static e2b__process_selector_t by_tag = {false, 0, E2B__STR("job")};
static e2b__process_selector_t by_empty_tag = {false, 0, E2B__STR("")};

static const e2b__process_start_request_t start_request = {&config, &pty, E2B__STR("job"), true,
                                                           false};
static const e2b__process_start_request_t start_bare = {
    &bare_config, NULL, {NULL, 0}, false, false};
static const e2b__process_start_request_t start_pty = {&bare_config, &pty_without_size,
                                                       E2B__STR(""), true, true};

static e2b__process_info_t infos[] = {
    {&config, 4294967295u, E2B__STR("job")}, {NULL, 0, {NULL, 0}}, {&bare_config, 7, E2B__STR("")}};
static const e2b__process_list_response_t list = {infos, 3};
static const e2b__process_list_response_t list_nothing = {NULL, 0};

static e2b__empty_t empty;
static e2b__process_start_event_t start_event = {18476};
static e2b__process_data_event_t out_event = {E2B__STR("hi\n"), {NULL, 0}, {NULL, 0}};
static e2b__process_data_event_t err_event = {{NULL, 0}, E2B__STR("\0\377\200"), {NULL, 0}};
static e2b__process_data_event_t pty_event = {{NULL, 0}, {NULL, 0}, E2B__STR("")};
static e2b__process_end_event_t end_exit = {3, true, E2B__STR("exit status 3"),
                                            E2B__STR("exit status 3")};
static e2b__process_end_event_t end_signal = {-1, false, E2B__STR("signal: killed"), {NULL, 0}};
static e2b__process_end_event_t end_lowest = {INT32_MIN, false, {NULL, 0}, E2B__STR("")};
static e2b__process_event_t events[] = {
    {.start = &start_event}, {.data = &out_event}, {.data = &err_event}, {.data = &pty_event},
    {.end = &end_exit},      {.end = &end_signal}, {.end = &end_lowest}, {.keepalive = &empty},
};
static const e2b__process_event_response_t event_responses[] = {
    {&events[0]}, {&events[1]}, {&events[2]}, {&events[3]},
    {&events[4]}, {&events[5]}, {&events[6]}, {&events[7]},
};

static e2b__process_selector_request_t select_pid = {&by_pid};
static const e2b__process_selector_request_t select_pid_zero = {&by_pid_zero};
static const e2b__process_selector_request_t select_tag = {&by_tag};
static const e2b__process_selector_request_t select_empty_tag = {&by_empty_tag};
static const e2b__process_update_request_t update = {&by_pid, &pty};

static e2b__process_input_t input_stdin = {E2B__STR("ls\n"), {NULL, 0}};
static e2b__process_input_t input_pty = {{NULL, 0}, E2B__STR("ls\n")};
static const e2b__send_input_request_t send_input = {&by_pid, &input_stdin};
static e2b__stream_input_data_t stream_data = {&input_pty};
static const e2b__stream_input_request_t stream_start = {.start = &select_pid};
static const e2b__stream_input_request_t stream_input = {.data = &stream_data};
static const e2b__stream_input_request_t stream_alive = {.keepalive = &empty};
static const e2b__send_signal_request_t send_kill = {&by_pid, E2B__SIGNAL_SIGKILL};
static const e2b__send_signal_request_t send_other = {&by_tag, -2};

static e2b__str_pair_t metadata[] = {{E2B__STR("k"), E2B__STR("v")}};
static e2b__entry_info_t entries[] = {
    {E2B__STR("a.txt"),
     E2B__FILE_TYPE_FILE,
     E2B__STR("/tmp/a.txt"),
     12,
     420,
     E2B__STR("-rw-r--r--"),
     E2B__STR("user"),
     E2B__STR("group"),
     true,
     {1735787045, 678901234},
     E2B__STR("/tmp/b"),
     metadata,
     1},
    {E2B__STR("old"),
     E2B__FILE_TYPE_DIRECTORY,
     E2B__STR("/old"),
     INT64_MAX,
     UINT32_MAX,
     {NULL, 0},
     {NULL, 0},
     {NULL, 0},
     true,
     {-62135596800, 500000000},
     {NULL, 0},
     NULL,
     0},
    {{NULL, 0},
     77,
     {NULL, 0},
     INT64_MIN,
     0,
     {NULL, 0},
     {NULL, 0},
     {NULL, 0},
     true,
     {0, 0},
     E2B__STR(""),
     NULL,
     0},
    {{NULL, 0},
     0,
     {NULL, 0},
     0,
     0,
     {NULL, 0},
     {NULL, 0},
     {NULL, 0},
     false,
     {0, 0},
     {NULL, 0},
     NULL,
     0},
};
static const e2b__entry_response_t entry_response = {&entries[0]};
static const e2b__list_dir_response_t listing = {entries, 4};
static const e2b__path_request_t path = {E2B__STR("/home/user/\303\244")};
static const e2b__move_request_t move = {E2B__STR("a"), E2B__STR("b")};
static const e2b__list_dir_request_t list_dir = {E2B__STR("/"), 3};
static const e2b__watch_request_t watch = {E2B__STR("/w"), true, true, true};
static e2b__filesystem_event_t fs_events[] = {
    {E2B__STR("f"), E2B__EVENT_TYPE_CREATE, &entries[0]},
    {E2B__STR("g"), E2B__EVENT_TYPE_CHMOD, NULL},
};
static const e2b__watch_response_t watch_start = {.start = &empty};
static const e2b__watch_response_t watch_event = {.filesystem = &fs_events[0]};
static const e2b__watch_response_t watch_alive = {.keepalive = &empty};
static const e2b__watcher_id_t watcher = {E2B__STR("w0123456789")};
static const e2b__watcher_events_response_t watcher_events = {fs_events, 2};

#define EVENT(i, json) \
  { "event " #i, &e2b__process_event_response, &event_responses[i], json }

const sample samples[] = {
    {"empty", &e2b__empty, &empty, "{}"},
    {"start request", &e2b__process_start_request, &start_request,
     "{\"process\":{\"cmd\":\"/bin/bash\",\"args\":[\"-l\",\"\",\"echo \\\"h\303\251\\\"\\n\"],"
     "\"envs\":{\"TERM\":\"xterm\",\"EMPTY\":\"\",\"\360\237\231\202\":\"\\\\\"},"
     "\"cwd\":\"/home\"},\"pty\":{\"size\":{\"cols\":80,\"rows\":24}},\"tag\":\"job\","
     "\"stdin\":false}"},
    {"start request, bare", &e2b__process_start_request, &start_bare,
     "{\"process\":{\"cmd\":\"ls\"}}"},
    {"start request, pty", &e2b__process_start_request, &start_pty,
     "{\"process\":{\"cmd\":\"ls\"},\"pty\":{},\"tag\":\"\",\"stdin\":true}"},
    {"list", &e2b__process_list_response, &list, NULL},
    {"list of nothing", &e2b__process_list_response, &list_nothing, "{}"},
    EVENT(0, "{\"event\":{\"start\":{\"pid\":18476}}}"),
    EVENT(1, "{\"event\":{\"data\":{\"stdout\":\"aGkK\"}}}"),
    EVENT(2, "{\"event\":{\"data\":{\"stderr\":\"AP+A\"}}}"),
    EVENT(3, "{\"event\":{\"data\":{\"pty\":\"\"}}}"),
    EVENT(4, "{\"event\":{\"end\":{\"exitCode\":3,\"exited\":true,\"status\":\"exit status 3\","
             "\"error\":\"exit status 3\"}}}"),
    EVENT(5, "{\"event\":{\"end\":{\"exitCode\":-1,\"status\":\"signal: killed\"}}}"),
    EVENT(6, "{\"event\":{\"end\":{\"exitCode\":-2147483648,\"error\":\"\"}}}"),
    EVENT(7, "{\"event\":{\"keepalive\":{}}}"),
    {"select by pid", &e2b__process_selector_request, &select_pid, "{\"process\":{\"pid\":731}}"},
    {"select by pid 0", &e2b__process_selector_request, &select_pid_zero,
     "{\"process\":{\"pid\":0}}"},
    {"select by tag", &e2b__process_selector_request, &select_tag,
     "{\"process\":{\"tag\":\"job\"}}"},
    {"select by empty tag", &e2b__process_selector_request, &select_empty_tag,
     "{\"process\":{\"tag\":\"\"}}"},
    {"update", &e2b__process_update_request, &update,
     "{\"process\":{\"pid\":731},\"pty\":{\"size\":{\"cols\":80,\"rows\":24}}}"},
    {"send input", &e2b__send_input_request, &send_input,
     "{\"process\":{\"pid\":731},\"input\":{\"stdin\":\"bHMK\"}}"},
    {"stream start", &e2b__stream_input_request, &stream_start,
     "{\"start\":{\"process\":{\"pid\":731}}}"},
    {"stream input", &e2b__stream_input_request, &stream_input,
     "{\"data\":{\"input\":{\"pty\":\"bHMK\"}}}"},
    {"stream keepalive", &e2b__stream_input_request, &stream_alive, "{\"keepalive\":{}}"},
    {"send SIGKILL", &e2b__send_signal_request, &send_kill,
     "{\"process\":{\"pid\":731},\"signal\":\"SIGNAL_SIGKILL\"}"},
    {"send a nameless signal", &e2b__send_signal_request, &send_other,
     "{\"process\":{\"tag\":\"job\"},\"signal\":-2}"},
    {"path", &e2b__path_request, &path, "{\"path\":\"/home/user/\303\244\"}"},
    {"move", &e2b__move_request, &move, "{\"source\":\"a\",\"destination\":\"b\"}"},
    {"list directory", &e2b__list_dir_request, &list_dir, "{\"path\":\"/\",\"depth\":3}"},
    {"entry", &e2b__entry_response, &entry_response,
     "{\"entry\":{\"name\":\"a.txt\",\"type\":\"FILE_TYPE_FILE\",\"path\":\"/tmp/a.txt\","
     "\"size\":\"12\",\"mode\":420,\"permissions\":\"-rw-r--r--\",\"owner\":\"user\","
     "\"group\":\"group\",\"modifiedTime\":\"2025-01-02T03:04:05.678901234Z\","
     "\"symlinkTarget\":\"/tmp/b\",\"metadata\":{\"k\":\"v\"}}}"},
    {"listing", &e2b__list_dir_response, &listing, NULL},
    {"watch", &e2b__watch_request, &watch,
     "{\"path\":\"/w\",\"recursive\":true,\"includeEntry\":true,\"allowNetworkMounts\":true}"},
    {"watch start", &e2b__watch_response, &watch_start, "{\"start\":{}}"},
    {"watch event", &e2b__watch_response, &watch_event, NULL},
    {"watch keepalive", &e2b__watch_response, &watch_alive, "{\"keepalive\":{}}"},
    {"watcher", &e2b__watcher_id, &watcher, "{\"watcherId\":\"w0123456789\"}"},
    {"watcher events", &e2b__watcher_events_response, &watcher_events, NULL},
};
const size_t samples_count = E2B__COUNT(samples);

void *sample_room(const sample *s) {
  return calloc(1, s->type->size);
}
