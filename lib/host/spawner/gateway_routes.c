/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/veth.h>

#include "host/spawner/gateway.h"
#include "host/spawner_protocol.h"

/* Two tables: `main` leads to the sandboxes and serves what comes from slirp4netns; SANDBOXES
 * serves what comes from them. Refusing is a route, so it holds whatever a program inside does with
 * its own routes, addresses and raw sockets. */

enum {
  TABLE_SANDBOXES = 100,
  MTU = 65520,
  FIRST_SLOT = 257, /* 198.18.1.1: those below are the gateway's and slirp4netns's */
  LAST_SLOT = 65000,
  NAME_SERVICE = 53
};

#define NETWORK    0xc6120000U /* 198.18.0.0/16, of the range that no network has (RFC 2544) */
#define ROUTER     (NETWORK + 1)
#define OUTSIDE    (NETWORK + 2) /* slirp4netns */
#define NAMESERVER (NETWORK + 3) /* slirp4netns: the machine's own */
#define OWN        (NETWORK + 100)

static int set(const char *name, const char *value) {
  char path[128];
  snprintf(path, sizeof path, "/proc/sys/net/%s", name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int rc = write(fd, value, strlen(value)) < 0 ? -errno : 0;
  close(fd);
  return rc;
}

static int raise_device(e2b__netlink_t *netlink, const char *name, unsigned *index) {
  struct ifinfomsg body = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  body.ifi_index = (int)if_nametoindex(name);
  if (body.ifi_index == 0) return -ENODEV;
  e2b__netlink_begin(netlink, RTM_NEWLINK, 0, &body, sizeof body);
  *index = (unsigned)body.ifi_index;
  return e2b__netlink_send(netlink);
}

static int add_address(e2b__netlink_t *netlink, unsigned index, uint32_t address, int prefix) {
  struct ifaddrmsg body = {.ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)prefix};
  body.ifa_index = index;
  e2b__netlink_begin(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  e2b__netlink_put_u32(netlink, IFA_LOCAL, htonl(address));
  e2b__netlink_put_u32(netlink, IFA_ADDRESS, htonl(address));
  return e2b__netlink_send(netlink);
}

typedef struct route {
  uint32_t to;
  int prefix;
  int table;
  unsigned device; /* 0: refused */
  uint32_t by;     /* 0: on the device itself */
} route_t;

static int change_route(e2b__netlink_t *netlink, uint16_t type, const route_t *route) {
  struct rtmsg body = {.rtm_family = AF_INET, .rtm_protocol = RTPROT_STATIC};
  body.rtm_dst_len = (uint8_t)route->prefix;
  body.rtm_table = (uint8_t)route->table;
  body.rtm_type = route->device != 0 ? RTN_UNICAST : RTN_PROHIBIT;
  body.rtm_scope = route->device != 0 && route->by == 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  e2b__netlink_begin(netlink, type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0, &body,
                     sizeof body);
  if (route->prefix > 0) e2b__netlink_put_u32(netlink, RTA_DST, htonl(route->to));
  if (route->device != 0) e2b__netlink_put_u32(netlink, RTA_OIF, route->device);
  if (route->by != 0) e2b__netlink_put_u32(netlink, RTA_GATEWAY, htonl(route->by));
  return e2b__netlink_send(netlink);
}

static int add_route(e2b__netlink_t *netlink, route_t route) {
  return change_route(netlink, RTM_NEWROUTE, &route);
}

/* What comes by device `from` (NULL: any) goes by `table`; with a protocol, name requests only. */
static int add_rule(e2b__netlink_t *netlink, uint32_t order, const char *from, uint8_t protocol,
                    int table) {
  struct fib_rule_hdr body = {.family = AF_INET, .table = (uint8_t)table, .action = FR_ACT_TO_TBL};
  struct fib_rule_port_range port = {NAME_SERVICE, NAME_SERVICE};
  if (protocol != 0) body.dst_len = 32;
  e2b__netlink_begin(netlink, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  e2b__netlink_put_u32(netlink, FRA_PRIORITY, order);
  if (from != NULL) e2b__netlink_put_text(netlink, FRA_IIFNAME, from);
  if (protocol != 0) {
    e2b__netlink_put_u32(netlink, FRA_DST, htonl(NAMESERVER));
    e2b__netlink_put(netlink, FRA_IP_PROTO, &protocol, sizeof protocol);
    e2b__netlink_put(netlink, FRA_DPORT_RANGE, &port, sizeof port);
  }
  return e2b__netlink_send(netlink);
}

static int set_kernel(void) {
  static const struct {
    const char *name, *value;
    bool needed;
  } settings[] = {
      /* Nobody sends with another sandbox's address; slirp4netns may with any. */
      {"ipv4/conf/all/rp_filter", "0", true},
      {"ipv4/conf/default/rp_filter", "1", true},
      {"ipv4/conf/" E2B__GATEWAY_DEVICE "/rp_filter", "0", true},
      /* slirp4netns knows one guest, and asks for the others by ARP. */
      {"ipv4/conf/" E2B__GATEWAY_DEVICE "/proxy_arp", "1", true},
      {"ipv4/neigh/" E2B__GATEWAY_DEVICE "/proxy_delay", "0", true},
      {"ipv4/conf/all/send_redirects", "0", false},
      {"ipv4/conf/default/send_redirects", "0", false},
      /* Every refusal is told, so that nobody waits for a clock. */
      {"ipv4/icmp_ratelimit", "0", false},
      {"ipv6/conf/all/disable_ipv6", "1", false},
      {"ipv6/conf/default/disable_ipv6", "1", false},
      {"ipv4/ip_forward", "1", true},
  };
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    int rc = set(settings[i].name, settings[i].value);
    if (rc != 0 && settings[i].needed) return rc;
  }
  return 0;
}

/* Link-local addresses are where clouds keep the credentials of their machines. */
static const struct {
  uint32_t to;
  int prefix;
} refused[] = {
    {0, 8}, {0x7f000000U, 8}, {0xa9fe0000U, 16}, {NETWORK, 16}, {0xe0000000U, 3},
};

int e2b__gateway_set_up(e2b__gateway_t *gateway) {
  e2b__netlink_t *n = &gateway->inside;
  unsigned lo, tap;
  int rc = raise_device(n, "lo", &lo);
  if (rc == 0) rc = raise_device(n, E2B__GATEWAY_DEVICE, &tap);
  if (rc == 0) rc = set_kernel();
  if (rc == 0) rc = add_address(n, lo, ROUTER, 32);
  if (rc == 0) rc = add_address(n, tap, OWN, 16);
  if (rc == 0) rc = add_route(n, (route_t){0, 0, RT_TABLE_MAIN, tap, OUTSIDE});
  if (rc == 0) rc = add_route(n, (route_t){0, 0, TABLE_SANDBOXES, tap, OUTSIDE});
  for (size_t i = 0; rc == 0 && i < sizeof refused / sizeof refused[0]; i++)
    rc = add_route(n, (route_t){refused[i].to, refused[i].prefix, TABLE_SANDBOXES, 0, 0});
  if (rc == 0) rc = add_rule(n, 10, E2B__GATEWAY_DEVICE, 0, RT_TABLE_MAIN);
  if (rc == 0) rc = add_rule(n, 15, "lo", 0, RT_TABLE_MAIN);
  /* Other ports of the nameserver's address would be the machine's loopback. */
  if (rc == 0) rc = add_rule(n, 18, NULL, IPPROTO_UDP, RT_TABLE_MAIN);
  if (rc == 0) rc = add_rule(n, 19, NULL, IPPROTO_TCP, RT_TABLE_MAIN);
  if (rc == 0) rc = add_rule(n, 20, NULL, 0, TABLE_SANDBOXES);
  return rc == 0 ? e2b__gateway_refuse_machine(gateway) : rc;
}

/* ---- the machine's addresses ---- */

typedef struct addresses {
  struct in_addr *list;
  size_t count;
} addresses_t;

static int take_address(addresses_t *all, const struct nlmsghdr *message) {
  const struct ifaddrmsg *body = NLMSG_DATA(message);
  int left = (int)IFA_PAYLOAD(message);
  const struct rtattr *attribute = IFA_RTA(body);
  if (message->nlmsg_type != RTM_NEWADDR || body->ifa_family != AF_INET) return 0;
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != IFA_LOCAL && attribute->rta_type != IFA_BROADCAST) continue;
    struct in_addr *grown = realloc(all->list, (all->count + 1) * sizeof *grown);
    if (grown == NULL) return -ENOMEM;
    all->list = grown;
    memcpy(&all->list[all->count++], RTA_DATA(attribute), sizeof *grown);
  }
  return 0;
}

