/* corpus.c - documents to tokens, many at once, in the order of the documents
 *
 * Tasks are runs of documents; a wave of tasks is encoded in parallel and then laid end to end in
 * order, so the number of threads changes nothing and ids of 32 bits are never held for more than a
 * wave. SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>
#include <string.h>

#ifdef CH_HOSTILE
enum { TASKS = 3, TASK_BYTES = 40 };
#else
enum { TASKS = 16, TASK_BYTES = 1 << 18 };
#endif

/* ---- Rendering ------------------------------------------------------------------------------ */

static int encode_part(ch_tokens *ids, ch_buf *trains, const ch_tokenizer *tk, const char *s,
                       size_t n, bool is_target, ch_err *e)
{
    const size_t before = ids->n;
    int rc = ch_tokenizer_encode(ids, tk, s, n, 0, e);
    if (rc < 0)
        return rc;
    void *bits = ch_buf_room(trains, ids->n - before);
    if (!bits)
        return ch_buf_check(trains, "the mask of a document", e);
    memset(bits, is_target, ids->n - before);
    return CH_OK;
}

static int render_plain(const void *arg, ch_tokens *ids, ch_buf *trains, const ch_tokenizer *tk,
                        const ch_part *part, size_t n, ch_err *e)
{
    ch_buf line;
    ch_buf_init(&line, CH_IO_READ_MAX);
    int rc = CH_OK;
    (void)arg;
    for (size_t i = 0; i < n && rc == CH_OK; i++) {
        const char *s = part[i].bytes;
        size_t bytes = part[i].n;
        if (i + 1 < n) { /* what it is followed by is a part of it */
            ch_buf_clear(&line);
            ch_buf_put(&line, s, bytes);
            ch_buf_put(&line, "\n", 1);
            rc = ch_buf_check(&line, "a part of a document", e);
            s = line.data;
            bytes = line.size;
        }
        if (rc == CH_OK)
            rc = encode_part(ids, trains, tk, s, bytes, part[i].trains, e);
    }
    ch_buf_close(&line);
    return rc;
}

const ch_format ch_format_plain = {.name = "plain", .render = render_plain};

/* ---- Growing corpora ------------------------------------------------------------------------ */

typedef struct growing {
    void *token;
    uint8_t *trains;
    int64_t *start;
    size_t cap, trains_cap, start_cap, width;
    bool masked;
    ch_corpus c;
} growing;

static void put(growing *g, ch_token id, bool is_target)
{
    const int64_t at = g->c.n++;
    if (g->width == 2)
        ((uint16_t *)g->token)[at] = (uint16_t)id;
    else
        ((uint32_t *)g->token)[at] = (uint32_t)id;
    if (at % 8 == 0)
        g->trains[at / 8] = 0;
    g->trains[at / 8] |= (uint8_t)(is_target << (at % 8));
    g->masked = g->masked || !is_target;
}

/* A document: begin (or -1), then n ids. */
static int append(growing *g, ch_token begin, const ch_token *id, const char *trains, size_t n,
                  ch_err *e)
{
    ch_corpus *c = &g->c;
    const size_t want = (size_t)c->n + n + 1;
    if (begin < 0 && n == 0)
        return CH_OK;
    if (!ch_array_room(&g->token, &g->cap, want, g->width) ||
        !ch_array_room(&g->trains, &g->trains_cap, want / 8 + 1, 1) ||
        !ch_array_room(&g->start, &g->start_cap, (size_t)c->documents + 2, sizeof *g->start))
        return ch_fail(e, CH_ENOMEM, "no memory for %zu tokens", want);
    g->start[c->documents++] = c->n;
    if (begin >= 0)
        put(g, begin, n == 0 || trains[0]);
    for (size_t i = 0; i < n; i++) {
        c->targets += trains[i] && (i > 0 || begin >= 0);
        put(g, id[i], trains[i]);
    }
    c->targets += c->end >= 0 && (n == 0 || trains[n - 1]);
    g->start[c->documents] = c->n;
    return CH_OK;
}

static void settle(ch_corpus *out, growing *g)
{
    ch_corpus *c = &g->c;
    if (!g->masked) {
        free(g->trains);
        g->trains = NULL;
    }
    c->narrow = g->width == 2 ? g->token : NULL;
    c->wide = g->width == 2 ? NULL : g->token;
    c->trains = g->trains;
    c->start = g->start;
    *out = *c;
}

/* ---- Waves ---------------------------------------------------------------------------------- */

typedef struct encoding {
    const ch_texts *texts;
    const ch_tokenizer *tk;
    const ch_format *format;
    size_t *count; /* per document: its tokens */
    struct encoding_task {
        size_t first, end; /* documents */
        ch_tokens ids;
        ch_buf trains;
        ch_err failed; /* code 0: it did not */
    } task[TASKS];
} encoding;

