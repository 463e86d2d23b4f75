#define _POSIX_C_SOURCE 200809L
#include "link/fake_link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/topic.h"

enum { FILTERS = 256, HELD = 256, WINDOW = 100, LINKS = 2048, RECORD = 65536 };
enum { SESSION_TAKEN_OVER = 0x8E };

typedef struct session {
  char client_id[64];
  char *filters[FILTERS];
  uint32_t identifiers[FILTERS];
  uint8_t qos[FILTERS];
  size_t count;
  struct session *next;
} session;

typedef enum position { IDLE, CONNECTING, CONNECTED, LEAVING } position;

struct hf_link {
  hf_link_sink sink;
  session *session;
  hf_publish *held[HELD];
  size_t held_count;
  hf_link_answer *answers[HELD];
  size_t answer_count;
  char client_id[64];
  uint32_t generation;
  uint32_t session_expiry;
  uint16_t keep_alive;
  position position;
  bool clean_start;
};

static hf_fake_script script;
static session *sessions;
static hf_link *links[LINKS];
static size_t link_count;
static char record[RECORD];
static size_t record_length;

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...) {
  va_list values;
  va_start(values, format);
  int length = vsnprintf(record + record_length, sizeof record - record_length, format, values);
  va_end(values);
  if (length < 0) return;
  size_t room = sizeof record - 1 - record_length;
  record_length += (size_t)length < room ? (size_t)length : room;
}

/* A script does not run out of memory: where a spec has a request fail, it is the keeper's affair. */
static void *sure(size_t size) {
  void *block;
  do
    block = calloc(1, size);
  while (!block);
  return block;
}

static char *sure_copy(const char *text, size_t length) {
  return memcpy(sure(length + 1), text, length);
}

static char *optional_copy(const char *text) {
  return text ? sure_copy(text, strlen(text)) : NULL;
}

/* ---- sessions ---- */

static session **find(const char *client_id) {
  session **at = &sessions;
  while (*at && strcmp((*at)->client_id, client_id) != 0)
    at = &(*at)->next;
  return at;
}

static void forget(session **at) {
  session *gone = *at;
  if (!gone) return;
  for (size_t i = 0; i < gone->count; i++)
    free(gone->filters[i]);
  *at = gone->next;
  for (size_t i = 0; i < link_count; i++) {
    if (links[i]->session == gone) links[i]->session = NULL;
  }
  free(gone);
}

static session *begin_session(const char *client_id) {
  session *made = sure(sizeof *made);
  snprintf(made->client_id, sizeof made->client_id, "%s", client_id);
  made->next = sessions;
  sessions = made;
  return made;
}

/* ---- answers ---- */

static void tell(hf_link *link, hf_mail *mail, enum hf_link_mail kind) {
  mail->owner = link->sink.owner;
  mail->generation = link->generation;
  mail->kind = (uint16_t)kind;
  link->sink.deliver(link->sink.context, mail);
}

static void tell_down(hf_link *link, enum hf_link_mail kind, hf_source source, int code, hf_phase phase) {
  hf_link_down *down = sure(sizeof *down);
  down->reason = hf_reason_find(source, code);
  down->code = code;
  down->phase = phase;
  down->text = optional_copy(script.text);
  down->server_reference = optional_copy(script.server_reference);
  tell(link, &down->mail, kind);
}

static void outcome(hf_link *link, hf_publish *publish, int result) {
  publish->result = result;
  tell(link, &publish->mail, HF_LINK_DELIVERED);
}

/* The connection is gone: QoS 2 stays where a session remembers it, the rest comes back. */
static void give_back(hf_link *link, bool everything) {
  size_t kept = 0;
  for (size_t i = 0; i < link->held_count; i++) {
    hf_publish *publish = link->held[i];
    if (!everything && publish->qos == 2 && link->session_expiry > 0) {
      publish->carried = true;
      link->held[kept++] = publish;
    } else {
      outcome(link, publish, publish->released ? HF_LINK_RESULT_OK : HF_LINK_RESULT_LOST);
    }
  }
  link->held_count = kept;
  for (size_t i = 0; i < link->answer_count; i++)
    free(link->answers[i]);
  link->answer_count = 0;
  if (link->session && link->session_expiry == 0 && link->position >= CONNECTED) forget(find(link->client_id));
  link->position = IDLE;
}

static bool spared(const char *name) {
  return script.refuse_only && strcmp(script.refuse_only, name) != 0;
}

static int result_of(const hf_publish *publish) {
  return publish->qos == 0 || spared(publish->topic.data) ? HF_LINK_RESULT_OK : script.publish_result;
}

