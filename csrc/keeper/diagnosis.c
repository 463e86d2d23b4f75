#define _DEFAULT_SOURCE
#include "keeper/diagnosis.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keeper/inside.h"
#include "sys/clock.h"
#include "sys/thread.h"
#include "sys/wakeup.h"

/* ms: for one look; between two tries to begin one while HF_DIAGNOSES_AT_ONCE are under way. */
enum { PATIENCE = 3000, AGAIN = 25 };

/* ---- the errand, on a thread of its own ---- */

typedef struct errand {
  hf_mailbox *inbox;       /* a reference */
  hf_diagnosed *answer;    /* with a reference to its client, which keeps the options */
  const hf_server *server; /* NULL: the files are looked at, and nobody is asked */
  int64_t deadline;
} errand;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static hf_wakeup stop = {.descriptor = -1};
static atomic_uint under_way;

static void prepare(void) {
  hf_wakeup_init(&stop);
}

static void *run(void *argument) {
  errand *mine = argument;
  const hf_client *client = mine->answer->mail.owner;
  const hf_link_tls *tls = hf_options_tls(hf_client_options_of(client));
  hf_tls_finding *finding = &mine->answer->finding;
  if (mine->server)
    hf_tls_check(mine->server->host, mine->server->port, tls, mine->deadline, stop.descriptor, finding);
  else
    hf_tls_check_files(tls, finding);
  hf_mailbox_push(mine->inbox, &mine->answer->mail);
  hf_mailbox_release(mine->inbox);
  free(mine);
  atomic_fetch_sub(&under_way, 1);
  return NULL;
}

bool hf_diagnosis_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server,
                      int64_t deadline) {
  pthread_once(&once, prepare);
  if (atomic_load(&under_way) >= HF_DIAGNOSES_AT_ONCE) return false;
  errand *mine = malloc(sizeof *mine);
  hf_diagnosed *answer = calloc(1, sizeof *answer);
  if (mine && answer) {
    answer->mail = (hf_mail){.owner = hf_client_hold(client), .generation = generation, .kind = HF_COMMAND_DIAGNOSED};
    *mine = (errand){.inbox = hf_mailbox_hold(inbox), .answer = answer, .server = server, .deadline = deadline};
    atomic_fetch_add(&under_way, 1);
    if (hf_thread_run("holdfast-tls", run, mine)) return true;
    atomic_fetch_sub(&under_way, 1);
    hf_mailbox_release(inbox);
    hf_client_drop(client);
  }
  free(mine);
  free(answer);
  return false;
}

void hf_diagnosis_end(int64_t deadline) {
  const struct timespec moment = {.tv_nsec = 1000000};
  if (stop.descriptor < 0) return;
  hf_wakeup_signal(&stop);
  while (atomic_load(&under_way) > 0 && hf_clock_ms() < deadline)
    nanosleep(&moment, NULL);
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

static hf_verdict *find(hf_client *client) {
  hf_diagnosis *diagnosis = &client->diagnosis;
  for (size_t i = 0; i < diagnosis->count; i++)
    if (diagnosis->verdicts[i].server == client->server) return &diagnosis->verdicts[i];
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
  int64_t deadline = keeper->now + PATIENCE;
  if (client->engine.deadline < deadline) deadline = client->engine.deadline;
  bool files = client->gate == HF_GATE_FILES;
  client->due[HF_DUE_TURN] = HF_NEVER;
  hf_driver_dirty(client);
  if (!keeper->means.diagnose(keeper->inbox, client, client->generation, files ? NULL : client->server, deadline))
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
  *verdict = (hf_verdict){.server = client->server};
  if (finding->code) {
    verdict->reason = hf_reason_find(HF_SOURCE_TLS, finding->code);
    verdict->text = words_of(finding);
  }
  hf_tell_note(client, finding->code ? verdict->reason->name : "found nothing wrong with TLS, or nobody there");
  apply(&diagnosis->held, verdict);
}

void hf_diagnosis_answer(hf_client *client, const hf_diagnosed *answer) {
  if (!hf_diagnosis_holds(client) || answer->mail.generation != client->generation) return;
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
