/* loop.h: what a thread that turns round and round has for those who live on it: timers, descriptors, a moment later.
 *
 * The keeper owns the one loop of the process and turns it; streams and links
 * that live on it put their own timers, watches and tasks in, each embedded in
 * what it is about and taken out before that is freed. It knows no clock: `now`
 * is set by whoever turns it, so in a spec time is what the spec says. Only the
 * thread that turns a loop may touch it. None of the calls needs memory.
 */
#ifndef HF_SYS_LOOP_H
#define HF_SYS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/heap.h"
#include "sys/pollset.h"

typedef struct hf_timer hf_timer;
struct hf_timer { /* one of zeros, but for `fire`, is not set */
  hf_heap_item item;
  void (*fire)(hf_timer *timer, int64_t now);
};

typedef struct hf_task hf_task;
struct hf_task {             /* likewise, but for `run` */
  hf_task *next, **previous; /* `previous` NULL: it is not waiting to be run */
  void (*run)(hf_task *task);
};

typedef struct hf_loop {
  hf_pollset *pollset; /* NULL: a loop without descriptors, in specs */
  hf_heap timers;
  hf_task *tasks, **last_task;
  int64_t now;
  int64_t spent; /* us that tasks which cost what a peer chooses have taken in this turn: those that find too much
                    ask again (stream/tls_stream.c) */
  bool late;     /* the turn began much later than it was due, so nobody's silence may be judged in it: see thread.c */
} hf_loop;

void hf_loop_init(hf_loop *loop, hf_pollset *pollset);

/* In place of any time before; INT64_MAX: not at all. A timer that fires is not set any more. */
void hf_loop_set(hf_loop *loop, hf_timer *timer, int64_t due);
void hf_loop_stop(hf_loop *loop, hf_timer *timer);

/* Runs the task once, soon, but not from within this call: in the order in which they were asked for. */
void hf_loop_later(hf_loop *loop, hf_task *task);
void hf_loop_cancel(hf_loop *loop, hf_task *task);

/* Fires the timers that are due at `now`, which must have been set; one that is set for a time past by another that
 * fires may wait for the next call. */
void hf_loop_fire(hf_loop *loop);

/* A turn: runs the tasks that wait now; those that they ask for wait for the next call. True when there are such. */
bool hf_loop_run(hf_loop *loop);

int64_t hf_loop_due(const hf_loop *loop); /* INT64_MAX: nothing is; `now`: a task waits */

#endif
