/* SCRAM: what a server says, any bytes or such as begin with our nonce; and names and passwords of any bytes. A word
 * that is answered asks for what may be asked; the answer is text, and goes on as RFC 5802 section 7 has it; a refusal
 * says why and leaves nothing. What is prepared (RFC 4013) is text, and is itself prepared already. */
#include "stream/scram.h"

#include "bytes.h"
#include "core/topic.h"
#include "stream/openssl.h"
#include "stream/saslprep.h"
#include "sys/library.h"

#undef PKCS5_PBKDF2_HMAC

static const char nonce[] = "fyko+d2lbbFgONRv9qkxdawL";

/* In place of half a second of computing. */
static int quick(const char *password, int length, const unsigned char *salt, int salt_length, int iterations,
                 const EVP_MD *digest, int size, unsigned char *out) {
  promise(length >= 0 && (password || !length) && salt && salt_length > 0 && digest && size >= 20 && size <= 64);
  promise(iterations >= HF_SCRAM_LEAST && iterations <= HF_SCRAM_MOST);
  memset(out, salt[0], (size_t)size);
  return 1;
}

static void check_words(const hf_scram_client *client, const hf_scram_words *words) {
  const char *head = client->binds ? "c=cD10bHMtZXhwb3J0ZXIsLA" : "c=biws,r=";
  const char *own = strstr(words->answer, nonce), *proof = strstr(words->answer, ",p=");
  promise(strncmp(words->answer, head, strlen(head)) == 0 && own && proof && own < proof);
  promise(strncmp(words->expected, "v=", 2) == 0 && strlen(words->expected) >= 2 + 28);
  for (const char *at = words->answer; *at; at++)
    promise(*at > ' ' && *at <= '~');
}

static void try_word(bytes *from, const hf_scram_client *client, bool begins) {
  hf_scram_words words;
  size_t own = begins ? 2 + strlen(nonce) : 0, length = own + from->left;
  char *said = malloc(length ? length : 1);
  if (!said) abort();
  if (begins) memcpy(said, "r=", 2), memcpy(said + 2, nonce, strlen(nonce));
  if (from->left) memcpy(said + own, from->at, from->left);
  const char *problem = hf_scram_prove(client, (hf_bytes){said, length}, &words);
  if (problem) promise(!words.answer && !words.expected && strlen(problem) > 0 && strlen(problem) < 120);
  if (!problem) check_words(client, &words);
  free(words.answer);
  free(words.expected);
  free(said);
}

static void try_text(hf_bytes text, bool is_name) {
  char *prepared, *again;
  const char *problem = hf_saslprep(text, is_name, &prepared);
  promise(!problem == !!prepared);
  if (problem) promise(strlen(problem) < 120);
  if (!prepared) return;
  hf_bytes made = {prepared, strlen(prepared)};
  promise(!hf_utf8_malformed(made));
  problem = hf_saslprep(made, false, &again);
  if (again) promise(strcmp(prepared, again) == 0);
  free(again);
  free(prepared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const methods[] = {"SCRAM-SHA-1",        "SCRAM-SHA-256",      "SCRAM-SHA-512",
                                        "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS", "SCRAM-SHA-1-PLUS"};
  static const unsigned char binding[HF_SCRAM_BINDING] = {1};
  static bool idn;
  char problem[HF_LIBRARY_PROBLEM];
  if (!hf_tls_is_there()) {
    promise(hf_tls_load(problem));
    idn = hf_saslprep_load(problem);
    hf_openssl_calls.PKCS5_PBKDF2_HMAC = quick;
  }
  bytes from = {data, size};
  uint8_t how = take_byte(&from);
  const char *method = methods[how % 6];
  hf_bytes name = take_text(&from);
  hf_scram_client client = {.hash = hf_scram_find(method),
                            .binds = hf_scram_binds(method),
                            .username = name,
                            .password = name,
                            .nonce = nonce,
                            .binding = binding};
  promise(client.hash != HF_SCRAM_NONE);
  if (idn || !hf_saslprep_needs_library(name)) try_text(name, how & 0x40);
  if (!memchr(name.data, '\0', name.length)) try_word(&from, &client, how & 0x80);
  free_text(name);
  return 0;
}
