#define _GNU_SOURCE
#include "sys/pollset.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys/clock.h"

enum { AT_ONCE = 128 /* events a wait; what is ready beyond them comes with the next */ };

/* An event of the system's says which place of the table it is about, and in which of its lives: a watch that has gone
 * leaves events behind, and its place may have another one by then. */
typedef struct place {
  hf_watch *watch;
  uint32_t generation;
  uint32_t next_free;
} place;

struct hf_pollset {
  int descriptor;
  uint32_t count, room; /* places that have ever been used, and that there is memory for */
  uint32_t first_free;  /* NOWHERE: none */
  bool by_ms;           /* the system's wait knows no finer time */
  place *places;
  struct epoll_event events[AT_ONCE];
};

static const uint32_t NOWHERE = UINT32_MAX;

hf_pollset *hf_pollset_new(void) {
  hf_pollset *set = calloc(1, sizeof *set);
  if (!set) return NULL;
  set->first_free = NOWHERE;
  set->descriptor = epoll_create1(EPOLL_CLOEXEC);
  if (set->descriptor >= 0) return set;
  free(set);
  return NULL;
}

void hf_pollset_free(hf_pollset *set) {
  if (!set) return;
  close(set->descriptor);
  free(set->places);
  free(set);
}

int hf_pollset_descriptor(const hf_pollset *set) {
  return set->descriptor;
}

static bool make_room(hf_pollset *set) {
  if (set->first_free != NOWHERE || set->count < set->room) return true;
  uint32_t room = set->room ? set->room * 2 : 16;
  place *places = realloc(set->places, room * sizeof *places);
  if (!places) return false;
  set->places = places;
  set->room = room;
  return true;
}

/* The system tells of errors whether asked or not, at each wait for as long as they last; who asks for nothing else is
 * told once. */
static struct epoll_event wish(const hf_pollset *set, const hf_watch *watch) {
  uint64_t generation = set->places[watch->place].generation;
  uint32_t events = watch->events & HF_POLL_READ ? EPOLLIN : 0;
  if (watch->events & HF_POLL_WRITE) events |= EPOLLOUT;
  if (!events) events = (uint32_t)EPOLLONESHOT;
  return (struct epoll_event){.events = events, .data.u64 = generation << 32 | watch->place};
}

bool hf_pollset_add(hf_pollset *set, hf_watch *watch, int descriptor, unsigned events) {
  watch->descriptor = -1;
  if (!make_room(set)) return false;
  uint32_t at = set->first_free != NOWHERE ? set->first_free : set->count;
  bool is_new = at == set->count;
  if (is_new) set->places[at] = (place){0};
  watch->place = at;
  watch->events = events;
  struct epoll_event event = wish(set, watch);
  if (epoll_ctl(set->descriptor, EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  if (is_new)
    set->count++;
  else
    set->first_free = set->places[at].next_free;
  set->places[at].watch = watch;
  watch->descriptor = descriptor;
  return true;
}

void hf_pollset_change(hf_pollset *set, hf_watch *watch, unsigned events) {
  if (watch->descriptor < 0 || watch->events == events) return;
  watch->events = events;
  struct epoll_event event = wish(set, watch);
  epoll_ctl(set->descriptor, EPOLL_CTL_MOD, watch->descriptor, &event);
}

void hf_pollset_remove(hf_pollset *set, hf_watch *watch) {
  if (watch->descriptor < 0) return;
  place *mine = &set->places[watch->place];
  epoll_ctl(set->descriptor, EPOLL_CTL_DEL, watch->descriptor, NULL);
  mine->generation++;
  mine->next_free = set->first_free;
  set->first_free = watch->place;
  watch->descriptor = -1;
}

static void tell(hf_pollset *set, const struct epoll_event *event) {
  const place *about = &set->places[event->data.u64 & UINT32_MAX];
  if (about->generation != event->data.u64 >> 32) return;
  unsigned events = event->events & EPOLLIN ? HF_POLL_READ : 0;
  if (event->events & EPOLLOUT) events |= HF_POLL_WRITE;
  if (event->events & (EPOLLERR | EPOLLHUP)) events |= HF_POLL_FAILED;
  about->watch->ready(about->watch, events);
}

static void tell_all(hf_pollset *set, int count) {
  for (int i = 0; i < count; i++)
    tell(set, &set->events[i]);
}

unsigned hf_pollset_wait(hf_pollset *set, int64_t due, int64_t *now) {
  int64_t wait = -1;
  if (due != INT64_MAX) {
    wait = due - hf_clock_ms();
    if (wait < 0) wait = 0;
    if (wait > INT32_MAX) wait = INT32_MAX;
  }
  int count = epoll_wait(set->descriptor, set->events, AT_ONCE, (int)wait);
  *now = hf_clock_ms();
  tell_all(set, count);
  return count > 0 ? (unsigned)count : 0;
}

/* Linux has it from 5.11 on, the C library later. */
static int wait_finely(hf_pollset *set, const struct timespec *left, const sigset_t *mask) {
#ifdef SYS_epoll_pwait2
  const struct { int64_t seconds, nanoseconds; } time = {left ? left->tv_sec : 0, left ? left->tv_nsec : 0};
  return (int)syscall(SYS_epoll_pwait2, set->descriptor, set->events, AT_ONCE, left ? &time : NULL, mask, _NSIG / 8);
#else
  (void)set, (void)left, (void)mask;
  errno = ENOSYS;
  return -1;
#endif
}

static int wait_twice(hf_pollset *set, const struct timespec *left, const sigset_t *mask) {
  struct pollfd all = {.fd = set->descriptor, .events = POLLIN};
  int count = ppoll(&all, 1, left, mask);
  return count > 0 ? epoll_wait(set->descriptor, set->events, AT_ONCE, 0) : count;
}

bool hf_pollset_wait_until(hf_pollset *set, int64_t until, const sigset_t *mask, int64_t *now) {
  struct timespec left = {0, 0};
  bool forever = until == INT64_MAX;
  int64_t us = forever ? 0 : hf_clock_us();
  us = until > us ? until - us : 0;
  left.tv_sec = (time_t)(us / 1000000);
  left.tv_nsec = (long)(us % 1000000) * 1000;
  int count = set->by_ms ? -1 : wait_finely(set, forever ? NULL : &left, mask);
  if (!set->by_ms && count < 0 && errno != EINTR) set->by_ms = true;
  if (set->by_ms) count = wait_twice(set, forever ? NULL : &left, mask);
  bool undisturbed = count >= 0;
  *now = hf_clock_ms();
  tell_all(set, count);
  return undisturbed;
}
