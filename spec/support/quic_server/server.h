/* quic_server: what the rooms of the specs' MQTT over QUIC server share (quic_server.c says what it is).
 *
 * A server owns its connections, a connection its ngtcp2 and TLS sessions and its
 * pipe. One thread; everything happens between two polls. Times are nanoseconds
 * of the monotonic clock.
 */
#ifndef QUIC_SERVER_H
#define QUIC_SERVER_H

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "quic/versions.h"

/* What else of ngtcp2 has two forms (csrc/quic/versions.h). */
#if NGTCP2_VERSION_NUM >= 0x010000
#define NGTCP2_PROTO_VER_V2_DRAFT NGTCP2_PROTO_VER_V2
#define SHUT(what, conn, stream, code) ngtcp2_conn_shutdown_##what(conn, 0, stream, code)
#define TOKEN(header) ((ngtcp2_vec){(uint8_t *)(uintptr_t)(header).token, (header).tokenlen})
#define FORGET_TOKEN(header) ((header).token = NULL, (header).tokenlen = 0)
#define GIVE_TOKEN(to, from) ((to).token = (from).token, (to).tokenlen = (from).tokenlen)
#define CALLED_FIRST(parameters, cid) ((parameters).original_dcid = (cid), (parameters).original_dcid_present = 1)
#else
#define SHUT(what, conn, stream, code) ngtcp2_conn_shutdown_##what(conn, stream, code)
#define TOKEN(header) ((header).token)
#define FORGET_TOKEN(header) ((header).token = (ngtcp2_vec){0})
#define GIVE_TOKEN(to, from) ((to).token = (from).token)
#define CALLED_FIRST(parameters, cid) ((parameters).original_dcid = (cid))
#endif

enum {
  CID_LENGTH = 16,
  KEY_LENGTH = 32,
  TICKET_KEY_LENGTH = 64,
  MOST_VERSIONS = 4,
  CID_BUCKETS = 4096,
  CHUNK = 16384,
  DATAGRAM = 2048,
  NO_BROKER = 1 /* the code that a connection is closed with then */
};

struct options {
  const char *address, *port;                   /* where it listens */
  const char *upstream_address, *upstream_port; /* the broker */
  const char *certificate, *key, *authority;    /* authority: a client has to have a certificate by it */
  const char *alpn, *control;
  const char *tickets; /* off, resume, early, refused (offered, and then refused) */
  const char *ticket_key, *reset_key, *versions;
  uint64_t ticket_life; /* s; 0: as GnuTLS has it, six hours */
  uint64_t idle_ms, handshake_ms, streams, one_way_streams, window, connection_window, buffer;
  bool retry, no_migration;
};

#define COUNTERS(X)                                                                                                    \
  X(connections)                                                                                                       \
  X(handshakes)                                                                                                        \
  X(failed)                                                                                                            \
  X(resumed)                                                                                                           \
  X(early)                                                                                                             \
  X(early_bytes)                                                                                                       \
  X(early_foreign)                                                                                                     \
  X(migrations)                                                                                                        \
  X(rebindings)                                                                                                        \
  X(validations)                                                                                                       \
  X(validations_failed)                                                                                                \
  X(streams)                                                                                                           \
  X(streams_refused)                                                                                                   \
  X(retries)                                                                                                           \
  X(tokens)                                                                                                            \
  X(negotiations)                                                                                                      \
  X(resets)                                                                                                            \
  X(idle_closes)                                                                                                       \
  X(closed_by_client)                                                                                                  \
  X(closed_here)                                                                                                       \
  X(unknown)                                                                                                           \
  X(datagrams_in)                                                                                                      \
  X(datagrams_out)                                                                                                     \
  X(bytes_in)                                                                                                          \
  X(bytes_out)                                                                                                         \
  X(dropped_in)                                                                                                        \
  X(dropped_out)                                                                                                       \
  X(stream_bytes_in)                                                                                                   \
  X(stream_bytes_out)                                                                                                  \
  X(pauses)                                                                                                            \
  X(most_buffered)                                                                                                     \
  X(last_code)                                                                                                         \
  X(last_alert)                                                                                                        \
  X(last_error)

#define COUNTER(name) uint64_t name;
struct counters {
  COUNTERS(COUNTER)
};
#undef COUNTER

struct server;
struct connection;

/* A connection's id, in a bucket of the server's. */
struct known_cid {
  struct known_cid *next;
  struct connection *connection;
  ngtcp2_cid cid;
};

