/* SPDX-License-Identifier: MIT */
#include "host/spawner/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OVERFLOWN = UINT32_MAX };

int e2b__netlink_open(e2b__netlink_t *netlink, unsigned groups) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
  netlink->sequence = 0;
  netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink->fd < 0) return -1;
  if (bind(netlink->fd, (struct sockaddr *)&address, sizeof address) == 0) return 0;
  int saved = errno;
  e2b__netlink_close(netlink);
  errno = saved;
  return -1;
}

void e2b__netlink_close(e2b__netlink_t *netlink) {
  if (netlink->fd >= 0) close(netlink->fd);
  netlink->fd = -1;
}

/* Room for `len` bytes at the end, zeroed to the next boundary; NULL when there is none. */
static void *extend(e2b__netlink_t *netlink, size_t len) {
  struct nlmsghdr *header = &netlink->message.header;
  size_t at = header->nlmsg_len;
  if (at == OVERFLOWN || len > sizeof netlink->message - at - NLMSG_ALIGNTO) {
    header->nlmsg_len = OVERFLOWN;
    return NULL;
  }
  memset(netlink->message.bytes + at, 0, NLMSG_ALIGN(len));
  header->nlmsg_len = (uint32_t)(at + NLMSG_ALIGN(len));
  return netlink->message.bytes + at;
}

void e2b__netlink_begin(e2b__netlink_t *netlink, uint16_t type, uint16_t flags, const void *body,
                        size_t len) {
  struct nlmsghdr *header = &netlink->message.header;
  memset(header, 0, sizeof *header);
  header->nlmsg_len = sizeof *header;
  header->nlmsg_type = type;
  header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
  header->nlmsg_seq = ++netlink->sequence;
  void *at = extend(netlink, len);
  if (at != NULL) memcpy(at, body, len);
}

void e2b__netlink_put(e2b__netlink_t *netlink, uint16_t type, const void *data, size_t len) {
  struct rtattr *attribute = extend(netlink, RTA_LENGTH(len));
  if (attribute == NULL) return;
  attribute->rta_type = type;
  attribute->rta_len = (uint16_t)RTA_LENGTH(len);
  if (len > 0) memcpy(RTA_DATA(attribute), data, len);
}

void e2b__netlink_put_u32(e2b__netlink_t *netlink, uint16_t type, uint32_t value) {
  e2b__netlink_put(netlink, type, &value, sizeof value);
}

void e2b__netlink_put_text(e2b__netlink_t *netlink, uint16_t type, const char *text) {
  e2b__netlink_put(netlink, type, text, strlen(text) + 1);
}

size_t e2b__netlink_nest(e2b__netlink_t *netlink, uint16_t type, const void *body, size_t len) {
  size_t at = netlink->message.header.nlmsg_len;
  e2b__netlink_put(netlink, type, body, len);
  return at;
}

void e2b__netlink_end(e2b__netlink_t *netlink, size_t nest) {
  struct rtattr *attribute = (struct rtattr *)(netlink->message.bytes + nest);
  if (netlink->message.header.nlmsg_len == OVERFLOWN) return;
  attribute->rta_len = (uint16_t)(netlink->message.header.nlmsg_len - nest);
}

int e2b__netlink_send(e2b__netlink_t *netlink) {
  struct nlmsghdr *header = &netlink->message.header;
  union {
    struct nlmsghdr header;
    char bytes[4096];
  } answer;
  if (header->nlmsg_len == OVERFLOWN) return -EMSGSIZE;
  while (send(netlink->fd, header, header->nlmsg_len, 0) < 0)
    if (errno != EINTR) return -errno;
  for (;;) {
    ssize_t got = recv(netlink->fd, &answer, sizeof answer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if ((size_t)got < NLMSG_LENGTH(sizeof(struct nlmsgerr)) ||
        answer.header.nlmsg_type != NLMSG_ERROR || answer.header.nlmsg_seq != header->nlmsg_seq)
      continue;
    return ((struct nlmsgerr *)NLMSG_DATA(&answer.header))->error;
  }
}
