/* wire: a link between this network and that of another process, which takes its time and is listened to.
 *
 *     wire PID MILLISECONDS
 *
 * Makes the interface `near` here and `far` there; whatever goes out of one comes out of the other so much later. Once
 * both are there it says "ready", and then of each packet of TCP or UDP when it went in (us of CLOCK_BOOTTIME), "from
 * here" or "from there", protocol, both ports and its length with IP's header.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 2048, MOST = 4096 /* packets on their way */, SIDES = 2 };

struct packet {
  int64_t due;
  size_t length;
  uint8_t bytes[LARGEST];
};

static struct line { /* what came in at one side, in order */
  int in, out;
  const char *name;
  size_t first, count;
  struct packet packets[MOST];
} lines[SIDES];

static void die(const char *what) {
  fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_BOOTTIME, &time);
  return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int make(const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  int descriptor = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0 || ioctl(descriptor, TUNSETIFF, &request) != 0) die("/dev/net/tun");
  return descriptor;
}

static void say(const char *from, int64_t at, const uint8_t *packet, size_t length) {
  if (length < 20 || packet[0] >> 4 != 4) return;
  size_t head = (size_t)(packet[0] & 0xf) * 4;
  const char *protocol = packet[9] == 6 ? "tcp" : packet[9] == 17 ? "udp" : NULL;
  if (!protocol || head + 4 > length) return;
  printf("%lld %s %s %d %d %zu\n", (long long)at, from, protocol, packet[head] << 8 | packet[head + 1],
         packet[head + 2] << 8 | packet[head + 3], length);
}

static void take(struct line *line, int64_t delay) {
  while (line->count < MOST) {
    struct packet *packet = &line->packets[(line->first + line->count) % MOST];
    ssize_t length = read(line->in, packet->bytes, LARGEST);
    if (length <= 0) return;
    int64_t at = now();
    packet->due = at + delay;
    packet->length = (size_t)length;
    line->count++;
    say(line->name, at, packet->bytes, packet->length);
  }
}

static void give(struct line *line) {
  for (; line->count && line->packets[line->first].due <= now(); line->count--) {
    const struct packet *packet = &line->packets[line->first];
    if (write(line->out, packet->bytes, packet->length) < 0 && errno != EINVAL) die("write");
    line->first = (line->first + 1) % MOST;
  }
}

int main(int count, char **words) {
  if (count != 3) return 2;
  char path[64];
  int64_t delay = atoll(words[2]) * 1000;
  int near = make("near");
  snprintf(path, sizeof path, "/proc/%s/ns/net", words[1]);
  int there = open(path, O_RDONLY | O_CLOEXEC);
  if (there < 0 || setns(there, CLONE_NEWNET) != 0) die(path);
  int far = make("far");
  lines[0].in = lines[1].out = near;
  lines[1].in = lines[0].out = far;
  lines[0].name = "here";
  lines[1].name = "there";
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  for (;;) {
    int64_t due = INT64_MAX, at = now();
    for (size_t i = 0; i < SIDES; i++)
      if (lines[i].count && lines[i].packets[lines[i].first].due < due) due = lines[i].packets[lines[i].first].due;
    struct timespec wait = {0, due > at && due != INT64_MAX ? (due - at) * 1000 : 0};
    if (due != INT64_MAX && wait.tv_nsec > 999999999) wait = (struct timespec){1, 0};
    struct pollfd both[SIDES] = {{near, POLLIN, 0}, {far, POLLIN, 0}};
    ppoll(both, SIDES, due == INT64_MAX ? NULL : &wait, NULL);
    for (size_t i = 0; i < SIDES; i++) {
      take(&lines[i], delay);
      give(&lines[i]);
    }
  }
}
