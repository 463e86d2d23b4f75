/* resolver.h: names to addresses, off the keeper's path.
 *
 * getaddrinfo(3) blocks for as long as a name server likes, so it is an errand;
 * whoever asks for a name that is being looked up, or waits to be, shares its
 * answer. The answer is a mail to the keeper's inbox, which belongs to the keeper
 * and holds a reference to its client. hf_resolver_ask is for the keeper's
 * thread; it never blocks.
 *
 * c-ares (1.18.1) instead would spare the errand's thread, but it finds nothing that
 * nsswitch.conf(5) leaves to another module than files and dns (a .local name that
 * mdns4_minimal knows is an unknown one), and reads /etc/hosts within the call: 18 ms
 * of the caller's thread where that has 20,000 lines. getaddrinfo(3) tells no TTL, so
 * that each attempt asks anew; SRV records have theirs (core/service.h).
 */
#ifndef HF_KEEPER_RESOLVER_H
#define HF_KEEPER_RESOLVER_H

#include "keeper/question.h"

enum { HF_ADDRESSES = 8, HF_ADDRESS_LENGTH = 64 };

typedef struct hf_address {
  char text[HF_ADDRESS_LENGTH]; /* numeric, with a scope if it has one */
  bool ipv6;
} hf_address;

typedef struct hf_resolved { /* HF_COMMAND_RESOLVED */
  hf_question question;
  char host[HF_PROXY_HOST + 1];
  hf_network_code failure; /* 0: there are addresses */
  size_t count;
  hf_address addresses[HF_ADDRESSES]; /* in the order of preference (RFC 6724) */
} hf_resolved;

/* The answer will carry `generation`. False when there is no memory or no thread
 * to be had: then there will be none. */
bool hf_resolver_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const char *host);

#endif
