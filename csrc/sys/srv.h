/* srv.h: the SRV records of a name (RFC 2782), from the name servers that the system's resolver asks.
 *
 * Waits for as long as a name server likes: for a thread that may. Which ones are
 * asked, how often and for how long is the affair of resolv.conf(5), as with
 * addresses; the name is taken as it is, without the search list.
 */
#ifndef HF_SYS_SRV_H
#define HF_SYS_SRV_H

#include "core/reason.h"
#include "core/service.h"

/* 0, and one server or more; or why there are none. */
hf_network_code hf_srv_find(const char *name, hf_service *found);

/* What an answer says; likewise. */
hf_network_code hf_srv_read(const unsigned char *message, size_t length, hf_service *found);

#endif
