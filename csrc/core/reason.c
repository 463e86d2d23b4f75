#include "core/reason.h"

#include <stdbool.h>
#include <string.h>

#include "core/reason_table.h"

enum {
  PLAIN = 0,
  FRESH = 1 << 0,
  MOVE = 1 << 1,
  WIDE = 1 << 2,
  FLOOR60 = 1 << 3,
  FIGHT = 1 << 4,
  PASSES = 1 << 5,
  MOVE_WIDE = MOVE | WIDE,
  MOVE_PASSES = MOVE | PASSES
};

/* __COUNTER__ (gcc, clang) lets each row know its own position without a second list to keep in step. */
enum { FIRST = __COUNTER__ + 1 };

#define REASON(source_, code_, name_, class_, later_, after_, flags_, text_)                                           \
  {                                                                                                                    \
      .name = name_,                                                                                                   \
      .text = text_,                                                                                                   \
      .source = HF_SOURCE_##source_,                                                                                   \
      .cls = HF_CLASS_##class_,                                                                                        \
      .later = HF_CLASS_##later_,                                                                                      \
      .after = after_,                                                                                                 \
      .code = code_,                                                                                                   \
      .row = __COUNTER__ - FIRST,                                                                                      \
      .fresh_credentials = ((flags_)&FRESH) != 0,                                                                      \
      .may_switch = ((flags_)&MOVE) != 0,                                                                              \
      .wide = ((flags_)&WIDE) != 0,                                                                                    \
      .floor = ((flags_)&FLOOR60) ? 60 : 0,                                                                            \
      .fight = ((flags_)&FIGHT) != 0,                                                                                  \
      .passes = ((flags_)&PASSES) != 0,                                                                                \
  },

/* The line of all other codes comes last of its source: hf_reason_find ends there. */
static const hf_reason rows[] = {HF_REASON_TABLE(REASON, REASON)};

enum { ROWS = sizeof rows / sizeof rows[0] };

_Static_assert((int)ROWS <= (int)HF_REASONS_AT_MOST, "whoever counts by reason has a place for each");

const hf_reason *hf_reason_find(hf_source source, int code) {
  const hf_reason *found = &rows[ROWS - 1];
  bool status = (source == HF_SOURCE_HTTP || source == HF_SOURCE_PROXY) && code >= 100;
  int hundreds = status ? code / 100 * 100 : code;
  const hf_reason *of_hundreds = NULL;
  for (const hf_reason *row = rows; row < rows + ROWS; row++) {
    if (row->source != source) continue;
    found = row;
    if (row->code == code) return row;
    if (row->code == hundreds) of_hundreds = row;
  }
  return of_hundreds ? of_hundreds : found;
}

bool hf_reason_is_about_time(const hf_reason *reason) {
  return reason->source == HF_SOURCE_TLS && (reason->code == HF_TLS_NOT_YET_VALID || reason->code == HF_TLS_EXPIRED ||
                                             reason->code == HF_TLS_CRL || reason->code == HF_TLS_OCSP);
}

const hf_reason *hf_reason_row(size_t row) {
  return row < ROWS ? &rows[row] : NULL;
}

size_t hf_reason_count(void) {
  return ROWS;
}

static const char *const class_names[HF_CLASSES] = {
    [HF_CLASS_NONE] = "none",     [HF_CLASS_RETRY] = "retry", [HF_CLASS_SLOW] = "slow",
    [HF_CLASS_SWITCH] = "switch", [HF_CLASS_STOP] = "stop",
};

static const char *const source_names[HF_SOURCES] = {
    [HF_SOURCE_CONNACK] = "connack",
    [HF_SOURCE_CONNACK_V3] = "connack_v3",
    [HF_SOURCE_DISCONNECT] = "disconnect",
    [HF_SOURCE_SUBACK] = "suback",
    [HF_SOURCE_UNSUBACK] = "unsuback",
    [HF_SOURCE_PUBACK] = "puback",
    [HF_SOURCE_PAHO] = "paho",
    [HF_SOURCE_NETWORK] = "network",
    [HF_SOURCE_TLS] = "tls",
    [HF_SOURCE_PROXY] = "proxy",
    [HF_SOURCE_SOCKS] = "socks",
    [HF_SOURCE_HTTP] = "http",
    [HF_SOURCE_WEBSOCKET] = "websocket",
    [HF_SOURCE_QUIC] = "quic",
    [HF_SOURCE_CLIENT] = "client",
};

static int find(const char *const *names, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

const char *hf_class_name(int cls) {
  return cls >= 0 && cls < HF_CLASSES ? class_names[cls] : NULL;
}

int hf_class_find(const char *name) {
  return find(class_names, HF_CLASSES, name);
}

const char *hf_source_name(int source) {
  return source >= 0 && source < HF_SOURCES ? source_names[source] : NULL;
}

int hf_source_find(const char *name) {
  return find(source_names, HF_SOURCES, name);
}
