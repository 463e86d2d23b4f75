#include "keeper/answers.h"

#include <stdlib.h>
#include <string.h>

#include "core/topic.h"
#include "keeper/attempt.h"
#include "keeper/authentication.h"
#include "keeper/door.h"
#include "keeper/driver.h"
#include "keeper/inbox.h"
#include "keeper/inside.h"
#include "keeper/outbox.h"
#include "keeper/pair.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"
#include "keeper/trial.h"
#include "keeper/wishes.h"

/* Only who leaves the choice to the broker is given an id (MQTT 5 section 3.2.2.3.7), and one that no CONNECT can carry
 * would be the end of all further attempts. */
static void take_assigned_id(hf_client *client, hf_link_connected *connected) {
  const char *id = connected->assigned_client_id;
  if (!id || *id == '\0' || *client->options->client_id != '\0') return;
  if (hf_utf8_problem((hf_bytes){id, strlen(id)})) return;
  free(client->assigned_id);
  client->assigned_id = connected->assigned_client_id;
  connected->assigned_client_id = NULL;
}

/* What MQTT 3.1.1 leaves unsaid: mosquitto answers what exceeds its max_inflight_messages of 20, and throws it away. */
enum { WINDOW_OF_3 = 20 };

static void apply_limits(hf_client *client, hf_link_connected *connected) {
  const hf_link_operations *operations = client->operations;
  take_assigned_id(client, connected);
  client->limits = *connected;
  client->limits.properties = NULL;
  client->limits.assigned_client_id = client->limits.response_information = NULL;
  free(client->response_information);
  client->response_information = connected->response_information;
  connected->response_information = NULL;
  uint16_t allowed = connected->receive_maximum, ours = client->options->window;
  if (ours == 0 && client->protocol < 5) ours = WINDOW_OF_3;
  if (ours > 0 && ours < allowed) allowed = ours;
  client->outbox.window = allowed < operations->window ? allowed : operations->window;
}

static uint64_t bit_of_server(const hf_client *client) {
  return UINT64_C(1) << (client->engine.server < 63 ? client->engine.server : 63);
}

static void connected(hf_client *client, hf_link_connected *answer) {
  if (client->engine.state != HF_STATE_CONNECTING) return;
  /* With a clean start the client MUST close the connection [MQTT-3.2.2-4]; and nobody can have left a session under an
   * id that was drawn for this client, so it is cleaned away. */
  bool strange = client->options->end_session && !client->was_connected && !client->store;
  if (answer->session_present && (client->asked_clean || strange)) {
    client->strange = strange;
    client->operations->abandon(client->link);
    hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_SESSION_MISMATCH,
                   client->asked_clean ? NULL : "a session under an id that nobody had before");
    return;
  }
  if (answer->receive_maximum == 0) { /* a protocol error (MQTT 5 section 3.2.2.3.3), with which nothing can be sent */
    client->operations->abandon(client->link);
    hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_PROTOCOL_ERROR, "CONNACK with a Receive Maximum of 0");
    return;
  }
  bool second = hf_pair_connected(client, &answer->rival);
  apply_limits(client, answer);
  client->connected = client->was_connected = true;
  hf_walk_reached(client);
  client->on_trial = false;
  if (client->protocol == 5) client->spoke_5 |= bit_of_server(client);
  client->ready = false;
  if (!answer->session_present) client->begun_at = client->server->text;
  hf_subscriptions_connected(client->subscriptions, answer->session_present);
  hf_snapshot_attempt_phase(client, HF_PHASE_UP);
  hf_snapshot_path(client);
  hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_CONNECTED, .second = second}, NULL);
}

/* Exactly once goes on where the session is the same, which in another version it is not. */
static bool mid_exchange(const hf_client *client) {
  const hf_link_operations *operations = client->operations;
  return client->outbox.in_flight > 0 ||
         (client->link && operations->mid_exchange && operations->mid_exchange(client->link));
}

/* A broker that answered in 3.1.1 speaks it, whatever it said; everything else leaves us where we were. */
static void judge_trial(hf_client *client, const hf_link_down *down) {
  client->on_trial = false;
  if (down->reason->source == HF_SOURCE_CONNACK_V3) return;
  client->protocol = 5;
  client->closings = 0;
  if (client->trials < 2) client->trials++;
}

/* RabbitMQ 3.10 is one of those that close a connection over the CONNECT of MQTT 5 and do not say why. So does a proxy
 * whose broker is down; but not twice in a row where MQTT 5 has never been spoken, as a rule, and then 3.1.1 does not
 * help either: the next try of it comes after more evidence, and much more. */
static bool try_4(hf_client *client, const hf_link_down *down) {
  enum { ENOUGH = 2 };
  bool closed = down->reason == hf_reason_find(HF_SOURCE_NETWORK, HF_NETWORK_CLOSED_BEFORE_CONNACK);
  if (!closed || client->protocol != 5 || (client->spoke_5 & bit_of_server(client))) {
    client->closings = 0;
    return false;
  }
  if (client->closing != client->server->text) client->closings = 0;
  client->closing = client->server->text;
  if (++client->closings < ENOUGH << 2 * client->trials || mid_exchange(client)) return false;
  client->closings = 0;
  client->on_trial = true;
  client->protocol = 4;
  hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_DOWNGRADED, "it closes connections of MQTT 5 without a word");
  return true;
}

/* MQTT 3.1.1 is worth one try when a broker will not speak 5 and the user allows it; and so is 5 where another one
 * will not speak 3.1.1. */
