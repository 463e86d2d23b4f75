/* newer_paho_probe: a later Paho, for a process that is started with this in LD_PRELOAD. A refused CONNACK of MQTT 5
 * has its code where it is from 1.3.15 on. Of every second message that is handed over it says what 1.3.14 says of one
 * that it has queued, and that our persistence had no memory for. As a Lua module it is empty. */
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

int MQTTAsync_sendMessage(MQTTAsync handle, const char *topic, const MQTTAsync_message *message,
                          MQTTAsync_responseOptions *response) {
  static unsigned count; /* one thread publishes */
  int (*real)(MQTTAsync, const char *, const MQTTAsync_message *, MQTTAsync_responseOptions *) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "MQTTAsync_sendMessage");
  int failed = real(handle, topic, message, response);
  return failed || count++ % 2 ? failed : MQTTASYNC_PERSISTENCE_ERROR;
}

void *dlopen(const char *file, int mode) {
  return open_behind(&told, "libpaho-mqtt3as.so", file, mode);
}

int luaopen_newer_paho_probe(lua_State *L);

int luaopen_newer_paho_probe(lua_State *L) {
  lua_newtable(L);
  return 1;
}
