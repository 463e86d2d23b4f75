#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>

#include "link/native_link.h"

/* MQTT 5 sections 3.15 and 4.12. Who has the word: the broker after CONNECT and after each AUTH of ours, we after each
 * of its. */

enum {
  SUCCESS = 0x00,
  CONTINUE = 0x18,
  AGAIN = 0x19,
  OURS_TO_GIVE = 0x83 /* of DISCONNECT: implementation specific */
};

struct hf_native_auth {
  char *expected; /* of the broker's last word; NULL: anything */
  size_t expected_length;
  bool mutual; /* something must be */
  bool binds;
  unsigned char binding[HF_STREAM_BINDING];
  bool asked; /* we have the word */
  bool anew;  /* an exchange on a connection that is up is under way */
  char method[];
};

static void forget_expected(hf_native_auth *auth) {
  if (auth->expected) explicit_bzero(auth->expected, auth->expected_length);
  free(auth->expected);
  auth->expected = NULL;
}

static bool expect(hf_native_auth *auth, hf_bytes expected) {
  forget_expected(auth);
  if (!expected.data) return true;
  auth->expected = malloc(expected.length + 1);
  if (!auth->expected) return false;
  memcpy(auth->expected, expected.data, expected.length);
  auth->expected_length = expected.length;
  return true;
}

void hf_native_auth_over(hf_link *link) {
  if (!link->auth) return;
  forget_expected(link->auth);
  free(link->auth);
  link->auth = NULL;
}

bool hf_native_auth_begin(hf_link *link, const hf_link_attempt *attempt) {
  if (!attempt->auth_method) return true;
  size_t length = strlen(attempt->auth_method) + 1;
  link->auth = calloc(1, sizeof *link->auth + length);
  if (!link->auth) return false;
  memcpy(link->auth->method, attempt->auth_method, length);
  link->auth->mutual = attempt->auth_mutual;
  link->auth->binds = attempt->auth_binds;
  return true;
}

bool hf_native_auth_bind(hf_link *link) {
  hf_native_auth *auth = link->auth;
  if (!auth || !auth->binds) return true;
  hf_stream *stream = link->stream;
  return stream->operations->bind && stream->operations->bind(stream, auth->binding);
}

/* What the broker calls its error (RFC 5802 section 7, server-error); the caller's. */
static char *error_in(const hf_native_auth *auth, hf_bytes said) {
  bool is_one = auth->mutual && said.length > 2 && memcmp(said.data, "e=", 2) == 0;
  return is_one ? hf_native_text((hf_bytes){said.data + 2, said.length - 2}) : NULL;
}

static void unproven(hf_link *link, hf_bytes said) {
  bool up = link->state >= HF_NATIVE_UP;
  char *text = error_in(link->auth, said);
  hf_native_say_why(link, OURS_TO_GIVE, NULL);
  hf_native_end(link, (hf_native_ending){.kind = up ? HF_LINK_DOWN : HF_LINK_FAILED,
                                         .source = HF_SOURCE_CLIENT,
                                         .code = HF_CLIENT_AUTH_SERVER,
                                         .phase = up ? HF_PHASE_UP : HF_PHASE_CONNACK,
                                         .text = text});
  free(text);
}

static bool is_same(hf_bytes one, const char *other, size_t length) {
  return one.length == length && (length == 0 || memcmp(one.data, other, length) == 0);
}

/* Or, where that is allowed, something more behind it. */
static bool is_expected(const hf_native_auth *auth, hf_bytes said) {
  size_t length = auth->expected_length;
  if (auth->mutual && said.length > length && said.data[length] == ',') said.length = length;
  return is_same(said, auth->expected, length);
}

/* What the broker says last is what it had to say. */
static bool is_proven(hf_native_auth *auth, const hf_packet *packet) {
  bool fine = auth->expected ? is_expected(auth, packet->properties.authentication_data) : !auth->mutual;
  forget_expected(auth);
  auth->asked = auth->anew = false;
  return fine;
}

bool hf_native_auth_accepted(hf_link *link, const hf_packet *packet) {
  if (!link->auth || is_proven(link->auth, packet)) return true;
  unproven(link, packet->properties.authentication_data);
  return false;
}

static void tell(hf_link *link, hf_bytes data, bool over) {
  hf_link_auth *mail = calloc(1, sizeof *mail + data.length + 1);
  if (!mail) {
    link->starved = true;
    return;
  }
  if (data.length) memcpy(mail->data, data.data, data.length);
  mail->length = data.length;
  memcpy(mail->binding, link->auth->binding, sizeof mail->binding);
  mail->over = over;
  mail->while_up = link->state == HF_NATIVE_UP;
  hf_native_tell(link, &mail->mail, HF_LINK_AUTH);
}

static const char *problem_of(const hf_link *link, const hf_packet *packet) {
  const hf_native_auth *auth = link->auth;
  bool under_way = auth && !auth->asked && (link->state == HF_NATIVE_GREETING || auth->anew);
  hf_bytes method = packet->properties.authentication_method;
  if (!under_way) return "AUTH, which nobody has asked for";
  if (packet->code == SUCCESS && link->state == HF_NATIVE_GREETING) return "AUTH of success in place of CONNACK";
  if (!method.data && packet->code == SUCCESS) return NULL;
  return is_same(method, auth->method, strlen(auth->method)) ? NULL : "AUTH with another Authentication Method";
}

void hf_native_auth_packet(hf_link *link, const hf_packet *packet) {
  const char *problem = problem_of(link, packet);
  if (problem) {
    hf_native_violated(link, 0x82, problem);
  } else if (link->state == HF_NATIVE_LEAVING) {
    return;
  } else if (packet->code == CONTINUE) {
    link->auth->asked = true;
    tell(link, packet->properties.authentication_data, false);
  } else if (is_proven(link->auth, packet)) {
    tell(link, packet->properties.authentication_data, true);
  } else {
    unproven(link, packet->properties.authentication_data);
  }
}

static bool is_asked(const hf_link *link) {
  bool speaks = link->state == HF_NATIVE_GREETING || link->state == HF_NATIVE_UP;
  return link->auth && link->auth->asked && speaks;
}

static bool may_say(const hf_link *link, bool anew) {
  if (!link->auth || link->starved) return false;
  return !anew || (link->state == HF_NATIVE_UP && !link->auth->anew);
}

bool hf_native_authenticate(hf_link *link, hf_bytes data, hf_bytes expected, bool anew) {
  hf_native_auth *auth = link->auth;
  if (!anew && !is_asked(link)) return true;
  if (!may_say(link, anew)) return false;
  uint8_t code = anew ? AGAIN : CONTINUE;
  hf_bytes method = {auth->method, strlen(auth->method)};
  size_t length = hf_write_auth(NULL, code, method, data);
  uint8_t *at = expect(auth, expected) ? hf_out_reserve(&link->out, length) : NULL;
  if (!at) return false;
  hf_out_commit(&link->out, hf_write_auth(at, code, method, data));
  link->out.secret_until = link->out.appended;
  hf_native_flush_soon(link);
  hf_native_trace_sent(link, HF_PACKET_AUTH, 0, code);
  auth->asked = false;
  auth->anew = auth->anew || anew;
  return true;
}
