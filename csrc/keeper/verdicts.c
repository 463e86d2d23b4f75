#define _DEFAULT_SOURCE
#include "keeper/verdicts.h"

#include <stdlib.h>
#include <string.h>

/* ms. As long as the least of a slow wait: hardly more looks than attempts that fail. */
enum { BELIEVED = 30000 };

static void forget(hf_verdicts *verdicts, hf_verdict *verdict) {
  free(verdict->text);
  *verdict = verdicts->of[--verdicts->count];
}

const hf_verdict *hf_verdicts_find(hf_verdicts *verdicts, const hf_server *server, int64_t now) {
  for (size_t i = 0; i < verdicts->count; i++) {
    hf_verdict *verdict = &verdicts->of[i];
    if (verdict->server != server) continue;
    if (now - verdict->found_at < BELIEVED) return verdict;
    forget(verdicts, verdict);
    return NULL;
  }
  return NULL;
}

const hf_verdict *hf_verdicts_add(hf_verdicts *verdicts, const hf_server *server, hf_tls_code code, const char *text,
                                  int64_t now) {
  hf_verdict *verdict = &verdicts->of[verdicts->count++];
  *verdict = (hf_verdict){.server = server, .found_at = now};
  if (code) {
    verdict->reason = hf_reason_find(HF_SOURCE_TLS, code);
    verdict->text = text[0] ? strdup(text) : NULL;
  }
  return verdict;
}

/* Whether a failure may come of what was found, which was another connection's: a server whose certificate was not
 * trusted then has got through the handshake when it hangs up on a CONNECT. */
static bool fits(const hf_reason *looks_like, hf_tls_code code) {
  bool about_them = code != HF_TLS_CLIENT_CERTIFICATE && code != HF_TLS_HOSTNAME && code != HF_TLS_VERSION;
  if (looks_like->source == HF_SOURCE_NETWORK) return code == HF_TLS_CLIENT_CERTIFICATE;
  if (looks_like->code == HF_TLS_CERTIFICATE) return about_them;
  return !about_them || code == HF_TLS_HANDSHAKE;
}

void hf_verdict_apply(const hf_verdict *verdict, hf_link_down *down) {
  if (!verdict->reason || !fits(down->reason, (hf_tls_code)verdict->reason->code)) return;
  free(down->text);
  down->reason = verdict->reason;
  down->code = verdict->reason->code;
  down->phase = HF_PHASE_TLS;
  down->text = verdict->text ? strdup(verdict->text) : NULL;
}

void hf_verdicts_forget(hf_verdicts *verdicts) {
  for (size_t i = 0; i < verdicts->count; i++)
    free(verdicts->of[i].text);
  verdicts->count = 0;
}
