#include "quic/inspect.h"

enum { SHOWN = 8 /* certificates of a chain */, NAME = 256 };

void hf_quic_inspect_chain(const hf_quic_connection *c, const hf_bytes *chain, size_t count, const char *problem) {
  if (!c->plan->inspector) return;
  hf_step *step = hf_step_new(HF_STEP_CERTIFICATES, HF_STEP_MOST);
  hf_step_text(step, "host", c->plan->host);
  hf_step_text(step, "problem", problem);
  for (size_t i = 0; i < count && i < SHOWN; i++)
    hf_step_bytes(step, HF_STEP_DER, "chain", chain[i]);
  if (step && count > SHOWN) step->cut = true;
  hf_inspect(c->plan->inspector, step);
}

void hf_quic_inspect_session(const hf_quic_connection *c) {
  if (!c->plan->inspector) return;
  gnutls_datum_t alpn = {NULL, 0};
  hf_step *step = hf_step_new(HF_STEP_TLS, 6 * (HF_STEP_FIELD + NAME));
  gnutls_alpn_get_selected_protocol(c->session, &alpn);
  hf_step_text(step, "host", c->plan->host);
  hf_step_flag(step, "quic", true);
  hf_step_text(step, "version", gnutls_protocol_get_name(gnutls_protocol_get_version(c->session)));
  hf_step_text(step, "cipher", gnutls_cipher_get_name(gnutls_cipher_get(c->session)));
  hf_step_bytes(step, HF_STEP_TEXT, "alpn", (hf_bytes){(const char *)alpn.data, alpn.size});
  hf_step_flag(step, "resumed", gnutls_session_is_resumed(c->session) != 0);
  hf_inspect(c->plan->inspector, step);
}
