/* proxy_handshake.h: what is said to a proxy, and what its answers mean: HTTP's CONNECT (RFC 9110 section 9.3.6),
 * SOCKS5 (RFC 1928, RFC 1929).
 *
 * No I/O: bytes out, bytes in, a turn. The caller owns the struct, which borrows
 * what it is begun with, and the bytes; those that go out may hold secrets, and are
 * wiped by whoever has sent them. Only the loop's thread.
 */
#ifndef HF_STREAM_PROXY_HANDSHAKE_H
#define HF_STREAM_PROXY_HANDSHAKE_H

#include "stream/stream.h"

enum {
  HF_PROXY_SAYS = 4096,  /* bytes that go out at once, at most */
  HF_PROXY_HEARS = 16384 /* bytes that have to come before there is an answer, at most */
};

typedef enum hf_proxy_turn {
  HF_PROXY_LISTENS, /* more must come */
  HF_PROXY_SPEAKS,
  HF_PROXY_OPENS,  /* what comes from now on is the server's */
  HF_PROXY_REFUSES /* `end` says why */
} hf_proxy_turn;

typedef struct hf_proxy_handshake { /* the first four are its owner's to set; zeros else */
  const hf_proxy *proxy;
  const char *host;    /* the server as it is called */
  const char *address; /* what it is told to a proxy that looks no names up */
  uint16_t port;
  uint8_t step; /* of SOCKS */
  size_t looked;
} hf_proxy_handshake;

/* First, and after HF_PROXY_SPEAKS. Into `to`, which has HF_PROXY_SAYS; its length. */
size_t hf_proxy_say(hf_proxy_handshake *handshake, uint8_t *to);

/* `heard` begins with what has not been used yet, the same bytes and more each time; `used` of it are done with. */
hf_proxy_turn hf_proxy_hear(hf_proxy_handshake *handshake, hf_bytes heard, size_t *used, hf_stream_end *end);

#endif
