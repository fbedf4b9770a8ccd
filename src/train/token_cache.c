/* token_cache.c - tokens made once and mapped ever after: DIR/tokens-KEY.bin
 *
 *   header    struct header; a section each for every source, then one for the held-out documents
 *   arrays    of each section: starts i64 x (documents + 1), tokens u16 or u32 x n, mask bits;
 *             zeros up to the next multiple of 8
 *
 * All numbers in the machine's order: a file from another kind has another magic.  KEY is a hash of
 * all documents (and of which source and side each one belongs to), the tokenizer, the format and
 * the layout, so a file is right or it is not there; a checksum and the sizes tell one that was
 * damaged, which is made again.  Nothing in a file is used before all of it was checked.
 * SPDX-License-Identifier: MIT */
#include "train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC   0x314b4f5443594c41u
#define VERSION 1

enum { SECTIONS_MAX = 1 << 16 };

struct section {
    int64_t n, documents, targets;
    uint64_t bytes;
    int32_t end, masked;
};

struct header {
    uint64_t magic;
    uint32_t version, width, sections, zero;
    uint64_t size; /* of the file */
    ch_hash128 key, checksum;
    uint64_t near, near_bytes;
};

static ch_hash128 key_of(const ch_texts *t, const ch_tokenizer *tk, const ch_format *f)
{
    const ch_hash128 vocabulary = ch_tokenizer_hash(tk);
    const uint64_t head[] = {MAGIC, VERSION, t->n, (uint64_t)t->sources};
    ch_hash128 h = ch_hash_bytes(vocabulary, head, sizeof head);
    h = ch_hash_bytes(h, f->name, strlen(f->name));
    for (size_t i = 0; i < t->n; i++) {
        const struct ch_text *d = &t->at[i];
        bool masked = false; /* which parts do not train follows from their roles */
        for (size_t k = 0; k < d->parts; k++)
            masked = masked || !t->part[d->first + k].trains;
        const uint64_t what[] = {d->hash.lo, d->hash.hi, (uint64_t)d->source, d->held_out, masked};
        h = ch_hash_bytes(h, what, sizeof what);
    }
    return h;
}

/* ---- Layout --------------------------------------------------------------------------------- */

static size_t width_of(const ch_corpus *c)
{
    return c->wide ? sizeof *c->wide : sizeof *c->narrow;
}

/* Bytes of a section's arrays, without the zeros after them; 0: more than there can be. */
static uint64_t array_bytes(const struct section *s, uint64_t width)
{
    if (s->n < 0 || s->documents < 0 || s->n > INT64_MAX / 16 || s->documents > s->n)
        return 0;
    return ((uint64_t)s->documents + 1) * sizeof(int64_t) + (uint64_t)s->n * width +
           (s->masked ? ((uint64_t)s->n + 7) / 8 : 0);
}

static uint64_t padded(uint64_t n)
{
    return (n + 7) / 8 * 8;
}

static ch_hash128 checksum(const struct header *h, const ch_corpus *sections, ch_pool *pool)
{
    struct header plain = *h;
    plain.checksum = (ch_hash128){0, 0};
    ch_hash128 sum = ch_hash_bytes((ch_hash128){0, 0}, &plain, sizeof plain);
    for (uint32_t i = 0; i < h->sections; i++) {
        const ch_hash128 section = ch_corpus_hash(&sections[i], pool);
        const int64_t masked = sections[i].trains != NULL;
        sum = ch_hash_bytes(sum, &section, sizeof section);
        sum = ch_hash_bytes(sum, &masked, sizeof masked);
    }
    return sum;
}

/* ---- Reading: each check comes before what it guards ----------------------------------------- */

/* Starts rise from 0 to n, and every id is below `size`. */
static bool holds_together(const ch_corpus *c, int size)
{
    if (c->start[0] != 0 || c->start[c->documents] != c->n || c->end < -1 || c->end >= size)
        return false;
    for (int64_t i = 0; i < c->documents; i++)
        if (c->start[i] >= c->start[i + 1])
            return false;
    uint32_t largest = 0;
    for (int64_t i = 0; c->narrow && i < c->n; i++)
        largest = CH_MAX(largest, c->narrow[i]);
    for (int64_t i = 0; c->wide && i < c->n; i++)
        largest = CH_MAX(largest, c->wide[i]);
    return c->n == 0 || largest < (uint32_t)size;
}

