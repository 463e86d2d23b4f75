#include "link/paho_link.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/topic.h"

char *hf_paho_text(const char *text, size_t length) {
  char *copy = strndup(text, length);
  if (copy) hf_utf8_to_line(copy);
  return copy;
}

static char *text_of(const hf_paho_ending *ending) {
  if (ending->reason_string.length) return hf_paho_text(ending->reason_string.data, ending->reason_string.length);
  return ending->text ? strdup(ending->text) : NULL;
}

void hf_paho_loud_again(hf_paho_attempt *attempt) {
  if (attempt->resuming) hf_paho_quiet_over(attempt->link);
  attempt->resuming = false;
}

void hf_paho_let_go(hf_paho_attempt *attempt) {
  hf_paho_loud_again(attempt);
  hf_paho_quiet_count(0, attempt->resumed);
  attempt->resumed = 0;
  if (attempt->waiting) hf_paho_waker_release();
  if (attempt->hurried) hf_paho_waker_relax();
  attempt->waiting = attempt->hurried = false;
  hf_paho_sockets_give_back(attempt);
  hf_paho_weigh(attempt, 0, 0);
}

void hf_paho_end(hf_paho_attempt *attempt, hf_paho_ending ending) {
  hf_link *link = attempt->link;
  hf_paho_waker_mark();
  hf_publish *lost = NULL;
  pthread_mutex_lock(&link->lock);
  bool first = attempt->state != HF_PAHO_ENDED;
  if (attempt->state == HF_PAHO_CONNECTING && ending.kind == HF_LINK_DOWN) { /* DISCONNECT in place of CONNACK */
    ending.kind = HF_LINK_FAILED;
    ending.phase = HF_PHASE_CONNACK;
  }
  attempt->state = HF_PAHO_ENDED;
  hf_paho_let_go(attempt);
  if (first && !ending.leave_publishes) lost = hf_paho_slots_sweep(attempt);
  pthread_mutex_unlock(&link->lock);
  if (!first) return;
  hf_link_down *farewell = attempt->farewell;
  attempt->farewell = NULL;
  farewell->mail = (hf_mail){.owner = link->sink.owner, .generation = attempt->generation, .kind = ending.kind};
  farewell->reason = hf_reason_find(ending.source, ending.code);
  farewell->code = ending.code;
  farewell->phase = ending.phase;
  farewell->text = text_of(&ending);
  if (ending.server_reference.length)
    farewell->server_reference = hf_paho_text(ending.server_reference.data, ending.server_reference.length);
  link->sink.deliver(link->sink.context, &farewell->mail);
  hf_paho_return(attempt, lost);
}

/* ---- why an attempt failed: as fine as the evidence ---- */

static hf_paho_ending at_once(int code) {
  int failure = hf_paho_take_name_failure();
  if (code != MQTTASYNC_FAILURE)
    return (hf_paho_ending){.source = HF_SOURCE_PAHO, .code = code, .phase = HF_PHASE_NONE};
  if (failure) {
    bool server = failure == EAI_AGAIN || failure == EAI_FAIL || failure == EAI_SYSTEM;
    return (hf_paho_ending){.source = HF_SOURCE_NETWORK,
                            .code = server ? HF_NETWORK_NAME_SERVER_FAILING : HF_NETWORK_NAME_NOT_FOUND,
                            .phase = HF_PHASE_DNS,
                            .text = gai_strerror(failure)};
  }
  /* connect(2) itself said no, without a packet having been answered. */
  return (hf_paho_ending){.source = HF_SOURCE_NETWORK, .code = HF_NETWORK_UNREACHABLE, .phase = HF_PHASE_TCP};
}

typedef struct tls_word {
  const char *word;
  hf_tls_code code;
} tls_word;

/* Words of OpenSSL's handshake errors, the more telling ones first. */
static const tls_word tls_words[] = {
    {"PEM lib", HF_TLS_FILE}, /* what is left of a complaint about a file whose first line Paho threw away */
    {"certificate verify failed", HF_TLS_CERTIFICATE},
    {"certificate required", HF_TLS_CLIENT_CERTIFICATE}, /* these five are alerts: the broker's words about ours */
    {"unknown ca", HF_TLS_CLIENT_CERTIFICATE},
    {"bad certificate", HF_TLS_CLIENT_CERTIFICATE},
    {"certificate expired", HF_TLS_CLIENT_CERTIFICATE},
    {"certificate unknown", HF_TLS_CLIENT_CERTIFICATE},
    {"alert protocol version", HF_TLS_VERSION},
    {"unsupported protocol", HF_TLS_VERSION},
    {"wrong version number", HF_TLS_HANDSHAKE},
    {"handshake", HF_TLS_HANDSHAKE},
};

