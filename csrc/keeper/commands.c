#include "keeper/commands.h"

#include <stdlib.h>

#include "keeper/answers.h"
#include "keeper/attempt.h"
#include "keeper/authentication.h"
#include "keeper/command.h"
#include "keeper/door.h"
#include "keeper/driver.h"
#include "keeper/inbox.h"
#include "keeper/inside.h"
#include "keeper/keeping.h"
#include "keeper/knock.h"
#include "keeper/outbox.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"
#include "keeper/turn.h"

static void step(hf_client *client, hf_input input) {
  hf_driver_step(client, (hf_engine_event){.input = input}, NULL);
}

static void start(hf_client *client) {
  hf_keeper *keeper = client->keeper;
  if (client->engine.state != HF_STATE_IDLE) return;
  if (client->options->watch_network) keeper->watching = true;
  client->next = keeper->clients;
  client->previous = &keeper->clients;
  if (client->next) client->next->previous = &client->next;
  keeper->clients = client;
  step(client, HF_INPUT_START);
}

/* Closes here and now when there is nothing to wait for: what comes right behind, a start or a timer that is due, must
 * find the client closed. */
static void close_client(hf_client *client, int64_t timeout) {
  if (client->engine.state == HF_STATE_CLOSED) return;
  int64_t until = client->keeper->now + timeout;
  if (until < client->due[HF_DUE_FLUSH]) client->due[HF_DUE_FLUSH] = until;
  hf_client_dirty(client);
  hf_driver_close_when_flushed(client);
}

static void wish(hf_client *client, hf_wishing *wishing) {
  if (wishing->wish)
    hf_subscriptions_add(client->subscriptions, wishing->number, wishing->wish);
  else
    hf_subscriptions_remove(client->subscriptions, wishing->number);
  wishing->wish = NULL;
  hf_client_dirty(client);
}

static void delay(hf_client *client, const hf_command *command) {
  if (command->wish != client->generation || client->engine.state != HF_STATE_WAITING)
    return; /* the wait it was asked for is over */
  if (command->number < 0)
    step(client, HF_INPUT_REFUSE);
  else
    hf_driver_step(client,
                   (hf_engine_event){.input = HF_INPUT_DELAY,
                                     .delay = command->number > UINT32_MAX ? UINT32_MAX : (uint32_t)command->number},
                   NULL);
  hf_snapshot_attempt_ended(client);
}

static void handle(hf_client *client, hf_command *command) {
  switch ((enum hf_command_kind)command->mail.kind) {
  case HF_COMMAND_START:
    start(client);
    break;
  case HF_COMMAND_WAKE: /* somebody may have put something right: what was found of TLS is old */
    hf_diagnosis_over(client);
    step(client, HF_INPUT_WAKE);
    break;
  case HF_COMMAND_RECONNECT:
    hf_diagnosis_over(client);
    step(client, HF_INPUT_RECONNECT);
    break;
  case HF_COMMAND_NETWORK_CHANGED:
    hf_driver_hint(client);
    break;
  case HF_COMMAND_CREDENTIALS:
    hf_driver_heed(client, hf_attempt_credentials(client, command));
    break;
  case HF_COMMAND_AUTHENTICATE:
    hf_driver_heed_at_once(client, hf_authentication_answered(client, command));
    break;
  case HF_COMMAND_REAUTHENTICATE:
    hf_authentication_anew(client, command);
    break;
  case HF_COMMAND_TURN:
    hf_driver_heed(client, hf_attempt_place(client, command));
    break;
  case HF_COMMAND_DELAY:
    delay(client, command);
    break;
  case HF_COMMAND_PUBLISH: /* these are no hf_commands, or the keeper's */
  case HF_COMMAND_PUBLISHES:
  case HF_COMMAND_WITHDRAW:
  case HF_COMMAND_SUBSCRIBE:
  case HF_COMMAND_UNSUBSCRIBE:
  case HF_COMMAND_RESOLVED:
  case HF_COMMAND_FOUND:
  case HF_COMMAND_KNOCKED:
  case HF_COMMAND_PROVED:
  case HF_COMMAND_TRUSTED:
  case HF_COMMAND_DIAGNOSED:
  case HF_COMMAND_LIMIT:
  case HF_COMMAND_TRACE:
  case HF_COMMAND_STOP:
  case HF_COMMAND_SIGNALS:
    break;
  }
}

