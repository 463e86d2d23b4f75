/* A set of subscriptions through any sequence of calls, and a broker that answers as it likes. */
#include "core/subscriptions.h"

#include "bytes.h"
#include "core/topic.h"
#include "work.h"

enum { WISHES = 16, MANY = 4096 };

/* Few filters, so that wishes share them. */
static hf_bytes take_filter(bytes *from) {
  static const char *const filters[] = {"a",          "a/b",    "a/+",   "#",        "+/b",           "$share/g/a",
                                        "$share/g/#", "$SYS/#", "b/c/d", "$queue/a", "$exclusive/+/b"};
  const char *chosen = filters[take_byte(from) % (sizeof filters / sizeof filters[0])];
  return (hf_bytes){chosen, strlen(chosen)};
}

static void match(hf_subscriptions *set, bytes *from, const bool *there) {
  static const char *const topics[] = {"a", "a/b", "x", "$SYS/x", "b/c/d"};
  const char *topic = topics[take_byte(from) % (sizeof topics / sizeof topics[0])];
  uint32_t identifiers[MANY], wishes[WISHES + 1];
  size_t count = take_byte(from) % 4u, room = take_byte(from) % (WISHES + 1u);
  for (size_t i = 0; i < count; i++)
    identifiers[i] = take_byte(from) % 32u;
  if (count == 3 && take_byte(from) % 8 == 0) /* or a crowd of them, step by step */
    for (uint32_t step = identifiers[0] % 4; count < MANY; count++)
      identifiers[count] = identifiers[count - 1] + step;
  wishes[room] = 0xABCDEF;
  size_t found = 0, length = strlen(topic);
  linear(length + count + 2 * hf_subscriptions_wishes(set),
         found = hf_subscriptions_match(set, (hf_bytes){topic, length}, identifiers, count, wishes, room));
  promise(wishes[room] == 0xABCDEF);
  promise(found <= hf_subscriptions_wishes(set));
  for (size_t i = 0; i < found && i < room; i++) {
    promise(wishes[i] < WISHES && there[wishes[i]]);
    for (size_t j = 0; j < i; j++)
      promise(wishes[i] != wishes[j]);
  }
}

typedef struct crowd {
  const bool *there;
  size_t told;
} crowd;

static void hear(void *context, hf_subscription_verdict verdict) {
  crowd *who = context;
  promise(verdict.wish < WISHES && who->there[verdict.wish]);
  promise(verdict.first == (verdict.answer != NULL));
  free(verdict.answer);
  who->told++;
}

/* Whatever has happened, a broker that answers everything leaves no wish without a verdict. */
static void settle(hf_subscriptions *set, const bool *there, size_t count) {
  crowd all = {there, 0};
  hf_subscription_request request;
  hf_subscriptions_connected(set, false);
  while (hf_subscriptions_next(set, &request)) {
    hf_subscription_request oldest;
    promise(hf_subscriptions_unanswered(set, &oldest) == 1 && oldest.ticket == request.ticket);
    hf_subscriptions_answer(set, request.ticket, request.guilty, hear, &all);
  }
  promise(hf_subscriptions_settled(set));
  promise(hf_subscriptions_refused(set) + hf_subscriptions_confirmed(set) == count);
}

static void add(hf_subscriptions *set, uint32_t number, bytes *from) {
  hf_bytes filter = take_filter(from);
  hf_wish_options options = {
      .qos = take_byte(from) % 3, .retain_handling = take_byte(from) % 3, .identifier = take_byte(from) % 8};
  hf_wish *wish = hf_wish_new(filter, options, NULL);
  promise(wish != NULL);
  hf_wish_owe(wish, calloc(1, sizeof(hf_mail)));
  hf_subscriptions_add(set, number, wish);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bytes from = {data, size};
  hf_subscriptions *set = hf_subscriptions_new();
  bool there[WISHES] = {false};
  uint32_t tickets[8] = {0}, last = 0;
  size_t count = 0;
  while (from.left) {
    uint32_t wish = take_byte(&from) % WISHES;
    hf_subscription_request request;
    switch (take_byte(&from) % 8) {
    case 0:
    case 1:
      if (there[wish]) break;
      add(set, wish, &from);
      there[wish] = true;
      count++;
      break;
    case 2:
      promise(hf_subscriptions_remove(set, wish) == there[wish]);
      count -= there[wish];
      there[wish] = false;
      break;
    case 3:
      hf_subscriptions_connected(set, take_byte(&from) % 2);
      break;
    case 4:
      if (wish % 2) hf_subscriptions_blame(set, 0x8F);
      hf_subscriptions_lost(set);
      break;
    case 5:
      if (!hf_subscriptions_next(set, &request)) break;
      promise(!hf_topic_filter_problem(request.filter) && request.options.qos <= 2);
      tickets[last++ % 8] = request.ticket;
      break;
    case 6: {
      uint32_t ticket = take_byte(&from) % 4 ? tickets[take_byte(&from) % 8] : take_number(&from);
      uint8_t code = take_byte(&from);
      crowd heard = {there, 0};
      hf_subscriptions_answer(set, ticket, code, hear, &heard);
      promise(heard.told <= count);
      break;
    }
    default:
      match(set, &from, there);
    }
    promise(hf_subscriptions_wishes(set) == count);
    promise(hf_subscriptions_refused(set) + hf_subscriptions_confirmed(set) <= count);
  }
  settle(set, there, count);
  hf_subscriptions_free(set);
  return 0;
}
