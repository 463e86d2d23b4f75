/* raw_paho.c: what the bench compares holdfast with: a plain C program on the same Paho (MQTTAsync), MQTT 5.
 *
 *   raw_paho receive port=.. qos=.. count=..            until `count` messages are there
 *   raw_paho publish port=.. qos=.. count=.. size=.. store=..   one at a time as the window allows; 1: with Paho's file
 *                                                               store, in BENCH_FOLDER
 *   raw_paho burst   port=.. count=.. limit=..          all at once into Paho's queue, QoS 1; gives up after `limit` s
 *   raw_paho large   port=.. size=..                    one message, QoS 1
 *   raw_paho pairs   port=.. qos=.. rounds=..           two messages in a row to itself, 50 ms apart; a line a pair
 *   raw_paho recover port=.. rounds=.. idle=.. idle_port=..   prints a line each time it is subscribed (again)
 *   raw_paho idle    port=.. clients=.. seconds=..      connected and silent
 *
 * Each prints `key=value` words on one line, the times in seconds. bench/client.lua does and prints the same. Callbacks
 * come on Paho's threads; the main thread waits for them on semaphores.
 */
#include <MQTTAsync.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"

static const char topic[] = "bench/topic";

typedef struct client {
  MQTTAsync handle;
  sem_t connected;
  sem_t subscribed;
  sem_t lost;
  bool failed; /* read after `connected` was posted */
} client;

static struct {
  long count;
  long warm; /* the clock starts after so many messages */
  long received;
  atomic_long answered;
  double start, start_cpu, end, end_cpu;
  sem_t done;
  sem_t room;
} run;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void) {
  return (double)clock() / CLOCKS_PER_SEC;
}

static void pause_for(double seconds) {
  struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
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
  if (rc == MQTTASYNC_SUCCESS) return;
  fprintf(stderr, "%s: %d\n", what, rc);
  exit(1);
}

static void on_connected(void *context, MQTTAsync_successData5 *data) {
  client *c = context;
  (void)data;
  c->failed = false;
  sem_post(&c->connected);
}

static void on_refused(void *context, MQTTAsync_failureData5 *data) {
  client *c = context;
  (void)data;
  c->failed = true;
  sem_post(&c->connected);
}

static void on_subscribed(void *context, MQTTAsync_successData5 *data) {
  (void)data;
  sem_post(&((client *)context)->subscribed);
}

static void on_lost(void *context, char *cause) {
  (void)cause;
  sem_post(&((client *)context)->lost);
}

static int on_message(void *context, char *name, int length, MQTTAsync_message *message) {
  (void)context;
  (void)length;
  run.received++;
  if (run.received == run.warm) {
    run.start = now();
    run.start_cpu = cpu();
  } else if (run.received == run.count) {
    run.end = now();
    run.end_cpu = cpu();
    sem_post(&run.done);
  }
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(name);
  return 1;
}

static void on_delivered(void *context, MQTTAsync_successData5 *data) {
  (void)context;
  (void)data;
  if (atomic_fetch_add(&run.answered, 1) + 1 == run.count) {
    run.end = now();
    run.end_cpu = cpu();
    sem_post(&run.done);
  }
  sem_post(&run.room);
}

static void create(client *c, long port, long number, char *store) {
  char uri[64], id[64];
  MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer5;
  snprintf(uri, sizeof uri, "tcp://127.0.0.1:%ld", port);
  snprintf(id, sizeof id, "raw-%ld-%ld", (long)getpid(), number);
  sem_init(&c->connected, 0, 0);
  sem_init(&c->subscribed, 0, 0);
  sem_init(&c->lost, 0, 0);
  options.maxBufferedMessages = 100000;
  check(MQTTAsync_createWithOptions(
            &c->handle, uri, id, store ? MQTTCLIENT_PERSISTENCE_DEFAULT : MQTTCLIENT_PERSISTENCE_NONE, store, &options),
        "create");
  check(MQTTAsync_setCallbacks(c->handle, c, on_lost, on_message, NULL), "setCallbacks");
}

static int connect_now(client *c) {
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer5;
  options.keepAliveInterval = 60;
  options.cleanstart = 1;
  options.maxInflight = 65535;
  options.context = c;
  options.onSuccess5 = on_connected;
  options.onFailure5 = on_refused;
  return MQTTAsync_connect(c->handle, &options);
}

static void connect_and_wait(client *c) {
  check(connect_now(c), "connect");
  sem_wait(&c->connected);
  if (c->failed) check(MQTTASYNC_FAILURE, "connect");
}

static void subscribe_and_wait(client *c, int qos) {
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  MQTTSubscribe_options how = MQTTSubscribe_options_initializer;
  options.context = c;
  options.onSuccess5 = on_subscribed;
  options.subscribeOptions = how;
  check(MQTTAsync_subscribe(c->handle, topic, qos, &options), "subscribe");
  sem_wait(&c->subscribed);
}

static void send(client *c, int qos, const char *payload, long size) {
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  MQTTAsync_message message = MQTTAsync_message_initializer;
  options.onSuccess5 = on_delivered;
  message.payload = (void *)(size_t)payload;
  message.payloadlen = (int)size;
  message.qos = qos;
  check(MQTTAsync_sendMessage(c->handle, topic, &message, &options), "sendMessage");
}

