#define _DEFAULT_SOURCE
#include "keeper/attempt.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/door.h"
#include "keeper/gates.h"
#include "keeper/inbox.h"
#include "keeper/inspect.h"
#include "keeper/keeping.h"
#include "keeper/route.h"
#include "keeper/snapshot.h"

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
  if (client->context) {
    if (client->last_context) hf_tls_context_drop(client->last_context);
    client->last_context = client->context;
  }
  client->context = NULL;
  free(client->proxy_resolved);
  client->proxy_resolved = NULL;
  if (client->proxy_context) hf_tls_context_drop(client->proxy_context);
  client->proxy_context = NULL;
  if (client->given_proxy) explicit_bzero(client->given_proxy, sizeof *client->given_proxy);
  free(client->given_proxy);
  client->given_proxy = NULL;
  client->proxy = NULL;
  client->target = NULL;
  for (size_t i = 0; i < HF_GIVEN_PARTS; i++)
    wipe(&client->given.of[i]);
}

/* False when memory is short. */
static bool keep(hf_bytes *kept, hf_bytes from) {
  char *copy = from.data ? malloc(from.length + 1) : NULL;
  if (copy) memcpy(copy, from.data, from.length + 1);
  *kept = (hf_bytes){copy, copy ? from.length : 0};
  return copy || !from.data;
}

static bool keep_parts(hf_client *client, const hf_bytes *parts) {
  static const hf_given_part kept[] = {HF_GIVEN_USERNAME, HF_GIVEN_PASSWORD, HF_GIVEN_HEADERS, HF_GIVEN_AUTH};
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
    if (!keep(&client->given.of[kept[i]], parts[kept[i]])) return false;
  return true;
}

/* What Lua has looked at before. False when memory is short. */
static bool keep_proxy(hf_client *client, hf_bytes from) {
  if (!from.data) return true;
  client->given_proxy = malloc(sizeof *client->given_proxy);
  return client->given_proxy && !hf_proxy_parse(from, client->given_proxy);
}

static const hf_failure none = {NULL, NULL};

static hf_failure because(hf_source source, int code, const char *text) {
  return (hf_failure){hf_reason_find(source, code), text};
}

