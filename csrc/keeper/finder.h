/* finder.h: the servers of a service (core/service.h), off the keeper's path.
 *
 * An errand like the look-up of a name (resolver.h), and its answer likewise a mail
 * to the keeper's inbox, which belongs to the keeper and holds a reference to its
 * client. For the keeper's thread; never blocks.
 */
#ifndef HF_KEEPER_FINDER_H
#define HF_KEEPER_FINDER_H

#include "core/service.h"
#include "keeper/question.h"

enum { HF_SERVICE_NAME = HF_SERVICE_HOST + 32 };

typedef struct hf_found { /* HF_COMMAND_FOUND */
  hf_question question;
  char name[HF_SERVICE_NAME];
  hf_network_code failure; /* 0: there are servers */
  hf_service service;
} hf_found;

/* Of the service that such a server stands for: "_mqtt._tcp.example", with TLS "_secure-mqtt._tcp.example", as IANA has
 * the names. False when there is no memory or no thread to be had: then there will be no answer. */
bool hf_finder_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const hf_server *server);

#endif
