/* peer.c: the other end of a throughput run: an MQTT 5 server for one connection that costs next to nothing.
 *
 *   peer feed qos=1 count=100000 size=64 window=100   sends `count` messages once the client has subscribed
 *   peer swallow                                      takes and acknowledges whatever is published
 *   peer port                                         prints a free port
 *   peer watch port=1883                              prints when (monotonic seconds) that port first accepts
 *
 * A real broker takes longer for a message than the clients that are compared
 * here, and would hide the difference. feed and swallow print the port they
 * listen on, serve one connection until it ends, and leave.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"

enum { CONNECT = 1, CONNACK, PUBLISH, PUBACK, SUBSCRIBE = 8, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP };
enum { IN = 1 << 20, OUT = 1 << 16 };

static const char topic[] = "bench/topic";

static struct {
  uint8_t in[IN], out[OUT];
  size_t in_length, out_length, out_start;
  long qos, count, size, window; /* of feed; count 0: swallow */
  long sent, acknowledged;       /* messages fed */
  uint32_t identifier;           /* of the client's subscription */
  bool subscribed;
} peer;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in loopback(long port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int listen_somewhere(int *port) {
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1)) die("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &length)) die("getsockname");
  *port = ntohs(address.sin_port);
  return listener;
}

static int watch(long port) {
  struct sockaddr_in address = loopback(port);
  struct timespec pause = {0, 200000}, now;
  for (;;) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) die("socket");
    bool up = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    if (up) break;
    nanosleep(&pause, NULL);
  }
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("%.6f\n", (double)now.tv_sec + (double)now.tv_nsec / 1e9);
  return 0;
}

static bool has_room(size_t bytes) {
  return peer.out_length + bytes <= OUT;
}

static void put(const void *bytes, size_t length) {
  memcpy(peer.out + peer.out_length, bytes, length);
  peer.out_length += length;
}

static void put_byte(unsigned byte) {
  peer.out[peer.out_length++] = (uint8_t)byte;
}

static void put_number(size_t value) { /* variable byte integer, section 1.5.5 */
  do {
    put_byte((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>= 7;
  } while (value > 0);
}

static size_t number_length(size_t value) {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4;
}

/* False when the packet is not all there yet. */
static bool take_number(const uint8_t **at, const uint8_t *end, size_t *value) {
  *value = 0;
  for (unsigned shift = 0; *at < end && shift < 28; shift += 7) {
    uint8_t byte = *(*at)++;
    *value |= (size_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

static void subscribe(const uint8_t *at, const uint8_t *end) {
  uint8_t answer[] = {SUBACK << 4, 4, at[0], at[1], 0, end[-1] & 3}; /* the last byte holds the QoS asked for */
  size_t length;
  at += 2;
  if (take_number(&at, end, &length) && length > 0 && at[0] == 0x0b) {
    const uint8_t *property = at + 1;
    size_t identifier;
    if (take_number(&property, at + length, &identifier)) peer.identifier = (uint32_t)identifier;
  }
  put(answer, sizeof answer);
  peer.subscribed = true;
}

static void serve(unsigned type, unsigned flags, const uint8_t *at, const uint8_t *end) {
  switch (type) {
  case CONNECT:
    put((const uint8_t[]){CONNACK << 4, 3, 0, 0, 0}, 5);
    break;
  case PUBLISH:
    if (((flags >> 1) & 3) == 1) {
      const uint8_t *id = at + 2 + (size_t)(at[0] << 8 | at[1]);
      put((const uint8_t[]){PUBACK << 4, 2, id[0], id[1]}, 4);
    }
    break;
  case PUBACK:
    peer.acknowledged++;
    break;
  case SUBSCRIBE:
    subscribe(at, end);
    break;
  case UNSUBSCRIBE:
    put((const uint8_t[]){UNSUBACK << 4, 4, at[0], at[1], 0, 0}, 6);
    break;
  case PINGREQ:
    put((const uint8_t[]){PINGRESP << 4, 0}, 2);
    break;
  default:
    break;
  }
}

/* Serves the whole packets there are, as long as the answers have room. */
static void serve_all(void) {
  const uint8_t *start = peer.in, *limit = peer.in + peer.in_length;
  while (has_room(16)) {
    const uint8_t *at = start + 1;
    size_t length;
    if (start == limit || !take_number(&at, limit, &length) || (size_t)(limit - at) < length) break;
    serve(start[0] >> 4, start[0] & 15, at, at + length);
    start = at + length;
  }
  peer.in_length = (size_t)(limit - start);
  memmove(peer.in, start, peer.in_length);
}

static void feed(void) {
  static const uint8_t payload[1 << 15];
  size_t properties = peer.identifier ? 1 + number_length(peer.identifier) : 0;
  size_t length = 2 + sizeof topic - 1 + (peer.qos ? 2 : 0) + 1 + properties + (size_t)peer.size;
  while (peer.subscribed && peer.sent < peer.count && has_room(length + 5) &&
         (peer.qos == 0 || peer.sent - peer.acknowledged < peer.window)) {
    unsigned id = (unsigned)(peer.sent % 65535) + 1;
    put_byte(PUBLISH << 4 | (unsigned)peer.qos << 1);
    put_number(length);
    put_byte(0);
    put_byte(sizeof topic - 1);
    put(topic, sizeof topic - 1);
    if (peer.qos) {
      put_byte(id >> 8);
      put_byte(id & 255);
    }
    put_number(properties);
    if (properties) {
      put_byte(0x0b);
      put_number(peer.identifier);
    }
    put(payload, (size_t)peer.size);
    peer.sent++;
  }
}

static void converse(int fd) {
  for (;;) {
    feed();
    bool writing = peer.out_start < peer.out_length;
    struct pollfd wait = {.fd = fd, .events = (short)(POLLIN | (writing ? POLLOUT : 0))};
    if (poll(&wait, 1, -1) < 0 && errno != EINTR) die("poll");
    if (wait.revents & POLLOUT) {
      ssize_t n = write(fd, peer.out + peer.out_start, peer.out_length - peer.out_start);
      if (n > 0) peer.out_start += (size_t)n;
      if (peer.out_start == peer.out_length) peer.out_start = peer.out_length = 0;
    }
    if (wait.revents & ~POLLOUT) {
      ssize_t n = read(fd, peer.in + peer.in_length, IN - peer.in_length);
      if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return;
      if (n > 0) peer.in_length += (size_t)n;
    }
    serve_all();
  }
}

int main(int count, char **words) {
  const char *mode = count > 1 ? words[1] : "";
  int port, one = 1;
  if (strcmp(mode, "watch") == 0) return watch(argument(words, "port", 1883));
  int listener = listen_somewhere(&port);
  printf("%d\n", port);
  fflush(stdout);
  if (strcmp(mode, "port") == 0) return 0;
  if (strcmp(mode, "feed") == 0) peer.count = argument(words, "count", 100000);
  peer.qos = argument(words, "qos", 0);
  peer.size = argument(words, "size", 64);
  peer.window = argument(words, "window", 100);
  if (peer.size < 0 || peer.size > 1 << 15) return 2;

  int fd = accept(listener, NULL, NULL);
  if (fd < 0) die("accept");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  converse(fd);
  return 0;
}
