#include "mqtt/put.h"

#include "core/wire.h"

void hf_put_user(hf_pen *pen, const hf_properties *properties) {
  for (size_t i = 0; properties && i < properties->user_count; i++) {
    hf_put_text_property(pen, HF_PROPERTY_ID_USER_PROPERTY, properties->user[i].name);
    hf_put_text(pen, properties->user[i].value);
  }
}

void hf_put_message_properties(hf_pen *pen, const hf_properties *properties) {
  if (pen->at) hf_wire_put_properties((char *)pen->at + pen->size, properties);
  pen->size += hf_properties_publish_size(properties);
}

void hf_put_measured(hf_pen *pen, hf_put_function *put, const void *what) {
  hf_pen count = {0};
  put(&count, what);
  hf_put_variable(pen, count.size);
  if (pen->at)
    put(pen, what);
  else
    pen->size += count.size;
}

size_t hf_put_packet(uint8_t *at, uint8_t first, hf_put_function *put, const void *what) {
  hf_pen pen = {.at = at};
  hf_put_one(&pen, first);
  hf_put_measured(&pen, put, what);
  return pen.size;
}
