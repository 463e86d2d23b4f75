#define _POSIX_C_SOURCE 200809L
#include <sys/statvfs.h>

#include "store/inside.h"

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

/* SQLite asks the system for the blocks if it has been told how many at a time; from then on it would leave holes where
 * it cuts the file. */
static bool extend(hf_store *store, int64_t size) {
  int chunk = AHEAD;
  sqlite3_file_control(store->database, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
  int result = sqlite3_file_control(store->database, "main", SQLITE_FCNTL_SIZE_HINT, &size);
  chunk = 0;
  sqlite3_file_control(store->database, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
  return result == SQLITE_OK;
}

/* A file system may be unable to promise blocks. */
static bool is_full(const hf_store *store, int64_t wanted) {
  struct statvfs disk;
  return statvfs(store->path, &disk) == 0 && (uint64_t)disk.f_bavail * disk.f_frsize < (uint64_t)wanted;
}

static int ensure(hf_store *store, int64_t more, int64_t spare) {
  if (store->used + more + spare > store->roomy) {
    store->used = size_of_file(store);
    int64_t stock = store->used / 8 < MOST ? store->used / 8 : MOST, wanted = store->used + more + 2 * AHEAD;
    if (extend(store, wanted + stock))
      store->roomy = wanted + stock;
    else if (extend(store, wanted) || !is_full(store, more + 2 * AHEAD))
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
