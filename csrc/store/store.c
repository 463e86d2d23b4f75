#define _POSIX_C_SOURCE 200809L
#include "store/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/wire.h"

enum {
  CLAIM = 10000,     /* ids at a time; what a crash skips */
  FOLD_AT = 16384,   /* frames of 1 KiB from which a log is folded while messages are on their way */
  FOLD_EMPTY = 1024, /* and while there are none, and nobody would wait */
  FEW = 512,         /* bytes of properties that need no memory */
};

/* ---- one statement after the other, the lock held ---- */

static hf_store_code judge(hf_store *store, int result) {
  return hf_store_judge(store->path, store->database, result, &store->trouble);
}

static int step(hf_store *store, hf_store_statement which) {
  errno = 0;
  int result = sqlite3_step(store->statements[which]);
  sqlite3_reset(store->statements[which]);
  return result == SQLITE_DONE || result == SQLITE_ROW ? SQLITE_OK : result;
}

static int step_with(hf_store *store, hf_store_statement which, uint64_t number) {
  sqlite3_bind_int64(store->statements[which], 1, (sqlite3_int64)number);
  return step(store, which);
}

/* False: closed, or what it wrote has not reached the medium, and nobody could tell whether the rest does. */
static bool enter(hf_store *store) {
  pthread_mutex_lock(&store->lock);
  if (store->database && !store->broken) return true;
  if (!store->broken) hf_store_say(&store->trouble, HF_STORE_FAILED, store->path, "it is closed");
  return false;
}

static hf_store_code leave(hf_store *store) {
  hf_store_code code = store->trouble.code;
  pthread_mutex_unlock(&store->lock);
  return code;
}

/* Ends the transaction that `result` is about so far. */
static bool commit(hf_store *store, int result) {
  if (!result) result = step(store, HF_STORE_COMMIT);
  if (judge(store, result) == HF_STORE_OK) return true;
  if (!sqlite3_get_autocommit(store->database)) step(store, HF_STORE_ROLLBACK);
  return false;
}

void hf_store_trouble(hf_store *store, hf_store_problem *problem) {
  pthread_mutex_lock(&store->lock);
  *problem = store->trouble;
  pthread_mutex_unlock(&store->lock);
}

void hf_store_refusal(hf_store *store, hf_store_problem *problem) {
  pthread_mutex_lock(&store->lock);
  *problem = store->refusal;
  pthread_mutex_unlock(&store->lock);
}

bool hf_store_well(hf_store *store) {
  pthread_mutex_lock(&store->lock);
  bool well = store->trouble.code == HF_STORE_OK && store->late_count == 0;
  pthread_mutex_unlock(&store->lock);
  return well;
}

/* ---- messages ---- */

uint64_t hf_store_next_id(const hf_store *store) {
  return store->next;
}

static int claim(hf_store *store, uint64_t id) {
  if (id < store->claimed) {
    if (id >= store->next) store->next = id + 1;
    return SQLITE_OK;
  }
  int result = step_with(store, HF_STORE_CLAIM, id + CLAIM);
  if (result) return result;
  store->claimed = id + CLAIM;
  store->next = id + 1;
  return SQLITE_OK;
}

/* As `leave`, for what is answered to whoever asked. */
static hf_store_code answer(hf_store *store) {
  if (store->trouble.code) store->refusal = store->trouble;
  return leave(store);
}

hf_store_code hf_store_claim(hf_store *store, uint64_t id) {
  if (enter(store)) judge(store, claim(store, id));
  return answer(store);
}

static int insert(hf_store *store, const hf_publish *publish, int64_t deadline, int64_t expires, hf_bytes properties) {
  sqlite3_stmt *row = store->statements[HF_STORE_INSERT];
  sqlite3_bind_int64(row, 1, (sqlite3_int64)publish->id);
  sqlite3_bind_int64(row, 2, hf_store_flags(publish));
  sqlite3_bind_int64(row, 3, deadline);
  sqlite3_bind_int64(row, 4, expires);
  sqlite3_bind_blob64(row, 5, publish->topic.data, publish->topic.length, SQLITE_STATIC);
  sqlite3_bind_blob64(row, 6, publish->payload.data, publish->payload.length, SQLITE_STATIC);
  sqlite3_bind_blob64(row, 7, properties.data, properties.length, SQLITE_STATIC);
  sqlite3_bind_int64(row, 8, hf_store_sum(publish, deadline, expires, properties));
  int result = step(store, HF_STORE_INSERT);
  sqlite3_clear_bindings(row);
  return result;
}

static hf_store_code refuse_for_memory(hf_store *store) {
  pthread_mutex_lock(&store->lock);
  hf_store_code code = hf_store_say(&store->refusal, HF_STORE_NO_MEMORY, store->path, NULL);
  pthread_mutex_unlock(&store->lock);
  return code;
}

