#define _DEFAULT_SOURCE
#include "keeper/proof.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/inside.h"

static void prove(hf_errand *errand) {
  hf_proof *mine = (hf_proof *)hf_question_of(errand);
  const hf_auth_options *auth = &((const hf_client *)mine->question.mail.owner)->options->auth;
  const hf_scram_client client = {.hash = auth->hash,
                                  .binds = auth->binds,
                                  .username = auth->username,
                                  .password = auth->password,
                                  .nonce = mine->nonce,
                                  .binding = mine->binding};
  mine->problem = hf_scram_prove(&client, (hf_bytes){mine->said, mine->length}, &mine->words);
}

static void proved(hf_errand *errand, const hf_errand *worked) {
  (void)worked;
  hf_question_answer(hf_question_of(errand));
}

bool hf_proof_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_link_auth *said) {
  hf_proof *asked = hf_question_new(sizeof *asked + said->length + 1, inbox, client, generation, HF_COMMAND_PROVED);
  if (!asked) return false;
  memcpy(asked->nonce, client->nonce, sizeof asked->nonce);
  memcpy(asked->binding, said->binding, sizeof asked->binding);
  memcpy(asked->said, said->data, said->length);
  asked->length = said->length;
  asked->question.errand = (hf_errand){.kind = HF_ERRAND_TLS, .work = prove, .done = proved};
  return hf_question_ask(&asked->question);
}

static void wipe(char *word) {
  if (word) explicit_bzero(word, strlen(word));
  free(word);
}

void hf_proof_free(hf_proof *proof) {
  wipe(proof->words.answer);
  wipe(proof->words.expected);
  explicit_bzero(proof->said, proof->length);
  free(proof);
}
