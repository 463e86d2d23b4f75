#define _DEFAULT_SOURCE
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/library.h"

enum { WORTH_COMPACTING = 1024 /* pages that hold nothing */ };

/* Keeps the file locked against other processes and the index of the log in memory: mapped, it would end the process by
 * SIGBUS should somebody cut the file. Its connections may be several, if they are of this process. */
static const char way_of_locking[] = "unix-excl";

/* No log is folded but by hf_store_tend, since SQLite would do it under whoever writes next. */
static const char settings[] = "PRAGMA mmap_size = 0;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA secure_delete = OFF;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA cache_size = -256;"
                               "PRAGMA synchronous = NORMAL;"
                               "PRAGMA journal_size_limit = 16777216;"
                               "PRAGMA journal_mode = WAL;"
                               "BEGIN EXCLUSIVE; COMMIT;";

static const char settings_of_folder[] = "PRAGMA mmap_size = 0;"
                                         "PRAGMA cache_size = -64;"
                                         "PRAGMA synchronous = NORMAL;"
                                         "SELECT one FROM about;"; /* has it open the log */

static const char *const statements[HF_STORE_STATEMENTS] = {
    [HF_STORE_BEGIN] = "BEGIN",
    [HF_STORE_COMMIT] = "COMMIT",
    [HF_STORE_ROLLBACK] = "ROLLBACK",
    [HF_STORE_INSERT] = "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [HF_STORE_DELETE] = "DELETE FROM message WHERE id = ?",
    [HF_STORE_DELETE_FLIGHT] = "DELETE FROM flight WHERE id = ?",
    /* `turn`: SQLite does not write what is the same as before. */
    [HF_STORE_CLAIM] = "UPDATE about SET next = ?, turn = turn + 1",
    [HF_STORE_MOMENT] = "INSERT OR REPLACE INTO moment VALUES (1, ?, ?, ?, ?)",
    /* `released`: its lowest bit is that; the others count what has been sent, but for files of older versions. */
    [HF_STORE_SENT] = "INSERT OR REPLACE INTO flight VALUES (?2, ?1, ?3 << 1)",
    [HF_STORE_RELEASED] = "UPDATE flight SET released = released | 1 WHERE packet_id = ?",
    [HF_STORE_RECEIVED] = "INSERT OR REPLACE INTO received VALUES (?1, ?2)",
    [HF_STORE_COMPLETED] = "DELETE FROM received WHERE packet_id = ?",
    [HF_STORE_SESSION] = "UPDATE about SET protocol = ?",
    [HF_STORE_FORGET_FLIGHTS] = "DELETE FROM flight",
    [HF_STORE_FORGET_RECEIVED] = "DELETE FROM received",
    [HF_STORE_TICKET] = "INSERT OR REPLACE INTO ticket VALUES (?1, ?2, ?3, ?4)",
    [HF_STORE_PAGES] = "PRAGMA page_count",
};

static hf_store_code judge(hf_store *store, int result, hf_store_problem *problem) {
  return hf_store_judge(store->path, store->database, result, problem);
}

/* What the file says of itself, read through SQLite's own descriptor: closing another one would let go the locks that
 * this process may hold on the same file. */
