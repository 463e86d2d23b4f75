#include "keeper/gates.h"

#include "keeper/authentication.h"
#include "keeper/door.h"
#include "keeper/pair.h"
#include "keeper/route.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"
#include "stream/quic.h"

static hf_gate_input refuse(hf_failure *failure, hf_source source, int code) {
  *failure = (hf_failure){hf_reason_find(source, code), NULL};
  return HF_GATE_INPUT_REFUSED;
}

static hf_gate_input see_off(hf_client *client, hf_failure *failure) {
  (void)failure;
  return client->leaving ? HF_GATE_WAITS : HF_GATE_INPUT_LEFT;
}

void hf_gates_stand_in_line(hf_client *client, int64_t wait) {
  int64_t now = client->keeper->now;
  client->due[HF_DUE_TURN] = now + wait;
  hf_engine_event delay = {.input = HF_INPUT_DELAY, .delay = wait > UINT32_MAX ? UINT32_MAX : (uint32_t)wait};
  hf_engine_step(&client->engine, now, delay);
  hf_client_dirty(client);
}

/* ms that Lua has to answer. A process that shares a budget and cannot reach it must neither stop nor run wild. */
enum { ANSWER_WITHIN = 1000 };

static hf_gate_input ask_for_place(hf_client *client, hf_failure *failure) {
  (void)failure;
  hf_event *question = client->keeper->ask_budget ? hf_tell_make(client, HF_EVENT_TURN) : NULL;
  if (!question) return HF_GATE_INPUT_UNPLACED;
  question->ticket = client->generation;
  hf_tell_send(client, question);
  hf_gates_stand_in_line(client, ANSWER_WITHIN);
  return HF_GATE_WAITS;
}

static hf_gate_input take_place(hf_client *client, hf_failure *failure) {
  (void)failure;
  int64_t wait = hf_budget_take(&client->keeper->budget, client->keeper->now);
  if (wait <= 0) return HF_GATE_INPUT_DUE;
  hf_gates_stand_in_line(client, wait);
  return HF_GATE_WAITS;
}

static hf_gate_input ask_credentials(hf_client *client, hf_failure *failure) {
  const hf_client_options *options = client->options;
  hf_road road = client->server->road;
  bool wanted = options->ask_credentials || options->auth.ask_first || hf_given_wanted(client) ||
                (options->ask_headers && road == HF_ROAD_WEBSOCKET) || (options->ask_proxy && road != HF_ROAD_UNIX);
  if (!wanted) return HF_GATE_INPUT_GIVEN;
  hf_event *event = hf_tell_make(client, HF_EVENT_CREDENTIALS);
  if (!event) return refuse(failure, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY);
  event->ticket = client->generation;
  hf_tell_send(client, event);
  return HF_GATE_WAITS;
}

static hf_gate_input find_service(hf_client *client, hf_failure *failure) {
  hf_keeper *keeper = client->keeper;
  hf_snapshot_attempt_phase(client, HF_PHASE_DNS);
  if (keeper->means.find && keeper->means.find(keeper->inbox, client, client->generation, client->server))
    return HF_GATE_WAITS;
  return refuse(failure, HF_SOURCE_NETWORK, HF_NETWORK_NAME_SERVER_FAILING);
}

/* The link may look names up too, but Paho does so under a lock that stops every client. Where TLS must verify the name
 * there is no way around it, but then at least the name is known to have an answer. */
static hf_gate_input find_address(hf_client *client, hf_failure *failure) {
  hf_keeper *keeper = client->keeper;
  bool of_proxy;
  if (client->server->service && !client->target) client->target = hf_walk_next(client);
  if (client->server->service && !client->target) return find_service(client, failure);
  client->proxy = hf_route_find(client);
  const char *host = hf_route_unknown(client, &of_proxy);
  if (!keeper->means.resolve || !host) return HF_GATE_INPUT_RESOLVED;
  hf_snapshot_attempt_phase(client, of_proxy ? HF_PHASE_PROXY : HF_PHASE_DNS);
  if (keeper->means.resolve(keeper->inbox, client, client->generation, host)) return HF_GATE_WAITS;
  return refuse(failure, HF_SOURCE_NETWORK, HF_NETWORK_NAME_SERVER_FAILING);
}

/* A link of ours takes what TLS is made of ready to use. Paho reads it by itself, but does not see that a key is not
 * its certificate's. */
static hf_gate_input find_trust(hf_client *client, hf_failure *failure) {
  hf_keeper *keeper = client->keeper;
  const hf_link_tls *tls = hf_options_tls(client->options);
  bool to_proxy = client->proxy && client->proxy->tls;
  bool wanted = client->server->tls && (client->operations->exact || tls->cert);
  if (wanted && client->server->road == HF_ROAD_QUIC)
    client->context = hf_quic_context_find(tls);
  else if (wanted && client->operations->exact)
    client->context = hf_tls_context_find(tls);
  if (to_proxy) client->proxy_context = hf_tls_context_find(&client->options->proxy_tls);
  bool missing = (wanted && !client->context) || (to_proxy && !client->proxy_context);
  if (!missing || !keeper->means.trust) return HF_GATE_INPUT_TRUSTED;
  if (keeper->means.trust(keeper->inbox, client, client->generation)) return HF_GATE_WAITS;
  return refuse(failure, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY);
}

/* ms between two questions whether the link may begin. */
enum { ASK_LINK_AGAIN = 5 };

