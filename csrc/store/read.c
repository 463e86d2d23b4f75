#include "store/inside.h"

/* What an earlier process has left. */

static const char messages[] =
    "SELECT message.id, flags, deadline, expires, topic, payload, properties, sum, ifnull(packet_id, 0),"
    " ifnull(released, 0) FROM message LEFT JOIN flight ON flight.id = message.id ORDER BY message.id";

hf_store_code hf_store_read_messages(sqlite3 *database, const char *path, hf_store_take take, void *context,
                                     hf_store_problem *problem) {
  sqlite3_stmt *row = NULL;
  hf_publish *publish = NULL;
  problem->code = HF_STORE_OK;
  int result = sqlite3_prepare_v2(database, messages, -1, &row, NULL);
  while (!result && (result = sqlite3_step(row)) == SQLITE_ROW && (publish = hf_store_publish(row, problem, path))) {
    take(context, publish);
    result = SQLITE_OK;
  }
  if (problem->code == HF_STORE_OK) hf_store_judge(path, database, result, problem);
  sqlite3_finalize(row);
  return problem->code;
}

typedef struct reading {
  const hf_store *store;
  hf_store_take take;
  void *context;
} reading;

static void take_on_our_clock(void *context, hf_publish *publish) {
  const reading *to = context;
  publish->deadline = hf_store_age_read(to->store, publish->deadline);
  publish->expires = hf_store_age_read(to->store, publish->expires);
  to->take(to->context, publish);
}

bool hf_store_read(hf_store *store, hf_store_take take, void *context, hf_store_problem *problem) {
  reading to = {store, take, context};
  pthread_mutex_lock(&store->lock);
  hf_store_read_messages(store->database, store->path, take_on_our_clock, &to, problem);
  pthread_mutex_unlock(&store->lock);
  return problem->code == HF_STORE_OK;
}

bool hf_store_read_received(hf_store *store, hf_store_take_received take, void *context) {
  sqlite3_stmt *row = NULL;
  pthread_mutex_lock(&store->lock);
  int result = sqlite3_prepare_v2(store->database, "SELECT packet_id, packet FROM received", -1, &row, NULL);
  while (!result && (result = sqlite3_step(row)) == SQLITE_ROW) {
    hf_bytes packet = {sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1)};
    take(context, (uint16_t)sqlite3_column_int(row, 0), packet);
    result = SQLITE_OK;
  }
  sqlite3_finalize(row);
  pthread_mutex_unlock(&store->lock);
  return result == SQLITE_DONE;
}
