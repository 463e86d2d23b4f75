#include "keeper/primary.h"

#include "keeper/door.h"
#include "keeper/inside.h"
#include "keeper/knock.h"

enum { TWICE = 2, DOUBLINGS = 4 };

static bool is_elsewhere(const hf_client *client) {
  return client->options->return_to_primary > 0 && client->keeper->means.knock && client->engine.server != 0;
}

static void wait_a_while(hf_client *client) {
  hf_client_dirty(client);
  int64_t period = (int64_t)client->options->return_to_primary << client->primary.patience;
  client->due[HF_DUE_KNOCK] = client->keeper->now + period;
}

void hf_primary_connected(hf_client *client) {
  client->primary.opened = 0;
  if (is_elsewhere(client)) wait_a_while(client);
}

void hf_primary_stable(hf_client *client) {
  if (client->engine.server == 0) client->primary.patience = 0;
}

void hf_primary_due(hf_client *client) {
  hf_keeper *keeper = client->keeper;
  if (!keeper->means.knock(keeper->inbox, client, client->generation, &client->options->servers[0]))
    wait_a_while(client);
}

bool hf_primary_knocked(hf_client *client, const hf_knocked *answer) {
  hf_primary *primary = &client->primary;
  if (!client->connected || answer->question.mail.generation != client->generation) return false;
  primary->opened = answer->opened ? (uint8_t)(primary->opened + 1) : 0;
  if (primary->opened < TWICE) {
    wait_a_while(client);
    return false;
  }
  if (primary->patience < DOUBLINGS) primary->patience++;
  hf_roads_clear(&client->keeper->roads, client->options->servers[0].host, client->options->servers[0].port);
  return true;
}
