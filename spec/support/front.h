/* front.h: how a probe in LD_PRELOAD comes before a library that the module loads by itself.
 *
 * The probe is linked with that library, and who loads it gets the probe: what is looked up there is the probe's where
 * it has a function of the name, else the library's. dlsym itself is left alone: it knows its caller by where it is
 * called, and a sanitizer that looks for the functions behind its own would find its own. Any thread.
 */
#ifndef HOLDFAST_SPEC_FRONT_H
#define HOLDFAST_SPEC_FRONT_H

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* `inside`: an address within the probe. */
static inline void *open_behind(void *inside, const char *library, const char *file, int mode) {
  void *(*real)(const char *, int) = NULL;
  *(void **)&real = dlsym(RTLD_NEXT, "dlopen");
  Dl_info probe;
  if (file && strncmp(file, library, strlen(library)) == 0 && dladdr(inside, &probe)) file = probe.dli_fname;
  return real(file, mode);
}

#endif
