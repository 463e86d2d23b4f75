#define _GNU_SOURCE
#include "link/paho_link.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/entropy.h"
#include "sys/thread.h"
#include "sys/wakeup.h"

/* Paho's receive thread sleeps in poll(2) for up to a second and then for another 100 ms; it sees that a connection has
 * been made, or that more of a large packet can be written, only between two sleeps. So the process keeps one Paho
 * client more, connected over loopback to a thread of ours, which sends it a message whenever something waits for
 * the receive thread. One at a time: the next goes out when the last has been received.
 *
 * Paho's send thread looks at its queue when something new comes into it, and once a second; what waits there for a
 * packet to be written that is larger than the socket's buffer is not told when it has been. A connect on the client
 * that is connected already makes it look.
 *
 * That client never ends, so Paho's threads do not either. It also undoes what each MQTTAsync_connect does to everybody
 * else: Paho looks for due pings every tenth of the keep alive of the connect that came last, and connecting with keep
 * alive 0 makes that its least, 0.1 s. Done again on a connected handle it changes nothing else. */

enum {
  BACKLOG = 4,
  HURRY = 250,     /* ms between two looks when a keep alive is one second */
  REMAKE = 100,    /* ms between two tries to make the connection */
  PATIENCE = 3000, /* ms for one try */
  SLOWEST = 10,    /* ms between two messages while something waits for long */
  LONGEST = 50,    /* ms to wait for a look; longer than Paho holds on to a descriptor */
  LEE = 300,       /* us from a look until Paho's receive thread sleeps again */
};

/* any thread */
static hf_wakeup wakeup = {.descriptor = -1};
static atomic_int holds, hurries, writers, partial;
static atomic_bool calm;    /* no look is to be asked for */
static atomic_llong newest; /* hf_clock_ms of the last hold */
static atomic_bool retune, received, broken;
static atomic_uint looks = 1; /* how often the receive thread has taken a message of ours */
static atomic_uint marked;    /* `looks` when a socket was closed last */
static pthread_mutex_t look_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t looked;
static bool made;                                        /* Paho's first handle; under look_lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the deadlines */
static hf_paho_deadline *deadlines;

/* the waker's thread alone */
static MQTTAsync handle, broken_handle;
static int listener = -1, peer = -1;
static bool up;
static int64_t next_try, last_poke;
static char client_id[32];

void hf_paho_waker_hold(void) {
  atomic_store(&newest, hf_clock_ms());
  if (atomic_fetch_add(&holds, 1) == 0) hf_wakeup_signal(&wakeup);
}

void hf_paho_waker_release(void) {
  atomic_fetch_sub(&holds, 1);
}

void hf_paho_waker_write(void) {
  atomic_fetch_add(&writers, 1);
  hf_paho_waker_hold();
}

void hf_paho_waker_written(void) {
  atomic_fetch_sub(&writers, 1);
  hf_paho_waker_release();
}

void hf_paho_waker_hurry(void) {
  if (atomic_fetch_add(&hurries, 1) == 0) hf_wakeup_signal(&wakeup);
}

void hf_paho_waker_relax(void) {
  atomic_fetch_sub(&hurries, 1);
}

void hf_paho_waker_retune(void) {
  if (!atomic_exchange(&retune, true)) hf_wakeup_signal(&wakeup);
}

void hf_paho_waker_mark(void) {
  atomic_store(&marked, atomic_load(&looks));
}

static void await_look(void) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += LONGEST * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  hf_paho_waker_hold();
  pthread_mutex_lock(&look_lock);
  while (atomic_load(&looks) == atomic_load(&marked))
    if (pthread_cond_timedwait(&looked, &look_lock, &until) != 0) break;
  pthread_mutex_unlock(&look_lock);
  hf_paho_waker_release();
}

void hf_paho_waker_settle(void) {
  if (atomic_load(&looks) == atomic_load(&marked)) await_look();
}

void hf_paho_waker_partial(bool may_be) {
  atomic_fetch_add(&partial, may_be ? 1 : -1);
}

void hf_paho_waker_lee(void) {
  const struct timespec moment = {.tv_nsec = LEE * 1000L};
  if (atomic_load(&partial) == 0) return;
  hf_paho_waker_mark();
  await_look();
  atomic_store(&calm, true);
  nanosleep(&moment, NULL);
}

