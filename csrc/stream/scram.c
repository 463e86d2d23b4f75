#define _DEFAULT_SOURCE
#include "stream/scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/openssl.h"

enum { DIGEST = 64, SALT = 512, HEAD = 16, HEADER = 80, NONCE = 60000 /* of both: our answer has all of it */ };

static const struct {
  const char *name;
  hf_scram_hash hash;
} methods[] = {{"SCRAM-SHA-1", HF_SCRAM_SHA1}, {"SCRAM-SHA-256", HF_SCRAM_SHA256}, {"SCRAM-SHA-512", HF_SCRAM_SHA512}};
static const char binding_suffix[] = "-PLUS";

typedef struct digest {
  unsigned char bytes[DIGEST];
} digest;

static const EVP_MD *function_of(hf_scram_hash hash) {
  return hash == HF_SCRAM_SHA1 ? EVP_sha1() : hash == HF_SCRAM_SHA256 ? EVP_sha256() : EVP_sha512();
}

static size_t size_of(hf_scram_hash hash) {
  return hash == HF_SCRAM_SHA1 ? 20 : hash == HF_SCRAM_SHA256 ? 32 : 64;
}

hf_scram_hash hf_scram_find(const char *method) {
  size_t length = strlen(method) - (hf_scram_binds(method) ? strlen(binding_suffix) : 0);
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    if (strlen(methods[i].name) == length && memcmp(methods[i].name, method, length) == 0) return methods[i].hash;
  return HF_SCRAM_NONE;
}

bool hf_scram_binds(const char *method) {
  size_t length = strlen(method), suffix = strlen(binding_suffix);
  return length > suffix && strcmp(method + length - suffix, binding_suffix) == 0;
}

void hf_scram_nonce(const unsigned char random[18], char nonce[HF_SCRAM_NONCE]) {
  EVP_EncodeBlock((unsigned char *)nonce, random, 18); /* has no comma, and nothing else that is no "printable" */
}

/* ---- words ---- */

static const char *head_of(const hf_scram_client *client) {
  return client->binds ? "p=tls-exporter,," : "n,,"; /* RFC 5802 section 7, gs2-header */
}

/* RFC 5802 section 5.1: of a name ',' and '=' are written otherwise. */
char *hf_scram_first(const hf_scram_client *client) {
  hf_bytes username = client->username;
  size_t room = HEAD + 2 + username.length * 3 + 3 + strlen(client->nonce) + 1;
  char *word = malloc(room), *at = word;
  if (!word) return NULL;
  at += snprintf(at, room, "%sn=", head_of(client));
  for (size_t i = 0; i < username.length; i++) {
    char c = username.data[i];
    const char *escaped = c == ',' ? "=2C" : c == '=' ? "=3D" : NULL;
    if (escaped) memcpy(at, escaped, 3);
    if (!escaped) *at = c;
    at += escaped ? 3 : 1;
  }
  snprintf(at, room - (size_t)(at - word), ",r=%s", client->nonce);
  return word;
}

typedef struct server_first {
  hf_bytes nonce;
  unsigned char salt[SALT];
  size_t salt_length;
  int iterations;
} server_first;

/* The attribute that `said` begins with, which it is taken off; data NULL: it is another one. */
static hf_bytes take(hf_bytes *said, char name) {
  hf_bytes value = {NULL, 0};
  if (said->length < 2 || said->data[0] != name || said->data[1] != '=') return value;
  const char *comma = memchr(said->data, ',', said->length);
  size_t length = comma ? (size_t)(comma - said->data) : said->length;
  value = (hf_bytes){said->data + 2, length - 2};
  size_t past = comma ? length + 1 : length;
  *said = (hf_bytes){said->data + past, said->length - past};
  return value;
}

static bool read_salt(hf_bytes text, server_first *first) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char bytes[SALT];
  size_t padding = 0;
  if (text.length == 0 || text.length % 4 != 0 || text.length / 4 * 3 > SALT) return false;
  while (padding < 2 && text.data[text.length - 1 - padding] == '=')
    padding++;
  for (size_t i = 0; i + padding < text.length; i++)
    if (!text.data[i] || !strchr(letters, text.data[i])) return false;
  int length = EVP_DecodeBlock(bytes, (const unsigned char *)text.data, (int)text.length);
  if (length < 0) return false;
  first->salt_length = (size_t)length - padding;
  memcpy(first->salt, bytes, first->salt_length);
  return first->salt_length > 0;
}

static bool read_iterations(hf_bytes text, server_first *first) {
  if (text.length == 0 || text.length > 7) return false;
  first->iterations = 0;
  for (size_t i = 0; i < text.length; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    first->iterations = first->iterations * 10 + (text.data[i] - '0');
  }
  return first->iterations >= HF_SCRAM_LEAST && first->iterations <= HF_SCRAM_MOST;
}

static bool goes_on(hf_bytes nonce, const char *ours) {
  size_t length = strlen(ours);
  for (size_t i = length; i < nonce.length; i++)
    if (nonce.data[i] <= ' ' || nonce.data[i] > '~') return false;
  return nonce.length > length && memcmp(nonce.data, ours, length) == 0;
}

/* "r=nonce,s=salt,i=iterations", and extensions, which are signed and not looked at; but who does not know one that
 * stands in front must not go on (RFC 5802 section 5.1, "m"). */
