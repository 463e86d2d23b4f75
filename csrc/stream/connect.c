#define _GNU_SOURCE
#include "stream/connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/uri.h"
#include "sys/tcp_socket.h"

enum { AGAIN = 20 /* ms */ };

typedef struct attempt {
  hf_watch watch; /* in the set while it is under way */
  hf_connect *race;
  union {
    struct sockaddr head;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
  } address;
  socklen_t length;
  int error;    /* it is known already that this one leads nowhere */
  bool crowded; /* nobody has been accepted there of those who stand in line, and the line is full */
  char text[HF_URI_SOCKET + 1];
} attempt;

struct hf_connect {
  hf_loop *loop;
  hf_connect_watcher watcher;
  hf_timer timer; /* of the next attempt */
  hf_task task;   /* nothing could be begun: that is told later */
  int error;
  size_t next, under_way, count;
  uint16_t port;
  char text[200];
  attempt attempts[];
};

/* ---- the addresses and their order ---- */

static void read_path(attempt *to, const char *path) {
  struct sockaddr_un *address = &to->address.path;
  size_t length = strlen(path);
  address->sun_family = AF_UNIX;
  if (length < sizeof address->sun_path)
    memcpy(address->sun_path, path, length + 1);
  else
    to->error = ENAMETOOLONG;
  to->length = sizeof *address;
}

static void read_address(attempt *to, const char *text, uint16_t port) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
  struct addrinfo *found = NULL;
  to->watch.descriptor = -1;
  snprintf(to->text, sizeof to->text, "%s", text);
  if (text[0] == '/') {
    read_path(to, text);
    return;
  }
  if (getaddrinfo(text, NULL, &hints, &found) != 0) {
    to->error = strchr(text, '%') ? ENODEV : EINVAL;
    to->address.head.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return;
  }
  to->length = found->ai_addrlen;
  memcpy(&to->address, found->ai_addr, found->ai_addrlen);
  if (to->address.head.sa_family == AF_INET6)
    to->address.v6.sin6_port = htons(port);
  else
    to->address.v4.sin_port = htons(port);
  freeaddrinfo(found);
}

/* Families take turns for as long as there are both; within one the resolver's order stays (RFC 8305 section 4). */
static void take_turns(attempt *attempts, size_t count) {
  for (size_t i = 1; i < count; i++) {
    size_t other = i;
    while (other < count && attempts[other].address.head.sa_family == attempts[i - 1].address.head.sa_family)
      other++;
    if (other == count) return;
    attempt next = attempts[other];
    memmove(attempts + i + 1, attempts + i, (other - i) * sizeof *attempts);
    attempts[i] = next;
  }
}

/* ---- the race ---- */

static void inspect(const hf_connect *race, const attempt *one, const char *state, const char *problem) {
  hf_inspect_address(race->watcher.inspector, one->text, race->port, false, state, problem);
}

/* The further it came, the more it tells. */
static int rank(int error) {
  switch (hf_socket_reason(error)) {
  case HF_NETWORK_REFUSED:
  case HF_NETWORK_RESET:
  case HF_NETWORK_PERMISSION_DENIED:
    return 3;
  case HF_NETWORK_TIMED_OUT:
    return 2;
  case HF_NETWORK_UNREACHABLE:
    return 1;
  case HF_NETWORK_CONNECT_FAILED:
  case HF_NETWORK_NAME_NOT_FOUND:
  case HF_NETWORK_NAME_SERVER_FAILING:
  case HF_NETWORK_CLOSED_BEFORE_CONNACK:
  case HF_NETWORK_CONNECTION_LOST:
  case HF_NETWORK_PROXY_VARIABLE:
  case HF_NETWORK_SOCKET_NOT_FOUND:
    break;
  }
  return 0;
}

static void note(hf_connect *race, const attempt *failed, int error) {
  size_t used = strlen(race->text);
  char words[80];
  if (!race->error || rank(error) > rank(race->error)) race->error = error;
  const char *problem = strerror_r(error, words, sizeof words);
  snprintf(race->text + used, sizeof race->text - used, "%s%s: %s", used ? "; " : "", failed->text, problem);
  inspect(race, failed, "failed", problem);
}

