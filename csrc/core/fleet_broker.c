#include "core/fleet_broker.h"

#include <stddef.h>

void hf_fleet_broker_init(hf_fleet_broker *broker, const hf_fleet_broker_options *options) {
  *broker = (hf_fleet_broker){.options = options};
}

static uint32_t back_at(const hf_fleet_broker_options *options) {
  uint32_t sum = options->down_at + options->outage;
  return sum < options->down_at ? UINT32_MAX : sum;
}

bool hf_fleet_broker_is_down(const hf_fleet_broker *broker, uint32_t now) {
  return now >= broker->options->down_at && now < back_at(broker->options);
}

double hf_fleet_broker_queue(const hf_fleet_broker *broker, uint32_t now) {
  double left = (broker->work_ends - now) * broker->options->accept_rate / 1000;
  return left > 0 ? left : 0;
}

/* A bucket of one second's worth. */
static bool is_busy(hf_fleet_broker *broker, uint32_t now) {
  if (!(broker->options->busy_above > 0)) return false;
  if (broker->busy_until < now) broker->busy_until = now;
  broker->busy_until += 1000 / broker->options->busy_above;
  if (broker->busy_until <= now + 1000.0) return false;
  broker->busy_until -= 1000 / broker->options->busy_above;
  return true;
}

hf_fleet_answer hf_fleet_broker_arrive(hf_fleet_broker *broker, uint32_t now, double *done) {
  static const double ROUNDING = 0.001; /* of a handshake */
  if (hf_fleet_broker_is_down(broker, now)) return broker->options->silent ? HF_FLEET_LOST : HF_FLEET_REFUSED;
  if (is_busy(broker, now)) return HF_FLEET_BUSY;
  if (hf_fleet_broker_queue(broker, now) > broker->options->accept_queue - 1 + ROUNDING) return HF_FLEET_LOST;
  if (broker->work_ends < now) broker->work_ends = now;
  broker->work_ends += 1000 / broker->options->accept_rate;
  *done = broker->work_ends;
  return HF_FLEET_ACCEPTED;
}

bool hf_fleet_broker_drops(const hf_fleet_broker *broker, uint32_t now) {
  const hf_fleet_broker_options *options = broker->options;
  return options->outage > 0 && now >= back_at(options) && now - back_at(options) < options->drop_for;
}

void hf_fleet_broker_fall(hf_fleet_broker *broker) {
  broker->work_ends = 0;
  broker->busy_until = 0;
}

const char *hf_fleet_broker_problem(const hf_fleet_broker_options *options) {
  if (!(options->accept_rate > 0)) return "accept_rate must be greater than 0";
  if (options->accept_queue == 0) return "accept_queue must be at least 1";
  if (options->busy_above < 0) return "busy_above must not be negative";
  return NULL;
}
