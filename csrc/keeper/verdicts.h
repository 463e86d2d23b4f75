/* verdicts.h: what looks into TLS have found in this outage, a server each.
 *
 * A verdict is believed for a while, since somebody may put that right and
 * something else be wrong then, and only where it explains the failure. Embedded
 * in the client, which owns the texts; for the thread that turns the keeper, and
 * the end for whoever drops the client last.
 */
#ifndef HF_KEEPER_VERDICTS_H
#define HF_KEEPER_VERDICTS_H

#include "keeper/options.h"
#include "link/link.h"

enum { HF_VERDICTS = 4 };

typedef struct hf_verdict {
  const hf_server *server;
  const hf_reason *reason; /* what is wrong; NULL: nothing was found */
  char *text;              /* owned; NULL: none */
  int64_t found_at;
} hf_verdict;

typedef struct hf_verdicts {
  hf_verdict of[HF_VERDICTS];
  size_t count;
} hf_verdicts;

/* NULL: none that is still believed. */
const hf_verdict *hf_verdicts_find(hf_verdicts *verdicts, const hf_server *server, int64_t now);

/* There is room for one more. `code` 0: nothing was found; `text`: copied, empty: none. */
const hf_verdict *hf_verdicts_add(hf_verdicts *verdicts, const hf_server *server, hf_tls_code code, const char *text,
                                  int64_t now);

/* Names the failure by what was found, if that fits. */
void hf_verdict_apply(const hf_verdict *verdict, hf_link_down *down);

void hf_verdicts_forget(hf_verdicts *verdicts); /* all of them */

#endif