static hf_store_code check_header(hf_store *store, hf_store_problem *problem) {
  sqlite3_file *file = NULL;
  unsigned char header[100] = {0};
  sqlite3_int64 size = 0;
  int result = sqlite3_file_control(store->database, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (!result) result = file->pMethods->xFileSize(file, &size);
  if (!result && size == 0) return hf_store_say(problem, HF_STORE_CORRUPT, store->path, "it is empty");
  if (!result) result = file->pMethods->xRead(file, header, sizeof header, 0);
  if (result == SQLITE_IOERR_SHORT_READ) result = SQLITE_OK;
  if (result) return judge(store, result, problem);
  static const unsigned char zeros[sizeof header];
  if (memcmp(header, zeros, sizeof header) == 0)
    return hf_store_say(problem, HF_STORE_CORRUPT, store->path, "it begins with zeros");
  uint32_t application =
      (uint32_t)header[68] << 24 | (uint32_t)header[69] << 16 | (uint32_t)header[70] << 8 | header[71];
  if (memcmp(header, "SQLite format 3", 16) != 0 ||
      (size >= (sqlite3_int64)sizeof header && application != HF_STORE_APPLICATION))
    return hf_store_say(problem, HF_STORE_FOREIGN, store->path, NULL);
  uint32_t version = (uint32_t)header[60] << 24 | (uint32_t)header[61] << 16 | (uint32_t)header[62] << 8 | header[63];
  if (version > HF_STORE_VERSION) return hf_store_say(problem, HF_STORE_NEWER, store->path, NULL);
  return HF_STORE_OK;
}

/* One value of one row. */
static int ask(sqlite3 *database, const char *question, int64_t *number) {
  sqlite3_stmt *row = NULL;
  int result = sqlite3_prepare_v2(database, question, -1, &row, NULL);
  if (result) return result;
  result = sqlite3_step(row);
  if (result == SQLITE_ROW) *number = sqlite3_column_int64(row, 0);
  int ended = sqlite3_finalize(row);
  return result == SQLITE_ROW ? SQLITE_OK : ended ? ended : SQLITE_CORRUPT;
}

static hf_store_code check_all(hf_store *store, hf_store_problem *problem) {
  sqlite3_stmt *row = NULL;
  int result = sqlite3_prepare_v2(store->database, "PRAGMA quick_check(1)", -1, &row, NULL);
  if (!result && (result = sqlite3_step(row)) == SQLITE_ROW) {
    const char *said = (const char *)sqlite3_column_text(row, 0);
    result = SQLITE_OK;
    if (!said || strcmp(said, "ok") != 0) {
      hf_store_say(problem, HF_STORE_CORRUPT, store->path,
                   said ? strrchr(said, '\n') ? strrchr(said, '\n') + 1 : said : NULL);
      sqlite3_finalize(row);
      return problem->code;
    }
  }
  sqlite3_finalize(row);
  return judge(store, result, problem);
}

static hf_store_code read_about(hf_store *store, const char *client_id, hf_store_problem *problem) {
  sqlite3_stmt *row = NULL;
  int64_t highest = 0, messages = 0, exchanges = 0, sent = 0;
  int result = sqlite3_prepare_v2(store->database, "SELECT client_id, protocol, next FROM about", -1, &row, NULL);
  if (!result && (result = sqlite3_step(row)) == SQLITE_ROW) {
    size_t length = (size_t)sqlite3_column_bytes(row, 0);
    const char *id = sqlite3_column_blob(row, 0);
    bool ours = length == strlen(client_id) && (length == 0 || memcmp(id, client_id, length) == 0);
    char whose[120];
    snprintf(whose, sizeof whose, "its client_id is \"%.*s\"", (int)(length < 80 ? length : 80), id ? id : "");
    store->protocol = (uint8_t)sqlite3_column_int(row, 1);
    store->next = (uint64_t)sqlite3_column_int64(row, 2);
    result = SQLITE_OK;
    if (!ours) {
      sqlite3_finalize(row);
      return hf_store_say(problem, HF_STORE_OTHER_CLIENT, store->path, whose);
    }
  } else if (result == SQLITE_DONE) {
    result = SQLITE_CORRUPT;
  }
  sqlite3_finalize(row);
  if (!result) result = ask(store->database, "SELECT ifnull(max(id), 0) FROM message", &highest);
  if (!result) result = ask(store->database, "SELECT count(*) FROM message", &messages);
  if (!result)
    result = ask(store->database,
                 "SELECT EXISTS (SELECT 1 FROM flight JOIN message ON message.id = flight.id WHERE flags & 3 = 2)"
                 " OR EXISTS (SELECT 1 FROM received)",
                 &exchanges);
  if (!result) result = ask(store->database, "SELECT ifnull(max(released), 0) >> 1 FROM flight", &sent);
  store->sent = (uint64_t)sent;
  if (store->next <= (uint64_t)highest) store->next = (uint64_t)highest + 1;
  store->claimed = store->next;
  store->messages = (size_t)messages;
  store->mid_exchange = exchanges != 0;
  return judge(store, result, problem);
}

/* When the store was written last; one of the first version does not say, and its deadlines are the wall's. */
static hf_store_code read_moment(hf_store *store, hf_store_problem *problem) {
  sqlite3_stmt *row = NULL;
  hf_store_moment last = {.clock = 0};
  char upgrade[480];
  snprintf(upgrade, sizeof upgrade,
           "CREATE TABLE IF NOT EXISTS moment (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL,"
           " clock INTEGER NOT NULL, wall INTEGER NOT NULL, own INTEGER NOT NULL);"
           "CREATE TABLE IF NOT EXISTS ticket (place INTEGER PRIMARY KEY, key BLOB NOT NULL, secret BLOB NOT NULL,"
           " turn INTEGER NOT NULL); PRAGMA user_version = %d;",
           HF_STORE_VERSION);
  int result = sqlite3_exec(store->database, upgrade, NULL, NULL, NULL);
  if (!result)
    result = sqlite3_prepare_v2(store->database, "SELECT boot, clock, wall, own FROM moment", -1, &row, NULL);
  bool known = !result && (result = sqlite3_step(row)) == SQLITE_ROW;
  if (known) {
    const char *boot = (const char *)sqlite3_column_text(row, 0);
    snprintf(last.boot, sizeof last.boot, "%s", boot ? boot : "");
    last.clock = sqlite3_column_int64(row, 1);
    last.wall = sqlite3_column_int64(row, 2);
    last.own = sqlite3_column_int64(row, 3);
  }
  sqlite3_finalize(row);
  hf_store_age_begin(store, known ? &last : NULL);
  return judge(store, result, problem);
}

/* Not worth failing for: it goes on with the file as it is. */
static void compact(hf_store *store) {
  int64_t all = 0, empty = 0;
  ask(store->database, "PRAGMA page_count", &all);
  ask(store->database, "PRAGMA freelist_count", &empty);
  if (empty >= WORTH_COMPACTING && empty > all / 2) sqlite3_exec(store->database, "VACUUM", NULL, NULL, NULL);
  sqlite3_wal_checkpoint_v2(store->database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static int counted(void *context, sqlite3 *database, const char *name, int frames) {
  (void)database, (void)name;
  hf_store *store = context;
  store->frames = frames;
  store->written++;
  return SQLITE_OK;
}

static hf_store_code open_log(hf_store *store, hf_store_problem *problem) {
  const char *name = sqlite3_filename_wal(sqlite3_db_filename(store->database, "main"));
  store->log = open(name, O_RDONLY | O_CLOEXEC);
  return store->log < 0 ? hf_store_judge(store->path, NULL, SQLITE_CANTOPEN, problem) : HF_STORE_OK;
}

static hf_store_code prepare(hf_store *store, hf_store_problem *problem) {
  int result = SQLITE_OK;
  for (size_t i = 0; !result && i < HF_STORE_STATEMENTS; i++)
    result =
        sqlite3_prepare_v3(store->database, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL);
  return judge(store, result, problem);
}

hf_store_code hf_store_connect(const hf_store *store, sqlite3 **database, hf_store_problem *problem) {
  int result = sqlite3_open_v2(store->path, database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, way_of_locking);
  if (result) return hf_store_judge(store->path, *database, result, problem);
  sqlite3_extended_result_codes(*database, 1);
  sqlite3_db_config(*database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config(*database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  return HF_STORE_OK;
}

static hf_store_code open_folder(hf_store *store, hf_store_problem *problem) {
  hf_store_code code = hf_store_connect(store, &store->folder, problem);
  if (code) return code;
  return hf_store_judge(store->path, store->folder, sqlite3_exec(store->folder, settings_of_folder, NULL, NULL, NULL),
                        problem);
}

static hf_store_code open_database(hf_store *store, hf_store_problem *problem) {
  hf_store_code code = hf_store_connect(store, &store->database, problem);
  if (code) return code;
  if (sqlite3_db_readonly(store->database, "main")) return hf_store_say(problem, HF_STORE_READ_ONLY, store->path, NULL);
  return HF_STORE_OK;
}

/* The log comes into being with the first write; it is also the proof that one can be made. */
static hf_store_code write_once(hf_store *store, hf_store_problem *problem) {
  hf_store_use_room(store, 0);
  int result = hf_store_step(store, HF_STORE_BEGIN);
  if (!result) result = hf_store_step_with(store, HF_STORE_CLAIM, store->next);
  if (!result) result = hf_store_write_moment(store);
  if (!result) result = hf_store_step(store, HF_STORE_COMMIT);
  hf_store_code code = judge(store, result, problem);
  return code ? code : open_log(store, problem);
}

hf_store_code hf_store_open_all(hf_store *store, const char *client_id, hf_store_problem *problem) {
  errno = 0;
  hf_store_code code = open_database(store, problem);
  if (!code) code = check_header(store, problem);
  if (!code) code = judge(store, sqlite3_exec(store->database, settings, NULL, NULL, NULL), problem);
  if (!code) code = check_all(store, problem);
  if (!code && client_id) code = read_about(store, client_id, problem);
  if (!code) compact(store); /* before anything is written: where the log fills the disk this gives room */
  if (!code && client_id) code = read_moment(store, problem);
  if (!code && client_id) code = judge(store, hf_store_read_tickets(store), problem);
  if (!code) code = prepare(store, problem);
  if (!code) sqlite3_wal_hook(store->database, counted, store);
  if (!code) code = write_once(store, problem);
  if (!code) code = open_folder(store, problem);
  return code;
}

void hf_store_shut_all(hf_store *store) {
  for (size_t i = 0; i < HF_STORE_STATEMENTS; i++)
    sqlite3_finalize(store->statements[i]);
  memset(store->statements, 0, sizeof store->statements);
  sqlite3_close(store->folder);
  sqlite3_close(store->database);
  store->database = store->folder = NULL;
  if (store->log >= 0) close(store->log);
  store->log = -1;
  hf_store_forget_room(store);
}

/* A program may change its working directory, and names that begin with a colon mean something to SQLite. */
static char *absolute(const char *path) {
  char here[PATH_MAX];
  if (path[0] == '/') return strdup(path);
  if (!getcwd(here, sizeof here)) return NULL;
  size_t size = strlen(here) + strlen(path) + 2;
  char *name = malloc(size);
  if (name) snprintf(name, size, "%s/%s", here, path);
  return name;
}

/* Where a link leads: the log is beside that. */
static void follow(hf_store *store) {
  char *led_to = realpath(store->path, NULL);
  if (!led_to) return;
  free(store->path);
  store->path = led_to;
}

static hf_store *make(const char *path, hf_store_problem *problem) {
  hf_store *store = calloc(1, sizeof *store);
  char *name = absolute(path);
  if (!store || !name) {
    free(store);
    free(name);
    hf_store_say(problem, HF_STORE_NO_MEMORY, path, NULL);
    return NULL;
  }
  hf_store_recent_init(store);
  pthread_mutex_init(&store->slow, NULL);
  pthread_mutex_init(&store->lock, NULL);
  pthread_mutex_init(&store->mind, NULL);
  store->path = name;
  store->log = -1;
  return store;
}

/* Room for the ids of all that may be done: hf_store_done must not fail. */
static hf_store_code reserve(hf_store *store, hf_store_problem *problem) {
  store->done_room = store->messages + 64;
  store->done = malloc(store->done_room * sizeof *store->done);
  return store->done ? HF_STORE_OK : hf_store_say(problem, HF_STORE_NO_MEMORY, store->path, NULL);
}

static hf_store_code open_or_make(hf_store *store, const char *client_id, hf_store_problem *problem) {
  struct stat about;
  if (sqlite3_threadsafe() == 0)
    return hf_store_say(problem, HF_STORE_FAILED, store->path,
                        "this SQLite is built for a single thread, SQLITE_THREADSAFE=0");
  follow(store);
  hf_store_code code = hf_store_finish_move(store->path, problem);
  if (!code && stat(store->path, &about) != 0 && errno == ENOENT)
    code = hf_store_create(store->path, client_id, problem);
  follow(store);
  if (!code) code = hf_store_lock_take(&store->shut, store->path, problem);
  if (!code) code = hf_store_open_all(store, client_id, problem);
  if (!code) code = reserve(store, problem);
  if (!code) hf_store_clean(store->path);
  return code;
}

hf_store *hf_store_open(const char *path, const char *client_id, hf_store_problem *problem) {
  char missing[HF_LIBRARY_PROBLEM];
  if (!hf_sqlite_load(missing)) {
    hf_store_say(problem, HF_STORE_NO_LIBRARY, path, missing);
    return NULL;
  }
  hf_store *store = make(path, problem);
  if (!store) return NULL;
  problem->code = HF_STORE_OK;
  if (open_or_make(store, client_id, problem) == HF_STORE_OK) {
    pthread_mutex_lock(&store->lock);
    hf_store_leave(store); /* what it wants is known from now on */
    return store;
  }
  hf_store_free(store);
  return NULL;
}
