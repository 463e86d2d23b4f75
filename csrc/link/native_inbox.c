#include "link/native_inbox.h"

#include <stdlib.h>

/* What stands for an id, times KINDS: the receipt of a message in line; the print of one that is done, or that awaits
 * its PUBREL (0: nobody knows it, it is of an earlier process), and above that the connection of its PUBREC. */
enum { IN_LINE = 0, DONE = 1, RELEASED = 2, KINDS = 4, CONNECTION_SHIFT = 34 };

static uint32_t print_of(uint64_t word) {
  return (uint32_t)(word / KINDS);
}

static uint64_t released_on(uint32_t connection, uint32_t print) {
  return (uint64_t)connection << CONNECTION_SHIFT | (uint64_t)print * KINDS | RELEASED;
}

enum { LEAST = 16 };

static hf_held_line *line_of(hf_inbox *inbox, uint8_t qos) {
  return &inbox->lines[qos - 1];
}

static hf_held *at(const hf_held_line *line, uint32_t index) {
  return &line->ring[(line->first + index) & (line->room - 1)];
}

/* Enough to tell two messages apart that come under one id; a long payload is not read twice for it. */
uint32_t hf_inbox_print(hf_bytes topic, hf_bytes payload) {
  enum { LOOK = 64 };
  uint32_t print = 2166136261u ^ (uint32_t)payload.length;
  for (size_t i = 0; i < topic.length && i < LOOK; i++)
    print = (print ^ (unsigned char)topic.data[i]) * 16777619u;
  size_t step = payload.length > LOOK ? payload.length / LOOK : 1;
  for (size_t i = 0; i < payload.length; i += step)
    print = (print ^ (unsigned char)payload.data[i]) * 16777619u;
  return print ? print : 1;
}

static hf_held *in_line(hf_inbox *inbox, uint8_t qos, uint64_t word) {
  hf_held_line *line = line_of(inbox, qos);
  return at(line, (uint32_t)(word / KINDS - line->done - 1));
}

hf_inbox_found hf_inbox_look(hf_inbox *inbox, uint8_t qos, uint16_t id, uint32_t print, uint32_t connection) {
  hf_ids *ids = &inbox->ids[qos - 1];
  uint64_t *word = hf_ids_find(ids, id);
  if (!word) return HF_INBOX_NEW;
  if (*word % KINDS != IN_LINE) {
    uint32_t known = print_of(*word);
    bool same = known == print || known == 0, released = *word % KINDS == RELEASED;
    if (same && released) {
      *word = released_on(connection, print); /* where its PUBREC goes out once more */
      return HF_INBOX_RELEASED;
    }
    if (released && *word == released_on(connection, known)) return HF_INBOX_TAKEN;
    hf_ids_remove(ids, id);
    return same ? HF_INBOX_DONE : HF_INBOX_OTHER;
  }
  hf_held *held = in_line(inbox, qos, *word);
  if (held->print == print) {
    held->connection = connection;
    return HF_INBOX_HELD;
  }
  if (held->connection == connection) return HF_INBOX_TAKEN;
  hf_inbox_displace(inbox, qos, id);
  return HF_INBOX_NEW;
}

void hf_inbox_displace(hf_inbox *inbox, uint8_t qos, uint16_t id) {
  hf_ids *ids = &inbox->ids[qos - 1];
  const uint64_t *word = hf_ids_find(ids, id);
  if (word && *word % KINDS == IN_LINE) in_line(inbox, qos, *word)->connection = 0;
  hf_ids_remove(ids, id);
}

static bool grow(hf_held_line *line) {
  uint32_t room = line->room ? line->room * 2 : LEAST;
  hf_held *ring = malloc(room * sizeof *ring);
  if (!ring) return false;
  for (uint32_t i = 0; i < line->count; i++)
    ring[i] = *at(line, i);
  free(line->ring);
  line->ring = ring;
  line->room = room;
  line->first = 0;
  return true;
}

