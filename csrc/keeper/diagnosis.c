#define _DEFAULT_SOURCE
#include "keeper/diagnosis.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/door.h"
#include "keeper/inside.h"
#include "keeper/tell.h"

enum { AGAIN = 25 /* ms between two tries to ask for a look */ };

/* What Paho says when it cannot tell: see link/tls_check.h. */
static bool is_vague(const hf_link_down *down) {
  const hf_reason *reason = down->reason;
  if (reason->source == HF_SOURCE_NETWORK) return reason->code == HF_NETWORK_CLOSED_BEFORE_CONNACK;
  return reason->source == HF_SOURCE_TLS &&
         (reason->code == HF_TLS_FAILED || reason->code == HF_TLS_CERTIFICATE || reason->code == HF_TLS_HANDSHAKE);
}

/* Paho throws OpenSSL's first word about a file away. Where there is no second one (no certificate in the file, a key
 * that is another certificate's) it looks like a server that cannot be reached. A look at the files costs neither a
 * connection nor a token, and may come to something else at the next attempt: it is taken each time. */
static bool may_be_files(const hf_client *client, const hf_link_down *down) {
  const hf_link_tls *tls = hf_options_tls(client->options);
  const hf_reason *reason = down->reason;
  if (reason->source == HF_SOURCE_NETWORK && reason->code == HF_NETWORK_CONNECT_FAILED) return tls->ca || tls->cert;
  return reason->source == HF_SOURCE_TLS && reason->code == HF_TLS_FILE;
}

bool hf_diagnosis_due(hf_client *client) {
  if (client->diagnosis.look_at <= client->keeper->now) return true;
  client->due[HF_DUE_TURN] = client->diagnosis.look_at;
  hf_client_dirty(client);
  return false;
}

bool hf_diagnosis_look(hf_client *client, const hf_server *server) {
  hf_keeper *keeper = client->keeper;
  hf_client_dirty(client);
  bool looks = keeper->means.diagnose(keeper->inbox, client, client->generation, server, client->engine.deadline);
  if (looks && server) hf_tell_note(client, "looking into a TLS failure on a connection of its own");
  if (!looks) client->due[HF_DUE_TURN] = client->diagnosis.look_at = keeper->now + AGAIN;
  return looks;
}

static void hold_back(hf_client *client, hf_link_down *down) {
  client->diagnosis.held = *down;
  down->text = down->server_reference = NULL;
}

hf_gate_input hf_diagnosis_takes(hf_client *client, hf_link_down *down) {
  hf_keeper *keeper = client->keeper;
  if (!client->server->tls || !keeper->means.diagnose) return HF_GATE_WAITS;
  if (may_be_files(client, down)) {
    hold_back(client, down);
    return HF_GATE_INPUT_UNREAD;
  }
  if (!is_vague(down)) return HF_GATE_WAITS;
  hf_verdicts *verdicts = &client->diagnosis.verdicts;
  const hf_verdict *verdict = hf_verdicts_find(verdicts, client->server, keeper->now);
  if (verdict) hf_verdict_apply(verdict, down);
  if (verdict || verdicts->count == HF_VERDICTS) return HF_GATE_WAITS;
  int64_t wait = hf_budget_take(&keeper->budget, keeper->now);
  client->diagnosis.look_at = keeper->now + wait;
  if (client->diagnosis.look_at >= client->engine.deadline) {
    hf_budget_return(&keeper->budget);
    return HF_GATE_WAITS;
  }
  hold_back(client, down);
  return HF_GATE_INPUT_VAGUE;
}

/* Where no file is at fault now, it was not the files, or what kept them from being read has passed: a shortage of
 * descriptors, or the moment in which one was replaced. That is worth another attempt soon. */
static void name_file(hf_link_down *down, const hf_tls_finding *finding) {
  bool said = down->reason->source == HF_SOURCE_TLS;
  if (!finding->code && !finding->text[0] && !said) return;
  free(down->text);
  if (finding->code)
    down->reason = hf_reason_find(HF_SOURCE_TLS, HF_TLS_FILE);
  else if (finding->text[0])
    down->reason = hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY);
  else
    down->reason = hf_reason_find(HF_SOURCE_NETWORK, HF_NETWORK_CONNECT_FAILED);
  down->code = down->reason->code;
  down->phase = HF_PHASE_NONE;
  down->text = strdup(finding->text[0] ? finding->text : "a file of `tls` could not be read, and can be now");
}

static void remember(hf_client *client, const hf_tls_finding *finding) {
  hf_diagnosis *diagnosis = &client->diagnosis;
  const hf_verdict *verdict =
      hf_verdicts_add(&diagnosis->verdicts, client->server, finding->code, finding->text, client->keeper->now);
  hf_tell_note(client, finding->code ? verdict->reason->name : "found nothing wrong with TLS, or nobody there");
  hf_verdict_apply(verdict, &diagnosis->held);
}

void hf_diagnosis_found(hf_client *client, const hf_diagnosed *answer) {
  if (answer->server)
    remember(client, &answer->finding);
  else
    name_file(&client->diagnosis.held, &answer->finding);
}

hf_link_down hf_diagnosis_let_go(hf_client *client) {
  hf_link_down held = client->diagnosis.held;
  client->diagnosis.held = (hf_link_down){0};
  return held;
}

void hf_diagnosis_drop(hf_client *client) {
  free(client->diagnosis.held.text);
  free(client->diagnosis.held.server_reference);
  client->diagnosis.held = (hf_link_down){0};
}

void hf_diagnosis_over(hf_client *client) {
  hf_verdicts_forget(&client->diagnosis.verdicts);
}