static void answer_held(hf_link *link, size_t count) {
  for (size_t i = 0; i < count; i++)
    outcome(link, link->held[i], result_of(link->held[i]));
  link->held_count -= count;
  memmove(link->held, link->held + count, link->held_count * sizeof link->held[0]);
}

/* The older connection of a client id is told and ended [MQTT-3.1.4-3]. */
static void take_over(const hf_link *link) {
  for (size_t i = 0; i < link_count && *link->client_id; i++) {
    if (links[i] != link && links[i]->position == CONNECTED && !strcmp(links[i]->client_id, link->client_id))
      hf_fake_drop(links[i], HF_SOURCE_DISCONNECT, SESSION_TAKEN_OVER);
  }
}

void hf_fake_accept(hf_link *link) {
  if (link->position != CONNECTING) return;
  take_over(link);
  session **at = find(link->client_id);
  bool present = *at && !link->clean_start && script.session_present != 0;
  if (!present) forget(at);
  if (script.session_present > 0) present = true;
  session **now = find(link->client_id);
  link->session = *now ? *now : begin_session(link->client_id);
  if (!present) give_back(link, true);
  link->session = *find(link->client_id);
  link->position = CONNECTED;
  hf_link_connected *connected = sure(sizeof *connected);
  *connected = script.limits;
  connected->session_present = present;
  connected->session_expiry = link->session_expiry;
  if (connected->keep_alive == 0) connected->keep_alive = link->keep_alive;
  connected->assigned_client_id = optional_copy(script.assigned_client_id);
  tell(link, &connected->mail, HF_LINK_CONNECTED);
  if (!script.hold_publishes) answer_held(link, link->held_count);
}

/* ---- the operations ---- */

/* Whether this call, told by its name, says no: once after each time that the script asks for it. */
static bool refuses(const char *call) {
  enum { CALLS = 8 };
  static const char *refused[CALLS];
  size_t count = 0;
  if (!script.refuse_once) memset(refused, 0, sizeof refused);
  while (count < CALLS && refused[count] && strcmp(refused[count], call) != 0)
    count++;
  if (!script.refuse_once || count == CALLS || refused[count]) return false;
  refused[count] = call;
  note("refused %s\n", call);
  return true;
}

static bool begin(hf_loop *loop) {
  (void)loop;
  return !refuses("begin");
}

static void end(void) {
  note("end\n");
}

static bool clear(hf_link *link) {
  (void)link;
  return !refuses("clear");
}

static hf_link *create(hf_link_sink sink) {
  hf_link *link = link_count < LINKS && !script.refuse_to_create && !refuses("create") ? calloc(1, sizeof *link) : NULL;
  if (!link) return NULL;
  link->sink = sink;
  links[link_count++] = link;
  return link;
}

/* The store is the keeper's affair in these specs: what is in it is what they have put there. */
static void resume(hf_link *link, hf_store *store, const char *client_id, hf_publish *publishes) {
  (void)store;
  note("resume %s\n", client_id);
  while (publishes) {
    hf_publish *publish = publishes;
    publishes = (hf_publish *)publish->mail.next;
    note("carried id=%ld packet=%d%s\n", (long)publish->id, publish->packet_id, publish->released ? " released" : "");
    publish->carried = true;
    link->held[link->held_count++] = publish;
  }
}

static void note_attempt(const hf_link_attempt *attempt) {
  note("open %s:%d id=%s clean=%d protocol=%d", attempt->host, attempt->port, attempt->client_id, attempt->clean_start,
       attempt->protocol);
  if (attempt->place) note(" place=%s", attempt->place);
  if (attempt->beside.port) note(" beside=%d%s", attempt->beside.port, attempt->beside.first ? " first" : "");
  if (attempt->username.data) note(" username=%s", attempt->username.data);
  if (attempt->password.data) note(" password=%s", attempt->password.data);
  note("\n");
}

static bool open_link(hf_link *link, uint32_t generation, const hf_link_attempt *attempt) {
  note_attempt(attempt);
  if (link->position != IDLE) note("wrong: open before the end\n");
  if (refuses("open")) return false;
  link->generation = generation;
  link->position = CONNECTING;
  link->session_expiry = attempt->session_expiry;
  link->keep_alive = attempt->keep_alive;
  link->clean_start = attempt->clean_start;
  snprintf(link->client_id, sizeof link->client_id, "%s", attempt->client_id);
  if (script.connect == HF_FAKE_ACCEPT) {
    hf_fake_accept(link);
  } else if (script.connect == HF_FAKE_REFUSE) {
    link->position = IDLE;
    bool connack = script.refuse_source == HF_SOURCE_CONNACK || script.refuse_source == HF_SOURCE_CONNACK_V3;
    tell_down(link, HF_LINK_FAILED, script.refuse_source, script.refuse_code,
              connack ? HF_PHASE_CONNACK : HF_PHASE_TCP);
  }
  return true;
}

