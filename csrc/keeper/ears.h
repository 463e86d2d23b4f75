/* ears.h: the process's own keeper between two turns: what it waits on, and for how long.
 *
 * Its mail, news of the network, the wall clock, and an alarm, all in the
 * keeper's pollset, beside the descriptors of links. Owned by the keeper's
 * thread, and used by whichever thread turns the keeper (lead.h), one at a time.
 */
#ifndef HF_KEEPER_EARS_H
#define HF_KEEPER_EARS_H

#include <sys/select.h>

#include "keeper/keeper.h"
#include "sys/alarm.h"
#include "sys/netlink.h"

typedef struct hf_ears hf_ears;

/* Being woken for each mail costs more than the mail. In a stream of them the keeper naps after each turn and finds
 * many at once; a nap that found few ends that for a while, so a dialogue that waits for each answer is not slowed
 * down. */
typedef struct hf_pace {
  int64_t window; /* us: when the turns began to be counted */
  int64_t awake;  /* us: until then no naps */
  unsigned turns;
  bool napping;
} hf_pace;

/* The alarm is a timer, since a timeout would not count a suspend that begins during it. */
struct hf_ears {
  hf_keeper *keeper;
  hf_watch mail, news, time, wall;
  hf_netlink network;
  int clock;                              /* -1: nobody minds whether it is set */
  hf_alarm alarm;                         /* closed: no descriptor was left, and a timeout must do */
  int64_t set;                            /* for this time; INT64_MAX: not */
  int64_t network_at, clock_at, alarm_at; /* when it is asked for; INT64_MAX: asking again would give no more */
  int64_t due;                            /* when the keeper wants to be turned again */
  int64_t heard;                          /* us: when the pollset was last asked */
  hf_mailbox *guest;                      /* of the Lua state whose thread turns the keeper, a reference; NULL: none */
  hf_watch knock;                         /* of that one */
  hf_pace pace;
  bool knocked; /* its hint was up in the last wait */
};

void hf_ears_open(hf_ears *ears, hf_keeper *keeper);
void hf_ears_close(hf_ears *ears);

/* In place of any other; NULL: none. What the one before has mail of is hinted at again. False when it cannot be. */
bool hf_ears_invite(hf_ears *ears, hf_mailbox *guest);

/* Turns the keeper. False: it has been stopped, and there is nothing left to do. */
bool hf_ears_turn(hf_ears *ears);

/* Calls who is ready, where nobody has for a millisecond: for who takes turns and may leave without waiting. */
void hf_ears_listen(hf_ears *ears);

/* Waits until the keeper wants to be turned again, but not beyond `until` (us on hf_clock_us; INT64_MAX: no end), and
 * calls who is ready. `mask`: the signals that are blocked meanwhile, but in a nap; NULL: as they are. False: one has
 * come. */
bool hf_ears_wait(hf_ears *ears, int64_t until, const sigset_t *mask);

#endif
