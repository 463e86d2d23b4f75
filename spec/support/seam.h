/* seam.h: dlsym(3), for a probe in LD_PRELOAD that has its own in place of it.
 *
 * Libraries that the module loads by itself are asked for their functions with dlsym, which what is preloaded stands in
 * for only so. Any thread.
 */
#ifndef HOLDFAST_SPEC_SEAM_H
#define HOLDFAST_SPEC_SEAM_H

#include <dlfcn.h>
#include <stddef.h>

static inline void *find_really(void *handle, const char *name) {
  typedef void *lookup(void *, const char *);
  static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.4", "GLIBC_2.2.5", "GLIBC_2.0"};
  lookup *find = NULL;
  for (size_t i = 0; !find && i < sizeof versions / sizeof versions[0]; i++)
    *(void **)&find = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
  return find(handle, name);
}

#endif
