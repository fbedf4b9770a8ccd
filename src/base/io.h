/* io.h - files: mapped for reading, written aside and renamed
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_IO_H
#define CH_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"

/* A whole file, read-only.  Mapped where possible; a pipe or special file is read into memory, up
 * to CH_IO_READ_MAX bytes (some never end).  An empty file has size 0 and data that may not be
 * dereferenced. */
#ifdef CH_HOSTILE
#define CH_IO_READ_MAX ((size_t)64 << 20)
#else
#define CH_IO_READ_MAX ((size_t)2 << 30)
#endif
typedef struct ch_mapping {
    const unsigned char *data;
    size_t size;
    bool mapped;
} ch_mapping;

int ch_io_map(ch_mapping *m, const char *path, ch_err *e); /* directories: CH_EARG */
void ch_io_unmap(ch_mapping *m);
/* These bytes are not read again soon: their memory goes back to the system, which has them in the
 * file.  Does nothing for what is not mapped, or not of this mapping. */
void ch_io_forget(const ch_mapping *m, const void *p, size_t n);

/* Everything from a stream until its end, at most b->limit bytes. */
int ch_io_read_stream(ch_buf *b, FILE *f, const char *name, ch_err *e);
int ch_io_read_file(ch_buf *b, const char *path, ch_err *e); /* b initialised; limit applies */

/* Writing a file that is never seen half done: a temporary beside it, fsync, rename, fsync of the
 * directory.  _commit or _abandon ends it; both close everything.  Write errors (disk full) stick
 * and are told by _commit, which then removes the temporary and leaves the old file alone.
 * A link is followed; a device or pipe is written directly.  After a failed _create, or in a
 * ch_writer that is all zero, the other functions do nothing (_commit says so). */
typedef struct ch_writer {
    char *path, *temp; /* path NULL: not open; temp NULL: written directly */
    int fd;
    int failed_errno;
    unsigned char *held; /* bytes on their way to fd */
    size_t n_held;
    uint64_t at; /* bytes written so far */
} ch_writer;

int ch_io_create(ch_writer *w, const char *path, ch_err *e);
void ch_io_write(ch_writer *w, const void *bytes, size_t n);
void ch_io_pad(ch_writer *w, uint64_t to_multiple_of); /* zero bytes */
int ch_io_commit(ch_writer *w, ch_err *e);
void ch_io_abandon(ch_writer *w);

/* One shot of the above. */
int ch_io_write_file(const char *path, const void *bytes, size_t n, ch_err *e);

int ch_io_make_dir(const char *path, ch_err *e); /* and its parents; existing is fine */
bool ch_io_is_dir(const char *path);
bool ch_io_is_file(const char *path); /* a regular one; links are followed */
bool ch_io_exists(const char *path);
/* "dir/name" in newly allocated memory (free it); NULL when out of memory. */
char *ch_io_join(const char *dir, const char *name);
/* Regular files below dir, depth first, sorted by path (strcmp); hidden names are skipped, links to
 * directories are not followed.  *paths and each entry belong to the caller: ch_io_free_list. */
int ch_io_list(char ***paths, size_t *n, const char *dir, ch_err *e);
void ch_io_free_list(char **paths, size_t n);

#endif
