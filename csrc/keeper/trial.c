#include "keeper/trial.h"

#include "core/random.h"
#include "keeper/inside.h"

/* Which publish do connections end over? What was in flight when one ended is suspect if the broker named such a
 * reason, or if several ended in a row with nothing acknowledged. Suspects go out one at a time, in their order.
 *
 * After an end that was named, one that is in flight when it happens again is the culprit. An end without a word may be
 * the link's as well, so whichever it has struck alone is put on trial: whenever there is something else to be sent,
 * the toss of a coin that no link can know says whose turn it is, that of the accused, which goes out alone, or that of
 * the others, which must be acknowledged. To have a good message convicted a link would have to break in each turn of
 * the accused and in none of theirs, which is to guess each toss: with a fair coin each turn counts one bit. Where
 * there are few others the coin spares them: three turns in four are the accused's, and a turn of theirs counts two
 * bits. What is asked for below happens once in 100,000 times, whatever the link does, and one break in a turn of the
 * others has it all begin anew. While there are no others nothing is proven, whatever happens: then the accused are
 * tried now and then. */

enum {
  BARREN = 4,         /* connections */
  ACCUSED_MOST = 100, /* at once; one is on trial */
  FEW = 12,           /* messages in the queue */
  PORTION = 64,       /* of what is in the queue, the part that goes out in a turn of the others, and one more */
  DEATHS = 6,         /* of connections, at least */
  TURNS = 3,          /* of the others, at least */
  BIT = 100,
  ENOUGH = 17 * BIT,
  HOLD = 250,        /* ms that the accused wait for others; doubled with each connection that ends over one of them */
  HOLD_MOST = 60000, /* ms */
  PROMPT = 5000,     /* ms within which a broker closes over what it has been sent */
};

/* What a turn counts: the logarithm of its chance. */
static const struct {
  uint32_t of_four; /* so many turns are the accused's */
  uint32_t death, turn;
} coins[] = {{2, BIT, BIT}, {3, 42, 2 * BIT}};

static bool is_named(const hf_link_down *down) {
  static const uint8_t codes[] = {0x81, 0x82, 0x90, 0x94, 0x95, 0x99, 0x9A, 0x9B};
  if (down->about_publish) return true;
  if (down->reason->source != HF_SOURCE_DISCONNECT) return false;
  for (size_t i = 0; i < sizeof codes; i++)
    if (codes[i] == down->code) return true;
  return false;
}

/* The broker has closed, or the link has broken. */
static bool is_wordless(const hf_link_down *down) {
  int code = down->code;
  if (down->reason->source == HF_SOURCE_DISCONNECT) return code == 0x80 || code == 0x83;
  return down->reason->source == HF_SOURCE_NETWORK && (code == HF_NETWORK_CONNECTION_LOST || code == HF_NETWORK_RESET);
}

static bool is_prompt(const hf_client *client) {
  int64_t silence = client->options->detect_within ? client->options->detect_within : client->limits.keep_alive * 1000;
  int64_t limit = silence > 0 && silence / 2 < PROMPT ? silence / 2 : PROMPT; /* silence is no evidence */
  return client->keeper->now - client->outbox.trial.lent_at < limit;
}

static void begin_anew(hf_trial *trial) {
  trial->deaths = trial->turns = trial->evidence = 0;
  trial->hold = HOLD;
}

static bool is_convicted_by_another(const hf_trial *trial) {
  return trial->deaths + 1 >= DEATHS && trial->turns >= TURNS && trial->evidence + coins[trial->coin].death >= ENOUGH;
}

static void adjourn(hf_client *client) {
  hf_trial *trial = &client->outbox.trial;
  trial->turn = HF_TURN_OPEN;
  trial->hold_until = client->keeper->now + trial->hold;
}

static void put_on_trial(hf_client *client, hf_publish *publish) {
  client->outbox.trial.accused = publish;
  begin_anew(&client->outbox.trial);
  adjourn(client);
}

static void accuse(hf_client *client, hf_publish *publish) {
  hf_trial *trial = &client->outbox.trial;
  if (publish->flags & HF_PUBLISH_ACCUSED || trial->count == ACCUSED_MOST) return;
  publish->flags |= HF_PUBLISH_ACCUSED;
  trial->count++;
  if (!trial->accused) put_on_trial(client, publish);
}

static hf_publish *next_accused(hf_publish *from) {
  while (from && !(from->flags & HF_PUBLISH_ACCUSED))
    from = from->next;
  return from;
}

void hf_trial_forget(hf_client *client, hf_publish *publish) {
  hf_outbox *outbox = &client->outbox;
  if (!(publish->flags & HF_PUBLISH_ACCUSED)) return;
  publish->flags &= ~(uint32_t)HF_PUBLISH_ACCUSED;
  outbox->trial.count--;
  if (outbox->trial.accused == publish)
    put_on_trial(client, next_accused(outbox->again.first));
  else
    adjourn(client);
}

/* ---- whose turn it is ---- */

static hf_publish *first_of_the_others(const hf_outbox *outbox) {
  hf_publish *publish = outbox->again.first;
  while (publish && publish->flags & HF_PUBLISH_ACCUSED)
    publish = publish->next;
  return publish ? publish : hf_lines_first(&outbox->fresh);
}

