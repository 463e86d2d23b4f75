/* process_probe: child processes, ports, folders and time for specs, as the Lua module `process_probe`.
 *
 * Children get none of our descriptors (a broker must not hold a client's sockets
 * open) and die with the thread that started them. Times are milliseconds. Call
 * on the thread of the lua_State.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lua/compat.h"
#include "sys/clock.h"
#include "sys/entropy.h"

enum { MOST_ARGUMENTS = 64 };

static int failed(lua_State *L, const char *what) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, strerror(errno));
  return 2;
}

static void sleep_ms(int64_t ms) {
  struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR)
    continue;
}

static _Noreturn void become(char *const *arguments, int output, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  int null = open("/dev/null", O_RDWR);
  dup2(null, 0);
  dup2(output >= 0 ? output : null, 1);
  dup2(output >= 0 ? output : null, 2);
  close_range(3, ~0U, 0);
  execvp(arguments[0], arguments);
  _exit(127);
}

/* spawn({ program, argument ... }[, file for its output]) -> pid; the file is there from then on */
static int spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *path = luaL_optstring(L, 2, NULL);
  char *arguments[MOST_ARGUMENTS + 1] = {NULL};
  size_t count = hf_lua_length(L, 1);
  luaL_argcheck(L, count >= 1 && count <= MOST_ARGUMENTS, 1, "1 to 64 words wanted");
  for (size_t i = 0; i < count; i++) {
    hf_lua_rawgeti(L, 1, (int)i + 1); /* left on the stack, so that the strings live */
    arguments[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
  }
  pid_t parent = getpid();
  int output = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
  if (path && output < 0) return failed(L, path);
  pid_t pid = fork();
  if (pid == 0) become(arguments, output, parent);
  if (output >= 0) close(output);
  if (pid < 0) return failed(L, "fork");
  lua_pushinteger(L, pid);
  return 1;
}

/* fork(function) -> pid of a child that ends with the status which the function returns, and does nothing more */
static int fork_with(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  pid_t pid = fork();
  if (pid < 0) return failed(L, "fork");
  if (pid == 0) {
    alarm(20); /* it may hang */
    lua_settop(L, 1);
    _exit(lua_pcall(L, 0, 1, 0) == 0 ? (int)lua_tointeger(L, -1) : 127);
  }
  lua_pushinteger(L, pid);
  return 1;
}

/* kill(pid, "KILL" | "TERM" | "STOP" | "CONT" | "HUP" | "USR1" | "QUIT" | "INT") -> true */
static int send_signal(lua_State *L) {
  static const char *const names[] = {"KILL", "TERM", "STOP", "CONT", "HUP", "USR1", "QUIT", "INT", NULL};
  static const int signals[] = {SIGKILL, SIGTERM, SIGSTOP, SIGCONT, SIGHUP, SIGUSR1, SIGQUIT, SIGINT};
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  luaL_argcheck(L, pid > 1, 1, "a child's process id wanted");
  if (kill(pid, signals[luaL_checkoption(L, 2, NULL, names)]) != 0) return failed(L, "kill");
  lua_pushboolean(L, true);
  return 1;
}

