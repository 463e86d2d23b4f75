#include "lua/receipts.h"

#include <stdlib.h>

/* A number is the round of a place, above the place itself; what is open at once is bounded by the inboxes. */
enum { PLACE_BITS = 24, LEAST = 64 };
static const uint32_t MOST_PLACES = UINT32_C(1) << PLACE_BITS;
static const uint32_t ROUNDS = UINT32_C(1) << 29;

void hf_receipts_init(hf_receipts *receipts) {
  *receipts = (hf_receipts){NULL, 0, 0, 0};
}

void hf_receipts_end(hf_receipts *receipts) {
  free(receipts->places);
  hf_receipts_init(receipts);
}

static bool grow(hf_receipts *receipts) {
  uint32_t size = receipts->size ? receipts->size * 2 : LEAST;
  if (size > MOST_PLACES) return false;
  hf_receipt *places = realloc(receipts->places, size * sizeof *places);
  if (!places) return false;
  for (uint32_t place = receipts->size; place < size; place++)
    places[place] = (hf_receipt){.next = place + 1};
  receipts->places = places;
  receipts->size = size;
  return true;
}

uint64_t hf_receipts_open(hf_receipts *receipts, uint32_t client, hf_owed owed) {
  if (receipts->free == receipts->size && !grow(receipts)) return 0;
  uint32_t place = receipts->free;
  hf_receipt *receipt = &receipts->places[place];
  receipts->free = receipt->next;
  receipts->count++;
  receipt->round = receipt->round + 1 < ROUNDS ? receipt->round + 1 : 1;
  receipt->number = (uint64_t)receipt->round << PLACE_BITS | place;
  receipt->client = client;
  receipt->owed = owed;
  return receipt->number;
}

static void release(hf_receipts *receipts, uint32_t place) {
  receipts->places[place].number = 0;
  receipts->places[place].next = receipts->free;
  receipts->free = place;
  receipts->count--;
}

const hf_owed *hf_receipts_find(const hf_receipts *receipts, uint32_t client, uint64_t number) {
  uint32_t place = (uint32_t)(number & (MOST_PLACES - 1));
  if (number == 0 || place >= receipts->size) return NULL;
  const hf_receipt *receipt = &receipts->places[place];
  return receipt->number == number && receipt->client == client ? &receipt->owed : NULL;
}

bool hf_receipts_close(hf_receipts *receipts, uint32_t client, uint64_t number, hf_owed *owed) {
  const hf_owed *found = hf_receipts_find(receipts, client, number);
  if (!found) return false;
  if (owed) *owed = *found;
  release(receipts, (uint32_t)(number & (MOST_PLACES - 1)));
  return true;
}

void hf_receipts_forget(hf_receipts *receipts, uint32_t client) {
  for (uint32_t place = 0; receipts->count > 0 && place < receipts->size; place++)
    if (receipts->places[place].number && receipts->places[place].client == client) release(receipts, place);
}