/* Lets a section point at its arrays; false: they would end beyond the file, or what is between
 * them is not zero. */
static bool place(ch_corpus *c, const struct section *s, uint64_t width, const ch_mapping *m,
                  uint64_t *at)
{
    const uint64_t bytes = array_bytes(s, width);
    if (bytes == 0 || bytes > m->size - *at || padded(bytes) > m->size - *at ||
        (s->masked != 0 && s->masked != 1))
        return false;
    const unsigned char *p = m->data + *at;
    *c = (ch_corpus){.n = s->n,
                     .documents = s->documents,
                     .targets = s->targets,
                     .bytes = s->bytes,
                     .end = s->end,
                     .mapped = true,
                     .start = (const int64_t *)(const void *)p};
    p += ((uint64_t)s->documents + 1) * sizeof(int64_t);
    if (width == 2)
        c->narrow = (const uint16_t *)(const void *)p;
    else
        c->wide = (const uint32_t *)(const void *)p;
    p += (uint64_t)s->n * width;
    c->trains = s->masked ? p : NULL;
    for (uint64_t i = bytes; i < padded(bytes); i++)
        if (m->data[*at + i] != 0)
            return false;
    *at += padded(bytes);
    return true;
}

static bool check(ch_corpus *sections, ch_duplicates *d, const ch_mapping *m, int n,
                  ch_hash128 key, int vocab, ch_pool *pool)
{
    struct header h;
    if (m->size < sizeof h)
        return false;
    memcpy(&h, m->data, sizeof h);
    uint64_t at = sizeof h + (uint64_t)n * sizeof(struct section);
    if (h.magic != MAGIC || h.version != VERSION || h.sections != (uint32_t)n ||
        h.size != m->size || !ch_hash_equal(h.key, key) || at > m->size ||
        h.width != (vocab <= 1 << 16 ? 2u : 4u))
        return false;
    for (int i = 0; i < n; i++) {
        struct section s;
        memcpy(&s, m->data + sizeof h + (size_t)i * sizeof s, sizeof s);
        if (!place(&sections[i], &s, h.width, m, &at))
            return false;
    }
    if (at != m->size || !ch_hash_equal(checksum(&h, sections, pool), h.checksum))
        return false;
    for (int i = 0; i < n; i++)
        if (!holds_together(&sections[i], vocab))
            return false;
    d->near = h.near;
    d->near_bytes = h.near_bytes;
    return true;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static struct section section_of(const ch_corpus *c)
{
    return (struct section){.n = c->n,
                            .documents = c->documents,
                            .targets = c->targets,
                            .bytes = c->bytes,
                            .end = c->end,
                            .masked = c->trains != NULL};
}

static int save(const char *path, ch_corpus *sections, const ch_duplicates *d, int n,
                ch_hash128 key, ch_pool *pool, ch_err *e)
{
    static const int64_t no_documents = 0;
    struct header h = {.magic = MAGIC,
                       .version = VERSION,
                       .sections = (uint32_t)n,
                       .key = key,
                       .near = d->near,
                       .near_bytes = d->near_bytes};
    h.size = sizeof h + (uint64_t)n * sizeof(struct section);
    h.width = 2;
    for (int i = 0; i < n; i++)
        if (sections[i].wide)
            h.width = 4;
    for (int i = 0; i < n; i++) {
        const struct section s = section_of(&sections[i]);
        h.size += padded(array_bytes(&s, h.width));
    }
    h.checksum = checksum(&h, sections, pool);
    ch_writer w;
    const int rc = ch_io_create(&w, path, e);
    if (rc < 0)
        return rc;
    ch_io_write(&w, &h, sizeof h);
    for (int i = 0; i < n; i++) {
        const struct section s = section_of(&sections[i]);
        ch_io_write(&w, &s, sizeof s);
    }
    for (int i = 0; i < n; i++) {
        const ch_corpus *c = &sections[i];
        ch_io_write(&w, c->start ? c->start : &no_documents,
                    ((size_t)c->documents + 1) * sizeof *c->start);
        ch_io_write(&w, c->wide ? (const void *)c->wide : c->narrow, (size_t)c->n * width_of(c));
        if (c->trains)
            ch_io_write(&w, c->trains, ((size_t)c->n + 7) / 8);
        ch_io_pad(&w, 8);
    }
    return ch_io_commit(&w, e);
}

/* ---- The way in ----------------------------------------------------------------------------- */

typedef struct getting {
    ch_texts *t;
    const ch_tokenizer *tk;
    const ch_format *f;
    ch_pool *pool;
    char *path;
    ch_hash128 key;
    int n; /* sections */
} getting;

/* Maps the file and lets the sections point into it, if it is whole. */
static bool open_file(ch_corpus *sections, ch_mapping *map, const getting *g)
{
    if (ch_io_map(map, g->path, NULL) < 0)
        return false;
    if (map->mapped && check(sections, &g->t->duplicates, map, g->n, g->key,
                             ch_tokenizer_size(g->tk), g->pool))
        return true;
    ch_io_unmap(map);
    return false;
}

/* Into memory, from there into the file, and that is mapped instead.  A file that cannot be written
 * costs memory, and the next start some time, not the run. */
static int make(ch_corpus *sections, ch_mapping *map, const getting *g, char *note, ch_err *e)
{
    ch_err why = {0};
    int rc = ch_texts_near(g->t, e);
    if (rc == CH_OK)
        rc = ch_corpus_sections(sections, g->t, g->tk, g->f, g->pool, e);
    if (rc < 0)
        return rc;
    if (save(g->path, sections, &g->t->duplicates, g->n, g->key, g->pool, &why) < 0) {
        snprintf(note, CH_NOTE_SIZE, "tokens are not kept: %s", why.text);
        return CH_OK;
    }
    for (int i = 0; i < g->n; i++)
        ch_corpus_free(&sections[i]);
    if (open_file(sections, map, g))
        return CH_OK;
    snprintf(note, CH_NOTE_SIZE, "%s does not read back as it was written", g->path);
    return ch_corpus_sections(sections, g->t, g->tk, g->f, g->pool, e);
}

static int get(ch_corpus *sections, ch_mapping *map, const getting *g, char *note, ch_err *e)
{
    if (ch_io_exists(g->path)) {
        if (open_file(sections, map, g))
            return CH_OK;
        snprintf(note, CH_NOTE_SIZE, "%s is damaged: the texts are tokenized again", g->path);
    }
    return make(sections, map, g, note, e);
}

int ch_token_cache_get(ch_corpus *train, ch_corpus *held_out, ch_mapping *map, ch_texts *t,
                       const ch_tokenizer *tk, const ch_format *f, const char *dir,
                       ch_pool *pool, char note[CH_NOTE_SIZE], ch_err *e)
{
    char name[64];
    getting g = {.t = t, .tk = tk, .f = f ? f : &ch_format_plain, .pool = pool,
                 .n = t->sources + 1};
    g.key = key_of(t, tk, g.f);
    snprintf(name, sizeof name, "tokens-%016" PRIx64 "%016" PRIx64 ".bin", g.key.hi, g.key.lo);
    *note = 0;
    *map = (ch_mapping){0};
    *train = *held_out = (ch_corpus){.end = -1};
    g.path = ch_io_join(dir, name);
    ch_corpus *sections = calloc((size_t)g.n, sizeof *sections);
    int rc = CH_OK;
    if (!g.path || !sections || g.n > SECTIONS_MAX)
        rc = ch_fail(e, CH_ENOMEM, "no memory for the tokens of %d sources", t->sources);
    if (rc == CH_OK)
        rc = get(sections, map, &g, note, e);
    if (rc == CH_OK)
        rc = ch_corpus_mix(train, held_out, sections, t, e);
    if (rc < 0)
        ch_io_unmap(map);
    free(sections);
    free(g.path);
    return rc;
}
