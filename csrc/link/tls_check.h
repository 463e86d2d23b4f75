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

/* Paho lowers OpenSSL's security level to 1 and has no way to ask for a least version. The level is Debian's own again,
 * and no cipher suite is left that any TLS before 1.2 could use; those of 1.3 are not part of these lists. */
#define HF_TLS_CIPHERS "DEFAULT:!SSLv3:!TLSv1:!PSK:!SRP:@SECLEVEL=2"
#define HF_TLS_PSK_CIPHERS "PSK+TLSv1.2:!RSAPSK:@SECLEVEL=2"

typedef struct hf_tls_finding {
  hf_tls_code code; /* 0: nothing wrong was found, or nothing at all */
  char text[240];   /* one line; "" when there is nothing to say beyond the reason's own text */
} hf_tls_finding;

/* `deadline` is on hf_clock_ms; it ends early, with nothing found, when there is something to read from the descriptor
 * `stop`. */
void hf_tls_check(const char *host, uint16_t port, const hf_link_tls *tls, int64_t deadline, int stop,
                  hf_tls_finding *finding);

/* The files alone, without a connection: HF_TLS_FILE, and which option and path it is about, or nothing. */
void hf_tls_check_files(const hf_link_tls *tls, hf_tls_finding *finding);

/* Whether OpenSSL may speak TLS 1.3 here; the system's configuration can forbid it. */
bool hf_tls_is_modern(void);

/* Before OpenSSL is used. OpenSSL frees its own memory at exit(3), under the feet of Paho's threads and of a look: one
 * in the middle of a handshake, on a machine too busy to finish it in time, took the process down with SIGSEGV. So it
 * is told to leave that to the system. If the host has used it before, that comes too late; then what is registered
 * with atexit(3) after this at least runs before OpenSSL's end does. */
void hf_tls_prepare(void);

#endif
