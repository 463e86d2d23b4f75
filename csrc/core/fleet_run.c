#include "core/fleet_inside.h"
#include "core/random.h"

static hf_fleet_second *second_of(hf_fleet *fleet, uint32_t at) {
  return &fleet->seconds[at / 1000];
}

/* ---- who is connected ---- */

static void count_in(hf_fleet *fleet, hf_fleet_client *client, uint32_t now) {
  client->downtime += now - client->lost_at;
  fleet->connected++;
  for (int i = 0; i < HF_FLEET_SHARES; i++)
    if (fleet->connected == fleet->need[i]) fleet->reached[i] = now;
}

static void count_out(hf_fleet *fleet, hf_fleet_client *client, uint32_t now) {
  for (int i = 0; i < HF_FLEET_SHARES; i++)
    if (fleet->connected == fleet->need[i]) fleet->reached[i] = INT64_MIN;
  fleet->connected--;
  client->lost_at = now;
}

static void calm(hf_fleet *fleet, hf_fleet_client *client) {
  if (client->phase == HF_FLEET_DROPS || client->phase == HF_FLEET_NOTICES) fleet->pending--;
  client->phase = HF_FLEET_NOTHING;
  client->event_at = HF_FLEET_NEVER;
}

static void expect(hf_fleet_client *client, hf_fleet_phase phase, uint32_t at) {
  client->phase = (uint8_t)phase;
  client->event_at = at;
}

/* ---- an attempt ---- */

static hf_fleet_broker *broker_of(hf_fleet *fleet, const hf_fleet_client *client) {
  return &fleet->brokers[client->engine.server];
}

/* Nothing can befall the client before the answer is there, so the engine may be told now what it hears then. */
static void fail(hf_fleet *fleet, hf_fleet_client *client, uint32_t at, const hf_reason *reason) {
  if (at / 1000 <= fleet->options.horizon / 1000) second_of(fleet, at)->refused++;
  hf_engine_step(&client->engine, at,
                 (hf_engine_event){.input = HF_INPUT_FAILED, .reason = reason, .code = reason->code});
}

static void lose_syn(hf_fleet *fleet, hf_fleet_client *client, uint32_t now) {
  enum { FIRST = 1000, MOST = 6 };
  uint32_t again = now + ((uint32_t)FIRST << client->resent);
  if (fleet->options.resend && client->resent < MOST && again < client->engine.deadline) {
    client->resent++;
    expect(client, HF_FLEET_SEND, again);
  } else {
    fleet->result.unanswered++;
  }
}

static void send_syn(hf_fleet *fleet, hf_fleet_client *client, uint32_t now) {
  uint32_t arrives = now + fleet->options.latency, back = arrives + fleet->options.latency;
  hf_fleet_broker *broker = broker_of(fleet, client);
  double done;
  if (client->resent == 0) {
    second_of(fleet, now)->attempts++;
    fleet->result.attempts++;
    if (now >= fleet->back) fleet->result.attempts_back++;
  }
  switch (hf_fleet_broker_arrive(broker, arrives, &done)) {
  case HF_FLEET_REFUSED:
    fail(fleet, client, back, fleet->refused);
    break;
  case HF_FLEET_BUSY:
    fail(fleet, client, back, hf_reason_find(HF_SOURCE_CONNACK, broker->options->busy_code));
    break;
  case HF_FLEET_LOST:
    lose_syn(fleet, client, now);
    break;
  case HF_FLEET_ACCEPTED:
    if (done + fleet->options.latency <= (double)client->engine.deadline)
      expect(client, HF_FLEET_ARRIVES, (uint32_t)(done + 0.999999) + fleet->options.latency);
    else
      fleet->result.wasted++;
    break;
  }
}

static void begin(hf_fleet *fleet, uint32_t number, uint32_t now) {
  hf_fleet_client *client = &fleet->clients[number];
  client->resent = 0;
  if (fleet->budgets) {
    int64_t wait = hf_budget_take(&fleet->budgets[number / fleet->options.per_process], now);
    if (wait > 0) {
      hf_engine_step(&client->engine, now, (hf_engine_event){.input = HF_INPUT_DELAY, .delay = (uint32_t)wait});
      expect(client, HF_FLEET_SEND, now + (uint32_t)wait);
      return;
    }
  }
  send_syn(fleet, client, now);
}

/* ---- what befalls a client ---- */

static void lose(hf_fleet *fleet, hf_fleet_client *client, uint32_t now) {
  calm(fleet, client);
  count_out(fleet, client, now);
  hf_engine_step(&client->engine, now,
                 (hf_engine_event){.input = HF_INPUT_LOST, .reason = fleet->lost, .code = fleet->lost->code});
}

