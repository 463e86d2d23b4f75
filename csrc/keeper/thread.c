/* The process's own keeper: a thread that turns it on the real clock, and its end. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "keeper/inside.h"
#include "keeper/knock.h"
#include "sys/alarm.h"
#include "sys/clock.h"
#include "sys/clock_set.h"
#include "sys/entropy.h"
#include "sys/library.h"
#include "sys/netlink.h"
#include "sys/thread.h"

/* At exit the clients leave, but a process must end. */
enum { EXIT_PATIENCE = 500 };

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static hf_keeper *shared;
static hf_thread thread;

static pthread_mutex_t ending = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended; /* on CLOCK_MONOTONIC: a wall clock that is put right meanwhile changes nothing */
static bool has_ended;
static hf_command *farewell; /* made first, so that it can always be sent */

/* Being woken for each mail costs more than the mail. In a stream of them the keeper naps after each turn and finds
 * many at once; a nap that found few ends that for a while, so a dialogue that waits for each answer is not slowed
 * down. */
typedef struct hf_pace {
  int64_t window; /* us: when the turns began to be counted */
  int64_t awake;  /* us: until then no naps */
  unsigned turns;
  bool napping;
} hf_pace;

enum {
  WINDOW = 2000, /* us */
  BUSY = 16,     /* turns in a window from which naps are tried */
  NAP = 250,     /* us: what a message may be late in a stream, and only there */
  WORTH = 8,     /* mails that a nap must find */
  AWAKE = 20000, /* us */
};

static bool wants_nap(hf_pace *pace, size_t mails) {
  int64_t now = hf_clock_us();
  if (pace->napping) {
    pace->napping = mails >= WORTH;
    if (!pace->napping) pace->awake = now + AWAKE;
    return pace->napping;
  }
  if (now - pace->window > WINDOW) {
    pace->window = now;
    pace->turns = 0;
  }
  pace->napping = ++pace->turns >= BUSY && now >= pace->awake;
  return pace->napping;
}

/* ---- what it waits on ---- */

/* The alarm is a timer, since a timeout would not count a suspend that begins during it. */
typedef struct hf_ears {
  hf_watch mail, news, time, wall;
  hf_netlink network;
  int clock;                              /* -1: nobody minds whether it is set */
  hf_alarm alarm;                         /* closed: no descriptor was left, and a timeout must do */
  int64_t set;                            /* for this time; INT64_MAX: not */
  int64_t network_at, clock_at, alarm_at; /* when it is asked for; INT64_MAX: asking again would give no more */
  hf_keeper *keeper;
} hf_ears;

/* The turn that follows takes it. */
static void has_mail(hf_watch *watch, unsigned events) {
  (void)watch, (void)events;
}

static void has_news(hf_watch *watch, unsigned events) {
  (void)events;
  hf_ears *ears = (hf_ears *)(void *)((char *)watch - offsetof(hf_ears, news));
  unsigned news = hf_netlink_read(&ears->network);
  if (news) hf_keeper_network_changed(ears->keeper, news & HF_NETLINK_GAINED, hf_clock_ms());
}

static void clock_was_set(hf_watch *watch, unsigned events) {
  (void)events;
  hf_ears *ears = (hf_ears *)(void *)((char *)watch - offsetof(hf_ears, wall));
  if (hf_clock_set_read(ears->clock)) hf_keeper_clock_set(ears->keeper);
}

/* It rings until it is set anew. */
static void rings(hf_watch *watch, unsigned events) {
  (void)events;
  hf_ears *ears = (hf_ears *)(void *)((char *)watch - offsetof(hf_ears, time));
  ears->set = INT64_MIN;
}

enum { EARLY = 1000 /* ms */ };

static int64_t timeout_of(hf_ears *ears, int64_t due) {
  int64_t left = due == INT64_MAX ? -1 : due - hf_clock_ms();
  if (ears->alarm.descriptor < 0 || (due != INT64_MAX && left <= 0)) return due;
  /* One that rings a little early rings in vain, which is cheaper than to set it at each turn. */
  bool fits = ears->set <= due && (due == ears->set || due - EARLY <= ears->set);
  if (!fits && !hf_alarm_set(&ears->alarm, due == INT64_MAX ? -1 : (double)left / 1000)) return due;
  if (!fits) ears->set = due;
  return INT64_MAX;
}

static void begin_to_listen(hf_ears *ears, hf_keeper *keeper) {
  hf_pollset *pollset = keeper->loop.pollset;
  *ears = (hf_ears){.mail = {.ready = has_mail, .descriptor = -1},
                    .news = {.ready = has_news, .descriptor = -1},
                    .time = {.ready = rings, .descriptor = -1},
                    .wall = {.ready = clock_was_set, .descriptor = -1},
                    .network = {.descriptor = -1},
                    .clock = -1,
                    .alarm = {-1, -1},
                    .set = INT64_MAX,
                    .keeper = keeper};
  hf_pollset_add(pollset, &ears->mail, hf_mailbox_descriptor(keeper->inbox), HF_POLL_READ);
}

/* What the system has none of is not asked for again, but for a descriptor. */
static int64_t asked_again(bool there, int64_t now) {
  enum { AGAIN = 1000 /* ms */ };
  return !there && (errno == EMFILE || errno == ENFILE) ? now + AGAIN : INT64_MAX;
}

