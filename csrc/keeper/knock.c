#define _GNU_SOURCE
#include "keeper/knock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/quic_probe.h"
#include "keeper/inside.h"
#include "sys/clock.h"
#include "sys/entropy.h"

enum { PATIENCE = 3000 /* ms for each address */, AGAIN = 1000 /* ms: a datagram may be lost */ };

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

/* False: the time is over, or we are to stop. */
static bool await(int s, short events, int64_t until) {
  struct pollfd watched[] = {{.fd = s, .events = events}, {.fd = hf_errand_stop(), .events = POLLIN}};
  int64_t left = until - hf_clock_ms();
  return left > 0 && poll(watched, 2, (int)left) > 0 && watched[0].revents;
}

static bool is_answered(int s, uint64_t random, int64_t until) {
  uint8_t datagram[HF_QUIC_PROBE];
  while (await(s, POLLIN, until)) {
    ssize_t got = recv(s, datagram, sizeof datagram, 0);
    if (got < 0 && errno == ECONNREFUSED) return false;
    hf_quic_probed probed = got > 0 ? hf_quic_probe_read(datagram, (size_t)got, random) : HF_QUIC_PROBED_NOT;
    if (probed != HF_QUIC_PROBED_NOT) return probed == HF_QUIC_PROBED_ANSWERED;
  }
  return false;
}

static bool answers_by_quic(const struct addrinfo *address) {
  uint8_t datagram[HF_QUIC_PROBE];
  uint64_t random = hf_entropy();
  bool answered = false;
  int s = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s < 0) return false;
  bool fine = connect(s, address->ai_addr, address->ai_addrlen) == 0;
  hf_quic_probe_write(datagram, random);
  int64_t end = hf_clock_ms() + PATIENCE;
  for (int64_t now; fine && !answered && (now = hf_clock_ms()) < end;) {
    fine = send(s, datagram, sizeof datagram, MSG_NOSIGNAL) > 0;
    answered = fine && is_answered(s, random, now + AGAIN);
    fine = fine && hf_clock_ms() >= now + AGAIN; /* else it is known, or we are to stop */
  }
  close(s);
  return answered;
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
  bool by_quic = mine->server->road == HF_ROAD_QUIC;
  const struct addrinfo hints = {
      .ai_family = AF_UNSPEC, .ai_socktype = by_quic ? SOCK_DGRAM : SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *found = NULL;
  char port[8];
  snprintf(port, sizeof port, "%u", mine->server->port);
  if (getaddrinfo(mine->server->host, port, &hints, &found) == 0) {
    for (const struct addrinfo *at = found; at && !mine->opened; at = at->ai_next)
      mine->opened = by_quic ? answers_by_quic(at) : opens(at);
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
