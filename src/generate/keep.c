/* keep.c - going back, saving and loading a timeline
 *
 * File: "CHSESS02", model hash (16), adapter hash (16, zero: none), page scope (16), i32 GGUF type
 * of keys, of values, i32 page size, u32 CPU features, i32 tokens, i32 computed, i32 flags (1:
 * logits, 2: private), token ids, V f32 logits if flag 1, then the states' snapshots, and a hash
 * (16) of all before: pages that are loaded may be found by others, so they must be what was saved.
 * Everything that decides bits has to be what it is here; the scope holds the policies that have no
 * field of their own.  Little-endian.  SPDX-License-Identifier: MIT */
#include "guard.h"
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char magic[8] = "CHSESS02";
enum { HAS_LAST = 1, PRIVATE = 2 };

/* Could the first n tokens be computed a second time? */
static bool known(const ch_session *s, int n)
{
    for (int i = 0; i < n; i++)
        if (s->tokens[i] < 0)
            return false;
    return true;
}

int ch_session_go_back(ch_session *s, int length, ch_err *e)
{
    int rc = ch_sequence_rollback(&s->sequence, length, e);
    if (rc == CH_ELIMIT && known(s, length)) { /* a state that does not remember as much */
        length = 0;
        rc = ch_sequence_rollback(&s->sequence, length, e);
    }
    if (rc < 0)
        return rc;
    s->computed = length;
    s->has_last = false;
    s->keyed = CH_MIN(s->keyed, length / ch_cache_get_options(s->family->cache)->page_size);
    return CH_OK;
}

int ch_session_rollback(ch_session *s, int length, ch_err *e)
{
    if (length < 0 || length > s->n_tokens)
        return ch_fail(e, CH_EARG, "cannot keep %d tokens of %d; allowed are 0 to %d", length,
                       s->n_tokens, s->n_tokens);
    int rc = ch_session_drop_guesses(s, e);
    if (rc < 0 || length == s->n_tokens)
        return rc;
    if (length < s->computed)
        rc = ch_session_go_back(s, length, e);
    if (rc == CH_OK) {
        s->n_tokens = length;
        ch_session_grammar_back(s, length);
    }
    return rc;
}

static ch_hash128 checksum(const void *bytes, size_t n)
{
    return ch_hash_bytes((ch_hash128){0, 0}, bytes, n);
}

struct made_by { /* as it lies in the file */
    ch_hash128 model, adapter, scope;
    int32_t k_type, v_type, page_size;
    uint32_t features;
};

static struct made_by maker(const ch_family *f)
{
    const ch_cache_options *o = ch_cache_get_options(f->cache);
    return (struct made_by){.model = f->model->hash,
                            .adapter = f->adapter,
                            .scope = f->scope,
                            .k_type = ch_dtype_get(o->k_dtype)->gguf,
                            .v_type = ch_dtype_get(o->v_dtype)->gguf,
                            .page_size = o->page_size,
                            .features = f->features};
}

static const char *type_name(int32_t gguf)
{
    ch_dtype t;
    return ch_dtype_by_gguf(&t, gguf) ? ch_dtype_get(t)->name : "an unknown type";
}

