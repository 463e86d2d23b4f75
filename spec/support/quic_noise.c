/* quic_noise: a hostile network for specs, between QUIC clients and their server.
 *
 *     quic_noise TO=PORT [SEED=1] [MUTATE=0] [TRUNCATE=0] [REPEAT=0] [REORDER=0] [INVENT=0] [LOSE=0]
 *
 * Says "port N" on standard output and passes datagrams on, each way; of a
 * thousand so many are changed in some bytes, cut short, sent again (now or much
 * later), held back behind later ones, accompanied by one of its own making, or
 * lost. USR1: whoever is behind it comes from another port from now on, as where a
 * NAT forgets. HUP: says what it has done. The seed repeats its choices, not their
 * hours. One thread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_CLIENTS = 256, MOST_BYTES = 2048, KEPT = 64, HELD = 4, PATIENCE_MS = 5 };

enum { TO, SEED, MUTATE, TRUNCATE, REPEAT, REORDER, INVENT, LOSE, OPTIONS };
static const char *const names[OPTIONS] = {"TO", "SEED", "MUTATE", "TRUNCATE", "REPEAT", "REORDER", "INVENT", "LOSE"};
static unsigned long options[OPTIONS];
static unsigned long passed, done[OPTIONS], moves;
static uint64_t state;
static volatile sig_atomic_t is_to_move, is_to_tell;

struct datagram {
  uint8_t bytes[MOST_BYTES];
  size_t length;
};

/* One way of a client's: where to, what went there of late, and what is held back. */
struct way {
  int socket;
  struct sockaddr_in to;
  struct datagram kept[KEPT], held[HELD];
  unsigned count, waiting;
};

struct client {
  struct sockaddr_in address;
  struct way out, back;
};

static struct client *clients[MOST_CLIENTS];
static unsigned client_count;
static int front;

static uint32_t random_below(uint32_t limit) { /* splitmix64 */
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ (z >> 31)) % limit);
}

static bool happens(int option) {
  bool does = options[option] && random_below(1000) < options[option];
  done[option] += does;
  return does;
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "quic_noise: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_socket(struct sockaddr_in *address) {
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof *address;
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 1 << 22;
  if (descriptor < 0 || bind(descriptor, (struct sockaddr *)address, length) != 0 ||
      getsockname(descriptor, (struct sockaddr *)address, &length) != 0)
    fail("socket");
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  return descriptor;
}

static void put(struct way *way, const struct datagram *one) {
  if (sendto(way->socket, one->bytes, one->length, 0, (struct sockaddr *)&way->to, sizeof way->to) < 0) done[LOSE]++;
}

static void release(struct way *way) {
  while (way->waiting)
    put(way, &way->held[--way->waiting]);
}

/* What a stranger could send: bytes, a version negotiation, a Retry, a reset, or what was heard with another head. */
static void invent(struct way *way) {
  struct datagram one = {.length = 1 + random_below(1400)};
  uint32_t kind = random_below(5);
  for (size_t i = 0; i < one.length; i++)
    one.bytes[i] = (uint8_t)random_below(256);
  if (kind == 4 && way->count) {
    one = way->kept[random_below(way->count < KEPT ? way->count : KEPT)];
    one.bytes[0] = (uint8_t)random_below(256);
  } else if (kind == 1) {
    one.bytes[0] |= 0xc0;
    memset(one.bytes + 1, 0, 4);
  } else if (kind == 2) {
    static const uint8_t version[4] = {0, 0, 0, 1};
    one.bytes[0] |= 0xf0;
    memcpy(one.bytes + 1, version, sizeof version);
  } else if (kind == 3) {
    one.bytes[0] = 0x40 | (one.bytes[0] & 0x3f);
    one.length = 43;
  }
  put(way, &one);
}

static void pass(struct way *way, struct datagram *one) {
  passed++;
  if (happens(LOSE) || !one->length) return;
  way->kept[way->count++ % KEPT] = *one;
  if (happens(INVENT)) invent(way);
  if (happens(REPEAT)) put(way, &way->kept[random_below(way->count < KEPT ? way->count : KEPT)]);
  if (happens(TRUNCATE)) one->length = random_below((uint32_t)one->length);
  if (one->length && happens(MUTATE))
    for (uint32_t i = 1 + random_below(4); i; i--)
      one->bytes[random_below((uint32_t)(random_below(2)    ? one->length
                                         : one->length < 32 ? one->length
                                                            : 32))] = (uint8_t)random_below(256);
  if (way->waiting < HELD && happens(REORDER)) {
    way->held[way->waiting++] = *one;
    return;
  }
  put(way, one);
  if (way->waiting && !random_below(3)) release(way);
}

