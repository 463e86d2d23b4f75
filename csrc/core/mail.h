/* mail.h: the one envelope in which everything crosses between threads.
 *
 * Commands from Lua, answers from a link and events for Lua are all structs
 * that begin with an hf_mail. Whoever holds a mail owns it and everything it
 * carries; pushing it into a mailbox hands that ownership over. Pure data: no
 * lock and no thread of its own, so every floor may include it.
 */
#ifndef HF_CORE_MAIL_H
#define HF_CORE_MAIL_H

#include <stdint.h>

typedef struct hf_mail {
  struct hf_mail *next;
  void *owner;         /* the client it belongs to; the receiver knows the type */
  uint32_t generation; /* of the connection attempt it speaks of; 0 when of none */
  uint16_t kind;       /* an enum of the floor that made it, see below */
} hf_mail;

/* Each floor numbers its kinds from a base of its own, so that one switch can
 * tell them all apart. */
enum { HF_MAIL_LINK_BASE = 0x100, HF_MAIL_COMMAND_BASE = 0x200, HF_MAIL_EVENT_BASE = 0x300 };

#endif
