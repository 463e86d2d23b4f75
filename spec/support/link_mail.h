/* link_mail.h: what a link tells, as a Lua table; for link_probe.c and native_probe.c.
 *
 * Copies everything; the mail stays the caller's. On the thread of the lua_State.
 */
#ifndef HF_SPEC_LINK_MAIL_H
#define HF_SPEC_LINK_MAIL_H

#include <string.h>

#include "link/link.h"
#include "lua/compat.h"

static inline void set_number(lua_State *L, const char *name, lua_Number number) {
  lua_pushnumber(L, number);
  lua_setfield(L, -2, name);
}

static inline void set_flag(lua_State *L, const char *name, bool flag) {
  lua_pushboolean(L, flag);
  lua_setfield(L, -2, name);
}

static inline void set_bytes(lua_State *L, const char *name, hf_bytes bytes) {
  if (!bytes.data) return;
  lua_pushlstring(L, bytes.data, bytes.length);
  lua_setfield(L, -2, name);
}

static inline void set_text(lua_State *L, const char *name, const char *text) {
  set_bytes(L, name, (hf_bytes){text, text ? strlen(text) : 0});
}

static inline void set_properties(lua_State *L, const hf_properties *properties) {
  if (!properties) return;
  lua_newtable(L);
  set_bytes(L, "content_type", properties->content_type);
  set_bytes(L, "response_topic", properties->response_topic);
  set_bytes(L, "correlation_data", properties->correlation_data);
  set_bytes(L, "reason_string", properties->reason_string);
  if (properties->present & HF_PROPERTY_MESSAGE_EXPIRY) set_number(L, "message_expiry", properties->message_expiry);
  if (properties->present & HF_PROPERTY_PAYLOAD_FORMAT) set_number(L, "payload_format", properties->payload_format);
  lua_newtable(L);
  for (size_t i = 0; i < properties->user_count; i++) {
    lua_newtable(L);
    lua_pushlstring(L, properties->user[i].name.data, properties->user[i].name.length);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, properties->user[i].value.data, properties->user[i].value.length);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "user");
  lua_newtable(L);
  for (size_t i = 0; i < properties->subscription_identifier_count; i++) {
    lua_pushnumber(L, properties->subscription_identifiers[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "identifiers");
  lua_setfield(L, -2, "properties");
}

static inline void show_connected(lua_State *L, const hf_link_connected *mail) {
  set_flag(L, "session_present", mail->session_present);
  set_flag(L, "retain_available", mail->retain_available);
  set_flag(L, "wildcard_available", mail->wildcard_available);
  set_flag(L, "shared_available", mail->shared_available);
  set_flag(L, "identifiers_available", mail->identifiers_available);
  set_number(L, "maximum_qos", mail->maximum_qos);
  set_number(L, "receive_maximum", mail->receive_maximum);
  set_number(L, "keep_alive", mail->keep_alive);
  set_number(L, "session_expiry", mail->session_expiry);
  set_number(L, "maximum_packet_size", mail->maximum_packet_size);
  set_text(L, "assigned_client_id", mail->assigned_client_id);
  set_properties(L, mail->properties);
}

static inline void show_down(lua_State *L, const hf_link_down *mail) {
  static const char *const phases[] = {"none", "dns", "tcp", "proxy", "quic", "tls", "websocket", "connack", "up"};
  set_text(L, "reason", mail->reason->name);
  set_text(L, "source", hf_source_name(mail->reason->source));
  set_number(L, "code", mail->code);
  set_text(L, "phase", phases[mail->phase]);
  set_text(L, "text", mail->text);
  set_text(L, "server_reference", mail->server_reference);
}

static inline void show_message(lua_State *L, const hf_message *mail) {
  set_bytes(L, "topic", mail->topic);
  set_bytes(L, "payload", mail->payload);
  set_number(L, "qos", mail->qos);
  set_flag(L, "retain", mail->retain);
  set_flag(L, "duplicate", mail->duplicate);
  if (mail->receipt) set_number(L, "receipt", (lua_Number)mail->receipt);
  const hf_properties sole = {.subscription_identifiers = &mail->identifier, .subscription_identifier_count = 1};
  set_properties(L, mail->identifier ? &sole : mail->properties);
}

static inline void show_delivered(lua_State *L, const hf_publish *mail) {
  set_number(L, "id", (lua_Number)mail->id);
  set_number(L, "result", mail->result);
  set_flag(L, "carried", mail->carried);
  set_number(L, "packet_id", mail->packet_id);
}

static inline void show_answer(lua_State *L, const hf_link_answer *mail) {
  set_number(L, "ticket", mail->ticket);
  set_number(L, "code", mail->code);
  set_text(L, "text", mail->text);
}

/* Pushes the mail as a table; `ours`: whether its owner is the one it should be. */
static inline void hf_link_mail_show(lua_State *L, hf_mail *mail, const void *owner) {
  static const char *const kinds[] = {"connected", "failed",     "down",         "closed", "message",
                                      "delivered", "subscribed", "unsubscribed", "auth",   "renew"};
  lua_newtable(L);
  set_text(L, "kind", kinds[mail->kind - HF_LINK_CONNECTED]);
  set_number(L, "generation", mail->generation);
  set_flag(L, "ours", mail->owner == owner);
  switch (mail->kind) {
  case HF_LINK_CONNECTED:
    show_connected(L, (hf_link_connected *)mail);
    break;
  case HF_LINK_MESSAGE:
    show_message(L, (hf_message *)mail);
    break;
  case HF_LINK_DELIVERED:
    show_delivered(L, (hf_publish *)mail);
    break;
  case HF_LINK_SUBSCRIBED:
  case HF_LINK_UNSUBSCRIBED:
    show_answer(L, (hf_link_answer *)mail);
    break;
  case HF_LINK_AUTH:
  case HF_LINK_RENEW:
    break;
  default:
    show_down(L, (hf_link_down *)mail);
  }
}

#endif
