#define _GNU_SOURCE
#include "keeper/knock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper/inside.h"

enum { PATIENCE = 3000 /* ms for each address */ };

static bool opens(const struct addrinfo *address) {
  int s = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s < 0) return false;
  bool open = connect(s, address->ai_addr, address->ai_addrlen) == 0;
  if (!open && errno == EINPROGRESS) {
    struct pollfd watched[] = {{.fd = s, .events = POLLOUT}, {.fd = hf_errand_stop(), .events = POLLIN}};
    int error = 0;
    socklen_t length = sizeof error;
    open = poll(watched, 2, PATIENCE) > 0 && watched[0].revents &&
           getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
  }
  close(s);
  return open;
}

static bool opens_path(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct addrinfo one = {.ai_family = AF_UNIX, .ai_addr = (struct sockaddr *)&address, .ai_addrlen = sizeof address};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return opens(&one);
}

static void knock(hf_errand *errand) {
  hf_knocked *mine = (hf_knocked *)hf_question_of(errand);
  if (mine->server->road == HF_ROAD_UNIX) {
    mine->opened = opens_path(mine->server->host);
    return;
  }
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *found = NULL;
  char port[8];
  snprintf(port, sizeof port, "%u", mine->server->port);
  if (getaddrinfo(mine->server->host, port, &hints, &found) == 0) {
    for (const struct addrinfo *at = found; at && !mine->opened; at = at->ai_next)
      mine->opened = opens(at);
    freeaddrinfo(found);
  }
}

static void answer(hf_errand *errand, const hf_errand *worked) {
  hf_knocked *mine = (hf_knocked *)hf_question_of(errand);
  mine->opened = ((const hf_knocked *)hf_question_of(worked))->opened;
  hf_question_answer(&mine->question);
}

bool hf_knock_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server) {
  hf_knocked *asked = hf_question_new(sizeof *asked, inbox, client, generation, HF_COMMAND_KNOCKED);
  if (!asked) return false;
  asked->server = server;
  asked->question.errand = (hf_errand){.kind = HF_ERRAND_KNOCK, .key = server->text, .work = knock, .done = answer};
  return hf_question_ask(&asked->question);
}
