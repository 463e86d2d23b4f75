#include "room_race.h"

#include <pthread.h>
#include <sched.h>

#include "keeper/admission.h"
#include "keeper/door.h"
#include "keeper/dues.h"
#include "keeper/inside.h"
#include "lua/handle.h"

enum { DELAYS = 256, PATIENCE = 2000 /* turns until it lets others have the processor */ };

typedef struct race {
  hf_client *client;
  size_t rounds;
  atomic_size_t held, asked, freed; /* in so many rounds */
} race;

static void wait_until(atomic_size_t *count, size_t least) {
  for (unsigned turns = 0; atomic_load(count) < least; turns++)
    if (turns % PATIENCE == PATIENCE - 1) sched_yield();
}

/* The keeper's part: a publish has its outcome while the next one is posted. */
static void *empty(void *argument) {
  race *between = argument;
  hf_mailbox *inbox = hf_keeper_inbox(between->client->keeper);
  for (size_t round = 1; round <= between->rounds; round++) {
    hf_mail *mail;
    while (!(mail = hf_mailbox_take_all(inbox)))
      sched_yield();
    atomic_store(&between->held, round);
    wait_until(&between->asked, round);
    hf_client_outcome(between->client, (hf_publish *)mail, false);
    hf_dues_pay(between->client);
    hf_client_drop(between->client);
    atomic_store(&between->freed, round);
  }
  return NULL;
}

static bool hears_of_room(hf_client *client) {
  bool heard = false;
  for (hf_mail *mail = hf_mailbox_take_all(client->out), *next; mail; mail = next) {
    next = mail->next;
    heard = heard || mail->kind == HF_EVENT_ROOM;
    hf_client_event_taken(client, mail);
  }
  return heard;
}

static hf_admission post(hf_client *client, atomic_size_t *asked, size_t round) {
  hf_publish *publish = hf_publish_new((hf_bytes){"t", 1}, (hf_bytes){"", 0}, NULL);
  uint64_t id;
  atomic_store(asked, round);
  for (volatile size_t i = 0; i < round % DELAYS; i++)
    ; /* each time a little later than the other thread */
  hf_admission admission = hf_client_post(client, publish, -1, 0, &id);
  if (admission != HF_ADMITTED) hf_publish_free(publish);
  return admission;
}

int room_race(lua_State *L) {
  hf_lua_handle *handle = luaL_checkudata(L, 1, HF_LUA_CLIENT);
  race between = {.client = handle->client, .rounds = (size_t)luaL_checkinteger(L, 2)};
  lua_Integer refused = 0, lost = 0;
  pthread_t keeper;
  if (pthread_create(&keeper, NULL, empty, &between) != 0) return luaL_error(L, "no thread to be had");
  bool waits = post(between.client, &between.asked, 0) == HF_ADMITTED;
  for (size_t round = 1; round <= between.rounds && waits; round++) {
    wait_until(&between.held, round);
    bool full = post(between.client, &between.asked, round) == HF_QUEUE_FULL;
    wait_until(&between.freed, round);
    bool told = hears_of_room(between.client);
    refused += full;
    lost += full && !told;
    if (full && round < between.rounds) waits = post(between.client, &between.asked, round) == HF_ADMITTED;
  }
  pthread_join(keeper, NULL);
  lua_pushinteger(L, refused);
  lua_pushinteger(L, lost);
  return 2;
}