static const char *read_first(hf_bytes said, const char *nonce, server_first *first) {
  if (memchr(said.data, '\0', said.length)) return "the broker's word has a zero byte in it";
  if (take(&said, 'm').data) return "the broker demands an extension of SCRAM (m=), and none is known";
  first->nonce = take(&said, 'r');
  if (!goes_on(first->nonce, nonce)) return "the broker's word does not go on with our nonce";
  if (first->nonce.length > NONCE) return "the broker's nonce is longer than 60,000 bytes";
  if (!read_salt(take(&said, 's'), first)) return "the broker's word has no salt, or one that is none";
  if (!read_iterations(take(&said, 'i'), first))
    return "the broker asks for fewer than 4,096 iterations, or more than 1,000,000";
  return NULL;
}

/* ---- proofs ---- */

static bool sign(hf_scram_hash hash, const digest *key, const char *text, digest *signature) {
  return HMAC(function_of(hash), key->bytes, (int)size_of(hash), (const unsigned char *)text, strlen(text),
              signature->bytes, NULL) != NULL;
}

typedef struct proofs {
  digest client, server;
} proofs;

static bool prove(hf_scram_hash hash, const digest *salted, const char *text, proofs *made) {
  digest client_key, stored_key, server_key, signature;
  bool fine = sign(hash, salted, "Client Key", &client_key) && sign(hash, salted, "Server Key", &server_key) &&
              EVP_Digest(client_key.bytes, size_of(hash), stored_key.bytes, NULL, function_of(hash), NULL) &&
              sign(hash, &stored_key, text, &signature) && sign(hash, &server_key, text, &made->server);
  for (size_t i = 0; fine && i < size_of(hash); i++)
    made->client.bytes[i] = client_key.bytes[i] ^ signature.bytes[i];
  explicit_bzero(&client_key, sizeof client_key);
  explicit_bzero(&stored_key, sizeof stored_key);
  explicit_bzero(&server_key, sizeof server_key);
  return fine;
}

static bool compute(hf_scram_hash hash, hf_bytes password, const server_first *first, const char *text, proofs *made) {
  digest salted;
  bool fine =
      PKCS5_PBKDF2_HMAC(password.data ? password.data : "", (int)password.length, first->salt, (int)first->salt_length,
                        first->iterations, function_of(hash), (int)size_of(hash), salted.bytes) == 1 &&
      prove(hash, &salted, text, made);
  explicit_bzero(&salted, sizeof salted);
  return fine;
}

static char *joined(const char *before, const char *after) {
  size_t length = strlen(before) + strlen(after) + 1;
  char *both = malloc(length);
  if (both) snprintf(both, length, "%s%s", before, after);
  return both;
}

/* `text`: what is signed; `without`: our second word, but for its proof. */
static bool put_words(hf_scram_hash hash, hf_bytes password, const server_first *first, const char *text,
                      const char *without, hf_scram_words *words) {
  char proof[4 * DIGEST] = ",p=", signature[4 * DIGEST] = "v=";
  proofs computed;
  if (!compute(hash, password, first, text, &computed)) return false;
  EVP_EncodeBlock((unsigned char *)proof + 3, computed.client.bytes, (int)size_of(hash));
  EVP_EncodeBlock((unsigned char *)signature + 2, computed.server.bytes, (int)size_of(hash));
  words->answer = joined(without, proof);
  words->expected = joined("", signature);
  explicit_bzero(&computed, sizeof computed);
  explicit_bzero(proof, sizeof proof);
  explicit_bzero(signature, sizeof signature);
  return words->answer && words->expected;
}

/* "c=", the head of our first word and what that is bound to, in base64, ",r=". */
static void put_header(const hf_scram_client *client, char header[HEADER]) {
  unsigned char bytes[HEAD + HF_SCRAM_BINDING];
  const char *head = head_of(client);
  size_t length = strlen(head);
  memcpy(bytes, head, length);
  if (client->binds) memcpy(bytes + length, client->binding, HF_SCRAM_BINDING);
  if (client->binds) length += HF_SCRAM_BINDING;
  char *at = header + snprintf(header, HEADER, "c=");
  at += EVP_EncodeBlock((unsigned char *)at, bytes, (int)length);
  snprintf(at, (size_t)(header + HEADER - at), ",r=");
}

/* The name is a secret, too. */
static void drop(char *word) {
  if (word) explicit_bzero(word, strlen(word));
  free(word);
}

const char *hf_scram_prove(const hf_scram_client *client, hf_bytes said, hf_scram_words *words) {
  char header[HEADER];
  server_first first;
  const char *problem = read_first(said, client->nonce, &first);
  *words = (hf_scram_words){NULL, NULL};
  if (problem) return problem;
  put_header(client, header);
  char *bare = hf_scram_first(client);
  size_t without_length = strlen(header) + first.nonce.length;
  size_t room = (bare ? strlen(bare) : 0) + said.length + without_length + 3;
  char *without = malloc(without_length + 1), *text = calloc(1, room);
  bool fine = bare && without && text;
  if (fine) snprintf(without, without_length + 1, "%s%.*s", header, (int)first.nonce.length, first.nonce.data);
  if (fine) snprintf(text, room, "%s,%.*s,%s", bare + strlen(head_of(client)), (int)said.length, said.data, without);
  fine = fine && put_words(client->hash, client->password, &first, text, without, words);
  drop(bare);
  free(without);
  drop(text);
  if (fine) return NULL;
  drop(words->answer);
  drop(words->expected);
  *words = (hf_scram_words){NULL, NULL};
  return "memory is short";
}
