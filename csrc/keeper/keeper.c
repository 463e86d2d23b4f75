#define _DEFAULT_SOURCE
#include "keeper/keeper.h"

#include <stdlib.h>

#include "keeper/inside.h"
#include "keeper/trace.h"

static void discard(hf_mail *mail) {
  if (mail->kind >= HF_MAIL_COMMAND_BASE)
    hf_commands_discard(mail);
  else
    hf_link_mail_free(mail);
}

/* An interface that comes up is a handful of messages within some 100 ms; the address comes last. */
enum { SWARM = 250 };

hf_keeper *hf_keeper_new(const hf_link_operations *link, hf_keeper_means means, uint64_t seed) {
  hf_keeper *keeper = calloc(1, sizeof *keeper);
  if (!keeper) return NULL;
  keeper->inbox = hf_mailbox_new(discard);
  if (!keeper->inbox) {
    free(keeper);
    return NULL;
  }
  keeper->operations = link;
  keeper->means = means;
  keeper->seeds = seed;
  keeper->hint_at = HF_NEVER;
  hf_heap_init(&keeper->timers);
  if (hf_tell_reserve(keeper)) return keeper;
  hf_keeper_free(keeper);
  return NULL;
}

void hf_keeper_free(hf_keeper *keeper) {
  hf_mailbox_shut(keeper->inbox);
  hf_mailbox_release(keeper->inbox);
  hf_tell_free_reserve(keeper);
  free(keeper);
}

hf_mailbox *hf_keeper_inbox(hf_keeper *keeper) {
  return keeper->inbox;
}

void hf_keeper_deliver(void *context, hf_mail *mail) {
  hf_mailbox_push(((hf_keeper *)context)->inbox, mail);
}

bool hf_keeper_limit(hf_keeper *keeper, double per_second, uint32_t burst, bool ask) {
  hf_command *command = calloc(1, sizeof *command);
  if (!command) return false;
  command->mail.kind = HF_COMMAND_LIMIT;
  command->number = (int64_t)(per_second * 1000);
  command->id = burst;
  command->wish = ask;
  hf_mailbox_push(keeper->inbox, &command->mail);
  return true;
}

static void limit(hf_keeper *keeper, const hf_command *command) {
  hf_budget_set(&keeper->budget, (double)command->number / 1000, (double)command->id, keeper->now);
  keeper->ask_budget = command->wish != 0;
  for (hf_client *client = keeper->clients; client; client = client->next)
    hf_attempt_line_up_again(client);
}

static void stop(hf_keeper *keeper) {
  keeper->stopping = true;
  for (hf_client *client = keeper->clients; client; client = client->next) {
    client->due[HF_DUE_FLUSH] = keeper->now;
    hf_driver_dirty(client);
  }
}

static void trace(hf_keeper *keeper, const hf_command *command) {
  if (keeper->operations->trace) keeper->operations->trace((hf_trace_level)command->number, hf_trace_line);
}

static void sort(hf_keeper *keeper, hf_mail *mail) {
  keeper->mails = 0;
  while (mail) {
    hf_mail *next = mail->next;
    keeper->mails++;
    if (!mail->owner) {
      if (mail->kind == HF_COMMAND_STOP)
        stop(keeper);
      else if (mail->kind == HF_COMMAND_TRACE)
        trace(keeper, (const hf_command *)mail);
      else
        limit(keeper, (const hf_command *)mail);
      hf_commands_discard(mail);
    } else if (mail->kind >= HF_MAIL_COMMAND_BASE) {
      hf_commands_mail(mail->owner, mail);
    } else {
      hf_answers_mail(mail->owner, mail);
    }
    mail = next;
  }
}

static void fire(hf_keeper *keeper) {
  hf_heap_item *item;
  while ((item = hf_heap_first(&keeper->timers)) && item->due <= keeper->now) {
    hf_client *client = (hf_client *)(void *)((char *)item - offsetof(hf_client, timer));
    hf_heap_remove(&keeper->timers, item); /* settling puts it in again */
    hf_driver_timer(client);
  }
}

void hf_keeper_network_changed(hf_keeper *keeper, bool gained, int64_t now) {
  if (keeper->hint_at == HF_NEVER) keeper->hint_at = now + SWARM;
  keeper->gained = keeper->gained || gained;
}

bool hf_keeper_watches_network(const hf_keeper *keeper) {
  return keeper->watching;
}

/* What was lost says something to those who are connected only: is the broker still there? */
static void pass_hint(hf_keeper *keeper) {
  if (keeper->now < keeper->hint_at) return;
  bool gained = keeper->gained;
  keeper->hint_at = HF_NEVER;
  keeper->gained = false;
  for (hf_client *client = keeper->clients; client; client = client->next) {
    if (client->options->watch_network && (gained || client->engine.state == HF_STATE_CONNECTED))
      hf_driver_hint(client);
  }
}

/* The last client has gone, and no other will come. */
static void end(hf_keeper *keeper) {
  if (!keeper->stopping || keeper->clients || !keeper->begun) return;
  keeper->begun = false;
  keeper->operations->end();
}

static void settle(hf_keeper *keeper) {
  while (keeper->dirty) {
    hf_client *client = keeper->dirty;
    keeper->dirty = client->next_dirty;
    client->dirty = false;
    hf_driver_settle(client);
  }
}

int64_t hf_keeper_turn(hf_keeper *keeper, int64_t now) {
  keeper->now = now;
  sort(keeper, hf_mailbox_take_all(keeper->inbox));
  pass_hint(keeper);
  fire(keeper);
  settle(keeper);
  hf_tell_raise(keeper);
  end(keeper);
  hf_tell_reserve(keeper);
  const hf_heap_item *first = hf_heap_first(&keeper->timers);
  int64_t due = first ? first->due : INT64_MAX;
  return keeper->hint_at < due ? keeper->hint_at : due;
}
