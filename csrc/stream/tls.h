/* tls.h: what TLS towards a server is made with, shared by all that are made alike.
 *
 * A context holds what can be shared between clients and attempts: certificates,
 * keys, the trust store, and the tickets of sessions, kept apart by the whole
 * identity (certificate and key or PSK, verify, CA, host, port, SNI, ALPN).
 * Contexts are counted; one may be made and used on any thread, a stream uses it
 * on its own. Making one reads files and takes its time (a system's trust store
 * is some 30 ms): not for the thread that turns a loop.
 */
#ifndef HF_STREAM_TLS_H
#define HF_STREAM_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/properties.h"
#include "core/reason.h"

enum { HF_PSK_IDENTITY = 128, HF_PSK_KEY = 256 }; /* most bytes that every OpenSSL takes */

typedef enum hf_tls_ocsp {
  HF_TLS_OCSP_UNASKED,
  HF_TLS_OCSP_ASK,     /* there must be one where the certificate promises it (RFC 7633) */
  HF_TLS_OCSP_REQUIRE, /* there must be one */
} hf_tls_ocsp;

typedef struct hf_tls_options {
  const char *ca;   /* file of certificates, or a hashed folder; NULL: the system's. This and the next two are PEM
                       themselves where they look like it (stream/tls_pem.h), and so is the list below */
  const char *cert; /* client certificate chain, PEM */
  const char *key;  /* NULL: in the same file */
  const char *key_password;
  const char *crl; /* lists of revoked certificates, of every authority that there can be in a chain; NULL: none */
  const char *const *alpn;  /* NULL-ended */
  const char *psk_identity; /* a key that both sides share takes the place of certificates; NULL: certificates */
  hf_bytes psk_key;         /* 1 to HF_PSK_KEY bytes */
  const char *const
      *pins;        /* one of which the server's public key must have: stream/tls_pins.h. NULL-ended; NULL: any */
  hf_tls_ocsp ocsp; /* a response with the handshake: stream/tls_ocsp.h */
  bool verify;      /* chain and host name */
} hf_tls_options;

typedef struct hf_tls_context hf_tls_context;

typedef struct hf_tls_problem {
  const hf_reason *reason; /* tls_file ... */
  char text[200];          /* names the file and what is wrong with it */
} hf_tls_problem;

/* Loads OpenSSL (sys/library.h), which TLS and a WebSocket's handshake are made with. False: `problem`, of
 * HF_LIBRARY_PROBLEM bytes, says why. Waits for the disk; any thread. */
bool hf_tls_load(char *problem);
bool hf_tls_is_there(void);

/* The context of these options: one that exists already, if none of the files behind it has changed since, else a new
 * one. NULL: `problem` says why. Waits for files, OpenSSL's among them; any thread. */
hf_tls_context *hf_tls_context_get(const hf_tls_options *options, hf_tls_problem *problem);
hf_tls_context *hf_tls_context_hold(hf_tls_context *context);
/* Tickets live in it, and one with a key in it is gone with its last holder: who means to come back holds it between
 * its attempts. */
void hf_tls_context_drop(hf_tls_context *context); /* any thread */

/* The one that hf_tls_context_get would give without reading a file, other than looking at when they changed; NULL: it
 * would have to. Never waits for more than that. */
hf_tls_context *hf_tls_context_find(const hf_tls_options *options);

#endif
