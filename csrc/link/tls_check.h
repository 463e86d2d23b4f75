/* tls_check.h: what TLS with a server comes to, seen on a connection of our own.
 *
 * Paho says "certificate verify failed" and no more, says nothing when a
 * certificate is for another host, and does not read the alert by which a TLS 1.3
 * server refuses a client's certificate. So a failure that it leaves unnamed can
 * be looked into here: connect, shake hands with the same options, look at the
 * certificate, leave. No MQTT is spoken and no user name or password is sent.
 *
 * hf_tls_check blocks until `deadline` at most, but for a name server, and is
 * for a thread of its own whose signals are blocked. It borrows what it is given
 * and keeps nothing. What TLS must at least be is said here, for Paho too.
 */
#ifndef HF_LINK_TLS_CHECK_H
#define HF_LINK_TLS_CHECK_H

#include "link/link.h"
#include "stream/tls_names.h"

/* `deadline` is on hf_clock_ms; it ends early, with nothing found, when there is something to read from the descriptor
 * `stop`. */
void hf_tls_check(const char *host, uint16_t port, const hf_link_tls *tls, int64_t deadline, int stop,
                  hf_tls_finding *finding);

/* The files alone, without a connection: HF_TLS_FILE, and which option and path it is about, or nothing. */
void hf_tls_check_files(const hf_link_tls *tls, hf_tls_finding *finding);

/* The client's certificate and its key, likewise: where they are no pair Paho would connect without them. False: they
 * are not to be used, and if `finding` has no words memory was short. */
bool hf_tls_check_own(const hf_link_tls *tls, hf_tls_finding *finding);

/* Whether OpenSSL may speak TLS 1.3 here; the system's configuration can forbid it. */
bool hf_tls_is_modern(void);

#endif