static void encode_task(void *arg, int number, int thread)
{
    encoding *w = arg;
    struct encoding_task *task = &w->task[number];
    (void)thread;
    task->ids.n = 0;
    ch_buf_clear(&task->trains);
    for (size_t i = task->first; i < task->end; i++) {
        const struct ch_text *t = &w->texts->at[i];
        const size_t before = task->ids.n;
        int rc = w->format->render(w->format->arg, &task->ids, &task->trains, w->tk,
                                   w->texts->part + t->first, t->parts, &task->failed);
        if (rc == CH_OK && task->trains.size != task->ids.n)
            rc = ch_fail(&task->failed, CH_EARG,
                         "the format \"%s\" gave %zu tokens and said of %zu whether they train",
                         w->format->name, task->ids.n, task->trains.size);
        if (rc < 0)
            return;
        w->count[i] = task->ids.n - before;
    }
}

/* The next tasks, from document *next on. */
static int plan(encoding *w, size_t *next)
{
    int tasks = 0;
    while (tasks < TASKS && *next < w->texts->n) {
        struct encoding_task *task = &w->task[tasks++];
        task->first = *next;
        for (size_t bytes = 0; bytes < TASK_BYTES && *next < w->texts->n; ++*next)
            bytes += w->texts->at[*next].n + 1;
        task->end = *next;
    }
    return tasks;
}

static uint64_t bytes_that_train(const ch_texts *t, const struct ch_text *d)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < d->parts; i++)
        if (t->part[d->first + i].trains)
            bytes += t->part[d->first + i].n;
    return bytes;
}

static int gather(growing *sections, const encoding *w, int tasks, ch_token begin, ch_err *e)
{
    for (int k = 0; k < tasks; k++) {
        const struct encoding_task *task = &w->task[k];
        if (task->failed.code < 0)
            return ch_fail(e, task->failed.code, "%s", task->failed.text);
        size_t at = 0;
        for (size_t i = task->first; i < task->end; at += w->count[i++]) {
            const struct ch_text *d = &w->texts->at[i];
            growing *g = &sections[d->held_out ? w->texts->sources : d->source];
            g->c.bytes += bytes_that_train(w->texts, d);
            const int rc = append(g, begin, task->ids.id + at, task->trains.data + at,
                                  w->count[i], e);
            if (rc < 0)
                return rc;
        }
    }
    return CH_OK;
}

static int encode_all(growing *sections, encoding *w, ch_token begin, ch_pool *pool, ch_err *e)
{
    int rc = CH_OK;
    for (size_t next = 0; rc == CH_OK && next < w->texts->n;) {
        const int tasks = plan(w, &next);
        ch_pool_run(pool, encode_task, w, tasks);
        rc = gather(sections, w, tasks, begin, e);
    }
    return rc;
}

int ch_corpus_sections(ch_corpus *sections, const ch_texts *t, const ch_tokenizer *tk,
                       const ch_format *f, ch_pool *pool, ch_err *e)
{
    const bool whole = f && f->whole;
    const ch_token end = whole ? -1 : ch_tokenizer_eos(tk);
    const ch_token begin = whole ? -1 : ch_corpus_first(tk);
    const int n = t->sources + 1;
    encoding *w = calloc(1, sizeof *w);
    growing *g = calloc((size_t)n, sizeof *g);
    int rc = CH_OK;
    if (w)
        *w = (encoding){.texts = t, .tk = tk, .format = f ? f : &ch_format_plain};
    if (!w || !g || !(w->count = calloc(t->n + 1, sizeof *w->count)))
        rc = ch_fail(e, CH_ENOMEM, "no memory to tokenize %zu documents", t->n);
    for (int i = 0; w && i < TASKS; i++)
        ch_buf_init(&w->task[i].trains, SIZE_MAX);
    for (int i = 0; g && i < n; i++) {
        g[i].width = ch_tokenizer_size(tk) <= 1 << 16 ? 2 : 4;
        g[i].c.end = end;
    }
    if (rc == CH_OK)
        rc = encode_all(g, w, begin, pool, e);
    for (int i = 0; i < n; i++)
        sections[i] = (ch_corpus){.end = end};
    for (int i = 0; g && i < n; i++) {
        settle(&sections[i], &g[i]);
        if (rc < 0)
            ch_corpus_free(&sections[i]);
    }
    for (int i = 0; w && i < TASKS; i++) {
        ch_tokens_free(&w->task[i].ids);
        ch_buf_close(&w->task[i].trains);
    }
    if (w)
        free(w->count);
    free(w);
    free(g);
    return rc;
}

/* ---- Mixtures ------------------------------------------------------------------------------- */

