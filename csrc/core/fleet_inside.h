/* fleet_inside.h: the rooms of the simulation; for fleet*.c only.
 *
 * One block of the caller's memory holds it all, in the order of this struct's
 * pointers. fleet.c lays it out and reads the results, fleet_wheel.c knows when
 * whose turn is, fleet_run.c what then happens.
 */
#ifndef HF_CORE_FLEET_INSIDE_H
#define HF_CORE_FLEET_INSIDE_H

#include "core/budget.h"
#include "core/fleet.h"

#define HF_FLEET_NEVER UINT32_MAX

/* What happens to a client at `event_at`, besides what its engine has its deadline for. */
typedef enum hf_fleet_phase {
  HF_FLEET_NOTHING,
  HF_FLEET_SEND,    /* its turn in the process' budget has come, or its SYN is sent again */
  HF_FLEET_ARRIVES, /* CONNACK arrives */
  HF_FLEET_DROPS,   /* the broker drops it, soon after it has accepted it */
  HF_FLEET_NOTICES, /* it comes to know that its server has fallen */
} hf_fleet_phase;

typedef struct hf_fleet_client {
  _Alignas(64) hf_engine engine;
  uint32_t event_at;   /* ms, or NEVER */
  uint32_t restart_at; /* ms, or NEVER */
  uint32_t lost_at;    /* ms: since when it is not connected */
  uint32_t downtime;   /* ms, of the outages that are over */
  uint8_t phase;       /* hf_fleet_phase */
  uint8_t resent;      /* how often the SYN of this attempt has been sent again */
} hf_fleet_client;

/* Those of a slot, a cache line at a time: a chain of single numbers would be waited for link by link. */
enum { HF_FLEET_DUES = 7 };
typedef struct hf_fleet_chunk {
  uint32_t next; /* number of the next one of the slot, or of the free ones, plus 1; 0: the last one */
  struct {
    uint32_t number; /* of the client */
    uint32_t due;    /* ms */
  } dues[HF_FLEET_DUES];
} hf_fleet_chunk;

typedef struct hf_fleet_slot {
  uint32_t chunk; /* number of the first one, plus 1; those behind it are full */
  uint32_t count; /* of clients in the first one, so that a client is put there without a look at it */
} hf_fleet_slot;

enum { HF_FLEET_SLOTS = 1 << 15 }; /* of 1 ms; who is due later than a turn of the wheel stays for another one */

/* The promise of the documentation: a million clients in 200 MB, the wheel and a budget for each included. */
_Static_assert(sizeof(hf_fleet_client) + 2 * sizeof(hf_fleet_chunk) / HF_FLEET_DUES + sizeof(hf_budget) <= 200,
               "200 bytes a client");

enum { HF_FLEET_T50, HF_FLEET_T99, HF_FLEET_T100, HF_FLEET_SHARES };

struct hf_fleet {
  hf_fleet_options options;
  hf_fleet_broker *brokers;
  hf_budget *budgets; /* one a process; NULL without a limit */
  hf_fleet_second *seconds;
  hf_fleet_client *clients;
  hf_fleet_chunk *chunks;
  hf_fleet_slot *slots;
  uint32_t *times;      /* room for the result */
  uint32_t free_chunk;  /* number of the first one that has been given back, plus 1 */
  uint32_t fresh_chunk; /* the first one that has never been used */
  uint32_t now;         /* ms: the next to be run */
  uint32_t back;        /* ms: server 0 returns */
  uint32_t connected;
  uint32_t pending;                        /* clients that are connected, but will not stay so; and restarts to come */
  uint32_t falls;                          /* servers that are still to fall */
  uint32_t scheduled;                      /* clients in the wheel */
  const hf_reason *lost, *refused, *reset; /* looked up once */
  uint32_t need[HF_FLEET_SHARES];
  int64_t reached[HF_FLEET_SHARES]; /* ms, or INT64_MIN; 0 at first, when all are connected */
  uint64_t random;
  hf_fleet_result result;
};

/* fleet_wheel.c: client `number` is due when its engine, its event or its restart is, but not before `now + 1`. */
void hf_fleet_schedule(hf_fleet *fleet, uint32_t number);
void hf_fleet_unschedule_all(hf_fleet *fleet);

/* Everybody who is due at `now` is taken out and given to `turn`, which may schedule whom it likes. */
void hf_fleet_each_due(hf_fleet *fleet, void (*turn)(hf_fleet *fleet, uint32_t number));

/* Chunks that `clients` need at most: full ones, one that is not in each slot, and what is on its way. */
size_t hf_fleet_chunks(uint32_t clients);

#endif
