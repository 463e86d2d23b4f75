/* quic_probe: what a holdfast.quic hands over that is not ours, or not of this version, as the Lua module `quic_probe`.
 *
 *   core.join_quic(quic_probe.part { seam = 1 })   -- so much more than ours
 *   core.join_quic(quic_probe.part { layout = 1 })
 *   core.join_quic(quic_probe.part { refuses = true })   -- it finds that we do not fit
 */
#include "lua/compat.h"
#include "stream/quic.h"

#include "link_arguments.h"

static bool agree(const hf_quic_host *host, uint32_t seam, uint64_t layout) {
  (void)host;
  return seam == HF_QUIC_SEAM && layout == HF_QUIC_LAYOUT;
}

static bool refuse(const hf_quic_host *host, uint32_t seam, uint64_t layout) {
  (void)host;
  (void)seam;
  (void)layout;
  return false;
}

/* part(how) -> another one each time, up to a few; for as long as the process */
static int part(lua_State *L) {
  static hf_quic_part parts[8];
  static size_t count;
  luaL_argcheck(L, count < sizeof parts / sizeof parts[0], 1, "no more of them");
  parts[count] = (hf_quic_part){.seam = HF_QUIC_SEAM + number_field(L, 1, "seam", 0),
                                .layout = HF_QUIC_LAYOUT + number_field(L, 1, "layout", 0),
                                .made_of = "",
                                .join = flag_field(L, 1, "refuses") ? refuse : agree};
  lua_pushlightuserdata(L, &parts[count++]);
  return 1;
}

int luaopen_quic_probe(lua_State *L) {
  static const luaL_Reg functions[] = {{"part", part}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
