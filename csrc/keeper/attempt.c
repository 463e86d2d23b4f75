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
  const hf_link_operations *operations = client->keeper->operations;
  if (operations->clear && !operations->clear(client->link)) {
    client->gate = HF_GATE_LINK;
    client->due[HF_DUE_TURN] = client->keeper->now + ASK_LINK_AGAIN;
    hf_driver_dirty(client);
    return;
  }
  const hf_client_options *options = client->options;
  const hf_server *server = client->server;
  bool anew = options->ask_credentials;
  client->gate = HF_GATE_NONE;
  client->asked_clean = options->clean_start && !client->was_connected;
  hf_link_attempt attempt = {
      .host = client->address.text[0] ? client->address.text : server->host,
      .port = server->port,
      .ipv6 = client->address.text[0] ? client->address.ipv6 : server->ipv6,
      .tls = server->tls ? hf_options_tls(options) : NULL,
      .client_id = client->assigned_id ? client->assigned_id : options->client_id,
      .username = anew ? client->username : options->username,
      .password = anew ? client->password : options->password,
      .will = options->will,
      .properties = options->properties,
      .session_expiry = options->session_expiry,
      .timeout = options->engine.connect_timeout,
      .maximum_packet_size = options->maximum_packet_size,
      .keep_alive = options->keep_alive,
      .receive_maximum = options->receive_maximum,
      .protocol = client->protocol,
      .clean_start = client->asked_clean,
  };
  operations->open(client->link, client->generation, &attempt);
  hf_attempt_forget(client);
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
    open_link(client);
    return;
  }
  hf_snapshot_attempt_phase(client, HF_PHASE_DNS);
  client->gate = HF_GATE_NAME;
  if (!keeper->means.resolve(keeper->inbox, client, client->generation, server->host)) {
    client->gate = HF_GATE_NONE;
    hf_driver_fail(client, HF_SOURCE_NETWORK, HF_NETWORK_NAME_SERVER_FAILING, NULL);
  }
}

void hf_attempt_resolved(hf_client *client, const hf_resolved *answer) {
  if (client->gate != HF_GATE_NAME || answer->question.mail.generation != client->generation) return;
  client->gate = HF_GATE_NONE;
  if (answer->failure) {
    hf_driver_fail(client, HF_SOURCE_NETWORK, answer->failure, NULL);
    return;
  }
  if (!client->server->tls) client->address = answer->addresses[client->address_turn++ % answer->count];
  open_link(client);
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
  hf_keeper *keeper = client->keeper;
  if (!keeper->begun) keeper->begun = keeper->operations->begin();
  if (!keeper->begun) {
    hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "the transport cannot begin its work");
    return;
  }
  if (!client->link) {
    hf_link_sink sink = {hf_keeper_deliver, client->keeper, client};
    client->link = client->keeper->operations->create(sink);
    if (!client->link) {
      hf_driver_fail(client, HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
      return;
    }
    hf_keeping_resume(client);
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
