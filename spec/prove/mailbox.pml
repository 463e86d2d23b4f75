/* csrc/sys/mailbox.c for Spin: writers, one of which pushes in silence and raises the hint once, and a reader that waits
 * for the hint, has it come by a stream and by the descriptor again, and leaves at any moment. What stands under the lock
 * there is one atomic step here; the descriptor is raised outside of it, one step later.
 *
 * Checked in every interleaving: no lost wake-up (a reader that waits while mails lie there and no hint comes is an
 * invalid end state), nothing touched after the last reference has freed it, each mail taken or discarded exactly once,
 * at most one signal outstanding. Those that look as good are wrong, and Spin must say so: -DQUEUE_FIRST takes the queue
 * before it clears the hint, in -DUNCOUNTED the writers hold no reference, -DHASTY lowers a hint that is on its way.
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
bool locked;    /* over more than one step: by who waits for a hint that is on its way */
bool streaming; /* a stream's byte is the hint, in place of the descriptor */
bool byte_sent; /* and has been written */

#define alive assert(!freed)
#define hinted (streaming && byte_sent || !streaming && readable)

/* With the lock: true, the hint is to be raised outside of it. */
inline claim(claimed) {
  claimed = false;
  if
  :: !raised && streaming -> raised = true; byte_sent = true
  :: !raised && !streaming -> raised = true; claimed = true
  :: else
  fi
}

/* Without it. */
inline signal(claimed) {
  if
  :: claimed ->
    atomic {
      alive; /* the descriptor is closed with the mailbox */
      assert(!readable);
      readable = true
    }
  :: else
  fi
}

inline push(loud, claimed) {
  atomic {
    !locked;
    alive;
    claimed = false;
    if
    :: is_shut -> discarded++
    :: else ->
      queued++;
      if
      :: loud -> claim(claimed)
      :: else
      fi
    fi
  }
  signal(claimed)
}

inline raise(claimed) {
  atomic {
    !locked;
    alive;
    claimed = false;
    if
    :: queued > 0 -> claim(claimed)
    :: else
    fi
  }
  signal(claimed)
}

inline lower() {
  if
  :: raised && (streaming || readable) -> raised = false; readable = false
#ifdef HASTY
  :: raised && !streaming && !readable -> raised = false
#endif
  :: else
  fi
}

inline take_all() {
#ifdef QUEUE_FIRST
  atomic { !locked; alive; taken = taken + queued; queued = 0 }
  atomic { alive; lower() }
#else
  atomic { !locked; alive; lower(); taken = taken + queued; queued = 0 }
#endif
}

/* hf_mailbox_use_stream: the other end of what is replaced is gone, with what was in it. */
inline use_stream(claimed) {
  atomic { !locked; alive; locked = true; lower() }
  do
  :: raised -> atomic { lower() }
  :: !raised -> break
  od;
  atomic {
    alive;
    streaming = !streaming;
    byte_sent = false;
    claimed = false;
    if
    :: queued > 0 -> claim(claimed)
    :: else
    fi;
    locked = false
  }
  signal(claimed)
}

inline release() {
  bool last;
  atomic { !locked; alive; references--; last = (references == 0) }
  if
  :: last -> atomic { alive; discarded = discarded + queued; queued = 0; readable = false; freed = true }
  :: else
  fi
}

proctype writer(bool loud) {
  byte left = EACH;
  bool claimed;
  do
  :: left > 0 -> push(loud, claimed); left--
  :: left == 0 -> break
  od;
  if
  :: !loud -> raise(claimed)
  :: else
  fi;
#ifndef UNCOUNTED
  release()
#endif
}

proctype reader(bool leaves) {
  byte changes = 2; /* to a stream, and back */
  bool claimed;
  do
  :: hinted -> byte_sent = false; take_all() /* a byte that comes between the two is one look too many */
  :: changes > 0 -> use_stream(claimed); changes--
  :: taken == TOTAL -> break
  :: leaves -> break
  od;
  atomic { !locked; alive; is_shut = true; discarded = discarded + queued; queued = 0 }
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
