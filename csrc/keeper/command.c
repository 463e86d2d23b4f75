#define _DEFAULT_SOURCE
#include "keeper/command.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/inside.h"

/* A user name and a password may be in it. */
void hf_command_free(hf_command *command) {
  if (command->first.data) explicit_bzero((char *)command->first.data, command->first.length);
  if (command->second.data) explicit_bzero((char *)command->second.data, command->second.length);
  free(command);
}

void hf_wishing_free(hf_wishing *wishing) {
  hf_wish_free(wishing->wish);
  free(wishing);
}

void hf_commands_discard(hf_mail *mail) {
  hf_client *client = mail->owner;
  if (mail->kind >= HF_COMMAND_SIGNALS)
    atomic_store(&((hf_signal *)mail)->under_way, false);
  else if (mail->kind == HF_COMMAND_PUBLISH)
    hf_publish_free((hf_publish *)mail);
  else if (mail->kind == HF_COMMAND_SUBSCRIBE || mail->kind == HF_COMMAND_UNSUBSCRIBE)
    hf_wishing_free((hf_wishing *)mail);
  else if (mail->kind == HF_COMMAND_TRUSTED)
    hf_trust_free((hf_trusted *)mail);
  else if (mail->kind == HF_COMMAND_RESOLVED || mail->kind == HF_COMMAND_DIAGNOSED ||
           mail->kind == HF_COMMAND_KNOCKED || mail->kind == HF_COMMAND_WITHDRAW)
    free(mail);
  else
    hf_command_free((hf_command *)mail);
  if (client) hf_client_drop(client);
}