static void abandon(hf_link *link) {
  if (link->position == IDLE || link->position == LEAVING) return;
  note("abandon\n");
  give_back(link, false);
}

static void route(hf_bytes topic, hf_bytes payload, const hf_properties *properties, uint8_t qos, bool retain) {
  for (size_t i = 0; i < link_count; i++) {
    hf_link *link = links[i];
    const session *wants = link->position == CONNECTED ? link->session : NULL;
    for (size_t j = 0; wants && j < wants->count; j++) {
      hf_bytes filter = {wants->filters[j], strlen(wants->filters[j])};
      if (!hf_topic_matches(filter, topic)) continue;
      hf_properties with = properties ? *properties : (hf_properties){0};
      with.subscription_identifiers = &wants->identifiers[j];
      with.subscription_identifier_count = wants->identifiers[j] ? 1 : 0;
      hf_message *message;
      do
        message = hf_message_new(topic, payload, &with);
      while (!message);
      message->qos = qos < wants->qos[j] ? qos : wants->qos[j];
      message->retain = retain;
      tell(link, &message->mail, HF_LINK_MESSAGE);
    }
  }
}

static bool publish(hf_link *link, hf_publish *publish) {
  if (script.refuse_to_take || link->position != CONNECTED || link->held_count >= WINDOW) return false;
  if (refuses("publish")) return false;
  note("publish %s qos=%d id=%ld\n", publish->topic.data, publish->qos, (long)publish->id);
  route(publish->topic, publish->payload, publish->properties, publish->qos, publish->retain);
  if (script.hold_publishes)
    link->held[link->held_count++] = publish;
  else
    outcome(link, publish, result_of(publish));
  return true;
}

static void answer(hf_link *link, enum hf_link_mail kind, uint32_t ticket, int code) {
  hf_link_answer *answer = sure(sizeof *answer);
  answer->ticket = ticket;
  answer->code = code;
  answer->mail.kind = (uint16_t)kind;
  if (script.hold_subscriptions && link->answer_count < HELD)
    link->answers[link->answer_count++] = answer;
  else
    tell(link, &answer->mail, kind);
}

static void drop_filter(session *of, const char *filter) {
  for (size_t i = 0; i < of->count; i++) {
    if (strcmp(of->filters[i], filter) != 0) continue;
    free(of->filters[i]);
    of->count--;
    of->filters[i] = of->filters[of->count];
    of->identifiers[i] = of->identifiers[of->count];
    of->qos[i] = of->qos[of->count];
    return;
  }
}

static bool subscribe(hf_link *link, const hf_subscription_request *request) {
  if (link->position != CONNECTED || !link->session) return false;
  if (script.refuse_to_subscribe || refuses("subscribe")) return false;
  char *filter = sure_copy(request->filter.data, request->filter.length);
  note("subscribe %s qos=%d identifier=%ld\n", filter, request->options.qos, (long)request->options.identifier);
  drop_filter(link->session, filter);
  int code = spared(filter) || !script.refuse_subscriptions ? request->options.qos : script.refuse_subscriptions;
  if (code >= 0x80 || link->session->count == FILTERS) {
    free(filter);
  } else {
    size_t at = link->session->count++;
    link->session->filters[at] = filter;
    link->session->identifiers[at] = request->options.identifier;
    link->session->qos[at] = request->options.qos;
  }
  answer(link, HF_LINK_SUBSCRIBED, request->ticket, code);
  return true;
}

static bool unsubscribe(hf_link *link, const hf_subscription_request *request) {
  if (link->position != CONNECTED || !link->session || refuses("unsubscribe")) return false;
  char *filter = sure_copy(request->filter.data, request->filter.length);
  note("unsubscribe %s\n", filter);
  drop_filter(link->session, filter);
  free(filter);
  answer(link, HF_LINK_UNSUBSCRIBED, request->ticket, 0);
  return true;
}

static bool probe(hf_link *link, uint32_t ticket) {
  if (link->position != CONNECTED || refuses("probe")) return false;
  note("probe\n");
  answer(link, HF_LINK_UNSUBSCRIBED, ticket, 0);
  return true;
}

