/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/spawner/spawner.h"

enum { MAX_FDS = 3 };

typedef union control {
  struct cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * MAX_FDS)];
} control_t;

int e2b__spawner_send(int socket, const void *data, size_t len, const int *fds, int fd_count) {
  control_t control;
  struct iovec iov = {(void *)(uintptr_t)data, len};
  struct msghdr message;

  memset(&message, 0, sizeof message);
  memset(&control, 0, sizeof control);
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  if (fd_count > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)fd_count);
  }
  ssize_t sent;
  while ((sent = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
    continue;
  return sent == (ssize_t)len ? 0 : -1;
}

ssize_t e2b__spawner_receive(int socket, void *data, size_t size, int *fds, int wanted) {
  control_t control;
  struct iovec iov = {data, size};
  struct msghdr message;

  for (int i = 0; i < wanted; i++)
    fds[i] = -1;
  memset(&message, 0, sizeof message);
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) return got;
  int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  for (int i = 0; i < count; i++) {
    int fd;
    memcpy(&fd, CMSG_DATA(header) + sizeof fd * (size_t)i, sizeof fd);
    if (i < wanted)
      fds[i] = fd;
    else
      close(fd);
  }
  return got;
}
