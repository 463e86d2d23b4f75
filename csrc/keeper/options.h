/* options.h: everything one client was made with, in one piece that only its keeper reads.
 *
 * Filled by the thread that makes the client (csrc/lua), handed to
 * hf_client_new, read by the keeper thread from then on and freed with the
 * client. All text in it lives in blocks of its own, which are wiped when they
 * are freed: passwords are among them.
 */
#ifndef HF_KEEPER_OPTIONS_H
#define HF_KEEPER_OPTIONS_H

#include "core/engine.h"
#include "link/link.h"
#include "stream/scram.h"

typedef struct hf_server {
  const char *text; /* as the user wrote it, for events, and without a query where a function has; NULL: none yet */
  const char *host; /* or what hf_road says */
  const char *path; /* of a WebSocket, with its query; NULL: none */
  hf_road road;
  uint16_t port;
  bool tls;
  bool ipv6;
  bool service; /* see hf_uri: the host is its name, and there is no port */
} hf_server;

typedef enum hf_transport { HF_TRANSPORT_PAHO, HF_TRANSPORT_NATIVE, HF_TRANSPORTS } hf_transport;

typedef enum hf_overflow {                          /* what becomes of a message that finds no room in the queue */
                           HF_OVERFLOW_REJECT,      /* it is not admitted */
                           HF_OVERFLOW_DROP_OLDEST, /* the oldest that no link has had is dropped for it; itself, when
                                                       there is none */
                           HF_OVERFLOW_DROP_NEWEST, /* it is admitted and dropped */
} hf_overflow;

typedef struct hf_auth_options { /* enhanced authentication */
  const char *method;            /* NULL: none */
  hf_scram_hash hash;            /* HF_SCRAM_NONE: the user's functions know what to say */
  hf_bytes username, password;   /* of SCRAM */
  bool binds;                    /* it is bound to the TLS connection */
  bool ask_first;                /* the Lua side is asked for the first word */
} hf_auth_options;

typedef struct hf_options_block hf_options_block;

typedef struct hf_client_options {
  hf_engine_options engine;
  hf_server *servers;
  const char *client_id;
  const char *headers;                  /* of a WebSocket's request, each a line with its end; NULL: none */
  const hf_proxy *proxy, *proxy_secure; /* to servers without TLS, and with it; NULL: directly */
  const char *no_proxy;                 /* hosts that are gone to directly: see route.h; NULL: none */
  hf_link_tls proxy_tls;                /* to a proxy itself */
  hf_bytes username;
  hf_bytes password;
  hf_auth_options auth;
  hf_link_will *will;                /* NULL: none */
  hf_link_tls *tls;                  /* for the servers that want it; NULL: defaults */
  const hf_properties *properties;   /* user properties of CONNECT; NULL: none */
  const char *const *redirect_allow; /* host patterns, NULL-ended; NULL: no reference is followed */
  size_t queue_messages;
  size_t queue_bytes;
  double publish_per_second; /* 0: as many as there are */
  double publish_burst;      /* at once, after a pause */
  double bytes_per_second;   /* of PUBLISH packets; 0: no limit */
  size_t inbox_messages;
  size_t inbox_bytes;
  uint32_t return_to_primary; /* ms between two looks at the first server from another one; 0: none */
  uint32_t session_expiry;    /* seconds */
  uint32_t maximum_packet_size;
  uint16_t receive_maximum;
  uint16_t keep_alive; /* seconds */
  uint8_t protocol;
  uint8_t redirect_hops;
  const char *store;      /* path; NULL: none */
  uint32_t store_sync;    /* ms that a record may be off the medium; 0: post waits for it */
  uint32_t detect_within; /* ms in which a dead link is noticed; 0: as keep_alive has it */
  uint16_t window;        /* unfinished exchanges of QoS 1 and 2 at most; 0: as the broker's Receive Maximum has it */
  uint8_t transport;      /* hf_transport */
  uint8_t overflow;       /* hf_overflow */
  bool fallback;          /* one downgrade to 3.1.1 when the broker refuses 5, and back where one refuses 3.1.1 */
  bool clean_start;       /* at the first connect only */
  bool end_session;       /* `close` ends the session: nobody could ever claim it again */
  bool watch_network;     /* hints come from the system, too */
  bool zero_rtt;          /* CONNECT may go before QUIC's handshake is complete */
  bool ask_credentials;   /* the Lua side is asked before each attempt */
  bool ask_headers;       /* and for the headers, in the same question */
  bool ask_proxy;         /* and for the proxy, in place of the options' own */
  bool ask_server;        /* and for the server: there is none in the options */
  bool ask_delay;         /* the Lua side has a say in each delay */
  bool inspect;           /* and is told each step of each attempt */
  hf_options_block *blocks;
} hf_client_options;

hf_client_options *hf_options_new(void); /* zeroed; NULL when memory is short */
void hf_options_free(hf_client_options *options);

/* For a server that wants TLS; never NULL. */
const hf_link_tls *hf_options_tls(const hf_client_options *options);

/* Which of the servers are one place: QUIC, and behind it `mqtts` of the same host, where both are gone to directly.
 * When all the rest is there. */
void hf_options_pair(hf_client_options *options);

/* Memory that lives as long as the options; NULL when short. The second copies `length` bytes and adds a NUL. */
void *hf_options_allocate(hf_client_options *options, size_t size);
char *hf_options_copy(hf_client_options *options, const char *data, size_t length);

#endif
