#include "keeper/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/inside.h"

static hf_network_code failure_of(int error) {
  switch (error) {
  case 0:
    return 0;
  case EAI_NONAME:
#ifdef EAI_NODATA
  case EAI_NODATA:
#endif
    return HF_NETWORK_NAME_NOT_FOUND;
  default:
    return HF_NETWORK_NAME_SERVER_FAILING;
  }
}

/* Who has none for /etc/hosts and for a name server is told by the C library that there is no such name. */
static bool lacks_descriptors(void) {
  enum { ENOUGH = 4 };
  int spare[ENOUGH];
  size_t count = 0;
  while (count < ENOUGH && (spare[count] = eventfd(0, EFD_CLOEXEC)) >= 0)
    count++;
  for (size_t i = 0; i < count; i++)
    close(spare[i]);
  return count < ENOUGH;
}

static void look_up(hf_errand *errand) {
  hf_resolved *answer = (hf_resolved *)hf_question_of(errand);
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *found = NULL;
  answer->failure = failure_of(getaddrinfo(errand->key, NULL, &hints, &found));
  for (struct addrinfo *at = found; at && answer->count < HF_ADDRESSES; at = at->ai_next) {
    hf_address *address = &answer->addresses[answer->count];
    if (getnameinfo(at->ai_addr, at->ai_addrlen, address->text, sizeof address->text, NULL, 0, NI_NUMERICHOST) == 0) {
      address->ipv6 = at->ai_family == AF_INET6;
      answer->count++;
    }
  }
  if (found) freeaddrinfo(found);
  if (!answer->failure && answer->count == 0) answer->failure = HF_NETWORK_NAME_NOT_FOUND;
  if (answer->failure == HF_NETWORK_NAME_NOT_FOUND && lacks_descriptors())
    answer->failure = HF_NETWORK_NAME_SERVER_FAILING;
}

static void answer(hf_errand *errand, const hf_errand *worked) {
  hf_resolved *mine = (hf_resolved *)hf_question_of(errand);
  const hf_resolved *known = (const hf_resolved *)hf_question_of(worked);
  if (mine != known) {
    mine->failure = known->failure;
    mine->count = known->count;
    memcpy(mine->addresses, known->addresses, sizeof mine->addresses);
  }
  hf_question_answer(&mine->question);
}

bool hf_resolver_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const char *host) {
  hf_resolved *asked = hf_question_new(sizeof *asked, inbox, client, generation, HF_COMMAND_RESOLVED);
  if (!asked) return false;
  snprintf(asked->host, sizeof asked->host, "%s", host);
  asked->question.errand = (hf_errand){.kind = HF_ERRAND_NAME, .key = asked->host, .work = look_up, .done = answer};
  return hf_question_ask(&asked->question);
}
