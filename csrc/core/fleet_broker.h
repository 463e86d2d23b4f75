/* fleet_broker.h: one modelled broker, seen from the far end of a SYN.
 *
 * It works on one handshake after the other, in order of arrival, `accept_rate`
 * of them a second; at most `accept_queue` wait or are worked on, a SYN beyond
 * those is lost without a word. So an arrival's end is known when it arrives,
 * and a handshake whose client has given up costs as much as any other. While
 * down the broker refuses or is silent. The caller owns the struct and says what
 * time it is, which never goes back. Pure: any thread, one at a time.
 */
#ifndef HF_CORE_FLEET_BROKER_H
#define HF_CORE_FLEET_BROKER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hf_fleet_broker_options {
  double accept_rate;    /* handshakes a second, > 0 */
  double busy_above;     /* arrivals a second beyond which `busy_code` is the answer; 0: no such bound */
  uint32_t accept_queue; /* >= 1 */
  uint32_t down_at;      /* ms */
  uint32_t outage;       /* ms; 0: it never goes down */
  uint32_t drop_for;     /* ms after its return in which it drops whom it has accepted; 0: it does not */
  uint32_t drop_after;   /* ms from an acceptance to that drop */
  int16_t busy_code;     /* a CONNACK code of MQTT 5 */
  bool silent;           /* while down: no answer, rather than a refusal */
} hf_fleet_broker_options;

typedef struct hf_fleet_broker {
  const hf_fleet_broker_options *options;
  double work_ends;  /* ms: when all that has arrived so far is done */
  double busy_until; /* ms: when the arrivals so far would be used up at `busy_above` */
} hf_fleet_broker;

typedef enum hf_fleet_answer {
  HF_FLEET_ACCEPTED, /* CONNACK leaves the broker at `*done` */
  HF_FLEET_REFUSED,  /* a RST leaves it at once */
  HF_FLEET_BUSY,     /* a CONNACK with `busy_code` leaves it at once */
  HF_FLEET_LOST,     /* nothing ever leaves it: the queue is full, or the machine is away */
} hf_fleet_answer;

void hf_fleet_broker_init(hf_fleet_broker *broker, const hf_fleet_broker_options *options);

bool hf_fleet_broker_is_down(const hf_fleet_broker *broker, uint32_t now);

/* A SYN arrives at `now` (ms). */
hf_fleet_answer hf_fleet_broker_arrive(hf_fleet_broker *broker, uint32_t now, double *done);

/* Handshakes waiting or being worked on. */
double hf_fleet_broker_queue(const hf_fleet_broker *broker, uint32_t now);

/* Whether a connection accepted at `now` is dropped `drop_after` later. */
bool hf_fleet_broker_drops(const hf_fleet_broker *broker, uint32_t now);

/* It goes down: what it was working on is gone. */
void hf_fleet_broker_fall(hf_fleet_broker *broker);

/* What is wrong with the options, or NULL. */
const char *hf_fleet_broker_problem(const hf_fleet_broker_options *options);

#endif