static bool change_protocol(hf_client *client, const hf_link_down *down) {
  if (!client->options->fallback) return false;
  if (client->on_trial)
    judge_trial(client, down);
  else if (try_4(client, down))
    return true;
  if (strcmp(down->reason->name, "unsupported_protocol_version") != 0 || mid_exchange(client)) return false;
  bool down_to_4 = client->protocol == 5;
  if (!down_to_4 && client->server->text == client->downgraded_at) return false; /* it speaks neither */
  if (down_to_4) client->downgraded_at = client->server->text;
  client->protocol = down_to_4 ? 4 : 5;
  hf_driver_fail(client, HF_SOURCE_CLIENT, down_to_4 ? HF_CLIENT_DOWNGRADED : HF_CLIENT_UPGRADED, down->text);
  return true;
}

enum { LONGEST_REQUEST = 3600 /* s that a server may ask to be left alone: a mistake of its must not be for ever */ };

/* A failure whose reason is as good as it gets. */
static void pass_on(hf_client *client, const hf_link_down *down) {
  if (hf_reason_is_about_time(down->reason)) client->keeper->watching_clock = true;
  hf_snapshot_attempt_phase(client, down->phase);
  hf_pair_failed(client, &down->rival);
  if (change_protocol(client, down)) return;
  uint32_t least = down->retry_after < LONGEST_REQUEST ? down->retry_after : LONGEST_REQUEST;
  hf_engine_event event = {.input = HF_INPUT_FAILED, .reason = down->reason, .code = down->code, .least = least * 1000};
  hf_driver_step(client, event, down);
}

void hf_answers_let_go(hf_client *client) {
  hf_link_down held = hf_diagnosis_let_go(client);
  pass_on(client, &held);
  free(held.text);
  free(held.server_reference);
}

void hf_answers_diagnosed(hf_client *client, const hf_diagnosed *answer) {
  if (hf_attempt_diagnosed(client, answer)) hf_answers_let_go(client);
}

static void ended(hf_client *client, hf_link_down *down) {
  bool failed = down->mail.kind == HF_LINK_FAILED;
  if (client->engine.state != (failed ? HF_STATE_CONNECTING : HF_STATE_CONNECTED))
    return; /* it crossed with a decision of ours */
  if (failed) {
    if (client->operations->exact || !hf_attempt_holds_back(client, down)) pass_on(client, down);
    return;
  }
  hf_snapshot_attempt_phase(client, down->phase);
  hf_engine_event event = {.input = HF_INPUT_LOST, .reason = down->reason, .code = down->code};
  hf_trial_ended(client, down, &event);
  if (hf_wishes_blame(client, down)) event.cured = true;
  hf_driver_step(client, event, down);
}

/* The link acknowledges whatever it hands over, so the only way not to be given more than Lua can take is to be away:
 * the broker's session keeps the rest, and Receive Maximum bounds what is on its way. */
static void step_away(hf_client *client) {
  atomic_store(&client->held, true);
  hf_engine_event event = {.input = HF_INPUT_HOLD,
                           .reason = hf_reason_find(HF_SOURCE_CLIENT, HF_CLIENT_SLOW_CONSUMER),
                           .code = HF_CLIENT_SLOW_CONSUMER};
  hf_driver_step(client, event, NULL);
  hf_client_consumed(client, (hf_consumed){0}); /* Lua may have drained between the look and the flag */
}

hf_mail *hf_answers_messages(hf_client *client, hf_mail *mail, size_t *count) {
  const char *wrong;
  switch (hf_inbox_messages(client, &mail, count, &wrong)) {
  case HF_INBOX_WELL:
    break;
  case HF_INBOX_FULL:
    step_away(client);
    break;
  case HF_INBOX_VIOLATED:
    hf_driver_lose(client, HF_CLIENT_PROTOCOL_ERROR, wrong);
    break;
  }
  return mail;
}

void hf_answers_mail(hf_client *client, hf_mail *mail) {
  hf_client_dirty(client);
  /* A publish must be accounted for, whatever has become of its connection. */
  if (mail->kind == HF_LINK_DELIVERED) {
    hf_outbox_delivered(client, (hf_publish *)mail);
    return;
  }
  bool current = mail->generation == client->generation;
  if (mail->kind == HF_LINK_CLOSED ||
      (client->leaving && (mail->kind == HF_LINK_DOWN || mail->kind == HF_LINK_FAILED))) {
    client->leaving = false;
    hf_driver_heed(client, hf_attempt_left(client));
  } else if (current && !client->finished) {
    switch ((enum hf_link_mail)mail->kind) {
    case HF_LINK_CONNECTED:
      connected(client, (hf_link_connected *)mail);
      break;
    case HF_LINK_SUBSCRIBED:
    case HF_LINK_UNSUBSCRIBED:
      if (client->connected) hf_wishes_answer(client, (hf_link_answer *)mail);
      break;
    case HF_LINK_AUTH:
      hf_driver_heed_at_once(client, hf_authentication_asked(client, (const hf_link_auth *)mail));
      break;
    case HF_LINK_RENEW:
      if (client->connected) hf_driver_renew(client);
      break;
    case HF_LINK_FAILED:
    case HF_LINK_DOWN:
      ended(client, (hf_link_down *)mail);
      break;
    case HF_LINK_STEP:
      hf_tell_step(client, (hf_step *)mail);
      return;
    case HF_LINK_CLOSED:
    case HF_LINK_MESSAGE:
    case HF_LINK_DELIVERED:
      break;
    }
  }
  hf_link_mail_free(mail);
}