static int list_addresses(e2b__netlink_t *netlink, addresses_t *all) {
  struct ifaddrmsg body = {.ifa_family = AF_INET};
  union {
    struct nlmsghdr header;
    char bytes[32768];
  } answer;
  int rc = 0;
  bool done = false;
  e2b__netlink_begin(netlink, RTM_GETADDR, NLM_F_DUMP, &body, sizeof body);
  if (send(netlink->fd, &netlink->message, netlink->message.header.nlmsg_len, 0) < 0) rc = -errno;
  while (rc == 0 && !done) {
    ssize_t got = recv(netlink->fd, &answer, sizeof answer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) rc = got < 0 ? -errno : -EIO;
    const struct nlmsghdr *message = &answer.header;
    for (unsigned left = got > 0 ? (unsigned)got : 0; rc == 0 && NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_ERROR) rc = -EIO;
      if (message->nlmsg_type == NLMSG_DONE) done = true;
      if (rc == 0 && !done) rc = take_address(all, message);
    }
  }
  return rc;
}

static bool is_in(const struct in_addr *list, size_t count, struct in_addr address) {
  for (size_t i = 0; i < count; i++)
    if (list[i].s_addr == address.s_addr) return true;
  return false;
}

static int change_refusal(e2b__gateway_t *gateway, uint16_t type, struct in_addr address) {
  route_t route = {ntohl(address.s_addr), 32, TABLE_SANDBOXES, 0, 0};
  int rc = change_route(&gateway->inside, type, &route);
  return rc == -EEXIST || rc == -ESRCH ? 0 : rc;
}

