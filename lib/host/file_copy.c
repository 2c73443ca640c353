/* SPDX-License-Identifier: MIT */
#include "host/file_copy.h"

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 65536 };

/* How much was copied; 0 at the end, or -errno. */
static ssize_t copy_plainly(const e2b__host_file_copy_t *copy, size_t len) {
  char piece[ROOM];
  ssize_t got, done = 0;
  while ((got = pread(copy->from, piece, len < sizeof piece ? len : sizeof piece, copy->at)) < 0)
    if (errno != EINTR) return -errno;
  while (done < got) {
    ssize_t put =
        pwrite(copy->to, piece + done, (size_t)(got - done), copy->behind + copy->at + done);
    if (put < 0 && errno != EINTR) return -errno;
    if (put > 0) done += put;
  }
  return got;
}

/* The kernel copies, where it can. */
static ssize_t copy_some(const e2b__host_file_copy_t *copy, size_t len) {
  off_t from = copy->at, to = copy->behind + copy->at;
  ssize_t got;
  while ((got = copy_file_range(copy->from, &from, copy->to, &to, len, 0)) < 0 && errno == EINTR)
    continue;
  if (got >= 0) return got;
  return errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP
             ? copy_plainly(copy, len)
             : -errno;
}

/* Nothing is written behind `at`: as long as the other it becomes all the same. */
static int end(const e2b__host_file_copy_t *copy) {
  struct stat from, to;
  if (fstat(copy->from, &from) != 0 || fstat(copy->to, &to) != 0) return -errno;
  if (to.st_size >= copy->behind + from.st_size) return 0;
  return ftruncate(copy->to, copy->behind + from.st_size) == 0 ? 0 : -errno;
}

int e2b__host_file_copy(e2b__host_file_copy_t *copy, size_t most) {
  while (most > 0) {
    off_t data = lseek(copy->from, copy->at, SEEK_DATA), hole = -1;
    if (data < 0 && errno == ENXIO) return end(copy);
    if (data >= 0) hole = lseek(copy->from, data, SEEK_HOLE);
    size_t len = most;
    if (hole > data) {
      copy->at = data;
      if ((uint64_t)(hole - data) < len) len = (size_t)(hole - data);
    }
    ssize_t got = copy_some(copy, len);
    if (got < 0) return (int)got;
    /* It has become shorter meanwhile; or nobody knows what it has not written. */
    if (got == 0) return 0;
    copy->at += got;
    most -= (size_t)got < most ? (size_t)got : most;
  }
  return 1;
}