hf_store_code hf_store_append(hf_store *store, const hf_publish *publish, int64_t deadline, int64_t expires) {
  char few[FEW], *written = few;
  size_t size = hf_properties_publish_size(publish->properties);
  if (size > sizeof few) written = malloc(size);
  if (!written) return refuse_for_memory(store);
  hf_wire_put_properties(written, publish->properties);
  if (enter(store)) {
    int result = claim(store, publish->id);
    if (!result) result = insert(store, publish, deadline, expires, (hf_bytes){written, size});
    if (judge(store, result) == HF_STORE_OK) store->messages++;
  }
  hf_store_code code = answer(store);
  if (written != few) free(written);
  return code;
}

/* ---- the session ---- */

/* A packet goes out, or has come, whether or not it can be written down; what cannot is written as soon as anything
 * can, or a disk that was full for a moment would cost exactly once until the session ends. */

static int write_one(hf_store *store, const hf_store_late *one) {
  if (one->which == HF_STORE_SESSION) {
    int result = step(store, HF_STORE_FORGET_FLIGHTS);
    if (!result) result = step(store, HF_STORE_FORGET_RECEIVED);
    return result ? result : step_with(store, HF_STORE_SESSION, one->number);
  }
  sqlite3_stmt *row = store->statements[one->which];
  if (one->which == HF_STORE_SENT) sqlite3_bind_int64(row, 2, (sqlite3_int64)one->number);
  if (one->which == HF_STORE_RECEIVED)
    sqlite3_bind_blob64(row, 2, one->packet.length ? one->packet.data : "", one->packet.length, SQLITE_STATIC);
  int result = step_with(store, one->which, one->packet_id);
  sqlite3_clear_bindings(row);
  return result;
}

static bool write_late(hf_store *store) {
  if (store->late_count == 0) return true;
  int result = step(store, HF_STORE_BEGIN);
  for (size_t i = 0; !result && i < store->late_count; i++)
    result = write_one(store, &store->late[i]);
  if (!commit(store, result)) return false;
  for (size_t i = 0; i < store->late_count; i++)
    free((char *)(uintptr_t)store->late[i].packet.data);
  store->late_count = 0;
  return true;
}

static bool is_inbound(const hf_store_late *one) {
  return one->which == HF_STORE_RECEIVED || one->which == HF_STORE_COMPLETED;
}

/* Keeps what is late from growing with the traffic. */
static bool supersedes(const hf_store_late *later, const hf_store_late *earlier) {
  if (later->which == HF_STORE_SESSION) return true;
  if (earlier->which == HF_STORE_SESSION || earlier->packet_id != later->packet_id) return false;
  if (is_inbound(later)) return is_inbound(earlier);
  return later->which == HF_STORE_SENT && !is_inbound(earlier);
}

static bool room_for_late(hf_store *store) {
  if (store->late_count < store->late_room) return true;
  size_t room = store->late_room ? 2 * store->late_room : 16;
  hf_store_late *more = realloc(store->late, room * sizeof *more);
  if (!more) return false;
  store->late = more;
  store->late_room = room;
  return true;
}

static bool put_off(hf_store *store, hf_store_late one) {
  if (one.packet.length) {
    char *copy = malloc(one.packet.length);
    if (!copy) return false;
    one.packet.data = memcpy(copy, one.packet.data, one.packet.length);
  } else {
    one.packet.data = NULL;
  }
  if (!room_for_late(store)) {
    free((char *)(uintptr_t)one.packet.data);
    return false;
  }
  size_t kept = 0;
  for (size_t i = 0; i < store->late_count; i++) {
    if (supersedes(&one, &store->late[i]))
      free((char *)(uintptr_t)store->late[i].packet.data);
    else
      store->late[kept++] = store->late[i];
  }
  store->late[kept] = one;
  store->late_count = kept + 1;
  return true;
}

static void write_session(hf_store *store, hf_store_late one) {
  if (!enter(store)) {
    leave(store);
    return;
  }
  if (one.which == HF_STORE_SESSION) store->protocol = (uint8_t)one.number;
  bool alone = store->late_count == 0 && one.which != HF_STORE_SESSION; /* needs no transaction */
  if (!alone || judge(store, write_one(store, &one)) != HF_STORE_OK) {
    bool kept = put_off(store, one);
    if (!alone && kept) write_late(store);
  }
  leave(store);
}

uint8_t hf_store_protocol(const hf_store *store) {
  return store->protocol;
}

bool hf_store_mid_exchange(const hf_store *store) {
  return store->mid_exchange;
}

void hf_store_begin_session(hf_store *store, uint8_t protocol) {
  write_session(store, (hf_store_late){.which = HF_STORE_SESSION, .number = protocol});
}

void hf_store_sent(hf_store *store, uint16_t packet_id, uint64_t id) {
  write_session(store, (hf_store_late){.which = HF_STORE_SENT, .packet_id = packet_id, .number = id});
}

void hf_store_released(hf_store *store, uint16_t packet_id) {
  write_session(store, (hf_store_late){.which = HF_STORE_RELEASED, .packet_id = packet_id});
}

void hf_store_received(hf_store *store, uint16_t packet_id, hf_bytes packet) {
  write_session(store, (hf_store_late){.which = HF_STORE_RECEIVED, .packet_id = packet_id, .packet = packet});
}

