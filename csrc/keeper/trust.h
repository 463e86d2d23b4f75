/* trust.h: what TLS needs before an attempt can open, made off the keeper's thread.
 *
 * Certificates, keys and the trust store are read from files, which may take
 * their time; a context that is there already costs nothing (stream/tls.h). The
 * answer comes as a mail, like that of a look-up. For the keeper's thread.
 */
#ifndef HF_KEEPER_TRUST_H
#define HF_KEEPER_TRUST_H

#include "keeper/question.h"
#include "stream/tls.h"

typedef struct hf_trusted { /* HF_COMMAND_TRUSTED; whoever frees it drops the contexts first */
  hf_question question;
  bool to_server, to_proxy; /* what is wanted */
  bool by_quic;
  bool has_beside;         /* TCP would do as well */
  hf_tls_context *context; /* NULL: there is a problem, or the link makes its own */
  hf_tls_context *proxy_context;
  hf_tls_problem problem; /* reason NULL: there is none */
} hf_trusted;

/* The answer will carry `generation`. False when there is no memory or no thread to be had. */
bool hf_trust_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation);

void hf_trust_free(hf_trusted *answer);

#endif
