/* pollset.h: many descriptors waited for at once (epoll, level-triggered).
 *
 * A watch is embedded in what owns the descriptor and belongs to it. It is taken
 * out (hf_pollset_remove) before its descriptor is closed: a descriptor that a
 * forked child still holds would otherwise go on firing under its old number.
 * A watch may be removed, and what holds it freed, from within any `ready`: one
 * that has been removed is not called any more, in that turn either. In a child
 * of fork() none of these may be called, since the set is the parent's. One
 * thread at a time.
 */
#ifndef HF_SYS_POLLSET_H
#define HF_SYS_POLLSET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/select.h>

enum { HF_POLL_READ = 1, HF_POLL_WRITE = 2, HF_POLL_FAILED = 4 /* told whether asked for or not */ };

typedef struct hf_watch hf_watch;
struct hf_watch {
  void (*ready)(hf_watch *watch, unsigned events); /* HF_POLL_* */
  int descriptor;                                  /* -1: not in a set */
  unsigned events;                                 /* that are asked for */
  uint32_t place;                                  /* of the set's */
};

typedef struct hf_pollset hf_pollset;

hf_pollset *hf_pollset_new(void); /* NULL: no memory, or no descriptor left */
void hf_pollset_free(hf_pollset *set);
int hf_pollset_descriptor(const hf_pollset *set); /* can itself be waited on */

/* False when memory is short or the system refuses: then it is not in the set. */
bool hf_pollset_add(hf_pollset *set, hf_watch *watch, int descriptor, unsigned events);
void hf_pollset_change(hf_pollset *set, hf_watch *watch, unsigned events);
void hf_pollset_remove(hf_pollset *set, hf_watch *watch);

/* Waits until `due` (ms on hf_clock_ms; INT64_MAX: without end; what is past: not at all), puts into `now` what that
 * clock says then, calls `ready` of those that are, and returns how many there were. Ends early on signals. */
unsigned hf_pollset_wait(hf_pollset *set, int64_t due, int64_t *now);

/* The same by the microsecond: `until` on hf_clock_us. `mask`: the signals that are blocked meanwhile, and only then;
 * NULL: as they are. False: a signal has come. */
bool hf_pollset_wait_until(hf_pollset *set, int64_t until, const sigset_t *mask, int64_t *now);

#endif
