#define _DEFAULT_SOURCE
#include "keeper/keeper.h"

#include <stdlib.h>

#include "keeper/answers.h"
#include "keeper/attempt.h"
#include "keeper/command.h"
#include "keeper/commands.h"
#include "keeper/door.h"
#include "keeper/driver.h"
#include "keeper/inside.h"
#include "keeper/tell.h"
#include "keeper/trace.h"
#include "keeper/turn.h"

static void discard(hf_mail *mail) {
  if (mail->kind >= HF_MAIL_COMMAND_BASE)
    hf_commands_discard(mail);
  else
    hf_link_mail_free(mail);
}

/* An interface that comes up is a handful of messages within some 100 ms; the address comes last. */
enum { SWARM = 250 };

hf_keeper *hf_keeper_new(hf_keeper_links links, hf_keeper_means means, hf_pollset *pollset, uint64_t seed) {
  hf_keeper *keeper = calloc(1, sizeof *keeper);
  if (keeper) keeper->inbox = hf_mailbox_new(discard);
  if (!keeper || !keeper->inbox) {
    hf_pollset_free(pollset);
    free(keeper);
    return NULL;
  }
  keeper->links = links;
  keeper->last_told = &keeper->told;
  keeper->means = means;
  keeper->seeds = seed;
  keeper->hint_at = HF_NEVER;
  hf_loop_init(&keeper->loop, pollset);
  if (hf_tell_reserve(keeper)) return keeper;
  hf_keeper_free(keeper);
  return NULL;
}

void hf_keeper_free(hf_keeper *keeper) {
  hf_mailbox_shut(keeper->inbox);
  hf_mailbox_release(keeper->inbox);
  hf_tell_free_reserve(keeper);
  hf_pollset_free(keeper->loop.pollset);
  free(keeper);
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
    hf_driver_heed(client, hf_attempt_line_up_again(client));
}

static void stop(hf_keeper *keeper) {
  keeper->stopping = true;
  for (hf_client *client = keeper->clients; client; client = client->next) {
    client->due[HF_DUE_FLUSH] = keeper->now;
    hf_client_dirty(client);
  }
}

static void trace(hf_keeper *keeper, const hf_command *command) {
  for (size_t i = 0; i < HF_TRANSPORTS; i++)
    if (keeper->links.of[i]->trace)
      keeper->links.of[i]->trace((hf_trace_level)command->number, hf_trace_lines_of((hf_transport)i));
}

static void sort(hf_keeper *keeper, hf_mail *mail) {
  while (mail) {
    if (mail->kind == HF_LINK_MESSAGE) {
      mail = hf_answers_messages(mail->owner, mail, &keeper->mails);
      continue;
    }
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

/* What links have told since, in the turn or before it: each may lead to more. */
static void hear(hf_keeper *keeper) {
  hf_mail *told = keeper->told;
  keeper->told = NULL;
  keeper->last_told = &keeper->told;
  sort(keeper, told);
}

void hf_keeper_network_changed(hf_keeper *keeper, bool gained, int64_t now) {
  if (keeper->hint_at == HF_NEVER) keeper->hint_at = now + SWARM;
  keeper->gained = keeper->gained || gained;
}

bool hf_keeper_watches_network(const hf_keeper *keeper) {
  return keeper->watching;
}

void hf_keeper_clock_set(hf_keeper *keeper) {
  keeper->clock_set = true;
}

bool hf_keeper_watches_clock(const hf_keeper *keeper) {
  return keeper->watching_clock;
}

/* A certificate that was not valid yet, or any more, was so by a clock that was wrong; likewise what says that it has
 * not been revoked. */
static void pass_clock(hf_keeper *keeper) {
  if (!keeper->clock_set) return;
  keeper->clock_set = false;
  for (hf_client *client = keeper->clients; client; client = client->next) {
    if (client->engine.state != HF_STATE_WAITING) continue;
    if (!client->engine.reason || !hf_reason_is_about_time(client->engine.reason)) continue;
    hf_diagnosis_over(client);
    hf_driver_step(client, (hf_engine_event){.input = HF_INPUT_RECONNECT}, NULL);
  }
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
  if (!keeper->stopping || keeper->clients) return;
  for (size_t i = 0; i < HF_TRANSPORTS; i++) {
    if (keeper->begun[i]) keeper->links.of[i]->end();
    keeper->begun[i] = false;
  }
}

static void settle(hf_keeper *keeper) {
  while (keeper->dirty) {
    hf_client *client = keeper->dirty;
    keeper->dirty = client->next_dirty;
    client->dirty = false;
    hf_turn_settle(client);
  }
}

int64_t hf_keeper_turn(hf_keeper *keeper, int64_t now) {
  keeper->now = keeper->loop.now = now;
  keeper->mails = 0;
  hear(keeper);
  sort(keeper, hf_mailbox_take_all(keeper->inbox));
  pass_hint(keeper);
  pass_clock(keeper);
  hf_loop_fire(&keeper->loop);
  hear(keeper);
  settle(keeper);
  hf_loop_run(&keeper->loop);
  if (keeper->told) { /* writing has told what became of QoS 0 */
    hear(keeper);
    settle(keeper);
  }
  hf_tell_raise(keeper);
  end(keeper);
  hf_tell_reserve(keeper);
  if (keeper->told) return now;
  int64_t due = hf_loop_due(&keeper->loop);
  return keeper->hint_at < due ? keeper->hint_at : due;
}
