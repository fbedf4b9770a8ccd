/* store.h - private to file/: what readers and the builder put a ch_file together with
 *
 * Everything a file owns besides its mapping comes from ch_file_take and is freed by ch_file_close:
 * blocks of memory filled from the front, so that a name or a short string costs no malloc.
 * SPDX-License-Identifier: MIT */
#ifndef CH_STORE_H
#define CH_STORE_H

#include "file.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "model files are little-endian and are read in place: this machine is not"
#endif

/* The limits of every reader and of the builder.  What a file claims is also compared with its
 * size, so memory stays within a small multiple of the file's bytes.  There is no nesting to limit:
 * arrays of arrays are refused. */
#define CH_FILE_MAX_META 65536                    /* metadata entries */
#define CH_FILE_MAX_TENSORS 65536                 /* tensors */
#define CH_FILE_MAX_KEY 65535                     /* bytes of a metadata key (GGUF specification) */
#define CH_FILE_MAX_NAME 1023                     /* bytes of a tensor name */
#define CH_FILE_MAX_STRING ((size_t)64 << 20)     /* bytes of one metadata string */
#define CH_FILE_MAX_STRINGS ((size_t)1 << 24)     /* strings in one array */
#define CH_FILE_MAX_ST_HEADER ((size_t)100000000) /* bytes of a safetensors header (its authors') */

/* "%.*s" of a name out of a file: enough to recognise it by. */
#define CH_SHOWN(n) ((int)CH_MIN((n), (size_t)80))

typedef struct ch_file_block ch_file_block;

struct ch_file_index {
    ch_map meta, tensors;    /* key or name -> position in ch_file.meta, .tensors */
    size_t meta_cap, tensors_cap;
    ch_file_block *blocks;
    ch_file *parts, *last, *next; /* files that this one is put together from: the first, the last;
                                   * and the next of such */
    bool borrowed;           /* the mapping belongs to the caller */
    bool names_others;       /* tensors of integers are named, not refused: */
    const char **others;
    size_t n_others;
};

/* One line of files.def: does this begin like my format, and read it all. */
typedef bool ch_file_sniff(const unsigned char *p, size_t n);
typedef int ch_file_read(ch_file *f, ch_err *e); /* f->path and f->map are set, the rest is empty */
#define FORMAT(name)                   \
    ch_file_sniff ch_##name##_sniff;   \
    ch_file_read ch_##name##_read;
#include "files.def"
#undef FORMAT

/* config.json and model.safetensors of a folder, as one file; and the same of bytes in memory. */
int ch_file_open_folder(ch_file **out, const char *dir, ch_err *e);
int ch_file_open_folder_memory(ch_file **out, const char *config, size_t n_config,
                               const void *weights, size_t n_weights, const char *name, ch_err *e);
/* ch_file_open for a file that is a part: of tensors of integers, which nothing here computes with,
 * it has the names in index->others.  The same over bytes in memory. */
int ch_file_open_part(ch_file **out, const char *path, ch_err *e);
int ch_file_open_part_memory(ch_file **out, const void *bytes, size_t n, const char *name,
                             ch_err *e);
/* Of a GGUF model in several files *f is one by its path: puts them together, under the first one's
 * name.  *f may be NULL after a failure. */
int ch_gguf_open_split(ch_file **f, ch_err *e);
/* Maps what f->path names.  Only a regular file: another could be endless, or wait for ever. */
int ch_file_map(ch_file *f, ch_err *e);
/* part lives as long as f from now on. */
void ch_file_adopt(ch_file *f, ch_file *part);
/* An empty file under that name. */
int ch_file_empty(ch_file **out, const char *path, ch_err *e);
/* n bytes that live as long as f, aligned for anything; NULL: out of memory. */
void *ch_file_take(ch_file *f, size_t n);
/* A copy of n bytes, and a 0 after them. */
char *ch_file_copy(ch_file *f, const void *bytes, size_t n);
/* Room for that many more entries at once; both counts were compared with limits and file. */
int ch_file_reserve(ch_file *f, size_t metas, size_t tensors, ch_err *e);
/* Appends.  The key and what the value points at must live as long as f.  A key that is there
 * already: CH_EFORMAT. */
int ch_file_put_meta(ch_file *f, const ch_meta *m, ch_err *e);
/* Appends under a copy of the name.  Data that is not aligned to its elements is copied.  An empty
 * name, one with a 0 byte, one that is there already: CH_EFORMAT. */
int ch_file_put_tensor(ch_file *f, ch_str name, const ch_tensor *t, size_t bytes, ch_err *e);

#endif
