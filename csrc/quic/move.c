/* Another network under a connection that stays: sockets, and the paths that ngtcp2 knows by their addresses. */
#include <stdlib.h>
#include <string.h>

#include "quic/connection.h"

enum { AGAIN = 1000 /* ms between two moves that nobody has asked for */ };

ngtcp2_path hf_quic_path_of(hf_quic_socket *socket) {
  return (ngtcp2_path){.local = {&socket->local.head, socket->local_length},
                       .remote = {&socket->remote.head, socket->remote_length}};
}

hf_quic_socket *hf_quic_socket_at(hf_quic_connection *c, const ngtcp2_addr *local) {
  for (size_t i = 0; i < HF_QUIC_SOCKETS; i++) {
    hf_quic_socket *one = &c->sockets[i];
    if (one->watch.descriptor >= 0 && one->local_length == local->addrlen &&
        memcmp(&one->local, local->addr, local->addrlen) == 0)
      return one;
  }
  return c->latest;
}

static void close_one(hf_quic_connection *c, hf_quic_socket *one) {
  if (c->held && c->held_by == one) { /* as good as lost on the way */
    free(c->held);
    c->held = NULL;
  }
  hf_quic_socket_close(one, c->plan->loop);
}

static hf_quic_socket *other_than(hf_quic_connection *c, const hf_quic_socket *one) {
  return one == &c->sockets[0] ? &c->sockets[1] : &c->sockets[0];
}

/* At once, and not when the new path has been found to answer: nobody knows whether the old one still does. Without a
 * spare connection id of the server's, or where it does not want to be moved from, the connection stays as it is. */
void hf_quic_connection_move(hf_quic_connection *c) {
  if (c->ended || !c->confirmed || ngtcp2_conn_get_remote_transport_params(c->conn)->disable_active_migration) return;
  hf_quic_socket *from = c->latest, *to = other_than(c, from);
  close_one(c, to);
  c->moved_at = c->plan->loop->now;
  if (hf_quic_socket_open(to, c->plan->loop, &from->remote, from->remote_length, hf_quic_ready, c) != 0) return;
  const ngtcp2_path path = hf_quic_path_of(to);
  if (ngtcp2_conn_initiate_immediate_migration(c->conn, &path, hf_quic_now()) != 0) {
    close_one(c, to);
    return;
  }
  c->latest = to;
  c->arrived = false;
  hf_quic_connection_write_soon(c);
}

void hf_quic_look_after_sockets(hf_quic_connection *c) {
  if (c->ended) return;
  if (c->arrived) close_one(c, other_than(c, c->latest));
  bool stranded = c->stranded && c->plan->loop->now - c->moved_at >= AGAIN;
  c->stranded = false;
  if (stranded) hf_quic_connection_move(c);
}
