/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_SPAWNER_NETLINK_H
#define E2B_LIB_HOST_SPAWNER_NETLINK_H

#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/* One request to the kernel's routing socket at a time: begin, attributes, send. What does not fit
 * the buffer is a mistake of the caller's and ends in EMSGSIZE. */

typedef struct e2b__netlink {
  int fd;
  uint32_t sequence;
  union {
    struct nlmsghdr header;
    char bytes[1024];
  } message;
} e2b__netlink_t;

/* A socket in the network namespace that the caller is in, hearing `groups`. 0, or -1 and errno. */
int e2b__netlink_open(e2b__netlink_t *netlink, unsigned groups);
void e2b__netlink_close(e2b__netlink_t *netlink);

/* `body` is the fixed part of a request of that type. */
void e2b__netlink_begin(e2b__netlink_t *netlink, uint16_t type, uint16_t flags, const void *body,
                        size_t len);
void e2b__netlink_put(e2b__netlink_t *netlink, uint16_t type, const void *data, size_t len);
void e2b__netlink_put_u32(e2b__netlink_t *netlink, uint16_t type, uint32_t value);
void e2b__netlink_put_text(e2b__netlink_t *netlink, uint16_t type, const char *text);
/* An attribute that holds others, with `body` in front of them. */
size_t e2b__netlink_nest(e2b__netlink_t *netlink, uint16_t type, const void *body, size_t len);
void e2b__netlink_end(e2b__netlink_t *netlink, size_t nest);
/* Sends it and waits for the kernel's word: 0 or -errno. */
int e2b__netlink_send(e2b__netlink_t *netlink);

#endif
