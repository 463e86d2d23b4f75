#include "keeper/outbox.h"

#include <stdlib.h>

#include "core/message.h"
#include "keeper/admission.h"
#include "keeper/door.h"
#include "keeper/dues.h"
#include "keeper/inside.h"
#include "keeper/keeping.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"
#include "keeper/trial.h"

enum {
  OFFER_AGAIN = 20,   /* ms until a link that would not take a publish is asked again, unless an outcome comes first */
  OPEN_AT_FIRST = 10, /* what may be in flight when a connection has just become ready: slow start */
  BREATH = 10,        /* ms that stand in for the acknowledgement of QoS 0 from the backlog */
};

bool hf_outbox_empty(const hf_client *client) {
  const hf_outbox *outbox = &client->outbox;
  return !outbox->again.first && !hf_lines_first(&outbox->fresh) && outbox->in_flight == 0;
}

/* Somebody knows its id, and may come back with it. */
static bool is_asked_for(const hf_publish *publish) {
  return publish->flags & HF_PUBLISH_NOTIFY;
}

static void end(hf_client *client, hf_publish *publish, bool delivered) {
  hf_list_remove(&publish->by_age);
  hf_heap_remove(&client->outbox.timers, &publish->timer);
  if (is_asked_for(publish)) hf_index_remove(&client->outbox.all, &publish->by_id);
  hf_trial_forget(client, publish);
  hf_keeping_over(client, publish);
  if (delivered)
    client->dues.delivered++;
  else if (!(publish->flags & HF_PUBLISH_KEPT))
    hf_count_drop(client, publish);
  bool tell = publish->flags & HF_PUBLISH_NOTIFY && !client->reaped && !atomic_load(&client->quiet);
  bool plain = delivered && publish->result == 0 && publish->flags & HF_PUBLISH_AWAITED;
  hf_publish *outcome = hf_client_outcome(client, publish, tell);
  if (outcome && plain && client->dirty)
    hf_tell_in_row(client, outcome);
  else if (outcome)
    hf_tell_mail(client, &outcome->mail);
}

static void drop(hf_client *client, hf_publish *publish, uint32_t why) {
  publish->flags |= why;
  end(client, publish, false);
}

static hf_line *line_of(hf_outbox *outbox, const hf_publish *publish) {
  return publish->flags & HF_PUBLISH_LENT ? &outbox->again : hf_lines_of(&outbox->fresh, publish);
}

static void pull(hf_client *client, hf_publish *publish, uint32_t why) {
  hf_line_remove(line_of(&client->outbox, publish), publish);
  drop(client, publish, why);
}

/* Whether its ttl still counts. What the broker may have is sent until it is answered, but not what is accused. */
static bool may_expire(const hf_publish *publish) {
  return !(publish->flags & HF_PUBLISH_SENT) || publish->flags & HF_PUBLISH_ACCUSED;
}

static void watch(hf_outbox *outbox, hf_publish *publish) {
  if (publish->deadline < INT64_MAX && may_expire(publish))
    hf_heap_set(&outbox->timers, &publish->timer, publish->deadline);
}

/* Back to where it stood: in front of everything of its priority that was posted after it. */
static void put_back(hf_outbox *outbox, hf_publish *publish) {
  hf_line_insert(line_of(outbox, publish), publish);
  watch(outbox, publish);
}

/* Elsewhere nobody goes for another, though a store may have had more than there is room for. */
static bool overfull(hf_client *client) {
  if (client->options->overflow != HF_OVERFLOW_DROP_OLDEST) return false;
  hf_dues_pay(client);
  hf_queued queued = hf_account_queued(&client->account);
  return queued.messages > client->options->queue_messages || queued.bytes > client->options->queue_bytes;
}

void hf_outbox_accept(hf_client *client, hf_publish *publish) {
  hf_outbox *outbox = &client->outbox;
  publish->accepted = client->keeper->now;
  hf_list_append(&outbox->ages, &publish->by_age);
  if (is_asked_for(publish)) hf_index_put(&outbox->all, &publish->by_id, (uint32_t)publish->id);
  if (client->finished) {
    drop(client, publish, HF_PUBLISH_CLOSED);
    return;
  }
  publish->place = publish->flags & HF_PUBLISH_LENT ? ++outbox->lent : publish->id;
  hf_line_append(line_of(outbox, publish), publish);
  watch(outbox, publish);
  hf_client_dirty(client);
}

