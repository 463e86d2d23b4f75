#define _DEFAULT_SOURCE
#include "stream/tls_certificate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "stream/openssl.h"

static int64_t seconds(const ASN1_TIME *time) {
  struct tm when;
  if (!time || ASN1_TIME_to_tm(time, &when) != 1) return 0;
  return (int64_t)timegm(&when);
}

/* What its maker has written is not to upset a terminal. */
static void copy(char *to, const unsigned char *from, size_t length) {
  size_t most = length < HF_CERTIFICATE_NAME - 1 ? length : HF_CERTIFICATE_NAME - 1;
  for (size_t i = 0; i < most; i++)
    to[i] = from[i] > ' ' && from[i] < 0x7F ? (char)from[i] : '?';
  to[most] = '\0';
}

/* A name of another type than these two is not always a string. */
static bool show(const GENERAL_NAME *name, char *to) {
  int type;
  const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
  if (type != GEN_DNS && type != GEN_IPADD) return false;
  const unsigned char *bytes = ASN1_STRING_get0_data(value);
  int length = ASN1_STRING_length(value);
  if (type == GEN_DNS) {
    copy(to, bytes, (size_t)length);
    return true;
  }
  return (length == 4 || length == 16) &&
         inet_ntop(length == 4 ? AF_INET : AF_INET6, bytes, to, HF_CERTIFICATE_NAME) != NULL;
}

static void read_names(X509 *x509, hf_certificate *to) {
  GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
  int count = names ? sk_GENERAL_NAME_num(names) : 0;
  for (int i = 0; i < count && to->name_count < HF_CERTIFICATE_NAMES; i++)
    if (show(sk_GENERAL_NAME_value(names, i), to->names[to->name_count])) to->name_count++;
  GENERAL_NAMES_free(names);
}

bool hf_certificate_read(hf_bytes der, hf_certificate *certificate) {
  const unsigned char *at = (const unsigned char *)der.data;
  X509 *x509 = d2i_X509(NULL, &at, (long)der.length);
  memset(certificate, 0, sizeof *certificate);
  if (x509) {
    X509_NAME_oneline(X509_get_subject_name(x509), certificate->subject, HF_CERTIFICATE_NAME);
    X509_NAME_oneline(X509_get_issuer_name(x509), certificate->issuer, HF_CERTIFICATE_NAME);
    certificate->not_before = seconds(X509_get0_notBefore(x509));
    certificate->not_after = seconds(X509_get0_notAfter(x509));
    read_names(x509, certificate);
    X509_free(x509);
  }
  ERR_clear_error();
  return x509 != NULL;
}
