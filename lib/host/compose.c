/* SPDX-License-Identifier: MIT */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "host/daemon.h"
#include "host/file_copy.h"
#include "host/isolation.h"
#include "host/paths.h"
#include "proto/json.h"

/* POST /files/compose: files one behind the other become one, and are gone. They are put together
 * under another name, a file at a time on a thread of libuv, so that nobody waits for a disk. */

enum { STEP = 64 << 20, BODY_CEILING = 4 << 20 };

typedef struct compose {
  e2b__host_request_t *request; /* NULL: its client is gone */
  e2b_host_t *host;
  bool as_root;
  char **sources; /* absolute */
  size_t count, at;
  char *destination;
  char *name, *temporary; /* in the destination's directory */
  int directory, to, from;
  e2b__host_file_copy_t copy; /* the one at hand */
  int result;                 /* of its last step */
  atomic_bool unwanted;
  uv_work_t work;
  e2b__arena_t arena;
} compose_t;

static void compose_free(compose_t *compose) {
  if (compose->from >= 0) close(compose->from);
  if (compose->to >= 0) close(compose->to);
  if (compose->directory >= 0) close(compose->directory);
  e2b__arena_free(&compose->arena);
  e2b__free(compose);
}

/* Ends it without a result; the sources are as they were. */
static void give_up(compose_t *compose) {
  if (compose->to >= 0) unlinkat(compose->directory, compose->temporary, 0);
  if (compose->request != NULL) compose->request->state = NULL;
  compose_free(compose);
}

/* ---- copying ---- */

/* On the thread; not long, so that a disk that has become full meanwhile is seen. */
static void copy_work(uv_work_t *work) {
  compose_t *compose = work->data;
  compose->result =
      atomic_load(&compose->unwanted) ? -ECANCELED : e2b__host_file_copy(&compose->copy, STEP);
}

/* ---- the end ---- */

static void answer_composed(e2b__host_request_t *request, const compose_t *compose) {
  e2b__buffer_t out = E2B__BUFFER_INIT(1 << 20);
  e2b__json_writer_t w;
  e2b__json_begin(&w, &out);
  e2b__json_open(&w, NULL, '{');
  e2b__json_put_string(&w, "name", compose->name, strlen(compose->name));
  e2b__json_put_string(&w, "path", compose->destination, strlen(compose->destination));
  e2b__json_put_string(&w, "type", "file", 4);
  e2b__json_close(&w, '}');
  if (w.rc == 0 && e2b__buffer_append_str(&out, "\n") == 0)
    e2b__host_answer_bytes(request, 200, "application/json", out.data, out.len);
  else
    e2b__host_answer(request, 500, NULL);
  e2b__buffer_free(&out);
}

static void remove_sources(const compose_t *compose, const e2b__host_sandbox_t *sandbox) {
  e2b__arena_t arena = {0};
  for (size_t i = 0; i < compose->count; i++) {
    char *clean = e2b__host_path_clean(&arena, compose->sources[i]);
    int parent = clean != NULL ? e2b__host_open_parent(sandbox, &arena, clean) : -1;
    if (parent >= 0) {
      unlinkat(parent, e2b__host_path_name(clean), 0);
      close(parent);
    }
    e2b__arena_reset(&arena);
  }
  e2b__arena_free(&arena);
}

static void finish_compose(compose_t *compose) {
  e2b__host_request_t *request = compose->request;
  if (renameat(compose->directory, compose->temporary, compose->directory, compose->name) != 0) {
    e2b__host_answer_error(request, 500, "error finalizing compose: rename %s %s: %s",
                           compose->temporary, compose->destination,
                           errno == EISDIR ? "file exists" : e2b__host_error_text(errno));
    give_up(compose);
    return;
  }
  remove_sources(compose, request->sandbox);
  answer_composed(request, compose);
  request->state = NULL;
  compose_free(compose);
}

static void no_space(compose_t *compose) {
  e2b__host_answer_error(compose->request, 507, "not enough disk space available");
  give_up(compose);
}

static void source_failed(compose_t *compose, int error) {
  e2b__host_answer_error(compose->request, 500, "error composing source %s: %s",
                         compose->sources[compose->at], e2b__host_error_text(error));
  give_up(compose);
}

static void open_next(compose_t *compose);
static void copy_on(compose_t *compose);

