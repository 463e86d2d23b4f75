/* tcp_socket.h: TCP sockets that never wait, what went wrong with one by name, and how far the peer's system has got.
 *
 * The descriptors belong to the caller; none survives exec(3), nor is one left
 * open in a child of fork(), from its first moment on. Nothing here waits or needs memory. Linux. Any thread.
 */
#ifndef HF_SYS_TCP_SOCKET_H
#define HF_SYS_TCP_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/reason.h"

/* Begins to connect. -1: errno says why not; else it is on its way, or there, and the descriptor is writable then. */
int hf_socket_connect(const struct sockaddr *address, socklen_t length);
void hf_socket_close(int descriptor); /* of the one above alone */

/* errno's word for how connecting ended; 0: it is connected. Told once. One that has met itself, which happens on
 * loopback where nobody listens at a port that the system gives away, counts as refused. */
int hf_socket_error(int descriptor);

/* For one that is connected: small packets leave at once; little of what has not left is kept in the system, where
 * nothing could overtake it; and a peer that confirms nothing for a minute is gone. That is a net below the rules of
 * those who know what they wait for: it takes a peer that only pauses reading for a dead one, too. */
void hf_socket_tune(int descriptor);

/* The name of what errno says. */
hf_network_code hf_socket_reason(int error);

typedef struct hf_socket_look {
  uint64_t acknowledged; /* bytes of ours that the peer's system has confirmed */
  uint32_t quiet_for;    /* ms since it confirmed anything */
  bool unacknowledged;   /* something has left and is not confirmed */
  bool probing;          /* its window is shut, and it has been asked whether that is still so, without an answer yet */
} hf_socket_look;

typedef struct hf_socket_path {
  uint32_t rtt, rtt_least, rtt_variance; /* us; the second UINT32_MAX: nobody has measured yet */
  uint32_t sent, retransmitted;          /* segments */
} hf_socket_path;

bool hf_socket_look_at(int descriptor, hf_socket_look *look); /* false: the system does not tell */
bool hf_socket_path_of(int descriptor, hf_socket_path *path); /* likewise */
bool hf_socket_is_idle(int descriptor);                       /* everything written has been confirmed */

#endif
