/* quic_server/door: datagrams in and out, and whose they are.
 *
 * What belongs to nobody is answered as RFC 9000 has it: by a version negotiation
 * (6), a Retry (8.1.2), a stateless reset (10.3), or not at all.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

enum {
  MOST_A_TURN = 512,
  SMALLEST_INITIAL = 1200,
  SMALLEST_RESET = NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN,
  LARGEST_RESET = 43,
  BUFFERS = 4 * 1024 * 1024
};

static bool happens(unsigned percent) {
  return percent && (unsigned)(rand() % 100) < percent;
}

void door_open(struct server *server) {
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_DGRAM}, *found;
  if (getaddrinfo(server->options.address, server->options.port, &hints, &found) != 0)
    fail("--address: no address: %s", server->options.address);
  server->socket = socket(found->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (server->socket < 0 || bind(server->socket, found->ai_addr, found->ai_addrlen) != 0)
    fail("%s port %s: %s", server->options.address, server->options.port, strerror(errno));
  freeaddrinfo(found);
  int size = BUFFERS;
  setsockopt(server->socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(server->socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  server->local_length = sizeof server->local;
  if (getsockname(server->socket, (struct sockaddr *)&server->local, &server->local_length) != 0) fail("getsockname");
}

void door_send(struct server *server, const struct sockaddr *to, socklen_t length, const uint8_t *bytes, size_t size) {
  if (server->is_silent || happens(server->drop_out)) {
    server->counters.dropped_out++;
    return;
  }
  if (sendto(server->socket, bytes, size, 0, to, length) < 0) {
    server->counters.dropped_out++; /* as any network may */
    return;
  }
  server->counters.datagrams_out++;
  server->counters.bytes_out += size;
}

static size_t bucket_of(const ngtcp2_cid *cid) {
  uint64_t hash = 14695981039346656037u; /* FNV-1a */
  for (size_t i = 0; i < cid->datalen; i++)
    hash = (hash ^ cid->data[i]) * 1099511628211u;
  return (size_t)(hash % CID_BUCKETS);
}

void door_remember(struct server *server, const ngtcp2_cid *cid, struct connection *connection) {
  struct known_cid *known = malloc(sizeof *known);
  if (!known) fail("out of memory");
  struct known_cid **bucket = &server->buckets[bucket_of(cid)];
  *known = (struct known_cid){.next = *bucket, .connection = connection, .cid = *cid};
  *bucket = known;
}

void door_forget(struct server *server, const ngtcp2_cid *cid) {
  for (struct known_cid **at = &server->buckets[bucket_of(cid)]; *at; at = &(*at)->next) {
    if (!ngtcp2_cid_eq(&(*at)->cid, cid)) continue;
    struct known_cid *gone = *at;
    *at = gone->next;
    free(gone);
    return;
  }
}

static struct connection *connection_of(const struct server *server, const ngtcp2_cid *cid) {
  for (const struct known_cid *known = server->buckets[bucket_of(cid)]; known; known = known->next)
    if (ngtcp2_cid_eq(&known->cid, cid)) return known->connection;
  return NULL;
}

static bool is_spoken(const struct server *server, uint32_t version) {
  for (size_t i = 0; i < server->version_count; i++)
    if (server->versions[i] == version) return true;
  return false;
}

static void negotiate(struct server *server, const ngtcp2_path *path, const ngtcp2_version_cid *ids) {
  static const uint32_t nobodys = 0x1a2a3a4a; /* RFC 9000, 15: reserved */
  uint8_t packet[DATAGRAM], random;
  gnutls_rnd(GNUTLS_RND_NONCE, &random, 1);
  ngtcp2_ssize length = ngtcp2_pkt_write_version_negotiation(
      packet, sizeof packet, random, ids->scid, ids->scidlen, ids->dcid, ids->dcidlen,
      server->version_count ? server->versions : &nobodys, server->version_count ? server->version_count : 1);
  if (length <= 0) return;
  server->counters.negotiations++;
  door_send(server, path->remote.addr, path->remote.addrlen, packet, (size_t)length);
}

/* Smaller than what it answers, so that two who know nothing of each other come to an end. */
static void reset(struct server *server, const ngtcp2_path *path, const ngtcp2_cid *cid, size_t received) {
  uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN], random[LARGEST_RESET], packet[LARGEST_RESET];
  if (received <= SMALLEST_RESET) return;
  size_t size = received - 1 < LARGEST_RESET ? received - 1 : LARGEST_RESET;
  gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof random);
  if (ngtcp2_crypto_generate_stateless_reset_token(token, server->reset_key, KEY_LENGTH, cid) != 0) return;
  ngtcp2_ssize length = ngtcp2_pkt_write_stateless_reset(packet, size, token, random, size - sizeof token);
  if (length <= 0) return;
  server->counters.resets++;
  door_send(server, path->remote.addr, path->remote.addrlen, packet, (size_t)length);
}

