/* patience.h: how long an answer of the broker's is waited for, where a link can tell that bytes are on their way.
 *
 * The answer, or its question, may stand behind other bytes on a slow link. So
 * while bytes come, or are confirmed by the peer's system, the time begins anew,
 * though not without end. What passes up to a first glance says nothing: the
 * question itself is among it. A link without figures is given its time once.
 * Embedded in the client; for the thread that turns the keeper.
 */
#ifndef HF_KEEPER_PATIENCE_H
#define HF_KEEPER_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/deadlines.h"

typedef struct hf_patience {
  int64_t asked_at;
  int64_t moved_at;  /* bytes passed, or the question was asked */
  uint64_t progress; /* at the last look */
  int64_t time;      /* ms that an answer has */
  int64_t most;      /* ms that it has with all that passes meanwhile */
  bool looked;
} hf_patience;

enum { HF_PATIENCE_TIMES = 10 }; /* an answer's time, at most */

/* Waits from now on; `due` fires. */
void hf_patience_begin(hf_client *client, hf_patience *patience, hf_deadline due, int64_t time, int64_t most);

/* `due` has fired: whether the wait goes on, for which it has been set anew. */
bool hf_patience_goes_on(hf_client *client, hf_patience *patience, hf_deadline due);

#endif
