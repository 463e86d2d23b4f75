#include "keeper/lead.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "keeper/ears.h"
#include "sys/clock.h"
#include "sys/thread.h"

enum {
  AWAY = 5000, /* us that Lua may run before the keeper's thread takes the turn back */
  SOON = 1000, /* us within which it should be back, mostly */
  PROVEN = 16, /* that often more than not, before it is given the turn */
  DOUBTED = 8, /* below which it is not left with it */
  LAPSE = 4,   /* what being late once takes off that */
  LONGEST = 64 /* turns, after which signals are let through that no wait has, since there was always something */
};

/* Nobody: a Lua thread has left it to come back, and the standby's timer runs. */
enum holder { OF_KEEPER, OF_LUA, OF_NOBODY };

static struct {
  pthread_mutex_t lock; /* a leaf but for the mailbox's own */
  hf_ears *ears;        /* NULL: not yet */
  hf_alarm standby;
  hf_mailbox *wanting; /* who waits without it, and would take it; held by its own wait */
  int64_t left;        /* us: when Lua has last left a wait, or come by */
  int64_t due;         /* us: when the standby rings, while nobody has the turn */
  unsigned states, proven;
  enum holder holder;
  pthread_t by;     /* whose turn it is, where it is a Lua thread's */
  int64_t equip_at; /* ms: when a descriptor for it is asked for again */
  bool never, has_standby;
  bool waits;       /* the one Lua state has waited without it: its loop is one that will */
  atomic_bool lent; /* it was given to who does not wait yet; written with the lock held */
} lead = {.lock = PTHREAD_MUTEX_INITIALIZER, .standby = {-1, -1}};

/* All of these with the lock held. */

static bool may_lead(void) {
  return lead.states == 1 && !lead.never;
}

static void leave_to_nobody(int64_t now, int64_t away) {
  lead.holder = OF_NOBODY;
  lead.left = now;
  lead.due = now + away;
  hf_alarm_set(&lead.standby, (double)away / 1e6);
}

static void judge(int64_t now) {
  if (now - lead.left < SOON)
    lead.proven += lead.proven < PROVEN;
  else
    lead.proven = lead.proven < LAPSE ? 0 : lead.proven - LAPSE;
}

/* ---- states ---- */

void hf_lead_arrive(void) {
  if (hf_thread_forked()) return; /* here and below: a thread that is not there may have the lock for ever */
  pthread_mutex_lock(&lead.lock);
  lead.states++;
  lead.proven = 0;
  lead.waits = false;
  pthread_mutex_unlock(&lead.lock);
}

void hf_lead_depart(void) {
  if (hf_thread_forked()) return;
  pthread_mutex_lock(&lead.lock);
  lead.states--;
  lead.proven = 0;
  lead.wanting = NULL;
  lead.waits = false;
  pthread_mutex_unlock(&lead.lock);
}

void hf_lead_never(void) {
  if (hf_thread_forked()) return;
  pthread_mutex_lock(&lead.lock);
  lead.never = true;
  pthread_mutex_unlock(&lead.lock);
}

/* ---- Lua's turn ---- */

static bool take(hf_mailbox *box, int64_t now) {
  pthread_mutex_lock(&lead.lock);
  judge(now);
  bool mine = lead.holder == OF_NOBODY && now < lead.due && may_lead();
  if (mine) {
    lead.holder = OF_LUA;
    lead.lent = false;
    lead.by = pthread_self();
    hf_alarm_set(&lead.standby, -1);
  } else if (lead.holder == OF_KEEPER) {
    lead.wanting = box;
    lead.waits = true;
  }
  pthread_mutex_unlock(&lead.lock);
  return mine;
}

static void put_down(bool for_good) {
  int64_t now = hf_clock_us();
  pthread_mutex_lock(&lead.lock);
  if (for_good) lead.proven = 0;
  leave_to_nobody(now, may_lead() && lead.proven >= DOUBTED ? AWAY : 0);
  pthread_mutex_unlock(&lead.lock);
}

static bool goes_on(void) {
  pthread_mutex_lock(&lead.lock);
  bool on = may_lead();
  pthread_mutex_unlock(&lead.lock);
  return on;
}

static hf_led turn(hf_ears *ears, hf_mailbox *box, int64_t until, const sigset_t *mask) {
  if (!hf_ears_invite(ears, box)) return HF_LED_NOT;
  ears->knocked = false;
  hf_ears_listen(ears); /* mail may well come of each turn, so that none of them waits */
  for (unsigned turns = 0; turns < LONGEST; turns++) {
    if (!hf_ears_turn(ears)) return HF_LED_NOWHERE;
    if (ears->knocked || hf_mailbox_has_mail(box)) return HF_LED_TO_MAIL;
    if (!goes_on() || hf_clock_us() >= until) return HF_LED_NOWHERE;
    if (!hf_ears_wait(ears, until, mask)) return HF_LED_NOWHERE;
  }
  return HF_LED_NOWHERE;
}

