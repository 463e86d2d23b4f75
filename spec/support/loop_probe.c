/* loop_probe: csrc/sys/loop and pollset by themselves, as the Lua module `loop_probe`.
 *
 *   local loop = probe.loop()         -- on the real clock; probe.loop(true) has no descriptors, and the time it is
 * told loop:turn(100)                    -- fires, runs and waits for at most so many ms -> events
 *   loop:timer(fn):set(due)           -- fn(now)
 *   loop:task(fn):later()
 *   loop:watch(descriptor, "rw", fn)  -- fn("r" and "w" and "f", for failed)
 *
 * Call on the thread of the lua_State.
 */
#define _GNU_SOURCE
#include "loop_probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/clock.h"

static const char *const timer_name = "loop_probe.timer", *const task_name = "loop_probe.task",
                         *const watch_name = "loop_probe.watch";

typedef struct probe_timer {
  hf_timer timer;
  hf_probe_loop *loop;
  int function;
} probe_timer;

typedef struct probe_task {
  hf_task task;
  hf_probe_loop *loop;
  int function;
} probe_task;

typedef struct probe_watch {
  hf_watch watch;
  hf_probe_loop *loop;
  int function;
} probe_watch;

static int failed(lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  return 2;
}

/* ---- the loop ---- */

static int new_loop(lua_State *L) {
  bool virtual = lua_toboolean(L, 1);
  hf_probe_loop *self = hf_lua_newuserdata(L, sizeof *self);
  hf_loop_init(&self->loop, NULL);
  self->problem = LUA_NOREF;
  luaL_setmetatable(L, HF_PROBE_LOOP);
  if (virtual) return 1;
  self->loop.pollset = hf_pollset_new();
  if (!self->loop.pollset) return failed(L);
  self->loop.now = hf_clock_ms();
  return 1;
}

static int loop_gc(lua_State *L) {
  hf_probe_loop *self = hf_probe_loop_check(L, 1);
  hf_pollset_free(self->loop.pollset);
  self->loop.pollset = NULL;
  return 0;
}

static int throw_problem(lua_State *L, hf_probe_loop *self, int results) {
  if (self->problem == LUA_NOREF) return results;
  hf_lua_rawgeti(L, LUA_REGISTRYINDEX, self->problem);
  luaL_unref(L, LUA_REGISTRYINDEX, self->problem);
  self->problem = LUA_NOREF;
  return lua_error(L);
}

static int turn(lua_State *L) {
  hf_probe_loop *self = hf_probe_loop_check(L, 1);
  int64_t most = (int64_t)luaL_optnumber(L, 2, 0);
  self->state = L;
  self->loop.now = hf_clock_ms();
  hf_loop_fire(&self->loop);
  hf_loop_run(&self->loop);
  int64_t due = hf_loop_due(&self->loop), until = self->loop.now + most;
  unsigned events = hf_pollset_wait(self->loop.pollset, due < until ? due : until, &self->loop.now);
  self->loop.now = hf_clock_ms();
  lua_pushinteger(L, (lua_Integer)events);
  return throw_problem(L, self, 1);
}

static int at(lua_State *L) { /* loop:at(now): fires what is due then */
  hf_probe_loop *self = hf_probe_loop_check(L, 1);
  self->state = L;
  self->loop.now = (int64_t)luaL_checknumber(L, 2);
  hf_loop_fire(&self->loop);
  return throw_problem(L, self, 0);
}

static int run(lua_State *L) { /* loop:run() -> whether tasks wait */
  hf_probe_loop *self = hf_probe_loop_check(L, 1);
  self->state = L;
  lua_pushboolean(L, hf_loop_run(&self->loop));
  return throw_problem(L, self, 1);
}

static int due(lua_State *L) { /* loop:due() -> ms | nil */
  int64_t when = hf_loop_due(&hf_probe_loop_check(L, 1)->loop);
  if (when == INT64_MAX) return 0;
  hf_lua_pushint64(L, when);
  return 1;
}

static int spend(lua_State *L) { /* loop:spend(us), as a costly task does -> how much it is by now, in this turn */
  hf_loop *loop = &hf_probe_loop_check(L, 1)->loop;
  loop->spent += (int64_t)luaL_checknumber(L, 2);
  hf_lua_pushint64(L, loop->spent);
  return 1;
}

static int descriptor(lua_State *L) {
  lua_pushinteger(L, hf_pollset_descriptor(hf_probe_loop_check(L, 1)->loop.pollset));
  return 1;
}

/* What lives on a loop, which calls the function at index 2: neither is collected before the state ends. */
static void *make(lua_State *L, size_t size, const char *name, int *function) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  *function = luaL_ref(L, LUA_REGISTRYINDEX);
  void *self = hf_lua_newuserdata(L, size);
  memset(self, 0, size);
  luaL_setmetatable(L, name);
  lua_pushvalue(L, 1);
  luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, -1);
  luaL_ref(L, LUA_REGISTRYINDEX);
  return self;
}

/* ---- timers ---- */

static void fire(hf_timer *timer, int64_t now) {
  probe_timer *self = (probe_timer *)timer;
  hf_lua_pushint64(self->loop->state, now);
  hf_probe_loop_call(self->loop, self->function, 1);
}

static int new_timer(lua_State *L) {
  int function;
  hf_probe_loop *loop = hf_probe_loop_check(L, 1);
  probe_timer *self = make(L, sizeof *self, timer_name, &function);
  *self = (probe_timer){.timer = {.fire = fire}, .loop = loop, .function = function};
  return 1;
}

