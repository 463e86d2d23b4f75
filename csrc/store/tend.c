#include "store/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What waits for the medium. */

enum {
  FOLD_AT = 16384,          /* frames of 1 KiB from which a log is folded while messages are on their way */
  FOLD_EMPTY = 1024,        /* and while there are none */
  FOLD_AGAIN = FOLD_AT / 4, /* so many more until the next try */
  TRIES = 2,
  AT_LAST = 4 * FOLD_AT, /* from so many on writers are made to wait */
};

bool hf_store_is_lengthy(const hf_store *store) {
  if (!store->database) return false;
  if (store->trouble.code == HF_STORE_FULL && store->frames > 0) return true; /* a folded log gives room to write */
  int usual = store->messages > 0 ? FOLD_AT : FOLD_EMPTY;
  return store->frames >= (store->fold_at > usual ? store->fold_at : usual);
}

bool hf_store_wants_tending(hf_store *store) {
  pthread_mutex_lock(&store->mind);
  bool wants = !store->ended &&
               (store->ailing || store->unsynced || store->lengthy || store->done_count > 0 || store->first_late);
  pthread_mutex_unlock(&store->mind);
  return wants;
}

static bool is_lengthy(hf_store *store) {
  pthread_mutex_lock(&store->mind);
  bool lengthy = store->lengthy;
  pthread_mutex_unlock(&store->mind);
  return lengthy;
}

/* What is not on the medium cannot be brought there by asking again: the system may have let go of it. */
static void break_down(hf_store *store) {
  store->broken = true;
  hf_store_tell(store, &store->trouble);
}

/* It is about what has been written: what could not be meanwhile is another matter. */
hf_store_code hf_store_wait_for_disk(hf_store *store) {
  if (!hf_store_enter(store)) return hf_store_answer(store);
  uint64_t written = store->written;
  if (written == store->synced) {
    hf_store_leave(store);
    return HF_STORE_OK;
  }
  pthread_mutex_unlock(&store->lock);
  bool fine = hf_store_sync_descriptor(store->log, true);
  int error = errno;
  pthread_mutex_lock(&store->lock);
  if (!fine) {
    hf_store_judge_errno(store->path, error, &store->trouble);
    break_down(store);
    return hf_store_answer(store);
  }
  store->synced = written;
  hf_store_forget_recent(store, written);
  hf_store_leave(store);
  return HF_STORE_OK;
}

/* The lock held. */
static void mend(hf_store *store) {
  if (!store->broken || store->closed) return;
  hf_store_make_anew(store);
  if (store->broken) hf_store_prune_late(store);
}

static hf_store_code sync_or_mend(hf_store *store) {
  hf_store_code code = hf_store_wait_for_disk(store);
  if (code == HF_STORE_OK) return code;
  pthread_mutex_lock(&store->lock);
  mend(store); /* all of a file that has been made anew is on the medium */
  return hf_store_answer(store);
}

hf_store_code hf_store_sync(hf_store *store) {
  pthread_mutex_lock(&store->slow);
  hf_store_code code = sync_or_mend(store);
  pthread_mutex_unlock(&store->slow);
  return code;
}

/* ---- folding ---- */

/* The head of a new log is on the medium before its records only if that is waited for, and whoever writes first would
 * have to. Cut to nothing instead, an old log cannot show through: a file system does not give away what it has freed
 * before the medium knows that it is free. */
static int start_log_again(hf_store *store) {
  int result = sqlite3_wal_checkpoint_v2(store->database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  if (result) return result;
  store->frames = store->fold_at = 0;
  hf_store_forget_room(store);
  hf_store_use_room(store, 0); /* while there is what the log has given back */
  result = sqlite3_exec(store->database, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
  if (!result) result = hf_store_write_moment(store);
  int restored = sqlite3_exec(store->database, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
  return result ? result : restored;
}

/* A full disk is no failure: what was written before is as it was. */
static void judge(hf_store *store, sqlite3 *database, int result) {
  hf_store_code code = hf_store_judge(store->path, database, result, &store->trouble);
  if (result == SQLITE_IOERR_FSYNC || ((result & 0xFF) == SQLITE_IOERR && code != HF_STORE_FULL)) break_down(store);
}

/* True when that is all of it. Only `folder` waits for the disk. */
static bool copy_log(hf_store *store, bool *again) {
  int length = 0, copied = 0;
  errno = 0;
  int result = sqlite3_wal_checkpoint_v2(store->folder, NULL, SQLITE_CHECKPOINT_PASSIVE, &length, &copied);
  bool open = hf_store_enter(store);
  hf_store_forget_room(store);
  if (open && result) judge(store, store->folder, result);
  *again = open && !result && copied < store->frames;
  return open && !result && !*again;
}

static void fold(hf_store *store) {
  bool whole = false, again = true;
  for (int tries = 0; tries < TRIES && again; tries++) {
    if (tries > 0) hf_store_leave(store);
    whole = copy_log(store, &again);
  }
  if (whole || (again && store->frames >= AT_LAST))
    judge(store, store->database, start_log_again(store));
  else if (again)
    store->fold_at = store->frames + FOLD_AGAIN;
  mend(store);
  hf_store_leave(store);
}

void hf_store_write_last(hf_store *store) {
  hf_store_write_rest(store);
  if (store->trouble.code != HF_STORE_FULL || store->frames == 0 || store->broken) return;
  judge(store, store->database, start_log_again(store));
  if (store->trouble.code == HF_STORE_OK) hf_store_write_rest(store);
}

/* ---- whether it is still there ---- */

static bool log_is_there(const hf_store *store, bool *gone) {
  struct stat about, ours;
  char *name = hf_store_beside(store->path, "-wal");
  if (!name) return true;
  *gone = stat(name, &about) != 0 && errno == ENOENT;
  free(name);
  if (*gone) return false;
  return fstat(store->log, &ours) != 0 || (about.st_dev == ours.st_dev && about.st_ino == ours.st_ino);
}

bool hf_store_is_there(const hf_store *store, bool *gone) {
  return hf_store_lock_is_of(store->shut, store->path, gone) && log_is_there(store, gone);
}

static void look_for_files(hf_store *store) {
  bool gone = false;
  if (store->log < 0 || hf_store_is_there(store, &gone)) return;
  if (hf_store_enter(store)) {
    hf_store_say(&store->trouble, HF_STORE_FAILED, store->path,
                 gone ? "it has been removed while it was open" : "another file has taken its place");
    break_down(store);
  }
  hf_store_leave(store);
}

void hf_store_tend(hf_store *store) {
  pthread_mutex_lock(&store->slow);
  look_for_files(store);
  if (hf_store_enter(store)) {
    hf_store_write_rest(store);
    bool folds =
        store->trouble.code == HF_STORE_FULL && store->frames > 0; /* that so little finds room proves nothing */
    if (!folds && (store->written != store->synced || store->trouble.code != HF_STORE_OK))
      hf_store_judge(store->path, store->database, hf_store_write_moment(store), &store->trouble);
  }
  mend(store);
  bool open = store->database && !store->broken;
  hf_store_leave(store);
  if (open && sync_or_mend(store) == HF_STORE_OK && is_lengthy(store)) fold(store);
  pthread_mutex_unlock(&store->slow);
}