void hf_store_completed(hf_store *store, uint16_t packet_id) {
  write_session(store, (hf_store_late){.which = HF_STORE_COMPLETED, .packet_id = packet_id});
}

/* ---- what is done ---- */

static bool room_for_done(hf_store *store) {
  if (store->done_count < store->done_room) return true;
  size_t room = store->done_room ? 2 * store->done_room : 64;
  uint64_t *more = realloc(store->done, room * sizeof *more);
  if (!more) return false;
  store->done = more;
  store->done_room = room;
  return true;
}

static int delete_one(hf_store *store, uint64_t id) {
  int result = step_with(store, HF_STORE_DELETE, id);
  return result ? result : step_with(store, HF_STORE_DELETE_FLIGHT, id);
}

void hf_store_done(hf_store *store, uint64_t id) {
  if (enter(store)) {
    if (room_for_done(store))
      store->done[store->done_count++] = id;
    else
      judge(store, delete_one(store, id));
  }
  leave(store);
}

static void write_done(hf_store *store) {
  if (!write_late(store) || store->done_count == 0) return;
  int result = step(store, HF_STORE_BEGIN);
  for (size_t i = 0; !result && i < store->done_count; i++)
    result = delete_one(store, store->done[i]);
  if (!commit(store, result)) return;
  store->messages -= store->done_count < store->messages ? store->done_count : store->messages;
  store->done_count = 0;
}

void hf_store_commit(hf_store *store) {
  if (enter(store)) write_done(store);
  leave(store);
}

/* ---- the disk ---- */

static bool wants_folding(const hf_store *store) {
  return store->frames >= (store->messages > 0 ? FOLD_AT : FOLD_EMPTY) ||
         (store->trouble.code == HF_STORE_FULL && store->frames > 0); /* a folded log gives room to write */
}

bool hf_store_wants_tending(hf_store *store) {
  pthread_mutex_lock(&store->lock);
  bool wants = store->database && !store->broken &&
               (store->written != store->synced || store->done_count > 0 || store->trouble.code != HF_STORE_OK ||
                wants_folding(store));
  pthread_mutex_unlock(&store->lock);
  return wants;
}

/* `slow` held, the lock not. It is about what has been written: what could not be meanwhile is another matter. */
static hf_store_code wait_for_disk(hf_store *store) {
  if (!enter(store)) return answer(store);
  uint64_t written = store->written;
  pthread_mutex_unlock(&store->lock);
  int result = fdatasync(store->log);
  int error = errno;
  pthread_mutex_lock(&store->lock);
  store->broken = result != 0;
  if (store->broken) {
    hf_store_say(&store->trouble, HF_STORE_FAILED, store->path, strerror(error));
    return answer(store);
  }
  store->synced = written;
  leave(store);
  return HF_STORE_OK;
}

hf_store_code hf_store_sync(hf_store *store) {
  pthread_mutex_lock(&store->slow);
  hf_store_code code = wait_for_disk(store);
  pthread_mutex_unlock(&store->slow);
  return code;
}

/* The write at the end takes upon it to wait for the new log's head. */
static void fold(hf_store *store) {
  int result = sqlite3_wal_checkpoint_v2(store->database, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  if (!result) result = step_with(store, HF_STORE_CLAIM, store->claimed);
  judge(store, result);
}

void hf_store_tend(hf_store *store) {
  pthread_mutex_lock(&store->slow);
  wait_for_disk(store);
  if (enter(store)) {
    write_done(store);
    if (wants_folding(store)) fold(store);
    if (store->trouble.code != HF_STORE_OK) judge(store, step_with(store, HF_STORE_CLAIM, store->claimed));
  }
  leave(store);
  pthread_mutex_unlock(&store->slow);
}

/* ---- the end ---- */

static void finalize(hf_store *store) {
  for (size_t i = 0; i < HF_STORE_STATEMENTS; i++)
    sqlite3_finalize(store->statements[i]);
  memset(store->statements, 0, sizeof store->statements);
  sqlite3_close(store->database);
  store->database = NULL;
  if (store->log >= 0) close(store->log);
  store->log = -1;
}

void hf_store_close(hf_store *store) {
  pthread_mutex_lock(&store->slow);
  if (enter(store)) {
    write_done(store);
    if (store->next < store->claimed) step_with(store, HF_STORE_CLAIM, store->next);
  }
  leave(store);
  wait_for_disk(store);
  pthread_mutex_lock(&store->lock);
  finalize(store);
  pthread_mutex_unlock(&store->lock);
  pthread_mutex_unlock(&store->slow);
}

void hf_store_free(hf_store *store) {
  if (!store) return;
  if (store->database && store->log >= 0) hf_store_close(store);
  finalize(store);
  pthread_mutex_destroy(&store->lock);
  pthread_mutex_destroy(&store->slow);
  for (size_t i = 0; i < store->late_count; i++)
    free((char *)(uintptr_t)store->late[i].packet.data);
  free(store->late);
  free(store->done);
  free(store->path);
  free(store);
}
