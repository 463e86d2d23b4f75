#define _DEFAULT_SOURCE
#include "link/paho_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "link/tls_check.h"

/* CONNECT as Paho wants it. MQTTAsync_connect copies everything but what `properties` own. */

/* Paho sends MQTT through them, with a busy wait of up to 10 s under its global lock, and has no option to ignore them:
 * even an empty string takes the place of the server. The environment belongs to the host: it is read, never changed.
 * Plain connections obey http_proxy; among them is the waker's, without which no connection is made in time. */
const char *hf_paho_proxy_in_the_way(bool tls) {
  static const char *const names[] = {"http_proxy", "https_proxy"};
  if (getenv(names[0])) return names[0];
  return tls && getenv(names[1]) ? names[1] : NULL;
}

/* An IPv6 address goes without its brackets over TLS: Paho takes the port off at the last colon either way, but would
 * compare the certificate with "[::1". */
static char *make_uri(const hf_link_attempt *from) {
  size_t room = strlen(from->host) + 32;
  char *uri = malloc(room);
  if (uri)
    snprintf(uri, room, from->ipv6 && !from->tls ? "%s://[%s]:%u" : "%s://%s:%u", from->tls ? "ssl" : "tcp", from->host,
             (unsigned)from->port);
  return uri;
}

/* Length-prefixed names in a row, and a NUL: Paho copies up to the first one. */
static bool make_alpn(hf_paho_options *options, const char *const *names) {
  size_t total = 0;
  for (size_t i = 0; names && names[i]; i++)
    total += 1 + strlen(names[i]);
  if (total == 0) return true;
  char *at = options->alpn = malloc(total + 1);
  if (!at) return false;
  for (size_t i = 0; names[i]; i++) {
    size_t length = strlen(names[i]);
    *at = (char)(unsigned char)length;
    memcpy(at + 1, names[i], length + 1);
    at += 1 + length;
  }
  options->tls.protos = (unsigned char *)options->alpn;
  options->tls.protos_len = (unsigned)total;
  return true;
}

/* OpenSSL asks for a shared key when it makes its first message of TLS 1.3, whether or not there is one: the only sign
 * from Paho that the server has accepted the TCP connection. Where 1.3 is forbidden there is no sign, and every silent
 * failure has to be taken for one of TLS. */
static unsigned shared_key(const char *hint, char *identity, unsigned most_identity, unsigned char *key,
                           unsigned most_key, void *context) {
  (void)hint;
  hf_paho_attempt *attempt = context;
  const hf_paho_psk *psk = attempt->psk;
  attempt->tls_began = true;
  if (!psk || strlen(psk->identity) > most_identity || psk->length > most_key) return 0;
  strcpy(identity, psk->identity);
  memcpy(key, psk->key, psk->length);
  return (unsigned)psk->length;
}

void hf_paho_psk_free(hf_paho_psk *psk) {
  if (psk) explicit_bzero(psk, sizeof *psk);
  free(psk);
}

static bool make_psk(hf_paho_options *options, hf_paho_attempt *attempt, const hf_link_tls *from) {
  hf_paho_psk *psk = attempt->psk = calloc(1, sizeof *psk);
  if (!psk) return false;
  psk->length = from->psk_key.length < HF_PSK_KEY ? from->psk_key.length : HF_PSK_KEY;
  memcpy(psk->key, from->psk_key.data, psk->length);
  strncpy(psk->identity, from->psk_identity, HF_PSK_IDENTITY);
  /* A TLS 1.3 server may answer with a certificate instead. None is trusted then, so it gets no further; there being
   * no certificate otherwise, Paho must not look for a host name in it. */
  options->tls.enabledCipherSuites = HF_TLS_PSK_CIPHERS;
  options->tls.disableDefaultTrustStore = true;
  options->tls.enableServerCertAuth = true;
  return true;
}

static void make_certificates(hf_paho_options *options, const hf_link_tls *from) {
  struct stat about;
  bool folder = from->ca && stat(from->ca, &about) == 0 && S_ISDIR(about.st_mode);
  options->tls.enabledCipherSuites = HF_TLS_CIPHERS;
  options->tls.trustStore = folder ? NULL : from->ca;
  options->tls.CApath = folder ? from->ca : NULL;
  options->tls.keyStore = from->cert;
  options->tls.privateKey = from->key;
  /* Without one OpenSSL would ask the terminal, on a thread that every client needs. */
  options->tls.privateKeyPassword = from->key_password ? from->key_password : "";
  options->tls.enableServerCertAuth = from->verify;
  options->tls.verify = from->verify;
}

