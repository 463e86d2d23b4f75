/* quic_server/pipe: the first stream of a connection, and the TCP connection to the broker that it stands for.
 *
 * Either side waits for the other: the stream's window opens by what the broker
 * took, and the broker is not read while too much waits for the client.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

static int connect_to_broker(const struct options *options) {
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
  if (getaddrinfo(options->upstream_address, options->upstream_port, &hints, &found) != 0) return -1;
  int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (descriptor >= 0) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (descriptor >= 0 && connect(descriptor, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
    close(descriptor);
    descriptor = -1;
  }
  freeaddrinfo(found);
  return descriptor;
}

void pipe_open(struct connection *connection, int64_t stream) {
  struct pipe *pipe = &connection->pipe;
  pipe->stream = stream;
  pipe->socket = connect_to_broker(&connection->server->options);
  pipe->connecting = pipe->socket >= 0;
  pipe->refused = pipe->socket < 0;
}

void pipe_take(struct connection *connection, const uint8_t *bytes, size_t length, bool ended) {
  struct pipe *pipe = &connection->pipe;
  if (pipe->waiting + length > pipe->room) {
    pipe->room = 2 * (pipe->waiting + length);
    pipe->to_broker = realloc(pipe->to_broker, pipe->room);
    if (!pipe->to_broker) fail("out of memory");
  }
  if (length) memcpy(pipe->to_broker + pipe->waiting, bytes, length);
  pipe->waiting += length;
  pipe->client_ended = pipe->client_ended || ended;
  struct counters *counters = &connection->server->counters;
  counters->stream_bytes_in += length;
  if (pipe->waiting > counters->most_buffered) counters->most_buffered = pipe->waiting;
}

void pipe_acknowledged(struct pipe *pipe, uint64_t offset) {
  pipe->acknowledged = offset;
  while (pipe->first && pipe->base + pipe->first->length <= offset) {
    struct chunk *done = pipe->first;
    pipe->base += done->length;
    pipe->first = done->next;
    if (!pipe->first) pipe->last = NULL;
    free(done);
  }
}

static bool is_full(const struct connection *connection) {
  const struct pipe *pipe = &connection->pipe;
  return pipe->taken - pipe->acknowledged >= connection->server->options.buffer;
}

short pipe_wants(const struct connection *connection) {
  const struct pipe *pipe = &connection->pipe;
  if (pipe->socket < 0) return 0;
  if (pipe->connecting) return POLLOUT;
  bool reads = !pipe->broker_ended && !is_full(connection);
  bool writes = pipe->waiting > 0 || (pipe->client_ended && !pipe->told_broker);
  return (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
}

static void lose_broker(struct pipe *pipe) {
  if (pipe->socket >= 0) close(pipe->socket);
  pipe->socket = -1;
  pipe->broker_ended = true;
}

static bool finish_connecting(struct pipe *pipe) {
  int problem = 0;
  socklen_t length = sizeof problem;
  getsockopt(pipe->socket, SOL_SOCKET, SO_ERROR, &problem, &length);
  pipe->connecting = false;
  pipe->refused = problem != 0;
  return problem == 0;
}

static void write_to_broker(struct connection *connection) {
  struct pipe *pipe = &connection->pipe;
  if (pipe->waiting) {
    ssize_t count = send(pipe->socket, pipe->to_broker, pipe->waiting, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) lose_broker(pipe);
    if (count <= 0) return;
    pipe->waiting -= (size_t)count;
    memmove(pipe->to_broker, pipe->to_broker + count, pipe->waiting);
    ngtcp2_conn_extend_max_stream_offset(connection->conn, pipe->stream, (uint64_t)count);
    ngtcp2_conn_extend_max_offset(connection->conn, (uint64_t)count);
  }
  if (!pipe->waiting && pipe->client_ended && !pipe->told_broker) {
    shutdown(pipe->socket, SHUT_WR);
    pipe->told_broker = true;
  }
}

static struct chunk *chunk_with_room(struct pipe *pipe) {
  if (pipe->last && pipe->last->length < CHUNK) return pipe->last;
  struct chunk *fresh = malloc(sizeof *fresh);
  if (!fresh) fail("out of memory");
  fresh->next = NULL;
  fresh->length = 0;
  if (pipe->last)
    pipe->last->next = fresh;
  else
    pipe->first = fresh;
  pipe->last = fresh;
  return fresh;
}

static void read_from_broker(struct connection *connection) {
  struct pipe *pipe = &connection->pipe;
  while (pipe->socket >= 0 && !pipe->broker_ended && !is_full(connection)) {
    struct chunk *chunk = chunk_with_room(pipe);
    ssize_t count = recv(pipe->socket, chunk->bytes + chunk->length, CHUNK - chunk->length, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      pipe->broker_ended = true;
      if (count < 0) lose_broker(pipe);
      return;
    }
    chunk->length += (size_t)count;
    pipe->taken += (uint64_t)count;
    connection->server->counters.stream_bytes_out += (uint64_t)count;
  }
}

void pipe_turn(struct connection *connection, short events) {
  struct pipe *pipe = &connection->pipe;
  if (pipe->socket < 0) return;
  if (pipe->connecting && (!(events & (POLLOUT | POLLERR | POLLHUP)) || !finish_connecting(pipe))) return;
  if (events & (POLLOUT | POLLERR)) write_to_broker(connection);
  if (events & (POLLIN | POLLERR | POLLHUP)) read_from_broker(connection);
  bool full = is_full(connection);
  if (full && !pipe->paused) connection->server->counters.pauses++;
  pipe->paused = full;
}

size_t pipe_unsent(const struct pipe *pipe, ngtcp2_vec *pieces, size_t most, bool *ends) {
  size_t count = 0;
  uint64_t at = pipe->base;
  const struct chunk *chunk = pipe->first;
  for (; chunk && count < most; at += chunk->length, chunk = chunk->next) {
    if (!chunk->length || at + chunk->length <= pipe->sent) continue;
    size_t before = pipe->sent > at ? (size_t)(pipe->sent - at) : 0;
    pieces[count++] = (ngtcp2_vec){(uint8_t *)(uintptr_t)chunk->bytes + before, chunk->length - before};
  }
  *ends = !chunk && pipe->broker_ended;
  return count;
}

bool pipe_has_unsent(const struct pipe *pipe) {
  return pipe->stream >= 0 && (pipe->sent < pipe->taken || (pipe->broker_ended && !pipe->told_client));
}

void pipe_close(struct pipe *pipe) {
  lose_broker(pipe);
  while (pipe->first) {
    struct chunk *next = pipe->first->next;
    free(pipe->first);
    pipe->first = next;
  }
  pipe->last = NULL;
  pipe->sent = pipe->acknowledged = pipe->base = pipe->taken;
  pipe->told_client = true;
  free(pipe->to_broker);
  pipe->to_broker = NULL;
  pipe->waiting = pipe->room = 0;
}
