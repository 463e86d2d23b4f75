#define _DEFAULT_SOURCE
#include "keeper/inside.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

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

/* ms between two questions whether the link may begin. */
enum { ASK_LINK_AGAIN = 5 };

static void open_link(hf_client *client) {
  const hf_link_operations *operations = client->operations;
  if (operations->clear && !operations->clear(client->link)) {
    client->gate = HF_GATE_LINK;
    client->due[HF_DUE_TURN] = client->keeper->now + ASK_LINK_AGAIN;
    hf_driver_dirty(client);
    return;
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
}

/* A link of ours takes what TLS is made of ready to use. */
static void find_trust(hf_client *client) {
  hf_keeper *keeper = client->keeper;
  bool wanted = client->server->tls && client->operations->exact;
  if (wanted) client->context = hf_tls_context_find(hf_options_tls(client->options));
  if (!wanted || client->context || !keeper->means.trust) {
    open_link(client);
    return;
  }
  client->gate = HF_GATE_TRUST;
  if (!keeper->means.trust(keeper->inbox, client, client->generation)) {
    client->gate = HF_GATE_NONE;
    hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
  }
}

void hf_attempt_trusted(hf_client *client, hf_trusted *answer) {
  bool wanted = client->gate == HF_GATE_TRUST && answer->question.mail.generation == client->generation;
  if (wanted && answer->context) {
    client->gate = HF_GATE_NONE;
    client->context = answer->context;
    answer->context = NULL;
    open_link(client);
  } else if (wanted) {
    client->gate = HF_GATE_NONE;
    hf_driver_fail(client, (hf_source)answer->problem.reason->source, answer->problem.reason->code,
                   answer->problem.text);
  }
  hf_trust_free(answer);
}

static bool is_address(const hf_server *server) {
  struct in_addr ipv4;
  return server->ipv6 || inet_pton(AF_INET, server->host, &ipv4) == 1;
}

/* The link may look names up too, but Paho does so under a lock that stops every client. Where TLS must verify the name
 * there is no way around it, but then at least the name is known to have an answer. */
static void find_address(hf_client *client) {
  const hf_server *server = client->server;
  hf_keeper *keeper = client->keeper;
  if (!keeper->means.resolve || is_address(server)) {
    find_trust(client);
    return;
  }
  hf_snapshot_attempt_phase(client, HF_PHASE_DNS);
  client->gate = HF_GATE_NAME;
  if (!keeper->means.resolve(keeper->inbox, client, client->generation, server->host)) {
    client->gate = HF_GATE_NONE;
    hf_driver_fail(client, HF_SOURCE_NETWORK, HF_NETWORK_NAME_SERVER_FAILING, NULL);
  }
}

void hf_attempt_resolved(hf_client *client, hf_resolved *answer) {
  bool wanted = client->gate == HF_GATE_NAME && answer->question.mail.generation == client->generation;
  if (!wanted) {
    free(answer);
    return;
  }
  client->gate = HF_GATE_NONE;
  if (answer->failure) {
    hf_driver_fail(client, HF_SOURCE_NETWORK, answer->failure, NULL);
    free(answer);
  } else if (client->operations->exact) {
    client->resolved = answer;
    find_trust(client);
  } else {
    if (!client->server->tls) client->address = answer->addresses[client->address_turn++ % answer->count];
    free(answer);
    open_link(client);
  }
}

static void ask_credentials(hf_client *client) {
  hf_event *event = hf_tell_make(client, HF_EVENT_CREDENTIALS);
  if (!event) {
    hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
    return;
  }
  client->gate = HF_GATE_CREDENTIALS;
  event->ticket = client->generation;
  hf_tell_send(client, event);
}

static void go_on(hf_client *client) {
  client->gate = HF_GATE_NONE;
  if (client->options->ask_credentials)
    ask_credentials(client);
  else
    find_address(client);
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

static void take_turn(hf_client *client) {
  int64_t wait = hf_budget_take(&client->keeper->budget, client->keeper->now);
  if (wait <= 0)
    go_on(client);
  else
    stand_in_line(client, HF_GATE_BUDGET, wait);
}

/* ms that Lua has to answer. A process that shares a budget and cannot reach it must neither stop nor run wild. */
enum { ANSWER_WITHIN = 1000 };

static void proceed(hf_client *client) {
  hf_event *question = client->keeper->ask_budget ? hf_tell_make(client, HF_EVENT_TURN) : NULL;
  if (!question) {
    take_turn(client);
    return;
  }
  question->ticket = client->generation;
  hf_tell_send(client, question);
  stand_in_line(client, HF_GATE_ASKED, ANSWER_WITHIN);
}

/* A place that Lua gives is not given back when the attempt is abandoned: those behind it come later than they could.
 */
void hf_attempt_place(hf_client *client, const hf_command *answer) {
  if (client->gate != HF_GATE_ASKED || answer->wish != client->generation) return;
  client->due[HF_DUE_TURN] = HF_NEVER;
  if (answer->number < 0)
    take_turn(client);
  else
    stand_in_line(client, HF_GATE_TURN, answer->number);
}

void hf_attempt_turn(hf_client *client) {
  if (client->gate == HF_GATE_LINK)
    open_link(client);
  else if (hf_diagnosis_holds(client))
    hf_diagnosis_turn(client);
  else if (client->gate == HF_GATE_ASKED)
    take_turn(client);
  else
    go_on(client);
}

void hf_attempt_line_up_again(hf_client *client) {
  if (client->gate != HF_GATE_BUDGET && client->gate != HF_GATE_ASKED && client->gate != HF_GATE_TURN) return;
  client->due[HF_DUE_TURN] = HF_NEVER;
  proceed(client);
}

void hf_attempt_leave_line(hf_client *client) {
  bool in_line = client->gate == HF_GATE_DIAGNOSIS && client->due[HF_DUE_TURN] != HF_NEVER;
  if (client->gate == HF_GATE_BUDGET || in_line) hf_budget_return(&client->keeper->budget);
  client->due[HF_DUE_TURN] = HF_NEVER;
}

void hf_attempt_begin(hf_client *client) {
  client->generation++;
  client->address.text[0] = '\0';
  hf_snapshot_attempt(client);
  bool *begun = &client->keeper->begun[client->options->transport];
  if (!*begun) *begun = client->operations->begin(&client->keeper->loop);
  if (!*begun) {
    hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "the transport cannot begin its work");
    return;
  }
  if (!client->link) {
    bool here = client->options->transport == HF_TRANSPORT_NATIVE;
    hf_link_sink sink = {here ? hf_keeper_tell : hf_keeper_deliver, client->keeper, client};
    client->link = client->operations->create(sink);
    if (!client->link) {
      hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
      return;
    }
    hf_keeping_resume(client);
    hf_inbox_opened(client);
  }
  if (client->leaving)
    client->gate = HF_GATE_LEAVING;
  else
    proceed(client);
}

void hf_attempt_left(hf_client *client) {
  if (client->gate == HF_GATE_LEAVING) proceed(client);
}

void hf_attempt_credentials(hf_client *client, const hf_command *answer) {
  if (client->gate != HF_GATE_CREDENTIALS || answer->wish != client->generation)
    return; /* of an attempt that is over */
  if (answer->failed) {
    client->gate = HF_GATE_NONE;
    hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_CREDENTIALS_FAILED, answer->first.data);
    return;
  }
  hf_attempt_forget(client);
  if (keep(&client->username, answer->first) && keep(&client->password, answer->second)) {
    find_address(client);
    return;
  }
  client->gate = HF_GATE_NONE;
  hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
}
