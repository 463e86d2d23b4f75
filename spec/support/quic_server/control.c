/* quic_server/control: a unix socket that takes a line and answers with one.
 *
 *     stats            {"connections":1, ...}; "open" are those that live
 *     forget           no connection was ever there
 *     close CODE       every connection is closed with that code of the application's
 *     stop CODE        of every stream no more is read (STOP_SENDING)
 *     reset CODE       on every stream no more is said (RESET_STREAM)
 *     silent on|off    no datagram is read or sent
 *     drop N in|out    so many of a hundred datagrams are lost
 *     early refuse|accept
 *     tickets forget   those that are out are not known any more
 *     window BYTES     of a stream, that connections are allowed from now on
 *     binding          of the latest connection: what both ends export for RFC 9266, hexadecimal
 *     quit
 *
 * "ok", or "what?" and the line.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

void control_open(struct server *server) {
  server->control = server->caller = -1;
  const char *path = server->options.control;
  if (!path) return;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) fail("--control: too long: %s", path);
  memcpy(address.sun_path, path, strlen(path) + 1);
  unlink(path);
  server->control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server->control < 0 || bind(server->control, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(server->control, 8) != 0)
    fail("%s: %s", path, strerror(errno));
}

void control_accept(struct server *server) {
  int fresh = accept(server->control, NULL, NULL);
  if (fresh < 0) return;
  if (server->caller >= 0) close(server->caller);
  server->caller = fresh;
}

static size_t write_stats(const struct server *server, char *text, size_t room) {
  unsigned open = 0, ready = 0;
  for (const struct connection *each = server->connections; each; each = each->next) {
    open += !each->gone_after && !each->is_dead;
    ready += !each->gone_after && !each->is_dead && each->is_done;
  }
  size_t length = (size_t)snprintf(text, room, "{\"open\":%u,\"ready\":%u", open, ready);
#define PRINT(name)                                                                                                    \
  length += (size_t)snprintf(text + length, room - length, ",\"" #name "\":%llu",                                      \
                             (unsigned long long)server->counters.name);
  COUNTERS(PRINT)
#undef PRINT
  length += (size_t)snprintf(text + length, room - length, "}\n");
  return length;
}

static size_t write_binding(const struct server *server, char *text, size_t room) {
  static const char label[] = "EXPORTER-Channel-Binding";
  const struct connection *latest = server->connections;
  unsigned char binding[KEY_LENGTH];
  size_t length = 0;
  if (latest &&
      gnutls_prf_rfc5705(latest->session, sizeof label - 1, label, 0, "", sizeof binding, (char *)binding) == 0)
    for (size_t i = 0; i < sizeof binding; i++)
      length += (size_t)snprintf(text + length, room - length, "%02x", binding[i]);
  return length + (size_t)snprintf(text + length, room - length, "\n");
}

static void for_all_streams(struct server *server, int (*shut)(ngtcp2_conn *, int64_t, uint64_t), uint64_t code) {
  for (struct connection *each = server->connections; each; each = each->next) {
    if (each->gone_after || each->is_dead || each->pipe.stream < 0) continue;
    each->pipe.is_cut = true;
    shut(each->conn, each->pipe.stream, code);
  }
}

static int shut_read(ngtcp2_conn *conn, int64_t stream, uint64_t code) {
  return SHUT(stream_read, conn, stream, code);
}

static int shut_write(ngtcp2_conn *conn, int64_t stream, uint64_t code) {
  return SHUT(stream_write, conn, stream, code);
}

static bool obey(struct server *server, const char *line) {
  unsigned number;
  char word[8];
  if (strcmp(line, "forget") == 0) {
    for (struct connection *each = server->connections; each; each = each->next)
      each->is_dead = true;
  } else if (sscanf(line, "close %u", &number) == 1) {
    for (struct connection *each = server->connections; each; each = each->next)
      if (!each->gone_after && !each->is_dead) connection_close(each, 0, number);
  } else if (sscanf(line, "stop %u", &number) == 1) {
    for_all_streams(server, shut_read, number);
  } else if (sscanf(line, "reset %u", &number) == 1) {
    for_all_streams(server, shut_write, number);
  } else if (sscanf(line, "silent %7s", word) == 1 && (strcmp(word, "on") == 0 || strcmp(word, "off") == 0)) {
    server->is_silent = word[1] == 'n';
  } else if (sscanf(line, "drop %u %7s", &number, word) == 2 && number <= 100 && strcmp(word, "in") == 0) {
    server->drop_in = number;
  } else if (sscanf(line, "drop %u %7s", &number, word) == 2 && number <= 100 && strcmp(word, "out") == 0) {
    server->drop_out = number;
  } else if (strcmp(line, "early refuse") == 0 || strcmp(line, "early accept") == 0) {
    server->refuses_early = line[6] == 'r';
  } else if (strcmp(line, "tickets forget") == 0) {
    tls_forget_tickets(server);
  } else if (sscanf(line, "window %u", &number) == 1) {
    server->options.window = number;
  } else if (strcmp(line, "quit") == 0) {
    server->quits = true;
  } else {
    return false;
  }
  return true;
}

void control_read(struct server *server) {
  char line[256], answer[4096];
  ssize_t length = recv(server->caller, line, sizeof line - 1, 0);
  if (length <= 0) {
    close(server->caller);
    server->caller = -1;
    return;
  }
  line[length] = 0;
  line[strcspn(line, "\r\n")] = 0;
  size_t size;
  if (strcmp(line, "stats") == 0)
    size = write_stats(server, answer, sizeof answer);
  else if (strcmp(line, "binding") == 0)
    size = write_binding(server, answer, sizeof answer);
  else
    size = (size_t)snprintf(answer, sizeof answer, obey(server, line) ? "ok\n" : "what? %s\n", line);
  if (send(server->caller, answer, size, MSG_NOSIGNAL) != (ssize_t)size) server->quits = true;
}
