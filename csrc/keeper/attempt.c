#define _DEFAULT_SOURCE
#include "keeper/attempt.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/door.h"
#include "keeper/inbox.h"
#include "keeper/keeping.h"
#include "keeper/snapshot.h"
#include "keeper/tell.h"

static void wipe(hf_bytes *secret) {
  if (secret->data) {
    explicit_bzero((char *)secret->data, secret->length);
    free((char *)secret->data);
  }
  *secret = (hf_bytes){NULL, 0};
}

void hf_attempt_forget(hf_client *client) {
  free(client->resolved);
  client->resolved = NULL;
  if (client->context) hf_tls_context_drop(client->context);
  client->context = NULL;
  wipe(&client->username);
  wipe(&client->password);
}

/* False when memory is short. */
static bool keep(hf_bytes *kept, hf_bytes from) {
  char *copy = from.data ? malloc(from.length + 1) : NULL;
  if (copy) memcpy(copy, from.data, from.length + 1);
  *kept = (hf_bytes){copy, copy ? from.length : 0};
  return copy || !from.data;
}

static const hf_failure none = {NULL, NULL};

static hf_failure failure(hf_source source, int code, const char *text) {
  return (hf_failure){hf_reason_find(source, code), text};
}

static hf_failure out_of_memory(void) {
  return failure(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
}

/* ms between two questions whether the link may begin. */
enum { ASK_LINK_AGAIN = 5 };

static hf_failure open_link(hf_client *client) {
  const hf_link_operations *operations = client->operations;
  if (operations->clear && !operations->clear(client->link)) {
    client->gate = HF_GATE_LINK;
    client->due[HF_DUE_TURN] = client->keeper->now + ASK_LINK_AGAIN;
    hf_driver_dirty(client);
    return none;
  }
  const hf_client_options *options = client->options;
  const hf_server *server = client->server;
  const hf_resolved *resolved = client->resolved;
  const char *addresses[HF_ADDRESSES];
  for (size_t i = 0; resolved && i < resolved->count; i++)
    addresses[i] = resolved->addresses[i].text;
  bool anew = options->ask_credentials;
  client->gate = HF_GATE_NONE;
  client->asked_clean = !client->was_connected && (options->clean_start || client->strange);
  hf_link_attempt attempt = {
      .host = client->address.text[0] ? client->address.text : server->host,
      .addresses = addresses,
      .address_count = resolved ? resolved->count : 0,
      .port = server->port,
      .ipv6 = client->address.text[0] ? client->address.ipv6 : server->ipv6,
      .tls = server->tls ? hf_options_tls(options) : NULL,
      .context = client->context,
      .client_id = client->assigned_id ? client->assigned_id : options->client_id,
      .username = anew ? client->username : options->username,
      .password = anew ? client->password : options->password,
      .will = options->will,
      .properties = options->properties,
      .session_expiry = options->session_expiry,
      .timeout = options->engine.connect_timeout,
      .maximum_packet_size = options->maximum_packet_size,
      .keep_alive = options->keep_alive,
      .ask_after = options->detect_within / 2,
      .dead_after = options->detect_within,
      .hold_bytes = options->inbox_bytes,
      .receive_maximum = options->receive_maximum,
      .protocol = client->protocol,
      .clean_start = client->asked_clean,
  };
  operations->open(client->link, client->generation, &attempt);
  hf_attempt_forget(client);
  return none;
}

/* A link of ours takes what TLS is made of ready to use. */
static hf_failure find_trust(hf_client *client) {
  hf_keeper *keeper = client->keeper;
  bool wanted = client->server->tls && client->operations->exact;
  if (wanted) client->context = hf_tls_context_find(hf_options_tls(client->options));
  if (!wanted || client->context || !keeper->means.trust) return open_link(client);
  client->gate = HF_GATE_TRUST;
  if (keeper->means.trust(keeper->inbox, client, client->generation)) return none;
  client->gate = HF_GATE_NONE;
  return out_of_memory();
}

hf_failure hf_attempt_trusted(hf_client *client, hf_trusted *answer) {
  if (client->gate != HF_GATE_TRUST || answer->question.mail.generation != client->generation) return none;
  client->gate = HF_GATE_NONE;
  if (!answer->context) return (hf_failure){answer->problem.reason, answer->problem.text};
  client->context = answer->context;
  answer->context = NULL;
  return open_link(client);
}

static bool is_address(const hf_server *server) {
  struct in_addr ipv4;
  return server->ipv6 || inet_pton(AF_INET, server->host, &ipv4) == 1;
}

/* The link may look names up too, but Paho does so under a lock that stops every client. Where TLS must verify the name
 * there is no way around it, but then at least the name is known to have an answer. */
static hf_failure find_address(hf_client *client) {
  const hf_server *server = client->server;
  hf_keeper *keeper = client->keeper;
  if (!keeper->means.resolve || is_address(server)) return find_trust(client);
  hf_snapshot_attempt_phase(client, HF_PHASE_DNS);
  client->gate = HF_GATE_NAME;
  if (keeper->means.resolve(keeper->inbox, client, client->generation, server->host)) return none;
  client->gate = HF_GATE_NONE;
  return failure(HF_SOURCE_NETWORK, HF_NETWORK_NAME_SERVER_FAILING, NULL);
}

static hf_failure use(hf_client *client, hf_resolved *answer) {
  hf_network_code problem = answer->failure;
  if (!problem && client->operations->exact) {
    client->resolved = answer;
    return find_trust(client);
  }
  if (!problem && !client->server->tls) client->address = answer->addresses[client->address_turn++ % answer->count];
  free(answer);
  return problem ? failure(HF_SOURCE_NETWORK, problem, NULL) : open_link(client);
}

hf_failure hf_attempt_resolved(hf_client *client, hf_resolved *answer) {
  if (client->gate == HF_GATE_NAME && answer->question.mail.generation == client->generation) {
    client->gate = HF_GATE_NONE;
    return use(client, answer);
  }
  free(answer);
  return none;
}

static hf_failure ask_credentials(hf_client *client) {
  hf_event *event = hf_tell_make(client, HF_EVENT_CREDENTIALS);
  if (!event) return out_of_memory();
  client->gate = HF_GATE_CREDENTIALS;
  event->ticket = client->generation;
  hf_tell_send(client, event);
  return none;
}

static hf_failure go_on(hf_client *client) {
  client->gate = HF_GATE_NONE;
  return client->options->ask_credentials ? ask_credentials(client) : find_address(client);
}

/* The time in line is not the attempt's own. */
static void stand_in_line(hf_client *client, hf_gate gate, int64_t wait) {
  int64_t now = client->keeper->now;
  client->gate = (uint8_t)gate;
  client->due[HF_DUE_TURN] = now + wait;
  hf_engine_event delay = {.input = HF_INPUT_DELAY, .delay = wait > UINT32_MAX ? UINT32_MAX : (uint32_t)wait};
  hf_engine_step(&client->engine, now, delay);
  hf_driver_dirty(client);
}

static hf_failure take_turn(hf_client *client) {
  int64_t wait = hf_budget_take(&client->keeper->budget, client->keeper->now);
  if (wait <= 0) return go_on(client);
  stand_in_line(client, HF_GATE_BUDGET, wait);
  return none;
}

/* ms that Lua has to answer. A process that shares a budget and cannot reach it must neither stop nor run wild. */
enum { ANSWER_WITHIN = 1000 };

static hf_failure proceed(hf_client *client) {
  hf_event *question = client->keeper->ask_budget ? hf_tell_make(client, HF_EVENT_TURN) : NULL;
  if (!question) return take_turn(client);
  question->ticket = client->generation;
  hf_tell_send(client, question);
  stand_in_line(client, HF_GATE_ASKED, ANSWER_WITHIN);
  return none;
}

/* A place that Lua gives is not given back when the attempt is abandoned: those behind it come later than they could.
 */
hf_failure hf_attempt_place(hf_client *client, const hf_command *answer) {
  if (client->gate != HF_GATE_ASKED || answer->wish != client->generation) return none;
  client->due[HF_DUE_TURN] = HF_NEVER;
  if (answer->number < 0) return take_turn(client);
  stand_in_line(client, HF_GATE_TURN, answer->number);
  return none;
}

hf_failure hf_attempt_turn(hf_client *client) {
  if (client->gate == HF_GATE_LINK) return open_link(client);
  if (client->gate == HF_GATE_ASKED) return take_turn(client);
  if (!hf_diagnosis_holds(client)) return go_on(client);
  hf_diagnosis_turn(client);
  return none;
}

hf_failure hf_attempt_line_up_again(hf_client *client) {
  if (client->gate != HF_GATE_BUDGET && client->gate != HF_GATE_ASKED && client->gate != HF_GATE_TURN) return none;
  client->due[HF_DUE_TURN] = HF_NEVER;
  return proceed(client);
}

void hf_attempt_leave_line(hf_client *client) {
  bool in_line = client->gate == HF_GATE_DIAGNOSIS && client->due[HF_DUE_TURN] != HF_NEVER;
  if (client->gate == HF_GATE_BUDGET || in_line) hf_budget_return(&client->keeper->budget);
  client->due[HF_DUE_TURN] = HF_NEVER;
}

hf_failure hf_attempt_begin(hf_client *client) {
  client->generation++;
  client->address.text[0] = '\0';
  hf_snapshot_attempt(client);
  bool *begun = &client->keeper->begun[client->options->transport];
  if (!*begun) *begun = client->operations->begin(&client->keeper->loop);
  if (!*begun) return failure(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "the transport cannot begin its work");
  if (!client->link) {
    bool here = client->options->transport == HF_TRANSPORT_NATIVE;
    hf_link_sink sink = {here ? hf_keeper_tell : hf_keeper_deliver, client->keeper, client};
    client->link = client->operations->create(sink);
    if (!client->link) return out_of_memory();
    hf_keeping_resume(client);
    hf_inbox_opened(client);
  }
  if (!client->leaving) return proceed(client);
  client->gate = HF_GATE_LEAVING;
  return none;
}

hf_failure hf_attempt_left(hf_client *client) {
  return client->gate == HF_GATE_LEAVING ? proceed(client) : none;
}

hf_failure hf_attempt_credentials(hf_client *client, const hf_command *answer) {
  if (client->gate != HF_GATE_CREDENTIALS || answer->wish != client->generation)
    return none; /* of an attempt that is over */
  if (answer->failed) {
    client->gate = HF_GATE_NONE;
    return failure(HF_SOURCE_CLIENT, HF_CLIENT_CREDENTIALS_FAILED, answer->first.data);
  }
  hf_attempt_forget(client);
  if (keep(&client->username, answer->first) && keep(&client->password, answer->second)) return find_address(client);
  client->gate = HF_GATE_NONE;
  return out_of_memory();
}