static struct client *client_at(const struct sockaddr_in *from) {
  for (unsigned i = 0; i < client_count; i++)
    if (clients[i]->address.sin_port == from->sin_port) return clients[i];
  unsigned place = client_count < MOST_CLIENTS ? client_count++ : (unsigned)random_below(MOST_CLIENTS);
  if (clients[place]) close(clients[place]->out.socket);
  free(clients[place]);
  struct client *fresh = clients[place] = calloc(1, sizeof *fresh);
  if (!fresh) fail("calloc");
  struct sockaddr_in ours;
  fresh->address = fresh->back.to = *from;
  fresh->back.socket = front;
  fresh->out.socket = open_socket(&ours);
  fresh->out.to = ours;
  fresh->out.to.sin_port = htons((uint16_t)options[TO]);
  return fresh;
}

static void from_clients(void) {
  struct datagram one;
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  ssize_t count;
  while ((count = recvfrom(front, one.bytes, MOST_BYTES, 0, (struct sockaddr *)&from, &length)) >= 0) {
    one.length = (size_t)count;
    pass(&client_at(&from)->out, &one);
  }
}

static void from_server(struct client *client) {
  struct datagram one;
  ssize_t count;
  while ((count = recv(client->out.socket, one.bytes, MOST_BYTES, 0)) >= 0) {
    one.length = (size_t)count;
    pass(&client->back, &one);
  }
}

static void move(void) {
  struct sockaddr_in ours;
  for (unsigned i = 0; i < client_count; i++) {
    close(clients[i]->out.socket);
    clients[i]->out.socket = open_socket(&ours);
  }
  moves++;
}

static void tell(void) {
  printf("passed=%lu moves=%lu", passed, moves);
  for (int i = MUTATE; i < OPTIONS; i++)
    printf(" %s=%lu", names[i], done[i]);
  putchar('\n');
  fflush(stdout);
}

static void turn(void) {
  static struct pollfd watched[MOST_CLIENTS + 1];
  unsigned count = client_count;
  watched[0] = (struct pollfd){.fd = front, .events = POLLIN};
  bool holds = false;
  for (unsigned i = 0; i < count; i++) {
    watched[i + 1] = (struct pollfd){.fd = clients[i]->out.socket, .events = POLLIN};
    holds = holds || clients[i]->out.waiting || clients[i]->back.waiting;
  }
  int events = poll(watched, count + 1, holds ? PATIENCE_MS : -1);
  if (events < 0 && errno != EINTR) fail("poll");
  for (unsigned i = 0; i < count; i++) {
    if (events > 0 && watched[i + 1].revents) from_server(clients[i]);
    if (events == 0) {
      release(&clients[i]->out);
      release(&clients[i]->back);
    }
  }
  if (events > 0 && watched[0].revents) from_clients();
}

static void on_signal(int number) {
  if (number == SIGUSR1)
    is_to_move = 1;
  else
    is_to_tell = 1;
}

int main(int count, char **words) {
  for (int i = 1; i < count; i++) {
    const char *value = strchr(words[i], '=');
    int option = 0;
    while (option < OPTIONS && (!value || strncmp(names[option], words[i], (size_t)(value - words[i])) != 0))
      option++;
    if (option == OPTIONS) fail(words[i]);
    options[option] = strtoul(value + 1, NULL, 10);
  }
  if (!options[TO]) fail("TO=PORT is needed");
  state = options[SEED];
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGHUP, &action, NULL);
  struct sockaddr_in ours;
  front = open_socket(&ours);
  printf("port %u\n", ntohs(ours.sin_port));
  fflush(stdout);
  for (;;) {
    turn();
    if (is_to_move) {
      is_to_move = 0;
      move();
    }
    if (is_to_tell) {
      is_to_tell = 0;
      tell();
    }
  }
}
