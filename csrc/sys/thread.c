#define _GNU_SOURCE
#include "sys/thread.h"

#include <signal.h>
#include <stdatomic.h>

#include "sys/private.h"

static atomic_bool forked;
static pthread_once_t watching = PTHREAD_ONCE_INIT;

bool hf_thread_start(hf_thread *thread, void *(*run)(void *), void *argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread->running = pthread_create(&thread->id, NULL, run, argument) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return thread->running;
}

void hf_thread_join(hf_thread *thread) {
  if (thread->running) pthread_join(thread->id, NULL);
  thread->running = false;
}

bool hf_thread_run(void *(*run)(void *), void *argument) {
  hf_thread thread;
  if (!hf_thread_start(&thread, run, argument)) return false;
  pthread_detach(thread.id);
  return true;
}

void hf_thread_name(const char *name) {
  pthread_setname_np(pthread_self(), name);
}

static void mark_child(void) {
  hf_private_close_all();
  atomic_store(&forked, true);
}

static void watch(void) {
  pthread_atfork(NULL, NULL, mark_child);
}

void hf_thread_watch_forks(void) {
  pthread_once(&watching, watch);
}

bool hf_thread_forked(void) {
  return atomic_load_explicit(&forked, memory_order_relaxed);
}