/* What had to be done last; the attempt's end is for the caller. */
static unsigned step(hf_client *client, hf_gate_input input, hf_failure *failure) {
  unsigned actions = 0;
  hf_gate next;
  while (hf_gate_row((hf_gate)client->gate, input, &next, &actions)) {
    client->gate = (uint8_t)next;
    client->due[HF_DUE_TURN] = HF_NEVER;
    if (actions & HF_GATE_RETURNS) hf_budget_return(&client->keeper->budget);
    if (actions & HF_GATE_OPENS) {
      if (!hf_gates_open(client)) *failure = because(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
      hf_attempt_forget(client);
    }
    input = hf_gates_arrive(client, next, failure);
  }
  return actions;
}

static hf_failure go_on(hf_client *client, hf_gate_input input) {
  hf_failure failure = none;
  step(client, input, &failure);
  return failure;
}

static hf_failure end(hf_client *client, hf_failure failure) {
  go_on(client, HF_GATE_INPUT_REFUSED);
  return failure;
}

/* Whether such an answer is waited for, and by this attempt. */
static bool awaits(const hf_client *client, hf_gate_input input, uint32_t generation) {
  return generation == client->generation && hf_gate_takes((hf_gate)client->gate, input);
}

hf_failure hf_attempt_begin(hf_client *client) {
  client->generation++;
  client->address.text[0] = '\0';
  hf_snapshot_attempt(client);
  hf_inspect_begun(client);
  bool *begun = &client->keeper->begun[client->options->transport];
  if (!*begun) *begun = client->operations->begin(&client->keeper->loop);
  if (!*begun) return because(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, "the transport cannot begin its work");
  if (!client->link) {
    bool here = client->options->transport == HF_TRANSPORT_NATIVE;
    hf_link_sink sink = {here ? hf_keeper_tell : hf_keeper_deliver, client->keeper, client};
    client->link = client->operations->create(sink);
    if (!client->link) return because(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL);
    hf_keeping_resume(client);
    hf_inbox_opened(client);
  }
  return go_on(client, HF_GATE_INPUT_BEGIN);
}

hf_failure hf_attempt_left(hf_client *client) {
  return go_on(client, HF_GATE_INPUT_LEFT);
}

hf_failure hf_attempt_turn(hf_client *client) {
  return go_on(client, HF_GATE_INPUT_DUE);
}

hf_failure hf_attempt_line_up_again(hf_client *client) {
  return go_on(client, HF_GATE_INPUT_LIMITED);
}

/* A place that Lua gives is not given back when the attempt is abandoned: those behind it come later than they could.
 */
hf_failure hf_attempt_place(hf_client *client, const hf_command *answer) {
  if (!awaits(client, HF_GATE_INPUT_PLACED, answer->wish)) return none;
  if (answer->number < 0) return go_on(client, HF_GATE_INPUT_UNPLACED);
  go_on(client, HF_GATE_INPUT_PLACED);
  hf_gates_stand_in_line(client, answer->number);
  return none;
}

hf_failure hf_attempt_credentials(hf_client *client, const hf_command *answer) {
  if (!awaits(client, HF_GATE_INPUT_GIVEN, answer->wish)) return none;
  const hf_bytes *parts = answer->given.of;
  if (answer->failed) return end(client, because(HF_SOURCE_CLIENT, HF_CLIENT_CREDENTIALS_FAILED, parts[0].data));
  hf_attempt_forget(client);
  bool kept = keep_parts(client, parts) && keep_proxy(client, parts[HF_GIVEN_PROXY]) &&
              hf_given_take(client, parts[HF_GIVEN_SERVER]);
  if (kept) hf_snapshot_attempt_server(client);
  if (kept) return go_on(client, HF_GATE_INPUT_GIVEN);
  return end(client, because(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL));
}

static bool use(hf_client *client, hf_resolved *answer, bool of_proxy) {
  bool use_all = !answer->failure && client->operations->exact;
  if (use_all && of_proxy)
    client->proxy_resolved = answer;
  else if (use_all)
    client->resolved = answer;
  else if (!answer->failure && !client->server->tls)
    client->address = answer->addresses[client->address_turn++ % answer->count];
  return use_all;
}

/* The name of the server, then that of its proxy. */
static hf_failure look_up_next(hf_client *client) {
  hf_failure failure = none;
  hf_gate_input input = hf_gates_arrive(client, HF_GATE_NAME, &failure);
  return input == HF_GATE_INPUT_REFUSED ? end(client, failure) : go_on(client, input);
}

/* Its user has not written that name. */
static const char *whose(const hf_client *client) {
  return client->target ? client->target->host : NULL;
}

hf_failure hf_attempt_found(hf_client *client, const hf_found *answer) {
  if (!awaits(client, HF_GATE_INPUT_RESOLVED, answer->question.mail.generation) || client->target) return none;
  hf_inspect_service(client, answer);
  const char *why = answer->service.absent ? "the service is said not to exist" : answer->name;
  if (answer->failure) return end(client, because(HF_SOURCE_NETWORK, answer->failure, why));
  client->target = hf_walk_learn(client, &answer->service);
  return client->target ? look_up_next(client) : end(client, because(HF_SOURCE_CLIENT, HF_CLIENT_OUT_OF_MEMORY, NULL));
}

hf_failure hf_attempt_resolved(hf_client *client, hf_resolved *answer) {
  bool wanted = awaits(client, HF_GATE_INPUT_RESOLVED, answer->question.mail.generation), of_proxy = false;
  hf_network_code problem = answer->failure;
  if (wanted) hf_route_unknown(client, &of_proxy);
  if (wanted) hf_inspect_name(client, answer);
  if (!wanted || !use(client, answer, of_proxy)) free(answer);
  if (!wanted) return none;
  if (problem)
    return end(client, because(HF_SOURCE_NETWORK, problem, of_proxy ? "the name of the proxy" : whose(client)));
  return client->proxy ? look_up_next(client) : go_on(client, HF_GATE_INPUT_RESOLVED);
}

hf_failure hf_attempt_trusted(hf_client *client, hf_trusted *answer) {
  if (!awaits(client, HF_GATE_INPUT_TRUSTED, answer->question.mail.generation)) return none;
  if (answer->problem.reason) return end(client, (hf_failure){answer->problem.reason, answer->problem.text});
  client->context = client->context ? client->context : answer->context;
  client->proxy_context = client->proxy_context ? client->proxy_context : answer->proxy_context;
  answer->context = answer->proxy_context = NULL;
  return go_on(client, HF_GATE_INPUT_TRUSTED);
}

bool hf_attempt_holds_back(hf_client *client, hf_link_down *down) {
  hf_gate_input input = hf_diagnosis_takes(client, down);
  go_on(client, input);
  return input != HF_GATE_WAITS;
}

bool hf_attempt_diagnosed(hf_client *client, const hf_diagnosed *answer) {
  if (!awaits(client, HF_GATE_INPUT_FOUND, answer->question.mail.generation)) return false;
  hf_diagnosis_found(client, answer);
  go_on(client, HF_GATE_INPUT_FOUND);
  return true;
}

unsigned hf_attempt_overdue(hf_client *client) {
  hf_failure failure;
  return step(client, HF_GATE_INPUT_TIMEOUT, &failure);
}

void hf_attempt_abandon(hf_client *client) {
  go_on(client, HF_GATE_INPUT_ABANDON);
  hf_diagnosis_drop(client);
  hf_attempt_forget(client);
}