void hf_outbox_trim(hf_client *client) {
  for (hf_publish *least; overfull(client) && (least = hf_lines_least(&client->outbox.fresh));)
    pull(client, least, HF_PUBLISH_OVERFLOW);
}

void hf_outbox_expire(hf_client *client) {
  hf_heap_item *item;
  while ((item = hf_heap_first(&client->outbox.timers)) && item->due <= client->keeper->now)
    pull(client, (hf_publish *)(void *)((char *)item - offsetof(hf_publish, timer)), HF_PUBLISH_EXPIRED);
}

int64_t hf_outbox_due(const hf_client *client) {
  const hf_heap_item *first = hf_heap_first(&client->outbox.timers);
  return first ? first->due : HF_NEVER;
}

/* ---- how much may go out ---- */

static void open_by(hf_outbox *outbox, size_t more) {
  outbox->open = outbox->open + more < outbox->window ? outbox->open + more : outbox->window;
}

/* At the first connection; those that follow go on with what is left. */
static void begin_limits(hf_client *client) {
  const hf_client_options *options = client->options;
  hf_outbox *outbox = &client->outbox;
  int64_t now = client->keeper->now;
  if (options->publish_per_second > 0 && !(outbox->pace.per_ms > 0))
    hf_budget_set(&outbox->pace, options->publish_per_second, options->publish_burst, now);
  if (options->bytes_per_second > 0 && !(outbox->flow.per_ms > 0))
    hf_budget_set(&outbox->flow, options->bytes_per_second, options->bytes_per_second, now);
}

static bool has_limits(const hf_outbox *outbox) {
  return outbox->pace.per_ms > 0 || outbox->flow.per_ms > 0;
}

/* ms until one more may go out. One that is larger than all that can be saved up is owed for afterwards. */
static int64_t limited_for(hf_outbox *outbox, int64_t now) {
  if (!has_limits(outbox)) return 0;
  int64_t pace = hf_budget_wait(&outbox->pace, 1, now), flow = hf_budget_wait(&outbox->flow, 0, now);
  return pace > flow ? pace : flow;
}

static void spend(hf_outbox *outbox, const hf_publish *publish, double times) {
  if (!has_limits(outbox)) return;
  hf_budget_spend(&outbox->pace, times);
  if (outbox->flow.per_ms > 0) hf_budget_spend(&outbox->flow, times * (double)hf_publish_packet_size(publish));
}

void hf_outbox_ready(hf_client *client) {
  hf_outbox *outbox = &client->outbox;
  uint64_t last = hf_lines_latest(&outbox->fresh);
  outbox->open = 0;
  open_by(outbox, OPEN_AT_FIRST);
  if (last == 0 && outbox->again.last) last = outbox->again.last->id;
  outbox->backlog = last;
  begin_limits(client);
  outbox->burst = 0;
  outbox->breath_until = HF_NEVER;
  hf_trial_ready(client);
}

static bool unacknowledged_backlog(const hf_outbox *outbox, const hf_publish *publish) {
  return publish->qos == 0 && publish->id <= outbox->backlog;
}

static void breathe(hf_outbox *outbox, int64_t now) {
  if (now < outbox->breath_until) return;
  open_by(outbox, outbox->burst);
  outbox->burst = 0;
  outbox->breath_until = HF_NEVER;
}

/* What the broker said in CONNACK it will not take; sending it would cost the connection. */
static uint32_t unacceptable(const hf_client *client, const hf_publish *publish) {
  const hf_link_connected *limits = &client->limits;
  if (limits->maximum_packet_size > 0 && hf_publish_packet_size(publish) > limits->maximum_packet_size)
    return HF_PUBLISH_TOO_LARGE;
  if (publish->qos > limits->maximum_qos) return HF_PUBLISH_QOS;
  if (publish->retain && !limits->retain_available) return HF_PUBLISH_RETAIN;
  if (publish->deadline <= client->keeper->now && may_expire(publish)) return HF_PUBLISH_EXPIRED;
  return 0;
}

/* False when it is to be offered again. */
static bool lend(hf_client *client, hf_publish *publish) {
  hf_outbox *outbox = &client->outbox;
  int64_t now = client->keeper->now;
  hf_publish_count_down(publish, now);
  /* Taken off before it is lent: a link may answer before `publish` returns. */
  hf_heap_remove(&outbox->timers, &publish->timer);
  hf_line_remove(line_of(outbox, publish), publish);
  spend(outbox, publish, 1);
  if (!client->operations->publish(client->link, publish)) {
    put_back(outbox, publish);
    spend(outbox, publish, -1);
    client->due[HF_DUE_PUMP] = now + OFFER_AGAIN;
    return false;
  }
  if (!(publish->flags & HF_PUBLISH_LENT)) publish->place = ++outbox->lent;
  publish->flags |= publish->qos > 0 ? HF_PUBLISH_LENT | HF_PUBLISH_SENT : HF_PUBLISH_LENT;
  outbox->in_flight++;
  hf_trial_lent(client, publish);
  if (unacknowledged_backlog(outbox, publish)) {
    outbox->burst++;
    if (outbox->breath_until == HF_NEVER) outbox->breath_until = now + BREATH;
  }
  client->dues.sent++;
  return true;
}