/* Bytes for the client, where they stay until it has acknowledged them. */
struct chunk {
  struct chunk *next;
  size_t length;
  uint8_t bytes[CHUNK];
};

/* The connection's first stream, and the TCP connection to the broker. */
struct pipe {
  int64_t stream;           /* -1: none yet */
  int socket;               /* -1: none any more */
  bool connecting, refused; /* refused: there is no broker */
  uint8_t *to_broker;
  size_t waiting, room;
  bool client_ended, told_broker; /* the client's FIN: came; was handed on */
  struct chunk *first, *last;
  uint64_t acknowledged, sent, taken; /* offsets in the stream */
  uint64_t base;                      /* that of the first chunk */
  bool broker_ended, told_client;
  bool blocked; /* by the client's window, or the connection's; until the next datagram of the client */
  bool paused;
  bool is_cut; /* one direction, on demand: the client's answer to that is not answered */
};

struct connection {
  struct connection *next;
  uint64_t early_end; /* of the MQTT packet that early data begins with; 0: not known yet */
  struct server *server;
  ngtcp2_conn *conn;
  ngtcp2_crypto_conn_ref reference;
  gnutls_session_t session;
  struct pipe pipe;
  struct sockaddr_storage remote;
  socklen_t remote_length;
  ngtcp2_cid last_dcid;     /* that the client spoke to from where it is */
  ngtcp2_tstamp gone_after; /* 0: lives; else it closes or drains, and is gone then */
  uint8_t farewell[DATAGRAM];
  size_t farewell_length;
  bool is_dead, is_done;
};

struct server {
  struct options options;
  struct counters counters;
  int socket, control, caller; /* UDP; the unix socket, and who is connected to it */
  struct sockaddr_storage local;
  socklen_t local_length;
  struct connection *connections;
  struct known_cid *buckets[CID_BUCKETS];
  gnutls_certificate_credentials_t credentials;
  gnutls_priority_t priority;
  gnutls_anti_replay_t anti_replay;
  gnutls_datum_t ticket_key;
  uint8_t reset_key[KEY_LENGTH], token_key[KEY_LENGTH];
  uint32_t versions[MOST_VERSIONS]; /* none: it speaks none, and says so */
  size_t version_count;
  unsigned drop_in, drop_out; /* per cent */
  bool is_silent, refuses_early, quits;
};

/* Ends the program with a sentence. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
ngtcp2_tstamp now(void);

/* tls.c */
void tls_start(struct server *server);
void tls_forget_tickets(struct server *server);
/* A session for a connection that its ngtcp2_conn is set in by then. */
void tls_open(struct connection *connection);

/* door.c: datagrams */
void door_open(struct server *server);
void door_receive(struct server *server);
void door_send(struct server *server, const struct sockaddr *to, socklen_t length, const uint8_t *bytes, size_t size);
void door_remember(struct server *server, const ngtcp2_cid *cid, struct connection *connection);
void door_forget(struct server *server, const ngtcp2_cid *cid);

/* connection.c */
/* `original` and `retried`: see ngtcp2_transport_params; NULL is without a Retry. NULL: it was not to be. */
struct connection *connection_new(struct server *server, const ngtcp2_path *path, const ngtcp2_pkt_hd *header,
                                  const ngtcp2_cid *original, const ngtcp2_cid *retried);
void connection_read(struct connection *connection, const ngtcp2_path *path, const ngtcp2_cid *to,
                     const uint8_t *packet, size_t length);
/* Sends what there is to send, and fires what is due. */
void connection_turn(struct connection *connection);
ngtcp2_tstamp connection_due(struct connection *connection);
/* Says farewell: with an error of ngtcp2 (< 0), else a code of the application's. */
void connection_close(struct connection *connection, int error, uint64_t code);
void connection_free(struct connection *connection);

/* pipe.c: NULL where there is nothing to be said. */
void pipe_open(struct connection *connection, int64_t stream);
void pipe_take(struct connection *connection, const uint8_t *bytes, size_t length, bool ended);
void pipe_acknowledged(struct pipe *pipe, uint64_t offset);
short pipe_wants(const struct connection *connection);
void pipe_turn(struct connection *connection, short events);
/* Up to `most` pieces of what was not sent yet; whether the stream ends after them in `ends`. */
size_t pipe_unsent(const struct pipe *pipe, ngtcp2_vec *pieces, size_t most, bool *ends);
bool pipe_has_unsent(const struct pipe *pipe);
void pipe_close(struct pipe *pipe);

/* control.c */
void control_open(struct server *server);
void control_accept(struct server *server);
void control_read(struct server *server);

#endif
