#include "rival_script.h"

#include <lauxlib.h>

void hf_rival_script(lua_State *L, hf_stream_rival *rival) {
  static const char *const fates[] = {"none", "unheard", "slower", "refused", NULL};
  lua_getfield(L, 1, "quic");
  if (!lua_isnil(L, -1)) {
    int fate = luaL_checkoption(L, -1, NULL, fates);
    *rival = (hf_stream_rival){.there = fate != 0,
                               .road = HF_ROAD_QUIC,
                               .phase = fate == 2 ? HF_PHASE_TLS : HF_PHASE_QUIC,
                               .reason = fate == 3 ? hf_reason_find(HF_SOURCE_QUIC, HF_QUIC_REFUSED) : NULL};
  }
  lua_pop(L, 1);
}
