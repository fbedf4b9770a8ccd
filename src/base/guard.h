/* guard.h - mapped files that lose bytes while they are read
 *
 * A page that is read behind the end of a file that was cut, or that its disk does not give, is a
 * SIGBUS.  Whoever wants to outlive that (ch_guard_files, chalcis.h) or to say why it ends has
 * mappings noted, with their files kept open.  Signals belong to the process and bring nothing but
 * an address, so the list is one of the process, which is why it is not made unasked.
 *
 * A file that another one replaces (rename) loses nothing: it stays until it is unmapped.
 * SPDX-License-Identifier: MIT */
#ifndef CH_GUARD_H
#define CH_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "chalcis.h"

/* From now on mappings are noted, 1024 at once at most. */
void ch_guard_watch(void);
/* io.c: notes a mapping of n > 0 bytes, and keeps fd; false: it does not. */
bool ch_guard_add(const void *data, size_t n, int fd, const char *path);
void ch_guard_remove(const void *data); /* what was never noted: nothing */

/* Is a mapping still what it was?  CH_EIO, for good, when a part of it could not be read or its
 * file is shorter than it.  The latter is asked of the file, because what is cut off within a page
 * reads as zeros without a signal.  CH_OK of what is not noted. */
int ch_guard_whole(const void *data, ch_err *e);

/* The file that is mapped at an address, printable, or NULL.  For handlers of SIGBUS. */
const char *ch_guard_path(const void *address);

#endif
