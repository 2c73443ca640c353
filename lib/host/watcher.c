/* SPDX-License-Identifier: MIT */
#include "host/watcher.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/entry.h"
#include "host/paths.h"

/* Directories under watch in one sandbox: as many as a machine often allows a user in all. */
enum { DIRECTORIES_CEILING = 65536, SLICE_NS = 4000000, PAUSE_MS = 1 };

/* What somebody waits for who asks: more than the kernel's queue holds, but of a tree that has
 * moved here no more than the loop can do in a fraction of a second. */
enum { DRAIN_STEPS = 32768 };

static const char overflow[] = "fsnotify: queue or buffer overflow";

static void fail(e2b__host_watcher_t *watcher, const char *error) {
  if (watcher->closed) return;
  watcher->ops->over(watcher, error);
  e2b__host_watcher_close(watcher);
}

/* ---- telling ---- */

static bool carries_entry(int type) {
  return type == E2B__EVENT_TYPE_CREATE || type == E2B__EVENT_TYPE_WRITE ||
         type == E2B__EVENT_TYPE_CHMOD;
}

static void tell(e2b__host_watcher_t *watcher, const e2b__host_watch_dir_t *dir, const char *name,
                 int type) {
  e2b__arena_t *arena = &watcher->scratch;
  e2b__entry_info_t entry;
  e2b__filesystem_event_t event = {{NULL, 0}, type, NULL};
  if (watcher->closed) return;
  char *relative = e2b__host_watch_name(arena, dir, name);
  if (relative == NULL) {
    fail(watcher, e2b__host_error_text(ENOMEM));
    return;
  }
  event.name = e2b__str(relative);
  if (watcher->include_entry && carries_entry(type)) {
    char *path = e2b__host_watch_path(arena, &watcher->tree, relative);
    if (path != NULL && e2b__host_entry(watcher->sandbox, arena, path, &entry) == 0)
      event.entry = &entry;
  }
  watcher->ops->event(watcher, &event);
  e2b__arena_reset(arena);
}

static void on_found(e2b__host_watch_tree_t *tree, const e2b__host_watch_dir_t *dir,
                     const char *name) {
  tell(E2B__CONTAINER(tree, e2b__host_watcher_t, tree), dir, name, E2B__EVENT_TYPE_CREATE);
}

/* ---- what the kernel says ---- */

static void on_created(e2b__host_watcher_t *watcher, e2b__host_watch_dir_t *dir,
                       const struct inotify_event *event) {
  e2b__host_watch_tree_t *tree = &watcher->tree;
  /* A name can only be created anew after it has gone; what moves here may replace. */
  bool told = (event->mask & IN_CREATE) && e2b__host_watch_take_find(tree, dir, event->name);
  if (tree->recursive && (event->mask & IN_ISDIR)) {
    if (event->mask & IN_MOVED_TO) e2b__host_watch_moved_to(tree, dir, event->name, event->cookie);
    int rc = e2b__host_watch_add(tree, dir, event->name, E2B__WATCH_EVENT);
    if (rc < 0) {
      fail(watcher, e2b__host_error_text(-rc));
      return;
    }
  }
  if (!told) tell(watcher, dir, event->name, E2B__EVENT_TYPE_CREATE);
}

static void on_left(e2b__host_watcher_t *watcher, e2b__host_watch_dir_t *dir,
                    const struct inotify_event *event) {
  e2b__host_watch_take_find(&watcher->tree, dir, event->name);
  if ((event->mask & IN_MOVED_FROM) && (event->mask & IN_ISDIR))
    e2b__host_watch_moved_from(&watcher->tree, dir, event->name, event->cookie);
  tell(watcher, dir, event->name,
       event->mask & IN_MOVED_FROM ? E2B__EVENT_TYPE_RENAME : E2B__EVENT_TYPE_REMOVE);
}

