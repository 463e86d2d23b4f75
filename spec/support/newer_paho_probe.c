/* newer_paho_probe: Paho 1.3.15 or later, for a process that is started with this in LD_PRELOAD: a refused CONNACK of
 * MQTT 5 has its code where those have it. As a Lua module it is empty. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <MQTTAsync.h>

#include "front.h"
#include "lua/compat.h"

static MQTTAsync_onFailure5 *told;

static void tell(void *context, MQTTAsync_failureData5 *data) {
  MQTTAsync_failureData5 newer = *data;
  if (data->code > 0) {
    newer.reasonCode = (enum MQTTReasonCodes)data->code;
    newer.code = MQTTASYNC_FAILURE;
  }
  told(context, &newer);
}

int MQTTAsync_connect(MQTTAsync handle, const MQTTAsync_connectOptions *options) {
  int (*real)(MQTTAsync, const MQTTAsync_connectOptions *) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "MQTTAsync_connect");
  if (!options || !options->onFailure5) return real(handle, options);
  MQTTAsync_connectOptions changed = *options;
  told = options->onFailure5;
  changed.onFailure5 = tell;
  return real(handle, &changed);
}

void *dlopen(const char *file, int mode) {
  return open_behind(&told, "libpaho-mqtt3as.so", file, mode);
}

int luaopen_newer_paho_probe(lua_State *L);

int luaopen_newer_paho_probe(lua_State *L) {
  lua_newtable(L);
  return 1;
}
