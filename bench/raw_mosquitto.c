/* raw_mosquitto.c: a second peer of the bench: a plain C program on libmosquitto, MQTT 5, one thread.
 *
 *   raw_mosquitto receive port=.. qos=.. count=..            until `count` messages are there
 *   raw_mosquitto publish port=.. qos=.. count=.. size=..    100 of QoS 1 at a time
 *   raw_mosquitto pace    port=.. qos=.. count=.. rate=..    to itself, so many a second
 *   raw_mosquitto idle    port=.. clients=.. seconds=..      connected and silent
 *
 * Prints what raw_paho.c prints. The loop is libmosquitto's own, turned by the main thread.
 */
#define _GNU_SOURCE
#include <mosquitto.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"

enum { WINDOW = 100, TURN = 100 /* ms */ };

static const char topic[] = "bench/topic";

static struct {
  long count, warm, received, answered, connected;
  double start, start_cpu, end, end_cpu;
  bool subscribed, without_delay;
} run;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void) {
  return (double)clock() / CLOCKS_PER_SEC;
}

static long memory(void) { /* kB */
  char line[256];
  long kb = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
  }
  if (file) fclose(file);
  return kb;
}

static void check(int rc, const char *what) {
  if (rc == MOSQ_ERR_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, mosquitto_strerror(rc));
  exit(1);
}

static void begin(void) {
  run.start = now();
  run.start_cpu = cpu();
}

static void end(void) {
  run.end = now();
  run.end_cpu = cpu();
}

static void on_connect(struct mosquitto *m, void *context, int rc) {
  (void)m;
  (void)context;
  check(rc, "connect");
  run.connected++;
}

static void on_subscribe(struct mosquitto *m, void *context, int id, int count, const int *granted) {
  (void)m;
  (void)context;
  (void)id;
  (void)count;
  (void)granted;
  run.subscribed = true;
}

static void on_message(struct mosquitto *m, void *context, const struct mosquitto_message *message) {
  (void)m;
  (void)context;
  (void)message;
  run.received++;
  if (run.received == run.warm) begin();
  if (run.received == run.count) end();
}

static void on_publish(struct mosquitto *m, void *context, int id) {
  (void)m;
  (void)context;
  (void)id;
  if (++run.answered == run.count) end();
}

static struct mosquitto *create(long port) {
  struct mosquitto *m = mosquitto_new(NULL, true, NULL);
  if (!m) exit(1);
  mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
  mosquitto_int_option(m, MOSQ_OPT_SEND_MAXIMUM, 65535);
  mosquitto_int_option(m, MOSQ_OPT_TCP_NODELAY, run.without_delay);
  mosquitto_connect_callback_set(m, on_connect);
  mosquitto_subscribe_callback_set(m, on_subscribe);
  mosquitto_message_callback_set(m, on_message);
  mosquitto_publish_callback_set(m, on_publish);
  check(mosquitto_connect(m, "127.0.0.1", (int)port, 60), "connect");
  return m;
}

static void turn(struct mosquitto *m) {
  check(mosquitto_loop(m, TURN, 1), "loop");
}

static struct mosquitto *connect_and_wait(char **words) {
  struct mosquitto *m = create(argument(words, "port", 1883));
  while (run.connected == 0)
    turn(m);
  return m;
}

static void report(long messages) {
  printf("messages=%ld seconds=%.6f cpu=%.6f\n", messages, run.end - run.start, run.end_cpu - run.start_cpu);
}

static void receive(char **words) {
  run.count = argument(words, "count", 100000);
  run.warm = run.count / 10;
  struct mosquitto *m = connect_and_wait(words);
  check(mosquitto_subscribe(m, NULL, topic, (int)argument(words, "qos", 0)), "subscribe");
  while (run.received < run.count)
    turn(m);
  report(run.count - run.warm);
}

static void publish(char **words) {
  static const char payload[1 << 15];
  int qos = (int)argument(words, "qos", 0), size = (int)argument(words, "size", 64);
  if (size < 0 || size > 1 << 15) exit(2);
  run.count = argument(words, "count", 100000);
  struct mosquitto *m = connect_and_wait(words);
  begin();
  for (long sent = 0; run.answered < run.count;) {
    for (; sent < run.count && sent - run.answered < WINDOW; sent++)
      check(mosquitto_publish(m, NULL, topic, size, payload, qos, false), "publish");
    if (run.answered < run.count) turn(m);
  }
  report(run.count);
}

/* Waits for the next one's time, so that answers are read meanwhile: on its socket and not in mosquitto_loop, whose
 * milliseconds would have it send late, and two at once. */
static void wait_until(struct mosquitto *m, double time) {
  double left = time - now();
  if (left < 0) left = 0;
  struct timespec limit = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
  struct pollfd socket = {.fd = mosquitto_socket(m), .events = POLLIN};
  if (mosquitto_want_write(m)) socket.events |= POLLOUT;
  ppoll(&socket, 1, &limit, NULL);
  if (socket.revents & POLLIN) check(mosquitto_loop_read(m, 1), "read");
  if (socket.revents & POLLOUT) check(mosquitto_loop_write(m, 1), "write");
  check(mosquitto_loop_misc(m), "misc");
}

static void pace(char **words) {
  static const char payload[64];
  int qos = (int)argument(words, "qos", 0);
  long count = argument(words, "count", 3000), rate = argument(words, "rate", 1000);
  run.count = count + 1;
  run.without_delay = true; /* or what is sent at QoS 1 lies in the kernel for up to 40 ms, and goes out many at once */
  struct mosquitto *m = connect_and_wait(words);
  check(mosquitto_subscribe(m, NULL, topic, qos), "subscribe");
  while (!run.subscribed)
    turn(m);
  begin();
  for (long sent = 0; sent < count || run.received < count;) {
    double next = run.start + (double)sent / (double)rate;
    if (sent < count && next <= now()) {
      check(mosquitto_publish(m, NULL, topic, sizeof payload, payload, qos, false), "publish");
      sent++;
    } else {
      wait_until(m, sent < count ? next : now() + TURN / 1000.0);
    }
  }
  end();
  report(count);
}

/* Each has its descriptor looked at once a second, as its own loop would. */
static void idle(char **words) {
  long count = argument(words, "clients", 1), seconds = argument(words, "seconds", 10);
  struct mosquitto **clients = calloc((size_t)count, sizeof *clients);
  if (!clients) exit(1);
  for (long i = 0; i < count; i++) {
    clients[i] = create(argument(words, "port", 1883));
    while (run.connected <= i)
      turn(clients[i]);
  }
  double start = now(), start_cpu = cpu();
  while (now() < start + (double)seconds) {
    for (long i = 0; i < count; i++)
      check(mosquitto_loop_misc(clients[i]), "loop");
    sleep(1);
  }
  printf("seconds=%.6f cpu=%.6f memory=%ld\n", now() - start, cpu() - start_cpu, memory());
}

int main(int count, char **words) {
  const char *mode = count > 1 ? words[1] : "";
  mosquitto_lib_init();
  if (strcmp(mode, "receive") == 0) {
    receive(words);
  } else if (strcmp(mode, "publish") == 0) {
    publish(words);
  } else if (strcmp(mode, "pace") == 0) {
    pace(words);
  } else if (strcmp(mode, "idle") == 0) {
    idle(words);
  } else {
    fputs("usage: see the head of bench/raw_mosquitto.c\n", stderr);
    return 2;
  }
  return 0;
}
