#include "lead_script.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "keeper/ears.h"
#include "keeper/lead.h"

typedef struct keepers_thread {
  bool has_mail, stood_by;
  atomic_bool is_over;
} keepers_thread;

static hf_ears ears;

int lead_wait(lua_State *L) {
  hf_lead_equip(&ears);
  lua_pushboolean(L, hf_lead(NULL, 0) == HF_LED_NOT);
  hf_lead_waited();
  return 1;
}

int lead_came_by(lua_State *L) {
  for (lua_Integer times = luaL_checkinteger(L, 1); times > 0; times--)
    hf_lead_came_by();
  return 0;
}

static void *give(void *argument) {
  keepers_thread *keepers = argument;
  keepers->stood_by = hf_lead_give(keepers->has_mail);
  atomic_store(&keepers->is_over, true);
  return NULL;
}

int lead_give(lua_State *L) {
  keepers_thread keepers = {.has_mail = lua_toboolean(L, 1)};
  bool posts = strcmp(luaL_checkstring(L, 2), "post") == 0;
  pthread_t thread;
  if (pthread_create(&thread, NULL, give, &keepers) != 0) return luaL_error(L, "no thread");
  while (!atomic_load(&keepers.is_over)) { /* it may not have come to stand by yet */
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (posts)
      hf_lead_posted();
    else
      hf_lead_hurry();
  }
  pthread_join(thread, NULL);
  lua_pushboolean(L, keepers.stood_by);
  return 1;
}
