/* socket_probe: loopback TCP, and unix paths, for specs that play the other side, as the Lua module `socket_probe`.
 *
 * Everything blocks for at most the milliseconds it was given. What nobody
 * closes is open until the process ends: a connection that the collector
 * closed would end at a moment that no spec knows. Call on the thread of the
 * lua_State.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lua/compat.h"
#include "sys/clock.h"

static const char *const class_name = "socket_probe.socket";

enum { MOST_DESCRIPTORS = 1024 };

typedef struct hf_socket {
  int descriptor;
} hf_socket;

static hf_socket *check(lua_State *L) {
  return luaL_checkudata(L, 1, class_name);
}

static int push(lua_State *L, int descriptor) {
  hf_socket *s = hf_lua_newuserdata(L, sizeof *s);
  s->descriptor = descriptor;
  luaL_setmetatable(L, class_name);
  return 1;
}

static int failed(lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  return 2;
}

/* What could not be listened on or connected, on the top of the stack. */
static int not_to_be_had(lua_State *L) {
  int error = errno;
  hf_socket *s = lua_touserdata(L, -1);
  close(s->descriptor);
  s->descriptor = -1;
  errno = error;
  return failed(L);
}

static bool readable(int descriptor, int64_t deadline) {
  int64_t left = deadline - hf_clock_ms();
  struct pollfd watched = {.fd = descriptor, .events = POLLIN};
  return poll(&watched, 1, left > 0 ? (int)left : 0) > 0;
}

/* listen([port[, backlog[, address[, receive buffer]]]]) -> socket, port; of 127.0.0.1 unless told */
static int listen_on(lua_State *L) {
  in_port_t port = htons((uint16_t)luaL_optinteger(L, 1, 0));
  const char *text = luaL_optstring(L, 3, "127.0.0.1");
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = port};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = port};
  bool is_six = inet_pton(AF_INET6, text, &six.sin6_addr) == 1;
  luaL_argcheck(L, is_six || inet_pton(AF_INET, text, &four.sin_addr) == 1, 3, "an address expected");
  struct sockaddr *address = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
  socklen_t length = is_six ? sizeof six : sizeof four;
  int one = 1, backlog = (int)luaL_optinteger(L, 2, 16), small = (int)luaL_optinteger(L, 4, 0);
  int s = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s < 0) return failed(L);
  push(L, s);
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (small) setsockopt(s, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (bind(s, address, length) != 0 || listen(s, backlog) != 0 || getsockname(s, address, &length) != 0)
    return not_to_be_had(L);
  lua_pushinteger(L, ntohs(is_six ? six.sin6_port : four.sin_port));
  return 2;
}

/* listen_path(path[, backlog]) -> socket */
static int listen_on_path(lua_State *L) {
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  int backlog = (int)luaL_optinteger(L, 2, 16);
  strncpy(path.sun_path, luaL_checkstring(L, 1), sizeof path.sun_path - 1);
  int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s < 0) return failed(L);
  push(L, s);
  if (bind(s, (struct sockaddr *)&path, sizeof path) != 0 || listen(s, backlog) != 0) return not_to_be_had(L);
  return 1;
}

/* connect(port | path) -> socket */
static int connect_to(lua_State *L) {
  struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  bool is_port = lua_type(L, 1) == LUA_TNUMBER;
  if (is_port)
    port.sin_port = htons((uint16_t)luaL_checkinteger(L, 1));
  else
    strncpy(path.sun_path, luaL_checkstring(L, 1), sizeof path.sun_path - 1);
  int s = socket(is_port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s < 0) return failed(L);
  push(L, s);
  struct sockaddr *address = is_port ? (struct sockaddr *)&port : (struct sockaddr *)&path;
  if (connect(s, address, is_port ? sizeof port : sizeof path) != 0) return not_to_be_had(L);
  return 1;
}

