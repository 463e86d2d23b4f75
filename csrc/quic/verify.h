/* verify.h: whether the server of a handshake is to be believed.
 *
 * Called by GnuTLS within it; see hf_quic_host.judge.
 */
#ifndef HF_QUIC_VERIFY_H
#define HF_QUIC_VERIFY_H

#include <gnutls/gnutls.h>

int hf_quic_verify(gnutls_session_t session); /* 0: it is */

#endif
