/* SPDX-License-Identifier: MIT */
#include "host/watch_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "host/paths.h"

enum { NAMES_CEILING = 1000000, FINDS_CEILING = 65536 };

static const uint32_t wanted = IN_CREATE | IN_MODIFY | IN_DELETE | IN_ATTRIB | IN_MOVED_FROM |
                               IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

/* A name that the walk told of while the kernel's queue may hold the same news. */
typedef struct e2b__host_watch_find {
  RB_ENTRY(e2b__host_watch_find) entry;
  int descriptor;
  char name[];
} find_t;

/* A directory that the walk is in. */
typedef struct e2b__host_watch_frame {
  e2b__host_watch_dir_t *dir;
  e2b__arena_t arena; /* of the names */
  char **names;       /* sorted; the first byte says: 'd' for what may be a directory */
  size_t count, room, next;
  bool tell;       /* of its names */
  bool tell_below; /* of those in directories that turn out to be new */
} frame_t;

static int compare_dirs(const e2b__host_watch_dir_t *a, const e2b__host_watch_dir_t *b) {
  return a->descriptor < b->descriptor ? -1 : a->descriptor > b->descriptor;
}

static int compare_finds(const find_t *a, const find_t *b) {
  if (a->descriptor != b->descriptor) return a->descriptor < b->descriptor ? -1 : 1;
  return strcmp(a->name, b->name);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_STATIC(e2b__host_watch_dirs, e2b__host_watch_dir, entry, compare_dirs)
RB_GENERATE_STATIC(e2b__host_watch_finds, e2b__host_watch_find, entry, compare_finds)
#pragma GCC diagnostic pop

/* ---- names ---- */

char *e2b__host_watch_name(e2b__arena_t *arena, const e2b__host_watch_dir_t *dir,
                           const char *name) {
  size_t len = name != NULL ? strlen(name) + 1 : 0;
  if (name == NULL && dir->parent == NULL) return e2b__arena_strndup(arena, ".", 1);
  for (const e2b__host_watch_dir_t *at = dir; at->parent != NULL; at = at->parent)
    len += strlen(at->name) + 1;
  char *text = e2b__arena_alloc(arena, len);
  if (text == NULL) return NULL;
  /* From its end; each part with what follows it. */
  char *start = text + len, follows = '\0';
  for (const e2b__host_watch_dir_t *at = dir; name != NULL || at->parent != NULL;) {
    const char *part = name != NULL ? name : at->name;
    size_t part_len = strlen(part);
    *--start = follows;
    start -= part_len;
    memcpy(start, part, part_len);
    follows = '/';
    if (name == NULL) at = at->parent;
    name = NULL;
  }
  return text;
}

char *e2b__host_watch_path(e2b__arena_t *arena, const e2b__host_watch_tree_t *tree,
                           const char *relative) {
  const char *slash = tree->path[1] == '\0' ? "" : "/";
  if (strcmp(relative, ".") == 0) return e2b__arena_strndup(arena, tree->path, strlen(tree->path));
  size_t size = strlen(tree->path) + strlen(relative) + 2;
  char *path = e2b__arena_alloc(arena, size);
  if (path != NULL) snprintf(path, size, "%s%s%s", tree->path, slash, relative);
  return path;
}

/* ---- directories ---- */

e2b__host_watch_dir_t *e2b__host_watch_dir(e2b__host_watch_tree_t *tree, int descriptor) {
  e2b__host_watch_dir_t key = {.descriptor = descriptor};
  return RB_FIND(e2b__host_watch_dirs, &tree->dirs, &key);
}

static e2b__host_watch_dir_t *dir_new(e2b__host_watch_tree_t *tree, int descriptor,
                                      e2b__host_watch_dir_t *parent, const char *name) {
  e2b__host_watch_dir_t *dir = e2b__calloc(1, sizeof *dir);
  if (dir == NULL || (dir->name = e2b__strdup(name)) == NULL) {
    e2b__free(dir);
    return NULL;
  }
  dir->descriptor = descriptor;
  dir->parent = parent;
  e2b__list_init(&dir->children);
  e2b__list_init(&dir->node);
  if (parent != NULL)
    e2b__list_append(&parent->children, &dir->node);
  else
    tree->root = dir;
  RB_INSERT(e2b__host_watch_dirs, &tree->dirs, dir);
  tree->count++;
  return dir;
}

static void dir_free(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *dir) {
  RB_REMOVE(e2b__host_watch_dirs, &tree->dirs, dir);
  tree->count--;
  if (tree->root == dir) tree->root = NULL;
  if (tree->moving == dir) tree->moving = NULL;
  if (dir->missed) tree->missed--;
  e2b__list_remove(&dir->node);
  e2b__free(dir->name);
  e2b__free(dir);
}

void e2b__host_watch_drop(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *dir) {
  e2b__host_watch_dir_t *at = dir;
  for (;;) {
    while (!e2b__list_empty(&at->children))
      at = E2B__CONTAINER(at->children.next, e2b__host_watch_dir_t, node);
    e2b__host_watch_dir_t *parent = at->parent;
    bool last = at == dir;
    inotify_rm_watch(tree->fd, at->descriptor);
    dir_free(tree, at);
    if (last) return;
    at = parent;
  }
}

/* ---- what the walk told ---- */

static void remember_find(e2b__host_watch_tree_t *tree, const e2b__host_watch_dir_t *dir,
                          const char *name) {
  size_t len = strlen(name) + 1;
  /* Without this record a name may be told twice; worth no failure. */
  find_t *find = tree->find_count < FINDS_CEILING ? e2b__malloc(sizeof *find + len) : NULL;
  if (find == NULL) return;
  find->descriptor = dir->descriptor;
  memcpy(find->name, name, len);
  if (RB_INSERT(e2b__host_watch_finds, &tree->finds, find) != NULL)
    e2b__free(find);
  else
    tree->find_count++;
}

bool e2b__host_watch_take_find(e2b__host_watch_tree_t *tree, const e2b__host_watch_dir_t *dir,
                               const char *name) {
  find_t *find = RB_ROOT(&tree->finds);
  while (find != NULL) {
    int order = dir->descriptor != find->descriptor ? (dir->descriptor < find->descriptor ? -1 : 1)
                                                    : strcmp(name, find->name);
    if (order == 0) break;
    find = order < 0 ? RB_LEFT(find, entry) : RB_RIGHT(find, entry);
  }
  if (find == NULL) return false;
  RB_REMOVE(e2b__host_watch_finds, &tree->finds, find);
  tree->find_count--;
  e2b__free(find);
  return true;
}

void e2b__host_watch_clear_finds(e2b__host_watch_tree_t *tree) {
  find_t *find;
  while ((find = RB_ROOT(&tree->finds)) != NULL) {
    RB_REMOVE(e2b__host_watch_finds, &tree->finds, find);
    e2b__free(find);
  }
  tree->find_count = 0;
}

/* ---- the walk ---- */

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a + 1, *(char *const *)b + 1);
}

