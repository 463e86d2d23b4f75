/* proxy.h: the address of a proxy as users write it, taken apart.
 *
 * "http://user:password@host:3128", "https://", "socks5://" and "socks5h://"; user
 * and password with what is special in them as %XX. The struct holds copies, which
 * may be secrets: who is done with it wipes it whole. What is wrong with an address
 * is told without a word of it. Pure, no memory: any thread.
 */
#ifndef HF_CORE_PROXY_H
#define HF_CORE_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/properties.h"

enum {
  HF_PROXY_HOST = 253,
  HF_PROXY_SECRET = 1024, /* bytes of a user name, and of a password */
  HF_PROXY_SOCKS = 255    /* likewise, to a SOCKS proxy (RFC 1929) */
};

typedef struct hf_proxy {
  uint16_t port;
  bool socks;    /* SOCKS5 (RFC 1928); else HTTP's CONNECT (RFC 9110 section 9.3.6) */
  bool tls;      /* to the proxy itself */
  bool looks_up; /* it is told the broker's name; else its address */
  bool login;    /* there is a user name or password */
  uint16_t username_length, password_length;
  char host[HF_PROXY_HOST + 1]; /* without brackets, its zone behind a '%' alone */
  char username[HF_PROXY_SECRET];
  char password[HF_PROXY_SECRET];
} hf_proxy;

/* NULL, or what is wrong as words that continue "proxy ". */
const char *hf_proxy_parse(hf_bytes text, hf_proxy *proxy);

#endif