/* socket:accept(timeout) -> socket | nil, "timeout" */
static int accept_one(lua_State *L) {
  hf_socket *s = check(L);
  if (!readable(s->descriptor, hf_clock_ms() + (int64_t)luaL_checknumber(L, 2))) {
    lua_pushnil(L);
    lua_pushliteral(L, "timeout");
    return 2;
  }
  int one = 1, accepted = accept4(s->descriptor, NULL, NULL, SOCK_CLOEXEC);
  if (accepted < 0) return failed(L);
  setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct timeval patience = {.tv_sec = 30}; /* with a client that reads nothing */
  setsockopt(accepted, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return push(L, accepted);
}

/* socket:receive(count, timeout) -> exactly count bytes | nil, "timeout" | "closed", what came instead */
static int receive(lua_State *L) {
  hf_socket *s = check(L);
  size_t wanted = (size_t)luaL_checkinteger(L, 2), got = 0;
  int64_t deadline = hf_clock_ms() + (int64_t)luaL_checknumber(L, 3);
  char *bytes = hf_lua_newuserdata(L, wanted + 1);
  const char *why = NULL;
  while (got < wanted && !why) {
    ssize_t more = readable(s->descriptor, deadline) ? recv(s->descriptor, bytes + got, wanted - got, 0) : -2;
    if (more > 0)
      got += (size_t)more;
    else
      why = more == -2 ? "timeout" : "closed";
  }
  if (!why) {
    lua_pushlstring(L, bytes, got);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, why);
  lua_pushlstring(L, bytes, got);
  return 3;
}

/* socket:some(count, timeout) -> what there is, at most count bytes, as soon as there is any | nil, "timeout" |
 * "closed"
 */
static int receive_some(lua_State *L) {
  hf_socket *s = check(L);
  size_t most = (size_t)luaL_checkinteger(L, 2);
  int64_t deadline = hf_clock_ms() + (int64_t)luaL_checknumber(L, 3);
  char *bytes = hf_lua_newuserdata(L, most + 1);
  bool any = readable(s->descriptor, deadline);
  ssize_t got = any ? recv(s->descriptor, bytes, most, 0) : 0;
  if (got > 0) {
    lua_pushlstring(L, bytes, (size_t)got);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, any ? "closed" : "timeout");
  return 2;
}

/* socket:send(bytes) -> true */
static int send_bytes(lua_State *L) {
  hf_socket *s = check(L);
  size_t length, done = 0;
  const char *bytes = luaL_checklstring(L, 2, &length);
  while (done < length) {
    ssize_t more = send(s->descriptor, bytes + done, length - done, MSG_NOSIGNAL);
    if (more < 0) return failed(L);
    done += (size_t)more;
  }
  lua_pushboolean(L, true);
  return 1;
}

static int close_socket(lua_State *L) {
  hf_socket *s = check(L);
  if (s->descriptor >= 0) close(s->descriptor);
  s->descriptor = -1;
  return 0;
}

/* socket:half_close(): FIN, and reading goes on */
static int half_close(lua_State *L) {
  shutdown(check(L)->descriptor, SHUT_WR);
  return 0;
}

/* socket:reset(): RST instead of FIN */
static int reset(lua_State *L) {
  struct linger now = {.l_onoff = 1};
  setsockopt(check(L)->descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  return close_socket(L);
}

/* connected_to(port) -> how many sockets of this process are, and how many of them send small packets at once */
static int connected_to(lua_State *L) {
  uint16_t port = (uint16_t)luaL_checkinteger(L, 1);
  int all = 0, at_once = 0;
  for (int descriptor = 3; descriptor < MOST_DESCRIPTORS; descriptor++) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer, size = sizeof(int);
    int on = 0;
    if (getpeername(descriptor, (struct sockaddr *)&peer, &length) != 0 || peer.sin_family != AF_INET ||
        ntohs(peer.sin_port) != port)
      continue;
    getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, &size);
    all++;
    at_once += on != 0;
  }
  lua_pushinteger(L, all);
  lua_pushinteger(L, at_once);
  return 2;
}

int luaopen_socket_probe(lua_State *L) {
  static const luaL_Reg methods[] = {{"accept", accept_one},     {"receive", receive}, {"some", receive_some},
                                     {"send", send_bytes},       {"reset", reset},     {"close", close_socket},
                                     {"half_close", half_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"listen", listen_on},
                                       {"listen_path", listen_on_path},
                                       {"connect", connect_to},
                                       {"connected_to", connected_to},
                                       {NULL, NULL}};
  luaL_newmetatable(L, class_name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
