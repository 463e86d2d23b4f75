#include "keeper/question.h"

#include <stdlib.h>

void *hf_question_new(size_t size, hf_mailbox *inbox, hf_client *client, uint32_t generation, unsigned command) {
  hf_question *question = calloc(1, size);
  if (!question) return NULL;
  question->mail = (hf_mail){.owner = hf_client_hold(client), .generation = generation, .kind = (uint16_t)command};
  question->inbox = hf_mailbox_hold(inbox);
  return question;
}

bool hf_question_ask(hf_question *question) {
  if (hf_errand_send(&question->errand)) return true;
  hf_mailbox_release(question->inbox);
  hf_client_drop(question->mail.owner);
  free(question);
  return false;
}

void hf_question_answer(hf_question *question) {
  hf_mailbox *inbox = question->inbox;
  question->inbox = NULL;
  hf_mailbox_push(inbox, &question->mail);
  hf_mailbox_release(inbox);
}

hf_question *hf_question_of(const hf_errand *errand) {
  return (hf_question *)(void *)((char *)(uintptr_t)errand - offsetof(hf_question, errand));
}
