#include "core/fleet_inside.h"

size_t hf_fleet_chunks(uint32_t clients) {
  enum { ON_THEIR_WAY = 4 };
  size_t begun = clients < HF_FLEET_SLOTS ? clients : HF_FLEET_SLOTS;
  return clients / HF_FLEET_DUES + begun + ON_THEIR_WAY;
}

static uint32_t new_chunk(hf_fleet *fleet) {
  if (fleet->free_chunk == 0) return fleet->fresh_chunk++;
  uint32_t chunk = fleet->free_chunk - 1;
  fleet->free_chunk = fleet->chunks[chunk].next;
  return chunk;
}

static void put(hf_fleet *fleet, uint32_t number, uint32_t due) {
  hf_fleet_slot *slot = &fleet->slots[due % HF_FLEET_SLOTS];
  if (slot->chunk == 0 || slot->count == HF_FLEET_DUES) {
    uint32_t chunk = new_chunk(fleet);
    fleet->chunks[chunk].next = slot->chunk;
    *slot = (hf_fleet_slot){.chunk = chunk + 1};
  }
  hf_fleet_chunk *chunk = &fleet->chunks[slot->chunk - 1];
  chunk->dues[slot->count].number = number;
  chunk->dues[slot->count].due = due;
  slot->count++;
  fleet->scheduled++;
}

static uint32_t due_of(const hf_fleet_client *client) {
  uint32_t due = client->event_at < client->restart_at ? client->event_at : client->restart_at;
  return client->engine.deadline < due ? (uint32_t)client->engine.deadline : due;
}

void hf_fleet_schedule(hf_fleet *fleet, uint32_t number) {
  uint32_t due = due_of(&fleet->clients[number]);
  if (due == HF_FLEET_NEVER) return;
  put(fleet, number, due > fleet->now ? due : fleet->now + 1);
}

void hf_fleet_unschedule_all(hf_fleet *fleet) {
  for (uint32_t i = 0; i < HF_FLEET_SLOTS; i++)
    fleet->slots[i] = (hf_fleet_slot){0};
  fleet->free_chunk = 0;
  fleet->fresh_chunk = 0;
  fleet->scheduled = 0;
}

/* Each client would have to be waited for when its turn comes; so they are sent for one chunk ahead. */
static void fetch(const hf_fleet *fleet, uint32_t chunk, uint32_t count) {
  if (chunk == 0) return;
  for (uint32_t i = 0; i < count; i++) {
    if (fleet->chunks[chunk - 1].dues[i].due > fleet->now) continue;
    const char *client = (const char *)&fleet->clients[fleet->chunks[chunk - 1].dues[i].number];
    __builtin_prefetch(client, 1);
    __builtin_prefetch(client + 64, 1);
  }
}

void hf_fleet_each_due(hf_fleet *fleet, void (*turn)(hf_fleet *fleet, uint32_t number)) {
  hf_fleet_slot at = fleet->slots[fleet->now % HF_FLEET_SLOTS];
  fleet->slots[fleet->now % HF_FLEET_SLOTS] = (hf_fleet_slot){0};
  fetch(fleet, at.chunk, at.count);
  while (at.chunk > 0) {
    hf_fleet_chunk *chunk = &fleet->chunks[at.chunk - 1];
    uint32_t next = chunk->next;
    fetch(fleet, next, HF_FLEET_DUES);
    fleet->scheduled -= at.count;
    for (uint32_t i = 0; i < at.count; i++) {
      if (chunk->dues[i].due > fleet->now)
        put(fleet, chunk->dues[i].number, chunk->dues[i].due);
      else
        turn(fleet, chunk->dues[i].number);
    }
    chunk->next = fleet->free_chunk;
    fleet->free_chunk = at.chunk;
    at = (hf_fleet_slot){.chunk = next, .count = HF_FLEET_DUES};
  }
}