/* About a watched directory itself. What happens to one below, its parent tells, too. */
static void on_self(e2b__host_watcher_t *watcher, e2b__host_watch_dir_t *dir, uint32_t mask) {
  if (mask & IN_ATTRIB) {
    tell(watcher, dir, NULL, E2B__EVENT_TYPE_CHMOD);
  } else if (mask & (IN_DELETE_SELF | IN_MOVE_SELF)) {
    /* One that moved inside the tree has found its new place before this comes. */
    if (dir->parent != NULL && (mask & IN_MOVE_SELF) && !dir->moving) return;
    if (dir->parent == NULL)
      tell(watcher, dir, NULL,
           mask & IN_MOVE_SELF ? E2B__EVENT_TYPE_RENAME : E2B__EVENT_TYPE_REMOVE);
    e2b__host_watch_drop(&watcher->tree, dir);
  } else if (mask & (IN_IGNORED | IN_UNMOUNT)) {
    e2b__host_watch_drop(&watcher->tree, dir);
  }
}

static void on_event(e2b__host_watcher_t *watcher, const struct inotify_event *event) {
  if (event->mask & IN_Q_OVERFLOW) {
    fail(watcher, overflow);
    return;
  }
  e2b__host_watch_dir_t *dir = e2b__host_watch_dir(&watcher->tree, event->wd);
  if (dir == NULL) return;
  if (event->len == 0)
    on_self(watcher, dir, event->mask);
  else if (event->mask & (IN_CREATE | IN_MOVED_TO))
    on_created(watcher, dir, event);
  else if (event->mask & (IN_DELETE | IN_MOVED_FROM))
    on_left(watcher, dir, event);
  else if (event->mask & IN_ATTRIB)
    tell(watcher, dir, event->name, E2B__EVENT_TYPE_CHMOD);
  else if (event->mask & IN_MODIFY)
    tell(watcher, dir, event->name, E2B__EVENT_TYPE_WRITE);
}

/* ---- work, in slices ---- */

/* False when the kernel has nothing (more). */
static bool refill(e2b__host_watcher_t *watcher) {
  ssize_t got;
  do
    got = read(watcher->tree.fd, watcher->room.bytes, sizeof watcher->room);
  while (got < 0 && errno == EINTR);
  watcher->at = 0;
  watcher->len = got > 0 ? (size_t)got : 0;
  watcher->taken += watcher->len;
  if (got > 0) return true;
  /* Whatever the walk came across, the kernel has told of as well by now. */
  if (!e2b__host_watch_walking(&watcher->tree)) e2b__host_watch_clear_finds(&watcher->tree);
  if (got < 0 && errno != EAGAIN) fail(watcher, e2b__host_error_text(errno));
  return false;
}

static void next_event(e2b__host_watcher_t *watcher) {
  const struct inotify_event *event =
      (const struct inotify_event *)(const void *)(watcher->room.bytes + watcher->at);
  watcher->at += sizeof *event + event->len;
  on_event(watcher, event);
}

static void take_ceiling(e2b__host_watcher_t *watcher) {
  size_t others = 0;
  e2b__list_t *all = &watcher->sandbox->watchers;
  for (e2b__list_t *node = all->next; node != all; node = node->next) {
    const e2b__host_watcher_t *other = E2B__CONTAINER(node, e2b__host_watcher_t, node);
    if (other != watcher) others += other->tree.count;
  }
  watcher->tree.ceiling = others < DIRECTORIES_CEILING ? DIRECTORIES_CEILING - others : 0;
}

/* Until the time, so many steps, or so many bytes of the kernel's. Looking into a new directory
 * comes before the next event: what that says is understood only then. True: there is nothing left.
 */
static bool work(e2b__host_watcher_t *watcher, uint64_t until_ns, size_t steps,
                 uint64_t until_taken) {
  take_ceiling(watcher);
  while (!watcher->closed && !watcher->held) {
    if (e2b__host_watch_walking(&watcher->tree)) {
      int rc = e2b__host_watch_step(&watcher->tree);
      if (rc < 0) fail(watcher, e2b__host_error_text(-rc));
    } else if (!watcher->ready) {
      watcher->ready = true;
      watcher->ops->ready(watcher);
    } else if (watcher->at < watcher->len) {
      next_event(watcher);
    } else if (watcher->taken >= until_taken || !refill(watcher)) {
      return true;
    }
    if (--steps == 0 || uv_hrtime() >= until_ns) return false;
  }
  return true;
}

static void on_turn(e2b__host_alarm_t *alarm);
static void on_poll(uv_poll_t *poll, int status, int events);

