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

/* What is there already is asked for first, one question after the other: nlmsg_seq says which one is answered. */
enum { NOBODY, LINKS, ADDRESSES };

static void ask(hf_netlink *netlink, uint32_t what) {
  struct {
    struct nlmsghdr header;
    struct rtgenmsg family;
  } question = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof question.family),
                           .nlmsg_type = what == LINKS ? RTM_GETLINK : RTM_GETADDR,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                           .nlmsg_seq = what},
                .family = {.rtgen_family = AF_UNSPEC}};
  netlink->asked = what;
  /* Without an answer the first refreshing of each address is news. */
  if (what != NOBODY && send(netlink->descriptor, &question, sizeof question, 0) < 0) netlink->asked = NOBODY;
}

bool hf_netlink_open(hf_netlink *netlink) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
  socklen_t length = sizeof address;
  memset(netlink, 0, sizeof *netlink);
  netlink->descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (netlink->descriptor < 0) return false;
  if (bind(netlink->descriptor, (const struct sockaddr *)&address, sizeof address) == 0 &&
      getsockname(netlink->descriptor, (struct sockaddr *)&address, &length) == 0) {
    netlink->port = address.nl_pid;
    ask(netlink, LINKS);
    return true;
  }
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

/* FNV-1a; never 0. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t length) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ at[i]) * UINT64_C(0x100000001B3);
  return hash ? hash : 1;
}

/* IFA_LOCAL where there is one: on a line from point to point IFA_ADDRESS is the other end's. */
static uint64_t hash_of(const struct nlmsghdr *message, const struct ifaddrmsg *address) {
  const struct rtattr *local = NULL, *own = NULL;
  size_t left = IFA_PAYLOAD(message);
  for (const struct rtattr *at = IFA_RTA(address); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if (at->rta_type == IFA_LOCAL) local = at;
    if (at->rta_type == IFA_ADDRESS) own = at;
  }
  if (local) own = local;
  uint64_t hash = mix(UINT64_C(0xCBF29CE484222325), &address->ifa_index, sizeof address->ifa_index);
  return own ? mix(hash, RTA_DATA(own), RTA_PAYLOAD(own)) : hash;
}

static uint64_t *place_of(hf_netlink *netlink, uint64_t hash) {
  for (size_t i = 0; i < HF_NETLINK_ADDRESSES; i++)
    if (netlink->addresses[i] == hash) return &netlink->addresses[i];
  return NULL;
}

static void remember(hf_netlink *netlink, uint64_t hash) {
  uint64_t *place = place_of(netlink, 0);
  if (!place) place = &netlink->addresses[netlink->next_address++ % HF_NETLINK_ADDRESSES];
  *place = hash;
}

/* One that is still being tried out on its link (RFC 4862 section 5.4) is not there yet. */
static unsigned address_news(hf_netlink *netlink, const struct nlmsghdr *message, bool gone) {
  const struct ifaddrmsg *address = NLMSG_DATA(message);
  uint64_t hash = hash_of(message, address);
  uint64_t *known = place_of(netlink, hash);
  if (gone) {
    if (known) *known = 0;
    return HF_NETLINK_LOST;
  }
  if (known || address->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) return HF_NETLINK_NOTHING;
  remember(netlink, hash);
  return HF_NETLINK_GAINED;
}

static unsigned news_of(hf_netlink *netlink, const struct nlmsghdr *message) {
  switch (message->nlmsg_type) {
  case RTM_NEWADDR:
  case RTM_DELADDR:
    return address_news(netlink, message, message->nlmsg_type == RTM_DELADDR);
  case RTM_NEWLINK:
  case RTM_DELLINK:
    return link_news(netlink, NLMSG_DATA(message), message->nlmsg_type == RTM_DELLINK);
  default:
    return HF_NETLINK_NOTHING;
  }
}

/* An answer is learned, and no news. */
static unsigned take(hf_netlink *netlink, const struct nlmsghdr *message) {
  bool answer = netlink->asked != NOBODY && message->nlmsg_pid == netlink->port && message->nlmsg_seq == netlink->asked;
  bool over = answer && (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR);
  if (over) ask(netlink, netlink->asked == LINKS ? ADDRESSES : NOBODY);
  unsigned news = over ? HF_NETLINK_NOTHING : news_of(netlink, message);
  return answer ? HF_NETLINK_NOTHING : news;
}

/* The kernel dropped some: anything may have happened. */
static void begin_anew(hf_netlink *netlink) {
  memset(netlink->addresses, 0, sizeof netlink->addresses);
  ask(netlink, LINKS);
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
      news |= HF_NETLINK_GAINED;
      begin_anew(netlink);
      continue;
    }
    if (got <= 0) return news;
    size_t left = (size_t)got;
    for (struct nlmsghdr *at = &buffer.header; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left))
      news |= take(netlink, at);
  }
}
