#include "keeper/trust.h"

#include <stdio.h>
#include <stdlib.h>

#include "keeper/inside.h"
#include "keeper/pair.h"
#include "link/tls_check.h"
#include "stream/quic.h"

static void look(const hf_tls_options *options, hf_tls_problem *problem) {
  hf_tls_finding finding;
  if (hf_tls_check_own(options, &finding)) return;
  problem->reason = finding.code ? hf_reason_find(HF_SOURCE_TLS, finding.code)
                                 : hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY);
  snprintf(problem->text, sizeof problem->text, "%.*s", (int)sizeof problem->text - 1, finding.text);
}

/* What GnuTLS does not take is no reason to do without TCP, where that is tried beside it. */
static hf_tls_context *get_for_quic(const hf_tls_options *options, hf_trusted *answer) {
  hf_tls_context *context = hf_quic_context_get(options, &answer->problem);
  if (context || !answer->has_beside) return context;
  answer->problem = (hf_tls_problem){0};
  return hf_tls_context_get(options, &answer->problem);
}

static void make(hf_errand *errand) {
  hf_trusted *answer = (hf_trusted *)hf_question_of(errand);
  const hf_client *client = answer->question.mail.owner;
  const hf_tls_options *options = hf_options_tls(client->options);
  if (answer->to_server && answer->by_quic)
    answer->context = get_for_quic(options, answer);
  else if (answer->to_server && client->operations->exact)
    answer->context = hf_tls_context_get(options, &answer->problem);
  else if (answer->to_server)
    look(options, &answer->problem);
  if (answer->to_proxy && !answer->problem.reason)
    answer->proxy_context = hf_tls_context_get(&client->options->proxy_tls, &answer->problem);
}

static void made(hf_errand *errand, const hf_errand *worked) {
  (void)worked;
  hf_question_answer(hf_question_of(errand));
}

bool hf_trust_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation) {
  hf_trusted *asked = hf_question_new(sizeof *asked, inbox, client, generation, HF_COMMAND_TRUSTED);
  if (!asked) return false;
  asked->to_server = client->server->tls && !client->context;
  asked->by_quic = client->server->road == HF_ROAD_QUIC;
  asked->has_beside = hf_pair_beside(client).port != 0;
  asked->to_proxy = client->proxy && client->proxy->tls && !client->proxy_context;
  asked->question.errand = (hf_errand){.kind = HF_ERRAND_TLS, .work = make, .done = made};
  return hf_question_ask(&asked->question);
}

void hf_trust_free(hf_trusted *answer) {
  if (answer->context) hf_tls_context_drop(answer->context);
  if (answer->proxy_context) hf_tls_context_drop(answer->proxy_context);
  free(answer);
}
