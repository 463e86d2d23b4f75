#define _DEFAULT_SOURCE
#include "store/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that cannot be trusted any more is replaced by a fresh one. File and log are two, and no system moves two at
 * once; so the fresh one, which needs no log, first gets a name that says that it is whole. From then on it is the
 * store, and whoever finds it there puts it in place. */

static const char whole[] = "-new-whole";

static hf_store_code put_in_place(const char *path, hf_store_problem *problem) {
  char *fresh = hf_store_beside(path, whole), *log = hf_store_beside(path, "-wal");
  bool fine = fresh && log;
  if (!fine) errno = ENOMEM;
  struct stat about;
  bool there = fine && stat(fresh, &about) == 0;
  if (there) fine = (unlink(log) == 0 || errno == ENOENT) && rename(fresh, path) == 0 && hf_store_sync_folder(path);
  int error = errno;
  free(fresh);
  free(log);
  return fine ? HF_STORE_OK : hf_store_judge_errno(path, error, problem);
}

hf_store_code hf_store_finish_move(const char *path, hf_store_problem *problem) {
  char *fresh = hf_store_beside(path, whole);
  struct stat about;
  if (!fresh) return hf_store_say(problem, HF_STORE_NO_MEMORY, path, NULL);
  hf_store_code code = HF_STORE_OK;
  if (stat(fresh, &about) == 0) {
    /* Whoever is just doing that holds one of the two. */
    hf_store_lock *old = NULL, *ours = NULL;
    code = hf_store_lock_take(&old, path, problem);
    if (!code) code = hf_store_lock_take(&ours, fresh, problem);
    if (!code) code = put_in_place(path, problem);
    hf_store_lock_drop(ours);
    hf_store_lock_drop(old);
  }
  free(fresh);
  return code;
}

/* ---- making it ---- */

static void let_go(void *context, hf_publish *publish) {
  (void)context;
  hf_publish_free(publish);
}

/* What the system has let go of may still have been read as something. */
static hf_store_code check(const char *aside, const char *path, hf_store_problem *problem) {
  sqlite3 *database = NULL;
  errno = 0;
  int result = sqlite3_open_v2(aside, &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
  if (result)
    hf_store_judge(path, database, result, problem);
  else
    hf_store_read_messages(database, path, let_go, NULL, problem);
  sqlite3_close(database);
  return problem->code;
}

/* A file that is still at its path is read anew, by the sums of its log: the system may have let go of what we wrote
 * without saying so, and a connection that stands would take whatever it finds in its place. */
static sqlite3 *source(hf_store *store, hf_store_problem *problem) {
  bool gone;
  sqlite3 *database = NULL;
  if (store->database && !hf_store_is_there(store, &gone)) return store->database;
  hf_store_shut_all(store);
  if (hf_store_connect(store, &database, problem) == HF_STORE_OK) return database;
  sqlite3_close(database);
  return NULL;
}

static hf_store_code copy(hf_store *store, const char *aside, hf_store_problem *problem) {
  sqlite3 *from = source(store, problem);
  sqlite3_stmt *vacuum = NULL;
  if (!from) return problem->code;
  errno = 0;
  int result = sqlite3_prepare_v2(from, "VACUUM INTO ?", -1, &vacuum, NULL);
  if (!result) {
    sqlite3_bind_text(vacuum, 1, aside, -1, SQLITE_STATIC);
    sqlite3_step(vacuum);
    result = sqlite3_finalize(vacuum);
  }
  hf_store_code code = hf_store_judge(store->path, from, result, problem);
  if (from != store->database) sqlite3_close(from);
  return code ? code : check(aside, store->path, problem);
}

static hf_store_code name_it_whole(const hf_store *store, const char *aside, hf_store_problem *problem) {
  char *fresh = hf_store_beside(store->path, whole);
  bool fine = fresh != NULL;
  if (!fine) errno = ENOMEM;
  if (fine) fine = rename(aside, fresh) == 0 && hf_store_sync_folder(store->path);
  int error = errno;
  free(fresh);
  return fine ? HF_STORE_OK : hf_store_judge_errno(store->path, error, problem);
}

/* The old one is let go when there is a new one that is whole, and locked. */
static hf_store_code replace(hf_store *store, hf_store_problem *problem) {
  char *aside;
  hf_store_lock *lock = NULL;
  int descriptor = hf_store_make_aside(store->path, &aside);
  hf_store_code code = HF_STORE_OK;
  if (descriptor < 0) code = hf_store_judge_errno(store->path, errno, problem);
  if (!code) code = copy(store, aside, problem);
  if (!code && !hf_store_sync_descriptor(descriptor, false)) code = hf_store_judge_errno(store->path, errno, problem);
  if (descriptor >= 0) close(descriptor);
  if (!code) code = hf_store_lock_take(&lock, aside, problem);
  if (!code) code = name_it_whole(store, aside, problem);
  if (code == HF_STORE_OK) {
    hf_store_shut_all(store);
    hf_store_lock_drop(store->shut);
    store->shut = lock;
    store->renewed = true;
  } else {
    hf_store_lock_drop(lock);
    if (descriptor >= 0) unlink(aside);
  }
  free(aside);
  return code;
}

/* Somebody else's file at its path stays where it is. */
static bool is_taken(const hf_store *store) {
  bool gone;
  return !store->renewed && !hf_store_lock_is_of(store->shut, store->path, &gone) && !gone;
}

/* With what only memory may have, too, and all of it on the medium. */
static hf_store_code open_it(hf_store *store, hf_store_problem *problem) {
  hf_store_shut_all(store);
  hf_store_code code = hf_store_open_all(store, NULL, problem);
  if (!code && (code = hf_store_write_recent(store))) *problem = store->trouble;
  if (!code && !hf_store_sync_descriptor(store->log, true)) code = hf_store_judge_errno(store->path, errno, problem);
  if (code) {
    hf_store_shut_all(store);
    return code;
  }
  store->renewed = false;
  store->synced = store->written;
  hf_store_forget_recent(store, store->synced);
  return HF_STORE_OK;
}

void hf_store_make_anew(hf_store *store) {
  hf_store_problem problem = {.code = HF_STORE_OK};
  if (is_taken(store)) return;
  hf_store_code code = store->renewed ? HF_STORE_OK : replace(store, &problem);
  if (!code) code = put_in_place(store->path, &problem);
  if (!code) code = open_it(store, &problem);
  if (code) {
    store->trouble = problem;
    hf_store_tell(store, &problem);
    return;
  }
  store->broken = false;
  store->trouble.code = HF_STORE_OK;
  store->fold_at = 0;
  snprintf(problem.text, sizeof problem.text, "%s: the store has been made anew, with all that was in it", store->path);
  hf_store_tell(store, &problem);
  hf_store_write_rest(store);
}
