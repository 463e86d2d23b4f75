/* socket.h: a UDP socket that is connected to one server.
 *
 * Embedded in a connection and its own; in the pollset of the loop while it is
 * open. Never waits. None survives exec(3), nor is one left open in a child of
 * fork(). Only the thread that turns the loop.
 */
#ifndef HF_QUIC_SOCKET_H
#define HF_QUIC_SOCKET_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sys/loop.h"

typedef union hf_quic_address {
  struct sockaddr head;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} hf_quic_address;

typedef struct hf_quic_socket {
  hf_watch watch; /* its descriptor is -1 while the socket is not open */
  void *owner;    /* whose `ready` it is */
  hf_quic_address local, remote;
  socklen_t local_length, remote_length;
} hf_quic_socket;

/* 0, or errno: it is not open. */
int hf_quic_socket_open(hf_quic_socket *socket, hf_loop *loop, const hf_quic_address *remote, socklen_t length,
                        void (*ready)(hf_watch *watch, unsigned events), void *owner);
void hf_quic_socket_close(hf_quic_socket *socket, hf_loop *loop);

/* 0: it is on its way, or as good as that; EAGAIN: not now; else errno. */
int hf_quic_socket_send(hf_quic_socket *socket, const uint8_t *datagram, size_t length);

/* > 0: so many bytes; 0: none now, or one that is empty; -1: errno. */
ssize_t hf_quic_socket_receive(hf_quic_socket *socket, uint8_t *buffer, size_t room);

#endif
