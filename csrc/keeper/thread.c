/* The process's own keeper: a thread that turns it on the real clock, and its end. */
#include "keeper/inside.h"
#include "keeper/knock.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "sys/alarm.h"
#include "sys/clock.h"
#include "sys/entropy.h"
#include "sys/netlink.h"
#include "sys/thread.h"

/* At exit the clients take their leave, but a process must end. */
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

/* A timer, since poll's own timeout would not count a suspend that begins during it. */
typedef struct hf_wait {
  hf_alarm alarm; /* closed: no descriptor was left, and poll's timeout must do */
  int64_t set;    /* for this time; INT64_MAX: not */
} hf_wait;

static int timeout_of(hf_wait *wait, int64_t due) {
  int64_t left = due == INT64_MAX ? -1 : due - hf_clock_ms();
  if (due != INT64_MAX && left <= 0) return 0;
  if (wait->alarm.descriptor < 0) return left > INT32_MAX ? INT32_MAX : (int)left;
  if (wait->set != due && !hf_alarm_set(&wait->alarm, due == INT64_MAX ? -1 : (double)left / 1000)) return 0;
  wait->set = due;
  return -1;
}

static void wait_for_mail(hf_keeper *keeper, hf_wait *wait, hf_netlink *network, int64_t due) {
  struct pollfd watched[] = {{.fd = hf_mailbox_descriptor(keeper->inbox), .events = POLLIN},
                             {.fd = network->descriptor, .events = POLLIN},
                             {.fd = wait->alarm.descriptor, .events = POLLIN}};
  poll(watched, 3, timeout_of(wait, due));
  if (watched[2].revents) wait->set = INT64_MIN; /* it rings until it is set anew */
  if (watched[1].revents) {
    unsigned news = hf_netlink_read(network);
    if (news) hf_keeper_network_changed(keeper, news & HF_NETLINK_GAINED, hf_clock_ms());
  }
}

static void *run(void *argument) {
  hf_keeper *keeper = argument;
  const struct timespec nap = {.tv_nsec = NAP * 1000L};
  hf_pace pace = {0};
  hf_netlink network = {.descriptor = -1};
  hf_wait wait = {.set = INT64_MAX};
  bool asked = false;
  hf_alarm_init(&wait.alarm, -1);
  for (;;) {
    int64_t due = hf_keeper_turn(keeper, hf_clock_ms());
    if (keeper->stopping && !keeper->clients) break;
    if (hf_keeper_watches_network(keeper) && !asked) {
      asked = true; /* a system without it gives no hints; asking twice gives no more */
      hf_netlink_open(&network);
    }
    if (wants_nap(&pace, keeper->mails))
      nanosleep(&nap, NULL);
    else
      wait_for_mail(keeper, &wait, &network, due);
  }
  hf_netlink_close(&network);
  hf_alarm_close(&wait.alarm);
  pthread_mutex_lock(&ending);
  has_ended = true;
  pthread_cond_signal(&ended);
  pthread_mutex_unlock(&ending);
  return NULL;
}

/* A process that ends on purpose leaves its brokers politely, before the destructors of the libraries in use run. One
 * that is killed does not, and its wills are sent. */
static void at_exit(void) {
  if (hf_thread_forked()) return;
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
  const hf_keeper_means means = {
      .resolve = hf_resolver_ask, .knock = hf_knock_ask, .diagnose = hf_diagnosis_ask, .run = hf_errand_send};
  hf_thread_watch_forks();
  if (hf_thread_forked() && shared) return NULL;
  pthread_mutex_lock(&starting);
  if (!shared) {
    hf_tls_prepare();
    hf_keeper *keeper = prepare_end() ? hf_keeper_new(&hf_link_paho, means, hf_entropy()) : NULL;
    if (keeper && hf_thread_start(&thread, "holdfast", run, keeper)) {
      shared = keeper;
      atexit(at_exit);
    } else if (keeper) {
      hf_keeper_free(keeper);
    }
  }
  pthread_mutex_unlock(&starting);
  return shared;
}
