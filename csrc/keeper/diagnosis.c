#define _DEFAULT_SOURCE
#include "keeper/diagnosis.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/inside.h"
#include "sys/clock.h"

/* ms: for one look, once it has begun; between two tries to ask for one; for which it is believed what was found, since
 * somebody may put that right and something else be wrong then. As long as the least of a slow wait: hardly more looks
 * than attempts that fail. */
enum { PATIENCE = 3000, AGAIN = 25, BELIEVED = 30000 };

/* ---- the errand ---- */

static void look(hf_errand *errand) {
  hf_diagnosed *mine = (hf_diagnosed *)hf_question_of(errand);
  const hf_client *client = mine->question.mail.owner;
  const hf_link_tls *tls = hf_options_tls(hf_client_options_of(client));
  int64_t deadline = hf_clock_ms() + PATIENCE;
  if (deadline > mine->deadline) deadline = mine->deadline;
  if (mine->server)
    hf_tls_check(mine->server->host, mine->server->port, tls, deadline, hf_errand_stop(), &mine->finding);
  else
    hf_tls_check_files(tls, &mine->finding);
}

static void answer(hf_errand *errand, const hf_errand *worked) {
  (void)worked;
  hf_question_answer(hf_question_of(errand));
}

bool hf_diagnosis_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server,
                      int64_t deadline) {
  hf_diagnosed *asked = hf_question_new(sizeof *asked, inbox, client, generation, HF_COMMAND_DIAGNOSED);
  if (!asked) return false;
  asked->server = server;
  asked->deadline = deadline;
  asked->question.errand = (hf_errand){.kind = HF_ERRAND_TLS, .work = look, .done = answer};
  return hf_question_ask(&asked->question);
}

/* ---- the client's side ---- */

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

static void forget(hf_diagnosis *diagnosis, hf_verdict *verdict) {
  free(verdict->text);
  *verdict = diagnosis->verdicts[--diagnosis->count];
}

static const hf_verdict *find(hf_client *client) {
  hf_diagnosis *diagnosis = &client->diagnosis;
  for (size_t i = 0; i < diagnosis->count; i++) {
    hf_verdict *verdict = &diagnosis->verdicts[i];
    if (verdict->server != client->server) continue;
    if (client->keeper->now - verdict->found_at < BELIEVED) return verdict;
    forget(diagnosis, verdict);
    return NULL;
  }
  return NULL;
}

/* Whether a failure may come of what was found, which was another connection's: a server whose certificate was not
 * trusted then has got through the handshake when it hangs up on a CONNECT. */
static bool fits(const hf_reason *looks_like, hf_tls_code code) {
  bool about_them = code != HF_TLS_CLIENT_CERTIFICATE && code != HF_TLS_HOSTNAME && code != HF_TLS_VERSION;
  if (looks_like->source == HF_SOURCE_NETWORK) return code == HF_TLS_CLIENT_CERTIFICATE;
  if (looks_like->code == HF_TLS_CERTIFICATE) return about_them;
  return !about_them || code == HF_TLS_HANDSHAKE;
}

static void apply(hf_link_down *down, const hf_verdict *verdict) {
  if (!verdict->reason || !fits(down->reason, (hf_tls_code)verdict->reason->code)) return;
  free(down->text);
  down->reason = verdict->reason;
  down->code = verdict->reason->code;
  down->phase = HF_PHASE_TLS;
  down->text = verdict->text ? strdup(verdict->text) : NULL;
}

/* The held failure goes its way. */
static void let_go(hf_client *client) {
  hf_link_down held = client->diagnosis.held;
  client->diagnosis.held = (hf_link_down){0};
  client->gate = HF_GATE_NONE;
  client->due[HF_DUE_TURN] = HF_NEVER;
  hf_answers_failed(client, &held);
  free(held.text);
  free(held.server_reference);
}