/* Each of the accused, one after the other. */
static hf_publish *one_of_the_accused(hf_outbox *outbox) {
  hf_publish *publish = next_accused(outbox->again.first);
  while (publish && publish->place <= outbox->trial.tried)
    publish = next_accused(publish->next);
  if (!publish) publish = next_accused(outbox->again.first);
  if (publish) outbox->trial.tried = publish->place;
  return publish;
}

static void toss(hf_client *client) {
  hf_trial *trial = &client->outbox.trial;
  size_t queued = hf_account_queued(&client->account).messages;
  trial->coin = queued < FEW;
  bool its_turn = hf_random_between(&trial->random, 1, 4) <= coins[trial->coin].of_four;
  trial->turn = its_turn ? HF_TURN_ACCUSED : HF_TURN_OTHERS;
  trial->left = 1 + queued / PORTION;
  trial->answered = false;
}

static void others_had_their_turn(hf_client *client) {
  hf_trial *trial = &client->outbox.trial;
  if (trial->answered) {
    trial->turns++;
    trial->evidence += coins[trial->coin].turn;
  }
  adjourn(client);
}

static hf_publish *on_trial(hf_client *client, hf_publish *others) {
  hf_outbox *outbox = &client->outbox;
  hf_trial *trial = &outbox->trial;
  bool idle = outbox->in_flight == 0;
  if (trial->turn == HF_TURN_OTHERS && idle && (!others || trial->left == 0)) others_had_their_turn(client);
  if (trial->turn == HF_TURN_OPEN && idle && others) toss(client);
  if (trial->turn == HF_TURN_OTHERS) return trial->left > 0 ? others : NULL;
  if (!idle) return NULL;
  if (trial->turn == HF_TURN_ACCUSED) return trial->accused;
  if (client->keeper->now >= trial->hold_until) return one_of_the_accused(outbox);
  client->due[HF_DUE_TRIAL] = trial->hold_until;
  return NULL;
}

hf_publish *hf_trial_next(hf_client *client) {
  hf_outbox *outbox = &client->outbox;
  if (outbox->trial.alone) return NULL;
  hf_publish *publish = first_of_the_others(outbox);
  client->due[HF_DUE_TRIAL] = HF_NEVER;
  if (outbox->trial.accused) publish = on_trial(client, publish);
  return publish && publish->flags & HF_PUBLISH_SUSPECT && outbox->in_flight > 0 ? NULL : publish;
}

void hf_trial_ready(hf_client *client) {
  hf_trial *trial = &client->outbox.trial;
  hf_publish *kept = trial->alone; /* by the link, for its session knows it: the broker has it */
  trial->alone = NULL;
  trial->carries = client->outbox.in_flight > 0;
  trial->acknowledged = trial->sent_unanswerable = false;
  if (kept)
    hf_trial_forget(client, kept);
  else
    adjourn(client);
}

void hf_trial_lent(hf_client *client, hf_publish *publish) {
  hf_trial *trial = &client->outbox.trial;
  if (publish->qos == 0) trial->sent_unanswerable = true;
  if (trial->left > 0) trial->left--;
  if (!(publish->flags & HF_PUBLISH_SUSPECT)) return;
  trial->alone = publish;
  trial->lent_at = client->keeper->now;
}

void hf_trial_answered(hf_client *client, const hf_publish *publish) {
  hf_trial *trial = &client->outbox.trial;
  if (publish->qos == 0) return;
  trial->acknowledged = true;
  trial->barren = 0;
  trial->answered = true;
  trial->hold = HOLD;
}

/* ---- the end of a connection ---- */

void hf_trial_ended(hf_client *client, const hf_link_down *down, hf_engine_event *event) {
  hf_trial *trial = &client->outbox.trial;
  bool named = is_named(down), wordless = !named && is_wordless(down);
  trial->ended = named || wordless ? down->mail.generation : 0;
  trial->named = named;
  trial->code = (int16_t)down->code;
  trial->source = down->reason->source;
  trial->counts = wordless && trial->alone && is_prompt(client) && client->requests == 0;
  bool of_accused = trial->alone && trial->alone->flags & HF_PUBLISH_ACCUSED && (named || trial->counts);
  bool evidence = of_accused && trial->turn == HF_TURN_ACCUSED;
  if (of_accused)
    trial->hold = trial->hold < HOLD_MOST / 2 ? trial->hold * 2 : HOLD_MOST;
  else
    begin_anew(trial);
  if (wordless && client->outbox.in_flight > 0 && !trial->carries && !trial->acknowledged) trial->barren++;
  event->cured = named ? trial->alone != NULL : evidence && is_convicted_by_another(trial);
  event->spent = named && trial->sent_unanswerable;
}

bool hf_trial_convicts(hf_client *client, hf_publish *publish) {
  hf_trial *trial = &client->outbox.trial;
  if (trial->ended == 0 || publish->mail.generation != trial->ended) return false;
  bool was_suspect = publish->flags & HF_PUBLISH_SUSPECT;
  bool guilty = trial->named && was_suspect;
  if (trial->named || trial->barren >= BARREN) publish->flags |= HF_PUBLISH_SUSPECT;
  if (trial->counts && was_suspect) {
    bool evidence = trial->accused == publish && trial->turn == HF_TURN_ACCUSED;
    if (evidence) {
      guilty = is_convicted_by_another(trial);
      trial->deaths++;
      trial->evidence += coins[trial->coin].death;
    }
    if (!guilty) accuse(client, publish);
  }
  if (guilty) {
    publish->result = trial->code;
    publish->end_source = trial->source;
  }
  return guilty;
}
