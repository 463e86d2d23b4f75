#include "core/step.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define NAME(kind, name) [HF_STEP_##kind] = name,
    HF_STEP_KINDS(NAME)
#undef NAME
};

const char *hf_step_name(hf_step_kind kind) {
  return names[kind];
}

hf_step *hf_step_new(hf_step_kind kind, size_t room) {
  if (room > HF_STEP_MOST) room = HF_STEP_MOST;
  hf_step *step = malloc(sizeof *step + room);
  if (step) *step = (hf_step){.kind = (uint8_t)kind, .room = room};
  return step;
}

/* A field: its type, its name and a NUL, the length of its bytes, these. */
static void put(hf_step *step, hf_step_type type, const char *name, const void *bytes, size_t length) {
  if (!step || step->cut) return;
  size_t named = strlen(name) + 1, whole = 1 + named + sizeof length + length;
  if (length > step->room || whole > step->room - step->length) {
    step->cut = true;
    return;
  }
  char *at = step->data + step->length;
  *at = (char)type;
  memcpy(at + 1, name, named);
  memcpy(at + 1 + named, &length, sizeof length);
  memcpy(at + 1 + named + sizeof length, bytes, length);
  step->length += whole;
}

void hf_step_bytes(hf_step *step, hf_step_type type, const char *name, hf_bytes bytes) {
  if (bytes.data) put(step, type, name, bytes.data, bytes.length);
}

void hf_step_text(hf_step *step, const char *name, const char *text) {
  if (text) put(step, HF_STEP_TEXT, name, text, strlen(text));
}

void hf_step_number(hf_step *step, const char *name, int64_t number) {
  put(step, HF_STEP_NUMBER, name, &number, sizeof number);
}

void hf_step_flag(hf_step *step, const char *name, bool flag) {
  int64_t number = flag;
  put(step, HF_STEP_FLAG, name, &number, sizeof number);
}

bool hf_step_next(const hf_step *step, size_t *at, hf_step_field *field) {
  if (*at >= step->length) return false;
  const char *from = step->data + *at;
  *field = (hf_step_field){.type = (hf_step_type)*from, .name = from + 1};
  from += 1 + strlen(field->name) + 1;
  memcpy(&field->bytes.length, from, sizeof field->bytes.length);
  field->bytes.data = from + sizeof field->bytes.length;
  bool is_number = field->type == HF_STEP_NUMBER || field->type == HF_STEP_FLAG;
  if (is_number) memcpy(&field->number, field->bytes.data, sizeof field->number);
  *at = (size_t)(field->bytes.data + field->bytes.length - step->data);
  return true;
}
