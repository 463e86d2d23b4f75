/* boot.h: which start of the machine this is.
 *
 * A time of CLOCK_BOOTTIME means something to another process only if it is of the
 * same start. No state, nothing to own. Any thread; reads a file of /proc.
 */
#ifndef HF_SYS_BOOT_H
#define HF_SYS_BOOT_H

enum { HF_BOOT_ID = 40 }; /* a UUID as text, and its end */

/* Empty where the system does not say. */
void hf_boot_id(char text[HF_BOOT_ID]);

#endif
