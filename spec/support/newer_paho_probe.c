/* newer_paho_probe: Paho 1.3.15 or later, for a process that is started with this in LD_PRELOAD: a refused CONNACK of
 * MQTT 5 has its code where those have it. As a Lua module it is empty. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <MQTTAsync.h>
#include <string.h>

#include "lua/compat.h"
#include "seam.h"

typedef int (*connect_call)(MQTTAsync, const MQTTAsync_connectOptions *);

static MQTTAsync_onFailure5 *told;

static void tell(void *context, MQTTAsync_failureData5 *data) {
  MQTTAsync_failureData5 newer = *data;
  if (data->code > 0) {
    newer.reasonCode = (enum MQTTReasonCodes)data->code;
    newer.code = MQTTASYNC_FAILURE;
  }
  told(context, &newer);
}

static connect_call real;

static int connect_and_tell(MQTTAsync handle, const MQTTAsync_connectOptions *options) {
  if (!options || !options->onFailure5) return real(handle, options);
  MQTTAsync_connectOptions changed = *options;
  told = options->onFailure5;
  changed.onFailure5 = tell;
  return real(handle, &changed);
}

/* Paho is loaded by the module, which asks for its functions one by one. */
void *dlsym(void *handle, const char *name) {
  void *found = find_really(handle, name);
  if (!found || strcmp(name, "MQTTAsync_connect") != 0) return found;
  connect_call ours = connect_and_tell;
  *(void **)&real = found;
  return *(void **)&ours;
}

int luaopen_newer_paho_probe(lua_State *L);

int luaopen_newer_paho_probe(lua_State *L) {
  lua_newtable(L);
  return 1;
}