void hf_paho_waker_lee_over(void) {
  atomic_store(&calm, false);
}

void hf_paho_waker_expect(hf_paho_deadline *deadline) {
  pthread_mutex_lock(&lock);
  deadline->next = deadlines;
  deadlines = deadline;
  pthread_mutex_unlock(&lock);
  hf_wakeup_signal(&wakeup);
}

static void unlink_deadline(hf_paho_deadline *deadline) {
  for (hf_paho_deadline **at = &deadlines; *at; at = &(*at)->next) {
    if (*at != deadline) continue;
    *at = deadline->next;
    return;
  }
}

void hf_paho_waker_forget(hf_paho_deadline *deadline) {
  pthread_mutex_lock(&lock);
  unlink_deadline(deadline);
  pthread_mutex_unlock(&lock);
}

/* ---- the client's side, on Paho's threads ---- */

static int on_message(void *context, char *topic, int length, MQTTAsync_message *message) {
  (void)context, (void)length;
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(topic);
  atomic_store(&received, true);
  pthread_mutex_lock(&look_lock);
  atomic_fetch_add(&looks, 1);
  pthread_cond_broadcast(&looked);
  pthread_mutex_unlock(&look_lock);
  return 1;
}

static void on_lost(void *context, char *cause) {
  (void)context, (void)cause;
  atomic_store(&broken, true);
  hf_wakeup_signal(&wakeup);
}

static void on_failed(void *context, MQTTAsync_failureData *data) {
  (void)data;
  on_lost(context, NULL);
}

/* ---- our side ---- */

static void shut(int *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

static uint16_t listen_on_loopback(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return 0;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, BACKLOG) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
    shut(&listener);
    return 0;
  }
  return ntohs(address.sin_port);
}

static pthread_mutex_t calls = PTHREAD_MUTEX_INITIALIZER;

void hf_paho_calls_begin(void) {
  pthread_mutex_lock(&calls);
}

void hf_paho_calls_end(void) {
  pthread_mutex_unlock(&calls);
}

static void tune(void) {
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
  options.MQTTVersion = MQTTVERSION_3_1_1;
  options.keepAliveInterval = 0;
  options.onFailure = up ? NULL : on_failed;
  hf_paho_calls_begin();
  MQTTAsync_connect(handle, &options);
  hf_paho_calls_end();
}

/* Paho's first handle makes the whole process ignore SIGPIPE. That is the host's to decide: our threads block it. */
static int create(const char *uri) {
  MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
  options.MQTTVersion = MQTTVERSION_3_1_1;
  struct sigaction before;
  sigaction(SIGPIPE, NULL, &before);
  int failed = MQTTAsync_createWithOptions(&handle, uri, client_id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &options);
  sigaction(SIGPIPE, &before, NULL);
  return failed;
}

static void destroy_broken(void) {
  hf_paho_calls_begin();
  if (broken_handle) MQTTAsync_destroy(&broken_handle);
  hf_paho_calls_end();
  broken_handle = NULL;
}

/* The handle itself goes when there is another: without any, Paho's threads would end. */
static void unmake(void) {
  up = false;
  shut(&listener);
  shut(&peer);
  if (handle) {
    destroy_broken();
    broken_handle = handle;
    handle = NULL;
  }
  atomic_store(&broken, false);
  next_try = hf_clock_ms() + REMAKE;
}

static void make(void) {
  char uri[40];
  uint16_t port = listen_on_loopback();
  next_try = hf_clock_ms() + PATIENCE;
  if (!port) return;
  snprintf(uri, sizeof uri, "tcp://127.0.0.1:%u", (unsigned)port);
  snprintf(client_id, sizeof client_id, "%016llx", (unsigned long long)hf_entropy());
  bool created = create(uri) == MQTTASYNC_SUCCESS;
  destroy_broken();
  if (created && MQTTAsync_setCallbacks(handle, NULL, on_lost, on_message, NULL) == MQTTASYNC_SUCCESS)
    tune();
  else
    unmake();
}

/* CONNECT of the client we made: nobody else knows its id. */
static void shake_hands(void) {
  static const char connack[] = {0x20, 2, 0, 0};
  char packet[128];
  ssize_t got = recv(peer, packet, sizeof packet, 0);
  if (got <= 0 || !memmem(packet, (size_t)got, client_id, strlen(client_id)) ||
      send(peer, connack, sizeof connack, MSG_NOSIGNAL) != sizeof connack) {
    shut(&peer);
    return;
  }
  shut(&listener);
  up = true;
  atomic_store(&received, true);
}

