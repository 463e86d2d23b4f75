#include "link/paho_link.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Paho's own log. It is the only place where Paho says that a name was not found, so errors are always listened to; the
 * rest costs a fifth of the processor time of a message and more, and is for those who ask. Everything but
 * hf_paho_trace runs on Paho's threads, under a lock of its log. */

static _Atomic(hf_trace_line_function *) listener;
static atomic_int wanted = MQTTASYNC_TRACE_ERROR;

/* Set by the thread that is about to report the failed attempt, so there is no other in between. */
static _Thread_local int name_failure;

int hf_paho_take_name_failure(void) {
  int failure = name_failure;
  name_failure = 0;
  return failure;
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

static void tell(enum MQTTASYNC_TRACE_LEVELS level, const char *line, hf_trace_line_function *to) {
  enum { DATE = 20, LONGEST = 256 }; /* "20261125 160214.000 " */
  size_t length = strnlen(line, LONGEST);
  char text[LONGEST + 1];
  if (length > DATE && is_dated(line)) {
    line += DATE;
    length -= DATE;
  }
  memcpy(text, line, length);
  text[length] = '\0';
  cut(text);
  for (char *at = text; *at; at++)
    if ((unsigned char)*at < ' ' || *at == 0x7F) *at = ' ';
  to(level_of(level), text);
}

static void watch(enum MQTTASYNC_TRACE_LEVELS level, char *line) {
  const char *at = strstr(line, "getaddrinfo failed");
  at = at ? strstr(at, " with rc ") : NULL;
  if (at) name_failure = atoi(at + strlen(" with rc "));
  hf_trace_line_function *to = atomic_load(&listener);
  if (to) tell(level, line, to);
}

void hf_paho_watch_names(void) {
  MQTTAsync_setTraceLevel((enum MQTTASYNC_TRACE_LEVELS)atomic_load(&wanted));
  MQTTAsync_setTraceCallback(watch);
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