static int mixture(ch_corpus *out, const ch_corpus *sections, const ch_texts *t, ch_err *e)
{
    const size_t n = (size_t)t->sources;
    uint64_t *share = calloc(n, sizeof *share);
    *out = (ch_corpus){.end = sections[0].end,
                       .source = calloc(n, sizeof *out->source),
                       .share = share,
                       .sources = t->sources};
    if (!share || !out->source)
        return ch_fail(e, CH_ENOMEM, "no memory for %zu sources", n);
    memcpy(out->source, sections, n * sizeof *sections);
    ch_sources_share(share, t->source, t->sources);
    for (int i = 0; i < t->sources; i++) {
        const ch_corpus *s = &sections[i];
        if (s->n == 0)
            return ch_fail(e, CH_EARG, "%s has a weight and no document to train on",
                           t->source[i].path);
        out->n += s->n;
        out->documents += s->documents;
        out->targets += s->targets;
        out->bytes += s->bytes;
    }
    return CH_OK;
}

int ch_corpus_mix(ch_corpus *train, ch_corpus *held_out, ch_corpus *sections, const ch_texts *t,
                  ch_err *e)
{
    int rc = CH_OK;
    *train = sections[0];
    *held_out = sections[t->sources];
    if (t->sources > 1)
        rc = mixture(train, sections, t, e);
    if (rc < 0) {
        free(train->source);
        free((uint64_t *)(uintptr_t)train->share);
        *train = *held_out = (ch_corpus){.end = -1};
        for (int i = 0; i <= t->sources; i++)
            ch_corpus_free(&sections[i]);
    }
    return rc;
}

int ch_corpus_build(ch_corpus *train, ch_corpus *held_out, const ch_texts *t,
                    const ch_tokenizer *tk, const ch_format *f, ch_pool *pool, ch_err *e)
{
    *train = *held_out = (ch_corpus){.end = -1};
    ch_corpus *sections = calloc((size_t)t->sources + 1, sizeof *sections);
    if (!sections)
        return ch_fail(e, CH_ENOMEM, "no memory for %d sources", t->sources);
    int rc = ch_corpus_sections(sections, t, tk, f, pool, e);
    if (rc == CH_OK)
        rc = ch_corpus_mix(train, held_out, sections, t, e);
    free(sections);
    return rc;
}

void ch_corpus_free(ch_corpus *c)
{
    for (int i = 0; i < c->sources; i++)
        ch_corpus_free(&c->source[i]);
    free(c->source);
    free((uint64_t *)(uintptr_t)c->share);
    if (!c->mapped) {
        free((uint16_t *)(uintptr_t)c->narrow);
        free((uint32_t *)(uintptr_t)c->wide);
        free((uint8_t *)(uintptr_t)c->trains);
        free((int64_t *)(uintptr_t)c->start);
    }
    *c = (ch_corpus){.end = -1};
}

/* ---- Hash: of pieces of an array, then of their hashes --------------------------------------- */

enum { PIECE = 1 << 20 };

typedef struct hashing {
    const unsigned char *bytes;
    size_t n;
    ch_hash128 *piece;
} hashing;

static void hash_task(void *arg, int i, int thread)
{
    const hashing *h = arg;
    const size_t at = (size_t)i * PIECE;
    (void)thread;
    h->piece[i] =
        ch_hash_bytes((ch_hash128){0, 0}, h->bytes + at, CH_MIN(h->n - at, (size_t)PIECE));
}

static ch_hash128 hash_array(ch_hash128 key, const void *bytes, size_t n, ch_pool *pool)
{
    enum { AT_ONCE = 256 };
    ch_hash128 piece[AT_ONCE];
    for (size_t at = 0; at < n; at += (size_t)AT_ONCE * PIECE) {
        hashing h = {(const unsigned char *)bytes + at, CH_MIN(n - at, (size_t)AT_ONCE * PIECE),
                     piece};
        const size_t pieces = (h.n + PIECE - 1) / PIECE;
        ch_pool_run(pool, hash_task, &h, (int)pieces);
        key = ch_hash_bytes(key, piece, pieces * sizeof *piece);
    }
    return key;
}

ch_hash128 ch_corpus_hash(const ch_corpus *c, ch_pool *pool)
{
    const int64_t sizes[] = {c->n, c->documents, c->targets, (int64_t)c->bytes, c->end,
                             c->n == 0 ? 0 : c->narrow ? 2 : 4};
    const size_t n = (size_t)c->n;
    ch_hash128 h = ch_hash_bytes((ch_hash128){0, 0}, sizes, sizeof sizes);
    for (int i = 0; i < c->sources; i++) {
        const ch_hash128 source = ch_corpus_hash(&c->source[i], pool);
        h = ch_hash_bytes(h, &source, sizeof source);
        h = ch_hash_bytes(h, &c->share[i], sizeof c->share[i]);
    }
    if (c->sources > 0 || c->n == 0)
        return h;
    h = c->narrow ? hash_array(h, c->narrow, n * sizeof *c->narrow, pool)
                  : hash_array(h, c->wide, n * sizeof *c->wide, pool);
    h = hash_array(h, c->start, ((size_t)c->documents + 1) * sizeof *c->start, pool);
    return c->trains ? hash_array(h, c->trains, (n + 7) / 8, pool) : h;
}
