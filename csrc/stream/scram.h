/* scram.h: SCRAM, by which both sides prove that they know a password that neither sends (RFC 5802, RFC 7677).
 *
 * A client's part: its first word, and from the server's the second one together
 * with what the server's last word must be. What both sign may be bound to the
 * TLS connection that it goes through (RFC 9266), so that nobody in between can
 * pass it on. MQTT has no list of methods to choose from, so "y", which is said of
 * such a list, is never said: "n" without a binding, "p" with it. The
 * second word takes as much computing as the server asks for, half a second say:
 * not for the thread that turns a loop. OpenSSL must have been loaded (tls.h).
 * User name and password are what stream/saslprep.h has made of them. Any thread.
 */
#ifndef HF_STREAM_SCRAM_H
#define HF_STREAM_SCRAM_H

#include "core/properties.h"
#include "stream/stream.h"

/* RFC 7677 section 4 has the least; more than the most would be to keep us busy (RFC 5802 section 9). */
enum { HF_SCRAM_LEAST = 4096, HF_SCRAM_MOST = 1000000, HF_SCRAM_NONCE = 32, HF_SCRAM_BINDING = HF_STREAM_BINDING };

typedef enum hf_scram_hash { HF_SCRAM_NONE, HF_SCRAM_SHA1, HF_SCRAM_SHA256, HF_SCRAM_SHA512 } hf_scram_hash;

hf_scram_hash hf_scram_find(const char *method); /* "SCRAM-SHA-256", with or without "-PLUS" */
bool hf_scram_binds(const char *method);         /* "SCRAM-SHA-256-PLUS" */

typedef struct hf_scram_client { /* all borrowed */
  hf_scram_hash hash;
  bool binds;
  hf_bytes username, password;
  const char *nonce;
  const unsigned char *binding; /* for the second word of one that binds: HF_SCRAM_BINDING bytes that this TLS
                                   connection alone has, at both ends */
} hf_scram_client;

/* Of 18 random bytes, and a NUL. */
void hf_scram_nonce(const unsigned char random[18], char nonce[HF_SCRAM_NONCE]);

/* The caller's, NUL-ended; NULL when memory is short. */
char *hf_scram_first(const hf_scram_client *client);

typedef struct hf_scram_words { /* the caller's, NUL-ended; to be wiped */
  char *answer;
  char *expected; /* the server's last word */
} hf_scram_words;

/* NULL, or what is wrong with the server's word, or that memory is short; static words. */
const char *hf_scram_prove(const hf_scram_client *client, hf_bytes said, hf_scram_words *words);

#endif