/* wait(pid[, timeout]) -> "exited", status | "signaled", signal | nil, "timeout" */
static int wait_for(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  int64_t deadline = hf_clock_ms() + (int64_t)luaL_optinteger(L, 2, 0);
  for (;;) {
    int status;
    pid_t done = waitpid(pid, &status, WNOHANG);
    if (done < 0) return failed(L, "waitpid");
    if (done == pid) {
      lua_pushstring(L, WIFSIGNALED(status) ? "signaled" : "exited");
      lua_pushinteger(L, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
      return 2;
    }
    if (hf_clock_ms() >= deadline) break;
    sleep_ms(2);
  }
  lua_pushnil(L);
  lua_pushliteral(L, "timeout");
  return 2;
}

static int loopback_socket(struct sockaddr_in *address, uint16_t port) {
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* free_port() -> port. Below the range that the kernel gives to outgoing connections: a client that keeps calling a
 * closed port inside that range may one day reach itself. */
static int free_port(lua_State *L) {
  for (int i = 0; i < 1000; i++) {
    struct sockaddr_in address;
    uint16_t port = (uint16_t)(20000 + hf_entropy() % 12000);
    int s = loopback_socket(&address, port);
    if (s < 0) return failed(L, "socket");
    int free = bind(s, (struct sockaddr *)&address, sizeof address) == 0;
    close(s);
    if (free) {
      lua_pushinteger(L, port);
      return 1;
    }
  }
  return luaL_error(L, "no free port found");
}

/* listens(port) -> whether 127.0.0.1 accepts connections there */
static int listens(lua_State *L) {
  struct sockaddr_in address;
  int s = loopback_socket(&address, (uint16_t)luaL_checkinteger(L, 1));
  if (s < 0) return failed(L, "socket");
  lua_pushboolean(L, connect(s, (struct sockaddr *)&address, sizeof address) == 0);
  close(s);
  return 1;
}

static int sleep_for(lua_State *L) {
  sleep_ms((int64_t)luaL_checknumber(L, 1));
  return 0;
}

static int now(lua_State *L) {
  hf_lua_pushint64(L, hf_clock_ms());
  return 1;
}

/* temporary_folder() -> path of a new, private one */
static int temporary_folder(lua_State *L) {
  char path[] = "/tmp/holdfast-spec-XXXXXX";
  if (!mkdtemp(path)) return failed(L, "mkdtemp");
  lua_pushstring(L, path);
  return 1;
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where) {
  (void)about, (void)type, (void)where;
  return remove(path);
}

/* remove_folder(path) -> true; only what temporary_folder made */
static int remove_folder(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  luaL_argcheck(L, strncmp(path, "/tmp/holdfast-spec-", 19) == 0 && !strchr(path + 19, '/'), 1,
                "not a folder of temporary_folder");
  if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) return failed(L, path);
  lua_pushboolean(L, true);
  return 1;
}

/* self() -> process id, threads, open descriptors, CPU ms, resident KiB at its highest: of the calling process */
static int self(lua_State *L) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  lua_pushinteger(L, getpid());
  static const char *const lists[] = {"/proc/self/task", "/proc/self/fd"};
  for (size_t i = 0; i < 2; i++) {
    int count = 0;
    DIR *folder = opendir(lists[i]);
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
      count += entry->d_name[0] != '.';
    if (folder) closedir(folder);
    lua_pushinteger(L, i == 1 ? count - 1 : count); /* the folder's own descriptor */
  }
  lua_pushnumber(L, (lua_Number)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
                        (lua_Number)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3);
  lua_pushinteger(L, usage.ru_maxrss);
  return 5;
}

/* heap() -> bytes that malloc has handed out and not got back, of all threads. Unlike resident memory, it does not
 * hang on where the last ones lay. */
static int heap(lua_State *L) {
  struct mallinfo2 now = mallinfo2();
  lua_pushnumber(L, (lua_Number)(now.uordblks + now.hblkhd));
  return 1;
}

/* own_network() -> true: the calling thread, and those and the processes that it makes from now on, have a network that
 * nobody else has */
static int own_network(lua_State *L) {
  if (unshare(CLONE_NEWNET) != 0) return failed(L, "unshare");
  lua_pushboolean(L, true);
  return 1;
}

int luaopen_process_probe(lua_State *L) {
  static const luaL_Reg functions[] = {{"spawn", spawn},
                                       {"fork", fork_with},
                                       {"kill", send_signal},
                                       {"wait", wait_for},
                                       {"free_port", free_port},
                                       {"listens", listens},
                                       {"sleep", sleep_for},
                                       {"now", now},
                                       {"temporary_folder", temporary_folder},
                                       {"remove_folder", remove_folder},
                                       {"own_network", own_network},
                                       {"self", self},
                                       {"heap", heap},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
