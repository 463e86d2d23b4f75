/* inside.h: how a store looks from within; for csrc/store only.
 *
 * `lock` guards the database and everything else in the struct. `slow` is held
 * around it by those that wait for the disk, so that they take turns and nobody
 * who only writes waits for them.
 */
#ifndef HF_STORE_INSIDE_H
#define HF_STORE_INSIDE_H

#include <pthread.h>
#include <sqlite3.h>

#include "store/store.h"

enum { HF_STORE_APPLICATION = 0x48464453 /* "HFDS", in the file's header */, HF_STORE_VERSION = 1 };

typedef enum hf_store_statement {
  HF_STORE_BEGIN,
  HF_STORE_COMMIT,
  HF_STORE_ROLLBACK,
  HF_STORE_INSERT,
  HF_STORE_DELETE,
  HF_STORE_DELETE_FLIGHT,
  HF_STORE_CLAIM,
  HF_STORE_SENT,
  HF_STORE_RELEASED,
  HF_STORE_RECEIVED,
  HF_STORE_COMPLETED,
  HF_STORE_SESSION,
  HF_STORE_FORGET_FLIGHTS,
  HF_STORE_FORGET_RECEIVED,
  HF_STORE_STATEMENTS
} hf_store_statement;

/* What became of the session and could not be written when it did, the disk being full. */
typedef struct hf_store_late {
  hf_store_statement which;
  uint16_t packet_id;
  uint64_t number;
  hf_bytes packet; /* owned */
} hf_store_late;

struct hf_store {
  pthread_mutex_t slow;
  pthread_mutex_t lock;
  sqlite3 *database; /* NULL: closed */
  sqlite3_stmt *statements[HF_STORE_STATEMENTS];
  char *path;
  int log;          /* descriptor of the log, to wait for it without the lock */
  int frames;       /* in the log */
  uint64_t written; /* commits */
  uint64_t synced;  /* of them on the medium */
  uint64_t claimed; /* ids below this are not given by a later process */
  uint64_t next;    /* the first id that nobody has */
  uint64_t *done;   /* not written yet */
  size_t done_count, done_room;
  hf_store_late *late; /* in its order */
  size_t late_count, late_room;
  size_t messages; /* in the file */
  uint8_t protocol;
  bool mid_exchange; /* when it was opened */
  bool broken;
  hf_store_problem trouble, refusal;
};

/* The code of an SQLite result, and `problem` filled in if it is not HF_STORE_OK. */
hf_store_code hf_store_judge(const char *path, sqlite3 *database, int result, hf_store_problem *problem);
hf_store_code hf_store_say(hf_store_problem *problem, hf_store_code code, const char *path, const char *words);

/* create.c: a new, complete and empty store appears at `path`, or was there first. */
hf_store_code hf_store_create(const char *path, const char *client_id, hf_store_problem *problem);

/* record.c: a message as a row; its sum tells whether what comes back is what was written. */
int64_t hf_store_sum(const hf_publish *publish, int64_t deadline, int64_t expires, hf_bytes properties);
int64_t hf_store_flags(const hf_publish *publish);
hf_publish *hf_store_publish(sqlite3_stmt *row, hf_store_problem *problem, const char *path); /* NULL: problem */

#endif
