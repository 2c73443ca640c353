/* SPDX-License-Identifier: MIT */
#include "host/removal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/paths.h"
#include "host/tree.h"
#include "proto/filesystem.h"

typedef struct removal {
  uv_work_t work;
  e2b_host_t *host;
  e2b__host_call_t *call; /* NULL: nobody waits for it any more */
  const char *path;       /* the call's */
  char *name;
  int parent;
  int rc;
} removal_t;

void e2b__host_removal_answer(e2b__host_call_t *call, const char *path, int rc) {
  static const e2b__empty_t nothing;
  if (rc == 0 || rc == -ENOENT || rc == -ENOTDIR)
    e2b__host_call_reply(call, &e2b__empty, &nothing);
  else
    e2b__host_call_fail(call, E2B__CODE_INTERNAL, "error removing file or directory: %s: %s", path,
                        e2b__host_error_text(-rc));
}

static void on_gone(e2b__host_call_t *call) {
  removal_t *removal = call->state;
  if (removal != NULL) removal->call = NULL;
}

static void do_remove(uv_work_t *work) {
  removal_t *removal = E2B__CONTAINER(work, removal_t, work);
  removal->rc = e2b__host_tree_remove(removal->parent, removal->name);
}

static void on_removed(uv_work_t *work, int status) {
  removal_t *removal = E2B__CONTAINER(work, removal_t, work);
  e2b_host_t *host = removal->host;
  e2b__host_call_t *call = removal->call;
  if (call != NULL) {
    call->state = NULL;
    e2b__host_removal_answer(call, removal->path, status == 0 ? removal->rc : -ECANCELED);
  }
  close(removal->parent);
  e2b__free(removal->name);
  e2b__free(removal);
  e2b__host_handle_closed(host);
}

/* False: there is no worker to be had. */
static bool hand_over(e2b__host_call_t *call, int parent, const char *name, const char *path) {
  e2b_host_t *host = call->request->host;
  removal_t *removal = e2b__calloc(1, sizeof *removal);
  if (removal == NULL) return false;
  removal->host = host;
  removal->call = call;
  removal->path = path;
  removal->parent = parent;
  removal->name = e2b__strdup(name);
  if (removal->name == NULL ||
      uv_queue_work(host->loop, &removal->work, do_remove, on_removed) != 0) {
    e2b__free(removal->name);
    e2b__free(removal);
    return false;
  }
  e2b__host_handle_opened(host);
  call->state = removal;
  call->gone = on_gone;
  return true;
}

void e2b__host_removal_start(e2b__host_call_t *call, int parent, const char *name,
                             const char *path) {
  struct stat st;
  bool tree = fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
  if (tree && hand_over(call, parent, name, path)) return;
  int rc = e2b__host_tree_remove(parent, name);
  close(parent);
  e2b__host_removal_answer(call, path, rc);
}
