#define _GNU_SOURCE
#include "keeper/knock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/inside.h"
#include "sys/thread.h"

enum { PATIENCE = 3000 /* ms for each address */ };

typedef struct errand {
  hf_mailbox *inbox;  /* a reference */
  hf_command *answer; /* with a reference to its client, which keeps the server's text */
  const hf_server *server;
} errand;

static bool opens(const struct addrinfo *address) {
  int s = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s < 0) return false;
  bool open = connect(s, address->ai_addr, address->ai_addrlen) == 0;
  if (!open && errno == EINPROGRESS) {
    struct pollfd done = {.fd = s, .events = POLLOUT};
    int error = 0;
    socklen_t length = sizeof error;
    open = poll(&done, 1, PATIENCE) == 1 && getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
  }
  close(s);
  return open;
}

static void *run(void *argument) {
  errand *mine = argument;
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *found = NULL;
  char port[8];
  snprintf(port, sizeof port, "%u", mine->server->port);
  if (getaddrinfo(mine->server->host, port, &hints, &found) == 0) {
    for (const struct addrinfo *at = found; at && !mine->answer->number; at = at->ai_next)
      mine->answer->number = opens(at);
    freeaddrinfo(found);
  }
  hf_mailbox_push(mine->inbox, &mine->answer->mail);
  hf_mailbox_release(mine->inbox);
  free(mine);
  return NULL;
}

bool hf_knock_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server) {
  errand *mine = malloc(sizeof *mine);
  hf_command *answer = calloc(1, sizeof *answer);
  if (mine && answer) {
    answer->mail = (hf_mail){.owner = hf_client_hold(client), .generation = generation, .kind = HF_COMMAND_KNOCKED};
    *mine = (errand){.inbox = hf_mailbox_hold(inbox), .answer = answer, .server = server};
    if (hf_thread_run("holdfast-knock", run, mine)) return true;
    hf_mailbox_release(inbox);
    hf_client_drop(client);
  }
  free(mine);
  free(answer);
  return false;
}
