/* fleet.h: what a reconnect policy does to many clients and to the broker they share, simulated.
 *
 * Every client is an hf_engine, stepped by hf_engine_step as the keeper steps
 * it; brokers are those of fleet_broker.h. hf_fleet_run moves a discrete-event
 * clock of whole milliseconds (a timer wheel over client numbers) up to a given
 * time, so that the caller can show progress. Equal options, seed included, give
 * equal results to the bit. The caller brings one block of memory, of
 * hf_fleet_size bytes and aligned as malloc aligns, and keeps `options`, `servers`
 * and what they point to unchanged until he is done. Pure: any thread, one at a time per fleet.
 *
 * Time 0 is the beginning: all clients are connected to server 0, and have been
 * for longer than stable_after. Each server then falls and returns as its options say.
 */
#ifndef HF_CORE_FLEET_H
#define HF_CORE_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/engine.h"
#include "core/fleet_broker.h"

typedef struct hf_fleet_options {
  hf_engine_options engine;               /* of every client; server_count is that of `servers` */
  const hf_fleet_broker_options *servers; /* in the clients' order of preference */
  uint64_t seed;
  double budget_rate;    /* attempts a second that a process may begin; 0: no limit */
  double budget_burst;   /* >= 1 */
  double restart_share;  /* of the clients restart once, with nothing remembered, ... */
  uint32_t restart_from; /* ms; ... between this */
  uint32_t restart_to;   /* ms; and this */
  uint32_t clients;      /* >= 1 */
  uint32_t per_process;  /* clients that share a budget, >= 1 */
  uint32_t latency;      /* ms, one way */
  uint32_t stagger;      /* ms over which the clients of a server that falls come to know */
  uint32_t horizon;      /* ms: the end, if not all are connected before */
  bool resend;           /* a SYN without an answer is sent again 1, 3, 7 ... s later (RFC 6298), not just once */
} hf_fleet_options;

enum { HF_FLEET_LONGEST = 1 << 26 }; /* ms: the longest horizon, 18 hours */

typedef struct hf_fleet_second { /* one second of the simulated time */
  uint32_t attempts;             /* begun in it */
  uint32_t refused;              /* of all attempts, those the broker refused or answered with a code in it */
  uint32_t connected;            /* clients, at its end */
  uint32_t queue;                /* handshakes waiting or being worked on at its end, all servers together */
} hf_fleet_second;

typedef struct hf_fleet_result { /* `back` below is the moment at which server 0 returns */
  int64_t t50, t99, t100; /* ms after `back` from which on so many percent are connected for good, -`back` if they have
                             been from the beginning; INT64_MIN: never */
  uint64_t attempts;      /* all */
  uint64_t attempts_back; /* those begun at `back` or later */
  uint64_t wasted;        /* handshakes the broker worked on for a client that had given up or was dropped again */
  uint64_t unanswered;    /* attempts whose last SYN was lost */
  uint64_t downtime_sum;  /* ms, of all clients */
  uint32_t downtime_p99;  /* ms a client was not connected, exceeded by one in a hundred */
  uint32_t peak;          /* most attempts in one second from `back` on */
  uint32_t connected;     /* clients, now */
  uint32_t now;           /* ms */
} hf_fleet_result;

typedef struct hf_fleet hf_fleet;

/* What is wrong with the options, or NULL. */
const char *hf_fleet_problem(const hf_fleet_options *options);

size_t hf_fleet_size(const hf_fleet_options *options);

/* The fleet lives in `memory` and ends with it. */
hf_fleet *hf_fleet_init(void *memory, const hf_fleet_options *options);

/* Runs up to `until` (ms, excluded). True once it is over: all are connected and nothing is to befall them any more, no
 * client will ever move again, or the horizon has been reached. */
bool hf_fleet_run(hf_fleet *fleet, uint32_t until);

/* The seconds so far, `*count` of them; they are the fleet's. */
const hf_fleet_second *hf_fleet_series(const hf_fleet *fleet, uint32_t *count);

uint32_t hf_fleet_connected(const hf_fleet *fleet);
uint32_t hf_fleet_now(const hf_fleet *fleet); /* ms */

/* Valid once hf_fleet_run has answered true, and then once: it ends the fleet, whose memory it uses. The series stays.
 */
hf_fleet_result hf_fleet_result_of(hf_fleet *fleet);

#endif
