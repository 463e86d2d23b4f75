#include "keeper/deadlines.h"

#include "keeper/inside.h"
#include "keeper/outbox.h"

static const bool ends_with_connection[HF_DEADLINE_COUNT] = {
#define ROW(name, of_connection, fires) of_connection,
    HF_DEADLINES(ROW)
#undef ROW
};

void hf_deadlines_init(hf_client *client) {
  for (size_t i = 0; i < HF_DEADLINE_COUNT; i++)
    client->due[i] = HF_NEVER;
}

void hf_deadlines_connection_over(hf_client *client) {
  for (size_t i = 0; i < HF_DEADLINE_COUNT; i++)
    if (ends_with_connection[i]) client->due[i] = HF_NEVER;
}

void hf_deadlines_copy(hf_client *client) {
  client->due[HF_DUE_ENGINE] = client->engine.deadline;
  client->due[HF_DUE_EXPIRY] = hf_outbox_due(client);
}

int64_t hf_deadlines_first(hf_client *client) {
  int64_t first = HF_NEVER;
  hf_deadlines_copy(client);
  for (size_t i = 0; i < HF_DEADLINE_COUNT; i++)
    if (client->due[i] < first) first = client->due[i];
  return first;
}
