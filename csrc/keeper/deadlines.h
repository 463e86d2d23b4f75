/* deadlines.h: all that a client waits for by the clock, one row each.
 *
 * A row says what fires when its time has come (in turn.c), and whether the wait
 * ends with the connection. The times lie in the client, HF_NEVER where nothing is
 * waited for; the earliest has its place in the keeper's heap. One that is over is
 * cleared before it fires, and one fires a turn, the first of the table, since
 * the others may be without object afterwards. For the thread that turns the
 * keeper.
 */
#ifndef HF_KEEPER_DEADLINES_H
#define HF_KEEPER_DEADLINES_H

#include <stdint.h>

typedef struct hf_client hf_client;

/* ROW(name, of the connection?, what fires). `settled`: the end of each turn sees to it, and needs only be woken. */
#define HF_DEADLINES(ROW)                                                                                              \
  ROW(TURN, false, attempt_due)              /* in a line: for the budget, for the link, for a diagnosis */            \
  ROW(KNOCK, true, hf_primary_due)           /* at the server of first choice */                                       \
  ROW(PROBE, true, probe_unanswered)         /* of the one that is out */                                              \
  ROW(SUBSCRIBE, true, subscribe_unanswered) /* of the SUBACK that is awaited */                                       \
  ROW(ENGINE, false, engine_due)             /* copied from the engine */                                              \
  ROW(PROBE_AGAIN, true, hf_wishes_probe)    /* the link would not take it */                                          \
  ROW(ASK, true, settled)                    /* nor a SUBSCRIBE */                                                     \
  ROW(PUMP, true, settled)                   /* the link would not take what it was offered */                         \
  ROW(TRIAL, true, settled)                  /* what is accused has waited for others */                               \
  ROW(FLUSH, false, settled)                 /* closing: what is queued has so long to get out */                      \
  ROW(COMMIT, false, settled)                /* the store has just had one */                                          \
  ROW(HELD, false, hf_inbox_held)            /* the next look at what the link holds back */                           \
  ROW(MEMORY, false, hf_inbox_pass_on)       /* a message waits for some */                                            \
  ROW(TEND, false, settled)                  /* the store's */                                                         \
  ROW(EXPIRY, false, settled)                /* copied from the outbox */

typedef enum hf_deadline {
#define NAME(name, of_connection, fires) HF_DUE_##name,
  HF_DEADLINES(NAME)
#undef NAME
      HF_DEADLINE_COUNT
} hf_deadline;

void hf_deadlines_init(hf_client *client);
void hf_deadlines_connection_over(hf_client *client);
void hf_deadlines_copy(hf_client *client);     /* what others keep */
int64_t hf_deadlines_first(hf_client *client); /* HF_NEVER: there is nothing to wait for */

#endif
