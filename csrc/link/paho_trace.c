#include "link/paho_link.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/topic.h"

/* Paho's own log. It is the only place where Paho says that a name was not found, so errors are always listened to, and
 * which its sockets are, so its packets are while a connection with a will is being made; the rest costs a fifth of the
 * processor time of a message and more, and is for those who ask. `watch` and what it calls run on Paho's threads,
 * under a lock of its log. */

static _Atomic(hf_trace_line_function *) listener;
static atomic_int wanted = MQTTASYNC_TRACE_ERROR;
static atomic_int socket_watchers;

/* Set by the thread that is about to report the failed attempt, so there is no other in between. */
static _Thread_local int name_failure;

int hf_paho_take_name_failure(void) {
  int failure = name_failure;
  name_failure = 0;
  return failure;
}

/* Likewise by the thread that is about to report the connection. */
static _Thread_local int connack_from = -1;

int hf_paho_take_socket(void) {
  int descriptor = connack_from;
  connack_from = -1;
  return descriptor;
}

static void choose_level(void) {
  int level = atomic_load(&wanted);
  if (atomic_load(&socket_watchers) > 0 && level > MQTTASYNC_TRACE_PROTOCOL) level = MQTTASYNC_TRACE_PROTOCOL;
  if (hf_paho_is_there()) MQTTAsync_setTraceLevel((enum MQTTASYNC_TRACE_LEVELS)level);
}

void hf_paho_watch_sockets(bool on) {
  atomic_fetch_add(&socket_watchers, on ? 1 : -1);
  choose_level();
}

static hf_trace_level level_of(enum MQTTASYNC_TRACE_LEVELS level) {
  switch (level) {
  case MQTTASYNC_TRACE_MAXIMUM:
    return HF_TRACE_MAXIMUM;
  case MQTTASYNC_TRACE_MEDIUM:
    return HF_TRACE_MEDIUM;
  case MQTTASYNC_TRACE_MINIMUM:
    return HF_TRACE_MINIMUM;
  case MQTTASYNC_TRACE_PROTOCOL:
    return HF_TRACE_PROTOCOL;
  default:
    return HF_TRACE_ERROR;
  }
}

/* What follows these words in a line is for nobody: the first bytes of a payload, the password of a proxy, memory. */
static const char *const private_after[] = {"payload len(", "proxy auth to ", "  Content "};

static void cut(char *text) {
  for (size_t i = 0; i < sizeof private_after / sizeof private_after[0]; i++) {
    char *at = strstr(text, private_after[i]);
    if (!at) continue;
    at += strlen(private_after[i]);
    if (i == 0) at += strspn(at, "0123456789)"); /* the length itself */
    *at = '\0';
  }
}

/* Paho's first lines, about itself, have no date. */
static bool is_dated(const char *line) {
  return strspn(line, "0123456789") == 8 && line[8] == ' ' && strspn(line + 9, "0123456789.") == 10;
}

enum { DATE = 20 }; /* "20261125 160214.000 " */

static void tell(enum MQTTASYNC_TRACE_LEVELS level, const char *line, hf_trace_line_function *to) {
  enum { LONGEST = 256 };
  size_t length = strnlen(line, LONGEST);
  char text[LONGEST + 1];
  if (length > DATE && is_dated(line)) {
    line += DATE;
    length -= DATE;
  }
  memcpy(text, line, length);
  text[length] = '\0';
  cut(text);
  hf_utf8_to_line(text);
  to(level_of(level), text);
}

static void watch(enum MQTTASYNC_TRACE_LEVELS level, char *line) {
  const char *at = strstr(line, "getaddrinfo failed");
  at = at ? strstr(at, " with rc ") : NULL;
  if (at) name_failure = atoi(at + strlen(" with rc "));
  if (is_dated(line) && strstr(line, " <- CONNACK rc: ")) connack_from = atoi(line + DATE);
  hf_trace_line_function *to = atomic_load(&listener);
  bool for_us = level == MQTTASYNC_TRACE_PROTOCOL && atomic_load(&wanted) > MQTTASYNC_TRACE_PROTOCOL;
  if (to && !for_us) tell(level, line, to);
}

void hf_paho_watch_names(void) {
  choose_level();
  if (hf_paho_is_there()) MQTTAsync_setTraceCallback(watch);
}

void hf_paho_trace(hf_trace_level level, hf_trace_line_function *line) {
  static const enum MQTTASYNC_TRACE_LEVELS levels[] = {
      [HF_TRACE_OFF] = MQTTASYNC_TRACE_ERROR,         [HF_TRACE_ERROR] = MQTTASYNC_TRACE_ERROR,
      [HF_TRACE_PROTOCOL] = MQTTASYNC_TRACE_PROTOCOL, [HF_TRACE_MINIMUM] = MQTTASYNC_TRACE_MINIMUM,
      [HF_TRACE_MEDIUM] = MQTTASYNC_TRACE_MEDIUM,     [HF_TRACE_MAXIMUM] = MQTTASYNC_TRACE_MAXIMUM};
  atomic_store(&wanted, (int)levels[level]);
  atomic_store(&listener, level == HF_TRACE_OFF ? NULL : line);
  hf_paho_watch_names();
}
