#include "post_race.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "keeper/admission.h"
#include "keeper/door.h"
#include "keeper/dues.h"
#include "keeper/inside.h"
#include "lua/handle.h"

enum {
  DELAYS = 256,
  BURST = 16,
  LARGE = 3000,
  ASKS = 5 /* posts, after which something else is asked for: by the number of the post before */
};

typedef struct race {
  hf_client *client;
  uint64_t posts;
  atomic_uint_fast64_t taken; /* messages */
  uint64_t fine, astray, mails, shared;
  uint64_t asked; /* for something else, so many posts before */
} race;

/* What the message of a number is; now and then one that crosses by itself. */
static hf_post message_of(uint64_t number, char payload[LARGE]) {
  int length = snprintf(payload, LARGE, "%llu", (unsigned long long)number);
  memset(payload + length, '.', LARGE - (size_t)length);
  const char *topic = number % 3 ? "a/b" : "c";
  size_t size = number % 7 ? (size_t)length : LARGE;
  return (hf_post){.topic = {topic, strlen(topic)}, .payload = {payload, size}, .ttl = -1};
}

static bool are_same(hf_bytes one, hf_bytes other) {
  return one.length == other.length && memcmp(one.data, other.data, one.length) == 0;
}

static bool is_whole(const hf_publish *publish) {
  char payload[LARGE];
  hf_post wanted = message_of(publish->id, payload);
  return are_same(publish->payload, wanted.payload) && are_same(publish->topic, wanted.topic);
}

static void take(race *between, hf_publish *publish) {
  uint64_t next = between->fine + between->astray + 1;
  bool in_turn = publish->id == next && between->asked == (next - 1) / ASKS * ASKS && is_whole(publish);
  *(in_turn ? &between->fine : &between->astray) += 1;
  hf_client_outcome(between->client, publish, false);
}

static void take_block(race *between, hf_publish_block *block) {
  unsigned count = hf_publish_block_seal(block);
  between->mails++;
  between->shared += count - 1;
  for (hf_publish *publish = hf_publish_block_first(block), *next; count > 0; count--, publish = next) {
    next = hf_publish_block_next(publish);
    take(between, publish);
  }
}

static void take_mail(race *between, hf_mail *mail) {
  if (mail->kind == HF_COMMAND_WITHDRAW) {
    between->asked = ((hf_event *)mail)->id;
    between->astray += between->asked != between->fine;
    free(mail);
  } else if (mail->kind == HF_COMMAND_PUBLISHES) {
    take_block(between, hf_publish_block_of(mail));
  } else {
    between->mails++;
    take(between, (hf_publish *)mail);
  }
}

static void *keep(void *argument) {
  race *between = argument;
  hf_mailbox *inbox = hf_keeper_inbox(between->client->keeper);
  while (between->fine + between->astray < between->posts) {
    hf_mail *mail = hf_mailbox_take_all(inbox);
    if (!mail) sched_yield();
    for (hf_mail *next; mail; mail = next) {
      next = mail->next;
      take_mail(between, mail);
      hf_client_drop(between->client);
    }
    hf_dues_pay(between->client);
    atomic_store(&between->taken, between->fine + between->astray);
  }
  return NULL;
}

static bool post(hf_client *client, uint64_t number) {
  char payload[LARGE];
  hf_post what = message_of(number, payload);
  uint64_t id;
  return hf_client_post_copy(client, &what, &id) == HF_ADMITTED && id == number;
}

int post_race(lua_State *L) {
  hf_lua_handle *handle = luaL_checkudata(L, 1, HF_LUA_CLIENT);
  race between = {.client = handle->client, .posts = (uint64_t)luaL_checkinteger(L, 2)};
  pthread_t keeper;
  if (pthread_create(&keeper, NULL, keep, &between) != 0) return luaL_error(L, "no thread to be had");
  for (uint64_t number = 1; number <= between.posts; number++) {
    if (number % BURST == 0 && number > BURST)
      while (atomic_load(&between.taken) < number - BURST)
        sched_yield(); /* so that both are there at once, whoever is the faster one */
    for (volatile uint64_t i = 0; i < number % DELAYS; i++)
      ; /* each time a little later than the other thread */
    while (!post(between.client, number))
      sched_yield();
    if (number % ASKS == 0) hf_client_withdraw(between.client, number);
  }
  pthread_join(keeper, NULL);
  lua_pushinteger(L, (lua_Integer)between.fine);
  lua_pushinteger(L, (lua_Integer)between.astray);
  lua_pushinteger(L, (lua_Integer)between.mails);
  lua_pushinteger(L, (lua_Integer)between.shared);
  return 4;
}
