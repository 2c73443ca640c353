/* SPDX-License-Identifier: MIT */
#include "host/watcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "host/paths.h"

enum { DEPTH = 128 };

static const uint32_t wanted = IN_CREATE | IN_MODIFY | IN_DELETE | IN_ATTRIB | IN_MOVED_FROM |
                               IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

/* ---- directories ---- */

static char *join(const char *dir, const char *name) {
  return dir[0] == '\0' ? e2b__strdup(name) : e2b__format("%s/%s", dir, name);
}

/* Takes `relative`. */
static int remember(e2b__host_watcher_t *watcher, int descriptor, char *relative) {
  size_t at = (size_t)descriptor;
  if (at >= watcher->dir_room) {
    size_t room = watcher->dir_room == 0 ? 16 : watcher->dir_room * 2;
    while (room <= at)
      room *= 2;
    char **grown = e2b__realloc(watcher->dirs, room * sizeof *grown);
    if (grown == NULL) {
      e2b__free(relative);
      return -ENOMEM;
    }
    memset(grown + watcher->dir_room, 0, (room - watcher->dir_room) * sizeof *grown);
    watcher->dirs = grown;
    watcher->dir_room = room;
  }
  e2b__free(watcher->dirs[at]);
  watcher->dirs[at] = relative;
  return 0;
}

static int open_directory(const e2b__host_watcher_t *watcher, const char *relative) {
  bool root = relative[0] == '\0';
  char *path = root ? e2b__strdup(watcher->path) : e2b__format("%s/%s", watcher->path, relative);
  if (path == NULL) return -ENOMEM;
  int fd = e2b__host_open(watcher->sandbox, path,
                          O_RDONLY | O_DIRECTORY | O_NONBLOCK | (root ? 0 : O_NOFOLLOW), 0);
  e2b__free(path);
  return fd;
}

