#define _GNU_SOURCE
#include "quic/socket.h"

#include <errno.h>
#include <unistd.h>

#include "quic/part.h"

/* QUIC finds out how large a datagram may be by itself, and wants none cut in two (RFC 9000 section 14). */
static void tune(int descriptor, int family) {
  const int whole = IP_PMTUDISC_DO;
  if (family == AF_INET6)
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &whole, sizeof whole);
  else
    setsockopt(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof whole);
}

int hf_quic_socket_open(hf_quic_socket *to, hf_loop *loop, const hf_quic_address *remote, socklen_t length,
                        void (*ready)(hf_watch *watch, unsigned events), void *owner) {
  *to = (hf_quic_socket){
      .watch = {.ready = ready, .descriptor = -1}, .owner = owner, .remote = *remote, .remote_length = length};
  int descriptor = socket(remote->head.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return errno;
  hf_quic_host_there->mark(descriptor);
  tune(descriptor, remote->head.sa_family);
  to->local_length = sizeof to->local;
  if (connect(descriptor, &remote->head, length) == 0 &&
      getsockname(descriptor, &to->local.head, &to->local_length) == 0 &&
      hf_pollset_add(loop->pollset, &to->watch, descriptor, HF_POLL_READ))
    return 0;
  int error = errno ? errno : ENOMEM;
  hf_quic_host_there->unmark(descriptor);
  close(descriptor);
  return error;
}

void hf_quic_socket_close(hf_quic_socket *socket, hf_loop *loop) {
  int descriptor = socket->watch.descriptor;
  if (descriptor < 0) return;
  hf_pollset_remove(loop->pollset, &socket->watch);
  hf_quic_host_there->unmark(descriptor);
  close(descriptor);
  socket->watch.descriptor = -1;
}

/* One that is too large for the way, or finds no room on it, is lost, as any may be. */
int hf_quic_socket_send(hf_quic_socket *socket, const uint8_t *datagram, size_t length) {
  ssize_t sent;
  do
    sent = send(socket->watch.descriptor, datagram, length, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent >= 0 || errno == EMSGSIZE || errno == ENOBUFS ? 0 : errno;
}

ssize_t hf_quic_socket_receive(hf_quic_socket *socket, uint8_t *buffer, size_t room) {
  for (;;) {
    ssize_t got = recv(socket->watch.descriptor, buffer, room, 0);
    if (got > 0) return got;
    if (got == 0 || errno == EAGAIN) return 0;
    if (errno != EINTR) return -1;
  }
}