/* Files are read before the handshake, and what complains of them are other parts of OpenSSL. */
static hf_tls_code tls_code(const char *text) {
  if (strncmp(text, "SSL routines", strlen("SSL routines")) != 0) return HF_TLS_FILE;
  for (size_t i = 0; i < sizeof tls_words / sizeof tls_words[0]; i++)
    if (strstr(text, tls_words[i].word)) return tls_words[i].code;
  return HF_TLS_FAILED;
}

static hf_paho_ending transport(const hf_paho_attempt *attempt) {
  if (attempt->tls_text[0]) {
    hf_tls_code code = tls_code(attempt->tls_text);
    return (hf_paho_ending){.source = HF_SOURCE_TLS,
                            .code = code,
                            .phase = code == HF_TLS_FILE ? HF_PHASE_NONE : HF_PHASE_TLS,
                            .text = attempt->tls_text};
  }
  if (attempt->tls_began)
    return (hf_paho_ending){.source = HF_SOURCE_TLS,
                            .code = HF_TLS_HANDSHAKE,
                            .phase = HF_PHASE_TLS,
                            .text = "broke off without a word: closed, or a certificate for another host"};
  return (hf_paho_ending){.source = HF_SOURCE_NETWORK, .code = HF_NETWORK_CONNECT_FAILED, .phase = HF_PHASE_TCP};
}

/* MQTT 5 has no refusals below 0x80. A broker that knows 3.1.1 only refuses it in the words of that version, first of
 * all with "unacceptable protocol version" (MQTT 3.1.1 section 3.1.2.2). */
static hf_source connack_source(const hf_paho_attempt *attempt, int code) {
  enum { NOT_AUTHORIZED_V3 = 5 }; /* the last code of 3.1.1 */
  return attempt->protocol == 5 && code > NOT_AUTHORIZED_V3 ? HF_SOURCE_CONNACK : HF_SOURCE_CONNACK_V3;
}

static hf_paho_ending classify(const hf_paho_attempt *attempt, int code, const char *message) {
  if (code > 0)
    return (hf_paho_ending){.source = connack_source(attempt, code), .code = code, .phase = HF_PHASE_CONNACK};
  if (!message) return at_once(code);
  if (strstr(message, "timeout"))
    return (hf_paho_ending){.source = HF_SOURCE_NETWORK, .code = HF_NETWORK_TIMED_OUT, .phase = HF_PHASE_TCP};
  if (strcmp(message, "TCP/TLS connect failure") == 0) return transport(attempt);
  /* CONNECT is out; the connection ended before there was a CONNACK that makes sense. */
  return (hf_paho_ending){
      .source = HF_SOURCE_NETWORK, .code = HF_NETWORK_CLOSED_BEFORE_CONNACK, .phase = HF_PHASE_CONNACK};
}

hf_paho_ending hf_paho_failure(const hf_paho_attempt *attempt, int code, const char *message) {
  hf_paho_ending ending = classify(attempt, code, message);
  ending.kind = HF_LINK_FAILED;
  return ending;
}

/* "<thread>:error:<number>:<library>:<function>:<reason>:<file>:<line>:<more>", as ERR_print_errors_cb makes it. The
 * first is what went wrong, those after it are its consequences. */
int hf_paho_tls_line(const char *line, size_t length, void *context) {
  hf_paho_attempt *attempt = context;
  if (attempt->tls_text[0]) return 1;
  char copy[sizeof attempt->tls_text], *fields[8] = {NULL}, *rest = copy;
  snprintf(copy, sizeof copy, "%.*s", (int)length, line);
  copy[strcspn(copy, "\n")] = '\0';
  for (size_t i = 0; i < 8 && rest; i++) {
    fields[i] = rest;
    rest = strchr(rest, ':');
    if (rest) *rest++ = '\0';
  }
  if (fields[5])
    snprintf(attempt->tls_text, sizeof attempt->tls_text, "%s: %s", fields[3], fields[5]);
  else
    snprintf(attempt->tls_text, sizeof attempt->tls_text, "%s", copy);
  return 1;
}