/* Is all as it was when the file was written?  Else the first difference. */
static int check_maker(const struct made_by *was, const struct made_by *is, const char *path,
                       ch_err *e)
{
    if (!ch_hash_equal(was->model, is->model))
        return ch_fail(e, CH_EFORMAT, "%s: it was saved with another model", path);
    if (!ch_hash_equal(was->adapter, is->adapter))
        return ch_fail(e, CH_EFORMAT, "%s: it was saved with another adapter, or without one",
                       path);
    if (was->k_type != is->k_type || was->v_type != is->v_type)
        return ch_fail(e, CH_EFORMAT, "%s: its keys are %s and its values %s, here they are %s "
                                      "and %s",
                       path, type_name(was->k_type), type_name(was->v_type),
                       type_name(is->k_type), type_name(is->v_type));
    if (was->page_size != is->page_size)
        return ch_fail(e, CH_EFORMAT, "%s: its pages hold %d keys, here they hold %d", path,
                       (int)was->page_size, (int)is->page_size);
    if (was->features != is->features) {
        char then[100], now[100];
        ch_cpu_describe(then, sizeof then, was->features);
        ch_cpu_describe(now, sizeof now, is->features);
        return ch_fail(e, CH_EFORMAT, "%s: it was computed with %s, which rounds otherwise than "
                                      "%s here; CHALCIS_CPU says what to use",
                       path, then, now);
    }
    if (!ch_hash_equal(was->scope, is->scope))
        return ch_fail(e, CH_EFORMAT, "%s: it was saved under another policy of the cache", path);
    return CH_OK;
}

int ch_session_saved_length(int *out, const char *path, ch_err *e)
{
    char head[sizeof magic + sizeof(struct made_by) + sizeof(int32_t)];
    int32_t n = 0;
    FILE *f = fopen(path, "rb");
    if (!f)
        return ch_fail(e, CH_EIO, "%s: %s", path, strerror(errno));
    const bool whole = fread(head, 1, sizeof head, f) == sizeof head;
    fclose(f);
    memcpy(&n, head + sizeof magic + sizeof(struct made_by), sizeof n);
    if (!whole || memcmp(head, magic, sizeof magic) != 0 || n < 0 || n > CH_MAX_CONTEXT)
        return ch_fail(e, CH_EFORMAT, "%s: it is not a saved session", path);
    *out = n;
    return CH_OK;
}

static void header(ch_buf *b, const ch_session *s)
{
    const struct made_by here = maker(s->family);
    const int32_t numbers[3] = {s->n_tokens, s->computed,
                                (s->has_last ? HAS_LAST : 0) | (s->private_pages ? PRIVATE : 0)};
    ch_buf_put(b, magic, sizeof magic);
    ch_buf_put(b, &here, sizeof here);
    ch_buf_put(b, numbers, sizeof numbers);
    ch_buf_put(b, s->tokens, (size_t)s->n_tokens * sizeof *s->tokens);
    if (s->has_last)
        ch_buf_put(b, s->last, (size_t)s->family->model->config.vocab * sizeof *s->last);
}

int ch_session_dump(ch_buf *b, ch_session *s, const char *name, ch_err *e)
{
    const size_t from = b->size;
    int rc = ch_session_drop_guesses(s, e);
    if (rc == CH_OK && s->family->model->parameters)
        rc = ch_fail(e, CH_EUNSUPPORTED,
                     "%s: the session's model is being trained: what it remembers is no one's",
                     name);
    if (rc < 0)
        return rc;
    header(b, s);
    rc = ch_buf_check(b, name, e);
    if (rc == CH_OK)
        rc = ch_sequence_snapshot(&s->sequence, b, e);
    if (rc == CH_OK) {
        const ch_hash128 sum = checksum(b->data + from, b->size - from);
        ch_buf_put(b, &sum, sizeof sum);
        rc = ch_buf_check(b, name, e);
    }
    return rc;
}

int ch_session_save(ch_session *s, const char *path, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, SIZE_MAX / 4);
    int rc = ch_session_dump(&b, s, path, e);
    if (rc == CH_OK)
        rc = ch_io_write_file(path, b.data, b.size, e);
    ch_buf_close(&b);
    return rc;
}

struct cursor {
    const unsigned char *p;
    size_t left;
};

static bool take(struct cursor *c, void *out, size_t n)
{
    if (n > c->left)
        return false;
    memcpy(out, c->p, n);
    c->p += n;
    c->left -= n;
    return true;
}

