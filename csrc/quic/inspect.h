/* inspect.h: the steps of a QUIC connection's opening, for an inspector.
 *
 * What stream/tls_inspect.h is for OpenSSL, of GnuTLS. Called on the thread that turns
 * the loop, also from within a handshake; nothing is owned here.
 */
#ifndef HF_QUIC_INSPECT_H
#define HF_QUIC_INSPECT_H

#include "quic/connection.h"

/* What the server shows; `problem`: why it is not trusted, or NULL. */
void hf_quic_inspect_chain(const hf_quic_connection *connection, const hf_bytes *chain, size_t count,
                           const char *problem);
void hf_quic_inspect_session(const hf_quic_connection *connection); /* the handshake is complete */

#endif
