/* raw_socket.c: the least that anybody can do: a message over a plain socket, no library.
 *
 *   raw_socket large port=.. size=..    one PUBLISH of QoS 1, until its PUBACK
 *
 * Prints what raw_paho.c prints.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int fine, const char *what) {
  if (fine) return;
  perror(what);
  exit(1);
}

/* One packet of fewer than 128 bytes; answers its type. */
static unsigned read_packet(int fd) {
  uint8_t packet[128];
  check(recv(fd, packet, 2, MSG_WAITALL) == 2 && packet[1] < sizeof packet, "read");
  check(recv(fd, packet + 2, packet[1], MSG_WAITALL) == packet[1], "read");
  return packet[0] >> 4;
}

static void large(char **words) {
  static const uint8_t connect_packet[] = {0x10, 16, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0, 0, 3, 'r', 'a', 'w'};
  static const uint8_t head[] = {0, 11, 'b', 'e', 'n', 'c', 'h', '/', 't', 'o', 'p', 'i', 'c', 0, 1, 0};
  size_t size = (size_t)argument(words, "size", 20000000), left = size + sizeof head;
  uint8_t *payload = calloc(size, 1), fixed[5] = {0x32}, *at = fixed + 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)argument(words, "port", 1883)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  check(payload && connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
  check(write(fd, connect_packet, sizeof connect_packet) == sizeof connect_packet && read_packet(fd) == 2, "CONNECT");
  for (size_t rest = left; rest > 0 || at == fixed + 1; rest >>= 7)
    *at++ = (uint8_t)((rest & 127) | (rest > 127 ? 128 : 0));
  double start = now();
  check(write(fd, fixed, (size_t)(at - fixed)) > 0 && write(fd, head, sizeof head) > 0, "write");
  for (size_t sent = 0; sent < size;) {
    ssize_t taken = write(fd, payload + sent, size - sent);
    check(taken > 0, "write");
    sent += (size_t)taken;
  }
  check(read_packet(fd) == 4, "PUBACK");
  printf("seconds=%.6f\n", now() - start);
}

int main(int count, char **words) {
  if (count < 2 || strcmp(words[1], "large") != 0) {
    fputs("usage: see the head of bench/raw_socket.c\n", stderr);
    return 2;
  }
  large(words);
  return 0;
}