bool hf_inbox_add(hf_inbox *inbox, hf_message *message, uint16_t id, uint32_t print, uint32_t connection) {
  hf_held_line *line = line_of(inbox, message->qos);
  if (line->count == line->room && !grow(line)) return false;
  message->receipt = line->done + 1 + line->count;
  if (!hf_ids_put(&inbox->ids[message->qos - 1], id, message->receipt * KINDS + IN_LINE)) return false;
  *at(line, line->count++) =
      (hf_held){.message = message, .connection = connection, .print = print, .serial = inbox->serial++, .id = id};
  inbox->bytes += message->topic.length + message->payload.length + sizeof *message;
  inbox->waiting++;
  return true;
}

static hf_held *next_to_tell(hf_held_line *line) {
  return line->told < line->count ? at(line, line->told) : NULL;
}

hf_message *hf_inbox_tell(hf_inbox *inbox) {
  hf_held *one = next_to_tell(&inbox->lines[0]), *two = next_to_tell(&inbox->lines[1]);
  bool second = two && (!one || (int32_t)(two->serial - one->serial) < 0);
  hf_held *held = second ? two : one;
  if (!held) return NULL;
  inbox->lines[second].told++;
  hf_message *message = held->message;
  held->message = NULL;
  inbox->bytes -= message->topic.length + message->payload.length + sizeof *message;
  inbox->waiting--;
  return message;
}

bool hf_inbox_done(hf_inbox *inbox, uint8_t qos, uint64_t receipt, uint32_t connection, hf_inbox_over *over) {
  hf_held_line *line = line_of(inbox, qos);
  if (line->told == 0 || line->done >= receipt) return false;
  const hf_held held = *at(line, 0);
  line->first = (line->first + 1) & (line->room - 1);
  line->count--;
  line->told--;
  line->done++;
  if (line->count == 0 && line->room > LEAST * 64) {
    free(line->ring);
    line->ring = NULL;
    line->room = line->first = 0;
  }
  *over = (hf_inbox_over){0, false};
  if (held.connection == 0) return true;
  *over = (hf_inbox_over){held.id, held.connection == connection};
  hf_ids *ids = &inbox->ids[qos - 1];
  uint64_t *word = hf_ids_find(ids, held.id); /* it is there, so no memory is needed */
  if (!over->here) {
    *word = (uint64_t)held.print * KINDS + DONE;
    return true;
  }
  if (qos == 1)
    hf_ids_remove(ids, held.id);
  else
    *word = released_on(connection, held.print);
  return true;
}

bool hf_inbox_released(hf_inbox *inbox, uint16_t id, uint32_t print, uint32_t connection) {
  return hf_ids_put(&inbox->ids[1], id, released_on(connection, print));
}

bool hf_inbox_complete(hf_inbox *inbox, uint16_t id) {
  const uint64_t *word = hf_ids_find(&inbox->ids[1], id);
  if (!word) return false;
  bool known = *word % KINDS != IN_LINE;
  if (!known) in_line(inbox, 2, *word)->connection = 0; /* it lets go of what we have not answered: nor will we */
  hf_ids_remove(&inbox->ids[1], id);
  return known;
}

void hf_inbox_forget_session(hf_inbox *inbox) {
  for (size_t i = 0; i < 2; i++) {
    hf_ids_clear(&inbox->ids[i]);
    for (uint32_t j = 0; j < inbox->lines[i].count; j++)
      at(&inbox->lines[i], j)->connection = 0;
  }
}

void hf_inbox_free(hf_inbox *inbox) {
  for (size_t i = 0; i < 2; i++) {
    hf_held_line *line = &inbox->lines[i];
    for (uint32_t j = 0; j < line->count; j++)
      hf_message_free(at(line, j)->message);
    free(line->ring);
    hf_ids_free(&inbox->ids[i]);
  }
}
