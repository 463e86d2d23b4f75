/* The process's own keeper: a thread that turns it on the real clock, and its end. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "keeper/ears.h"
#include "keeper/inside.h"
#include "keeper/knock.h"
#include "keeper/lead.h"
#include "sys/clock.h"
#include "sys/entropy.h"
#include "sys/library.h"
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

static void *run(void *argument) {
  hf_keeper *keeper = argument;
  hf_ears ears;
  hf_thread_name("holdfast");
  hf_ears_open(&ears, keeper);
  while (hf_ears_turn(&ears)) {
    hf_lead_equip(&ears);
    if (!hf_lead_give(keeper->mails > 0)) hf_ears_wait(&ears, INT64_MAX, NULL);
  }
  hf_ears_close(&ears);
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
  hf_lead_end();
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
