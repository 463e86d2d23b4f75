/* ticket.h: what one connection leaves for the next one to the same server, as bytes.
 *
 * A session of TLS (RFC 8446 section 4.6.1), the chain that the server showed when
 * it was believed, and what its transport parameters allowed (RFC 9000 section
 * 7.4.1), with a sum at the end: the same bytes in memory and in a file, and read
 * with the same distrust. They are a secret: who has them can be this client to
 * the server, or read what it sends early. Pure but for malloc; any thread.
 */
#ifndef HF_QUIC_TICKET_H
#define HF_QUIC_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/properties.h"

enum {
  HF_QUIC_CHAIN = 16,             /* certificates, at most */
  HF_QUIC_PROTOCOL = 31,          /* bytes of a name of ALPN, at most */
  HF_QUIC_TICKET_MOST = 64 * 1024 /* bytes of one; what is longer is not kept */
};

typedef enum hf_quic_limit { /* transport parameters that count before the server has said them anew */
                             HF_QUIC_LIMIT_DATA,
                             HF_QUIC_LIMIT_STREAM_DATA,       /* of a stream that we open */
                             HF_QUIC_LIMIT_THEIR_STREAM_DATA, /* of one that it opens */
                             HF_QUIC_LIMIT_ONE_WAY_STREAM_DATA,
                             HF_QUIC_LIMIT_STREAMS,
                             HF_QUIC_LIMIT_ONE_WAY_STREAMS,
                             HF_QUIC_LIMIT_CONNECTION_IDS,
                             HF_QUIC_LIMITS
} hf_quic_limit;

typedef struct hf_quic_ticket { /* in pieces, all borrowed */
  int64_t came, expires;        /* ms of the wall's clock */
  uint64_t limits[HF_QUIC_LIMITS];
  hf_bytes protocol; /* that was chosen by ALPN */
  hf_bytes session;  /* GnuTLS's */
  hf_bytes chain[HF_QUIC_CHAIN];
  size_t chain_length;
  bool takes_early; /* the server may take early data */
} hf_quic_ticket;

/* The caller's, to be freed with hf_quic_ticket_free; data NULL: no memory, or it would be too long. */
hf_bytes hf_quic_ticket_pack(const hf_quic_ticket *ticket);
void hf_quic_ticket_free(hf_bytes packed); /* wiped; data NULL is fine */

/* Into `packed`. False: these are no bytes of hf_quic_ticket_pack. */
bool hf_quic_ticket_read(hf_bytes packed, hf_quic_ticket *ticket);

#endif
