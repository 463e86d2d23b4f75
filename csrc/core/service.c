#include "core/service.h"

#include <string.h>

#include "core/random.h"

enum { LONGEST_TTL = 24 * 60 * 60 /* s */ };

static bool is_name(const char *host) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  size_t length = strlen(host);
  return length > 0 && length <= HF_SERVICE_HOST && strspn(host, letters) == length;
}

void hf_service_add(hf_service *service, const char *host, hf_service_server numbers, uint32_t ttl) {
  if (strcmp(host, ".") == 0 || *host == '\0') {
    service->absent = true;
    return;
  }
  if (service->count == HF_SERVICE_SERVERS || numbers.port == 0 || !is_name(host)) return;
  if (ttl > LONGEST_TTL) ttl = LONGEST_TTL;
  if (service->count == 0 || ttl < service->ttl) service->ttl = ttl;
  hf_service_server *server = &service->servers[service->count++];
  *server = numbers;
  memcpy(server->host, host, strlen(host) + 1);
}

static void swap(hf_service_server *one, hf_service_server *other) {
  hf_service_server kept = *one;
  *one = *other;
  *other = kept;
}

/* Those without a weight first, so that one of them has a chance at all: it is drawn by a 0 alone. */
static bool goes_before(const hf_service_server *one, const hf_service_server *other) {
  if (one->priority != other->priority) return one->priority < other->priority;
  return one->weight == 0 && other->weight > 0;
}

static void sort(hf_service_server *servers, size_t count) {
  for (size_t i = 1; i < count; i++)
    for (size_t at = i; at > 0 && goes_before(&servers[at], &servers[at - 1]); at--)
      swap(&servers[at], &servers[at - 1]);
}

/* One of those of the first one's priority, which the others keep their order behind. */
static void draw(hf_service_server *servers, size_t count, uint64_t *random) {
  uint32_t sum = 0, running = 0;
  for (size_t i = 0; i < count && servers[i].priority == servers[0].priority; i++)
    sum += servers[i].weight;
  uint32_t drawn = hf_random_between(random, 0, sum);
  size_t chosen = 0;
  while ((running += servers[chosen].weight) < drawn)
    chosen++;
  for (size_t at = chosen; at > 0; at--)
    swap(&servers[at], &servers[at - 1]);
}

void hf_service_order(hf_service_server *servers, size_t count, uint64_t *random) {
  sort(servers, count);
  for (size_t i = 0; i + 1 < count; i++)
    draw(servers + i, count - i, random);
}

static bool is_same(const hf_service_server *one, const hf_service_server *other) {
  return one->port == other->port && strcmp(one->host, other->host) == 0;
}

static void begin_again(hf_service_walk *walk, uint64_t *random) {
  memset(walk->tried, 0, sizeof walk->tried);
  walk->next = 0;
  hf_service_order(walk->service.servers, walk->service.count, random);
}

static const hf_service_server *take(hf_service_walk *walk, uint64_t *random) {
  while (walk->next < walk->service.count && walk->tried[walk->next])
    walk->next++;
  if (walk->next == walk->service.count) begin_again(walk, random);
  walk->tried[walk->next] = true;
  return &walk->service.servers[walk->next++];
}

const hf_service_server *hf_service_next(hf_service_walk *walk, int64_t now, uint64_t *random) {
  return walk->service.count == 0 || now >= walk->until ? NULL : take(walk, random);
}

/* Whether the walk has come by there, as far as its latest answer knew of it. */
static bool was_tried(const hf_service_walk *walk, const hf_service_server *server) {
  for (size_t i = 0; i < walk->service.count; i++)
    if (walk->tried[i] && is_same(&walk->service.servers[i], server)) return true;
  return false;
}

const hf_service_server *hf_service_learn(hf_service_walk *walk, const hf_service *answer, int64_t now,
                                          uint64_t *random) {
  hf_service_walk before = *walk;
  walk->service = *answer;
  walk->until = now + (int64_t)answer->ttl * 1000;
  begin_again(walk, random);
  for (size_t i = 0; i < walk->service.count; i++)
    walk->tried[i] = was_tried(&before, &walk->service.servers[i]);
  return take(walk, random);
}

void hf_service_reached(hf_service_walk *walk) {
  memset(walk->tried, 0, sizeof walk->tried);
  walk->next = walk->service.count;
}
