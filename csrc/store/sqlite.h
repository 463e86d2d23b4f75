/* sqlite.h: what the store calls of SQLite, which is loaded for the first store (sys/library.h).
 *
 * The functions have their own names, and may be called once hf_sqlite_load has
 * said true. Any thread.
 */
#ifndef HF_STORE_SQLITE_H
#define HF_STORE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>

// clang-format off
#define HF_SQLITE_CALLS(call) \
  call(sqlite3_bind_blob) call(sqlite3_bind_blob64) call(sqlite3_bind_int64) call(sqlite3_bind_text) \
  call(sqlite3_clear_bindings) call(sqlite3_close) call(sqlite3_column_blob) call(sqlite3_column_bytes) \
  call(sqlite3_column_int) call(sqlite3_column_int64) call(sqlite3_column_text) call(sqlite3_db_config) \
  call(sqlite3_db_filename) call(sqlite3_db_readonly) call(sqlite3_errstr) call(sqlite3_exec) \
  call(sqlite3_extended_result_codes) call(sqlite3_file_control) call(sqlite3_filename_wal) \
  call(sqlite3_finalize) call(sqlite3_get_autocommit) call(sqlite3_open_v2) call(sqlite3_prepare_v2) \
  call(sqlite3_prepare_v3) call(sqlite3_reset) call(sqlite3_step) call(sqlite3_system_errno) \
  call(sqlite3_threadsafe) call(sqlite3_wal_checkpoint_v2) call(sqlite3_wal_hook)
// clang-format on

typedef struct hf_sqlite {
#define MEMBER(name) __typeof__(name) *name;
  HF_SQLITE_CALLS(MEMBER)
#undef MEMBER
} hf_sqlite;

extern hf_sqlite hf_sqlite_calls;

/* False: `problem`, of HF_LIBRARY_PROBLEM bytes, says why. Waits for the disk. */
bool hf_sqlite_load(char *problem);

#define sqlite3_bind_blob hf_sqlite_calls.sqlite3_bind_blob
#define sqlite3_bind_blob64 hf_sqlite_calls.sqlite3_bind_blob64
#define sqlite3_bind_int64 hf_sqlite_calls.sqlite3_bind_int64
#define sqlite3_bind_text hf_sqlite_calls.sqlite3_bind_text
#define sqlite3_clear_bindings hf_sqlite_calls.sqlite3_clear_bindings
#define sqlite3_close hf_sqlite_calls.sqlite3_close
#define sqlite3_column_blob hf_sqlite_calls.sqlite3_column_blob
#define sqlite3_column_bytes hf_sqlite_calls.sqlite3_column_bytes
#define sqlite3_column_int hf_sqlite_calls.sqlite3_column_int
#define sqlite3_column_int64 hf_sqlite_calls.sqlite3_column_int64
#define sqlite3_column_text hf_sqlite_calls.sqlite3_column_text
#define sqlite3_db_config hf_sqlite_calls.sqlite3_db_config
#define sqlite3_db_filename hf_sqlite_calls.sqlite3_db_filename
#define sqlite3_db_readonly hf_sqlite_calls.sqlite3_db_readonly
#define sqlite3_errstr hf_sqlite_calls.sqlite3_errstr
#define sqlite3_exec hf_sqlite_calls.sqlite3_exec
#define sqlite3_extended_result_codes hf_sqlite_calls.sqlite3_extended_result_codes
#define sqlite3_file_control hf_sqlite_calls.sqlite3_file_control
#define sqlite3_filename_wal hf_sqlite_calls.sqlite3_filename_wal
#define sqlite3_finalize hf_sqlite_calls.sqlite3_finalize
#define sqlite3_get_autocommit hf_sqlite_calls.sqlite3_get_autocommit
#define sqlite3_open_v2 hf_sqlite_calls.sqlite3_open_v2
#define sqlite3_prepare_v2 hf_sqlite_calls.sqlite3_prepare_v2
#define sqlite3_prepare_v3 hf_sqlite_calls.sqlite3_prepare_v3
#define sqlite3_reset hf_sqlite_calls.sqlite3_reset
#define sqlite3_step hf_sqlite_calls.sqlite3_step
#define sqlite3_system_errno hf_sqlite_calls.sqlite3_system_errno
#define sqlite3_threadsafe hf_sqlite_calls.sqlite3_threadsafe
#define sqlite3_wal_checkpoint_v2 hf_sqlite_calls.sqlite3_wal_checkpoint_v2
#define sqlite3_wal_hook hf_sqlite_calls.sqlite3_wal_hook

#endif