/* From here on it may be sent again; what it is about is read afterwards. */
static void heed(hf_client *client, hf_signal *signal) {
  hf_signal_kind kind = (hf_signal_kind)(signal->mail.kind - HF_COMMAND_SIGNALS);
  atomic_store(&signal->under_way, false);
  if (kind == HF_SIGNAL_REAP) {
    hf_turn_reap(client);
    return;
  }
  if (client->finished) return;
  switch (kind) {
  case HF_SIGNAL_CLOSE:
    close_client(client, (int64_t)atomic_load(&client->close_within));
    break;
  case HF_SIGNAL_RELEASE:
    step(client, HF_INPUT_RELEASE);
    break;
  case HF_SIGNAL_CONSUMED:
    hf_inbox_consumed(client);
    break;
  case HF_SIGNAL_NOT_KEPT:
    hf_client_dirty(client);
    break;
  case HF_SIGNAL_COMMITTED:
    hf_keeping_committed(client);
    break;
  case HF_SIGNAL_TENDED:
    hf_keeping_tended(client);
    break;
  case HF_SIGNAL_LOOK:
    hf_snapshot_path(client);
    break;
  case HF_SIGNAL_REAP:
  case HF_SIGNAL_COUNT:
    break;
  }
}

/* Each of them is a mail that the others spare. */
static void accept_all(hf_client *client, hf_publish_block *block) {
  unsigned count = hf_publish_block_seal(block);
  client->keeper->mails += count - 1;
  for (hf_publish *publish = hf_publish_block_first(block), *next; count > 0; count--, publish = next) {
    next = hf_publish_block_next(publish);
    hf_outbox_accept(client, publish);
  }
}

void hf_commands_mail(hf_client *client, hf_mail *mail) {
  if (mail->kind >= HF_COMMAND_SIGNALS) {
    heed(client, (hf_signal *)mail);
  } else if (mail->kind == HF_COMMAND_WITHDRAW) {
    hf_outbox_withdraw(client, (hf_event *)mail);
  } else if (mail->kind == HF_COMMAND_SUBSCRIBE || mail->kind == HF_COMMAND_UNSUBSCRIBE) {
    if (!client->finished) wish(client, (hf_wishing *)mail);
    hf_wishing_free((hf_wishing *)mail);
  } else if (mail->kind == HF_COMMAND_RESOLVED) {
    hf_driver_heed(client, hf_attempt_resolved(client, (hf_resolved *)mail));
  } else if (mail->kind == HF_COMMAND_FOUND) {
    hf_driver_heed(client, hf_attempt_found(client, (const hf_found *)mail));
    free(mail);
  } else if (mail->kind == HF_COMMAND_PROVED) {
    hf_driver_heed_at_once(client, hf_authentication_proved(client, (const hf_proof *)mail));
    hf_proof_free((hf_proof *)mail);
  } else if (mail->kind == HF_COMMAND_TRUSTED) {
    hf_driver_heed(client, hf_attempt_trusted(client, (hf_trusted *)mail));
    hf_trust_free((hf_trusted *)mail);
  } else if (mail->kind == HF_COMMAND_KNOCKED) {
    if (hf_primary_knocked(client, (const hf_knocked *)mail)) step(client, HF_INPUT_RECONNECT);
    free(mail);
  } else if (mail->kind == HF_COMMAND_DIAGNOSED) {
    hf_answers_diagnosed(client, (const hf_diagnosed *)mail);
    free(mail);
  } else if (mail->kind == HF_COMMAND_PUBLISH || mail->kind == HF_COMMAND_PUBLISHES) {
    if (mail->kind == HF_COMMAND_PUBLISH)
      hf_outbox_accept(client, (hf_publish *)mail);
    else
      accept_all(client, hf_publish_block_of(mail));
    if (client->dirty) {
      client->dues.references++;
      return;
    }
  } else {
    if (!client->finished) handle(client, (hf_command *)mail);
    hf_command_free((hf_command *)mail);
  }
  hf_client_drop(client);
}
