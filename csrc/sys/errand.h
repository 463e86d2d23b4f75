/* errand.h: what may block is done off the keeper's path, by a few threads of one room.
 *
 * An errand is embedded in what it is about and belongs to the room from
 * hf_errand_send to its `done`. Each kind has so many threads at most; who comes
 * when all are out waits in line, in order. Who asks what is being asked already
 * (the same kind and key) waits for that answer instead. A thread that finds
 * nothing more to do ends, so an idle room costs nothing. hf_errand_send is for
 * any thread and never blocks; `work` and `done` are called on a thread of the
 * room, with no lock held.
 */
#ifndef HF_SYS_ERRAND_H
#define HF_SYS_ERRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hf_errand_kind {
  HF_ERRAND_NAME,    /* a look-up: as long as a name server likes */
  HF_ERRAND_SERVICE, /* likewise of the servers of a service */
  HF_ERRAND_KNOCK,   /* at a server of first choice */
  HF_ERRAND_TLS,     /* a handshake, or a look at files */
  HF_ERRAND_DISK,    /* a sync */
  HF_ERRAND_KINDS
} hf_errand_kind;

typedef struct hf_errand hf_errand;
struct hf_errand {
  hf_errand_kind kind;
  const char *key; /* lives until `done`; NULL: shared with none */
  void (*work)(hf_errand *errand);
  /* Takes it back. `worked`: which one has done the work, itself unless it shared an answer; valid during the call. */
  void (*done)(hf_errand *errand, const hf_errand *worked);
  hf_errand *next, *sharers; /* the room's */
};

/* False when no thread is to be had, now or by waiting for one, or after hf_errand_end: it stays the caller's. */
bool hf_errand_send(hf_errand *errand);

size_t hf_errand_threads_at_most(hf_errand_kind kind);

/* Readable once the room ends, for work that polls; -1 until an errand has been sent. */
int hf_errand_stop(void);

/* At exit: nothing more is begun, what polls is stopped, and what would be unsafe in a process that ends is waited for
 * until `deadline` (hf_clock_ms). */
void hf_errand_end(int64_t deadline);

#endif
