#include "service_script.h"

#include <stdio.h>
#include <string.h>

static char records[256];
static int questions;

static bool find(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server) {
  hf_found *answer = hf_question_new(sizeof *answer, inbox, client, generation, HF_COMMAND_FOUND);
  if (!answer) return false;
  unsigned priority, weight, port, ttl;
  char host[sizeof records];
  const char *at = records;
  while (at && sscanf(at, "%u %u %u %255[^ ] %u", &priority, &weight, &port, host, &ttl) == 5) {
    hf_service_server numbers = {(uint16_t)priority, (uint16_t)weight, (uint16_t)port, ""};
    hf_service_add(&answer->service, host, numbers, ttl);
    at = strchr(at, ',');
    if (at) at++;
  }
  answer->failure = answer->service.count ? 0 : HF_NETWORK_NAME_NOT_FOUND;
  snprintf(answer->name, sizeof answer->name, "the name of %s", server->host);
  questions++;
  hf_question_answer(&answer->question);
  return true;
}

void hf_service_script(lua_State *L, hf_keeper *keeper) {
  lua_getfield(L, 1, "service");
  if (!lua_isnil(L, -1)) {
    snprintf(records, sizeof records, "%s", luaL_checkstring(L, -1));
    keeper->means.find = find;
  }
  lua_pop(L, 1);
}

void hf_service_script_over(hf_keeper *keeper) {
  keeper->means.find = NULL;
  questions = 0;
}

int hf_service_questions(lua_State *L) {
  lua_pushinteger(L, questions);
  return 1;
}
