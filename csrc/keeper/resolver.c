#include "keeper/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "keeper/inside.h"
#include "sys/thread.h"

typedef struct asker {
  struct asker *next;
  hf_client *client; /* a reference */
  hf_mailbox *inbox; /* a reference */
  uint32_t generation;
} asker;

typedef struct lookup {
  struct lookup *next;
  asker *askers;
  char host[];
} lookup;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf; guards the list and the askers of what is in it */
static lookup *under_way;
static size_t count;

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

static void resolve(const char *host, hf_resolved *answer) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *found = NULL;
  answer->failure = failure_of(getaddrinfo(host, NULL, &hints, &found));
  for (struct addrinfo *at = found; at && answer->count < HF_ADDRESSES; at = at->ai_next) {
    hf_address *address = &answer->addresses[answer->count];
    if (getnameinfo(at->ai_addr, at->ai_addrlen, address->text, sizeof address->text, NULL, 0, NI_NUMERICHOST) == 0) {
      address->ipv6 = at->ai_family == AF_INET6;
      answer->count++;
    }
  }
  if (found) freeaddrinfo(found);
  if (!answer->failure && answer->count == 0) answer->failure = HF_NETWORK_NAME_NOT_FOUND;
}

static asker *take_askers(lookup *done) {
  pthread_mutex_lock(&lock);
  lookup **at = &under_way;
  while (*at != done)
    at = &(*at)->next;
  *at = done->next;
  count--;
  asker *askers = done->askers;
  pthread_mutex_unlock(&lock);
  return askers;
}

static void *run(void *argument) {
  lookup *mine = argument;
  hf_resolved answer = {.count = 0};
  resolve(mine->host, &answer);
  for (asker *at = take_askers(mine), *next; at; at = next) {
    next = at->next;
    hf_resolved *copy = malloc(sizeof *copy);
    if (copy) {
      *copy = answer;
      copy->mail = (hf_mail){.owner = at->client, .generation = at->generation, .kind = HF_COMMAND_RESOLVED};
      hf_mailbox_push(at->inbox, &copy->mail);
    } else {
      hf_client_drop(at->client); /* its attempt times out */
    }
    hf_mailbox_release(at->inbox);
    free(at);
  }
  free(mine);
  return NULL;
}

static bool begin(const char *host, asker *first) {
  size_t size = strlen(host) + 1;
  lookup *made = count < HF_LOOKUPS_AT_ONCE ? malloc(sizeof *made + size) : NULL;
  if (!made) return false;
  memcpy(made->host, host, size);
  made->askers = first;
  made->next = under_way;
  if (!hf_thread_run("holdfast-dns", run, made)) {
    free(made);
    return false;
  }
  under_way = made;
  count++;
  return true;
}

bool hf_resolver_ask(hf_mailbox *inbox, hf_client *client, uint32_t generation, const char *host) {
  asker *mine = malloc(sizeof *mine);
  if (!mine) return false;
  *mine = (asker){.client = client, .inbox = inbox, .generation = generation};
  pthread_mutex_lock(&lock); /* also holds back the new thread until the list knows of it */
  lookup *same = under_way;
  while (same && strcmp(same->host, host) != 0)
    same = same->next;
  bool taken = true;
  if (same) {
    mine->next = same->askers;
    same->askers = mine;
  } else {
    taken = begin(host, mine);
  }
  if (taken) {
    hf_client_hold(client);
    hf_mailbox_hold(inbox);
  }
  pthread_mutex_unlock(&lock);
  if (!taken) free(mine);
  return taken;
}
