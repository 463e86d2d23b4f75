/* lead.h: who waits, works: a Lua thread that has nothing to do turns the keeper itself.
 *
 * A message costs a wake-up of each thread that it passes, which is more than all
 * the rest. So while the one Lua state of the process waits in the built-in loop,
 * its thread is given the keeper's turn; the keeper's own thread stands by
 * meanwhile, on a timer that runs while Lua does. When that rings Lua is busy, or
 * asleep elsewhere, and the keeper's thread goes on as if nothing had been. Nobody
 * waits for anybody: whoever does not get the turn goes on as without it.
 *
 * So has who finds mail whenever it looks, and would never wait: ahead of Lua the
 * keeper's thread has each message written into memory that is not in use yet, and
 * read out of another processor's cache, which is more than all the rest, too.
 *
 * It is given only to who has shown that it comes back soon, where no other Lua
 * state is there and no library holds a lock that a turn would wait for. Signals
 * are blocked in turns, and let through while it waits.
 */
#ifndef HF_KEEPER_LEAD_H
#define HF_KEEPER_LEAD_H

#include "sys/mailbox.h"

typedef struct hf_ears hf_ears;

/* ---- for the threads of Lua states ---- */

void hf_lead_arrive(void); /* a Lua state that may wait is there */
void hf_lead_depart(void);
void hf_lead_never(void); /* from here on no other thread than the keeper's turns it */

typedef enum hf_led {
  HF_LED_NOT, /* wait in another way, and say hf_lead_waited then */
  HF_LED_TO_MAIL /* there is some, or its hint is up */,
  HF_LED_NOWHERE /* the time has come, or a signal, or somebody else is to turn */
} hf_led;

/* Turns the keeper until there is mail in `box`, or the time `until` (us on hf_clock_us; INT64_MAX: no end) has come.
 */
hf_led hf_lead(hf_mailbox *box, int64_t until);
void hf_lead_waited(void);

/* Lua is through with some more of its mail, and goes on with the next without a wait. */
void hf_lead_came_by(void);
void hf_lead_posted(void); /* and has posted something meanwhile: the keeper goes on at once */

/* What has been asked of the keeper is not to wait for Lua to wait. */
void hf_lead_hurry(void);

/* ---- for the keeper's own ---- */

/* At each turn: sees to what standing by takes, from the first on where a descriptor is left (how many a process has
 * does not depend on how busy it was), else once a second. */
void hf_lead_equip(hf_ears *ears);

/* After a turn: if there was mail, and a Lua thread waits that would take the next turns, or one is at its mail and
 * will soon, they are its own, and true comes once they are no longer. False: go on. */
bool hf_lead_give(bool has_mail);

/* The process ends: whoever has the turn gives it back. Any thread. */
void hf_lead_end(void);

#endif