static void on_copied(uv_work_t *work, int status) {
  compose_t *compose = work->data;
  e2b__host_request_t *request = compose->request;
  e2b_host_t *host = compose->host;
  int result = status == 0 ? compose->result : -ECANCELED;
  if (request == NULL || request->sandbox == NULL || request->cut) {
    give_up(compose);
  } else if (result == -ENOSPC || result == -EDQUOT) {
    no_space(compose);
  } else if (result < 0) {
    source_failed(compose, -result);
  } else if (result > 0) {
    copy_on(compose);
  } else {
    compose->at++;
    open_next(compose);
  }
  e2b__host_handle_closed(host);
}

static void copy_on(compose_t *compose) {
  if (compose->request->sandbox->disk_full) {
    no_space(compose);
  } else if (uv_queue_work(compose->host->loop, &compose->work, copy_work, on_copied) != 0) {
    source_failed(compose, ENOMEM);
  } else {
    e2b__host_handle_opened(compose->host);
  }
}

/* What was a file when it was looked at may be a device by now. */
static int open_source(const compose_t *compose, const char *source) {
  struct stat st;
  int fd = e2b__host_open(compose->request->sandbox, source, O_RDONLY | O_NONBLOCK, 0);
  if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))) return fd;
  close(fd);
  return -EINVAL;
}

static void open_next(compose_t *compose) {
  if (compose->from >= 0) close(compose->from);
  compose->from = -1;
  if (compose->at == compose->count) {
    finish_compose(compose);
    return;
  }
  const char *source = compose->sources[compose->at];
  compose->from = open_source(compose, source);
  if (compose->from < 0) {
    e2b__host_answer_error(compose->request, 500, "error opening source file %s: open %s: %s",
                           source, source, e2b__host_error_text(-compose->from));
    give_up(compose);
    return;
  }
  compose->copy =
      (e2b__host_file_copy_t){compose->from, compose->to, 0, lseek(compose->to, 0, SEEK_END)};
  compose->work.data = compose;
  copy_on(compose);
}

/* ---- the beginning: each answers when it says false ---- */

static bool resolve(compose_t *compose, const char *path, const char *what, char **resolved) {
  const char *why = NULL;
  *resolved = e2b__host_path_expand(compose->request->sandbox, &compose->arena, e2b__str(path),
                                    compose->as_root, &why);
  if (*resolved != NULL) return true;
  e2b__host_answer_error(compose->request, why != NULL ? 400 : 500, "error resolving %s: %s", what,
                         why != NULL ? why : "out of memory");
  return false;
}

static bool take_source(compose_t *compose, const char *given) {
  e2b__host_request_t *request = compose->request;
  char what[300], **path = &compose->sources[compose->count];
  struct stat st;
  snprintf(what, sizeof what, "source path \"%.250s\"", given);
  if (!resolve(compose, given, what, path)) return false;
  if (strcmp(*path, compose->destination) == 0) {
    e2b__host_answer_error(request, 400, "source path \"%s\" cannot be the same as destination",
                           given);
    return false;
  }
  if (e2b__host_stat(request->sandbox, *path, true, &st) != 0) {
    e2b__host_answer_error(request, 404, "source file not found: %s", given);
    return false;
  }
  if (!S_ISREG(st.st_mode)) {
    e2b__host_answer_error(request, 400, "source path is not a regular file: %s", given);
    return false;
  }
  compose->count++;
  return true;
}

static bool take_user(compose_t *compose, const cJSON *name) {
  const char *basic;
  if (name == NULL || cJSON_IsNull(name))
    return e2b__host_acting_user(compose->request, &compose->as_root, &basic) == 0;
  compose->as_root = strcmp(name->valuestring, "root") == 0;
  if (compose->as_root || strcmp(name->valuestring, "user") == 0) return true;
  e2b__host_answer_error(compose->request, 401,
                         "error looking up user '%.200s': user: unknown user %.200s",
                         name->valuestring, name->valuestring);
  return false;
}

static bool are_strings(const cJSON *list) {
  const cJSON *item;
  cJSON_ArrayForEach(item, list) if (!cJSON_IsString(item)) return false;
  return true;
}

static bool is_text(const cJSON *item) {
  return item == NULL || cJSON_IsNull(item) || cJSON_IsString(item);
}