static void pop(e2b__host_watch_tree_t *tree) {
  frame_t *frame = &tree->frames[--tree->frame_count];
  e2b__free(frame->names);
  e2b__arena_free(&frame->arena);
}

static int add_name(frame_t *frame, const struct dirent *item) {
  bool directory = item->d_type == DT_DIR || item->d_type == DT_UNKNOWN;
  size_t len = strlen(item->d_name);
  if (!directory && !frame->tell) return 0;
  if (frame->count == frame->room) {
    size_t room = frame->room == 0 ? 16 : frame->room * 2;
    char **grown = room > NAMES_CEILING ? NULL : e2b__realloc(frame->names, room * sizeof *grown);
    if (grown == NULL) return -ENOMEM;
    frame->names = grown;
    frame->room = room;
  }
  char *text = e2b__arena_alloc(&frame->arena, len + 2);
  if (text == NULL) return -ENOMEM;
  text[0] = directory ? 'd' : '-';
  memcpy(text + 1, item->d_name, len + 1);
  frame->names[frame->count++] = text;
  return 0;
}

/* Lists the directory for the walk. Takes `fd`. */
static int push(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *dir, int fd, bool tell,
                bool tell_below) {
  struct dirent *item;
  int rc = 0;
  DIR *stream = fdopendir(fd);
  if (stream == NULL) {
    close(fd);
    return -ENOMEM;
  }
  if (tree->frame_count == tree->frame_room) {
    size_t room = tree->frame_room == 0 ? 8 : tree->frame_room * 2;
    frame_t *grown = e2b__realloc(tree->frames, room * sizeof *grown);
    if (grown == NULL) {
      closedir(stream);
      return -ENOMEM;
    }
    tree->frames = grown;
    tree->frame_room = room;
  }
  frame_t *frame = &tree->frames[tree->frame_count++];
  memset(frame, 0, sizeof *frame);
  frame->dir = dir;
  frame->tell = tell;
  frame->tell_below = tell_below;
  while (rc == 0 && (item = readdir(stream)) != NULL) {
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
    rc = add_name(frame, item);
  }
  closedir(stream);
  if (frame->count > 1) qsort(frame->names, frame->count, sizeof *frame->names, by_name);
  if (rc != 0 || frame->count == 0) pop(tree);
  return rc;
}