static int timer_set(lua_State *L) {
  probe_timer *self = luaL_checkudata(L, 1, timer_name);
  hf_loop_set(&self->loop->loop, &self->timer, lua_isnoneornil(L, 2) ? INT64_MAX : (int64_t)luaL_checknumber(L, 2));
  return 0;
}

static int timer_stop(lua_State *L) {
  probe_timer *self = luaL_checkudata(L, 1, timer_name);
  hf_loop_stop(&self->loop->loop, &self->timer);
  return 0;
}

/* ---- tasks ---- */

static void run_task(hf_task *task) {
  probe_task *self = (probe_task *)task;
  hf_probe_loop_call(self->loop, self->function, 0);
}

static int new_task(lua_State *L) {
  int function;
  hf_probe_loop *loop = hf_probe_loop_check(L, 1);
  probe_task *self = make(L, sizeof *self, task_name, &function);
  *self = (probe_task){.task = {.run = run_task}, .loop = loop, .function = function};
  return 1;
}

static int task_later(lua_State *L) {
  probe_task *self = luaL_checkudata(L, 1, task_name);
  hf_loop_later(&self->loop->loop, &self->task);
  return 0;
}

static int task_cancel(lua_State *L) {
  probe_task *self = luaL_checkudata(L, 1, task_name);
  hf_loop_cancel(&self->loop->loop, &self->task);
  return 0;
}

/* ---- watches ---- */

static void ready(hf_watch *watch, unsigned events) {
  probe_watch *self = (probe_watch *)watch;
  lua_pushfstring(self->loop->state, "%s%s%s", events & HF_POLL_READ ? "r" : "", events & HF_POLL_WRITE ? "w" : "",
                  events & HF_POLL_FAILED ? "f" : "");
  hf_probe_loop_call(self->loop, self->function, 1);
}

static unsigned check_events(lua_State *L, int index) {
  const char *letters = luaL_checkstring(L, index);
  return (strchr(letters, 'r') ? HF_POLL_READ : 0u) | (strchr(letters, 'w') ? HF_POLL_WRITE : 0u);
}

static int new_watch(lua_State *L) { /* loop:watch(fn, descriptor, events) -> watch */
  int function;
  hf_probe_loop *loop = hf_probe_loop_check(L, 1);
  int of = (int)luaL_checkinteger(L, 3);
  unsigned events = check_events(L, 4);
  probe_watch *self = make(L, sizeof *self, watch_name, &function);
  *self = (probe_watch){.watch = {.ready = ready, .descriptor = -1}, .loop = loop, .function = function};
  if (!hf_pollset_add(loop->loop.pollset, &self->watch, of, events)) return failed(L);
  return 1;
}

static int watch_change(lua_State *L) {
  probe_watch *self = luaL_checkudata(L, 1, watch_name);
  hf_pollset_change(self->loop->loop.pollset, &self->watch, check_events(L, 2));
  return 0;
}

static int watch_remove(lua_State *L) {
  probe_watch *self = luaL_checkudata(L, 1, watch_name);
  hf_pollset_remove(self->loop->loop.pollset, &self->watch);
  return 0;
}

/* ---- descriptors ---- */

static int pair(lua_State *L) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return failed(L);
  lua_pushinteger(L, ends[0]);
  lua_pushinteger(L, ends[1]);
  return 2;
}

static int put(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  lua_pushinteger(L, (lua_Integer)write((int)luaL_checkinteger(L, 1), bytes, length));
  return 1;
}

static int close_one(lua_State *L) {
  lua_pushboolean(L, close((int)luaL_checkinteger(L, 1)) == 0);
  return 1;
}

static int duplicate(lua_State *L) {
  lua_pushinteger(L, dup((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* descriptors() -> how many this process has open, how many of them a program that it becomes would get */
static int descriptors(lua_State *L) {
  int all = 0, inherited = 0;
  DIR *folder = opendir("/proc/self/fd");
  if (!folder) return failed(L);
  for (const struct dirent *entry; (entry = readdir(folder));) {
    int one = (int)strtol(entry->d_name, NULL, 10);
    if (entry->d_name[0] == '.' || one == dirfd(folder)) continue;
    all++;
    inherited += one > 2 && !(fcntl(one, F_GETFD) & FD_CLOEXEC);
  }
  closedir(folder);
  lua_pushinteger(L, all);
  lua_pushinteger(L, inherited);
  return 2;
}

static void type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  if (gc) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
}

int luaopen_loop_probe(lua_State *L);

int luaopen_loop_probe(lua_State *L) {
  static const luaL_Reg loop_methods[] = {
      {"turn", turn},       {"at", at},         {"run", run},         {"due", due},
      {"timer", new_timer}, {"task", new_task}, {"watch", new_watch}, {"descriptor", descriptor},
      {"spend", spend},     {NULL, NULL}};
  static const luaL_Reg timer_methods[] = {{"set", timer_set}, {"stop", timer_stop}, {NULL, NULL}};
  static const luaL_Reg task_methods[] = {{"later", task_later}, {"cancel", task_cancel}, {NULL, NULL}};
  static const luaL_Reg watch_methods[] = {{"change", watch_change}, {"remove", watch_remove}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"loop", new_loop},   {"pair", pair},           {"write", put},
                                       {"close", close_one}, {"duplicate", duplicate}, {"descriptors", descriptors},
                                       {NULL, NULL}};
  type(L, HF_PROBE_LOOP, loop_methods, loop_gc);
  type(L, timer_name, timer_methods, NULL);
  type(L, task_name, task_methods, NULL);
  type(L, watch_name, watch_methods, NULL);
  luaL_newlib(L, functions);
  return 1;
}
