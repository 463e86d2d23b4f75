#include "mail_race.h"

#include <lauxlib.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "sys/mailbox.h"

enum { DELAYS = 256, PATIENCE = 2000 /* turns until it lets others have the processor */ };

typedef struct race {
  hf_mailbox *mailbox;
  hf_mail mail;
  size_t rounds;
  atomic_size_t asked, pushed; /* in so many rounds */
} race;

static void wait_until(atomic_size_t *count, size_t least) {
  for (unsigned turns = 0; atomic_load(count) < least; turns++)
    if (turns % PATIENCE == PATIENCE - 1) sched_yield();
}

static void *push(void *argument) {
  race *between = argument;
  for (size_t round = 1; round <= between->rounds; round++) {
    wait_until(&between->asked, round);
    hf_mailbox_push(between->mailbox, &between->mail);
    atomic_store(&between->pushed, round);
  }
  return NULL;
}

static void keep(hf_mail *mail) {
  (void)mail;
}

static bool is_up(hf_mailbox *mailbox) {
  struct pollfd poll_for = {.fd = hf_mailbox_descriptor(mailbox), .events = POLLIN};
  return poll(&poll_for, 1, 0) > 0;
}

int mail_race(lua_State *L) {
  race between = {.mailbox = hf_mailbox_new(keep), .rounds = (size_t)luaL_checkinteger(L, 1)};
  lua_Integer unseen = 0, vain = 0;
  pthread_t writer;
  if (!between.mailbox || pthread_create(&writer, NULL, push, &between) != 0)
    return luaL_error(L, "no thread to be had");
  for (size_t round = 1; round <= between.rounds; round++) {
    bool taken = false;
    atomic_store(&between.asked, round);
    for (volatile size_t i = 0; i < round % DELAYS; i++)
      ; /* each time a little later than the other thread */
    do
      taken = hf_mailbox_take_all(between.mailbox) || taken;
    while (round % 2 && atomic_load(&between.pushed) < round);
    wait_until(&between.pushed, round);
    unseen += !taken && !is_up(between.mailbox);
    hf_mailbox_take_all(between.mailbox);
    vain += is_up(between.mailbox);
  }
  pthread_join(writer, NULL);
  hf_mailbox_release(between.mailbox);
  lua_pushinteger(L, unseen);
  lua_pushinteger(L, vain);
  return 2;
}
