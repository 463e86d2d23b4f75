/* fake_link.h: a scripted link and the little broker behind it, for specs only; not part of the module.
 *
 * It keeps the contract of link.h on the calling thread and in no time: an
 * operation answers into the sink before it returns, unless the script holds the
 * answer back. The broker is process-wide: sessions by client id, subscriptions,
 * and messages that reach every connected link that wants them. What was asked
 * of the links is written down, a word an operation. One thread only; everything
 * is freed by hf_fake_reset once the links are destroyed.
 */
#ifndef HF_LINK_FAKE_LINK_H
#define HF_LINK_FAKE_LINK_H

#include "link/link.h"

extern const hf_link_operations hf_link_fake;

typedef enum hf_fake_connect { HF_FAKE_ACCEPT, HF_FAKE_REFUSE, HF_FAKE_SILENT } hf_fake_connect;

typedef struct hf_fake_script {
  hf_fake_connect connect; /* what becomes of an attempt */
  hf_source refuse_source; /* of the FAILED when it is refused */
  int refuse_code;
  int session_present; /* -1: as the sessions have it; 0: they are lost first; 1: a lie */
  bool hold_publishes; /* outcomes wait for hf_fake_release */
  bool hold_subscriptions;
  bool hold_close;          /* CLOSED waits for hf_fake_release */
  int publish_result;       /* for QoS 1 and 2 */
  int refuse_subscriptions; /* 0: granted as asked; else the SUBACK code */
  const char *refuse_only;  /* the topic or filter that these two are for; NULL: all */
  bool refuse_to_take;      /* publish() answers false */
  bool refuse_to_create;    /* create() answers NULL */
  bool refuse_to_subscribe; /* subscribe() answers false */
  bool refuse_once;         /* every call that can say no says it once more */
  hf_link_connected limits; /* of CONNACK; keep_alive 0: as asked */
  const char *assigned_client_id;
  const char *server_reference; /* with FAILED and DOWN */
  const char *text;             /* that comes with FAILED and DOWN */
} hf_fake_script;

hf_fake_script *hf_fake_script_now(void);
void hf_fake_reset(void); /* defaults, no sessions, an empty record */

/* A line that begins with "wrong" is a call that link.h does not allow. What was asked, oldest first, one line an
 * operation: "open a:1883 id=c1 clean=0 protocol=5", "publish a/b qos=1 id=7", "close 0 expiry=-1". The credentials of
 * an attempt are part of its line. */
const char *hf_fake_record(void);
void hf_fake_record_clear(void);

size_t hf_fake_links(void);             /* how many exist */
hf_link *hf_fake_link_at(size_t index); /* in the order of creation */

void hf_fake_drop(hf_link *link, hf_source source, int code);        /* DOWN; in the silence before CONNACK: FAILED */
void hf_fake_renew(hf_link *link);                                   /* RENEW */
void hf_fake_accept(hf_link *link);                                  /* ends the silence with CONNACK */
void hf_fake_release(hf_link *link);                                 /* answers what is held, and holds no more */
void hf_fake_acknowledge(hf_link *link, size_t count);               /* the oldest of the held publishes */
void hf_fake_answer(hf_link *link, size_t count);                    /* the oldest of the held SUBACKs */
void hf_fake_send(const char *topic, hf_bytes payload, uint8_t qos); /* a message from somebody else */
void hf_fake_crowd(hf_link *link, const char *topic, size_t count);  /* one with Subscription Identifiers from 1 */

#endif