static void meet(void) {
  shut(&peer);
  peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  hf_paho_sockets_claim_peer(peer);
}

static void listen_to_peer(void) {
  if (!up) {
    shake_hands();
    return;
  }
  char bytes[64]; /* PINGREQ at most, and nobody waits for its answer: the keep alive is 0 */
  if (recv(peer, bytes, sizeof bytes, 0) == 0) atomic_store(&broken, true);
}

/* Slower and slower while nothing new comes to wait: a connection takes its round trips, whatever we do. */
static int64_t poke_due(int64_t now) {
  if (!up) return INT64_MAX;
  if (atomic_load(&holds) > 0) {
    int64_t pace = (now - atomic_load(&newest)) / 64;
    return last_poke + (pace < 1 ? 1 : pace > SLOWEST ? SLOWEST : pace);
  }
  return atomic_load(&hurries) > 0 ? last_poke + HURRY : INT64_MAX;
}

static void poke(int64_t now) {
  static const char message[] = {0x30, 3, 0, 1, 'w'};
  last_poke = now;
  if (atomic_load(&calm)) return;
  if (atomic_load(&writers) > 0) tune();
  if (!atomic_exchange(&received, false)) return;
  ssize_t written = send(peer, message, sizeof message, MSG_NOSIGNAL);
  if (written != sizeof message) atomic_store(&broken, true);
}

static int64_t run_deadlines(int64_t now) {
  int64_t due = INT64_MAX;
  pthread_mutex_lock(&lock);
  for (hf_paho_deadline *at = deadlines, *next; at; at = next) {
    next = at->next;
    if (at->at <= now) {
      unlink_deadline(at);
      at->expired(at->context);
    } else if (at->at < due) {
      due = at->at;
    }
  }
  pthread_mutex_unlock(&lock);
  return due;
}

/* Does what is due and says when something will be. */
static int64_t turn(void) {
  if (atomic_load(&broken)) unmake();
  int64_t now = hf_clock_ms();
  if (!up && now >= next_try) {
    unmake();
    make();
  }
  if (up && atomic_exchange(&retune, false)) tune();
  int64_t due = run_deadlines(now);
  if (poke_due(now) <= now) poke(now);
  if (poke_due(now) < due) due = poke_due(now);
  if (!up && next_try < due) due = next_try;
  return due;
}

static void *run(void *unused) {
  (void)unused;
  hf_thread_name("Paho's waker");
  turn();
  pthread_mutex_lock(&look_lock);
  made = true;
  pthread_cond_broadcast(&looked);
  pthread_mutex_unlock(&look_lock);
  for (;;) {
    int64_t due = turn(), now = hf_clock_ms();
    int timeout = due == INT64_MAX ? -1 : due <= now ? 0 : (int)(due - now);
    struct pollfd watched[] = {{.fd = wakeup.descriptor, .events = POLLIN},
                               {.fd = peer, .events = POLLIN},
                               {.fd = listener, .events = POLLIN}};
    poll(watched, 3, timeout);
    if (watched[0].revents) hf_wakeup_clear(&wakeup);
    if (watched[1].revents) listen_to_peer();
    if (watched[2].revents && listener >= 0) meet();
  }
  return NULL;
}

static hf_thread thread;

/* False: no descriptor was left, as may be otherwise the next time. */
static bool prepare(void) {
  if (wakeup.descriptor >= 0) return true;
  if (!hf_wakeup_init(&wakeup)) return false;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&looked, &monotonic);
  pthread_condattr_destroy(&monotonic);
  return true;
}

/* Returns when Paho is initialised, which its first handle does without any lock and by forgetting what memory it has
 * given out so far. */
static void start(void) {
  if (!prepare()) return;
  hf_paho_watch_names();
  if (!hf_thread_start(&thread, run, NULL)) return;
  pthread_mutex_lock(&look_lock);
  while (!made)
    pthread_cond_wait(&looked, &look_lock);
  pthread_mutex_unlock(&look_lock);
}

bool hf_paho_waker_start(void) {
  if (!thread.running) start();
  return thread.running;
}
