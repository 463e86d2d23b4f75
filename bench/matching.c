/* matching.c: what a message, a wish and a publish that comes back cost beside many others; csrc/core alone.
 *
 *   matching count=.. rounds=..
 *
 * Prints the nanoseconds of one as `key=value` words on one line. `topic`, `identifier`: a message among `count`
 * filters with a wildcard, by its topic (MQTT 3.1.1) or with its Subscription Identifier, each of another device, so
 * that many show what the processor's caches do not hold; `again`: by its topic, of one device. `add`, `remove`: a
 * filter more among them, one less. `join`, `leave`: a wish of `count` for one filter, granted one by one. `back`: one
 * of `count` publishes that a lost connection has returned, put back into its line. One thread.
 */
#include <stdio.h>
#include <time.h>

#include "arguments.h"
#include "core/line.h"
#include "core/subscriptions.h"

static double nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double lap(double *since, long count) {
  double now = nanoseconds(), each = (now - *since) / (double)count;
  *since = now;
  return each;
}

static hf_bytes text(char memory[64], const char *format, long number) {
  int length = snprintf(memory, 64, format, number);
  return (hf_bytes){memory, (size_t)length};
}

static void hear(void *context, hf_subscription_verdict verdict) {
  (void)context, (void)verdict;
}

static void grant(hf_subscriptions *set) {
  hf_subscription_request request;
  while (hf_subscriptions_next(set, &request))
    hf_subscriptions_answer(set, request.ticket, 0, hear, NULL);
}

static void add(hf_subscriptions *set, long number, hf_bytes filter, uint8_t qos) {
  hf_wish *wish = hf_wish_new(filter, (hf_wish_options){.qos = qos}, NULL);
  if (!wish) abort();
  hf_subscriptions_add(set, (uint32_t)number, wish);
}

static void look(hf_subscriptions *set, long count, long rounds, long stride, uint32_t identifiers) {
  char memory[64];
  uint32_t wishes[4];
  for (long i = 0, device = 0; i < rounds; i++, device = (device + stride) % count) {
    uint32_t identifier = (uint32_t)device + 1;
    if (hf_subscriptions_match(set, text(memory, "device/%ld/room/state", device), &identifier, identifiers, wishes,
                               4) != 1)
      abort();
  }
}

static void filters(long count, long rounds) {
  char memory[64];
  hf_subscriptions *set = hf_subscriptions_new();
  double since = nanoseconds();
  for (long i = 0; i < count; i++)
    add(set, i, text(memory, "device/%ld/+/state", i), 0);
  printf("add=%.1f", lap(&since, count));
  look(set, count, rounds, 0, 0);
  printf(" again=%.1f", lap(&since, rounds));
  look(set, count, rounds, 7919, 0);
  printf(" topic=%.1f", lap(&since, rounds));
  look(set, count, rounds, 7919, 1);
  printf(" identifier=%.1f", lap(&since, rounds));
  for (long i = 0; i < count; i++)
    hf_subscriptions_remove(set, (uint32_t)i);
  printf(" remove=%.1f", lap(&since, count));
  hf_subscriptions_free(set);
}

static void same(long count) {
  hf_subscriptions *set = hf_subscriptions_new();
  hf_subscriptions_connected(set, false);
  double since = nanoseconds();
  for (long i = 0; i < count; i++) {
    add(set, i, (hf_bytes){"reply/to/me", 11}, 1);
    grant(set);
  }
  printf(" join=%.1f", lap(&since, count));
  for (long i = 0; i < count; i++) {
    hf_subscriptions_remove(set, (uint32_t)i);
    grant(set);
  }
  printf(" leave=%.1f", lap(&since, count));
  hf_subscriptions_free(set);
}

static void back(long count) {
  hf_publish *all = calloc((size_t)count, sizeof *all);
  hf_line line = {0};
  if (!all) abort();
  for (long i = 0; i < count; i++)
    all[i].place = (uint64_t)i;
  double since = nanoseconds();
  for (long i = 0; i < count; i++)
    hf_line_insert(&line, &all[i]);
  printf(" back=%.1f\n", lap(&since, count));
  free(all);
}

int main(int words, char **arguments) {
  (void)words;
  long count = argument(arguments, "count", 1000), rounds = argument(arguments, "rounds", 100000);
  if (count < 1) return 2;
  filters(count, rounds);
  same(count);
  back(count);
  return 0;
}
