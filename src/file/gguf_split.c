/* gguf_split.c - a GGUF model in several files: any of them opens all
 *
 *   NAME-00001-of-00003.gguf     split.no 0, split.count 3, split.tensors.count of all, metadata
 *   NAME-00002-of-00003.gguf     split.no 1, split.count 3, ..., and so on
 *
 * Metadata is the first one's.  A file that is missing, or is no part of the same model, is named.
 * Source: llama.cpp, tools/gguf-split.  SPDX-License-Identifier: MIT */
#include "gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

enum { SPLITS_MOST = 99999, TAIL = 20 }; /* "-00001-of-00003.gguf" */

typedef struct split {
    int64_t no, count, tensors; /* tensors: -1 where it is not said */
} split;

static int read_split(split *s, const ch_file *f, ch_err *e)
{
    *s = (split){0, 1, -1};
    int rc = ch_file_int_opt(&s->count, f, "split.count", 0, SPLITS_MOST, e);
    if (rc == CH_OK)
        rc = ch_file_int_opt(&s->no, f, "split.no", 0, SPLITS_MOST, e);
    if (rc == CH_OK)
        rc = ch_file_int_opt(&s->tensors, f, "split.tensors.count", 0, INT32_MAX, e);
    return rc;
}

/* Writes the name of part `no` over a path that ends like one; false: it does not. */
static bool name_part(char *path, int64_t no, int64_t count)
{
    char tail[64];
    int was, of, end = 0;
    const size_t n = strlen(path);
    if (n < TAIL)
        return false;
    char *at = path + n - TAIL;
    if (sscanf(at, "-%5d-of-%5d.gguf%n", &was, &of, &end) != 2 || end != TAIL || of != count)
        return false;
    snprintf(tail, sizeof tail, "-%05lld-of-%05lld.gguf", (long long)no + 1, (long long)count);
    memcpy(at, tail, TAIL);
    return true;
}

static int open_one(ch_file **out, const char *path, ch_err *e)
{
    int rc = ch_file_empty(out, path, e);
    if (rc == CH_OK && !ch_io_exists(path))
        rc = ch_fail(e, CH_EIO, "%s: a part of the model is missing", path);
    if (rc == CH_OK)
        rc = ch_file_map(*out, e);
    if (rc == CH_OK && !ch_gguf_sniff((*out)->map.data, (*out)->map.size))
        rc = ch_fail(e, CH_EFORMAT, "%s: it is no GGUF file, as a part of a model should be", path);
    if (rc == CH_OK)
        rc = ch_gguf_read(*out, e);
    if (rc < 0)
        ch_file_close(out);
    return rc;
}

static int check_part(const ch_file *part, int64_t no, const split *all, ch_err *e)
{
    split s;
    const int rc = read_split(&s, part, e);
    if (rc < 0 || (s.no == no && s.count == all->count && s.tensors == all->tensors))
        return rc;
    return ch_fail(e, CH_EFORMAT,
                   "%s: it says it is part %lld of %lld with %lld tensors in all, wanted is part "
                   "%lld of %lld with %lld",
                   part->path, (long long)s.no + 1, (long long)s.count, (long long)s.tensors,
                   (long long)no + 1, (long long)all->count, (long long)all->tensors);
}

static int take_tensors(ch_file *f, const ch_file *part, ch_err *e)
{
    int rc = ch_file_reserve(f, 0, part->n_tensors, e);
    for (size_t i = 0; i < part->n_tensors && rc == CH_OK; i++) {
        const ch_file_tensor *t = &part->tensors[i];
        rc = ch_file_put_tensor(f, (ch_str){t->name, strlen(t->name)}, &t->t, t->bytes, e);
    }
    return rc;
}

/* The others of which f, that was opened under its own name, is the first. */
static int open_others(ch_file *f, const split *all, ch_err *e)
{
    char *path = strdup(f->path);
    int rc = path ? CH_OK : ch_fail(e, CH_ENOMEM, "%s: out of memory", f->path);
    for (int64_t no = 1; no < all->count && rc == CH_OK; no++) {
        ch_file *part;
        name_part(path, no, all->count);
        rc = open_one(&part, path, e);
        if (rc < 0)
            break;
        ch_file_adopt(f, part);
        rc = check_part(part, no, all, e);
        if (rc == CH_OK)
            rc = take_tensors(f, part, e);
    }
    free(path);
    if (rc == CH_OK && all->tensors >= 0 && f->n_tensors != (size_t)all->tensors)
        rc = ch_fail(e, CH_EFORMAT, "%s: its %lld parts hold %zu tensors, split.tensors.count is "
                                    "%lld",
                     f->path, (long long)all->count, f->n_tensors, (long long)all->tensors);
    return rc;
}

int ch_gguf_open_split(ch_file **pf, ch_err *e)
{
    split s;
    int rc = read_split(&s, *pf, e);
    if (rc < 0 || s.count <= 1)
        return rc;
    char *path = strdup((*pf)->path);
    if (!path)
        return ch_fail(e, CH_ENOMEM, "%s: out of memory", (*pf)->path);
    if (!name_part(path, 0, s.count)) {
        rc = ch_fail(e, CH_EFORMAT,
                     "%s: it is part %lld of %lld of a model; to find the others it has to be "
                     "called ...-%05lld-of-%05lld.gguf",
                     path, (long long)s.no + 1, (long long)s.count, (long long)s.no + 1,
                     (long long)s.count);
    } else if (s.no > 0) { /* begin again with the first */
        ch_file_close(pf);
        rc = open_one(pf, path, e);
        if (rc == CH_OK)
            (*pf)->format = "gguf";
        if (rc == CH_OK)
            rc = check_part(*pf, 0, &s, e);
    } else if (strcmp(path, (*pf)->path) != 0) {
        rc = ch_fail(e, CH_EFORMAT, "%s: it says it is part 1 of %lld, its name says another",
                     (*pf)->path, (long long)s.count);
    }
    free(path);
    return rc == CH_OK ? open_others(*pf, &s, e) : rc;
}