static void settle(e2b__host_watcher_t *watcher, bool idle) {
  if (watcher->closed) return;
  if (!idle) e2b__host_alarm_set(&watcher->host->alarms, &watcher->turn, PAUSE_MS, on_turn);
  bool polling = idle && !watcher->held;
  if (polling == watcher->polling) return;
  watcher->polling = polling;
  if (polling)
    uv_poll_start(&watcher->poll, UV_READABLE, on_poll);
  else
    uv_poll_stop(&watcher->poll);
}

static void slice(e2b__host_watcher_t *watcher) {
  settle(watcher, work(watcher, uv_hrtime() + SLICE_NS, SIZE_MAX, UINT64_MAX));
}

static void on_turn(e2b__host_alarm_t *alarm) {
  slice(E2B__CONTAINER(alarm, e2b__host_watcher_t, turn));
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  slice(poll->data);
}

void e2b__host_watcher_drain(e2b__host_watcher_t *watcher) {
  int queued = 0;
  /* As much as there is now: who writes faster than this reads is not waited for. */
  if (ioctl(watcher->tree.fd, FIONREAD, &queued) != 0 || queued < 0) queued = 0;
  settle(watcher, work(watcher, UINT64_MAX, DRAIN_STEPS, watcher->taken + (uint64_t)queued));
}

void e2b__host_watcher_hold(e2b__host_watcher_t *watcher, bool hold) {
  if (watcher->closed || watcher->held == hold) return;
  watcher->held = hold;
  if (hold)
    settle(watcher, true);
  else
    e2b__host_alarm_set(&watcher->host->alarms, &watcher->turn, PAUSE_MS, on_turn);
}

/* ---- life ---- */

int e2b__host_watcher_new(e2b__host_sandbox_t *sandbox, const e2b__watch_request_t *request,
                          const char *clean_path, const e2b__host_watcher_ops_t *ops, void *data,
                          e2b__host_watcher_t **out) {
  e2b__host_watcher_t *watcher = e2b__calloc(1, sizeof *watcher);
  if (watcher == NULL) return -ENOMEM;
  e2b__host_watch_tree_t *tree = &watcher->tree;
  watcher->sandbox = sandbox;
  watcher->host = sandbox->host;
  watcher->ops = ops;
  watcher->data = data;
  watcher->include_entry = request->include_entry;
  tree->sandbox = sandbox;
  tree->recursive = request->recursive;
  tree->found = on_found;
  tree->path = e2b__strdup(clean_path);
  tree->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  int rc = tree->path == NULL ? -ENOMEM : tree->fd < 0 ? -errno : 0;
  if (rc == 0) rc = uv_poll_init(watcher->host->loop, &watcher->poll, tree->fd);
  if (rc != 0) {
    if (tree->fd >= 0) close(tree->fd);
    e2b__free(tree->path);
    e2b__free(watcher);
    return rc;
  }
  watcher->poll.data = watcher;
  e2b__host_handle_opened(watcher->host);
  e2b__list_append(&sandbox->watchers, &watcher->node);
  *out = watcher;
  return 0;
}

int e2b__host_watcher_start(e2b__host_watcher_t *watcher) {
  take_ceiling(watcher);
  int rc = e2b__host_watch_add(&watcher->tree, NULL, "", E2B__WATCH_ROOT);
  if (rc < 0) {
    e2b__host_watcher_close(watcher);
    return rc;
  }
  slice(watcher);
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  e2b__host_watcher_t *watcher = handle->data;
  e2b_host_t *host = watcher->host;
  e2b__host_watch_tree_free(&watcher->tree);
  e2b__arena_free(&watcher->scratch);
  e2b__free(watcher);
  e2b__host_handle_closed(host);
}

void e2b__host_watcher_close(e2b__host_watcher_t *watcher) {
  if (watcher->closed) return;
  watcher->closed = true;
  e2b__list_remove(&watcher->node);
  e2b__host_alarm_cancel(&watcher->host->alarms, &watcher->turn);
  uv_close((uv_handle_t *)&watcher->poll, on_closed);
  close(watcher->tree.fd);
  watcher->tree.fd = -1;
}

void e2b__host_watchers_free(e2b__host_sandbox_t *sandbox) {
  while (!e2b__list_empty(&sandbox->watchers))
    fail(E2B__CONTAINER(sandbox->watchers.next, e2b__host_watcher_t, node), NULL);
}
