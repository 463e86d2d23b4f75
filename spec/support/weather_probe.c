/* weather_probe: TCP between clients and a broker, through a network that the spec makes bad, as the Lua module
 * `weather_probe`.
 *
 * Unlike proxy_probe, which cuts one connection at a byte, this one has a hundred
 * connections and a weather: bytes late, held back one way or both, connections
 * broken or refused. A thread of its own moves the bytes and knows no lua_State;
 * what both sides touch is under the lock. Call on the thread of the lua_State;
 * close, or the collector, ends the thread and every connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lua/compat.h"
#include "sys/clock.h"

static const char *const class_name = "weather_probe.weather";

enum { CONNECTIONS = 256, CHUNK = 16384, MOST_HELD = 1 << 20 };
enum { UP, DOWN };

typedef struct parcel {
  struct parcel *next;
  int64_t due; /* ms */
  size_t length, sent;
  unsigned char bytes[];
} parcel;

typedef struct lane { /* from one end to the other */
  parcel *first, **last;
  size_t held;
  bool over; /* the sender has ended */
} lane;

typedef struct connection {
  int ends[2]; /* UP leads to the broker, DOWN to the client; -1: no connection */
  lane lanes[2];
} connection;

typedef struct weather {
  pthread_t thread;
  pthread_mutex_t lock;
  int listener, wakeup;
  uint16_t upstream;
  connection connections[CONNECTIONS];
  /* under lock */
  bool stop, refuse, hold[2];
  bool break_all, with_reset;
  unsigned break_one_in; /* so many connections, one of them, is broken; 0: none */
  int64_t delay;
  unsigned accepted, broken;
} weather;

/* ---- one connection ---- */

static void end(connection *c, bool reset) {
  for (int side = UP; side <= DOWN; side++) {
    struct linger now = {.l_onoff = 1};
    if (reset) setsockopt(c->ends[side], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->ends[side]);
    c->ends[side] = -1;
    for (parcel *next, *at = c->lanes[side].first; at; at = next) {
      next = at->next;
      free(at);
    }
    c->lanes[side] = (lane){0};
  }
}

/* False when the connection is at its end. */
static bool collect(connection *c, int from, int64_t due) {
  lane *w = &c->lanes[from];
  parcel *p = malloc(sizeof *p + CHUNK);
  if (!p) abort();
  ssize_t got = recv(c->ends[from], p->bytes, CHUNK, MSG_DONTWAIT);
  if (got <= 0) {
    free(p);
    if (got < 0 && errno == EAGAIN) return true;
    w->over = true;
    return got == 0;
  }
  *p = (parcel){.due = due, .length = (size_t)got};
  w->held += p->length;
  if (!w->first) w->last = &w->first;
  *w->last = p;
  w->last = &p->next;
  return true;
}

/* False when the other end takes no more. */
static bool deliver(connection *c, int from, int64_t now) {
  lane *w = &c->lanes[from];
  for (parcel *p; (p = w->first) && p->due <= now;) {
    ssize_t sent =
        send(c->ends[from == UP ? DOWN : UP], p->bytes + p->sent, p->length - p->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return errno == EAGAIN;
    p->sent += (size_t)sent;
    if (p->sent < p->length) return true;
    w->held -= p->length;
    w->first = p->next;
    free(p);
  }
  return !(w->over && !w->first);
}

static int dial(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(s, (struct sockaddr *)&address, sizeof address) == 0) return s;
  close(s);
  return -1;
}

