#include "stream/tls_ocsp.h"

#include <stdio.h>

enum {
  FEATURE = TLSEXT_TYPE_status_request, /* RFC 7633 section 4.1 */
  SKEW = 300,                           /* seconds that two clocks may differ by */
  UNDATED = 86400                       /* seconds that a response counts which does not say when the next one comes */
};

static bool must_staple(const X509 *certificate) {
  TLS_FEATURE *features = X509_get_ext_d2i(certificate, NID_tlsfeature, NULL, NULL);
  bool found = false;
  for (int i = 0; features && i < sk_ASN1_INTEGER_num(features); i++)
    found = found || ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == FEATURE;
  TLS_FEATURE_free(features);
  return found;
}

static bool blame(hf_tls_finding *finding, const char *words) {
  unsigned long error = ERR_peek_last_error();
  const char *reason = error ? ERR_reason_error_string(error) : NULL;
  char text[sizeof finding->text];
  snprintf(text, sizeof text, reason ? "%s (%s)" : "%s", words, reason);
  hf_tls_find(finding, HF_TLS_OCSP, text);
  return false;
}

/* Whether it is about the certificate, by whatever digest it names it. */
static bool is_about(const OCSP_SINGLERESP *single, const X509 *certificate, const X509 *issuer) {
  const OCSP_CERTID *theirs = OCSP_SINGLERESP_get0_id(single);
  ASN1_OBJECT *digest;
  OCSP_id_get0_info(NULL, &digest, NULL, NULL, (OCSP_CERTID *)theirs);
  const EVP_MD *by = EVP_get_digestbyobj(digest);
  OCSP_CERTID *ours = by ? OCSP_cert_to_id(by, certificate, issuer) : NULL;
  bool same = ours && OCSP_id_cmp(ours, theirs) == 0;
  OCSP_CERTID_free(ours);
  return same;
}

static bool judge_single(OCSP_SINGLERESP *single, hf_tls_finding *finding) {
  ASN1_GENERALIZEDTIME *at, *next;
  int why, status = OCSP_single_get0_status(single, &why, NULL, &at, &next);
  if (OCSP_check_validity(at, next, SKEW, next ? -1 : UNDATED) != 1)
    return blame(finding, "its OCSP response is not of these days, or the clock is wrong");
  if (status == V_OCSP_CERTSTATUS_GOOD) return true;
  if (status != V_OCSP_CERTSTATUS_REVOKED) return blame(finding, "its OCSP response does not know its certificate");
  char text[sizeof finding->text];
  snprintf(text, sizeof text, why < 0 ? "by its own OCSP response" : "by its own OCSP response: %s",
           OCSP_crl_reason_str(why));
  hf_tls_find(finding, HF_TLS_REVOKED, text);
  return false;
}

static bool judge(SSL *ssl, OCSP_BASICRESP *response, hf_tls_finding *finding) {
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  X509 *own = sk_X509_value(chain, 0), *issuer = sk_X509_value(chain, sk_X509_num(chain) > 1);
  X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
  if (OCSP_basic_verify(response, chain, store, 0) != 1) return blame(finding, "its OCSP response is not its issuer's");
  for (int i = 0; i < OCSP_resp_count(response); i++) {
    OCSP_SINGLERESP *single = OCSP_resp_get0(response, i);
    if (is_about(single, own, issuer)) return judge_single(single, finding);
  }
  return blame(finding, "its OCSP response is about another certificate");
}

static bool read_response(SSL *ssl, const unsigned char *bytes, long length, hf_tls_finding *finding) {
  OCSP_RESPONSE *all = d2i_OCSP_RESPONSE(NULL, &bytes, length);
  if (!all) return blame(finding, "its OCSP response is none");
  int status = OCSP_response_status(all);
  OCSP_BASICRESP *basic = status == OCSP_RESPONSE_STATUS_SUCCESSFUL ? OCSP_response_get1_basic(all) : NULL;
  bool fine = basic ? judge(ssl, basic, finding) : false;
  if (!basic) blame(finding, "its OCSP response says nothing");
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(all);
  return fine;
}

bool hf_tls_ocsp_holds(SSL *ssl, bool required, hf_tls_finding *finding) {
  const unsigned char *bytes;
  long length = SSL_get_tlsext_status_ocsp_resp(ssl, &bytes);
  bool there = length > 0 && SSL_get0_verified_chain(ssl);
  ERR_clear_error();
  bool fine = there && read_response(ssl, bytes, length, finding);
  if (!there) {
    X509 *own = SSL_get_peer_certificate(ssl);
    bool promised = own && must_staple(own);
    X509_free(own);
    fine = !required && !promised;
    if (!fine)
      blame(finding, promised ? "the server sends no OCSP response, and its certificate promises one"
                              : "the server sends no OCSP response");
  }
  ERR_clear_error();
  return fine;
}