static void leave(hf_connect *race, attempt *one) {
  int descriptor = one->watch.descriptor;
  hf_pollset_remove(race->loop->pollset, &one->watch);
  hf_socket_close(descriptor);
  race->under_way--;
}

static bool begin(hf_connect *race, attempt *one) {
  inspect(race, one, "tried", NULL);
  int descriptor = one->error ? -1 : hf_socket_connect(&one->address.head, one->length);
  if (descriptor < 0) {
    int error = one->error ? one->error : errno;
    one->crowded = error == EAGAIN && one->address.head.sa_family == AF_UNIX;
    if (!one->crowded) note(race, one, error);
    return false;
  }
  if (hf_pollset_add(race->loop->pollset, &one->watch, descriptor, HF_POLL_WRITE)) return true;
  note(race, one, errno);
  hf_socket_close(descriptor);
  return false;
}

/* False: there are no more. A unix socket has no way to be told of when its line is shorter, other than to ask. */
static bool begin_next(hf_connect *race) {
  hf_loop_stop(race->loop, &race->timer);
  while (race->next < race->count) {
    attempt *one = &race->attempts[race->next];
    if (!begin(race, one) && one->crowded) {
      hf_loop_set(race->loop, &race->timer, race->loop->now + AGAIN);
      return true;
    }
    race->next++;
    if (one->watch.descriptor < 0) continue;
    race->under_way++;
    if (race->next < race->count) hf_loop_set(race->loop, &race->timer, race->loop->now + HF_CONNECT_STAGGER);
    return true;
  }
  return false;
}

static void lose(hf_connect *race) {
  race->watcher.done(race->watcher.owner, -1);
}

static void win(hf_connect *race, attempt *one) {
  int descriptor = one->watch.descriptor;
  hf_pollset_remove(race->loop->pollset, &one->watch);
  race->under_way--;
  inspect(race, one, "connected", NULL);
  race->watcher.done(race->watcher.owner, descriptor);
}

static void ready(hf_watch *watch, unsigned events) {
  attempt *one = (attempt *)((char *)watch - offsetof(attempt, watch));
  hf_connect *race = one->race;
  int error = hf_socket_error(watch->descriptor);
  if (!error && (events & HF_POLL_WRITE)) {
    win(race, one);
    return;
  }
  leave(race, one);
  note(race, one, error ? error : ECONNABORTED);
  if (!begin_next(race) && race->under_way == 0) lose(race);
}

static void fire(hf_timer *timer, int64_t now) {
  hf_connect *race = (hf_connect *)((char *)timer - offsetof(hf_connect, timer));
  (void)now;
  if (!begin_next(race) && race->under_way == 0) lose(race);
}

static void give_up(hf_task *task) {
  lose((hf_connect *)((char *)task - offsetof(hf_connect, task)));
}

hf_connect *hf_connect_begin(hf_loop *loop, const char *const *addresses, size_t count, uint16_t port,
                             hf_connect_watcher watcher) {
  hf_connect *race = calloc(1, sizeof *race + count * sizeof *race->attempts);
  if (!race) return NULL;
  race->loop = loop;
  race->watcher = watcher;
  race->timer.fire = fire;
  race->task.run = give_up;
  race->count = count;
  race->port = port;
  for (size_t i = 0; i < count; i++)
    read_address(&race->attempts[i], addresses[i], port);
  take_turns(race->attempts, count);
  for (size_t i = 0; i < count; i++) {
    race->attempts[i].race = race;
    race->attempts[i].watch.ready = ready;
  }
  if (!begin_next(race)) hf_loop_later(loop, &race->task);
  return race;
}

void hf_connect_free(hf_connect *race) {
  if (!race) return;
  for (attempt *one = race->attempts; one < race->attempts + race->next; one++)
    if (one->watch.descriptor >= 0) leave(race, one);
  hf_loop_stop(race->loop, &race->timer);
  hf_loop_cancel(race->loop, &race->task);
  free(race);
}

int hf_connect_error(const hf_connect *race) {
  return race->error;
}

const char *hf_connect_text(const hf_connect *race) {
  return race->text;
}
