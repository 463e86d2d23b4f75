/* reason.h: every way in which a connection, a subscription or a publish can end, in one table.
 *
 * A reason is (source, code). The table (reason_table.h, one X-macro) gives each
 * a stable lowercase name, a class that says what follows from it, and a text;
 * codes that nobody has assigned answer too, by their range. Rows are static
 * and immutable: any thread may read them, nobody frees them.
 */
#ifndef HF_CORE_REASON_H
#define HF_CORE_REASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hf_class {
  HF_CLASS_NONE,   /* not a failure of the connection: success, or a refusal of one filter or publish */
  HF_CLASS_RETRY,  /* ordinary backoff */
  HF_CLASS_SLOW,   /* backoff with a high floor: hammering makes it worse */
  HF_CLASS_SWITCH, /* another server if there is one, else as SLOW */
  HF_CLASS_STOP,   /* retrying cannot help: sleep until the user or a changed option wakes the client */
  HF_CLASSES
} hf_class;

typedef enum hf_source {
  HF_SOURCE_CONNACK,    /* MQTT 5 CONNACK reason codes */
  HF_SOURCE_CONNACK_V3, /* MQTT 3.1.1 CONNACK return codes */
  HF_SOURCE_DISCONNECT, /* MQTT 5 DISCONNECT from the server */
  HF_SOURCE_SUBACK,     /* per filter, both versions (0x80 in 3.1.1) */
  HF_SOURCE_UNSUBACK,
  HF_SOURCE_PUBACK,    /* PUBACK, PUBREC and PUBCOMP */
  HF_SOURCE_PAHO,      /* negative return codes of the Paho library */
  HF_SOURCE_NETWORK,   /* hf_network_code */
  HF_SOURCE_TLS,       /* hf_tls_code */
  HF_SOURCE_PROXY,     /* hf_proxy_code, or the status of an HTTP proxy's answer */
  HF_SOURCE_SOCKS,     /* hf_socks_code: the reply of a SOCKS5 proxy */
  HF_SOURCE_HTTP,      /* the status of an answer that is not the one that was hoped for */
  HF_SOURCE_WEBSOCKET, /* hf_websocket_code, or the code of the server's Close frame */
  HF_SOURCE_QUIC,      /* hf_quic_code, or the code of the server's CONNECTION_CLOSE */
  HF_SOURCE_CLIENT,    /* hf_client_code: decided by this library */
  HF_SOURCES
} hf_source;

typedef enum hf_network_code {
  HF_NETWORK_CONNECT_FAILED = 1, /* the transport could not be opened and nothing finer is known */
  HF_NETWORK_REFUSED,            /* connection_refused */
  HF_NETWORK_UNREACHABLE,
  HF_NETWORK_RESET,
  HF_NETWORK_TIMED_OUT,
  HF_NETWORK_NAME_NOT_FOUND,
  HF_NETWORK_NAME_SERVER_FAILING,
  HF_NETWORK_CLOSED_BEFORE_CONNACK,
  HF_NETWORK_CONNECTION_LOST,   /* it was up and is no more; nothing finer is known */
  HF_NETWORK_PROXY_VARIABLE,    /* the environment names a proxy that the transport library would obey */
  HF_NETWORK_SOCKET_NOT_FOUND,  /* there is no unix socket at the path */
  HF_NETWORK_PERMISSION_DENIED, /* the system does not let this process connect */
} hf_network_code;

typedef enum hf_tls_code {
  HF_TLS_FAILED = 1, /* tls_failed: nothing finer is known */
  HF_TLS_CERTIFICATE,
  HF_TLS_EXPIRED,
  HF_TLS_NOT_YET_VALID,
  HF_TLS_UNKNOWN_CA,
  HF_TLS_SELF_SIGNED,
  HF_TLS_HOSTNAME,
  HF_TLS_HANDSHAKE,
  HF_TLS_CLIENT_CERTIFICATE,
  HF_TLS_FILE,    /* a CA, certificate or key file of ours cannot be read */
  HF_TLS_VERSION, /* the server speaks nothing from TLS 1.2 on */
  HF_TLS_OTHER_KEY,
  HF_TLS_REVOKED,
  HF_TLS_CRL,  /* the lists of revoked certificates say nothing of the server's */
  HF_TLS_OCSP, /* nor does what it brings along */
  HF_TLS_TOKEN,
  HF_TLS_TOKEN_LOGIN,
} hf_tls_code;

typedef enum hf_proxy_code {
  HF_PROXY_HANDSHAKE = 1, /* what came is no answer of such a proxy */
  HF_PROXY_CLOSED,        /* nothing came */
} hf_proxy_code;

typedef enum hf_socks_code { /* up to 8: RFC 1928 section 6 */
                             HF_SOCKS_FAILURE = 1,
                             HF_SOCKS_NOT_ALLOWED,
                             HF_SOCKS_NETWORK_UNREACHABLE,
                             HF_SOCKS_HOST_UNREACHABLE,
                             HF_SOCKS_REFUSED,
                             HF_SOCKS_TTL_EXPIRED,
                             HF_SOCKS_COMMAND,
                             HF_SOCKS_ADDRESS_TYPE,
                             HF_SOCKS_AUTHENTICATION =
                                 256, /* beyond what a reply can say: it came before there was one */
} hf_socks_code;

