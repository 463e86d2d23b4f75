/* The recovery of a store whose file and log are damaged in any way: it opens or says why not, and gives back what was
 * put in, or less. */
#include "store/store.h"

#include <unistd.h>

#include "bytes.h"

enum { MESSAGES = 8, MOST = 1 << 16, BODY = 300 };

typedef struct part { /* of a sound store: its file, or its log */
  char path[80];      /* of the damaged copy */
  uint8_t bytes[MOST];
  size_t length;
} part;

static part file, history;
static char folder[] = "/tmp/holdfast-fuzz-XXXXXX";

static void clean(void) {
  unlink(file.path);
  unlink(history.path);
  rmdir(folder);
}

static void load(part *into, const char *path) {
  FILE *from = fopen(path, "rb");
  promise(from);
  into->length = fread(into->bytes, 1, MOST, from);
  promise(into->length > 0 && into->length < MOST);
  fclose(from);
  unlink(path);
}

static void make_sound_one(void) {
  char path[sizeof file.path], log[sizeof file.path];
  static char body[BODY];
  memset(body, 'x', sizeof body);
  promise(mkdtemp(folder));
  atexit(clean);
  snprintf(file.path, sizeof file.path, "%s/copy", folder);
  snprintf(history.path, sizeof history.path, "%s/copy-wal", folder);
  snprintf(path, sizeof path, "%s/sound", folder);
  snprintf(log, sizeof log, "%s/sound-wal", folder);
  hf_store_problem problem;
  hf_store *store = hf_store_open(path, "fuzz", &problem);
  promise(store);
  hf_store_begin_session(store, 5);
  for (uint64_t id = 1; id <= MESSAGES; id++) {
    hf_publish *publish = hf_publish_new((hf_bytes){"a/b", 3}, (hf_bytes){body, id * BODY / MESSAGES}, NULL);
    promise(publish);
    publish->id = id;
    publish->qos = 2;
    promise(hf_store_append(store, publish) == HF_STORE_OK);
    hf_publish_free(publish);
    if (id % 2) hf_store_sent(store, (uint16_t)id, id);
    if (id % 4 == 1) hf_store_released(store, (uint16_t)id);
  }
  hf_store_received(store, 7, (hf_bytes){body, BODY});
  load(&history, log); /* read and unlinked while it is open: closing would fold it */
  load(&file, path);
  hf_store_free(store);
}

static void damage(const part *whole, bytes *from) {
  static uint8_t copy[MOST];
  memcpy(copy, whole->bytes, whole->length);
  size_t length = take_byte(from) % 4 ? whole->length : take_number(from) % (whole->length + 1);
  for (unsigned left = take_byte(from) % 16; left > 0; left--) {
    size_t at = take_number(from) % whole->length;
    copy[at] = take_byte(from);
  }
  FILE *to = fopen(whole->path, "wb");
  promise(to && fwrite(copy, 1, length, to) == length);
  fclose(to);
}

static void take(void *context, hf_publish *publish) {
  uint64_t *before = context;
  promise(publish->id > *before && publish->id <= MESSAGES);
  promise(publish->payload.length == publish->id * BODY / MESSAGES);
  *before = publish->id;
  hf_publish_free(publish);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (file.length == 0) make_sound_one();
  bytes from = {data, size};
  damage(&file, &from);
  damage(&history, &from);
  hf_store_problem problem = {HF_STORE_OK, ""};
  hf_store *store = hf_store_open(file.path, "fuzz", &problem);
  promise(store || (problem.code != HF_STORE_OK && problem.text[0]));
  uint64_t before = 0;
  if (store && !hf_store_read(store, take, &before, &problem)) promise(problem.code != HF_STORE_OK);
  hf_store_free(store);
  unlink(file.path);
  unlink(history.path);
  return 0;
}
