#include "sys/mailbox.h"

#include <pthread.h>
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
  bool raised;
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

/* With the lock held: release, or another stream, could close the descriptor right after it. */
static void signal_reader(hf_mailbox *mailbox) {
  mailbox->raised = true;
  if (mailbox->stream < 0) {
    hf_wakeup_signal(&mailbox->wakeup);
    return;
  }
  /* It can only fail when the stream is full, and then its reader has something to find anyway, or when that reader is
   * gone, and then its next one will look. */
  ssize_t sent = send(mailbox->stream, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)sent;
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
  bool signal = raise && !mailbox->raised;
  if (signal) signal_reader(mailbox);
  pthread_mutex_unlock(&mailbox->lock);
  return signal;
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
  if (!mailbox->raised && mailbox->first) signal_reader(mailbox);
  pthread_mutex_unlock(&mailbox->lock);
}

void hf_mailbox_knock(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  if (!mailbox->raised) signal_reader(mailbox);
  pthread_mutex_unlock(&mailbox->lock);
}

hf_mail *hf_mailbox_take_all(hf_mailbox *mailbox) {
  pthread_mutex_lock(&mailbox->lock);
  if (mailbox->raised) {
    mailbox->raised = false;
    if (mailbox->stream < 0) hf_wakeup_clear(&mailbox->wakeup);
  }
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
  if (mailbox->stream >= 0)
    close(mailbox->stream);
  else if (mailbox->raised)
    hf_wakeup_clear(&mailbox->wakeup);
  mailbox->stream = stream;
  mailbox->raised = false;
  if (mailbox->first) signal_reader(mailbox);
  pthread_mutex_unlock(&mailbox->lock);
}

int hf_mailbox_descriptor(const hf_mailbox *mailbox) {
  return mailbox->wakeup.descriptor;
}