typedef enum hf_websocket_code {
  HF_WEBSOCKET_HANDSHAKE = 1, /* what came is no answer to the handshake */
  HF_WEBSOCKET_SUBPROTOCOL,   /* one that does not choose "mqtt" [MQTT-6.0.0-3] */
  HF_WEBSOCKET_VIOLATION,     /* frames against RFC 6455, or of text [MQTT-6.0.0-1] */
  HF_WEBSOCKET_NORMAL = 1000, /* from here on as RFC 6455 section 7.4.1 and its registry have them */
  HF_WEBSOCKET_GOING_AWAY = 1001,
  HF_WEBSOCKET_PROTOCOL_ERROR = 1002,
  HF_WEBSOCKET_UNACCEPTABLE = 1003,
  HF_WEBSOCKET_POLICY = 1008,
  HF_WEBSOCKET_RESTART = 1012,
  HF_WEBSOCKET_TRY_LATER = 1013,
} hf_websocket_code;

typedef enum hf_quic_code {
  HF_QUIC_REFUSED = 0x02, /* up to here as RFC 9000 section 20.1 has them; or nobody listens */
  HF_QUIC_VERSION = 1000, /* beyond what it has: it speaks no version that we do */
  HF_QUIC_IDLE_TIMEOUT,
  HF_QUIC_BLOCKED, /* nothing has come back */
  HF_QUIC_MISSING, /* the part that brings QUIC is not there */
  HF_QUIC_FAILED,  /* it broke the protocol of QUIC, or we cannot go on */
} hf_quic_code;

typedef enum hf_client_code {
  HF_CLIENT_CONNECT_TIMEOUT = 1,
  HF_CLIENT_CREDENTIALS_TIMEOUT,
  HF_CLIENT_CREDENTIALS_FAILED, /* the user's function threw or answered nothing usable */
  HF_CLIENT_SLOW_CONSUMER,      /* stepped away from the broker until Lua has drained */
  HF_CLIENT_SESSION_MISMATCH,   /* session present although a clean start was asked for [MQTT-3.2.2-4] */
  HF_CLIENT_MAX_ATTEMPTS,
  HF_CLIENT_BACKOFF_STOPPED,   /* strategy "none", or a backoff function that answered false */
  HF_CLIENT_CLOSED,            /* close() */
  HF_CLIENT_COLLECTED,         /* the garbage collector, or the end of the Lua state */
  HF_CLIENT_RECONNECT,         /* reconnect() while connected */
  HF_CLIENT_PROBE_TIMEOUT,     /* network_changed() asked, the broker did not answer */
  HF_CLIENT_SUBSCRIBE_TIMEOUT, /* the broker acknowledged no subscription in time */
  HF_CLIENT_OUT_OF_MEMORY,
  HF_CLIENT_DOWNGRADED,       /* the broker refused MQTT 5 and `fallback` allows 3.1.1: the next attempt speaks that */
  HF_CLIENT_UPGRADED,         /* another server refuses 3.1.1 since then: the next attempt speaks MQTT 5 again */
  HF_CLIENT_PROTOCOL_ERROR,   /* the broker broke the protocol in a way that a link lets through */
  HF_CLIENT_MALFORMED_PACKET, /* the broker sent what is no packet */
  HF_CLIENT_PACKET_TOO_LARGE, /* the broker sent one above our Maximum Packet Size */
  HF_CLIENT_AUTH_SERVER,      /* the broker has not proven who it is, in an exchange that wants it to */
  HF_CLIENT_CHANNEL_BINDING,  /* there is no TLS to the broker that SCRAM could be bound to, or one that is too old */
} hf_client_code;

enum { HF_WIDE_STEPS = 3, HF_PASSES_WITHIN = 300000 /* ms */ };

typedef struct hf_reason {
  const char *name;          /* "not_authorized" */
  const char *text;          /* one sentence without a full stop */
  uint8_t source;            /* hf_source */
  uint8_t cls;               /* hf_class: what follows */
  uint8_t later;             /* hf_class from the `after`-th in a row on; equals cls when there is no such rule */
  uint8_t after;             /* 0: no such rule */
  int16_t code;              /* as on the wire; for the row of a range its lowest */
  uint16_t row;              /* position in the table: 0 .. hf_reason_count() - 1, for policy overrides */
  uint8_t fresh_credentials; /* ask for credentials anew before the next attempt */
  uint8_t may_switch;        /* with several servers the next attempt goes to another one */
  uint8_t wide;   /* the wait is drawn as if HF_WIDE_STEPS more failures had gone before: many clients share it */
  uint8_t floor;  /* seconds that a wait of class slow lasts at least, unless its max forbids it; 0: no floor */
  uint8_t passes; /* where the server has worked it is no slower than any outage, for HF_PASSES_WITHIN */
  uint8_t fight;  /* the other side waits as we do: in a row unless the longest slow wait and attempt fit between */
} hf_reason;

/* Never NULL: an unassigned code gets the row of its range (name "unknown_..." ; of HTTP, "http_5xx" ...). */
const hf_reason *hf_reason_find(hf_source source, int code);
const hf_reason *hf_reason_row(size_t row); /* NULL past the end */
size_t hf_reason_count(void);               /* at most HF_REASONS_AT_MOST */

enum { HF_REASONS_AT_MOST = 256 };

/* One that a clock which is wrong may be behind: once that is set, it is worth an attempt. */
bool hf_reason_is_about_time(const hf_reason *reason);

const char *hf_class_name(int cls);     /* "retry"; NULL when there is none */
int hf_class_find(const char *name);    /* -1 when there is none */
const char *hf_source_name(int source); /* "connack", "connack_v3", "disconnect", "suback" ... */
int hf_source_find(const char *name);

#endif