static void ask(hf_client *client) {
  hf_keeper *keeper = client->keeper;
  bool files = client->gate == HF_GATE_FILES;
  client->due[HF_DUE_TURN] = HF_NEVER;
  hf_driver_dirty(client);
  if (!keeper->means.diagnose(keeper->inbox, client, client->generation, files ? NULL : client->server,
                              client->engine.deadline))
    client->due[HF_DUE_TURN] = keeper->now + AGAIN;
  else if (!files)
    hf_tell_note(client, "looking into a TLS failure on a connection of its own");
}

static void hold_back(hf_client *client, hf_link_down *down, hf_gate gate, int64_t wait) {
  client->diagnosis.held = *down;
  down->text = down->server_reference = NULL;
  client->gate = gate;
  if (wait > 0) {
    client->due[HF_DUE_TURN] = client->keeper->now + wait;
    hf_driver_dirty(client);
  } else {
    ask(client);
  }
}

bool hf_diagnosis_holds(const hf_client *client) {
  return client->gate == HF_GATE_DIAGNOSIS || client->gate == HF_GATE_FILES;
}

bool hf_diagnosis_takes(hf_client *client, hf_link_down *down) {
  hf_keeper *keeper = client->keeper;
  if (!client->server->tls || !keeper->means.diagnose) return false;
  if (may_be_files(client, down)) {
    hold_back(client, down, HF_GATE_FILES, 0);
    return true;
  }
  if (!is_vague(down)) return false;
  const hf_verdict *verdict = find(client);
  if (verdict) apply(down, verdict);
  if (verdict || client->diagnosis.count == HF_VERDICTS) return false;
  int64_t wait = hf_budget_take(&keeper->budget, keeper->now);
  if (keeper->now + wait >= client->engine.deadline) {
    hf_budget_return(&keeper->budget);
    return false;
  }
  hold_back(client, down, HF_GATE_DIAGNOSIS, wait);
  return true;
}

void hf_diagnosis_turn(hf_client *client) {
  ask(client);
}

static char *words_of(const hf_tls_finding *finding) {
  return finding->text[0] ? strdup(finding->text) : NULL;
}

static void name_file(hf_link_down *down, const hf_tls_finding *finding) {
  if (finding->code != HF_TLS_FILE) return; /* it was not the files, or they are mended by now */
  free(down->text);
  down->reason = hf_reason_find(HF_SOURCE_TLS, HF_TLS_FILE);
  down->code = HF_TLS_FILE;
  down->phase = HF_PHASE_NONE;
  down->text = words_of(finding);
}

static void remember(hf_client *client, const hf_tls_finding *finding) {
  hf_diagnosis *diagnosis = &client->diagnosis;
  hf_verdict *verdict = &diagnosis->verdicts[diagnosis->count++];
  *verdict = (hf_verdict){.server = client->server, .found_at = client->keeper->now};
  if (finding->code) {
    verdict->reason = hf_reason_find(HF_SOURCE_TLS, finding->code);
    verdict->text = words_of(finding);
  }
  hf_tell_note(client, finding->code ? verdict->reason->name : "found nothing wrong with TLS, or nobody there");
  apply(&diagnosis->held, verdict);
}

void hf_diagnosis_answer(hf_client *client, const hf_diagnosed *answer) {
  if (!hf_diagnosis_holds(client) || answer->question.mail.generation != client->generation) return;
  if (client->gate == HF_GATE_FILES)
    name_file(&client->diagnosis.held, &answer->finding);
  else
    remember(client, &answer->finding);
  let_go(client);
}

void hf_diagnosis_give_up(hf_client *client) {
  hf_attempt_leave_line(client);
  let_go(client);
}

void hf_diagnosis_drop(hf_client *client) {
  free(client->diagnosis.held.text);
  free(client->diagnosis.held.server_reference);
  client->diagnosis.held = (hf_link_down){0};
}

void hf_diagnosis_over(hf_client *client) {
  hf_diagnosis *diagnosis = &client->diagnosis;
  for (size_t i = 0; i < diagnosis->count; i++)
    free(diagnosis->verdicts[i].text);
  diagnosis->count = 0;
}
