/* SPDX-License-Identifier: MIT */
#include "host/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/utf8.h"
#include "host/isolation.h"
#include "host/paths.h"

enum { XATTR_ROOM = 8192, XATTR_NAMES = 65536, XATTR_PAIRS = 512 };

/* "drwxr-xr-x", with Go's letters in front. */
static char *mode_text(e2b__arena_t *arena, mode_t mode) {
  char text[20];
  size_t at = 0;
  if (S_ISDIR(mode)) text[at++] = 'd';
  if (S_ISLNK(mode)) text[at++] = 'L';
  if (S_ISBLK(mode)) text[at++] = 'D';
  if (S_ISFIFO(mode)) text[at++] = 'p';
  if (S_ISSOCK(mode)) text[at++] = 'S';
  if (mode & S_ISUID) text[at++] = 'u';
  if (mode & S_ISGID) text[at++] = 'g';
  if (S_ISCHR(mode)) {
    text[at++] = 'D';
    text[at++] = 'c';
  }
  if (mode & S_ISVTX) text[at++] = 't';
  if (at == 0) text[at++] = '-';
  for (int bit = 8; bit >= 0; bit--)
    text[at++] = (mode >> bit) & 1 ? "xwr"[bit % 3] : '-';
  return e2b__arena_strndup(arena, text, at);
}

static int32_t file_type(mode_t mode) {
  if (S_ISREG(mode)) return E2B__FILE_TYPE_FILE;
  if (S_ISDIR(mode)) return E2B__FILE_TYPE_DIRECTORY;
  return E2B__FILE_TYPE_UNSPECIFIED;
}

static char *owner(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena, uid_t id) {
  char name[16];
  e2b__host_owner_name(sandbox->host, id, name);
  return e2b__arena_strndup(arena, name, strlen(name));
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const e2b__str_pair_t *)a)->name.ptr, ((const e2b__str_pair_t *)b)->name.ptr);
}

/* Programs set attributes too: what is not text would spoil the whole answer, so it is left out. */
static int add_metadata(e2b__arena_t *arena, const char *path, const char *name,
                        e2b__str_pair_t *pairs, size_t *count) {
  char value[XATTR_ROOM];
  const char *key = name + strlen(E2B__HOST_XATTR_PREFIX);
  ssize_t len = getxattr(path, name, value, sizeof value);
  if (len < 0 || !e2b__utf8_valid(value, (size_t)len) || !e2b__utf8_valid(key, strlen(key)))
    return 0;
  e2b__str_pair_t *pair = &pairs[*count];
  pair->name.len = strlen(key);
  pair->name.ptr = e2b__arena_strndup(arena, key, pair->name.len);
  pair->value.len = (size_t)len;
  pair->value.ptr = e2b__arena_strndup(arena, value, (size_t)len);
  if (pair->name.ptr == NULL || pair->value.ptr == NULL) return -ENOMEM;
  ++*count;
  return 0;
}

static bool is_metadata(const char *name) {
  return strncmp(name, E2B__HOST_XATTR_PREFIX, strlen(E2B__HOST_XATTR_PREFIX)) == 0;
}

/* Of many files each has a few: there is no more room for each than it needs. */
static size_t count_metadata(const char *names, ssize_t len) {
  size_t count = 0;
  for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1)
    if (is_metadata(name)) count++;
  return count < XATTR_PAIRS ? count : XATTR_PAIRS;
}

int e2b__host_metadata_read(int fd, e2b__arena_t *arena, e2b__str_pair_t **pairs, size_t *count) {
  char path[32], *names;
  ssize_t len;
  int rc = 0;
  *count = 0;
  *pairs = NULL;
  /* The descriptor may be a mere path, which the f-functions refuse. */
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  /* Most files have none; asking for the length costs the least. */
  if (listxattr(path, NULL, 0) <= 0) return 0;
  names = e2b__malloc(XATTR_NAMES);
  len = names != NULL ? listxattr(path, names, XATTR_NAMES) : 0;
  size_t room = count_metadata(names, len);
  if (room > 0) *pairs = e2b__arena_calloc(arena, room, sizeof **pairs);
  if (names == NULL || (room > 0 && *pairs == NULL)) rc = -ENOMEM;
  for (const char *name = names; rc == 0 && *count < room && name < names + len;
       name += strlen(name) + 1)
    if (is_metadata(name)) rc = add_metadata(arena, path, name, *pairs, count);
  e2b__free(names);
  if (rc == 0 && *count > 1) qsort(*pairs, *count, sizeof **pairs, by_key);
  return rc;
}

/* Type, mode and metadata of a link are its target's. */
static void follow(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena, const char *path,
                   e2b__entry_info_t *entry) {
  struct stat st;
  int fd = e2b__host_open(sandbox, path, O_PATH, 0);
  entry->type = E2B__FILE_TYPE_UNSPECIFIED;
  entry->mode = 0;
  entry->symlink_target = e2b__str(path);
  if (fd < 0) return;
  if (fstat(fd, &st) == 0) {
    entry->type = file_type(st.st_mode);
    entry->mode = st.st_mode & 0777;
    e2b__host_metadata_read(fd, arena, &entry->metadata, &entry->metadata_count);
  }
  char *target = e2b__host_path_of(arena, fd);
  if (target != NULL) entry->symlink_target = e2b__str(target);
  close(fd);
}

int e2b__host_entry(const e2b__host_sandbox_t *sandbox, e2b__arena_t *arena, const char *path,
                    e2b__entry_info_t *entry) {
  struct stat st;
  memset(entry, 0, sizeof *entry);
  int fd = e2b__host_open(sandbox, path, O_PATH | O_NOFOLLOW, 0);
  if (fd < 0) return fd;
  int rc = fstat(fd, &st) == 0 ? 0 : -errno;
  if (rc == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
    rc = e2b__host_metadata_read(fd, arena, &entry->metadata, &entry->metadata_count);
  close(fd);
  if (rc != 0) return rc;
  char *clean = e2b__host_path_clean(arena, path);
  if (clean == NULL) return -ENOMEM;
  entry->name = e2b__str(e2b__host_path_name(clean));
  entry->path = e2b__str(path);
  entry->type = file_type(st.st_mode);
  entry->size = st.st_size;
  entry->mode = st.st_mode & 0777;
  entry->permissions = e2b__str(mode_text(arena, st.st_mode));
  entry->owner = e2b__str(owner(sandbox, arena, st.st_uid));
  entry->group = e2b__str(owner(sandbox, arena, st.st_gid));
  if (entry->permissions.ptr == NULL || entry->owner.ptr == NULL || entry->group.ptr == NULL)
    return -ENOMEM;
  entry->has_modified_time = st.st_mtim.tv_sec != 0 || st.st_mtim.tv_nsec != 0;
  entry->modified_time.seconds = st.st_mtim.tv_sec;
  entry->modified_time.nanos = (int32_t)st.st_mtim.tv_nsec;
  if (S_ISLNK(st.st_mode)) follow(sandbox, arena, path, entry);
  return 0;
}
