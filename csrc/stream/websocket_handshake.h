/* websocket_handshake.h: the HTTP request that asks for a WebSocket, and what the answer to it means (RFC 6455 section
 * 4).
 *
 * No I/O: text out, bytes in, a verdict. The caller owns the struct and what
 * hf_handshake_request returns; that holds the user's own headers, which may be
 * secrets, and is wiped by whoever has sent it. Only the loop's thread.
 */
#ifndef HF_STREAM_WEBSOCKET_HANDSHAKE_H
#define HF_STREAM_WEBSOCKET_HANDSHAKE_H

#include "stream/stream.h"

typedef struct hf_handshake {
  char key[25];    /* what we sent, ended by a NUL */
  char accept[29]; /* what must come back */
} hf_handshake;

/* NULL: no memory. */
char *hf_handshake_request(hf_handshake *handshake, const hf_stream_target *target, size_t *length);

/* True: the answer opens the WebSocket. False: `end` says why not, with the place that the server sends its clients to,
 * as a whole address, and the wait that it asks for. `whole` is a head that hf_http_head_end has found the end of. */
bool hf_handshake_judge(const hf_handshake *handshake, const hf_stream_target *target, hf_bytes whole,
                        hf_stream_end *end);

#endif
