/* tls_inspect.h: the steps of a TLS handshake, for an inspector.
 *
 * They are made of what OpenSSL has at hand: a copy of each certificate as it
 * came, up to a bound, and no look into it. What is in one is read by whoever
 * shows it, on a thread of its own. Nothing is owned here; the thread of the SSL.
 */
#ifndef HF_STREAM_TLS_INSPECT_H
#define HF_STREAM_TLS_INSPECT_H

#include "stream/inspect.h"
#include "stream/openssl.h"

enum { HF_TLS_SHOWN = 8 /* certificates of a chain */ };

/* Of what a server shows to be this host, its own first; `problem`: why it is not trusted, or NULL. `chain` NULL: none.
 */
void hf_tls_inspect_chain(const hf_inspector *inspector, const char *host, STACK_OF(X509) * chain, const char *problem);

void hf_tls_inspect_session(const hf_inspector *inspector, const char *host, SSL *ssl);

#endif
