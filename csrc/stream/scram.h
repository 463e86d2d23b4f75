/* scram.h: SCRAM, by which both sides prove that they know a password that neither sends (RFC 5802, RFC 7677).
 *
 * A client's part, without channel binding ("n,,"): its first word, and from the
 * server's the second one together with what the server's last word must be. The
 * second takes as much computing as the server asks for, half a second say: not
 * for the thread that turns a loop. OpenSSL must have been loaded (tls.h). User
 * name and password that are not ASCII are taken as they are: to bring them into
 * the form of RFC 4013 is for who gives them. Any thread.
 */
#ifndef HF_STREAM_SCRAM_H
#define HF_STREAM_SCRAM_H

#include "core/properties.h"

/* RFC 7677 section 4 has the least; more than the most would be to keep us busy (RFC 5802 section 9). */
enum { HF_SCRAM_LEAST = 4096, HF_SCRAM_MOST = 1000000, HF_SCRAM_NONCE = 32 };

typedef enum hf_scram_hash { HF_SCRAM_NONE, HF_SCRAM_SHA1, HF_SCRAM_SHA256, HF_SCRAM_SHA512 } hf_scram_hash;

hf_scram_hash hf_scram_find(const char *method); /* "SCRAM-SHA-256" */

/* Of 18 random bytes, and a NUL. */
void hf_scram_nonce(const unsigned char random[18], char nonce[HF_SCRAM_NONCE]);

/* The caller's, NUL-ended; NULL when memory is short. */
char *hf_scram_first(hf_bytes username, const char *nonce);

typedef struct hf_scram_words { /* the caller's, NUL-ended; to be wiped */
  char *answer;
  char *expected; /* the server's last word */
} hf_scram_words;

/* NULL, or what is wrong with the server's word, or that memory is short; static words. */
const char *hf_scram_prove(hf_scram_hash hash, hf_bytes username, hf_bytes password, const char *nonce, hf_bytes said,
                           hf_scram_words *words);

#endif