static void arrive(hf_fleet *fleet, hf_fleet_client *client, uint32_t now) {
  const hf_fleet_broker *broker = broker_of(fleet, client);
  calm(fleet, client);
  count_in(fleet, client, now);
  hf_engine_step(&client->engine, now, (hf_engine_event){.input = HF_INPUT_CONNECTED});
  if (hf_fleet_broker_drops(broker, now)) {
    expect(client, HF_FLEET_DROPS, now + broker->options->drop_after);
    fleet->pending++;
  }
}

static void restart(hf_fleet *fleet, uint32_t number, uint32_t now) {
  hf_fleet_client *client = &fleet->clients[number];
  client->restart_at = HF_FLEET_NEVER;
  fleet->pending--;
  if (client->engine.state == HF_STATE_CONNECTED) count_out(fleet, client, now);
  calm(fleet, client);
  hf_engine_init(&client->engine, &fleet->options.engine, hf_random_next(&client->engine.backoff.random), now);
  hf_engine_step(&client->engine, now, (hf_engine_event){.input = HF_INPUT_START});
  begin(fleet, number, now);
}

static void happen(hf_fleet *fleet, hf_fleet_client *client, uint32_t now) {
  hf_fleet_phase phase = (hf_fleet_phase)client->phase;
  switch (phase) {
  case HF_FLEET_SEND:
    calm(fleet, client);
    send_syn(fleet, client, now);
    break;
  case HF_FLEET_ARRIVES:
    arrive(fleet, client, now);
    break;
  case HF_FLEET_DROPS:
    fleet->result.wasted++;
    lose(fleet, client, now);
    break;
  case HF_FLEET_NOTICES:
    lose(fleet, client, now);
    break;
  case HF_FLEET_NOTHING:
    break;
  }
}

static void turn(hf_fleet *fleet, uint32_t number) {
  hf_fleet_client *client = &fleet->clients[number];
  uint32_t now = fleet->now;
  if (client->restart_at <= now) {
    restart(fleet, number, now);
  } else if (client->event_at <= now) {
    happen(fleet, client, now);
  } else {
    unsigned actions = hf_engine_step(&client->engine, now, (hf_engine_event){.input = HF_INPUT_TIMER});
    if (actions & HF_DO_ABANDON) calm(fleet, client);
    if (actions & HF_DO_CONNECT) begin(fleet, number, now);
  }
  hf_fleet_schedule(fleet, number);
}

/* ---- what befalls a server ---- */

static void leave(hf_fleet *fleet, hf_fleet_client *client, uint32_t now) {
  if (client->engine.state == HF_STATE_CONNECTED) {
    uint32_t stagger = fleet->options.stagger;
    calm(fleet, client);
    if (stagger > 0) {
      expect(client, HF_FLEET_NOTICES, now + hf_random_between(&fleet->random, 0, stagger));
      fleet->pending++;
    } else {
      lose(fleet, client, now);
    }
  } else if (client->phase == HF_FLEET_ARRIVES) {
    calm(fleet, client);
    fail(fleet, client, now, fleet->reset);
  }
}

static void fall(hf_fleet *fleet, uint16_t server) {
  fleet->falls--;
  hf_fleet_broker_fall(&fleet->brokers[server]);
  for (uint32_t i = 0; i < fleet->options.clients; i++)
    if (fleet->clients[i].engine.server == server) leave(fleet, &fleet->clients[i], fleet->now);
  hf_fleet_unschedule_all(fleet);
  for (uint32_t i = 0; i < fleet->options.clients; i++)
    hf_fleet_schedule(fleet, i);
}

static void fall_if_due(hf_fleet *fleet) {
  for (uint16_t i = 0; i < fleet->options.engine.server_count; i++) {
    const hf_fleet_broker_options *server = &fleet->options.servers[i];
    if (server->outage > 0 && server->down_at == fleet->now) fall(fleet, i);
  }
}

/* ---- the clock ---- */

/* A broker's clock is ahead of the clients' by the latency, since it is told of a SYN when that is sent. */
static void end_second(hf_fleet *fleet) {
  hf_fleet_second *second = second_of(fleet, fleet->now);
  double queue = 0;
  for (uint16_t i = 0; i < fleet->options.engine.server_count; i++)
    queue += hf_fleet_broker_queue(&fleet->brokers[i], fleet->now + fleet->options.latency);
  second->queue = (uint32_t)(queue + 0.5);
  second->connected = fleet->connected;
}

static bool is_over(const hf_fleet *fleet) {
  if (fleet->now >= fleet->options.horizon) return true;
  if (fleet->falls > 0 || fleet->pending > 0) return false;
  return fleet->connected == fleet->options.clients || fleet->scheduled == 0;
}

bool hf_fleet_run(hf_fleet *fleet, uint32_t until) {
  while (!is_over(fleet)) {
    if (fleet->now >= until) return false;
    if (fleet->falls > 0) fall_if_due(fleet);
    hf_fleet_each_due(fleet, turn);
    if (fleet->now % 1000 == 999) end_second(fleet);
    fleet->now++;
  }
  if (fleet->now % 1000 != 0) end_second(fleet);
  return true;
}