/* Errors that mean "not this one" while directories come and go. */
static bool is_passing(int rc) {
  return rc != -ENOMEM && rc != -ENOSPC && rc != -EMFILE && rc != -ENFILE;
}

enum { OPEN_FLAGS = O_RDONLY | O_DIRECTORY | O_NONBLOCK };

static int watch(const e2b__host_watch_tree_t *tree, int fd) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int descriptor = inotify_add_watch(tree->fd, link, wanted);
  return descriptor >= 0 ? descriptor : -errno;
}

/* Opens a directory where it is thought to be, if it is there: while the kernel's story is behind,
 * another one may have that path. */
static int open_known(e2b__host_watch_tree_t *tree, const e2b__host_watch_dir_t *dir) {
  e2b__arena_t arena = {0};
  char *relative = e2b__host_watch_name(&arena, dir, NULL);
  char *path = relative != NULL ? e2b__host_watch_path(&arena, tree, relative) : NULL;
  int flags = OPEN_FLAGS | (dir->parent != NULL ? O_NOFOLLOW : 0);
  int fd = path != NULL ? e2b__host_open(tree->sandbox, path, flags, 0) : -ENOMEM;
  e2b__arena_free(&arena);
  if (fd < 0) return fd;
  int descriptor = watch(tree, fd);
  if (descriptor == dir->descriptor) return fd;
  if (descriptor >= 0 && e2b__host_watch_dir(tree, descriptor) == NULL)
    inotify_rm_watch(tree->fd, descriptor);
  close(fd);
  return -ENOENT;
}

/* ---- moves ---- */

/* The next one below `top`, parents first. */
static e2b__host_watch_dir_t *next_below(e2b__host_watch_dir_t *at, e2b__host_watch_dir_t *top) {
  if (!e2b__list_empty(&at->children))
    return E2B__CONTAINER(at->children.next, e2b__host_watch_dir_t, node);
  for (; at != top; at = at->parent)
    if (at->node.next != &at->parent->children)
      return E2B__CONTAINER(at->node.next, e2b__host_watch_dir_t, node);
  return NULL;
}

/* Below a directory that had moved before the kernel's word of it was read, others could not be
 * opened: now that its place is known they can. Their own names were told. */
static int look_again(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *top) {
  int rc = 0;
  if (tree->missed == 0) return 0;
  for (e2b__host_watch_dir_t *at = top; at != NULL && rc == 0; at = next_below(at, top)) {
    int fd = at->missed ? open_known(tree, at) : -ENOENT;
    if (fd < 0) continue;
    at->missed = false;
    tree->missed--;
    rc = push(tree, at, fd, false, true);
  }
  return rc;
}

/* Puts a directory where it is now. Not below itself: the kernel's story is behind what the disk
 * shows, and a step of it may be missing here. */
static int place(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *dir,
                 e2b__host_watch_dir_t *parent, const char *name) {
  dir->moving = false;
  if (dir->parent == parent && strcmp(dir->name, name) == 0) return 0;
  for (const e2b__host_watch_dir_t *at = parent; at != NULL; at = at->parent)
    if (at == dir) return 0;
  char *copy = e2b__strdup(name);
  if (copy == NULL) return -ENOMEM;
  e2b__free(dir->name);
  dir->name = copy;
  dir->parent = parent;
  e2b__list_remove(&dir->node);
  e2b__list_append(&parent->children, &dir->node);
  return look_again(tree, dir);
}

