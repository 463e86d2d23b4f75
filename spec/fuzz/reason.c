/* Codes of every source, assigned or not, and names that nobody has given. */
#include "core/reason.h"

#include "bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes from = {data, size};
  while (from.left) {
    hf_source source = (hf_source)(take_byte(&from) % HF_SOURCES);
    int code = (int)take_number(&from);
    const hf_reason *reason = hf_reason_find(source, code);
    promise(reason && reason->name[0] && reason->text[0]);
    promise(reason->source == source && reason->cls < HF_CLASSES && reason->later < HF_CLASSES);
    promise(hf_reason_row(reason->row) == reason);
  }
  hf_bytes text = take_text(&(bytes){data, size});
  char name[256] = {0};
  memcpy(name, text.data, text.length);
  int found = hf_class_find(name);
  promise(found == -1 || strcmp(hf_class_name(found), name) == 0);
  found = hf_source_find(name);
  promise(found == -1 || strcmp(hf_source_name(found), name) == 0);
  free_text(text);
  return 0;
}
