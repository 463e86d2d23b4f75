#include "core/fleet_inside.h"

static uint32_t due_of(const hf_fleet_client *client) {
  uint32_t due = client->event_at < client->restart_at ? client->event_at : client->restart_at;
  return client->engine.deadline < due ? (uint32_t)client->engine.deadline : due;
}

static void put(hf_fleet *fleet, uint32_t number, uint32_t due) {
  uint32_t *slot = &fleet->slots[due % HF_FLEET_SLOTS];
  fleet->places[number] = (hf_fleet_place){.due = due, .next = *slot};
  *slot = number + 1;
  fleet->scheduled++;
}

void hf_fleet_schedule(hf_fleet *fleet, uint32_t number) {
  uint32_t due = due_of(&fleet->clients[number]);
  if (due == HF_FLEET_NEVER) return;
  put(fleet, number, due > fleet->now ? due : fleet->now + 1);
}

void hf_fleet_unschedule_all(hf_fleet *fleet) {
  for (uint32_t i = 0; i < HF_FLEET_SLOTS; i++)
    fleet->slots[i] = 0;
  fleet->scheduled = 0;
}

/* Each client would have to be waited for when its turn comes; they are all on their way meanwhile. */
static void fetch(const hf_fleet_client *client) {
  __builtin_prefetch(client, 1);
  __builtin_prefetch((const char *)client + 64, 1);
}

uint32_t hf_fleet_take(hf_fleet *fleet) {
  uint32_t *slot = &fleet->slots[fleet->now % HF_FLEET_SLOTS];
  uint32_t all = *slot, first = 0, *end = &first;
  *slot = 0;
  for (uint32_t number = all; number > 0;) {
    hf_fleet_place *place = &fleet->places[number - 1];
    uint32_t next = place->next;
    fleet->scheduled--;
    if (place->due > fleet->now) {
      put(fleet, number - 1, place->due);
    } else {
      *end = number;
      end = &place->next;
      fetch(&fleet->clients[number - 1]);
    }
    number = next;
  }
  *end = 0;
  return first;
}

uint32_t hf_fleet_next(const hf_fleet *fleet, uint32_t number) {
  return fleet->places[number].next;
}
