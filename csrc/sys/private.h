/* private.h: descriptors that are this process's alone, also where a child of fork() goes on without exec.
 *
 * A connection whose descriptor a child holds stays up when its process has
 * ended, and its will is late by as long as the child lives. What is marked here
 * is closed in every child, from within fork: no lock is taken and nothing
 * allocated, so it works whatever the other threads were doing. Any thread; a
 * descriptor is unmarked before it is closed.
 */
#ifndef HF_SYS_PRIVATE_H
#define HF_SYS_PRIVATE_H

void hf_private_mark(int descriptor);
void hf_private_unmark(int descriptor);
void hf_private_close_all(void); /* in a child */

#endif