static int load_tokens(ch_session *s, struct cursor *c, const int32_t numbers[3], const char *path,
                       ch_err *e)
{
    const int vocab = s->family->model->config.vocab;
    s->drawn_at = 0;
    if (numbers[0] < 0 || numbers[0] > s->family->context || numbers[1] < 0 ||
        numbers[1] > numbers[0])
        return ch_fail(e, CH_EFORMAT,
                       "%s: it holds %d tokens, %d of them computed; the context here is %d",
                       path, (int)numbers[0], (int)numbers[1], s->family->context);
    if (!take(c, s->tokens, (size_t)numbers[0] * sizeof *s->tokens) ||
        ((numbers[2] & HAS_LAST) && !take(c, s->last, (size_t)vocab * sizeof *s->last)))
        return ch_fail(e, CH_EFORMAT, "%s: the file ends early, within its tokens", path);
    for (int i = 0; i < numbers[0]; i++) /* what is to be computed yet cannot be a vector */
        if (s->tokens[i] < ((numbers[2] & PRIVATE) && i < numbers[1] ? -1 : 0) ||
            s->tokens[i] >= vocab)
            return ch_fail(e, CH_EFORMAT, "%s: token %d is %d, the vocabulary has 0 to %d", path,
                           i, (int)s->tokens[i], vocab - 1);
    return CH_OK;
}

/* Does the file end in the hash of what is before? */
static bool unharmed(const ch_mapping *m)
{
    ch_hash128 sum;
    if (m->size < sizeof sum)
        return false;
    memcpy(&sum, m->data + m->size - sizeof sum, sizeof sum);
    return ch_hash_equal(sum, checksum(m->data, m->size - sizeof sum));
}

static int load_bytes(ch_session *s, const ch_mapping *whole, const char *path, ch_err *e)
{
    struct cursor cursor = {whole->data, whole->size}, *c = &cursor;
    char start[8];
    struct made_by was, is = maker(s->family);
    int32_t numbers[3];
    if (!take(c, start, sizeof start) || memcmp(start, magic, sizeof magic) != 0)
        return ch_fail(e, CH_EFORMAT, "%s: not a saved session", path);
    if (!take(c, &was, sizeof was) || !take(c, numbers, sizeof numbers))
        return ch_fail(e, CH_EFORMAT, "%s: the file ends early, within its header", path);
    if (!unharmed(whole))
        return ch_fail(e, CH_EFORMAT, "%s: the file is damaged or incomplete (its hash differs)",
                       path);
    c->left -= CH_MIN(c->left, sizeof(ch_hash128));
    int rc = check_maker(&was, &is, path, e);
    if (rc == CH_OK)
        rc = load_tokens(s, c, numbers, path, e);
    if (rc == CH_OK)
        rc = ch_sequence_restore(&s->sequence, c->p, c->left, e);
    if (rc == CH_OK && (rc = ch_guard_whole(whole->data, e)) < 0)
        ch_sequence_rollback(&s->sequence, 0, NULL);
    if (rc < 0)
        return rc;
    if (s->sequence.length != numbers[1]) {
        ch_sequence_rollback(&s->sequence, 0, NULL);
        return ch_fail(e, CH_EFORMAT, "%s: %d tokens were computed but the cache holds %d", path,
                       (int)numbers[1], s->sequence.length);
    }
    s->n_tokens = numbers[0];
    s->computed = numbers[1];
    s->has_last = (numbers[2] & HAS_LAST) != 0;
    s->last_steps = 0; /* the file does not say */
    s->private_pages |= (numbers[2] & PRIVATE) != 0; /* or its model's are */
    ch_session_seal(s);
    return CH_OK;
}

int ch_session_load(ch_session *s, const char *path, ch_err *e)
{
    if (s->n_tokens != 0)
        return ch_fail(e, CH_EARG,
                       "%s: it can be loaded into an empty session only; this one has %d tokens",
                       path, s->n_tokens);
    ch_mapping m;
    int rc = ch_io_map(&m, path, e);
    if (rc < 0)
        return rc;
    rc = load_bytes(s, &m, path, e);
    ch_io_unmap(&m);
    return rc;
}
