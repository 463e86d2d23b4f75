#include "lua/parting.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/thread.h"

enum { LONGEST = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static hf_parting *first;
static char said[LONGEST];

static void tell(size_t messages) {
  const char *number = strstr(said, "%d");
  if (number) fprintf(stderr, "%.*s%zu%s\n", (int)(number - said), said, messages, number + 2);
}

/* Whoever calls exit(3) may do so anywhere, but never within this file. */
static void at_exit(void) {
  if (hf_thread_forked()) return;
  pthread_mutex_lock(&lock);
  for (hf_parting *parting = first; parting; parting = parting->next) {
    size_t messages = hf_client_at_stake(parting->client);
    if (messages) tell(messages);
  }
  pthread_mutex_unlock(&lock);
}

static void watch(void) {
  atexit(at_exit);
}

void hf_parting_words(const char *words) {
  pthread_mutex_lock(&lock);
  snprintf(said, sizeof said, "%s", words ? words : "");
  pthread_mutex_unlock(&lock);
}

void hf_parting_add(hf_parting *parting, hf_client *client) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch);
  pthread_mutex_lock(&lock);
  parting->client = client;
  parting->next = first;
  parting->link = &first;
  if (first) first->link = &parting->next;
  first = parting;
  pthread_mutex_unlock(&lock);
}

void hf_parting_remove(hf_parting *parting) {
  if (hf_thread_forked()) return; /* another thread may have held the lock when it was copied */
  pthread_mutex_lock(&lock);
  if (parting->link) {
    *parting->link = parting->next;
    if (parting->next) parting->next->link = parting->link;
    parting->link = NULL;
  }
  pthread_mutex_unlock(&lock);
}
