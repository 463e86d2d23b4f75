#define _GNU_SOURCE /* strcasestr */
#include "stream/tls_token.h"

#include <openssl/ui.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sys/library.h"

static const char scheme[] = "pkcs11:";

enum {
  SHOWN = 100, /* bytes of a URI */
  WRONG = 0xA0,
  LOCKED = 0xA4, /* and between them, CKR_PIN_... of PKCS #11 */
};

/* OpenSSL may have been built without any of this, so it is looked up by itself. */
static struct {
  ENGINE *(*by_id)(const char *id);
  int (*init)(ENGINE *engine);
  int (*let_go)(ENGINE *engine);
  int (*command)(ENGINE *engine, const char *name, const char *value, int optional);
  EVP_PKEY *(*load_key)(ENGINE *engine, const char *uri, UI_METHOD *questions, void *context);
  UI_METHOD *(*answer_by)(pem_password_cb *answer, int writing);
  void (*end_answer)(UI_METHOD *questions);
} calls;

static const char *const names[] = {"ENGINE_by_id",
                                    "ENGINE_init",
                                    "ENGINE_free",
                                    "ENGINE_ctrl_cmd_string",
                                    "ENGINE_load_private_key",
                                    "UI_UTIL_wrap_read_pem_callback",
                                    "UI_destroy_method"};

_Static_assert(sizeof calls == sizeof names, "a name a slot");

#define TEXT(number) #number
#define FILE_OF(number) "libcrypto.so." TEXT(number)

static hf_library library = {
    .file = FILE_OF(OPENSSL_SHLIB_VERSION), .names = names, .slots = &calls, .count = sizeof names / sizeof names[0]};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ENGINE *engine; /* of the process, once there is one */

bool hf_tls_token_is(const char *source) {
  return strncasecmp(source, scheme, sizeof scheme - 1) == 0;
}

size_t hf_tls_token_shown(const char *uri) {
  const char *pin = strcasestr(uri, "pin-");
  size_t length = strcspn(uri, "?");
  return pin && (size_t)(pin - uri) < length ? (size_t)(pin - uri) : length;
}

static void blame(hf_tls_finding *finding, const char *uri, const char *words) {
  char text[sizeof finding->text];
  unsigned long error = ERR_peek_error();
  int reason = ERR_GET_REASON(error);
  bool refused = ERR_GET_LIB(error) >= ERR_LIB_USER && reason >= WRONG && reason <= LOCKED;
  const char *why = error ? ERR_reason_error_string(error) : NULL;
  size_t shown = hf_tls_token_shown(uri);
  snprintf(text, sizeof text, "tls.key %.*s: %s", (int)(shown < SHOWN ? shown : SHOWN), uri, why ? why : words);
  hf_tls_find(finding, refused ? HF_TLS_TOKEN_LOGIN : HF_TLS_TOKEN, text);
}

/* It must not write to the terminal of the program, where it would show the PIN of a URI. */
static bool begin(void) {
  char problem[HF_LIBRARY_PROBLEM];
  if (engine) return true;
  if (!hf_library_load(&library, problem)) return false;
  OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_DYNAMIC, NULL);
  ENGINE *found = calls.by_id("pkcs11");
  if (!found) return false;
  calls.command(found, "QUIET", NULL, 1);
  if (calls.init(found) == 1) engine = found;
  if (!engine) calls.let_go(found);
  return engine != NULL;
}

typedef struct pin {
  const char *text; /* NULL: none was given */
  bool missed;
} pin;

static int give_pin(char *buffer, int size, int writing, void *context) {
  (void)writing;
  pin *mine = context;
  size_t length = mine->text ? strlen(mine->text) : 0;
  mine->missed = !mine->text;
  if (length >= (size_t)size) return 0;
  if (length) memcpy(buffer, mine->text, length);
  return (int)length;
}

EVP_PKEY *hf_tls_token_key(const char *uri, const char *text, hf_tls_finding *finding) {
  EVP_PKEY *key = NULL;
  pin mine = {.text = text};
  pthread_mutex_lock(&lock);
  ERR_clear_error();
  if (!begin()) {
    ERR_clear_error();
    blame(finding, uri, "OpenSSL has no engine pkcs11 here (Debian: libengine-pkcs11-openssl)");
  } else {
    UI_METHOD *questions = calls.answer_by(give_pin, 0);
    key = questions ? calls.load_key(engine, uri, questions, &mine) : NULL;
    if (mine.missed) ERR_clear_error();
    if (!key) blame(finding, uri, mine.missed ? "it wants a tls.key_password" : "it does not give the key");
    calls.end_answer(questions);
  }
  ERR_clear_error();
  pthread_mutex_unlock(&lock);
  return key;
}
