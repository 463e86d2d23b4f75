/* neighbour_probe: another library in the process of a client, which uses what holdfast uses, as the Lua module
 * `neighbour_probe`: a Paho client of its own, a database of SQLite, digests of OpenSSL, a timer with a signal.
 *
 * Call on the thread of the lua_State. Paho's threads count what was delivered;
 * the signal's handler counts itself. There is one of it in a process, to its end.
 */
#include <errno.h>
#include <MQTTAsync.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "lua/compat.h"

enum { EACH = 5000 /* microseconds between two signals */ };

static MQTTAsync client;
static sqlite3 *database;
static atomic_uint connections, delivered, signals;
static unsigned beats;

static void count_signal(int number) {
  (void)number;
  atomic_fetch_add(&signals, 1);
}

static void count_connection(void *context, char *cause) {
  (void)context;
  (void)cause;
  atomic_fetch_add(&connections, 1);
}

static void count_delivery(void *context, MQTTAsync_successData *data) {
  (void)context;
  (void)data;
  atomic_fetch_add(&delivered, 1);
}

static int ignore(void *context, char *topic, int length, MQTTAsync_message *message) {
  (void)context;
  (void)length;
  MQTTAsync_freeMessage(&message);
  MQTTAsync_free(topic);
  return 1;
}

/* start(address as Paho has it, path of a database) */
static int start(lua_State *L) {
  const char *address = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2);
  struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
  struct itimerval timer = {.it_interval.tv_usec = EACH, .it_value.tv_usec = EACH};
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
  options.automaticReconnect = 1;
  options.minRetryInterval = options.maxRetryInterval = 1;
  options.connectTimeout = 3; /* 30 s is what one costs that a broker on its way out has taken */
  sigset_t alarm, before;     /* Paho's threads inherit it: what a signal interrupts there is an attempt that failed */
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarm, &before);
  if (MQTTAsync_create(&client, address, "neighbour", MQTTCLIENT_PERSISTENCE_NONE, NULL) != MQTTASYNC_SUCCESS ||
      MQTTAsync_setCallbacks(client, NULL, NULL, ignore, NULL) != MQTTASYNC_SUCCESS ||
      MQTTAsync_setConnected(client, NULL, count_connection) != MQTTASYNC_SUCCESS ||
      MQTTAsync_connect(client, &options) != MQTTASYNC_SUCCESS)
    return luaL_error(L, "neighbour_probe: Paho");
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (sqlite3_open(path, &database) != SQLITE_OK ||
      sqlite3_exec(database, "CREATE TABLE beats (digest BLOB)", NULL, NULL, NULL) != SQLITE_OK)
    return luaL_error(L, "neighbour_probe: %s", sqlite3_errmsg(database));
  if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &timer, NULL) != 0)
    return luaL_error(L, "neighbour_probe: %s", strerror(errno));
  return 0;
}

/* beat(): one message at QoS 1, if it is connected, one digest, one row. */
static int beat(lua_State *L) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length;
  char words[100];
  snprintf(words, sizeof words, "INSERT INTO beats VALUES (randomblob(%u))", 1 + beats % 32);
  if (!EVP_Digest(words, strlen(words), digest, &length, EVP_sha256(), NULL) || length != 32)
    return luaL_error(L, "neighbour_probe: OpenSSL");
  if (sqlite3_exec(database, words, NULL, NULL, NULL) != SQLITE_OK)
    return luaL_error(L, "neighbour_probe: %s", sqlite3_errmsg(database));
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  options.onSuccess = count_delivery;
  if (MQTTAsync_isConnected(client)) MQTTAsync_send(client, "neighbour", (int)length, digest, 1, 0, &options);
  beats++;
  return 0;
}

static int count_rows(void *count, int columns, char **values, char **names) {
  (void)columns;
  (void)names;
  *(lua_Integer *)count = (lua_Integer)strtoll(values[0], NULL, 10);
  return 0;
}

/* counts() -> connections, delivered, rows, signals, whether the signal's handler is still its own */
static int counts(lua_State *L) {
  struct sigaction now;
  lua_Integer rows = -1;
  sigaction(SIGALRM, NULL, &now);
  sqlite3_exec(database, "SELECT count(*) FROM beats", count_rows, &rows, NULL);
  lua_pushinteger(L, (lua_Integer)atomic_load(&connections));
  lua_pushinteger(L, (lua_Integer)atomic_load(&delivered));
  lua_pushinteger(L, rows);
  lua_pushinteger(L, (lua_Integer)atomic_load(&signals));
  lua_pushboolean(L, now.sa_handler == count_signal);
  return 5;
}

int luaopen_neighbour_probe(lua_State *L);

int luaopen_neighbour_probe(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", start}, {"beat", beat}, {"counts", counts}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
