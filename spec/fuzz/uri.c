/* Addresses of servers. */
#include "core/uri.h"

#include "bytes.h"
#include "work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  hf_uri uri = {0};
  char problem[HF_URI_PROBLEM];
  hf_bytes text = {(const char *)data, size};
  const char *wrong = NULL;
  linear(size, wrong = hf_uri_parse(text, &uri, problem)); /* a broker may name another one */
  if (wrong) {
    promise(strlen(wrong) > 0 && strlen(wrong) < 200);
    return 0;
  }
  promise(uri.host.length > 0 && uri.host.length <= 253);
  promise(uri.host.data == uri.zoned ||
          (uri.host.data >= text.data && uri.host.data + uri.host.length <= text.data + text.length));
  bool is_path = uri.road == HF_ROAD_UNIX;
  promise(is_path ? uri.port == 0 && uri.host.length <= HF_URI_SOCKET : uri.port > 0);
  promise(!memchr(uri.host.data, '\0', uri.host.length));
  promise(is_path ? uri.host.data[0] == '/' : !memchr(uri.host.data, '/', uri.host.length));
  return 0;
}
