/* mailbox.h: the one door between threads, a queue of mails with a descriptor that says "look".
 *
 * Any thread may push; one thread at a time takes. The queue is the truth and
 * the descriptor a hint: at most one signal is outstanding, and a taker clears
 * the hint before it takes the queue, under the same lock, so that no push is
 * missed. It is raised outside of the lock, so whoever pushes holds a reference,
 * or knows of one that outlasts the call. The lock is a leaf: nothing is called
 * while it is held. A mailbox is counted, because the sides that share it end in any order; mails pushed after
 * hf_mailbox_shut, or never taken, go to the `discard` function it was made with.
 * What bounds a mailbox is the credit that its writers need (keeper/client.h),
 * never a mail refused here.
 */
#ifndef HF_SYS_MAILBOX_H
#define HF_SYS_MAILBOX_H

#include <stdbool.h>

#include "core/mail.h"

typedef struct hf_mailbox hf_mailbox;

typedef void (*hf_mail_discard)(hf_mail *mail);

hf_mailbox *hf_mailbox_new(hf_mail_discard discard); /* one reference; NULL: no memory or no descriptor */
hf_mailbox *hf_mailbox_hold(hf_mailbox *mailbox);
void hf_mailbox_release(hf_mailbox *mailbox); /* the last one frees, and discards what is left */

/* Takes the mail over. True when this push raised the hint, false when it was raised already, or need not be. */
bool hf_mailbox_push(hf_mailbox *mailbox, hf_mail *mail);

/* The same without raising the hint: for a writer that pushes many and then calls hf_mailbox_raise. */
void hf_mailbox_push_quietly(hf_mailbox *mailbox, hf_mail *mail);
void hf_mailbox_push_all_quietly(hf_mailbox *mailbox, hf_mail *first, hf_mail *last); /* linked by `next` */
void hf_mailbox_raise(hf_mailbox *mailbox);

/* Raises the hint though there may be nothing: whoever waits for it looks, and has had its host look around before. */
void hf_mailbox_knock(hf_mailbox *mailbox);

bool hf_mailbox_has_mail(hf_mailbox *mailbox);

/* For a taker that looks before it waits: from hf_mailbox_rise on, until hf_mailbox_rest has found the box empty
 * (true), a push raises no hint. */
void hf_mailbox_rise(hf_mailbox *mailbox);
bool hf_mailbox_rest(hf_mailbox *mailbox);

/* Everything in it, oldest first, linked by `next`; NULL when empty. */
hf_mail *hf_mailbox_take_all(hf_mailbox *mailbox);

/* No more mails are let in; the reader is gone. */
void hf_mailbox_shut(hf_mailbox *mailbox);

/* From now on the hint is a byte in this stream, which the box takes over (-1: the descriptor's own again). Who reads
 * the other end takes all bytes there are and then the queue; a box that is emptied while a byte is on its way costs a
 * look at nothing, never a mail. */
void hf_mailbox_use_stream(hf_mailbox *mailbox, int stream);

int hf_mailbox_descriptor(const hf_mailbox *mailbox);

#endif
