/* SPDX-License-Identifier: MIT */
#ifndef E2B_BASE_H
#define E2B_BASE_H

/* Words that every other header of the library uses. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define E2B_VERSION_MAJOR 0
#define E2B_VERSION_MINOR 1
#define E2B_VERSION_PATCH 0
#define E2B_VERSION       "0.1.0"

#if defined(E2B_STATIC)
#define E2B_API
#elif defined(__GNUC__)
#define E2B_API __attribute__((visibility("default")))
#else
#define E2B_API
#endif

/* The version of the library that runs (as opposed to E2B_VERSION, the one compiled against). */
E2B_API const char *e2b_version(void);

/* A run of bytes. Where the library hands one out as part of a result, a NUL follows the last byte
 * (it is not counted), so that text may be printed as it is. */
typedef struct e2b_bytes {
  const char *ptr;
  size_t len;
} e2b_bytes_t;

/* A name and its value: an environment variable, a metadata entry, a header. NUL-terminated. */
typedef struct e2b_pair {
  const char *name;
  const char *value;
} e2b_pair_t;

/* An option with three states; zero leaves the choice to the environment or the default. */
typedef enum e2b_toggle { E2B_DEFAULT = 0, E2B_ON = 1, E2B_OFF = 2 } e2b_toggle_t;

/* "No limit", wherever a duration is asked for. Zero means "the default". */
#define E2B_NO_TIMEOUT UINT64_MAX

/* Every options struct starts with `size` and is prepared by this: all fields default.
 *     e2b_run_options o;
 *     E2B_INIT(&o);
 * A caller compiled against an older header stays valid: fields it does not know are default. Of a
 * struct that was not prepared, only zeroed, no field counts: its `size` says that it has none. */
#define E2B_INIT(options) \
  (memset((options), 0, sizeof *(options)), (void)((options)->size = sizeof *(options)))

/* The allocator of everything the library itself allocates. All three must behave like their C
 * namesakes, of which any thread may call any (a host in the process has libuv's pool read large
 * trees); `user_data` is passed through. Call once, before anything else of the library;
 * NULL restores the C library's. Memory of curl, cJSON, libuv, mbedTLS and wslay is theirs: see
 * curl_global_init_mem(), cJSON_InitHooks(), uv_replace_allocator(),
 * mbedtls_platform_set_calloc_free(). */
typedef struct e2b_allocator {
  void *(*malloc)(size_t size, void *user_data);
  void *(*realloc)(void *ptr, size_t size, void *user_data);
  void (*free)(void *ptr, void *user_data);
  void *user_data;
} e2b_allocator_t;

E2B_API void e2b_set_allocator(const e2b_allocator_t *allocator);

/* Logging. The callback runs on the loop's thread, with a complete line without newline, and must
 * not call back into the library. Levels are tested before anything is formatted. API keys, access
 * tokens, bodies and environment values never appear in a line. */
typedef enum e2b_log_level {
  E2B_LOG_OFF = 0,
  E2B_LOG_ERROR = 1,
  E2B_LOG_WARN = 2,
  E2B_LOG_INFO = 3,
  E2B_LOG_DEBUG = 4,
  E2B_LOG_TRACE = 5
} e2b_log_level_t;

typedef void (*e2b_log_cb)(e2b_log_level_t level, const char *line, void *user_data);

#ifdef __cplusplus
}
#endif

#endif
