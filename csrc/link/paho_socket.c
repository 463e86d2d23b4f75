#define _GNU_SOURCE
#include "link/paho_link.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Paho leaves Nagle's algorithm on, which holds a small packet back for some 40 ms whenever the one before it has not
 * been acknowledged by the peer's kernel: every QoS 2 message, and the second of any two messages in a row. It leaves
 * its sockets to every child as well (popen, os.execute), which keeps a connection up after the process that held it
 * has been killed. And it does not show them, so ours is looked for among the descriptors of the process: one that is
 * connected to the port of this attempt, and was not when the attempt began. Until CONNACK it is as Paho has made it.
 */

/* A socket's number in the kernel, which no other ever has; 0: it is not connected to that port. */
static uint64_t connected_to(int descriptor, uint16_t port) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  uint16_t to = 0;
  if (getpeername(descriptor, (struct sockaddr *)&peer, &length) != 0) return 0;
  if (peer.ss_family == AF_INET) to = ((const struct sockaddr_in *)(const void *)&peer)->sin_port;
  if (peer.ss_family == AF_INET6) to = ((const struct sockaddr_in6 *)(const void *)&peer)->sin6_port;
  uint64_t cookie = 0;
  length = sizeof cookie;
  if (to == 0 || ntohs(to) != port || getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0) return 0;
  return cookie;
}

static void each_descriptor(void (*look)(void *context, int descriptor), void *context) {
  DIR *descriptors = opendir("/proc/self/fd");
  if (!descriptors) return;
  for (const struct dirent *entry; (entry = readdir(descriptors));)
    if (entry->d_name[0] != '.') look(context, (int)strtol(entry->d_name, NULL, 10));
  closedir(descriptors);
}

static void note(void *context, int descriptor) {
  hf_paho_attempt *attempt = context;
  hf_paho_others *others = &attempt->others;
  uint64_t cookie = connected_to(descriptor, attempt->port);
  if (!cookie) return;
  if (others->count == others->room) {
    size_t room = others->room ? 2 * others->room : 16;
    uint64_t *more = realloc(others->cookies, room * sizeof *more);
    others->incomplete = others->incomplete || !more;
    if (!more) return;
    others->cookies = more;
    others->room = room;
  }
  others->cookies[others->count++] = cookie;
}

static void claim(void *context, int descriptor) {
  hf_paho_attempt *attempt = context;
  const hf_paho_others *others = &attempt->others;
  uint64_t cookie = connected_to(descriptor, attempt->port);
  if (!cookie) return;
  for (size_t i = 0; i < others->count; i++)
    if (others->cookies[i] == cookie) return;
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

void hf_paho_sockets_note(hf_paho_attempt *attempt) {
  each_descriptor(note, attempt);
}

void hf_paho_sockets_claim(hf_paho_attempt *attempt) {
  if (!attempt->others.incomplete) each_descriptor(claim, attempt);
  hf_paho_sockets_free(attempt);
}

static void claim_end(void *context, int descriptor) {
  const struct sockaddr_in *end = context;
  struct sockaddr_in local;
  socklen_t length = sizeof local;
  if (getsockname(descriptor, (struct sockaddr *)&local, &length) == 0 && local.sin_family == AF_INET &&
      local.sin_port == end->sin_port && local.sin_addr.s_addr == end->sin_addr.s_addr)
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

void hf_paho_sockets_claim_peer(int descriptor) {
  struct sockaddr_in end;
  socklen_t length = sizeof end;
  if (getpeername(descriptor, (struct sockaddr *)&end, &length) == 0) each_descriptor(claim_end, &end);
}

void hf_paho_sockets_keep(hf_paho_attempt *attempt) {
  int descriptor = attempt->watching ? hf_paho_take_socket() : -1;
  if (descriptor >= 0 && connected_to(descriptor, attempt->port)) attempt->own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (attempt->watching) hf_paho_watch_sockets(false);
  attempt->watching = false;
}

void hf_paho_sockets_give_back(hf_paho_attempt *attempt) {
  if (attempt->watching) hf_paho_watch_sockets(false);
  attempt->watching = false;
  if (attempt->own < 0) return;
  if (!attempt->goodbye) shutdown(attempt->own, SHUT_RDWR);
  close(attempt->own);
  attempt->own = -1;
}

void hf_paho_sockets_free(hf_paho_attempt *attempt) {
  free(attempt->others.cookies);
  attempt->others = (hf_paho_others){.incomplete = true};
}
