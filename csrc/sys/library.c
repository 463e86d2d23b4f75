#include "sys/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static void (*at_end)(void);

static bool find_all(hf_library *library, void *handle) {
  char *slot = library->slots;
  for (size_t i = 0; i < library->count; i++, slot += sizeof(void *)) {
    void *found = dlsym(handle, library->names[i]);
    if (!found) return false;
    memcpy(slot, &found, sizeof found);
  }
  return true;
}

/* What it answers must not change what it asks: a library that is there is let go again. */
static bool is_mapped(const char *file) {
  void *handle = dlopen(file, RTLD_LAZY | RTLD_NOLOAD);
  if (handle) dlclose(handle);
  return handle != NULL;
}

static bool load(hf_library *library, char *problem) {
  void *handle = dlopen(library->file, RTLD_LAZY | RTLD_LOCAL);
  if (handle && find_all(library, handle)) return true;
  const char *why = dlerror();
  snprintf(problem, HF_LIBRARY_PROBLEM, "%s", why ? why : library->file);
  if (handle) dlclose(handle);
  return false;
}

bool hf_library_load(hf_library *library, char *problem) {
  if (atomic_load_explicit(&library->is_there, memory_order_acquire)) return true;
  pthread_mutex_lock(&loading);
  bool there = atomic_load(&library->is_there), is_new = !there && library->loaded && !is_mapped(library->file);
  if (!there && load(library, problem)) {
    if (library->loaded) library->loaded(is_new);
    if (at_end) atexit(at_end);
    atomic_store(&library->is_there, there = true);
  }
  pthread_mutex_unlock(&loading);
  return there;
}

void hf_library_at_exit(void (*end)(void)) {
  pthread_mutex_lock(&loading);
  at_end = end;
  atexit(at_end);
  pthread_mutex_unlock(&loading);
}
