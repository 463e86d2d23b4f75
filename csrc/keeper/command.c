#define _DEFAULT_SOURCE
#include "keeper/command.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/inside.h"

void hf_command_free(hf_command *command) {
  for (const hf_bytes *part = command->given.of; part < command->given.of + HF_GIVEN_PARTS; part++)
    if (part->data) explicit_bzero((char *)part->data, part->length);
  free(command->answer);
  free(command);
}

void hf_wishing_free(hf_wishing *wishing) {
  hf_wish_free(wishing->wish);
  free(wishing);
}

static void discard_command(hf_mail *mail) {
  hf_command_free((hf_command *)mail);
}

static void discard_publish(hf_mail *mail) {
  hf_publish_free((hf_publish *)mail);
}

static void discard_publishes(hf_mail *mail) {
  hf_publish_block_discard(hf_publish_block_of(mail));
}

static void discard_wishing(hf_mail *mail) {
  hf_wishing_free((hf_wishing *)mail);
}

static void discard_trusted(hf_mail *mail) {
  hf_trust_free((hf_trusted *)mail);
}

static void discard_proof(hf_mail *mail) {
  hf_proof_free((hf_proof *)mail);
}

static void discard_block(hf_mail *mail) {
  free(mail);
}

#define discard_event discard_block
#define discard_resolved discard_block
#define discard_found discard_block
#define discard_knocked discard_block
#define discard_diagnosed discard_block

void hf_commands_discard(hf_mail *mail) {
  static void (*const discards[HF_COMMAND_SIGNALS - HF_MAIL_COMMAND_BASE])(hf_mail * mail) = {
#define DISCARDS(name, what) [HF_COMMAND_##name - HF_MAIL_COMMAND_BASE] = discard_##what,
      HF_COMMAND_KINDS(DISCARDS, DISCARDS)
#undef DISCARDS
  };
  hf_client *client = mail->owner;
  if (mail->kind >= HF_COMMAND_SIGNALS)
    atomic_store(&((hf_signal *)mail)->under_way, false);
  else
    discards[mail->kind - HF_MAIL_COMMAND_BASE](mail);
  if (client) hf_client_drop(client);
}
