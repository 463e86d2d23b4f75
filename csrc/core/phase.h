/* phase.h: how far an attempt to connect has got.
 *
 * A stream, a link and the history of a client all speak of it. Pure data.
 */
#ifndef HF_CORE_PHASE_H
#define HF_CORE_PHASE_H

typedef enum hf_phase {
  HF_PHASE_NONE,
  HF_PHASE_DNS,
  HF_PHASE_TCP,
  HF_PHASE_PROXY, /* all that is between us and a server that is reached through one, the way to the proxy too */
  HF_PHASE_QUIC,  /* until something has come back by UDP */
  HF_PHASE_TLS,
  HF_PHASE_WEBSOCKET,
  HF_PHASE_CONNACK,
  HF_PHASE_UP
} hf_phase;

#endif
