#include "keeper/inside.h"

#include <stdlib.h>
#include <string.h>

#include "core/topic.h"

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
  client->limits.assigned_client_id = NULL;
  uint16_t allowed = connected->receive_maximum, ours = client->options->window;
  if (ours == 0 && client->protocol < 5) ours = WINDOW_OF_3;
  if (ours > 0 && ours < allowed) allowed = ours;
  client->outbox.window = allowed < operations->window ? allowed : operations->window;
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
  apply_limits(client, answer);
  client->connected = client->was_connected = true;
  client->ready = false;
  if (!answer->session_present) client->begun_at = client->server;
  hf_subscriptions_connected(client->subscriptions, answer->session_present);
  hf_snapshot_attempt_phase(client, HF_PHASE_UP);
  hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_CONNECTED}, NULL);
}

/* MQTT 3.1.1 is worth one try when a broker will not speak 5 and the user allows it; and so is 5 where another one
 * will not speak 3.1.1. */
static bool change_protocol(hf_client *client, const hf_link_down *down) {
  if (!client->options->fallback || strcmp(down->reason->name, "unsupported_protocol_version")) return false;
  bool down_to_4 = client->protocol == 5;
  if (!down_to_4 && client->server == client->downgraded_at) return false; /* it speaks neither */
  if (down_to_4) client->downgraded_at = client->server;
  client->protocol = down_to_4 ? 4 : 5;
  hf_driver_fail(client, HF_SOURCE_CLIENT, down_to_4 ? HF_CLIENT_DOWNGRADED : HF_CLIENT_UPGRADED, down->text);
  return true;
}

void hf_answers_failed(hf_client *client, const hf_link_down *down) {
  hf_snapshot_attempt_phase(client, down->phase);
  if (change_protocol(client, down)) return;
  hf_outbox_blame(client, down);
  hf_engine_event event = {.input = HF_INPUT_FAILED, .reason = down->reason, .code = down->code};
  hf_driver_step(client, event, down);
}

static void ended(hf_client *client, hf_link_down *down) {
  bool failed = down->mail.kind == HF_LINK_FAILED;
  if (client->engine.state != (failed ? HF_STATE_CONNECTING : HF_STATE_CONNECTED))
    return; /* it crossed with a decision of ours */
  if (failed) {
    if (client->operations->exact || !hf_diagnosis_takes(client, down)) hf_answers_failed(client, down);
    return;
  }
  hf_snapshot_attempt_phase(client, down->phase);
  hf_outbox_blame(client, down);
  hf_wishes_blame(client, down);
  hf_engine_event event = {.input = HF_INPUT_LOST, .reason = down->reason, .code = down->code};
  hf_driver_step(client, event, down);
}

void hf_answers_mail(hf_client *client, hf_mail *mail) {
  /* A message has been acknowledged and a publish must be accounted for, whatever has become of their connection. */
  if (mail->kind == HF_LINK_MESSAGE) {
    hf_inbox_message(client, (hf_message *)mail);
    return;
  }
  hf_driver_dirty(client);
  if (mail->kind == HF_LINK_DELIVERED) {
    hf_outbox_delivered(client, (hf_publish *)mail);
    return;
  }
  bool current = mail->generation == client->generation;
  if (mail->kind == HF_LINK_CLOSED ||
      (client->leaving && (mail->kind == HF_LINK_DOWN || mail->kind == HF_LINK_FAILED))) {
    client->leaving = false;
    hf_attempt_left(client);
  } else if (current && !client->finished) {
    switch ((enum hf_link_mail)mail->kind) {
    case HF_LINK_CONNECTED:
      connected(client, (hf_link_connected *)mail);
      break;
    case HF_LINK_SUBSCRIBED:
    case HF_LINK_UNSUBSCRIBED:
      if (client->connected) hf_wishes_answer(client, (hf_link_answer *)mail);
      break;
    case HF_LINK_RENEW:
      if (client->connected) hf_driver_renew(client);
      break;
    case HF_LINK_FAILED:
    case HF_LINK_DOWN:
      ended(client, (hf_link_down *)mail);
      break;
    case HF_LINK_CLOSED:
    case HF_LINK_MESSAGE:
    case HF_LINK_DELIVERED:
      break;
    }
  }
  hf_link_mail_free(mail);
}