void e2b__host_watch_moved_from(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *parent,
                                const char *name, uint32_t cookie) {
  for (e2b__list_t *node = parent->children.next; node != &parent->children; node = node->next) {
    e2b__host_watch_dir_t *dir = E2B__CONTAINER(node, e2b__host_watch_dir_t, node);
    if (dir->moving || strcmp(dir->name, name) != 0) continue;
    dir->moving = true;
    tree->moving = dir;
    tree->moving_cookie = cookie;
    return;
  }
}

/* Without memory for the new name the directory stays marked: then it counts as moved away. */
void e2b__host_watch_moved_to(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *parent,
                              const char *name, uint32_t cookie) {
  e2b__host_watch_dir_t *dir = tree->moving;
  if (dir == NULL || tree->moving_cookie != cookie) return;
  tree->moving = NULL;
  if (place(tree, dir, parent, name) != 0) dir->moving = true;
}

/* ---- new directories ---- */

static int add_open(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *parent, const char *name,
                    e2b__host_watch_how_t how, int fd) {
  int descriptor = watch(tree, fd);
  int rc = descriptor < 0 ? descriptor : 0;
  e2b__host_watch_dir_t *dir = descriptor < 0 ? NULL : e2b__host_watch_dir(tree, descriptor);
  bool known = dir != NULL;
  if (known && parent != NULL) rc = place(tree, dir, parent, name);
  if (rc == 0 && !known && tree->count >= tree->ceiling) rc = -ENOSPC;
  if (rc == 0 && !known) {
    dir = dir_new(tree, descriptor, parent, name);
    rc = dir != NULL ? 0 : -ENOMEM;
  }
  if (rc == 0 && !known && tree->recursive) {
    /* Of what is found in a place that nobody heard of before, nobody will hear again. */
    bool tell = how == E2B__WATCH_EVENT ||
                (how == E2B__WATCH_FOUND && tree->frames[tree->frame_count - 1].tell_below);
    return (rc = push(tree, dir, fd, tell, tell)) == 0 ? 1 : rc;
  }
  close(fd);
  if (rc != 0) return rc;
  return known ? 0 : 1;
}

static int open_child(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *parent,
                      const char *name) {
  int parent_fd = open_known(tree, parent);
  if (parent_fd < 0) {
    if (!parent->missed) tree->missed++;
    parent->missed = true;
    return parent_fd;
  }
  /* One part of a path, and no link: it cannot lead out. */
  int fd = openat(parent_fd, name, OPEN_FLAGS | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) fd = -errno;
  close(parent_fd);
  return fd;
}

int e2b__host_watch_add(e2b__host_watch_tree_t *tree, e2b__host_watch_dir_t *parent,
                        const char *name, e2b__host_watch_how_t how) {
  int rc = parent == NULL ? e2b__host_open(tree->sandbox, tree->path, OPEN_FLAGS, 0)
                          : open_child(tree, parent, name);
  if (rc >= 0) rc = add_open(tree, parent, name, how, rc);
  return rc < 0 && how != E2B__WATCH_ROOT && is_passing(rc) ? 0 : rc;
}

int e2b__host_watch_step(e2b__host_watch_tree_t *tree) {
  frame_t *frame = &tree->frames[tree->frame_count - 1];
  e2b__host_watch_dir_t *dir = frame->dir;
  bool tell = frame->tell;
  if (frame->next == frame->count) {
    pop(tree);
    return 0;
  }
  const char *name = frame->names[frame->next++];
  /* First covered, then told: who hears of a directory may write into it at once. Its frame comes
   * on top of this one, which may move; the names stay where they are. */
  int rc = name[0] == 'd' ? e2b__host_watch_add(tree, dir, name + 1, E2B__WATCH_FOUND) : 0;
  if (rc < 0) return rc;
  if (tell) {
    remember_find(tree, dir, name + 1);
    tree->found(tree, dir, name + 1);
  }
  return 0;
}

void e2b__host_watch_tree_free(e2b__host_watch_tree_t *tree) {
  e2b__host_watch_dir_t *dir;
  while (tree->frame_count > 0)
    pop(tree);
  e2b__free(tree->frames);
  e2b__host_watch_clear_finds(tree);
  while ((dir = RB_ROOT(&tree->dirs)) != NULL) {
    /* Parents may go before their children. */
    e2b__list_init(&dir->node);
    dir_free(tree, dir);
  }
  e2b__free(tree->path);
}
