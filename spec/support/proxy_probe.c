/* proxy_probe: a TCP proxy in front of a broker, which cuts where it is told to and writes down the packets it passes,
 * as the Lua module `proxy_probe`.
 *
 * A thread of its own moves the bytes, so that a spec may be busy meanwhile; it
 * knows no lua_State. What both sides touch is under the proxy's lock. A
 * connection that is cut or loses one side is shut towards the other and read
 * out, so that everything that was passed on arrives. Call on the thread of the
 * lua_State; the collector ends the thread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lua/compat.h"
#include "sys/clock.h"

static const char *const class_name = "proxy_probe.proxy";

enum { CONNECTIONS = 32, CHUNK = 65536, SHOWN = 400, LINGER = 1000 };
enum { PORTIONS = 50 /* a second, of a limited rate */, NARROW = 8192 /* a socket's buffer then */ };
enum { UP, DOWN };

typedef struct reader { /* of the packets in one direction */
  unsigned char start[SHOWN];
  size_t got;   /* bytes of this packet so far */
  size_t whole; /* of all its bytes; 0: not known yet */
} reader;

typedef struct connection {
  int ends[2];     /* UP: the broker's, DOWN: the client's; -1: closed */
  bool over[2];    /* nothing more comes out of that end */
  int64_t linger;  /* ms; 0: both ways are open */
  int64_t rest[2]; /* ms: until then that end is not read, so that the rate is kept */
  reader readers[2];
  unsigned number;
  uint8_t level; /* of the protocol */
  bool used;
} connection;

typedef struct proxy {
  pthread_t thread;
  pthread_mutex_t lock;
  int listener, wakeup;
  uint16_t upstream;
  connection connections[CONNECTIONS];
  unsigned accepted;
  /* under lock */
  bool stop;
  long long cut[2];  /* bytes that still pass that way until the connection is cut; -1: no cut */
  long long next[2]; /* what `cut` becomes after the next cut */
  unsigned cuts;
  unsigned long long passed[2];
  long rate; /* bytes a second and way; 0: no limit */
  FILE *trace;
} proxy;

/* ---- packets ---- */

static const char *const names[] = {"reserved", "connect",  "connack",    "publish", "puback",      "pubrec",
                                    "pubrel",   "pubcomp",  "subscribe",  "suback",  "unsubscribe", "unsuback",
                                    "pingreq",  "pingresp", "disconnect", "auth"};

static unsigned two(const unsigned char *at) {
  return (unsigned)at[0] << 8 | at[1];
}

static const unsigned char *skip_number(const unsigned char *at) {
  while (*at++ & 0x80)
    continue;
  return at;
}

/* "<ms> <connection> <up|down> <packet> <id> <flags> <code> <payload>"; what a packet has not is 0. Of CONNACK the
 * session present is the id. */
static void write_down(proxy *p, connection *c, int way, const reader *r) {
  const unsigned char *start = r->start, *at = skip_number(start + 1);
  const unsigned char *end = start + (r->whole < SHOWN ? r->whole : SHOWN);
  unsigned kind = start[0] >> 4, id = 0, code = 0;
  const unsigned char *payload = end;
  if (kind == 1 && at + 7 <= end) {
    c->level = at[2 + two(at)];
  } else if (kind == 3 && at + 2 <= end) {
    payload = at + 2 + two(at);
    if (start[0] & 6) {
      id = two(payload);
      payload += 2;
    }
    if (c->level == 5) {
      const unsigned char *properties = payload;
      payload = skip_number(properties);
      payload += *properties & 0x7F; /* fewer than 128 bytes, in the specs this is for */
    }
  } else if (kind == 2 && at + 2 <= end) {
    id = at[0];
    code = at[1];
  } else if (kind == 14 && at < end) {
    code = at[0];
  } else if (kind >= 4 && kind <= 11 && at + 2 <= end) {
    id = two(at);
    code = at + 2 < end ? at[2] : 0;
  }
  int length = payload < end ? (int)(end - payload) : 0;
  fprintf(p->trace, "%lld %u %s %s %u %u %u %.*s\n", (long long)hf_clock_ms(), c->number, way == UP ? "up" : "down",
          names[kind], id, start[0] & 15u, code, length, (const char *)payload);
}

static void read_packets(proxy *p, connection *c, int way, const unsigned char *bytes, size_t count) {
  reader *r = &c->readers[way];
  for (size_t i = 0; i < count;) {
    if (r->whole == 0) { /* the fixed header, a byte at a time */
      r->start[r->got++] = bytes[i++];
      if (r->got < 2 || r->start[r->got - 1] & 0x80) continue;
      size_t rest = 0;
      for (size_t j = 1; j < r->got; j++)
        rest |= (size_t)(r->start[j] & 0x7F) << (7 * (j - 1));
      r->whole = r->got + rest;
    } else {
      size_t more = r->whole - r->got < count - i ? r->whole - r->got : count - i;
      size_t room = r->got < SHOWN ? SHOWN - r->got : 0;
      memcpy(r->start + (room ? r->got : 0), bytes + i, more < room ? more : room);
      r->got += more;
      i += more;
    }
    if (r->got < r->whole) continue;
    write_down(p, c, way, r);
    r->got = r->whole = 0;
  }
}

