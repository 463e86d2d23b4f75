/* tell.h: events for Lua.
 *
 * So many that it has not looked at yet, and so many verdicts and one more a wish,
 * beyond each wish's first: a script that never looks must not fill the memory.
 * The keeper keeps some in reserve for when memory is short. For the thread that
 * turns the keeper.
 */
#ifndef HF_KEEPER_TELL_H
#define HF_KEEPER_TELL_H

#include "core/step.h"
#include "keeper/client.h"
#include "keeper/event.h"

enum { HF_EVENTS_AT_MOST = 1024 };

hf_event *hf_tell_make(hf_client *client, enum hf_event_kind kind); /* NULL: over the bound, counted */
void hf_tell_fill(const hf_client *client, hf_event *event, enum hf_event_kind kind); /* one of zeros */
void hf_tell_reason(hf_event *event, const hf_client *client);

void hf_tell_send(hf_client *client, hf_event *event); /* takes it; NULL: nothing */
void hf_tell_mail(hf_client *client, hf_mail *mail);
void hf_tell_mails(hf_client *client, hf_mail *first, hf_mail *last, unsigned count); /* linked by `next` */
/* The same for the outcome of a call that waits, if it says no more than "delivered": those whose ids are a row are
 * told as one, at the end of a turn or before anything else. */
void hf_tell_in_row(hf_client *client, hf_publish *outcome);
void hf_tell_settle(hf_client *client);                 /* that is told, and what the turn owes is paid */
void hf_tell_note(hf_client *client, const char *text); /* a line for whoever follows the log */
void hf_tell_step(hf_client *client, hf_step *step);    /* takes it; NULL: nothing */
void hf_tell_raise(hf_keeper *keeper);                  /* at the end of a turn */

bool hf_tell_reserve(hf_keeper *keeper); /* at the end of a turn; false: memory is short */
void hf_tell_free_reserve(hf_keeper *keeper);

#endif
