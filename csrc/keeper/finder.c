#include "keeper/finder.h"

#include <stdio.h>

#include "keeper/command.h"
#include "sys/srv.h"

static void find(hf_errand *errand) {
  hf_found *mine = (hf_found *)hf_question_of(errand);
  mine->failure = hf_srv_find(mine->name, &mine->service);
}

static void answer(hf_errand *errand, const hf_errand *worked) {
  hf_found *mine = (hf_found *)hf_question_of(errand);
  const hf_found *known = (const hf_found *)hf_question_of(worked);
  if (mine != known) {
    mine->failure = known->failure;
    mine->service = known->service;
  }
  hf_question_answer(&mine->question);
}

bool hf_finder_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server) {
  hf_found *asked = hf_question_new(sizeof *asked, inbox, client, generation, HF_COMMAND_FOUND);
  if (!asked) return false;
  snprintf(asked->name, sizeof asked->name, "%s._tcp.%s", server->tls ? "_secure-mqtt" : "_mqtt", server->host);
  asked->question.errand = (hf_errand){.kind = HF_ERRAND_SERVICE, .key = asked->name, .work = find, .done = answer};
  return hf_question_ask(&asked->question);
}
