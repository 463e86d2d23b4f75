#include "link/native_link.h"

/* Keep alive by our own clock (MQTT 5 section 3.1.2.10). The broker is asked when nothing was sent or nothing was
 * received for a while; it is dead when no byte has come for `dead_after`, and the question has had its time since it
 * was on the other side. What holds a question up on our side, a slow link, is told by what the peer's system confirms:
 * as long as that goes on, or the peer's system answers though the broker does not read, nobody is judged; nor is one
 * whose answer stands behind other bytes that come. But neither is without end: each has ten times its time, and more
 * only at the pace of a large message over a slow link. */

enum {
  EXTEND = 10,  /* times dead_after, at most, and a ms for each byte: what moves must move at 1,000 bytes a second */
  FIRST = 50,   /* ms to the first look whether the question has left: a system may take 40 to confirm */
  GLANCE = 250, /* ms, at least, between two of the others */
  GLANCES = 8,  /* at most */
};

static int64_t patience(const hf_native_alive *alive) {
  return alive->dead_after - alive->ask_after;
}

/* 10,000 clients that connected in one moment must not all ask in one. A fiftieth is what a machine may be late with
 * without its clients being so. */
static uint32_t with_phase(hf_link *link, uint32_t wait) {
  return wait - hf_random_between(&link->random, wait / 50, wait / 10);
}

void hf_native_alive_begin(hf_link *link, uint32_t ask_after, uint32_t dead_after) {
  hf_native_alive *alive = &link->alive;
  uint32_t told = link->keep_alive * 1000u;
  *alive = (hf_native_alive){.asked_at = HF_NATIVE_NEVER, .left_at = HF_NATIVE_NEVER, .owed_at = HF_NATIVE_NEVER};
  alive->ask_after = ask_after ? ask_after : told;
  alive->dead_after = dead_after > alive->ask_after ? dead_after : 0;
}

void hf_native_alive_connected(hf_link *link) {
  hf_native_alive *alive = &link->alive;
  uint32_t told = link->keep_alive * 1000u; /* the server's own, if it gave one [MQTT-3.2.2-21] */
  if (told && (!alive->ask_after || told < alive->ask_after)) {
    if (alive->dead_after) alive->dead_after = alive->dead_after - alive->ask_after + told;
    alive->ask_after = told;
  }
  if (!alive->dead_after) alive->dead_after = alive->ask_after + alive->ask_after / 2;
  alive->received_at = alive->sent_at = hf_native_loop->now;
  alive->next_ask = with_phase(link, alive->ask_after);
  hf_native_schedule(link);
}

void hf_native_alive_answered(hf_link *link) {
  link->alive.asked_at = link->alive.owed_at = HF_NATIVE_NEVER;
}

/* Where the question ends among the bytes of the lowest layer, or a little behind it. */
static void find_end(hf_link *link, const hf_stream_progress *progress) {
  hf_native_alive *alive = &link->alive;
  bool is_there = link->out.written >= alive->asked_end && !progress->holds;
  if (is_there && alive->asked_by == UINT64_MAX) alive->asked_by = progress->accepted;
}

void hf_native_alive_sent(hf_link *link) {
  hf_native_alive *alive = &link->alive;
  hf_stream_progress progress;
  alive->sent_at = hf_native_loop->now;
  if (alive->asked_at == HF_NATIVE_NEVER || alive->asked_by != UINT64_MAX) return;
  link->stream->operations->progress(link->stream, &progress);
  find_end(link, &progress);
}

int64_t hf_native_alive_due(const hf_link *link) {
  const hf_native_alive *alive = &link->alive;
  if (link->state != HF_NATIVE_UP || !alive->ask_after) return HF_NATIVE_NEVER;
  if (alive->asked_at != HF_NATIVE_NEVER) return alive->look_at;
  int64_t quiet = alive->sent_at < alive->received_at ? alive->sent_at : alive->received_at;
  return quiet + alive->next_ask;
}