hf_led hf_lead(hf_mailbox *box, int64_t until) {
  if (hf_thread_forked() || !take(box, hf_clock_us())) return HF_LED_NOT;
  sigset_t all, before;
  int cancelling;
  sigfillset(&all);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  hf_led led = turn(lead.ears, box, until, &before);
  put_down(led == HF_LED_NOT);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_setcancelstate(cancelling, NULL);
  return led;
}

void hf_lead_waited(void) {
  if (hf_thread_forked()) return;
  int64_t now = hf_clock_us();
  pthread_mutex_lock(&lead.lock);
  lead.wanting = NULL;
  lead.left = now;
  pthread_mutex_unlock(&lead.lock);
}

void hf_lead_came_by(void) {
  if (hf_thread_forked()) return;
  pthread_mutex_lock(&lead.lock);
  if (lead.lent || (lead.holder == OF_KEEPER && lead.waits)) {
    int64_t now = hf_clock_us();
    judge(now);
    lead.left = now;
  }
  pthread_mutex_unlock(&lead.lock);
}

static void hurry(void) {
  if (lead.holder == OF_NOBODY) leave_to_nobody(hf_clock_us(), 0);
}

void hf_lead_hurry(void) {
  if (hf_thread_forked()) return;
  pthread_mutex_lock(&lead.lock);
  hurry();
  pthread_mutex_unlock(&lead.lock);
}

/* Who answers all that comes would else be out of the queue's room before it waits. */
void hf_lead_posted(void) {
  if (!lead.lent || hf_thread_forked()) return;
  pthread_mutex_lock(&lead.lock);
  if (lead.lent) hurry();
  lead.lent = false;
  pthread_mutex_unlock(&lead.lock);
}

/* ---- the keeper's ---- */

/* Nobody else writes what is looked at without the lock. */
void hf_lead_equip(hf_ears *ears) {
  enum { AGAIN = 1000 /* ms */ };
  if (lead.has_standby) return;
  int64_t now = hf_clock_ms();
  if (now < lead.equip_at) return;
  pthread_mutex_lock(&lead.lock);
  lead.ears = ears;
  lead.has_standby = hf_alarm_init(&lead.standby, -1);
  lead.equip_at = now + AGAIN;
  pthread_mutex_unlock(&lead.lock);
}

/* `told`: a reference to who is to be, or NULL where Lua is awake and will wait. */
static bool give(bool has_mail, hf_mailbox **told) {
  if (lead.proven < PROVEN || !may_lead() || !lead.has_standby) return false;
  int64_t now = hf_clock_us();
  bool is_near = lead.waits && now - lead.left < SOON;
  if (lead.wanting ? !has_mail : !is_near) return false;
  leave_to_nobody(now, AWAY);
  lead.lent = !lead.wanting;
  *told = lead.wanting ? hf_mailbox_hold(lead.wanting) : NULL;
  return true;
}

/* Whom it was lent to may still be at what had come before, and is left alone again after a turn or two. */
static bool take_back(void) {
  pthread_mutex_lock(&lead.lock);
  int64_t now = hf_clock_us();
  bool mine = lead.holder == OF_NOBODY && now >= lead.due;
  if (mine) {
    lead.holder = OF_KEEPER;
    if (lead.lent)
      judge(now);
    else
      lead.proven = 0;
    lead.lent = false;
  }
  pthread_mutex_unlock(&lead.lock);
  return mine;
}

bool hf_lead_give(bool has_mail) {
  pthread_mutex_lock(&lead.lock);
  hf_mailbox *box;
  bool is_given = give(has_mail, &box);
  pthread_mutex_unlock(&lead.lock);
  if (!is_given) return false;
  if (box) {
    hf_mailbox_knock(box);
    hf_mailbox_release(box);
  }
  struct pollfd standby = {.fd = lead.standby.descriptor, .events = POLLIN};
  do
    poll(&standby, 1, -1);
  while (!take_back());
  hf_ears_invite(lead.ears, NULL);
  return true;
}

void hf_lead_end(void) {
  pthread_mutex_lock(&lead.lock);
  lead.never = true;
  /* A signal handler that ends the process has come in a wait, to which it will not return. */
  if (lead.holder == OF_LUA && pthread_equal(lead.by, pthread_self())) lead.holder = OF_NOBODY;
  hurry();
  pthread_mutex_unlock(&lead.lock);
}
