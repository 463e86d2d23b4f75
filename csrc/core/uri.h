/* uri.h: a server address as users write it, taken apart.
 *
 * "mqtt://host", "mqtts://host:8884", "tcp://" and "ssl://" as aliases,
 * "mqtt+srv://service" and "mqtts+srv://", IPv6 in brackets, a bare "host" or "host:port" as mqtt;
 * "unix:///run/broker.sock"; "ws://host/path?query" and "wss://"; "quic://host". User info, and a path or query where
 * there can be none, are refused, never ignored. Pure, no memory: the parts point into the caller's text, or into the
 * struct itself, which then must not be copied. Any thread.
 */
#ifndef HF_CORE_URI_H
#define HF_CORE_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "core/properties.h"

enum {
  HF_URI_ZONED = 128,
  HF_URI_PATH = 2048,
  HF_URI_SOCKET = 107 /* bytes of a path that a unix socket's address has room for */
};

typedef enum hf_road { /* what carries the bytes to a server */
                       HF_ROAD_TCP,
                       HF_ROAD_WEBSOCKET,
                       HF_ROAD_UNIX, /* its host is the path of a socket, as the user wrote it, from the '/' on */
                       HF_ROAD_QUIC, /* UDP, and TLS within: see stream/quic.h */
} hf_road;

const char *hf_road_name(hf_road road); /* "tcp" ... */
int hf_road_find(const char *name);     /* -1 when there is none */

typedef struct hf_uri {
  hf_bytes host; /* without brackets, its zone behind a '%' alone; then it may point into this struct */
  hf_road road;
  uint16_t
      port; /* 1883, 8883, 80, 443 or 14567 when the text has none; 0: there is none on its road, or it is a service */
  bool tls;
  bool ipv6;     /* the host is an IPv6 literal */
  bool service;  /* it is the name of a service, whose servers and ports a name server has (RFC 2782) */
  hf_bytes path; /* of a WebSocket, with its query, as the user wrote it: it may be empty, or begin with the '?' */
  char zoned[HF_URI_ZONED];
} hf_uri;

uint16_t hf_uri_usual_port(hf_road road, bool tls); /* where a server is whose address has none */

/* NULL, or what is wrong as words that continue "server ": "has the unknown scheme 'foo'". The words may be written
 * into `problem`, which must hold at least HF_URI_PROBLEM bytes. */
enum { HF_URI_PROBLEM = 160 };
const char *hf_uri_parse(hf_bytes text, hf_uri *uri, char *problem);

#endif
