#include "keeper/look.h"

#include "keeper/inside.h"
#include "sys/clock.h"

enum { PATIENCE = 3000 /* ms for one look, once it has begun */ };

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

bool hf_look_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server, int64_t deadline) {
  hf_diagnosed *asked = hf_question_new(sizeof *asked, inbox, client, generation, HF_COMMAND_DIAGNOSED);
  if (!asked) return false;
  asked->server = server;
  asked->deadline = deadline;
  asked->question.errand = (hf_errand){.kind = HF_ERRAND_TLS, .work = look, .done = answer};
  return hf_question_ask(&asked->question);
}