static void report_messages(long messages) {
  printf("messages=%ld seconds=%.6f cpu=%.6f\n", messages, run.end - run.start, run.end_cpu - run.start_cpu);
}

static void receive(client *c, char **words) {
  run.count = argument(words, "count", 100000);
  run.warm = run.count / 10;
  connect_and_wait(c);
  subscribe_and_wait(c, (int)argument(words, "qos", 0));
  sem_wait(&run.done);
  report_messages(run.count - run.warm);
}

static void publish(client *c, char **words) {
  int qos = (int)argument(words, "qos", 0);
  long size = argument(words, "size", 64);
  char *payload = calloc(1, (size_t)size);
  if (!payload) exit(1);
  run.count = argument(words, "count", 100000);
  connect_and_wait(c);
  /* At QoS 0 the window only bounds Paho's queue; at QoS 1 it is what Paho does best with. */
  sem_init(&run.room, 0, qos == 0 ? 1000 : 100);
  run.start = now();
  run.start_cpu = cpu();
  for (long i = 0; i < run.count; i++) {
    sem_wait(&run.room);
    send(c, qos, payload, size);
  }
  sem_wait(&run.done);
  report_messages(run.count);
  free(payload);
}

static void burst(client *c, char **words) {
  static const char payload[64];
  struct timespec limit;
  run.count = argument(words, "count", 2000);
  connect_and_wait(c);
  run.start = now();
  for (long i = 0; i < run.count; i++)
    send(c, 1, payload, sizeof payload);
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += argument(words, "limit", 120);
  if (sem_timedwait(&run.done, &limit) != 0) run.end = now();
  printf("messages=%ld seconds=%.6f\n", atomic_load(&run.answered), run.end - run.start);
}

static void large(client *c, char **words) {
  long size = argument(words, "size", 20000000);
  char *payload = calloc(1, (size_t)size);
  if (!payload) exit(1);
  run.count = 1;
  connect_and_wait(c);
  run.start = now();
  send(c, 1, payload, size);
  sem_wait(&run.done);
  printf("seconds=%.6f\n", run.end - run.start);
  free(payload);
}

static void pairs(client *c, char **words) {
  static const char payload[64];
  int qos = (int)argument(words, "qos", 1);
  connect_and_wait(c);
  subscribe_and_wait(c, qos);
  atomic_store(&run.answered, 2); /* it is the messages that count, not their acknowledgements */
  run.count = 2;
  for (long left = argument(words, "rounds", 100); left > 0; left--) {
    double start = now();
    run.received = 0;
    send(c, qos, payload, sizeof payload);
    send(c, qos, payload, sizeof payload);
    sem_wait(&run.done);
    printf("seconds=%.6f\n", run.end - start);
    pause_for(0.05);
  }
}

/* As a program would do it by hand: the same handle again, 50 ms after each loss and each failure. */
static void recover(client *c, char **words) {
  long idle = argument(words, "idle", 0), left = argument(words, "rounds", 1) + 1;
  for (long i = 0; i < idle; i++) {
    client *other = calloc(1, sizeof *other);
    if (!other) exit(1);
    create(other, argument(words, "idle_port", 0), i + 1, NULL);
    connect_and_wait(other);
  }
  while (left > 0) {
    if (connect_now(c) == MQTTASYNC_SUCCESS) {
      sem_wait(&c->connected);
      if (!c->failed) {
        subscribe_and_wait(c, 1);
        printf("ready=%.6f\n", now());
        fflush(stdout);
        if (--left == 0) break;
        sem_wait(&c->lost);
      }
    }
    pause_for(0.05);
  }
}

static void idle(char **words) {
  long count = argument(words, "clients", 1), seconds = argument(words, "seconds", 10),
       port = argument(words, "port", 0);
  client *clients = calloc((size_t)count, sizeof *clients);
  if (!clients) exit(1);
  for (long i = 0; i < count; i++) {
    create(&clients[i], port, i, NULL);
    check(connect_now(&clients[i]), "connect");
  }
  for (long i = 0; i < count; i++) {
    sem_wait(&clients[i].connected);
    if (clients[i].failed) check(MQTTASYNC_FAILURE, "connect");
  }
  pause_for(3);
  double start = now(), start_cpu = cpu();
  pause_for((double)seconds);
  printf("seconds=%.6f cpu=%.6f memory=%ld\n", now() - start, cpu() - start_cpu, memory());
}

int main(int count, char **words) {
  const char *mode = count > 1 ? words[1] : "";
  client c = {0};
  MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
  sem_init(&run.done, 0, 0);
  sem_init(&run.room, 0, 0);
  if (strcmp(mode, "idle") == 0) {
    idle(words);
    return 0;
  }
  create(&c, argument(words, "port", 1883), 0, argument(words, "store", 0) ? getenv("BENCH_FOLDER") : NULL);
  if (strcmp(mode, "receive") == 0) {
    receive(&c, words);
  } else if (strcmp(mode, "publish") == 0) {
    publish(&c, words);
  } else if (strcmp(mode, "burst") == 0) {
    burst(&c, words);
  } else if (strcmp(mode, "large") == 0) {
    large(&c, words);
  } else if (strcmp(mode, "pairs") == 0) {
    pairs(&c, words);
  } else if (strcmp(mode, "recover") == 0) {
    recover(&c, words);
  } else {
    fputs("usage: see the head of bench/raw_paho.c\n", stderr);
    return 2;
  }
  return 0;
}
