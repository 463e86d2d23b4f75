/* thread.h: a helper thread that leaves the host's signals alone, and the memory of a fork.
 *
 * Every signal is blocked in threads made here, so that the host's handlers run
 * on its own threads. The caller owns the struct and joins what it started.
 * hf_thread_forked answers on any thread.
 */
#ifndef HF_SYS_THREAD_H
#define HF_SYS_THREAD_H

#include <pthread.h>
#include <stdbool.h>

typedef struct hf_thread {
  pthread_t id;
  bool running;
} hf_thread;

/* `run` names its thread first: another would do it through a file of /proc, which costs more than the thread. */
bool hf_thread_start(hf_thread *thread, void *(*run)(void *), void *argument);
void hf_thread_join(hf_thread *thread);

/* The same for a short errand that nobody waits for. */
bool hf_thread_run(void *(*run)(void *), void *argument);

void hf_thread_name(const char *name); /* of the calling thread, up to 15 characters */

/* From the first call of hf_thread_watch_forks on, true in a child that fork() made afterwards: its copy of this
 * process has no keeper thread and must not use what the parent opened. */
void hf_thread_watch_forks(void);
bool hf_thread_forked(void);

#endif