static hf_gate_input ask_link(hf_client *client, hf_failure *failure) {
  (void)failure;
  const hf_link_operations *operations = client->operations;
  if (!operations->clear || operations->clear(client->link)) return HF_GATE_INPUT_CLEAR;
  client->due[HF_DUE_TURN] = client->keeper->now + ASK_LINK_AGAIN;
  hf_client_dirty(client);
  return HF_GATE_WAITS;
}

static hf_gate_input line_up_for_look(hf_client *client, hf_failure *failure) {
  (void)failure;
  return hf_diagnosis_due(client) ? HF_GATE_INPUT_DUE : HF_GATE_WAITS;
}

static hf_gate_input look_at_server(hf_client *client, hf_failure *failure) {
  (void)failure;
  return hf_diagnosis_look(client, client->server) ? HF_GATE_WAITS : HF_GATE_INPUT_REFUSED;
}

static hf_gate_input look_at_files(hf_client *client, hf_failure *failure) {
  (void)failure;
  hf_diagnosis_look(client, NULL);
  return HF_GATE_WAITS;
}

typedef hf_gate_input arrival(hf_client *client, hf_failure *failure);

static arrival *const arrivals[HF_GATES] = {
    [HF_GATE_LEAVING] = see_off,
    [HF_GATE_ASKED] = ask_for_place,
    [HF_GATE_BUDGET] = take_place,
    [HF_GATE_CREDENTIALS] = ask_credentials,
    [HF_GATE_NAME] = find_address,
    [HF_GATE_TRUST] = find_trust,
    [HF_GATE_LINK] = ask_link,
    [HF_GATE_LOOK] = line_up_for_look,
    [HF_GATE_DIAGNOSIS] = look_at_server,
    [HF_GATE_FILES] = look_at_files,
};

hf_gate_input hf_gates_arrive(hf_client *client, hf_gate gate, hf_failure *failure) {
  return arrivals[gate] ? arrivals[gate](client, failure) : HF_GATE_WAITS;
}

/* Beginning with one of them, in their order; how many. */
static size_t list_addresses(const hf_resolved *resolved, uint32_t first, const char **list) {
  size_t count = resolved ? resolved->count : 0;
  for (size_t i = 0; i < count; i++)
    list[i] = resolved->addresses[(first + i) % count].text;
  return count;
}

static uint32_t time_left(const hf_client *client) {
  int64_t left = client->engine.deadline - client->keeper->now;
  if (left > UINT32_MAX) return 0;
  return left < 1 ? 1 : (uint32_t)left;
}

bool hf_gates_open(hf_client *client) {
  const hf_client_options *options = client->options;
  const hf_server *server = client->server;
  const hf_bytes *given = client->given.of;
  const char *addresses[HF_ADDRESSES], *proxy_addresses[HF_ADDRESSES];
  const hf_proxy *proxy = client->proxy;
  bool one_of_them = proxy && !proxy->looks_up; /* which is told to the proxy: another one each time */
  size_t count = list_addresses(client->resolved, one_of_them ? client->address_turn++ : 0, addresses);
  size_t proxy_count = list_addresses(client->proxy_resolved, 0, proxy_addresses);
  bool anew = options->ask_credentials;
  if (!hf_authentication_begin(client)) return false;
  client->asked_clean = !client->was_connected && (options->clean_start || client->strange);
  hf_link_attempt attempt = {
      .host = client->address.text[0] ? client->address.text : server->host,
      .place = client->target ? client->target->host : NULL,
      .road = server->road,
      .path = server->path,
      .headers = options->ask_headers ? given[HF_GIVEN_HEADERS].data : options->headers,
      .addresses = addresses,
      .address_count = count,
      .proxy = proxy,
      .proxy_addresses = proxy_addresses,
      .proxy_address_count = proxy_count,
      .proxy_tls = proxy && proxy->tls ? &options->proxy_tls : NULL,
      .proxy_context = client->proxy_context,
      .port = client->target ? client->target->port : server->port,
      .ipv6 = client->address.text[0] ? client->address.ipv6 : server->ipv6,
      .tls = server->tls ? hf_options_tls(options) : NULL,
      .beside = hf_pair_beside(client),
      .context = client->context,
      .client_id = client->assigned_id ? client->assigned_id : options->client_id,
      .username = anew ? given[HF_GIVEN_USERNAME] : options->username,
      .password = anew ? given[HF_GIVEN_PASSWORD] : options->password,
      .auth_method = client->protocol == 5 ? options->auth.method : NULL,
      .auth_data = given[HF_GIVEN_AUTH],
      .auth_mutual = options->auth.hash != HF_SCRAM_NONE,
      .auth_binds = options->auth.binds,
      .will = options->will,
      .properties = options->properties,
      .session_expiry = options->session_expiry,
      .timeout = options->engine.connect_timeout,
      .left = time_left(client),
      .maximum_packet_size = options->maximum_packet_size,
      .keep_alive = options->keep_alive,
      .ask_after = options->detect_within / 2,
      .dead_after = options->detect_within,
      .hold_bytes = options->inbox_bytes,
      .receive_maximum = options->receive_maximum,
      .protocol = client->protocol,
      .clean_start = client->asked_clean,
      .zero_rtt = options->zero_rtt,
      .inspect = options->inspect,
  };
  return client->operations->open(client->link, client->generation, &attempt);
}
