/* outbox.h: publishes from their acceptance until their outcome is known.
 *
 * They stand in lines, what a link gave back before what is fresh, of which the
 * highest priority goes first, and are lent to the link as the window opens and
 * the limits allow. An outcome goes to Lua through
 * admission.h. Embedded in the client; it owns what stands in its lines. For the
 * thread that turns the keeper.
 */
#ifndef HF_KEEPER_OUTBOX_H
#define HF_KEEPER_OUTBOX_H

#include "core/budget.h"
#include "core/heap.h"
#include "core/index.h"
#include "core/line.h"
#include "core/list.h"
#include "keeper/event.h"
#include "keeper/trial.h"

typedef struct hf_outbox {
  hf_line again;        /* came back from a link; goes out before what is fresh, in its first order [MQTT-4.6.0-1] */
  hf_lines fresh;       /* never lent to a link, by priority: what an overflow may drop */
  hf_heap timers;       /* of those in the lines that have a deadline and were not sent */
  hf_list_link ages;    /* all of those in the lines and in flight, as they were accepted */
  hf_index all;         /* by id: of those in the lines and in flight, the ones whose outcome is asked for */
  uint64_t lent;        /* so many have been, each once: the places in `again` */
  size_t in_flight;     /* lent to the link */
  size_t window;        /* of which so many may be, at most */
  size_t open;          /* so many now: slow start */
  size_t burst;         /* of the backlog's QoS 0, sent since the last breath */
  int64_t breath_until; /* HF_NEVER: there was no such burst */
  hf_budget pace, flow; /* PUBLISHes, and bytes of them, that may go out */
  uint64_t backlog;     /* up to this id it had queued up when the connection became ready */
  hf_trial trial;
} hf_outbox;

void hf_outbox_accept(hf_client *client, hf_publish *publish); /* takes it */
void hf_outbox_ready(hf_client *client);                       /* the window begins to open */
void hf_outbox_pump(hf_client *client);
void hf_outbox_trim(hf_client *client);         /* an overflow drops what it may, once all that came is known */
void hf_outbox_expire(hf_client *client);       /* drops what is past its deadline */
int64_t hf_outbox_due(const hf_client *client); /* when there is something to expire; HF_NEVER */
void hf_outbox_delivered(hf_client *client, hf_publish *publish);
void hf_outbox_withdraw(hf_client *client, hf_event *answer); /* takes it: HF_COMMAND_WITHDRAW */
void hf_outbox_drop_all(hf_client *client);
bool hf_outbox_empty(const hf_client *client);

#endif