int e2b__gateway_refuse_machine(e2b__gateway_t *gateway) {
  addresses_t now = {NULL, 0};
  int rc = list_addresses(&gateway->machine, &now);
  for (size_t i = 0; rc == 0 && i < now.count; i++)
    if (!is_in(gateway->refused, gateway->refused_count, now.list[i]))
      rc = change_refusal(gateway, RTM_NEWROUTE, now.list[i]);
  for (size_t i = 0; rc == 0 && i < gateway->refused_count; i++)
    if (!is_in(now.list, now.count, gateway->refused[i]))
      rc = change_refusal(gateway, RTM_DELROUTE, gateway->refused[i]);
  free(gateway->refused);
  gateway->refused = now.list;
  gateway->refused_count = now.count;
  return rc;
}

/* ---- cables ---- */

static void name_device(unsigned slot, char name[IFNAMSIZ]) {
  snprintf(name, IFNAMSIZ, "s%u", slot);
}

static int add_cable(e2b__netlink_t *netlink, const char *name, int network) {
  struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
  e2b__netlink_begin(netlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  e2b__netlink_put_text(netlink, IFLA_IFNAME, name);
  e2b__netlink_put_u32(netlink, IFLA_MTU, MTU);
  size_t info = e2b__netlink_nest(netlink, IFLA_LINKINFO, NULL, 0);
  e2b__netlink_put_text(netlink, IFLA_INFO_KIND, "veth");
  size_t data = e2b__netlink_nest(netlink, IFLA_INFO_DATA, NULL, 0);
  size_t peer = e2b__netlink_nest(netlink, VETH_INFO_PEER, &body, sizeof body);
  e2b__netlink_put_text(netlink, IFLA_IFNAME, "eth0");
  e2b__netlink_put_u32(netlink, IFLA_MTU, MTU);
  e2b__netlink_put_u32(netlink, IFLA_NET_NS_FD, (uint32_t)network);
  e2b__netlink_end(netlink, peer);
  e2b__netlink_end(netlink, data);
  e2b__netlink_end(netlink, info);
  return e2b__netlink_send(netlink);
}

static int set_up_near(e2b__netlink_t *netlink, const char *name, uint32_t address) {
  unsigned device;
  int rc = raise_device(netlink, name, &device);
  return rc == 0 ? add_route(netlink, (route_t){address, 32, RT_TABLE_MAIN, device, 0}) : rc;
}

static int set_up_far(uint32_t address) {
  e2b__netlink_t netlink;
  unsigned device;
  if (e2b__netlink_open(&netlink, 0) != 0) return -errno;
  int rc = raise_device(&netlink, "eth0", &device);
  if (rc == 0) rc = add_address(&netlink, device, address, 32);
  if (rc == 0) rc = add_route(&netlink, (route_t){ROUTER, 32, RT_TABLE_MAIN, device, 0});
  if (rc == 0) rc = add_route(&netlink, (route_t){0, 0, RT_TABLE_MAIN, device, ROUTER});
  e2b__netlink_close(&netlink);
  return rc;
}

static int remove_device(e2b__netlink_t *netlink, const char *name) {
  struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
  body.ifi_index = (int)if_nametoindex(name);
  if (body.ifi_index == 0) return 0;
  e2b__netlink_begin(netlink, RTM_DELLINK, 0, &body, sizeof body);
  int rc = e2b__netlink_send(netlink);
  return rc == -ENODEV ? 0 : rc;
}

static int clear_far(uint32_t address) {
  e2b__netlink_t netlink;
  (void)address; /* whatever it had */
  if (e2b__netlink_open(&netlink, 0) != 0) return -errno;
  int rc = remove_device(&netlink, "eth0");
  e2b__netlink_close(&netlink);
  return rc;
}

/* Does something in the sandbox's network. */
static int at_far_end(const e2b__gateway_t *gateway, int network, int (*act)(uint32_t address),
                      uint32_t address) {
  if (setns(network, CLONE_NEWNET) != 0) return -errno;
  int rc = act(address);
  if (setns(gateway->network, CLONE_NEWNET) != 0) _exit(1); /* nowhere to serve from */
  return rc;
}

static int lay(e2b__gateway_t *gateway, int network, unsigned slot) {
  char name[IFNAMSIZ];
  name_device(slot, name);
  int rc = add_cable(&gateway->inside, name, network);
  /* The cable of a gateway that has ended goes some time after it. */
  if (rc == -EEXIST) {
    rc = at_far_end(gateway, network, clear_far, 0);
    if (rc == 0) rc = add_cable(&gateway->inside, name, network);
  }
  if (rc != 0) return rc;
  rc = set_up_near(&gateway->inside, name, NETWORK + slot);
  if (rc == 0) rc = at_far_end(gateway, network, set_up_far, NETWORK + slot);
  if (rc != 0) e2b__gateway_detach(gateway, slot);
  return rc;
}

int e2b__gateway_attach(e2b__gateway_t *gateway, int network, unsigned *slot) {
  char name[IFNAMSIZ];
  for (unsigned tries = FIRST_SLOT; tries < LAST_SLOT; tries++) {
    if (gateway->last_slot < FIRST_SLOT || ++gateway->last_slot > LAST_SLOT)
      gateway->last_slot = FIRST_SLOT;
    name_device(gateway->last_slot, name);
    if (if_nametoindex(name) != 0) continue; /* of a sandbox that lives long */
    *slot = gateway->last_slot;
    return lay(gateway, network, *slot);
  }
  return -ENOSPC;
}

void e2b__gateway_detach(e2b__gateway_t *gateway, unsigned slot) {
  char name[IFNAMSIZ];
  name_device(slot, name);
  remove_device(&gateway->inside, name);
}
