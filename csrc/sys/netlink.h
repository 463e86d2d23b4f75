/* netlink.h: news of the machine's links and addresses (rtnetlink(7), Linux).
 *
 * A client that waits for minutes may try again at once when an interface comes
 * up. The caller owns the struct and the descriptor in it, waits for it to be
 * readable and then asks what the news are. What was there when it was opened is
 * none, nor is an address that is refreshed, as each Router Advertisement does
 * (RFC 4862 section 5.5.3): only one that was not there. One thread at a time.
 */
#ifndef HF_SYS_NETLINK_H
#define HF_SYS_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HF_NETLINK_LINKS = 64, HF_NETLINK_ADDRESSES = 128 };

typedef struct hf_netlink {
  int descriptor;                     /* -1: closed, or not to be had on this system */
  uint32_t port;                      /* of this socket: what comes to it is an answer */
  uint32_t asked;                     /* the question that is being answered; 0: none */
  unsigned char up[HF_NETLINK_LINKS]; /* by interface index; those past it count as down */
  uint64_t
      addresses[HF_NETLINK_ADDRESSES]; /* those in use, by a hash; 0: free. Past that many, the oldest is forgotten */
  size_t next_address;
} hf_netlink;

typedef enum hf_netlink_news {
  HF_NETLINK_NOTHING = 0,
  HF_NETLINK_GAINED = 1 << 0, /* an address, or a link that runs */
  HF_NETLINK_LOST = 1 << 1,
} hf_netlink_news;

bool hf_netlink_open(hf_netlink *netlink);
unsigned hf_netlink_read(hf_netlink *netlink); /* hf_netlink_news of everything that waits; never blocks */
void hf_netlink_close(hf_netlink *netlink);

#endif
