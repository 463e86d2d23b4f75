#define _GNU_SOURCE /* fallocate */
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>

/* A log that cannot be folded into a file that may not grow cannot be begun again either: nothing could be written any
 * more, not even what is done, nor could a later process open it. So what is new has its place in the file before it is
 * in the log. */

enum {
  PAGE = 1024,
  AHEAD = 16 * PAGE,  /* for what comes without asking: flights, a session, the tree above the messages */
  MOST = 1024 * PAGE, /* asked for at a time, beside what is needed */
  ROW = 4 * PAGE,     /* of a message beside its bytes: a cell, the page that is split for it */
  NOTE = 64,          /* of a note likewise, of which many are in a page */
};

void hf_store_forget_room(hf_store *store) {
  store->roomy = store->used = 0;
}

static int64_t size_of_file(hf_store *store) {
  sqlite3_stmt *row = store->statements[HF_STORE_PAGES];
  int64_t pages = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : 0;
  sqlite3_reset(row);
  return pages * PAGE;
}

/* By the descriptor that keeps the file locked. Not by SQLite's own hint: where that has no fallocate it writes a byte
 * into each block behind the end of the file, which a log that is being folded may have reached meanwhile. True also
 * where a file system can promise nothing. */
static bool extend(const hf_store *store, int64_t size) {
  if (!store->shut || store->shut->descriptor < 0) return true;
  int failed;
  do {
    failed = fallocate(store->shut->descriptor, 0, 0, (off_t)size);
  } while (failed && errno == EINTR);
  return !failed || (errno != ENOSPC && errno != EDQUOT);
}

static int ensure(hf_store *store, int64_t more, int64_t spare) {
  if (store->used + more + spare > store->roomy) {
    store->used = size_of_file(store);
    int64_t stock = store->used / 8 < MOST ? store->used / 8 : MOST, wanted = store->used + more + 2 * AHEAD;
    if (extend(store, wanted + stock))
      store->roomy = wanted + stock;
    else if (extend(store, wanted))
      store->roomy = wanted;
    if (store->used + more + spare > store->roomy) return SQLITE_FULL;
  }
  store->used += more;
  return SQLITE_OK;
}

int hf_store_make_room(hf_store *store, size_t size) {
  return ensure(store, (int64_t)size + (int64_t)(size / 64) + ROW, AHEAD);
}

void hf_store_use_room(hf_store *store, size_t size) {
  ensure(store, (int64_t)size + NOTE, 0);
}
