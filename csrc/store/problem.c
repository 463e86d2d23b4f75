#include "store/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const words[] = {
    [HF_STORE_OK] = "",
    [HF_STORE_CORRUPT] = "store_corrupt",
    [HF_STORE_FULL] = "store_full",
    [HF_STORE_READ_ONLY] = "store_read_only",
    [HF_STORE_LOCKED] = "store_locked",
    [HF_STORE_FOREIGN] = "store_foreign",
    [HF_STORE_NEWER] = "store_newer",
    [HF_STORE_OTHER_CLIENT] = "store_other_client",
    [HF_STORE_FAILED] = "store_failed",
    [HF_STORE_NO_MEMORY] = "out_of_memory",
    [HF_STORE_NO_LIBRARY] = "no_library",
};

static const char *const meanings[] = {
    [HF_STORE_OK] = "fine",
    [HF_STORE_CORRUPT] = "the store is damaged",
    [HF_STORE_FULL] = "the disk is full",
    [HF_STORE_READ_ONLY] = "the store cannot be written",
    [HF_STORE_LOCKED] = "the store is in use, by another client or process",
    [HF_STORE_FOREIGN] = "this is not a store of holdfast",
    [HF_STORE_NEWER] = "the store was made by a later version of holdfast",
    [HF_STORE_OTHER_CLIENT] = "the store belongs to another client",
    [HF_STORE_FAILED] = "the store cannot be used",
    [HF_STORE_NO_MEMORY] = "not enough memory for the store",
    [HF_STORE_NO_LIBRARY] = "a store needs SQLite",
};

const char *hf_store_word(hf_store_code code) {
  return words[code];
}

hf_store_code hf_store_say(hf_store_problem *problem, hf_store_code code, const char *path, const char *detail) {
  problem->code = code;
  if (detail && *detail)
    snprintf(problem->text, sizeof problem->text, "%s: %s (%s)", path, meanings[code], detail);
  else
    snprintf(problem->text, sizeof problem->text, "%s: %s", path, meanings[code]);
  return code;
}

static hf_store_code of_system(int error) {
  switch (error) {
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return HF_STORE_FULL;
  case EROFS:
  case EACCES:
  case EPERM:
    return HF_STORE_READ_ONLY;
  default:
    return HF_STORE_FAILED;
  }
}

static hf_store_code code_of(int result, int error) {
  switch (result & 0xFF) {
  case SQLITE_OK:
  case SQLITE_ROW:
  case SQLITE_DONE:
    return HF_STORE_OK;
  case SQLITE_CORRUPT:
  case SQLITE_ERROR: /* a table or a column that ought to be there is not */
  case SQLITE_CONSTRAINT:
    return HF_STORE_CORRUPT;
  case SQLITE_NOTADB:
    return HF_STORE_FOREIGN;
  case SQLITE_FULL:
    return HF_STORE_FULL;
  case SQLITE_READONLY:
    return HF_STORE_READ_ONLY;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return HF_STORE_LOCKED;
  case SQLITE_NOMEM:
    return HF_STORE_NO_MEMORY;
  default:
    return of_system(error);
  }
}

hf_store_code hf_store_judge(const char *path, sqlite3 *database, int result, hf_store_problem *problem) {
  /* SQLite does not remember every errno; the callers clear it before they begin. */
  int error = database && sqlite3_system_errno(database) ? sqlite3_system_errno(database) : errno;
  hf_store_code code = code_of(result, error);
  if (code == HF_STORE_OK) {
    problem->code = HF_STORE_OK;
    return code;
  }
  bool system = (result & 0xFF) == SQLITE_IOERR || (result & 0xFF) == SQLITE_CANTOPEN;
  return hf_store_say(problem, code, path, system && error ? strerror(error) : sqlite3_errstr(result));
}

hf_store_code hf_store_judge_errno(const char *path, int error, hf_store_problem *problem) {
  if (error == ENOMEM) return hf_store_say(problem, HF_STORE_NO_MEMORY, path, NULL);
  return hf_store_say(problem, of_system(error), path, strerror(error));
}
