/* paho_library.h: what we call of Paho, which is loaded for the first client over it (sys/library.h).
 *
 * The functions have their own names, and may be called once hf_paho_load has
 * said true. Any thread.
 */
#ifndef HF_LINK_PAHO_LIBRARY_H
#define HF_LINK_PAHO_LIBRARY_H

#include <MQTTAsync.h>
#include <MQTTClientPersistence.h>
#include <stdbool.h>

// clang-format off
#define HF_PAHO_CALLS(call) \
  call(MQTTAsync_connect) call(MQTTAsync_createWithOptions) call(MQTTAsync_destroy) call(MQTTAsync_disconnect) \
  call(MQTTAsync_free) call(MQTTAsync_freeMessage) call(MQTTAsync_global_init) call(MQTTAsync_malloc) call(MQTTAsync_sendMessage) \
  call(MQTTAsync_setCallbacks) call(MQTTAsync_setDisconnected) call(MQTTAsync_setTraceCallback) \
  call(MQTTAsync_setTraceLevel) call(MQTTAsync_subscribe) call(MQTTAsync_unsubscribe) call(MQTTProperties_add) \
  call(MQTTProperties_free) call(MQTTProperties_getProperty) call(MQTTProperty_getType)
// clang-format on

typedef struct hf_paho {
#define MEMBER(name) __typeof__(name) *name;
  HF_PAHO_CALLS(MEMBER)
#undef MEMBER
} hf_paho;

extern hf_paho hf_paho_calls;

/* OpenSSL first, as Paho needs it. False: `problem`, of HF_LIBRARY_PROBLEM bytes, says why. Waits for the disk. */
bool hf_paho_load(char *problem);

/* Whether it has been. */
bool hf_paho_is_there(void);

#define MQTTAsync_connect hf_paho_calls.MQTTAsync_connect
#define MQTTAsync_createWithOptions hf_paho_calls.MQTTAsync_createWithOptions
#define MQTTAsync_destroy hf_paho_calls.MQTTAsync_destroy
#define MQTTAsync_disconnect hf_paho_calls.MQTTAsync_disconnect
#define MQTTAsync_free hf_paho_calls.MQTTAsync_free
#define MQTTAsync_freeMessage hf_paho_calls.MQTTAsync_freeMessage
#define MQTTAsync_global_init hf_paho_calls.MQTTAsync_global_init
#define MQTTAsync_malloc hf_paho_calls.MQTTAsync_malloc
#define MQTTAsync_sendMessage hf_paho_calls.MQTTAsync_sendMessage
#define MQTTAsync_setCallbacks hf_paho_calls.MQTTAsync_setCallbacks
#define MQTTAsync_setDisconnected hf_paho_calls.MQTTAsync_setDisconnected
#define MQTTAsync_setTraceCallback hf_paho_calls.MQTTAsync_setTraceCallback
#define MQTTAsync_setTraceLevel hf_paho_calls.MQTTAsync_setTraceLevel
#define MQTTAsync_subscribe hf_paho_calls.MQTTAsync_subscribe
#define MQTTAsync_unsubscribe hf_paho_calls.MQTTAsync_unsubscribe
#define MQTTProperties_add hf_paho_calls.MQTTProperties_add
#define MQTTProperties_free hf_paho_calls.MQTTProperties_free
#define MQTTProperties_getProperty hf_paho_calls.MQTTProperties_getProperty
#define MQTTProperty_getType hf_paho_calls.MQTTProperty_getType

#endif
