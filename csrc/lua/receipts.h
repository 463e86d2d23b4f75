/* receipts.h: what a Lua state owes for the messages it has been handed.
 *
 * A message counts against its client's inbox from its arrival until its last
 * taker is done with it. In between its receipt is open here: a number that is
 * never given again, so that closing one twice means nothing, and whoever was
 * interrupted may simply do it once more. Lives in the mailbox of the Lua state
 * and is used on that state's thread only; knows neither Lua nor the keeper.
 * `hf_receipts_close` gives back what was owed, once.
 */
#ifndef HF_LUA_RECEIPTS_H
#define HF_LUA_RECEIPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hf_owed {
  size_t bytes;  /* of topic and payload */
  uint64_t link; /* the link's receipt of the message; 0: it waits for none */
  uint8_t qos;
} hf_owed;

typedef struct hf_receipt {
  uint64_t number; /* 0: closed */
  hf_owed owed;
  uint32_t client;
  uint32_t round; /* how often this place has been used */
  uint32_t next;  /* of the free places */
} hf_receipt;

typedef struct hf_receipts {
  hf_receipt *places;
  uint32_t size, count; /* places there are; open ones */
  uint32_t free;        /* the first free one; `size`: none */
} hf_receipts;

void hf_receipts_init(hf_receipts *receipts);
void hf_receipts_end(hf_receipts *receipts);

/* A number from 1 to 2^53 - 1, exact in every Lua; 0: no memory. */
uint64_t hf_receipts_open(hf_receipts *receipts, uint32_t client, hf_owed owed);

/* What is owed for it while it is open, and the client's; else NULL. */
const hf_owed *hf_receipts_find(const hf_receipts *receipts, uint32_t client, uint64_t number);

/* Whether it was open, and the client's. `owed`: NULL, or where that goes. */
bool hf_receipts_close(hf_receipts *receipts, uint32_t client, uint64_t number, hf_owed *owed);

/* The client has ended: nothing is owed to it. */
void hf_receipts_forget(hf_receipts *receipts, uint32_t client);

#endif
