#define _GNU_SOURCE
#include "stream/tls_trust.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/openssl.h"
#include "stream/tls_files.h"
#include "stream/tls_pem.h"
#include "stream/tls_stamp.h"
#include "sys/clock.h"

struct hf_tls_trust {
  hf_tls_trust *next;
  char *ca;  /* NULL: the system's */
  char *crl; /* NULL: none */
  int64_t end;
  X509_STORE *store;
  hf_tls_stamps stamps;
  size_t references;
  bool listed; /* not found to have changed yet */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static hf_tls_trust *all;

/* ---- reading ---- */

static int give_nothing(char *buffer, int size, int writing, void *context) {
  (void)buffer, (void)size, (void)writing, (void)context;
  return -1;
}

static const char *option_of(const hf_tls_trust *trust) {
  return trust->ca ? "tls.ca" : "the system's authorities";
}

/* OpenSSL takes a certificate without its key where it finds no memory for that, or does not know the kind: read once
 * more, it has one in the first case. */
static bool has_no_key_yet(X509 *certificate) {
  if (X509_get0_pubkey(certificate)) return false;
  X509 *again = X509_dup(certificate);
  bool short_of_memory = !again || X509_get0_pubkey(again);
  X509_free(again);
  return short_of_memory;
}

/* Takes all that has been read. False: memory is short; an authority that is missing is not noticed later. */
static bool take_in(X509_STORE *store, const STACK_OF(X509_INFO) * found, size_t *certificates) {
  for (int i = 0; i < sk_X509_INFO_num(found); i++) {
    const X509_INFO *one = sk_X509_INFO_value(found, i);
    if (one->crl && X509_STORE_add_crl(store, one->crl) != 1) return false;
    if (!one->x509) continue;
    if (has_no_key_yet(one->x509) || X509_STORE_add_cert(store, one->x509) != 1) return false;
    ++*certificates;
  }
  return true;
}

/* Of a file, or of PEM, how many certificates there were; lists of revoked ones are taken as well. False: nothing could
 * be opened, whatever there is, or read for want of memory. */
static bool load_file(hf_tls_trust *trust, const char *path, size_t *certificates, hf_tls_finding *finding) {
  X509_STORE *store = trust->store;
  ERR_clear_error();
  BIO *file = hf_tls_pem_open(path);
  unsigned long error = file ? 0 : ERR_peek_error();
  if (ERR_GET_LIB(error) == ERR_LIB_SYS && hf_tls_is_short(ERR_GET_REASON(error)))
    return hf_tls_unread(finding, option_of(trust), path, ERR_GET_REASON(error));
  STACK_OF(X509_INFO) *found = file ? PEM_X509_INFO_read_bio(file, NULL, give_nothing, NULL) : NULL;
  *certificates = 0;
  bool fine = found ? take_in(store, found, certificates) : !hf_tls_is_starved();
  sk_X509_INFO_pop_free(found, X509_INFO_free);
  BIO_free(file);
  return fine;
}

/* As openssl-rehash(1) names them: eight hexadecimal digits, a dot, a number. */
static bool is_hashed(const char *name) {
  size_t digits = strspn(name, "0123456789abcdef");
  return digits == 8 && name[8] == '.' && isdigit((unsigned char)name[9]);
}

static bool load_folder(hf_tls_trust *trust, const char *path, hf_tls_finding *finding) {
  char name[4096];
  size_t certificates; /* what is none there vouches for nobody, and that is all */
  DIR *folder = opendir(path);
  if (!folder && hf_tls_is_short(errno)) return hf_tls_unread(finding, option_of(trust), path, errno);
  bool fine = hf_tls_stamps_add(&trust->stamps, path);
  for (const struct dirent *entry; fine && folder && (entry = readdir(folder));) {
    if (!is_hashed(entry->d_name)) continue;
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    fine = hf_tls_stamps_add(&trust->stamps, name) && load_file(trust, name, &certificates, finding);
  }
  if (folder) closedir(folder);
  return fine;
}

static const char *from_environment(const char *name, const char *otherwise) {
  const char *text = secure_getenv(name);
  return text ? text : otherwise;
}

/* Where OpenSSL has been built to look, or is told to by the environment. */
static bool load_system(hf_tls_trust *trust, hf_tls_finding *finding) {
  size_t certificates;
  const char *file = from_environment(X509_get_default_cert_file_env(), X509_get_default_cert_file());
  char *folders = strdup(from_environment(X509_get_default_cert_dir_env(), X509_get_default_cert_dir())), *rest;
  bool fine = folders && hf_tls_stamps_add(&trust->stamps, file) && load_file(trust, file, &certificates, finding);
  for (char *one = folders ? strtok_r(folders, ":", &rest) : NULL; fine && one; one = strtok_r(NULL, ":", &rest))
    fine = load_folder(trust, one, finding);
  free(folders);
  return fine;
}

static void end_with(hf_tls_trust *trust, const X509_CRL *list) {
  int days, seconds;
  const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);
  if (!next || ASN1_TIME_diff(&days, &seconds, NULL, next) != 1) return;
  int64_t end = hf_clock_ms() + ((int64_t)days * 86400 + seconds) * 1000;
  if (end < trust->end) trust->end = end;
}