static void welcome(weather *w, bool refuse) {
  int one = 1, client = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
  if (client < 0) return;
  connection *c = w->connections;
  while (c < w->connections + CONNECTIONS && c->ends[UP] >= 0)
    c++;
  int broker = refuse || c == w->connections + CONNECTIONS ? -1 : dial(w->upstream);
  if (broker < 0) {
    close(client);
    return;
  }
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(broker, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  *c = (connection){.ends = {broker, client}};
}

/* ---- the thread ---- */

typedef struct moment { /* what holds for one turn */
  bool stop, refuse, hold[2], break_all, with_reset;
  unsigned break_one_in;
  int64_t delay;
} moment;

static moment look(weather *w) {
  pthread_mutex_lock(&w->lock);
  moment m = {w->stop, w->refuse, {w->hold[UP], w->hold[DOWN]}, w->break_all, w->with_reset, w->break_one_in, w->delay};
  w->break_all = false;
  w->break_one_in = 0;
  pthread_mutex_unlock(&w->lock);
  return m;
}

static void count(weather *w, unsigned accepted, unsigned broken) {
  pthread_mutex_lock(&w->lock);
  w->accepted += accepted;
  w->broken += broken;
  pthread_mutex_unlock(&w->lock);
}

static void break_some(weather *w, const moment *m, unsigned turn) {
  for (unsigned i = 0; i < CONNECTIONS; i++) {
    bool chosen = m->break_all || (m->break_one_in && (i + turn) % m->break_one_in == 0);
    if (!chosen || w->connections[i].ends[UP] < 0) continue;
    end(&w->connections[i], m->with_reset);
    count(w, 0, 1);
  }
}

static void move(connection *c, const moment *m, const struct pollfd *watched, int64_t now) {
  bool alive = true;
  for (int from = UP; from <= DOWN; from++) {
    int way = from == DOWN ? UP : DOWN; /* what comes from the client goes up */
    if (watched[from].revents && alive) alive = collect(c, from, now + m->delay);
    if (alive && !m->hold[way]) alive = deliver(c, from, now);
  }
  if (!alive) end(c, false);
}

static void *run(void *context) {
  weather *w = context;
  static const int eager = 5; /* ms between two looks while anything is on its way */
  for (unsigned turn = 0;; turn++) {
    moment m = look(w);
    if (m.stop) return NULL;
    break_some(w, &m, turn);
    struct pollfd watched[2 + 2 * CONNECTIONS] = {{w->listener, POLLIN, 0}, {w->wakeup, POLLIN, 0}};
    bool waiting = false;
    for (size_t i = 0; i < CONNECTIONS; i++)
      for (size_t side = UP; side <= DOWN; side++) {
        const connection *c = &w->connections[i];
        const lane *from = &c->lanes[side];
        bool listens = c->ends[side] >= 0 && !from->over && from->held < MOST_HELD;
        watched[2 + 2 * i + side] = (struct pollfd){listens ? c->ends[side] : -1, POLLIN, 0};
        waiting = waiting || from->first || from->over;
      }
    poll(watched, 2 + 2 * CONNECTIONS, waiting ? eager : -1);
    eventfd_t signals;
    if (watched[1].revents) eventfd_read(w->wakeup, &signals);
    m = look(w);
    int64_t now = hf_clock_ms();
    for (size_t i = 0; i < CONNECTIONS; i++)
      if (w->connections[i].ends[UP] >= 0) move(&w->connections[i], &m, watched + 2 + 2 * i, now);
    break_some(w, &m, turn);
    if (watched[0].revents) {
      welcome(w, m.refuse);
      count(w, 1, 0);
    }
  }
}

/* ---- Lua ---- */

static weather *check(lua_State *L) {
  weather **w = luaL_checkudata(L, 1, class_name);
  if (!*w) luaL_error(L, "the weather is closed");
  return *w;
}

static int close_weather(lua_State *L) {
  weather **at = luaL_checkudata(L, 1, class_name), *w = *at;
  if (!w) return 0;
  *at = NULL;
  pthread_mutex_lock(&w->lock);
  w->stop = true;
  pthread_mutex_unlock(&w->lock);
  eventfd_write(w->wakeup, 1);
  pthread_join(w->thread, NULL);
  for (size_t i = 0; i < CONNECTIONS; i++)
    if (w->connections[i].ends[UP] >= 0) end(&w->connections[i], false);
  close(w->listener);
  close(w->wakeup);
  pthread_mutex_destroy(&w->lock);
  free(w);
  return 0;
}

/* start(port of the broker) -> weather, its own port */
static int start(lua_State *L) {
  uint16_t upstream = (uint16_t)luaL_checkinteger(L, 1);
  weather **at = hf_lua_newuserdata(L, sizeof *at), *w = *at = calloc(1, sizeof *w);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  luaL_setmetatable(L, class_name);
  w->upstream = upstream;
  for (size_t i = 0; i < CONNECTIONS; i++)
    w->connections[i].ends[UP] = w->connections[i].ends[DOWN] = -1;
  w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  w->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pthread_mutex_init(&w->lock, NULL);
  if (bind(w->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(w->listener, CONNECTIONS) != 0 ||
      getsockname(w->listener, (struct sockaddr *)&address, &length) != 0 ||
      pthread_create(&w->thread, NULL, run, w) != 0)
    return luaL_error(L, "weather_probe: %s", strerror(errno));
  lua_pushinteger(L, ntohs(address.sin_port));
  return 2;
}

/* weather:set{ delay = ms, hold_up = boolean, hold_down = boolean, refuse = boolean }: what is not given is fine again.
 */
static int set(lua_State *L) {
  weather *w = check(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  static const char *const names[] = {"delay", "hold_up", "hold_down", "refuse"};
  for (size_t i = 0; i < 4; i++)
    lua_getfield(L, 2, names[i]);
  pthread_mutex_lock(&w->lock);
  w->delay = (int64_t)lua_tonumber(L, -4);
  w->hold[UP] = lua_toboolean(L, -3);
  w->hold[DOWN] = lua_toboolean(L, -2);
  w->refuse = lua_toboolean(L, -1);
  pthread_mutex_unlock(&w->lock);
  eventfd_write(w->wakeup, 1);
  return 0;
}

/* weather:cut(one in so many[, "reset"]): breaks connections, by FIN or RST; with 1 all of them. */
static int cut(lua_State *L) {
  weather *w = check(L);
  unsigned one_in = (unsigned)luaL_checkinteger(L, 2);
  bool reset = lua_toboolean(L, 3);
  pthread_mutex_lock(&w->lock);
  w->break_all = one_in == 1;
  w->break_one_in = one_in;
  w->with_reset = reset;
  pthread_mutex_unlock(&w->lock);
  eventfd_write(w->wakeup, 1);
  return 0;
}

/* weather:counts() -> connections accepted, connections broken */
static int counts(lua_State *L) {
  weather *w = check(L);
  pthread_mutex_lock(&w->lock);
  lua_pushinteger(L, (lua_Integer)w->accepted);
  lua_pushinteger(L, (lua_Integer)w->broken);
  pthread_mutex_unlock(&w->lock);
  return 2;
}

int luaopen_weather_probe(lua_State *L);

int luaopen_weather_probe(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"set", set}, {"cut", cut}, {"counts", counts}, {"close", close_weather}, {"__gc", close_weather}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"start", start}, {NULL, NULL}};
  luaL_newmetatable(L, class_name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