static bool is_directory(int at, const struct dirent *entry) {
  struct stat st;
  if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
  return fstatat(at, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int add(e2b__host_watcher_t *watcher, const char *relative, bool announce, int depth);

/* What is in a directory that has just come under watch. */
static int add_content(e2b__host_watcher_t *watcher, int fd, const char *relative, bool announce,
                       int depth) {
  struct dirent *entry;
  int rc = 0;
  DIR *dir = fdopendir(fd);
  if (dir == NULL) {
    close(fd);
    return -ENOMEM;
  }
  while (rc == 0 && !watcher->closed && (entry = readdir(dir)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    bool directory = is_directory(dirfd(dir), entry);
    if (!announce && !directory) continue;
    char *child = join(relative, entry->d_name);
    if (child == NULL) {
      rc = -ENOMEM;
      break;
    }
    /* First covered, then announced: who hears of it may write into it at once. */
    if (directory) rc = add(watcher, child, false, depth - 1);
    if (announce && rc == 0) watcher->event(watcher, child, E2B__EVENT_TYPE_CREATE);
    if (announce && directory && rc == 0 && !watcher->closed)
      rc = add(watcher, child, true, depth - 1);
    e2b__free(child);
  }
  closedir(dir);
  return rc;
}

/* A directory below that has gone meanwhile is no failure. */
static int add(e2b__host_watcher_t *watcher, const char *relative, bool announce, int depth) {
  char link[32];
  int fd = open_directory(watcher, relative);
  if (fd < 0) return relative[0] == '\0' || fd == -ENOMEM ? fd : 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int descriptor = inotify_add_watch(watcher->fd, link, wanted);
  char *copy = descriptor >= 0 ? e2b__strdup(relative) : NULL;
  int rc = descriptor < 0 ? -errno : copy == NULL ? -ENOMEM : remember(watcher, descriptor, copy);
  if (rc == 0 && watcher->recursive && depth > 0)
    return add_content(watcher, fd, relative, announce, depth);
  close(fd);
  return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

/* A directory that moved away takes what is below along. */
static void forget_tree(e2b__host_watcher_t *watcher, const char *relative) {
  size_t len = strlen(relative);
  for (size_t i = 0; i < watcher->dir_room; i++) {
    const char *dir = watcher->dirs[i];
    if (dir == NULL || strncmp(dir, relative, len) != 0) continue;
    if (dir[len] != '/' && dir[len] != '\0') continue;
    inotify_rm_watch(watcher->fd, (int)i);
    e2b__free(watcher->dirs[i]);
    watcher->dirs[i] = NULL;
  }
}

/* ---- events ---- */

static void end(e2b__host_watcher_t *watcher, const char *error) {
  watcher->over(watcher, error);
  e2b__host_watcher_close(watcher);
}

static void self_event(e2b__host_watcher_t *watcher, const char *dir, uint32_t mask) {
  if (dir[0] != '\0') return; /* its parent told */
  if (mask & IN_DELETE_SELF) watcher->event(watcher, ".", E2B__EVENT_TYPE_REMOVE);
  if (mask & IN_MOVE_SELF) watcher->event(watcher, ".", E2B__EVENT_TYPE_RENAME);
}

static void new_directory(e2b__host_watcher_t *watcher, const struct inotify_event *event,
                          const char *name) {
  bool from_inside = (event->mask & IN_MOVED_TO) && event->cookie == watcher->moved;
  int rc = add(watcher, name, false, DEPTH);
  if (rc == 0) watcher->event(watcher, name, E2B__EVENT_TYPE_CREATE);
  if (rc == 0 && !watcher->closed && !from_inside) rc = add(watcher, name, true, DEPTH);
  if (rc != 0 && !watcher->closed) end(watcher, strerror(-rc));
}

static void one_event(e2b__host_watcher_t *watcher, const struct inotify_event *event) {
  if (event->mask & IN_Q_OVERFLOW) {
    end(watcher, "watcher error: fsnotify: queue or buffer overflow");
    return;
  }
  size_t at = (size_t)event->wd;
  const char *dir = event->wd >= 0 && at < watcher->dir_room ? watcher->dirs[at] : NULL;
  if (dir == NULL) return;
  if (event->mask & IN_IGNORED) {
    e2b__free(watcher->dirs[at]);
    watcher->dirs[at] = NULL;
    return;
  }
  if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) {
    self_event(watcher, dir, event->mask);
    return;
  }
  if (event->len == 0) return; /* about a directory itself; its parent tells */
  char *name = join(dir, event->name);
  if (name == NULL) {
    end(watcher, "out of memory");
    return;
  }
  bool directory = (event->mask & IN_ISDIR) != 0;
  if (directory && watcher->recursive && (event->mask & (IN_CREATE | IN_MOVED_TO))) {
    new_directory(watcher, event, name);
  } else if (event->mask & (IN_CREATE | IN_MOVED_TO)) {
    watcher->event(watcher, name, E2B__EVENT_TYPE_CREATE);
  } else if (event->mask & IN_MOVED_FROM) {
    if (directory) {
      forget_tree(watcher, name);
      watcher->moved = event->cookie;
    }
    watcher->event(watcher, name, E2B__EVENT_TYPE_RENAME);
  } else if (event->mask & IN_ATTRIB) {
    watcher->event(watcher, name, E2B__EVENT_TYPE_CHMOD);
  } else if (event->mask & IN_MODIFY) {
    watcher->event(watcher, name, E2B__EVENT_TYPE_WRITE);
  } else if (event->mask & IN_DELETE) {
    watcher->event(watcher, name, E2B__EVENT_TYPE_REMOVE);
  }
  e2b__free(name);
}

void e2b__host_watcher_drain(e2b__host_watcher_t *watcher) {
  _Alignas(struct inotify_event) char room[16384];
  for (int rounds = 0; rounds < 64 && !watcher->closed; rounds++) {
    ssize_t got = read(watcher->fd, room, sizeof room);
    if (got <= 0) return;
    for (char *p = room; p < room + got && !watcher->closed;) {
      const struct inotify_event *event = (const struct inotify_event *)(void *)p;
      one_event(watcher, event);
      p += sizeof *event + event->len;
    }
  }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  e2b__host_watcher_drain(poll->data);
}

/* ---- life ---- */

int e2b__host_watcher_open(e2b__host_sandbox_t *sandbox, const char *path, bool recursive,
                           e2b__host_watcher_t **out) {
  e2b__host_watcher_t *watcher = e2b__calloc(1, sizeof *watcher);
  if (watcher == NULL) return -ENOMEM;
  watcher->sandbox = sandbox;
  watcher->host = sandbox->host;
  watcher->recursive = recursive;
  watcher->path = e2b__strdup(path);
  watcher->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  int rc = watcher->path == NULL ? -ENOMEM : watcher->fd < 0 ? -errno : 0;
  if (rc == 0) rc = uv_poll_init(sandbox->host->loop, &watcher->poll, watcher->fd);
  if (rc != 0) {
    if (watcher->fd >= 0) close(watcher->fd);
    e2b__free(watcher->path);
    e2b__free(watcher);
    return rc;
  }
  watcher->poll.data = watcher;
  e2b__host_handle_opened(sandbox->host);
  e2b__list_append(&sandbox->watchers, &watcher->node);
  rc = add(watcher, "", false, DEPTH);
  if (rc != 0) {
    e2b__host_watcher_close(watcher);
    return rc;
  }
  uv_poll_start(&watcher->poll, UV_READABLE, on_poll);
  *out = watcher;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  e2b__host_watcher_t *watcher = handle->data;
  e2b_host_t *host = watcher->host;
  for (size_t i = 0; i < watcher->dir_room; i++)
    e2b__free(watcher->dirs[i]);
  e2b__free(watcher->dirs);
  e2b__free(watcher->path);
  e2b__free(watcher);
  e2b__host_handle_closed(host);
}

void e2b__host_watcher_close(e2b__host_watcher_t *watcher) {
  if (watcher->closed) return;
  watcher->closed = true;
  e2b__list_remove(&watcher->node);
  uv_close((uv_handle_t *)&watcher->poll, on_closed);
  close(watcher->fd);
  watcher->fd = -1;
}

void e2b__host_watchers_free(e2b__host_sandbox_t *sandbox) {
  while (!e2b__list_empty(&sandbox->watchers))
    end(E2B__CONTAINER(sandbox->watchers.next, e2b__host_watcher_t, node), NULL);
}