void hf_outbox_pump(hf_client *client) {
  hf_outbox *outbox = &client->outbox;
  hf_publish *publish;
  client->due[HF_DUE_PUMP] = HF_NEVER;
  breathe(outbox, client->keeper->now);
  while (outbox->in_flight < outbox->open && (publish = hf_trial_next(client))) {
    uint32_t why = unacceptable(client, publish);
    if (why) {
      pull(client, publish, why);
      continue;
    }
    if (unacknowledged_backlog(outbox, publish) && outbox->burst >= outbox->open) {
      client->due[HF_DUE_PUMP] = outbox->breath_until;
      break;
    }
    int64_t wait = limited_for(outbox, client->keeper->now);
    if (wait > 0) {
      client->due[HF_DUE_PUMP] = client->keeper->now + wait;
      break;
    }
    if (hf_keeping_holds_back(client, publish) || !lend(client, publish)) break;
  }
}

/* ---- what became of it ---- */

void hf_outbox_delivered(hf_client *client, hf_publish *publish) {
  hf_outbox *outbox = &client->outbox;
  outbox->in_flight--;
  if (outbox->trial.alone == publish) outbox->trial.alone = NULL;
  if (publish->result == HF_LINK_RESULT_LOST) {
    if (client->finished)
      drop(client, publish, HF_PUBLISH_CLOSED);
    else if (hf_trial_convicts(client, publish))
      drop(client, publish, HF_PUBLISH_GUILTY);
    else
      put_back(outbox, publish);
    return;
  }
  if (!unacknowledged_backlog(outbox, publish)) open_by(outbox, 1);
  hf_trial_answered(client, publish);
  end(client, publish, publish->result < 0x80);
}

static hf_publish *find_again(const hf_line *line, uint64_t id) {
  hf_publish *publish = line->first;
  while (publish && publish->id != id)
    publish = publish->next;
  return publish;
}

static hf_publish *find_fresh(const hf_line *line, uint64_t id) {
  hf_publish *publish = line->last;
  while (publish && publish->id > id)
    publish = publish->previous;
  return publish && publish->id == id ? publish : NULL;
}

/* What nobody asks for is looked for where it stands; calls that wait, which are those that come back, ask. */
static hf_publish *find(const hf_outbox *outbox, uint64_t id) {
  hf_index_link *at = hf_index_find(&outbox->all, (uint32_t)id);
  for (; at; at = hf_index_again(at)) {
    hf_publish *publish = (hf_publish *)(void *)((char *)at - offsetof(hf_publish, by_id));
    if (publish->id == id) return publish;
  }
  hf_publish *publish = find_again(&outbox->again, id);
  for (size_t priority = 0; !publish && priority < HF_PRIORITIES; priority++)
    publish = find_fresh(&outbox->fresh.of[priority], id);
  return publish;
}

void hf_outbox_withdraw(hf_client *client, hf_event *answer) {
  hf_outbox *outbox = &client->outbox;
  hf_publish *publish = find(outbox, answer->id);
  /* One that waits to be sent again is not given back: nobody could say that it never arrived. */
  if (publish && !(publish->flags & HF_PUBLISH_SENT) && hf_line_has(line_of(outbox, publish), publish)) {
    pull(client, publish, HF_PUBLISH_WITHDRAWN);
    free(answer);
  } else if (client->finished) {
    free(answer); /* the outcome is told already, or on its way */
  } else {
    hf_tell_fill(client, answer, HF_EVENT_NOT_WITHDRAWN);
    hf_tell_send(client, answer);
  }
}

void hf_outbox_drop_all(hf_client *client) {
  hf_outbox *outbox = &client->outbox;
  while (outbox->again.first)
    pull(client, outbox->again.first, HF_PUBLISH_CLOSED);
  for (hf_publish *publish; (publish = hf_lines_first(&outbox->fresh));)
    pull(client, publish, HF_PUBLISH_CLOSED);
}
