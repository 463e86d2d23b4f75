#include "sys/loop.h"

void hf_loop_init(hf_loop *loop, hf_pollset *pollset) {
  *loop = (hf_loop){.pollset = pollset};
  loop->last_task = &loop->tasks;
  hf_heap_init(&loop->timers);
}

void hf_loop_set(hf_loop *loop, hf_timer *timer, int64_t due) {
  hf_heap_set(&loop->timers, &timer->item, due);
}

void hf_loop_stop(hf_loop *loop, hf_timer *timer) {
  hf_heap_remove(&loop->timers, &timer->item);
}

void hf_loop_later(hf_loop *loop, hf_task *task) {
  if (task->previous) return;
  task->next = NULL;
  task->previous = loop->last_task;
  *loop->last_task = task;
  loop->last_task = &task->next;
}

void hf_loop_cancel(hf_loop *loop, hf_task *task) {
  if (!task->previous) return;
  *task->previous = task->next;
  if (task->next)
    task->next->previous = task->previous;
  else if (loop->last_task == &task->next) /* not so while it is in the line of those that run now */
    loop->last_task = task->previous;
  task->previous = NULL;
}

/* At most as many as there are, so that timers set again and again for what is past cannot keep the turn here. */
void hf_loop_fire(hf_loop *loop) {
  for (size_t most = loop->timers.count; most > 0; most--) {
    hf_heap_item *first = hf_heap_first(&loop->timers);
    if (!first || first->due > loop->now) return;
    hf_timer *timer = (hf_timer *)((char *)first - offsetof(hf_timer, item));
    hf_heap_remove(&loop->timers, first);
    timer->fire(timer, loop->now);
  }
}

bool hf_loop_run(hf_loop *loop) {
  hf_task *waiting = loop->tasks;
  loop->tasks = NULL;
  loop->last_task = &loop->tasks;
  loop->spent = 0;
  if (waiting) waiting->previous = &waiting;
  while (waiting) {
    hf_task *task = waiting;
    hf_loop_cancel(loop, task);
    task->run(task);
  }
  return loop->tasks != NULL;
}

int64_t hf_loop_due(const hf_loop *loop) {
  const hf_heap_item *first = hf_heap_first(&loop->timers);
  if (loop->tasks) return loop->now;
  return first ? first->due : INT64_MAX;
}
