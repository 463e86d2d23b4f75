#define _DEFAULT_SOURCE
#include "keeper/trace.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/inside.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf but for the mailbox's own */
static hf_mailbox *listener;                             /* a reference; NULL: nobody */
static atomic_size_t on_their_way;
static atomic_uint_fast64_t dropped;

bool hf_trace_listen(hf_keeper *keeper, hf_mailbox *mailbox, hf_trace_level level) {
  hf_command *command = calloc(1, sizeof *command);
  if (!command) return false;
  pthread_mutex_lock(&lock);
  bool mine = level != HF_TRACE_OFF || listener == mailbox;
  hf_mailbox *before = NULL;
  if (mine) {
    before = listener;
    listener = level == HF_TRACE_OFF ? NULL : hf_mailbox_hold(mailbox);
  }
  pthread_mutex_unlock(&lock);
  if (before) hf_mailbox_release(before);
  if (!mine) {
    free(command);
    return true;
  }
  command->mail.kind = HF_COMMAND_TRACE;
  command->number = level;
  hf_mailbox_push(hf_keeper_inbox(keeper), &command->mail);
  return true;
}

static void tell(hf_transport transport, hf_trace_level level, const char *line) {
  if (atomic_fetch_add(&on_their_way, 1) >= HF_TRACE_LINES) {
    atomic_fetch_sub(&on_their_way, 1);
    atomic_fetch_add(&dropped, 1);
    return;
  }
  hf_event *event = calloc(1, sizeof *event);
  if (!event) {
    atomic_fetch_sub(&on_their_way, 1);
    atomic_fetch_add(&dropped, 1);
    return;
  }
  event->mail.kind = HF_EVENT_TRACE;
  event->text = strdup(line);
  event->code = (int)level;
  event->cls = (uint8_t)transport;
  event->id = atomic_exchange(&dropped, 0);
  pthread_mutex_lock(&lock);
  hf_mailbox *to = listener ? hf_mailbox_hold(listener) : NULL;
  pthread_mutex_unlock(&lock);
  if (to) {
    hf_mailbox_push(to, &event->mail);
    hf_mailbox_release(to);
  } else {
    hf_trace_taken(&event->mail);
  }
}

static void tell_of_paho(hf_trace_level level, const char *line) {
  tell(HF_TRANSPORT_PAHO, level, line);
}

static void tell_of_native(hf_trace_level level, const char *line) {
  tell(HF_TRANSPORT_NATIVE, level, line);
}

hf_trace_line_function *hf_trace_lines_of(hf_transport transport) {
  return transport == HF_TRANSPORT_NATIVE ? tell_of_native : tell_of_paho;
}

void hf_trace_taken(hf_mail *mail) {
  atomic_fetch_sub(&on_their_way, 1);
  free(((hf_event *)mail)->text);
  free(mail);
}
