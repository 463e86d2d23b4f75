#include "sys/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/wakeup.h"

struct hf_mailbox {
  pthread_mutex_t lock;
  hf_mail *first;
  hf_mail *last;
  hf_mail_discard discard;
  hf_wakeup wakeup;
  int stream; /* in place of `wakeup`; -1: none */
  unsigned references;
  bool raised; /* or about to be: the descriptor says when it is */
  bool awake;  /* its taker looks before it waits */
  bool shut;
};

hf_mailbox *hf_mailbox_new(hf_mail_discard discard) {
  hf_mailbox *mailbox = calloc(1, sizeof *mailbox);
  if (!mailbox) return NULL;
  if (!hf_wakeup_init(&mailbox->wakeup)) {
    free(mailbox);
    return NULL;
  }
  pthread_mutex_init(&mailbox->lock, NULL);
  mailbox->discard = discard;
  mailbox->stream = -1;
  mailbox->references = 1;
  return mailbox;
}

hf_mailbox *hf_mailbox_hold(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  mailbox->references++;
  pthread_mutex_unlock(&mailbox->lock);
  return mailbox;
}

static void discard_all(hf_mail_discard discard, hf_mail *mail) {
  while (mail) {
    hf_mail *next = mail->next;
    discard(mail);
    mail = next;
  }
}

void hf_mailbox_release(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  unsigned left = --mailbox->references;
  pthread_mutex_unlock(&mailbox->lock);
  if (left > 0) return;
  discard_all(mailbox->discard, mailbox->first);
  hf_wakeup_close(&mailbox->wakeup);
  if (mailbox->stream >= 0) close(mailbox->stream);
  pthread_mutex_destroy(&mailbox->lock);
  free(mailbox);
}

/* With the lock held. True: the hint is this caller's to raise, once the lock is free, for whom it wakes wants that at
 * once. A stream is written to here and now, since another one could close it. */
static bool claim_hint(hf_mailbox *mailbox) {
  if (mailbox->raised) return false;
  mailbox->raised = true;
  if (mailbox->stream < 0) return true;
  /* It can only fail when the stream is full, and then its reader has something to find anyway, or when that reader is
   * gone, and then its next one will look. */
  ssize_t sent = send(mailbox->stream, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)sent;
  return false;
}

/* With the lock held. One that is on its way is left to come. */
static void lower_hint(hf_mailbox *mailbox) {
  if (mailbox->raised && (mailbox->stream >= 0 || hf_wakeup_clear(&mailbox->wakeup))) mailbox->raised = false;
}

static bool append(hf_mailbox *mailbox, hf_mail *first, hf_mail *last, bool raise) {
  last->next = NULL;
  pthread_mutex_lock(&mailbox->lock);
  if (mailbox->shut) {
    pthread_mutex_unlock(&mailbox->lock);
    discard_all(mailbox->discard, first);
    return false;
  }
  if (mailbox->last)
    mailbox->last->next = first;
  else
    mailbox->first = first;
  mailbox->last = last;
  bool needed = raise && !mailbox->awake && !mailbox->raised;
  bool claimed = needed && claim_hint(mailbox);
  pthread_mutex_unlock(&mailbox->lock);
  if (claimed) hf_wakeup_signal(&mailbox->wakeup);
  return needed;
}

bool hf_mailbox_push(hf_mailbox *mailbox, hf_mail *mail) {
  return append(mailbox, mail, mail, true);
}

void hf_mailbox_push_quietly(hf_mailbox *mailbox, hf_mail *mail) {
  append(mailbox, mail, mail, false);
}

void hf_mailbox_push_all_quietly(hf_mailbox *mailbox, hf_mail *first, hf_mail *last) {
  append(mailbox, first, last, false);
}

void hf_mailbox_raise(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  bool claimed = mailbox->first && claim_hint(mailbox);
  pthread_mutex_unlock(&mailbox->lock);
  if (claimed) hf_wakeup_signal(&mailbox->wakeup);
}

void hf_mailbox_knock(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  bool claimed = claim_hint(mailbox);
  pthread_mutex_unlock(&mailbox->lock);
  if (claimed) hf_wakeup_signal(&mailbox->wakeup);
}

bool hf_mailbox_has_mail(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  bool has_mail = mailbox->first != NULL;
  pthread_mutex_unlock(&mailbox->lock);
  return has_mail;
}

void hf_mailbox_rise(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  mailbox->awake = true;
  pthread_mutex_unlock(&mailbox->lock);
}

bool hf_mailbox_rest(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  bool is_empty = mailbox->first == NULL;
  if (is_empty) mailbox->awake = false;
  pthread_mutex_unlock(&mailbox->lock);
  return is_empty;
}

hf_mail *hf_mailbox_take_all(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  lower_hint(mailbox);
  hf_mail *mails = mailbox->first;
  mailbox->first = mailbox->last = NULL;
  pthread_mutex_unlock(&mailbox->lock);
  return mails;
}

void hf_mailbox_shut(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  mailbox->shut = true;
  hf_mail *left = mailbox->first;
  mailbox->first = mailbox->last = NULL;
  pthread_mutex_unlock(&mailbox->lock);
  discard_all(mailbox->discard, left);
}

void hf_mailbox_use_stream(hf_mailbox *mailbox, int stream) {
  pthread_mutex_lock(&mailbox->lock);
  for (lower_hint(mailbox); mailbox->raised; lower_hint(mailbox)) /* a moment: it is being raised */
    sched_yield();
  if (mailbox->stream >= 0) close(mailbox->stream);
  mailbox->stream = stream;
  bool claimed = mailbox->first && claim_hint(mailbox);
  pthread_mutex_unlock(&mailbox->lock);
  if (claimed) hf_wakeup_signal(&mailbox->wakeup);
}

int hf_mailbox_descriptor(const hf_mailbox *mailbox) {
  return mailbox->wakeup.descriptor;
}
