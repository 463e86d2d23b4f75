/* quic_probe.h: the smallest question that a QUIC server answers.
 *
 * A datagram of a version that is kept free for this (RFC 9000 section 15) is
 * answered by Version Negotiation (section 6.1): the versions that the server
 * speaks, by whoever has seen the question. It costs one datagram each way and no
 * cryptography. Pure; any thread.
 */
#ifndef HF_CORE_QUIC_PROBE_H
#define HF_CORE_QUIC_PROBE_H

#include <stddef.h>
#include <stdint.h>

enum { HF_QUIC_PROBE = 1200 /* bytes: fewer may be answered by nobody (section 14.1) */ };

void hf_quic_probe_write(uint8_t datagram[HF_QUIC_PROBE], uint64_t random);

typedef enum hf_quic_probed {
  HF_QUIC_PROBED_NOT,     /* it is no answer to that */
  HF_QUIC_PROBED_OTHERS,  /* it is, and the server does not speak version 1 */
  HF_QUIC_PROBED_ANSWERED /* it does */
} hf_quic_probed;

hf_quic_probed hf_quic_probe_read(const uint8_t *datagram, size_t length, uint64_t random);

#endif