static bool make_tls(hf_paho_options *options, hf_paho_attempt *attempt, const hf_link_tls *from) {
  options->tls = (MQTTAsync_SSLOptions)MQTTAsync_SSLOptions_initializer;
  options->tls.ssl_error_cb = hf_paho_tls_line;
  options->tls.ssl_error_context = attempt;
  options->tls.ssl_psk_cb = shared_key;
  options->tls.ssl_psk_context = attempt;
  options->connect.ssl = &options->tls;
  attempt->tls_began = !hf_tls_is_modern();
  bool made = true;
  if (from->psk_identity)
    made = make_psk(options, attempt, from);
  else
    make_certificates(options, from);
  return made && make_alpn(options, from->alpn);
}

static bool make_will(hf_paho_options *options, const hf_link_will *from, uint8_t protocol) {
  options->will = (MQTTAsync_willOptions)MQTTAsync_willOptions_initializer;
  options->will.topicName = from->topic.data;
  options->will.payload.len = (int)from->payload.length;
  options->will.payload.data = from->payload.length ? from->payload.data : NULL;
  options->will.qos = from->qos;
  options->will.retained = from->retain;
  options->connect.will = &options->will;
  if (protocol < 5 || !from->properties) return true;
  options->connect.willProperties = &options->will_properties;
  const hf_properties *properties = from->properties;
  return hf_paho_properties_message(&options->will_properties, properties) &&
         (!(properties->present & HF_PROPERTY_WILL_DELAY) ||
          hf_paho_properties_number(&options->will_properties, MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL,
                                    properties->will_delay));
}

static bool make_properties(hf_paho_options *options, const hf_link_attempt *from) {
  MQTTProperties *to = &options->properties;
  options->connect.connectProperties = to;
  bool made = hf_paho_properties_user(to, from->properties);
  made = hf_paho_properties_number(to, MQTTPROPERTY_CODE_REQUEST_RESPONSE_INFORMATION, 1) && made;
  if (from->session_expiry)
    made = hf_paho_properties_number(to, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, from->session_expiry) && made;
  if (from->receive_maximum && from->receive_maximum < 65535)
    made = hf_paho_properties_number(to, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, from->receive_maximum) && made;
  if (from->maximum_packet_size)
    made = hf_paho_properties_number(to, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, from->maximum_packet_size) && made;
  return made;
}

static bool make_credentials(hf_paho_options *options, const hf_link_attempt *from) {
  if (from->username.data) {
    options->username = strndup(from->username.data, from->username.length);
    options->connect.username = options->username;
  }
  if (from->password.data) {
    options->connect.binarypwd.data = from->password.data;
    options->connect.binarypwd.len = (int)from->password.length;
  }
  return !from->username.data || options->username;
}

bool hf_paho_options_make(hf_paho_options *options, hf_paho_attempt *attempt, const hf_link_attempt *from) {
  memset(options, 0, sizeof *options);
  MQTTAsync_connectOptions *connect = &options->connect;
  *connect = (MQTTAsync_connectOptions)MQTTAsync_connectOptions_initializer;
  connect->MQTTVersion = from->protocol;
  connect->keepAliveInterval = from->keep_alive;
  connect->maxInflight = 65535;
  connect->connectTimeout = (int)(from->timeout / 1000) + 5; /* the keeper's own deadline comes before */
  connect->cleansession = from->protocol < 5 && !attempt->keeps_session;
  connect->cleanstart = from->protocol == 5 && from->clean_start;
  hf_paho_callbacks_connect(attempt, connect);
  options->uri = make_uri(from);
  bool made = options->uri && make_credentials(options, from);
  if (made && from->tls) made = make_tls(options, attempt, from->tls);
  if (made && from->will) made = make_will(options, from->will, from->protocol);
  if (made && from->protocol == 5) made = make_properties(options, from);
  return made;
}

void hf_paho_options_free(hf_paho_options *options) {
  MQTTProperties_free(&options->properties);
  MQTTProperties_free(&options->will_properties);
  free(options->uri);
  if (options->username) explicit_bzero(options->username, strlen(options->username));
  free(options->username);
  free(options->alpn);
}
