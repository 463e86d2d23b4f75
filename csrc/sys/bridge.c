#define _GNU_SOURCE
#include "sys/bridge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void hf_bridge_init(hf_bridge *bridge) {
  *bridge = (hf_bridge){.listener = -1};
}

static bool listen_at(hf_bridge *bridge) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, bridge->path);
  bridge->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return bridge->listener >= 0 && bind(bridge->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
         listen(bridge->listener, 1) == 0;
}

bool hf_bridge_listen(hf_bridge *bridge) {
  hf_bridge_close(bridge);
  char folder[] = "/tmp/holdfast-XXXXXX";
  if (!mkdtemp(folder)) return false;
  strcpy(bridge->folder, folder);
  snprintf(bridge->path, sizeof bridge->path, "%s/wake", folder);
  if (listen_at(bridge)) return true;
  int why = errno;
  hf_bridge_close(bridge);
  errno = why;
  return false;
}

static bool is_ours(int connection) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid == getpid();
}

int hf_bridge_accept(hf_bridge *bridge) {
  int connection = bridge->listener < 0 ? -1 : accept4(bridge->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  int why = bridge->listener < 0 ? ENOTCONN : errno;
  hf_bridge_close(bridge);
  if (connection >= 0 && !is_ours(connection)) {
    close(connection);
    connection = -1;
    why = EACCES;
  }
  if (connection < 0) errno = why;
  return connection;
}

void hf_bridge_close(hf_bridge *bridge) {
  if (bridge->listener >= 0) close(bridge->listener);
  if (bridge->folder[0]) {
    unlink(bridge->path);
    rmdir(bridge->folder);
  }
  hf_bridge_init(bridge);
}
