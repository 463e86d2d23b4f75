/* quic_server: an MQTT over QUIC server for specs, in front of a broker's TCP port.
 *
 *     quic_server --certificate=FILE --key=FILE --upstream=PORT [--port=0] [--control=SOCKET] ...
 *
 * The first bidirectional stream of a connection is a TCP connection to the
 * broker. It says "port N" on standard output once it listens; quic_server/control.c
 * has what it can be asked for at its socket. On ngtcp2 and GnuTLS.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "quic_server/server.h"

enum { TEXT, NUMBER, FLAG };

static const struct option {
  const char *name;
  int type;
  size_t offset;
} known[] = {
    {"address", TEXT, offsetof(struct options, address)},
    {"port", TEXT, offsetof(struct options, port)},
    {"upstream", TEXT, offsetof(struct options, upstream_port)},
    {"upstream-address", TEXT, offsetof(struct options, upstream_address)},
    {"certificate", TEXT, offsetof(struct options, certificate)},
    {"key", TEXT, offsetof(struct options, key)},
    {"authority", TEXT, offsetof(struct options, authority)},
    {"alpn", TEXT, offsetof(struct options, alpn)},
    {"control", TEXT, offsetof(struct options, control)},
    {"tickets", TEXT, offsetof(struct options, tickets)},
    {"ticket-key", TEXT, offsetof(struct options, ticket_key)},
    {"reset-key", TEXT, offsetof(struct options, reset_key)},
    {"versions", TEXT, offsetof(struct options, versions)},
    {"ticket-life", NUMBER, offsetof(struct options, ticket_life)},
    {"idle", NUMBER, offsetof(struct options, idle_ms)},
    {"handshake", NUMBER, offsetof(struct options, handshake_ms)},
    {"streams", NUMBER, offsetof(struct options, streams)},
    {"one-way-streams", NUMBER, offsetof(struct options, one_way_streams)},
    {"window", NUMBER, offsetof(struct options, window)},
    {"connection-window", NUMBER, offsetof(struct options, connection_window)},
    {"buffer", NUMBER, offsetof(struct options, buffer)},
    {"retry", FLAG, offsetof(struct options, retry)},
    {"no-migration", FLAG, offsetof(struct options, no_migration)},
};

_Noreturn void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("quic_server: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

ngtcp2_tstamp now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (ngtcp2_tstamp)time.tv_sec * NGTCP2_SECONDS + (ngtcp2_tstamp)time.tv_nsec;
}

static void take_option(struct options *options, const char *word) {
  const char *value = strchr(word, '=');
  size_t length = value ? (size_t)(value - word) : strlen(word);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    char *field = (char *)options + known[i].offset;
    if (strlen(known[i].name) != length || strncmp(known[i].name, word, length) != 0) continue;
    if (known[i].type == FLAG && !value) {
      *(bool *)(void *)field = true;
    } else if (known[i].type == TEXT && value) {
      *(const char **)(void *)field = value + 1;
    } else if (known[i].type == NUMBER && value) {
      char *end;
      *(uint64_t *)(void *)field = strtoull(value + 1, &end, 10);
      if (!value[1] || *end) fail("--%s: a number wanted", word);
    } else {
      fail("--%s: %s", word, value ? "takes no value" : "wants a value");
    }
    return;
  }
  fail("--%s: no such option", word);
}

static void read_options(struct options *options, char **words) {
  *options = (struct options){.address = "127.0.0.1",
                              .port = "0",
                              .upstream_address = "127.0.0.1",
                              .alpn = "mqtt",
                              .tickets = "early",
                              .versions = "v1,v2",
                              .idle_ms = 30000,
                              .handshake_ms = 10000,
                              .streams = 8,
                              .window = 256 * 1024,
                              .connection_window = 512 * 1024,
                              .buffer = 256 * 1024};
  for (; *words; words++) {
    if (strncmp(*words, "--", 2) != 0) fail("%s: an option wanted", *words);
    take_option(options, *words + 2);
  }
  if (!options->certificate || !options->key || !options->upstream_port)
    fail("--certificate, --key and --upstream are needed");
  static const char *const tickets[] = {"off", "resume", "early", "refused"};
  for (size_t i = 0; i < sizeof tickets / sizeof *tickets; i++)
    if (strcmp(options->tickets, tickets[i]) == 0) return;
  fail("--tickets: off, resume, early or refused wanted, got %s", options->tickets);
}

static void read_versions(struct server *server) {
  const char *text = server->options.versions;
  if (strcmp(text, "none") == 0) return;
  if (strcmp(text, "v1") == 0 || strcmp(text, "v1,v2") == 0)
    server->versions[server->version_count++] = NGTCP2_PROTO_VER_V1;
  if (strcmp(text, "v2") == 0 || strcmp(text, "v1,v2") == 0)
    server->versions[server->version_count++] = NGTCP2_PROTO_VER_V2_DRAFT;
  if (!server->version_count) fail("--versions: v1, v2, \"v1,v2\" or none wanted, got %s", text);
}

static void bury_the_dead(struct server *server) {
  bool any = false;
  for (struct connection *each = server->connections; each; each = each->next)
    any = any || each->is_dead;
  if (!any) return;
  for (size_t i = 0; i < CID_BUCKETS; i++) {
    for (struct known_cid **at = &server->buckets[i]; *at;) {
      struct known_cid *one = *at;
      if (one->connection->is_dead) {
        *at = one->next;
        free(one);
      } else {
        at = &one->next;
      }
    }
  }
  for (struct connection **at = &server->connections; *at;) {
    struct connection *one = *at;
    if (one->is_dead) {
      *at = one->next;
      connection_free(one);
    } else {
      at = &one->next;
    }
  }
}

static int until_due(const struct server *server) {
  ngtcp2_tstamp due = UINT64_MAX, at = now();
  for (struct connection *each = server->connections; each; each = each->next) {
    ngtcp2_tstamp its = connection_due(each);
    if (its < due) due = its;
  }
  if (due == UINT64_MAX) return -1;
  if (due <= at) return 0;
  uint64_t ms = (due - at + NGTCP2_MILLISECONDS - 1) / NGTCP2_MILLISECONDS;
  return ms > 1000 ? 1000 : (int)ms;
}

static void turn(struct server *server, struct pollfd **watched, size_t *room) {
  size_t count = 3;
  for (const struct connection *each = server->connections; each; each = each->next)
    count++;
  if (count > *room) {
    *room = 2 * count;
    *watched = realloc(*watched, *room * sizeof **watched);
    if (!*watched) fail("out of memory");
  }
  struct pollfd *polled = *watched;
  polled[0] = (struct pollfd){.fd = server->socket, .events = POLLIN};
  polled[1] = (struct pollfd){.fd = server->control, .events = POLLIN};
  polled[2] = (struct pollfd){.fd = server->caller, .events = POLLIN};
  size_t i = 3;
  for (const struct connection *each = server->connections; each; each = each->next, i++)
    polled[i] = (struct pollfd){.fd = pipe_wants(each) ? each->pipe.socket : -1, .events = pipe_wants(each)};
  if (poll(polled, (nfds_t)count, until_due(server)) < 0 && errno != EINTR) fail("poll: %s", strerror(errno));
  i = 3;
  for (struct connection *each = server->connections; each; each = each->next, i++)
    if (polled[i].revents) pipe_turn(each, polled[i].revents);
  if (polled[0].revents) door_receive(server);
  if (polled[2].revents) control_read(server);
  if (polled[1].revents) control_accept(server);
  for (struct connection *each = server->connections; each; each = each->next)
    connection_turn(each);
  bury_the_dead(server);
}

int main(int count, char **words) {
  (void)count;
  static struct server server;
  read_options(&server.options, words + 1);
  read_versions(&server);
  tls_start(&server);
  door_open(&server);
  control_open(&server);
  printf("port %u\n", ntohs(((struct sockaddr_in *)(void *)&server.local)->sin_port)); /* where IPv6 has it, too */
  fflush(stdout);
  struct pollfd *watched = NULL;
  size_t room = 0;
  while (!server.quits)
    turn(&server, &watched, &room);
  for (struct connection *each = server.connections; each; each = each->next)
    each->is_dead = true;
  bury_the_dead(&server);
  free(watched);
  gnutls_anti_replay_deinit(server.anti_replay);
  gnutls_priority_deinit(server.priority);
  gnutls_certificate_free_credentials(server.credentials);
  return 0;
}