static void tell_closed(hf_link *link) {
  tell_down(link, HF_LINK_CLOSED, HF_SOURCE_CLIENT, HF_CLIENT_CLOSED, HF_PHASE_UP);
  give_back(link, false);
}

static void close_link(hf_link *link, hf_link_farewell farewell, int64_t session_expiry, uint32_t timeout) {
  (void)timeout;
  note("close %d expiry=%ld\n", (int)farewell, (long)session_expiry);
  if (link->position == CONNECTING) note("wrong: close before the connection\n");
  if (link->position != CONNECTED) return; /* DOWN is on its way, and one end is enough */
  if (session_expiry >= 0) link->session_expiry = (uint32_t)session_expiry;
  link->position = LEAVING; /* until CLOSED, which may be held back */
  if (!script.hold_close) tell_closed(link);
}

static void destroy(hf_link *link) {
  note("destroy\n");
  give_back(link, true);
  for (size_t i = 0; i < link_count; i++) {
    if (links[i] != link) continue;
    memmove(&links[i], &links[i + 1], (link_count - i - 1) * sizeof links[0]);
    link_count--;
    break;
  }
  free(link);
}

const hf_link_operations hf_link_fake = {
    .name = "fake",
    .begin = begin,
    .end = end,
    .create = create,
    .resume = resume,
    .clear = clear,
    .open = open_link,
    .abandon = abandon,
    .publish = publish,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .probe = probe,
    .close = close_link,
    .window = WINDOW,
    .destroy = destroy,
};

/* ---- the script ---- */

hf_fake_script *hf_fake_script_now(void) {
  return &script;
}

void hf_fake_reset(void) {
  while (sessions)
    forget(&sessions);
  hf_fake_record_clear();
  script = (hf_fake_script){.session_present = -1,
                            .limits = {.retain_available = true,
                                       .wildcard_available = true,
                                       .shared_available = true,
                                       .identifiers_available = true,
                                       .maximum_qos = 2,
                                       .receive_maximum = 65535}};
}

const char *hf_fake_record(void) {
  return record;
}

void hf_fake_record_clear(void) {
  record[0] = '\0';
  record_length = 0;
}

size_t hf_fake_links(void) {
  return link_count;
}

hf_link *hf_fake_link_at(size_t index) {
  return index < link_count ? links[index] : NULL;
}

void hf_fake_drop(hf_link *link, hf_source source, int code) {
  position was = link->position;
  if (was == IDLE || was == LEAVING) return;
  tell_down(link, was == CONNECTED ? HF_LINK_DOWN : HF_LINK_FAILED, source, code,
            was == CONNECTED ? HF_PHASE_UP : HF_PHASE_TCP);
  give_back(link, false);
}

void hf_fake_renew(hf_link *link) {
  tell(link, sure(sizeof(hf_mail)), HF_LINK_RENEW);
}

void hf_fake_answer(hf_link *link, size_t count) {
  if (count > link->answer_count) count = link->answer_count;
  for (size_t i = 0; i < count; i++)
    tell(link, &link->answers[i]->mail, (enum hf_link_mail)link->answers[i]->mail.kind);
  link->answer_count -= count;
  memmove(link->answers, link->answers + count, link->answer_count * sizeof link->answers[0]);
}

void hf_fake_release(hf_link *link) {
  script.hold_publishes = script.hold_subscriptions = script.hold_close = false;
  hf_fake_answer(link, link->answer_count);
  if (link->position == CONNECTED) answer_held(link, link->held_count);
  if (link->position == LEAVING) tell_closed(link);
}

void hf_fake_acknowledge(hf_link *link, size_t count) {
  if (link->position == CONNECTED) answer_held(link, count < link->held_count ? count : link->held_count);
}

void hf_fake_send(const char *topic, hf_bytes payload, uint8_t qos) {
  route((hf_bytes){topic, strlen(topic)}, payload, NULL, qos, false);
}

void hf_fake_crowd(hf_link *link, const char *topic, size_t count) {
  uint32_t *identifiers = malloc(count * sizeof *identifiers);
  for (size_t i = 0; i < count; i++)
    identifiers[i] = (uint32_t)i + 1;
  hf_properties with = {.subscription_identifiers = identifiers, .subscription_identifier_count = count};
  hf_message *message = hf_message_new((hf_bytes){topic, strlen(topic)}, (hf_bytes){"", 0}, &with);
  free(identifiers);
  tell(link, &message->mail, HF_LINK_MESSAGE);
}
