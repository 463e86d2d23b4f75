#include "keeper/pair.h"

#include "keeper/inside.h"
#include "keeper/snapshot.h"

static const hf_server *second_of(const hf_client *client) {
  const hf_client_options *options = client->options;
  uint16_t at = client->engine.server;
  bool paired = at < 63 && (options->engine.pairs >> at & 1) != 0 && client->server == &options->servers[at];
  return paired ? &options->servers[at + 1] : NULL;
}

hf_stream_beside hf_pair_beside(const hf_client *client) {
  const hf_server *second = second_of(client);
  if (!second) return (hf_stream_beside){0};
  const hf_keeper *keeper = client->keeper;
  return (hf_stream_beside){
      .port = second->port,
      .first = hf_roads_blocked(&keeper->roads, client->server->host, client->server->port, keeper->now)};
}

static bool has_begun(const hf_stream_rival *rival) {
  return rival->reason || rival->phase != HF_PHASE_NONE;
}

bool hf_pair_failed(hf_client *client, const hf_stream_rival *rival) {
  const hf_server *first = client->server, *second = second_of(client);
  if (!second || !rival->there) return false;
  bool by_tcp = rival->road == HF_ROAD_QUIC;
  if (has_begun(rival)) hf_snapshot_attempt_beside(client, by_tcp ? first->text : second->text, rival);
  if (!by_tcp) return false;
  client->server = second;
  hf_snapshot_attempt_server(client);
  return true;
}

/* One that was only slower says nothing of the next time; nor does one that began after TCP, because of what is
 * remembered: it had what was left until TCP was there, and that may be less than one round trip. */
static bool is_blocked(const hf_client *client, const hf_stream_rival *quic) {
  const hf_server *server = client->server;
  const hf_keeper *keeper = client->keeper;
  if (quic->reason) return true;
  return quic->phase == HF_PHASE_QUIC && !hf_roads_blocked(&keeper->roads, server->host, server->port, keeper->now);
}

bool hf_pair_connected(hf_client *client, const hf_stream_rival *rival) {
  const hf_server *first = client->server;
  hf_keeper *keeper = client->keeper;
  if (!second_of(client) || !rival->there) return false;
  if (rival->road != HF_ROAD_QUIC)
    hf_roads_clear(&keeper->roads, first->host, first->port);
  else if (is_blocked(client, rival))
    hf_roads_note(&keeper->roads, first->host, first->port, keeper->now);
  return hf_pair_failed(client, rival);
}
