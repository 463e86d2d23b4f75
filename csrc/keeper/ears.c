#include "keeper/ears.h"

#include <errno.h>
#include <time.h>

#include "keeper/inside.h"
#include "sys/clock.h"
#include "sys/clock_set.h"

/* The turn that follows takes it. */
static void has_mail(hf_watch *watch, unsigned events) {
  (void)watch, (void)events;
}

static void has_knocked(hf_watch *watch, unsigned events) {
  (void)events;
  ((hf_ears *)(void *)((char *)watch - offsetof(hf_ears, knock)))->knocked = true;
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

void hf_ears_open(hf_ears *ears, hf_keeper *keeper) {
  *ears = (hf_ears){.mail = {.ready = has_mail, .descriptor = -1},
                    .news = {.ready = has_news, .descriptor = -1},
                    .time = {.ready = rings, .descriptor = -1},
                    .wall = {.ready = clock_was_set, .descriptor = -1},
                    .knock = {.ready = has_knocked, .descriptor = -1},
                    .network = {.descriptor = -1},
                    .clock = -1,
                    .alarm = {-1, -1},
                    .set = INT64_MAX,
                    .due = INT64_MAX,
                    .keeper = keeper};
  hf_pollset_add(keeper->loop.pollset, &ears->mail, hf_mailbox_descriptor(keeper->inbox), HF_POLL_READ);
}

void hf_ears_close(hf_ears *ears) {
  hf_pollset *pollset = ears->keeper->loop.pollset;
  hf_ears_invite(ears, NULL);
  hf_pollset_remove(pollset, &ears->mail);
  hf_pollset_remove(pollset, &ears->news);
  hf_pollset_remove(pollset, &ears->time);
  hf_pollset_remove(pollset, &ears->wall);
  hf_netlink_close(&ears->network);
  hf_clock_set_close(ears->clock);
  hf_alarm_close(&ears->alarm);
}

bool hf_ears_invite(hf_ears *ears, hf_mailbox *guest) {
  hf_keeper *keeper = ears->keeper;
  if (guest == ears->guest) return true;
  if (ears->guest) {
    hf_pollset_remove(keeper->loop.pollset, &ears->knock);
    keeper->led = NULL;
    hf_mailbox_raise(ears->guest);
    hf_mailbox_release(ears->guest);
    ears->guest = NULL;
  }
  if (!guest) return true;
  if (!hf_pollset_add(keeper->loop.pollset, &ears->knock, hf_mailbox_descriptor(guest), HF_POLL_READ)) return false;
  keeper->led = ears->guest = hf_mailbox_hold(guest);
  return true;
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

bool hf_ears_turn(hf_ears *ears) {
  hf_keeper *keeper = ears->keeper;
  int64_t now = hf_clock_ms();
  keeper->loop.late = ears->due != INT64_MAX && now - ears->due > LATE;
  ears->due = hf_keeper_turn(keeper, now);
  if (keeper->stopping && !keeper->clients) return false;
  if (now >= ears->alarm_at) listen_to_alarm(ears, now);
  if (hf_keeper_watches_network(keeper) && now >= ears->network_at) listen_to_network(ears, now);
  if (hf_keeper_watches_clock(keeper) && now >= ears->clock_at) listen_to_clock(ears, now);
  return true;
}

/* ---- waiting ---- */

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

/* A time that is near is waited for by the microsecond, without the alarm. */
static int64_t end_of(hf_ears *ears, int64_t until) {
  int64_t due = ears->due, near = INT64_MAX;
  if (until != INT64_MAX && until / 1000 - hf_clock_ms() < EARLY)
    near = until;
  else if (until != INT64_MAX && until / 1000 < due)
    due = until / 1000;
  due = timeout_of(ears, due);
  return due < near / 1000 ? due * 1000 : near;
}

void hf_ears_listen(hf_ears *ears) {
  enum { UNHEARD = 1000 /* us */ };
  int64_t now = hf_clock_us();
  if (now - ears->heard < UNHEARD) return;
  hf_pollset_wait(ears->keeper->loop.pollset, 0, &ears->keeper->loop.now);
  ears->heard = now;
}

bool hf_ears_wait(hf_ears *ears, int64_t until, const sigset_t *mask) {
  const struct timespec nap = {.tv_nsec = NAP * 1000L};
  hf_keeper *keeper = ears->keeper;
  ears->knocked = false;
  if (wants_nap(&ears->pace, keeper->mails)) {
    nanosleep(&nap, NULL);
    hf_pollset_wait(keeper->loop.pollset, 0, &keeper->loop.now);
    ears->heard = hf_clock_us();
    return true;
  }
  int64_t end = hf_mailbox_rest(keeper->inbox) ? end_of(ears, until) : 0;
  bool undisturbed = hf_pollset_wait_until(keeper->loop.pollset, end, mask, &keeper->loop.now);
  hf_mailbox_rise(keeper->inbox);
  ears->heard = hf_clock_us();
  return undisturbed;
}