static bool load_lists(hf_tls_trust *trust, const char *crl, hf_tls_finding *finding) {
  int count = 0;
  if (!hf_tls_pem_is_text(crl) && !hf_tls_stamps_add(&trust->stamps, crl)) return false;
  ERR_clear_error();
  BIO *file = hf_tls_pem_open(crl);
  STACK_OF(X509_INFO) *found = file ? PEM_X509_INFO_read_bio(file, NULL, give_nothing, NULL) : NULL;
  bool fine = true;
  for (int i = 0; fine && found && i < sk_X509_INFO_num(found); i++) {
    X509_CRL *list = sk_X509_INFO_value(found, i)->crl;
    if (!list) continue;
    fine = X509_STORE_add_crl(trust->store, list) == 1;
    end_with(trust, list);
    count++;
  }
  fine = fine && (count > 0 || hf_tls_unreadable(finding, "tls.crl", crl, "list of revoked certificates"));
  sk_X509_INFO_pop_free(found, X509_INFO_free);
  BIO_free(file);
  return fine;
}

static bool load(hf_tls_trust *trust, const char *ca, hf_tls_finding *finding) {
  struct stat about;
  size_t certificates;
  if (!ca) return load_system(trust, finding);
  if (stat(ca, &about) == 0 && S_ISDIR(about.st_mode)) return load_folder(trust, ca, finding);
  bool stamped = hf_tls_pem_is_text(ca) || hf_tls_stamps_add(&trust->stamps, ca);
  return stamped && load_file(trust, ca, &certificates, finding) &&
         (certificates > 0 || hf_tls_unreadable(finding, "tls.ca", ca, "certificate"));
}

static void destroy(hf_tls_trust *trust) {
  X509_STORE_free(trust->store);
  hf_tls_stamps_free(&trust->stamps);
  free(trust->ca);
  free(trust->crl);
  free(trust);
}

static hf_tls_trust *make(const char *ca, const char *crl, hf_tls_finding *finding) {
  hf_tls_trust *trust = calloc(1, sizeof *trust);
  if (!trust) return NULL;
  trust->references = 1;
  trust->ca = ca ? strdup(ca) : NULL;
  trust->crl = crl ? strdup(crl) : NULL;
  trust->end = INT64_MAX;
  trust->store = X509_STORE_new();
  bool fine = trust->store && (!ca || trust->ca) && (!crl || trust->crl) && load(trust, ca, finding) &&
              (!crl || load_lists(trust, crl, finding));
  ERR_clear_error();
  if (fine) return trust;
  destroy(trust);
  return NULL;
}

/* ---- sharing ---- */

static bool is_same(const char *one, const char *other) {
  return one && other ? strcmp(one, other) == 0 : one == other;
}

static void unlist(hf_tls_trust *trust) {
  hf_tls_trust **at = &all;
  while (*at != trust)
    at = &(*at)->next;
  *at = trust->next;
  trust->listed = false;
}

hf_tls_trust *hf_tls_trust_get(const char *ca, const char *crl, hf_tls_finding *finding) {
  pthread_mutex_lock(&lock);
  hf_tls_trust *found = all;
  while (found && !(is_same(found->ca, ca) && is_same(found->crl, crl)))
    found = found->next;
  if (found && !hf_tls_stamps_hold(&found->stamps, hf_clock_ms(), 0)) {
    unlist(found);
    found = NULL;
  }
  if (found) found->references++;
  pthread_mutex_unlock(&lock);
  if (found) return found;
  hf_tls_trust *made = make(ca, crl, finding); /* another may be made by somebody else meanwhile: both will do */
  if (!made) return NULL;
  pthread_mutex_lock(&lock);
  made->listed = true;
  made->next = all;
  all = made;
  pthread_mutex_unlock(&lock);
  return made;
}

void hf_tls_trust_drop(hf_tls_trust *trust) {
  if (!trust) return;
  pthread_mutex_lock(&lock);
  bool last = --trust->references == 0;
  if (last && trust->listed) unlist(trust);
  pthread_mutex_unlock(&lock);
  if (last) destroy(trust);
}

X509_STORE *hf_tls_trust_store(const hf_tls_trust *trust) {
  return trust->store;
}

int64_t hf_tls_trust_end(const hf_tls_trust *trust) {
  return trust->end;
}

bool hf_tls_trust_holds(hf_tls_trust *trust, int64_t now, int64_t age) {
  pthread_mutex_lock(&lock);
  bool holds = hf_tls_stamps_hold(&trust->stamps, now, age);
  pthread_mutex_unlock(&lock);
  return holds;
}
