#include "keeper/patience.h"

#include "keeper/inside.h"

enum {
  GLANCE = 250, /* ms: the first look */
  LOOKS = 4,    /* in an answer's time: how late the end of what passes is seen */
};

static int64_t sooner(int64_t one, int64_t other) {
  return one < other ? one : other;
}

void hf_patience_begin(hf_client *client, hf_patience *patience, hf_deadline due, int64_t time, int64_t most) {
  int64_t now = client->keeper->now;
  *patience = (hf_patience){.asked_at = now, .moved_at = now, .time = time, .most = most};
  client->due[due] = now + (client->operations->figures ? sooner(GLANCE, time / LOOKS) : time);
}

bool hf_patience_goes_on(hf_client *client, hf_patience *patience, hf_deadline due) {
  if (!client->operations->figures || !client->link) return false;
  int64_t now = client->keeper->now;
  hf_link_figures figures;
  client->operations->figures(client->link, &figures);
  if (patience->looked && figures.progress != patience->progress) patience->moved_at = now;
  patience->progress = figures.progress;
  patience->looked = true;
  int64_t end = sooner(patience->moved_at + patience->time, patience->asked_at + patience->most);
  if (now >= end) return false;
  client->due[due] = sooner(now + patience->time / LOOKS, end);
  return true;
}
