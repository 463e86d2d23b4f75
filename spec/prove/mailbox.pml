/* csrc/sys/mailbox.c for Spin: writers, one of which pushes in silence and raises the hint once, and a reader that waits
 * for the hint, or leaves at any moment. What stands under the lock there is one atomic step here.
 *
 * Checked in every interleaving: no lost wake-up (a reader that waits while mails lie there and no hint comes is an
 * invalid end state), nothing touched after the last reference has freed it, each mail taken or discarded exactly once,
 * at most one signal outstanding. Two that look as good are wrong, and Spin must say so: -DQUEUE_FIRST takes the queue
 * before it clears the hint, in -DUNCOUNTED the writers hold no reference.
 */
#define EACH 2 /* mails of each writer */
#define TOTAL (2 * EACH)

#ifdef UNCOUNTED
byte references = 1;
#else
byte references = 3;
#endif
byte queued, taken, discarded;
bool raised, readable, is_shut, freed;

#define alive assert(!freed)

inline signal() {
  alive; /* the descriptor is closed with the mailbox */
  assert(!readable);
  readable = true
}

inline push(loud) {
  atomic {
    alive;
    if
    :: is_shut -> discarded++
    :: else ->
      queued++;
      if
      :: loud && !raised -> raised = true; signal()
      :: else
      fi
    fi
  }
}

inline raise() {
  atomic {
    alive;
    if
    :: !raised && queued > 0 -> raised = true; signal()
    :: else
    fi
  }
}

inline clear() {
  if
  :: raised -> raised = false; readable = false
  :: else
  fi
}

inline take_all() {
#ifdef QUEUE_FIRST
  atomic { alive; taken = taken + queued; queued = 0 }
  atomic { alive; clear() }
#else
  atomic { alive; clear(); taken = taken + queued; queued = 0 }
#endif
}

inline release() {
  bool last;
  atomic { alive; references--; last = (references == 0) }
  if
  :: last -> atomic { alive; discarded = discarded + queued; queued = 0; readable = false; freed = true }
  :: else
  fi
}

proctype writer(bool loud) {
  byte left = EACH;
  do
  :: left > 0 -> push(loud); left--
  :: left == 0 -> break
  od;
  if
  :: !loud -> raise()
  :: else
  fi;
#ifndef UNCOUNTED
  release()
#endif
}

proctype reader(bool leaves) {
  do
  :: readable -> take_all()
  :: taken == TOTAL -> break
  :: leaves -> break
  od;
  atomic { alive; is_shut = true; discarded = discarded + queued; queued = 0 }
  release()
}

init {
  bool leaves;
  if
  :: leaves = true
  :: leaves = false
  fi;
  atomic { run writer(true); run writer(false); run reader(leaves) }
  (_nr_pr == 1);
  assert(freed && references == 0);
  assert(taken + discarded == TOTAL);
  assert(leaves || discarded == 0)
}
