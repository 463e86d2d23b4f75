#define _DEFAULT_SOURCE
#include "store/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/entropy.h"

/* A store is made aside and moved into place when it is complete and on the medium: what is found under its name is
 * whole, or was and has been damaged. */

static const char schema[] = "PRAGMA page_size = 1024;" /* what one small message writes */
                             "PRAGMA journal_mode = OFF;"
                             "PRAGMA synchronous = FULL;"
                             "BEGIN;"
                             "CREATE TABLE about (one INTEGER PRIMARY KEY CHECK (one = 1), client_id BLOB NOT NULL,"
                             "  protocol INTEGER NOT NULL, next INTEGER NOT NULL, turn INTEGER NOT NULL);"
                             "CREATE TABLE message (id INTEGER PRIMARY KEY, flags INTEGER NOT NULL,"
                             "  deadline INTEGER NOT NULL, expires INTEGER NOT NULL, topic BLOB NOT NULL,"
                             "  payload BLOB NOT NULL, properties BLOB NOT NULL, sum INTEGER NOT NULL);"
                             "CREATE TABLE flight (id INTEGER PRIMARY KEY, packet_id INTEGER NOT NULL UNIQUE,"
                             "  released INTEGER NOT NULL);"
                             "CREATE TABLE received (packet_id INTEGER PRIMARY KEY, packet BLOB NOT NULL);";

static int fill(sqlite3 *database, const char *client_id) {
  char ending[120];
  int result = sqlite3_exec(database, schema, NULL, NULL, NULL);
  sqlite3_stmt *about = NULL;
  if (!result) result = sqlite3_prepare_v2(database, "INSERT INTO about VALUES (1, ?, 0, 1, 0)", -1, &about, NULL);
  if (!result) {
    sqlite3_bind_blob(about, 1, client_id, (int)strlen(client_id), SQLITE_STATIC);
    sqlite3_step(about);
    result = sqlite3_finalize(about);
  }
  snprintf(ending, sizeof ending, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;", HF_STORE_APPLICATION,
           HF_STORE_VERSION);
  return result ? result : sqlite3_exec(database, ending, NULL, NULL, NULL);
}

static hf_store_code make(const char *aside, const char *path, const char *client_id, hf_store_problem *problem) {
  sqlite3 *database = NULL;
  errno = 0;
  int result =
      sqlite3_open_v2(aside, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
  if (!result) result = fill(database, client_id);
  hf_store_code code = hf_store_judge(path, database, result, problem);
  sqlite3_close(database);
  return code;
}

/* False: errno. The name is on the medium when its folder is. */
static bool move(const char *aside, const char *path) {
  if (link(aside, path) != 0 && errno != EEXIST) {
    if (errno != EPERM && errno != EOPNOTSUPP) return false;
    if (rename(aside, path) != 0) return false; /* a file system without links */
  }
  char *folder = strdup(path);
  if (!folder) return false;
  char *end = strrchr(folder, '/');
  if (end) end[end == folder] = '\0';
  int descriptor = open(end ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(folder);
  if (descriptor < 0) return false;
  bool fine = fsync(descriptor) == 0 || errno == EINVAL;
  close(descriptor);
  return fine;
}

static hf_store_code look_for_log(const char *path, hf_store_problem *problem) {
  size_t size = strlen(path) + sizeof "-wal";
  char *log = malloc(size);
  if (!log) return hf_store_say(problem, HF_STORE_NO_MEMORY, path, NULL);
  snprintf(log, size, "%s-wal", path);
  struct stat about;
  bool there = stat(log, &about) == 0 && about.st_size > 0;
  free(log);
  return there ? hf_store_say(problem, HF_STORE_CORRUPT, path, "its log is there, and the file is not") : HF_STORE_OK;
}

hf_store_code hf_store_create(const char *path, const char *client_id, hf_store_problem *problem) {
  if (look_for_log(path, problem) != HF_STORE_OK) return problem->code;
  size_t size = strlen(path) + 32;
  char *aside = malloc(size);
  if (!aside) return hf_store_say(problem, HF_STORE_NO_MEMORY, path, NULL);
  /* By chance and not by process id: threads share theirs, and so do containers that share a folder. */
  snprintf(aside, size, "%s-new-%016" PRIx64, path, hf_entropy());
  hf_store_code code = make(aside, path, client_id, problem);
  if (code == HF_STORE_OK && !move(aside, path)) code = hf_store_judge(path, NULL, SQLITE_CANTOPEN, problem);
  unlink(aside);
  free(aside);
  return code;
}
