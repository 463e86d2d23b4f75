#define _DEFAULT_SOURCE
#include "store/inside.h"

#include <dirent.h>
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
                             "CREATE TABLE received (packet_id INTEGER PRIMARY KEY, packet BLOB NOT NULL);"
                             "CREATE TABLE moment (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL,"
                             "  clock INTEGER NOT NULL, wall INTEGER NOT NULL, own INTEGER NOT NULL);"
                             "CREATE TABLE ticket (place INTEGER PRIMARY KEY, key BLOB NOT NULL, secret BLOB NOT NULL,"
                             "  turn INTEGER NOT NULL);";

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
  int result = sqlite3_open_v2(aside, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  if (!result) result = fill(database, client_id);
  hf_store_code code = hf_store_judge(path, database, result, problem);
  sqlite3_close(database);
  return code;
}

char *hf_store_beside(const char *path, const char *ending) {
  size_t size = strlen(path) + strlen(ending) + 1;
  char *name = malloc(size);
  if (name) snprintf(name, size, "%s%s", path, ending);
  return name;
}

static const char middle[] = "-new-";
enum { DIGITS = 16 };

int hf_store_make_aside(const char *path, char **aside) {
  char ending[sizeof middle + DIGITS];
  /* By chance and not by process id: threads share theirs, and so do containers that share a folder. */
  snprintf(ending, sizeof ending, "%s%016" PRIx64, middle, hf_entropy());
  *aside = hf_store_beside(path, ending);
  if (*aside) return open(*aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  errno = ENOMEM;
  return -1;
}

bool hf_store_sync_descriptor(int descriptor, bool data) {
  while ((data ? fdatasync(descriptor) : fsync(descriptor)) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

/* The folder of a path, and where the name in it begins. NULL: no memory. */
static char *folder_of(const char *path, const char **name) {
  char *folder = strdup(path);
  if (!folder) return NULL;
  char *end = strrchr(folder, '/');
  *name = end ? path + (end - folder) + 1 : path;
  if (!end) {
    strcpy(folder, "."); /* a path is never empty */
    return folder;
  }
  end[end == folder] = '\0';
  return folder;
}

bool hf_store_sync_folder(const char *path) {
  const char *name;
  char *folder = folder_of(path, &name);
  if (!folder) return false;
  int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(folder);
  if (descriptor < 0) return false;
  bool fine = hf_store_sync_descriptor(descriptor, false) || errno == EINVAL;
  close(descriptor);
  return fine;
}

/* False: errno. The name is on the medium when its folder is. */
static bool move(const char *aside, const char *path) {
  struct stat about;
  if (link(aside, path) != 0 && errno != EEXIST) {
    /* Whoever opened a store here meanwhile has cleaned up. */
    if (errno == ENOENT && stat(path, &about) == 0) return true;
    if (errno != EPERM && errno != EOPNOTSUPP) return false;
    if (rename(aside, path) != 0) return false; /* a file system without links */
  }
  return hf_store_sync_folder(path);
}

static bool is_left_over(const char *entry, const char *name) {
  size_t length = strlen(name);
  if (strncmp(entry, name, length) != 0 || strncmp(entry + length, middle, sizeof middle - 1) != 0) return false;
  entry += length + sizeof middle - 1;
  return strlen(entry) == DIGITS && strspn(entry, "0123456789abcdef") == DIGITS;
}

void hf_store_clean(const char *path) {
  const char *name;
  char *folder = folder_of(path, &name);
  DIR *entries = folder ? opendir(folder) : NULL;
  const struct dirent *entry;
  while (entries && (entry = readdir(entries))) {
    if (is_left_over(entry->d_name, name)) unlinkat(dirfd(entries), entry->d_name, 0);
  }
  if (entries) closedir(entries);
  free(folder);
}

static hf_store_code look_for_log(const char *path, hf_store_problem *problem) {
  char *log = hf_store_beside(path, "-wal");
  if (!log) return hf_store_say(problem, HF_STORE_NO_MEMORY, path, NULL);
  struct stat about;
  bool there = stat(log, &about) == 0 && about.st_size > 0;
  free(log);
  return there ? hf_store_say(problem, HF_STORE_CORRUPT, path, "its log is there, and the file is not") : HF_STORE_OK;
}

hf_store_code hf_store_create(const char *path, const char *client_id, hf_store_problem *problem) {
  if (look_for_log(path, problem) != HF_STORE_OK) return problem->code;
  char *aside;
  int descriptor = hf_store_make_aside(path, &aside);
  if (descriptor < 0) {
    free(aside);
    return hf_store_judge_errno(path, errno, problem);
  }
  close(descriptor);
  hf_store_code code = make(aside, path, client_id, problem);
  if (code == HF_STORE_OK && !move(aside, path)) code = hf_store_judge_errno(path, errno, problem);
  unlink(aside);
  free(aside);
  return code;
}
