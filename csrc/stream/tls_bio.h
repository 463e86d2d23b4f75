/* tls_bio.h: where OpenSSL reads and writes: a stream.
 *
 * What OpenSSL writes is always taken; what the stream has no room for waits here
 * until hf_tls_pipe_flush, and who writes looks at hf_tls_pipe_is_clear first. So
 * there is at most one record of the owner's and what handshakes say, and nothing
 * has to be offered to OpenSSL twice. The caller owns the struct, and the stream.
 * Only the loop's thread.
 */
#ifndef HF_STREAM_TLS_BIO_H
#define HF_STREAM_TLS_BIO_H

#include "stream/openssl.h"
#include "stream/stream.h"

typedef struct hf_tls_pipe {
  hf_stream *lower;
  unsigned char *rest;
  size_t from, count;
  bool starved; /* there was no memory for what had to wait: the connection cannot go on */
} hf_tls_pipe;

BIO *hf_tls_pipe_bio(hf_tls_pipe *pipe); /* for SSL_set_bio; NULL: no memory */
void hf_tls_pipe_flush(hf_tls_pipe *pipe);
bool hf_tls_pipe_is_clear(const hf_tls_pipe *pipe);
void hf_tls_pipe_free(hf_tls_pipe *pipe); /* what waits, not the stream */

#endif
