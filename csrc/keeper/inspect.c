#include "keeper/inspect.h"

#include <stdio.h>
#include <string.h>

#include "keeper/inside.h"
#include "keeper/tell.h"
#include "sys/clock.h"

enum { NAME = 256 /* bytes, of a host */ };

static void tell(hf_client *client, hf_step *step) {
  if (step) step->at = hf_clock_us();
  hf_tell_step(client, step);
}

void hf_inspect_begun(hf_client *client) {
  if (client->options->inspect) tell(client, hf_step_new(HF_STEP_BEGUN, 0));
}

static void put_item(hf_step *step, const char *name, const char *text) {
  hf_step_bytes(step, HF_STEP_ITEM, name, (hf_bytes){text, strlen(text)});
}

void hf_inspect_service(hf_client *client, const hf_found *found) {
  if (!client->options->inspect || found->failure) return;
  const hf_service *service = &found->service;
  hf_step *step = hf_step_new(HF_STEP_NAME, (1 + service->count) * (HF_STEP_FIELD + NAME + 8));
  hf_step_text(step, "service", found->name);
  for (size_t i = 0; i < service->count; i++) {
    char text[NAME + 8];
    snprintf(text, sizeof text, "%s:%u", service->servers[i].host, (unsigned)service->servers[i].port);
    put_item(step, "servers", text);
  }
  tell(client, step);
}

void hf_inspect_name(hf_client *client, const hf_resolved *resolved) {
  if (!client->options->inspect || resolved->failure) return;
  hf_step *step = hf_step_new(HF_STEP_NAME, (1 + resolved->count) * (HF_STEP_FIELD + NAME));
  hf_step_text(step, "host", resolved->host);
  for (size_t i = 0; i < resolved->count; i++)
    put_item(step, "addresses", resolved->addresses[i].text);
  tell(client, step);
}
