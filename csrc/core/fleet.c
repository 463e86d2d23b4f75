#include "core/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "core/fleet_inside.h"
#include "core/random.h"

const char *hf_fleet_problem(const hf_fleet_options *options) {
  const char *problem = hf_backoff_problem(&options->engine.backoff);
  if (!problem) problem = hf_backoff_problem(&options->engine.slow);
  if (problem) return problem;
  if (options->engine.server_count == 0) return "there must be a server";
  for (uint16_t i = 0; i < options->engine.server_count; i++) {
    problem = hf_fleet_broker_problem(&options->servers[i]);
    if (problem) return problem;
  }
  if (options->clients == 0) return "clients must be at least 1";
  if (options->per_process == 0) return "clients_per_process must be at least 1";
  if (options->budget_rate > 0 && !(options->budget_burst >= 1)) return "burst must be at least 1";
  if (options->horizon == 0 || options->horizon > HF_FLEET_LONGEST) return "horizon must be at most 18 hours";
  if (options->latency > options->engine.connect_timeout) return "latency must be at most connect_timeout";
  return NULL;
}

static uint32_t processes(const hf_fleet_options *options) {
  return options->budget_rate > 0 ? (options->clients - 1) / options->per_process + 1 : 0;
}

/* Each part begins with a cache line: a client is two of them then, and not three. */
enum { LINE = 64 };

static size_t take(size_t *used, size_t count, size_t size) {
  size_t at = *used;
  *used += (count * size + LINE - 1) / LINE * LINE;
  return at;
}

/* The size alone when `fleet` is NULL. */
static size_t lay_out(hf_fleet *fleet, const hf_fleet_options *options) {
  size_t used = (sizeof *fleet + LINE - 1) / LINE * LINE;
  size_t shift = (LINE - (uintptr_t)fleet % LINE) % LINE; /* malloc's alignment may be less */
#define PART(name, count)                                                                                              \
  do {                                                                                                                 \
    size_t at = take(&used, (count), sizeof *fleet->name);                                                             \
    if (fleet) fleet->name = (void *)((char *)fleet + shift + at);                                                     \
  } while (0)
  PART(brokers, options->engine.server_count);
  PART(budgets, processes(options));
  PART(seconds, options->horizon / 1000 + 1);
  PART(clients, options->clients);
  PART(chunks, hf_fleet_chunks(options->clients));
  PART(slots, HF_FLEET_SLOTS);
  PART(times, options->clients);
#undef PART
  return used + LINE;
}

size_t hf_fleet_size(const hf_fleet_options *options) {
  return lay_out(NULL, options);
}

/* Connected to server 0 and stable, so that the first loss finds every counter at 0. */
static void connect_all(hf_fleet *fleet) {
  const hf_fleet_options *options = &fleet->options;
  int64_t start = -1 - (int64_t)options->engine.stable_after;
  for (uint32_t i = 0; i < options->clients; i++) {
    hf_fleet_client *client = &fleet->clients[i];
    *client = (hf_fleet_client){.event_at = HF_FLEET_NEVER, .restart_at = HF_FLEET_NEVER};
    hf_engine_init(&client->engine, &options->engine, hf_random_next(&fleet->random), start);
    hf_engine_step(&client->engine, start, (hf_engine_event){.input = HF_INPUT_START});
    hf_engine_step(&client->engine, start, (hf_engine_event){.input = HF_INPUT_CONNECTED});
    hf_engine_step(&client->engine, -1, (hf_engine_event){.input = HF_INPUT_TIMER});
    if (options->restart_share > 0 &&
        (double)(hf_random_next(&fleet->random) >> 11) < options->restart_share * 9007199254740992.0) {
      client->restart_at = hf_random_between(&fleet->random, options->restart_from, options->restart_to);
      fleet->pending++;
    }
    hf_fleet_schedule(fleet, i);
  }
  fleet->connected = options->clients;
}

hf_fleet *hf_fleet_init(void *memory, const hf_fleet_options *options) {
  memset(memory, 0, hf_fleet_size(options));
  hf_fleet *fleet = memory;
  lay_out(fleet, options);
  fleet->options = *options;
  fleet->random = options->seed;
  fleet->back = options->servers[0].down_at + options->servers[0].outage;
  for (uint16_t i = 0; i < options->engine.server_count; i++) {
    hf_fleet_broker_init(&fleet->brokers[i], &options->servers[i]);
    if (options->servers[i].outage > 0) fleet->falls++;
  }
  for (uint32_t i = 0; i < processes(options); i++)
    hf_budget_set(&fleet->budgets[i], options->budget_rate, options->budget_burst, 0);
  if (processes(options) == 0) fleet->budgets = NULL;
  fleet->need[HF_FLEET_T50] = options->clients - options->clients / 2;
  fleet->need[HF_FLEET_T99] = options->clients - options->clients / 100;
  fleet->need[HF_FLEET_T100] = options->clients;
  fleet->lost = hf_reason_find(HF_SOURCE_NETWORK, HF_NETWORK_CONNECTION_LOST);
  fleet->refused = hf_reason_find(HF_SOURCE_NETWORK, HF_NETWORK_REFUSED);
  fleet->reset = hf_reason_find(HF_SOURCE_NETWORK, HF_NETWORK_RESET);
  connect_all(fleet);
  return fleet;
}

const hf_fleet_second *hf_fleet_series(const hf_fleet *fleet, uint32_t *count) {
  *count = fleet->now / 1000 + (fleet->now % 1000 != 0);
  return fleet->seconds;
}

uint32_t hf_fleet_connected(const hf_fleet *fleet) {
  return fleet->connected;
}

uint32_t hf_fleet_now(const hf_fleet *fleet) {
  return fleet->now;
}

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void sum_downtime(hf_fleet *fleet) {
  uint32_t *times = fleet->times, count = fleet->options.clients;
  for (uint32_t i = 0; i < count; i++) {
    const hf_fleet_client *client = &fleet->clients[i];
    times[i] = client->downtime;
    if (client->engine.state != HF_STATE_CONNECTED) times[i] += fleet->now - client->lost_at;
    fleet->result.downtime_sum += times[i];
  }
  qsort(times, count, sizeof *times, by_size);
  fleet->result.downtime_p99 = times[count - 1 - count / 100];
}

static int64_t after_return(const hf_fleet *fleet, int share) {
  int64_t at = fleet->reached[share];
  return at == INT64_MIN ? at : at - fleet->back;
}

hf_fleet_result hf_fleet_result_of(hf_fleet *fleet) {
  hf_fleet_result *result = &fleet->result;
  uint32_t count;
  const hf_fleet_second *seconds = hf_fleet_series(fleet, &count);
  for (uint32_t i = fleet->back / 1000; i < count; i++)
    if (seconds[i].attempts > result->peak) result->peak = seconds[i].attempts;
  sum_downtime(fleet);
  result->t50 = after_return(fleet, HF_FLEET_T50);
  result->t99 = after_return(fleet, HF_FLEET_T99);
  result->t100 = after_return(fleet, HF_FLEET_T100);
  result->connected = fleet->connected;
  result->now = fleet->now;
  return *result;
}