static void retry(struct server *server, const ngtcp2_path *path, const ngtcp2_pkt_hd *header) {
  ngtcp2_cid scid = {.datalen = CID_LENGTH};
  gnutls_rnd(GNUTLS_RND_NONCE, scid.data, CID_LENGTH);
  uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN], packet[DATAGRAM];
  ngtcp2_ssize size =
      ngtcp2_crypto_generate_retry_token(token, server->token_key, KEY_LENGTH, header->version, path->remote.addr,
                                         path->remote.addrlen, &scid, &header->dcid, now());
  if (size < 0) return;
  ngtcp2_ssize length = ngtcp2_crypto_write_retry(packet, sizeof packet, header->version, &header->scid, &scid,
                                                  &header->dcid, token, (size_t)size);
  if (length <= 0) return;
  server->counters.retries++;
  door_send(server, path->remote.addr, path->remote.addrlen, packet, (size_t)length);
}

/* The first packet of a client: a connection, or NULL. */
static struct connection *welcome(struct server *server, const ngtcp2_path *path, const uint8_t *packet,
                                  size_t length) {
  ngtcp2_pkt_hd header;
  int verdict = ngtcp2_accept(&header, packet, length);
  if ((verdict != 0 && verdict != NGTCP2_ERR_RETRY) || header.type != NGTCP2_PKT_INITIAL) return NULL;
  const ngtcp2_vec token = TOKEN(header);
  uint8_t magic = token.len ? token.base[0] : 0;
  ngtcp2_cid original;
  if (magic == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) {
    if (ngtcp2_crypto_verify_retry_token(&original, token.base, token.len, server->token_key, KEY_LENGTH,
                                         header.version, path->remote.addr, path->remote.addrlen, &header.dcid,
                                         10 * NGTCP2_SECONDS, now()) != 0)
      return NULL;
    server->counters.tokens++;
    return connection_new(server, path, &header, &original, &header.dcid);
  }
  bool is_known =
      magic == NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR &&
      ngtcp2_crypto_verify_regular_token(token.base, token.len, server->token_key, KEY_LENGTH, path->remote.addr,
                                         path->remote.addrlen, 3600 * NGTCP2_SECONDS, now()) == 0;
  if (is_known) server->counters.tokens++;
  if (!is_known) FORGET_TOKEN(header);
  if ((server->options.retry || verdict == NGTCP2_ERR_RETRY) && !is_known) {
    retry(server, path, &header);
    return NULL;
  }
  return connection_new(server, path, &header, NULL, NULL);
}

static void take(struct server *server, const ngtcp2_path *path, const uint8_t *packet, size_t length) {
  ngtcp2_version_cid ids;
  int result = ngtcp2_pkt_decode_version_cid(&ids, packet, length, CID_LENGTH);
  bool is_long = result != NGTCP2_ERR_INVALID_ARGUMENT && ids.version != 0;
  ngtcp2_cid cid;
  if (result == NGTCP2_ERR_INVALID_ARGUMENT) {
    server->counters.unknown++;
    return;
  }
  if (result == NGTCP2_ERR_VERSION_NEGOTIATION || (is_long && !is_spoken(server, ids.version))) {
    if (length >= SMALLEST_INITIAL) negotiate(server, path, &ids);
    return;
  }
  if (ids.dcidlen > NGTCP2_MAX_CIDLEN) return;
  ngtcp2_cid_init(&cid, ids.dcid, ids.dcidlen);
  struct connection *connection = connection_of(server, &cid);
  if (!connection && is_long) connection = welcome(server, path, packet, length);
  if (connection) {
    connection_read(connection, path, &cid, packet, length);
  } else {
    server->counters.unknown++;
    if (!is_long) reset(server, path, &cid, length);
  }
}

void door_receive(struct server *server) {
  uint8_t packet[65536];
  for (int i = 0; i < MOST_A_TURN; i++) {
    struct sockaddr_storage from;
    socklen_t from_length = sizeof from;
    ssize_t length = recvfrom(server->socket, packet, sizeof packet, 0, (struct sockaddr *)&from, &from_length);
    if (length < 0) return;
    if (server->is_silent || happens(server->drop_in)) {
      server->counters.dropped_in++;
      continue;
    }
    server->counters.datagrams_in++;
    server->counters.bytes_in += (uint64_t)length;
    ngtcp2_path path = {.local = {.addr = (struct sockaddr *)&server->local, .addrlen = server->local_length},
                        .remote = {.addr = (struct sockaddr *)&from, .addrlen = from_length}};
    if (length > 0) take(server, &path, packet, (size_t)length);
  }
}