/* ---- bytes ---- */

static void end(connection *c) {
  for (int way = UP; way <= DOWN; way++)
    if (c->ends[way] >= 0) close(c->ends[way]);
  c->used = false;
}

/* Whatever still comes out of either end is read and forgotten. */
static void begin_end(connection *c) {
  if (c->linger) return;
  c->linger = hf_clock_ms() + LINGER;
  shutdown(c->ends[UP], SHUT_WR);
  shutdown(c->ends[DOWN], SHUT_WR);
}

static bool send_all(int to, const unsigned char *bytes, size_t count) {
  while (count) {
    ssize_t sent = send(to, bytes, count, MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes += sent;
    count -= (size_t)sent;
  }
  return true;
}

/* From the end `from`; the bytes go the other way. */
static void pass(proxy *p, connection *c, int from) {
  unsigned char bytes[CHUNK];
  int way = from == DOWN ? UP : DOWN;
  size_t portion = p->rate ? (size_t)(p->rate / PORTIONS) + 1 : sizeof bytes;
  ssize_t got = recv(c->ends[from], bytes, portion < sizeof bytes ? portion : sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    c->over[from] = true;
    begin_end(c);
    return;
  }
  if (c->linger) return;
  if (p->rate) c->rest[from] = hf_clock_ms() + got * 1000 / p->rate;
  size_t count = (size_t)got;
  pthread_mutex_lock(&p->lock);
  bool cut = p->cut[way] >= 0 && (long long)count >= p->cut[way];
  if (cut) count = (size_t)p->cut[way];
  p->passed[way] += count;
  if (p->cut[way] >= 0) p->cut[way] -= (long long)count;
  if (cut) {
    for (int i = UP; i <= DOWN; i++) {
      p->cut[i] = p->next[i];
      p->next[i] = -1;
    }
    p->cuts++;
  }
  if (p->trace) read_packets(p, c, way, bytes, count);
  pthread_mutex_unlock(&p->lock);
  if (!send_all(c->ends[way], bytes, count) || cut) begin_end(c);
}

/* Else the systems on both sides of a slow link hold megabytes that no end of it knows of. */
static void narrow(const proxy *p, int s) {
  int bytes = NARROW;
  if (p->rate) setsockopt(s, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static int dial(const proxy *p) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(p->upstream), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  narrow(p, s);
  if (connect(s, (struct sockaddr *)&address, sizeof address) == 0) return s;
  close(s);
  return -1;
}

static void welcome(proxy *p) {
  int one = 1, client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
  if (client < 0) return;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  connection *c = p->connections;
  while (c < p->connections + CONNECTIONS && c->used)
    c++;
  int broker = c < p->connections + CONNECTIONS ? dial(p) : -1;
  if (broker < 0) {
    close(client);
    return;
  }
  *c = (connection){.ends = {broker, client}, .number = ++p->accepted, .used = true};
}

static bool stopped(proxy *p) {
  pthread_mutex_lock(&p->lock);
  bool stop = p->stop;
  pthread_mutex_unlock(&p->lock);
  return stop;
}

static void *run(void *context) {
  proxy *p = context;
  while (!stopped(p)) {
    struct pollfd watched[2 + 2 * CONNECTIONS] = {{p->listener, POLLIN, 0}, {p->wakeup, POLLIN, 0}};
    int64_t now = hf_clock_ms();
    int timeout = -1;
    for (size_t i = 0; i < CONNECTIONS; i++) {
      connection *c = &p->connections[i];
      for (int way = UP; way <= DOWN; way++) {
        bool rests = c->used && c->rest[way] > now, open = c->used && !c->over[way] && !rests;
        watched[2 + 2 * i + (size_t)way] = (struct pollfd){open ? c->ends[way] : -1, POLLIN, 0};
        if (rests && (timeout < 0 || c->rest[way] - now < timeout)) timeout = (int)(c->rest[way] - now);
      }
      if (c->used && c->linger && (timeout < 0 || timeout > 20)) timeout = 20;
    }
    poll(watched, 2 + 2 * CONNECTIONS, timeout);
    if (watched[0].revents) welcome(p);
    for (size_t i = 0; i < CONNECTIONS; i++) {
      connection *c = &p->connections[i];
      for (int way = UP; way <= DOWN; way++)
        if (watched[2 + 2 * i + (size_t)way].revents) pass(p, c, way);
      if (c->used && ((c->over[UP] && c->over[DOWN]) || (c->linger && hf_clock_ms() >= c->linger))) end(c);
    }
  }
  return NULL;
}

/* ---- Lua ---- */

static proxy *check(lua_State *L) {
  proxy **p = luaL_checkudata(L, 1, class_name);
  if (!*p) luaL_error(L, "the proxy is closed");
  return *p;
}

static int close_proxy(lua_State *L) {
  proxy **at = luaL_checkudata(L, 1, class_name), *p = *at;
  if (!p) return 0;
  *at = NULL;
  pthread_mutex_lock(&p->lock);
  p->stop = true;
  pthread_mutex_unlock(&p->lock);
  eventfd_write(p->wakeup, 1);
  pthread_join(p->thread, NULL);
  for (size_t i = 0; i < CONNECTIONS; i++)
    if (p->connections[i].used) end(&p->connections[i]);
  close(p->listener);
  close(p->wakeup);
  if (p->trace) fclose(p->trace);
  pthread_mutex_destroy(&p->lock);
  free(p);
  return 0;
}

/* start(port of the broker[, file for the trace]) -> proxy, its own port */
static int start(lua_State *L) {
  uint16_t upstream = (uint16_t)luaL_checkinteger(L, 1);
  const char *file = luaL_optstring(L, 2, NULL);
  proxy **at = hf_lua_newuserdata(L, sizeof *at), *p = *at = calloc(1, sizeof *p);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  luaL_setmetatable(L, class_name);
  p->upstream = upstream;
  p->cut[UP] = p->cut[DOWN] = p->next[UP] = p->next[DOWN] = -1;
  p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  p->wakeup = eventfd(0, EFD_CLOEXEC);
  p->trace = file ? fopen(file, "w") : NULL;
  pthread_mutex_init(&p->lock, NULL);
  if (bind(p->listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(p->listener, 16) != 0 ||
      getsockname(p->listener, (struct sockaddr *)&address, &length) != 0 || (file && !p->trace) ||
      pthread_create(&p->thread, NULL, run, p) != 0)
    return luaL_error(L, "proxy_probe: %s", strerror(errno));
  lua_pushinteger(L, ntohs(address.sin_port));
  return 2;
}

static int way_argument(lua_State *L, int index) {
  static const char *const ways[] = {"up", "down", NULL};
  return luaL_checkoption(L, index, NULL, ways);
}

/* proxy:cut("up" | "down", bytes[, "up" | "down", bytes]): so many more pass that way, whatever the connection; then it
 * is cut, both ways. The second pair is the cut after it, counted from there. */
static int cut(lua_State *L) {
  proxy *p = check(L);
  int way = way_argument(L, 2);
  long long bytes = (long long)luaL_checknumber(L, 3);
  int next = lua_isnoneornil(L, 4) ? -1 : way_argument(L, 4);
  long long after = next < 0 ? 0 : (long long)luaL_checknumber(L, 5);
  pthread_mutex_lock(&p->lock);
  p->cut[way] = bytes;
  if (next >= 0) p->next[next] = after;
  pthread_mutex_unlock(&p->lock);
  return 0;
}

/* proxy:limit(bytes a second): a slow link, each way of each connection; before the first one comes */
static int limit(lua_State *L) {
  proxy *p = check(L);
  p->rate = (long)luaL_checkinteger(L, 2);
  narrow(p, p->listener);
  return 0;
}

/* proxy:cuts() -> how many there were */
static int cuts(lua_State *L) {
  proxy *p = check(L);
  pthread_mutex_lock(&p->lock);
  lua_pushinteger(L, (lua_Integer)p->cuts);
  pthread_mutex_unlock(&p->lock);
  return 1;
}

/* proxy:passed("up" | "down") -> bytes */
static int passed(lua_State *L) {
  proxy *p = check(L);
  int way = way_argument(L, 2);
  pthread_mutex_lock(&p->lock);
  lua_pushnumber(L, (lua_Number)p->passed[way]);
  pthread_mutex_unlock(&p->lock);
  return 1;
}

/* proxy:flush(): the trace is in its file as far as it goes */
static int flush(lua_State *L) {
  proxy *p = check(L);
  pthread_mutex_lock(&p->lock);
  if (p->trace) fflush(p->trace);
  pthread_mutex_unlock(&p->lock);
  return 0;
}

int luaopen_proxy_probe(lua_State *L) {
  static const luaL_Reg methods[] = {{"cut", cut},     {"cuts", cuts},         {"passed", passed},    {"flush", flush},
                                     {"limit", limit}, {"close", close_proxy}, {"__gc", close_proxy}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"start", start}, {NULL, NULL}};
  luaL_newmetatable(L, class_name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
