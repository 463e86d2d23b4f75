#include "sys/errand.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "sys/clock.h"
#include "sys/thread.h"
#include "sys/wakeup.h"

typedef struct hf_errand_row {
  const char *name; /* of a thread that is out on one */
  size_t most;
  bool waited_for; /* at exit; nobody can stop a name server from being waited for, and it does no harm */
} hf_errand_row;

static const hf_errand_row rows[HF_ERRAND_KINDS] = {
    [HF_ERRAND_NAME] = {"holdfast-dns", 64, false},   [HF_ERRAND_SERVICE] = {"holdfast-dns", 16, false},
    [HF_ERRAND_KNOCK] = {"holdfast-knock", 8, false}, [HF_ERRAND_TLS] = {"holdfast-tls", 16, true},
    [HF_ERRAND_DISK] = {"holdfast-store", 16, true}, /* stores may lie on several disks, of which one hangs */
};

typedef struct hf_errand_line {
  hf_errand *first, **last; /* waiting */
  hf_errand *out;
  size_t count; /* of those that are out, each on a thread of its own */
} hf_errand_line;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf; guards everything here, and the errands' links */
static hf_errand_line lines[HF_ERRAND_KINDS];
static hf_wakeup stop = {.descriptor = -1};
static bool ended;

static void append(hf_errand_line *line, hf_errand *errand) {
  if (!line->first) line->last = &line->first;
  errand->next = NULL;
  *line->last = errand;
  line->last = &errand->next;
}

static hf_errand *with_key(hf_errand *errand, const char *key) {
  while (errand && (!errand->key || strcmp(errand->key, key) != 0))
    errand = errand->next;
  return errand;
}

static bool share(const hf_errand_line *line, hf_errand *errand) {
  if (!errand->key) return false;
  hf_errand *same = with_key(line->out, errand->key);
  if (!same) same = with_key(line->first, errand->key);
  if (!same) return false;
  errand->next = same->sharers;
  same->sharers = errand;
  return true;
}

/* The first of a line goes out, if one more of its kind may. */
static hf_errand *send_out(hf_errand_kind kind) {
  hf_errand_line *line = &lines[kind];
  hf_errand *errand = line->first;
  if (!errand || ended || line->count >= rows[kind].most) return NULL;
  line->first = errand->next;
  errand->next = line->out;
  line->out = errand;
  line->count++;
  return errand;
}

static void take_in(hf_errand *errand) {
  hf_errand_line *line = &lines[errand->kind];
  hf_errand **at = &line->out;
  while (*at != errand)
    at = &(*at)->next;
  *at = errand->next;
  line->count--;
}

/* Of its own kind first. Another kind has a line where a thread could not be had for it. */
static hf_errand *next_after(hf_errand_kind kind) {
  hf_errand *next = send_out(kind);
  for (size_t i = 0; i < HF_ERRAND_KINDS && !next; i++)
    next = send_out((hf_errand_kind)i);
  return next;
}

static void *run(void *argument) {
  for (hf_errand *errand = argument, *next; errand; errand = next) {
    hf_errand_kind kind = errand->kind;
    hf_thread_name(rows[kind].name);
    errand->work(errand);
    pthread_mutex_lock(&lock);
    take_in(errand);
    hf_errand *sharers = errand->sharers;
    next = next_after(kind);
    pthread_mutex_unlock(&lock);
    for (hf_errand *sharer = sharers, *after; sharer; sharer = after) {
      after = sharer->next;
      sharer->done(sharer, errand);
    }
    errand->done(errand, errand);
  }
  return NULL;
}

static size_t out(bool only_waited_for) {
  size_t count = 0;
  for (size_t i = 0; i < HF_ERRAND_KINDS; i++)
    if (rows[i].waited_for || !only_waited_for) count += lines[i].count;
  return count;
}

/* A line is not empty while nobody may be sent out, or no thread is to be had; then who is out comes back to it. */
static bool get_going(hf_errand_kind kind, const hf_errand *errand) {
  hf_errand *first = send_out(kind);
  if (!first || hf_thread_run(run, first)) return true;
  take_in(first);
  hf_errand_line *line = &lines[kind];
  if (out(false) == 0 && first == errand) return false;
  first->next = line->first;
  if (!line->first) line->last = &first->next;
  line->first = first;
  return true;
}

bool hf_errand_send(hf_errand *errand) {
  errand->sharers = NULL;
  pthread_mutex_lock(&lock);
  if (stop.descriptor < 0) hf_wakeup_init(&stop);
  bool taken = !ended;
  if (taken && !share(&lines[errand->kind], errand)) {
    append(&lines[errand->kind], errand);
    taken = get_going(errand->kind, errand);
  }
  pthread_mutex_unlock(&lock);
  return taken;
}

size_t hf_errand_threads_at_most(hf_errand_kind kind) {
  return rows[kind].most;
}

int hf_errand_stop(void) {
  pthread_mutex_lock(&lock);
  int descriptor = stop.descriptor;
  pthread_mutex_unlock(&lock);
  return descriptor;
}

void hf_errand_end(int64_t deadline) {
  const struct timespec moment = {.tv_nsec = 1000000};
  size_t left;
  do {
    pthread_mutex_lock(&lock);
    if (!ended && stop.descriptor >= 0) hf_wakeup_signal(&stop);
    ended = true;
    left = out(true);
    pthread_mutex_unlock(&lock);
    if (left > 0) nanosleep(&moment, NULL);
  } while (left > 0 && hf_clock_ms() < deadline);
}
