#include "keeper/deadlines.h"

#include "keeper/inside.h"

static void settled(hf_client *client) {
  (void)client;
}

typedef struct hf_deadline_row {
  void (*fires)(hf_client *client);
  bool of_connection;
} hf_deadline_row;

static const hf_deadline_row rows[HF_DEADLINE_COUNT] = {
#define ROW(name, of_connection, fires) {fires, of_connection},
    HF_DEADLINES(ROW)
#undef ROW
};

void hf_deadlines_init(hf_client *client) {
  for (size_t i = 0; i < HF_DEADLINE_COUNT; i++)
    client->due[i] = HF_NEVER;
}

void hf_deadlines_connection_over(hf_client *client) {
  for (size_t i = 0; i < HF_DEADLINE_COUNT; i++)
    if (rows[i].of_connection) client->due[i] = HF_NEVER;
}

static void copy(hf_client *client) {
  client->due[HF_DUE_ENGINE] = client->engine.deadline;
  client->due[HF_DUE_EXPIRY] = hf_outbox_due(client);
}

void hf_deadlines_fire(hf_client *client) {
  copy(client);
  for (size_t i = 0; i < HF_DEADLINE_COUNT; i++) {
    if (client->due[i] > client->keeper->now || rows[i].fires == settled) continue;
    client->due[i] = HF_NEVER;
    rows[i].fires(client);
    return;
  }
}

int64_t hf_deadlines_first(hf_client *client) {
  int64_t first = HF_NEVER;
  copy(client);
  for (size_t i = 0; i < HF_DEADLINE_COUNT; i++)
    if (client->due[i] < first) first = client->due[i];
  return first;
}