static bool take_body(compose_t *compose, const cJSON *body) {
  e2b__host_request_t *request = compose->request;
  const cJSON *sources = cJSON_GetObjectItemCaseSensitive(body, "source_paths");
  const cJSON *destination = cJSON_GetObjectItemCaseSensitive(body, "destination");
  const cJSON *user = cJSON_GetObjectItemCaseSensitive(body, "username"), *item;

  if (!(cJSON_IsObject(body) || cJSON_IsNull(body)) ||
      !(sources == NULL || cJSON_IsNull(sources) || cJSON_IsArray(sources)) ||
      !are_strings(sources) || !is_text(destination) || !is_text(user)) {
    e2b__host_answer_error(request, 400, "invalid request body: %s",
                           request->body.len == 0 ? "EOF" : "not what is expected");
    return false;
  }
  if (cJSON_GetArraySize(sources) == 0) {
    e2b__host_answer_error(request, 400, "source_paths must not be empty");
    return false;
  }
  if (!cJSON_IsString(destination) || *destination->valuestring == '\0') {
    e2b__host_answer_error(request, 400, "destination is required");
    return false;
  }
  compose->sources =
      e2b__arena_calloc(&compose->arena, (size_t)cJSON_GetArraySize(sources), sizeof(char *));
  if (!take_user(compose, user) ||
      !resolve(compose, destination->valuestring, "destination path", &compose->destination))
    return false;
  if (compose->sources == NULL) {
    e2b__host_answer(request, 500, NULL);
    return false;
  }
  cJSON_ArrayForEach(item, sources) if (!take_source(compose, item->valuestring)) return false;
  return true;
}

static bool open_temporary(compose_t *compose) {
  e2b__host_request_t *request = compose->request;
  const e2b__host_sandbox_t *sandbox = request->sandbox;
  uid_t owner = e2b__host_machine_uid(sandbox->host, compose->as_root ? 0 : E2B__SANDBOX_UID);
  const char *blame = compose->destination;
  char *clean = e2b__host_path_clean(&compose->arena, compose->destination), random[33];
  char *parent = clean != NULL ? e2b__arena_strndup(&compose->arena, clean, strlen(clean)) : NULL;
  int rc = -ENOMEM;

  if (parent != NULL && e2b__host_random_hex(random, 32) == 0) {
    char *slash = strrchr(parent, '/');
    compose->name = clean + (slash - parent) + 1;
    slash[slash == parent] = '\0';
    compose->temporary = e2b__arena_alloc(&compose->arena, strlen(compose->name) + 64);
    rc = e2b__host_make_path(sandbox, &compose->arena, parent, compose->as_root, &blame);
  }
  if (rc == -ENOTDIR) {
    e2b__host_answer_error(request, 500, "error ensuring directories: path is a file: %s", blame);
    return false;
  }
  if (rc != 0 || compose->temporary == NULL) {
    e2b__host_answer_error(request, 500, "error ensuring directories: %s: %s", blame,
                           e2b__host_error_text(rc != 0 ? -rc : ENOMEM));
    return false;
  }
  sprintf(compose->temporary, "%s.e2b-compose.%s.tmp", compose->name, random);
  compose->directory = e2b__host_open(sandbox, parent, O_PATH | O_DIRECTORY, 0);
  if (compose->directory >= 0)
    compose->to = openat(compose->directory, compose->temporary,
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (compose->to >= 0 && fchmod(compose->to, 0644) == 0 &&
      (owner == geteuid() || fchown(compose->to, owner, owner) == 0))
    return true;
  if (errno == ENOSPC || errno == EDQUOT)
    e2b__host_answer_error(request, 507, "not enough disk space available");
  else
    e2b__host_answer_error(request, 500, "error creating destination file: open %s: %s",
                           compose->destination, e2b__host_error_text(errno));
  return false;
}

static void on_finish(e2b__host_request_t *request) {
  compose_t *compose = e2b__calloc(1, sizeof *compose);
  if (compose == NULL || request->sandbox == NULL) {
    e2b__free(compose);
    e2b__host_answer(request, 500, NULL);
    return;
  }
  compose->request = request;
  compose->host = request->host;
  compose->directory = compose->to = compose->from = -1;
  request->state = compose;
  cJSON *body = cJSON_ParseWithLength(request->body.data != NULL ? request->body.data : "",
                                      request->body.len);
  bool good = take_body(compose, body) && open_temporary(compose);
  cJSON_Delete(body);
  if (good)
    open_next(compose);
  else
    give_up(compose);
}

/* A copy that is under way ends soon and then finds nobody. */
static void on_gone(e2b__host_request_t *request) {
  compose_t *compose = request->state;
  if (compose == NULL) return;
  compose->request = NULL;
  atomic_store(&compose->unwanted, true);
}

const e2b__host_handler_t e2b__host_compose_handler = {
    .finish = on_finish, .gone = on_gone, .ceiling = BODY_CEILING};
