#include "keeper/inside.h"

#include "core/message.h"

/* ms until a link that would not take a publish is asked again, unless an outcome comes first. */
enum { OFFER_AGAIN = 20 };

bool hf_outbox_empty(const hf_client *client) {
  return !client->outbox.first && client->outbox.in_flight == 0;
}

static void end(hf_client *client, hf_publish *publish, bool delivered) {
  if (delivered)
    HF_COUNT(client, delivered, 1);
  else
    HF_COUNT(client, dropped, 1);
  bool tell = publish->flags & HF_PUBLISH_NOTIFY && !client->reaped && !atomic_load(&client->quiet);
  if (tell) {
    publish->mail.kind = HF_EVENT_OUTCOME;
    publish->mail.owner = client;
    hf_tell_mail(client, &publish->mail);
  } else {
    hf_client_credit(client, publish->weight);
    hf_publish_free(publish);
  }
}

static void drop(hf_client *client, hf_publish *publish, uint32_t why) {
  publish->flags |= why;
  end(client, publish, false);
}

static void append(hf_outbox *outbox, hf_publish *publish) {
  publish->next = NULL;
  if (outbox->last)
    outbox->last->next = publish;
  else
    outbox->first = publish;
  outbox->last = publish;
}

/* Back to where it stood: in front of everything that was posted after it. */
static void put_back(hf_outbox *outbox, hf_publish *publish) {
  hf_publish **at = &outbox->first;
  while (*at && (*at)->id < publish->id)
    at = &(*at)->next;
  publish->next = *at;
  *at = publish;
  if (!publish->next) outbox->last = publish;
}

static hf_publish *shift(hf_outbox *outbox) {
  hf_publish *publish = outbox->first;
  outbox->first = publish->next;
  if (!outbox->first) outbox->last = NULL;
  return publish;
}

void hf_outbox_accept(hf_client *client, hf_publish *publish) {
  if (client->finished) {
    drop(client, publish, HF_PUBLISH_CLOSED);
    return;
  }
  append(&client->outbox, publish);
  hf_driver_dirty(client);
}

/* What the broker said in CONNACK it will not take; sending it would cost the connection. */
static uint32_t unacceptable(const hf_client *client, const hf_publish *publish) {
  const hf_link_connected *limits = &client->limits;
  if (limits->maximum_packet_size > 0 && hf_publish_packet_size(publish) > limits->maximum_packet_size)
    return HF_PUBLISH_TOO_LARGE;
  if (publish->qos > limits->maximum_qos) return HF_PUBLISH_QOS;
  if (publish->retain && !limits->retain_available) return HF_PUBLISH_RETAIN;
  return 0;
}

void hf_outbox_pump(hf_client *client) {
  hf_outbox *outbox = &client->outbox;
  client->pump_at = HF_NEVER;
  while (outbox->first && outbox->in_flight < outbox->window) {
    bool suspect = outbox->first->flags & HF_PUBLISH_SUSPECT;
    if (outbox->suspect_out || (suspect && outbox->in_flight > 0)) break;
    uint32_t why = unacceptable(client, outbox->first);
    if (why) {
      drop(client, shift(outbox), why);
      continue;
    }
    /* Taken off before it is lent: a link may answer before `publish` returns. */
    hf_publish *publish = shift(outbox);
    if (!client->keeper->operations->publish(client->link, publish)) {
      put_back(outbox, publish);
      client->pump_at = client->keeper->now + OFFER_AGAIN;
      break;
    }
    if (publish->qos > 0) publish->flags |= HF_PUBLISH_SENT;
    outbox->suspect_out = suspect;
    outbox->in_flight++;
    HF_COUNT(client, sent, 1);
  }
}

static bool is_about_a_message(const hf_link_down *down) {
  static const uint8_t codes[] = {0x81, 0x82, 0x90, 0x94, 0x95, 0x99, 0x9A, 0x9B};
  if (down->reason->source != HF_SOURCE_DISCONNECT) return false;
  for (size_t i = 0; i < sizeof codes; i++) {
    if (codes[i] == down->code) return true;
  }
  return false;
}

void hf_outbox_blame(hf_client *client, const hf_link_down *down) {
  if (!is_about_a_message(down)) return;
  client->outbox.blamed = down->mail.generation;
  client->outbox.blame = (int16_t)down->code;
}

/* True when it is not to be sent again. */
static bool convicted(const hf_outbox *outbox, hf_publish *publish) {
  if (outbox->blamed == 0 || publish->mail.generation != outbox->blamed) return false;
  bool again = publish->flags & HF_PUBLISH_SUSPECT;
  publish->flags |= HF_PUBLISH_SUSPECT;
  if (again) publish->result = outbox->blame;
  return again;
}

void hf_outbox_delivered(hf_client *client, hf_publish *publish) {
  client->outbox.in_flight--;
  if (publish->flags & HF_PUBLISH_SUSPECT) client->outbox.suspect_out = false;
  if (publish->result == HF_LINK_RESULT_LOST) {
    if (client->finished)
      drop(client, publish, HF_PUBLISH_CLOSED);
    else if (convicted(&client->outbox, publish))
      drop(client, publish, HF_PUBLISH_GUILTY);
    else
      put_back(&client->outbox, publish);
    return;
  }
  end(client, publish, publish->result < 0x80);
}

void hf_outbox_withdraw(hf_client *client, uint64_t id) {
  hf_outbox *outbox = &client->outbox;
  hf_publish *before = NULL;
  for (hf_publish *publish = outbox->first; publish; before = publish, publish = publish->next) {
    if (publish->id != id) continue;
    if (publish->flags & HF_PUBLISH_SENT) break; /* it waits to be sent again: nobody could say that it never arrived */
    if (before)
      before->next = publish->next;
    else
      outbox->first = publish->next;
    if (outbox->last == publish) outbox->last = before;
    drop(client, publish, HF_PUBLISH_WITHDRAWN);
    return;
  }
  hf_event *event = hf_tell_make(client, HF_EVENT_NOT_WITHDRAWN);
  if (event) {
    event->id = id;
    hf_tell_send(client, event);
  }
}

void hf_outbox_drop_all(hf_client *client) {
  while (client->outbox.first)
    drop(client, shift(&client->outbox), HF_PUBLISH_CLOSED);
}