static void listen_to_alarm(hf_ears *ears, int64_t now) {
  ears->alarm_at = asked_again(hf_alarm_init(&ears->alarm, -1), now);
  if (ears->alarm.descriptor < 0) return;
  if (!hf_pollset_add(ears->keeper->loop.pollset, &ears->time, ears->alarm.descriptor, HF_POLL_READ))
    hf_alarm_close(&ears->alarm);
}

static void listen_to_network(hf_ears *ears, int64_t now) {
  bool there = hf_netlink_open(&ears->network);
  ears->network_at = asked_again(there, now);
  if (there) hf_pollset_add(ears->keeper->loop.pollset, &ears->news, ears->network.descriptor, HF_POLL_READ);
}

static void listen_to_clock(hf_ears *ears, int64_t now) {
  ears->clock = hf_clock_set_open();
  ears->clock_at = asked_again(ears->clock >= 0, now);
  if (ears->clock >= 0) hf_pollset_add(ears->keeper->loop.pollset, &ears->wall, ears->clock, HF_POLL_READ);
}

/* A turn that begins this much after it was due (ms) has slept with the system, or has not been let run: what is due by
 * then says nothing about anybody else. */
enum { LATE = 1000 };

static void *run(void *argument) {
  hf_keeper *keeper = argument;
  const struct timespec nap = {.tv_nsec = NAP * 1000L};
  hf_pace pace = {0};
  hf_ears ears;
  int64_t due = INT64_MAX;
  hf_thread_name("holdfast");
  begin_to_listen(&ears, keeper);
  for (;;) {
    int64_t now = hf_clock_ms();
    keeper->loop.late = due != INT64_MAX && now - due > LATE;
    due = hf_keeper_turn(keeper, now);
    if (keeper->stopping && !keeper->clients) break;
    if (now >= ears.alarm_at) listen_to_alarm(&ears, now);
    if (hf_keeper_watches_network(keeper) && now >= ears.network_at) listen_to_network(&ears, now);
    if (hf_keeper_watches_clock(keeper) && now >= ears.clock_at) listen_to_clock(&ears, now);
    if (wants_nap(&pace, keeper->mails)) nanosleep(&nap, NULL);
    hf_pollset_wait(keeper->loop.pollset, pace.napping ? 0 : timeout_of(&ears, due), &keeper->loop.now);
  }
  hf_pollset_remove(keeper->loop.pollset, &ears.mail);
  hf_pollset_remove(keeper->loop.pollset, &ears.news);
  hf_pollset_remove(keeper->loop.pollset, &ears.time);
  hf_pollset_remove(keeper->loop.pollset, &ears.wall);
  hf_netlink_close(&ears.network);
  hf_clock_set_close(ears.clock);
  hf_alarm_close(&ears.alarm);
  pthread_mutex_lock(&ending);
  has_ended = true;
  pthread_cond_signal(&ended);
  pthread_mutex_unlock(&ending);
  return NULL;
}

/* Connections end before the destructors of the libraries in use run. */
static void at_exit(void) {
  static bool called;
  if (called || hf_thread_forked()) return;
  called = true;
  hf_mailbox_push(shared->inbox, &farewell->mail);
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += EXIT_PATIENCE * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000L;
  until.tv_nsec %= 1000000000L;
  pthread_mutex_lock(&ending);
  while (!has_ended && pthread_cond_timedwait(&ended, &ending, &until) == 0)
    ;
  bool done = has_ended;
  pthread_mutex_unlock(&ending);
  if (done) hf_thread_join(&thread);
  hf_errand_end(hf_clock_ms() + EXIT_PATIENCE);
}

static bool prepare_end(void) {
  pthread_condattr_t monotonic;
  if (!farewell) farewell = calloc(1, sizeof *farewell);
  if (!farewell) return false;
  farewell->mail.kind = HF_COMMAND_STOP;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&ended, &monotonic);
  pthread_condattr_destroy(&monotonic);
  return true;
}

hf_keeper *hf_keeper_shared(void) {
  const hf_keeper_means means = {.resolve = hf_resolver_ask,
                                 .find = hf_finder_ask,
                                 .trust = hf_trust_ask,
                                 .knock = hf_knock_ask,
                                 .diagnose = hf_look_ask,
                                 .run = hf_errand_send};
  const hf_keeper_links links = {{[HF_TRANSPORT_PAHO] = &hf_link_paho, [HF_TRANSPORT_NATIVE] = &hf_link_native}};
  hf_thread_watch_forks();
  if (hf_thread_forked() && shared) return NULL;
  pthread_mutex_lock(&starting);
  if (!shared) {
    hf_pollset *pollset = prepare_end() ? hf_pollset_new() : NULL;
    hf_keeper *keeper = pollset ? hf_keeper_new(links, means, pollset, hf_entropy()) : NULL;
    if (keeper && hf_thread_start(&thread, run, keeper)) {
      shared = keeper;
      hf_library_at_exit(at_exit);
    } else if (keeper) {
      hf_keeper_free(keeper);
    }
  }
  pthread_mutex_unlock(&starting);
  return shared;
}
