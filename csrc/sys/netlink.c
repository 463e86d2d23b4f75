#define _GNU_SOURCE
#include "sys/netlink.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* After net/if.h, whose flags the kernel's header leaves alone then. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

bool hf_netlink_open(hf_netlink *netlink) {
  const struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                      .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
  memset(netlink, 0, sizeof *netlink);
  netlink->descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (netlink->descriptor < 0) return false;
  if (bind(netlink->descriptor, (const struct sockaddr *)&address, sizeof address) == 0) return true;
  hf_netlink_close(netlink);
  return false;
}

void hf_netlink_close(hf_netlink *netlink) {
  if (netlink->descriptor >= 0) close(netlink->descriptor);
  netlink->descriptor = -1;
}

/* Links talk a lot (a wireless one at every scan): only what starts or stops to run is news. */
static unsigned link_news(hf_netlink *netlink, const struct ifinfomsg *link, bool gone) {
  unsigned char runs = !gone && (link->ifi_flags & IFF_RUNNING) && (link->ifi_flags & IFF_UP);
  if (link->ifi_index < 0 || link->ifi_index >= HF_NETLINK_LINKS) return HF_NETLINK_NOTHING;
  unsigned char *up = &netlink->up[link->ifi_index];
  if (*up == runs) return HF_NETLINK_NOTHING;
  *up = runs;
  return runs ? HF_NETLINK_GAINED : HF_NETLINK_LOST;
}

static unsigned news_of(hf_netlink *netlink, const struct nlmsghdr *message) {
  switch (message->nlmsg_type) {
  case RTM_NEWADDR:
    return HF_NETLINK_GAINED;
  case RTM_DELADDR:
    return HF_NETLINK_LOST;
  case RTM_NEWLINK:
  case RTM_DELLINK:
    return link_news(netlink, NLMSG_DATA(message), message->nlmsg_type == RTM_DELLINK);
  default:
    return HF_NETLINK_NOTHING;
  }
}

unsigned hf_netlink_read(hf_netlink *netlink) {
  unsigned news = HF_NETLINK_NOTHING;
  union {
    struct nlmsghdr header;
    char bytes[8192];
  } buffer;
  for (;;) {
    ssize_t got = recv(netlink->descriptor, &buffer, sizeof buffer, 0);
    if (got < 0 && errno == ENOBUFS) {
      news |= HF_NETLINK_GAINED; /* the kernel dropped some: anything may have happened */
      continue;
    }
    if (got <= 0) return news;
    size_t left = (size_t)got;
    for (struct nlmsghdr *at = &buffer.header; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left))
      news |= news_of(netlink, at);
  }
}
