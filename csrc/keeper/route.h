/* route.h: which way an attempt goes to its server: directly, or by which proxy.
 *
 * A proxy is the options' own, one for servers with TLS and one for those without
 * (the environment may name two), or what the user's function has answered for
 * this attempt; `no_proxy` says which hosts are gone to directly all the same. For
 * the thread that turns the keeper; the client owns what was answered.
 */
#ifndef HF_KEEPER_ROUTE_H
#define HF_KEEPER_ROUTE_H

#include <stdbool.h>

#include "core/proxy.h"

struct hf_client;

/* Of the server that the attempt goes to; NULL: directly. */
const hf_proxy *hf_route_find(const struct hf_client *client);

/* The host of the next name that must be looked up, of the server first; NULL: there is none any more. */
const char *hf_route_unknown(const struct hf_client *client, bool *of_proxy);

/* Whether a list as in the environment's no_proxy has the host: names, which stand for all below them too, addresses,
 * address/prefix, or "*"; divided by commas or blanks. */
bool hf_route_is_direct(const char *no_proxy, const char *host);

#endif
