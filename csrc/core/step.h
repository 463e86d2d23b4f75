/* step.h: one step of an attempt to connect, as who inspects it is told: what was found, with its names.
 *
 * A mail that travels as it was made, from a stream or a link by the keeper to
 * Lua; whoever holds it frees it with free(). Its fields lie behind it, packed, in
 * the order in which they were put, up to a bound that is set when it is made:
 * what finds no room is left out, and `cut` says so. Nothing here costs more than
 * that bound, whatever a peer has sent. Pure: any thread, one at a time.
 */
#ifndef HF_CORE_STEP_H
#define HF_CORE_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mail.h"
#include "core/properties.h"

// clang-format off
/* EACH(kind, its name for users) */
#define HF_STEP_KINDS(EACH) \
  EACH(BEGUN, "begun") \
  EACH(NAME, "name") \
  EACH(TCP, "tcp") \
  EACH(PROXY, "proxy") \
  EACH(CERTIFICATES, "certificates") \
  EACH(TLS, "tls") \
  EACH(WEBSOCKET, "websocket") \
  EACH(CONNACK, "connack")
// clang-format on

typedef enum hf_step_kind {
#define KIND(kind, name) HF_STEP_##kind,
  HF_STEP_KINDS(KIND)
#undef KIND
      HF_STEPS
} hf_step_kind;

enum { HF_STEP_MOST = 32 * 1024 /* bytes of one's fields */ };

typedef struct hf_step {
  hf_mail mail;
  int64_t at; /* us; of whichever clock its maker has */
  size_t length, room;
  uint8_t kind; /* hf_step_kind */
  bool cut;     /* there was more than it has room for */
  char data[];
} hf_step;

typedef enum hf_step_type {
  HF_STEP_TEXT,
  HF_STEP_NUMBER,
  HF_STEP_FLAG,
  HF_STEP_ITEM, /* a text of a list: all of one name */
  HF_STEP_PAIR, /* likewise: a name, and what follows as the next field, its value */
  HF_STEP_DER   /* likewise: a certificate */
} hf_step_type;

typedef struct hf_step_field {
  hf_step_type type;
  const char *name;
  hf_bytes bytes; /* of a text, an item, a pair or DER */
  int64_t number; /* or a flag */
} hf_step_field;

const char *hf_step_name(hf_step_kind kind);

/* With room for so many bytes of fields, or HF_STEP_MOST. NULL when memory is short. */
hf_step *hf_step_new(hf_step_kind kind, size_t room);

/* What they take of its room, besides their bytes. */
enum { HF_STEP_FIELD = 48 };

/* `step` NULL, or cut: nothing is done. A text that is NULL, or has data NULL, is left out. */
void hf_step_text(hf_step *step, const char *name, const char *text);
void hf_step_bytes(hf_step *step, hf_step_type type, const char *name, hf_bytes bytes);
void hf_step_number(hf_step *step, const char *name, int64_t number);
void hf_step_flag(hf_step *step, const char *name, bool flag);

/* From 0 on; false: there are no more. */
bool hf_step_next(const hf_step *step, size_t *at, hf_step_field *field);

#endif