static void ask(hf_link *link) {
  hf_native_alive *alive = &link->alive;
  hf_stream_progress progress;
  link->stream->operations->progress(link->stream, &progress);
  if (!hf_native_write_pingreq(link)) return;
  alive->asked_at = hf_native_loop->now;
  if (alive->owed_at == HF_NATIVE_NEVER) {
    alive->owed_at = alive->asked_at;
    alive->moved = progress.received + progress.acknowledged;
  }
  alive->left_at = HF_NATIVE_NEVER;
  alive->asked_end = link->out.appended;
  alive->asked_by = UINT64_MAX;
  alive->confirmed = progress.acknowledged;
  alive->came = progress.received;
  alive->look_at = alive->asked_at + (patience(alive) < 4 * FIRST ? patience(alive) / 4 : FIRST);
  alive->next_ask = with_phase(link, alive->ask_after);
}

void hf_native_lost(hf_link *link, const char *text) {
  hf_native_end(link, (hf_native_ending){.kind = HF_LINK_DOWN,
                                         .source = HF_SOURCE_NETWORK,
                                         .code = HF_NETWORK_CONNECTION_LOST,
                                         .phase = HF_PHASE_UP,
                                         .text = text});
}

/* Whether the question has, whatever has gone out behind it. */
static bool is_confirmed(hf_link *link, const hf_stream_progress *progress) {
  find_end(link, progress);
  bool all = !progress->holds && !progress->unacknowledged && !progress->probing;
  return link->out.written >= link->alive.asked_end && (all || progress->acknowledged >= link->alive.asked_by);
}

/* The question is out. Glances find out when it left, so that its time is counted from there. */
static void judge(hf_link *link) {
  hf_native_alive *alive = &link->alive;
  int64_t now = hf_native_loop->now, time = patience(alive);
  hf_stream_progress progress;
  link->stream->operations->progress(link->stream, &progress);
  int64_t moved = (int64_t)(progress.received + progress.acknowledged - alive->moved);
  if (now - alive->owed_at >= EXTEND * (int64_t)alive->dead_after + moved && !hf_native_loop->late) {
    hf_native_lost(link, "the broker has not answered PINGREQ for ten times its time");
    return;
  }
  if (progress.received != alive->came) { /* any byte is a sign of life, of which the next silence is counted */
    alive->asked_at = HF_NATIVE_NEVER;
    alive->received_at = now;
    return;
  }
  if (hf_native_loop->late) { /* we slept, and what came meanwhile may not be read yet */
    ask(link);
    return;
  }
  bool left = is_confirmed(link, &progress);
  if (left && alive->left_at == HF_NATIVE_NEVER) {
    bool known = progress.quiet_for >= 0 && now - progress.quiet_for > alive->asked_at;
    alive->left_at = known ? now - progress.quiet_for : alive->asked_at;
  }
  int64_t since = left ? alive->left_at : alive->asked_at;
  if (now - since < time) {
    int64_t end = since + time, next = now + (time / GLANCES > GLANCE ? time / GLANCES : GLANCE);
    alive->look_at = left || next > end ? end : next;
    return;
  }
  bool confirms = progress.acknowledged != alive->confirmed;
  bool answers = progress.quiet_for >= 0 && progress.quiet_for < time; /* its system does, with a window that is shut */
  alive->confirmed = progress.acknowledged;
  if (left)
    hf_native_lost(link, "the broker does not answer PINGREQ");
  else if (!confirms && !answers)
    hf_native_lost(link, "the broker's side does not confirm what is sent");
  else
    alive->look_at = now + time;
}

void hf_native_alive_look(hf_link *link) {
  const hf_native_alive *alive = &link->alive;
  if (link->state != HF_NATIVE_UP || hf_native_alive_due(link) > hf_native_loop->now) return;
  if (alive->asked_at == HF_NATIVE_NEVER)
    ask(link);
  else
    judge(link);
}
