#define _GNU_SOURCE
#include "link/paho_link.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Paho leaves Nagle's algorithm on, which holds a small packet back for some 40 ms whenever the one before it has not
 * been acknowledged by the peer's kernel: every QoS 2 message, and the second of any two messages in a row. Paho does
 * not show its sockets either, so ours is looked for among the descriptors of the process by the port it is connected
 * to. A socket of somebody else's that is connected to an MQTT broker on the same port gets the option too, and loses
 * nothing by it. */

static uint16_t port_of(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
  if (address->ss_family == AF_INET6) return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
  return 0;
}

static void hurry(int descriptor, uint16_t port) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  int on = 1;
  if (getpeername(descriptor, (struct sockaddr *)&peer, &length) == 0 && port_of(&peer) == port)
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void hf_paho_send_at_once(uint16_t port) {
  DIR *descriptors = opendir("/proc/self/fd");
  if (!descriptors) return;
  for (const struct dirent *entry; (entry = readdir(descriptors));)
    if (entry->d_name[0] != '.') hurry((int)strtol(entry->d_name, NULL, 10), port);
  closedir(descriptors);
}
