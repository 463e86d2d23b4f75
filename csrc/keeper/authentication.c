#define _DEFAULT_SOURCE
#include "keeper/authentication.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/door.h"
#include "keeper/tell.h"
#include "sys/entropy.h"

static const hf_failure none = {NULL, NULL};

static hf_failure because(int code, const char *text) {
  return (hf_failure){hf_reason_find(HF_SOURCE_CLIENT, code), text};
}

/* A new nonce, and the word that has it; the caller's. */
static char *first_word(const hf_client *client, char nonce[HF_SCRAM_NONCE]) {
  unsigned char random[18];
  for (size_t i = 0; i < sizeof random; i += 6) {
    uint64_t drawn = hf_entropy();
    memcpy(random + i, &drawn, 6);
  }
  hf_scram_nonce(random, nonce);
  const hf_auth_options *auth = &client->options->auth;
  return hf_scram_first(&(hf_scram_client){.binds = auth->binds, .username = auth->username, .nonce = nonce});
}

bool hf_authentication_begin(hf_client *client) {
  hf_bytes *kept = &client->given.of[HF_GIVEN_AUTH];
  if (client->options->auth.hash == HF_SCRAM_NONE) return true;
  if (!client->nonce) client->nonce = malloc(HF_SCRAM_NONCE);
  char *word = client->nonce ? first_word(client, client->nonce) : NULL;
  *kept = (hf_bytes){word, word ? strlen(word) : 0};
  return word != NULL;
}

static void tell_over(hf_client *client, hf_event *answer, hf_authenticated how) {
  hf_tell_fill(client, answer, HF_EVENT_AUTHENTICATED);
  answer->code = how;
  hf_tell_send(client, answer);
}

static bool ask_lua(hf_client *client, hf_bytes said) {
  hf_event *event = hf_tell_make(client, HF_EVENT_AUTHENTICATE);
  if (!event) return false;
  event->ticket = client->generation;
  event->text = malloc(said.length + 1);
  event->length = said.length;
  if (event->text) memcpy(event->text, said.data, said.length + 1);
  bool fine = event->text != NULL;
  hf_tell_send(client, event);
  return fine;
}

hf_failure hf_authentication_asked(hf_client *client, const hf_link_auth *asked) {
  hf_keeper *keeper = client->keeper;
  hf_bytes said = {asked->data, asked->length};
  if (asked->over) {
    hf_authentication_over(client, HF_AUTHENTICATED);
    return none;
  }
  bool fine = client->options->auth.hash == HF_SCRAM_NONE
                  ? ask_lua(client, said)
                  : client->nonce && hf_proof_ask(keeper->inbox, client, client->generation, asked);
  return fine ? none : because(HF_CLIENT_OUT_OF_MEMORY, NULL);
}

static hf_failure answer(hf_client *client, hf_bytes data, hf_bytes expected) {
  bool under_way = client->link && !client->leaving;
  if (!under_way || client->operations->authenticate(client->link, data, expected, false)) return none;
  return because(HF_CLIENT_OUT_OF_MEMORY, "the answer to the broker's AUTH could not be sent");
}

hf_failure hf_authentication_answered(hf_client *client, const hf_command *command) {
  const hf_bytes *parts = command->given.of;
  if (command->wish != client->generation) return none;
  if (command->failed) return because(HF_CLIENT_CREDENTIALS_FAILED, parts[0].data);
  return answer(client, parts[0], parts[1]);
}

hf_failure hf_authentication_proved(hf_client *client, const hf_proof *proof) {
  if (proof->question.mail.generation != client->generation) return none;
  if (proof->problem) return because(HF_CLIENT_AUTH_SERVER, proof->problem);
  return answer(client, (hf_bytes){proof->words.answer, strlen(proof->words.answer)},
                (hf_bytes){proof->words.expected, strlen(proof->words.expected)});
}

/* Until it has begun, the nonce is that of the exchange before, which may not be over. */
void hf_authentication_anew(hf_client *client, hf_command *command) {
  char nonce[HF_SCRAM_NONCE];
  bool ours = client->options->auth.hash != HF_SCRAM_NONE, can = client->connected && client->link && !client->leaving;
  char *word = ours && can ? first_word(client, nonce) : NULL;
  hf_bytes data = ours ? (hf_bytes){word, word ? strlen(word) : 0} : command->given.of[0];
  bool fine = can && (word || !ours);
  fine = fine && client->operations->authenticate(client->link, data, (hf_bytes){NULL, 0}, true);
  if (word) explicit_bzero(word, strlen(word));
  free(word);
  if (fine && ours) memcpy(client->nonce, nonce, sizeof nonce);
  hf_event *answer = command->answer;
  command->answer = NULL;
  if (!fine) {
    tell_over(client, answer, HF_AUTHENTICATED_NOT);
    return;
  }
  free(client->exchange); /* whose caller has gone */
  client->exchange = answer;
}

void hf_authentication_over(hf_client *client, hf_authenticated how) {
  hf_event *answer = client->exchange;
  client->exchange = NULL;
  if (answer) tell_over(client, answer, how);
}
