#define _DEFAULT_SOURCE
#include "sys/srv.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of RFC 1035 section 4.1: the head of a message, what follows the name of a question and of a record; and of RFC
 * 2782, what stands in front of the target. */
enum { HEAD = 12, QUESTION = 4, RECORD = 10, NUMBERS = 6 };

typedef struct reader { /* of a message */
  const unsigned char *begin, *at, *end;
} reader;

static unsigned number(const unsigned char *at) {
  return (unsigned)at[0] << 8 | at[1];
}

/* Goes past a name and so many bytes behind it, and answers where those begin; NULL: there are not as many. */
static const unsigned char *past_name(reader *from, size_t bytes) {
  int name = dn_skipname(from->at, from->end);
  if (name < 0 || (size_t)(from->end - from->at) < (size_t)name + bytes) return NULL;
  const unsigned char *behind = from->at + name;
  from->at = behind + bytes;
  return behind;
}

static void read_target(const reader *from, const unsigned char *data, uint32_t ttl, hf_service *found) {
  char host[NS_MAXDNAME];
  if (dn_expand(from->begin, from->end, data + NUMBERS, host, sizeof host) < 0) return;
  hf_service_server numbers = {
      .priority = (uint16_t)number(data), .weight = (uint16_t)number(data + 2), .port = (uint16_t)number(data + 4)};
  hf_service_add(found, host, numbers, ttl);
}

/* Whatever its name: that of the question, or the one which that is another name of; `alias` is how long that is so at
 * least. False: there are no more. */
static bool read_record(reader *from, hf_service *found, uint32_t *alias) {
  const unsigned char *record = past_name(from, RECORD);
  unsigned length = record ? number(record + 8) : 0;
  if (!record || (size_t)(from->end - from->at) < length) return false;
  const unsigned char *data = from->at;
  from->at += length;
  if (number(record + 2) != ns_c_in) return true;
  uint32_t ttl = (uint32_t)number(record + 4) << 16 | number(record + 6);
  if (number(record) == ns_t_srv && length > NUMBERS) read_target(from, data, ttl, found);
  if (number(record) == ns_t_cname && ttl < *alias) *alias = ttl;
  return true;
}

hf_network_code hf_srv_read(const unsigned char *message, size_t length, hf_service *found) {
  reader from = {message, message + HEAD, message + length};
  uint32_t alias = UINT32_MAX;
  *found = (hf_service){0};
  if (length < HEAD) return HF_NETWORK_NAME_SERVER_FAILING;
  for (unsigned left = number(message + 4); left > 0; left--)
    if (!past_name(&from, QUESTION)) return HF_NETWORK_NAME_SERVER_FAILING;
  for (unsigned left = number(message + 6); left > 0 && read_record(&from, found, &alias); left--)
    ;
  if (alias < found->ttl) found->ttl = alias;
  return found->count > 0 ? 0 : HF_NETWORK_NAME_NOT_FOUND;
}

static hf_network_code ask(struct __res_state *state, const char *name, hf_service *found) {
  unsigned char *message = malloc(NS_MAXMSG);
  if (!message) return HF_NETWORK_NAME_SERVER_FAILING;
  int length = res_nquery(state, name, ns_c_in, ns_t_srv, message, NS_MAXMSG);
  bool unknown = length < 0 && (state->res_h_errno == HOST_NOT_FOUND || state->res_h_errno == NO_DATA);
  hf_network_code problem = unknown ? HF_NETWORK_NAME_NOT_FOUND : HF_NETWORK_NAME_SERVER_FAILING;
  if (length >= 0) problem = hf_srv_read(message, (size_t)(length > NS_MAXMSG ? NS_MAXMSG : length), found);
  free(message);
  return problem;
}

hf_network_code hf_srv_find(const char *name, hf_service *found) {
  struct __res_state state;
  memset(&state, 0, sizeof state);
  *found = (hf_service){0};
  if (res_ninit(&state) != 0) return HF_NETWORK_NAME_SERVER_FAILING;
  hf_network_code problem = ask(&state, name, found);
  res_nclose(&state);
  return problem;
}
