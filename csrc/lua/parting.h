/* parting.h: what is said of clients that are still there when the process ends by exit(3).
 *
 * os.exit closes no Lua state, so nobody collects them. The list holds handles, not
 * references: whoever drops a handle takes it out first. Any thread, since Lua states
 * on several of them have clients; the words are one for the process.
 */
#ifndef HF_LUA_PARTING_H
#define HF_LUA_PARTING_H

#include "keeper/client.h"

typedef struct hf_parting {
  hf_client *client;
  struct hf_parting *next;
  struct hf_parting **link; /* what points here; NULL when it is in no list */
} hf_parting;

/* A line of the standard error for each client with messages at stake; "%d" in it stands for their number. NULL: none.
 * Copied, and cut at 255 bytes. */
void hf_parting_words(const char *words);

void hf_parting_add(hf_parting *parting, hf_client *client);
void hf_parting_remove(hf_parting *parting);

#endif
