/* half.h: what GnuTLS has of the options of an hf_tls_context.
 *
 * Our own certificate and key, the names that are offered by ALPN, and the tickets
 * of sessions. It belongs to the context (stream/quic.h) and stays as it was made,
 * for any thread to read, but for the tickets, which have a lock. Making one reads
 * files: not for the thread that turns a loop.
 */
#ifndef HF_QUIC_HALF_H
#define HF_QUIC_HALF_H

#include <gnutls/gnutls.h>

#include "quic/tickets.h"
#include "stream/quic.h"

enum { HF_QUIC_NAMES = 8 /* of ALPN, at most */ };

struct hf_quic_half {
  gnutls_certificate_credentials_t own;
  gnutls_priority_t priority;
  gnutls_datum_t names[HF_QUIC_NAMES]; /* of ALPN; "mqtt" where the options have none */
  unsigned name_count;
  hf_quic_tickets tickets;
  bool has_own; /* certificate */
};

hf_quic_half *hf_quic_half_prepare(const hf_tls_options *options, hf_tls_problem *problem);
void hf_quic_half_release(hf_quic_half *half);

#endif
