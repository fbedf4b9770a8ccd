/* corpus.c - documents to tokens, many at once, in the order of the documents
 *
 * Tasks are runs of documents; what they make is laid end to end afterwards, so the number of
 * threads changes nothing. SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { TASKS = 1024 };

typedef struct encoding {
    const ch_texts *texts;
    const ch_tokenizer *tk;
    size_t tasks;
    size_t *count;  /* per document: its tokens */
    ch_tokens *out; /* per task */
    ch_err *failed; /* per task; code 0: none */
} encoding;

static size_t first_of(const encoding *w, size_t task)
{
    return w->texts->n * task / w->tasks;
}

static void encode_task(void *arg, int task, int thread)
{
    encoding *w = arg;
    (void)thread;
    ch_tokens *out = &w->out[task];
    for (size_t i = first_of(w, (size_t)task); i < first_of(w, (size_t)task + 1); i++) {
        const struct ch_text *t = &w->texts->at[i];
        const size_t before = out->n;
        if (ch_tokenizer_encode(out, w->tk, t->bytes, t->n, 0, &w->failed[task]) < 0)
            return;
        w->count[i] = out->n - before;
    }
}

static int reserve(ch_corpus *c, const encoding *w, bool held_out, bool begins, ch_err *e)
{
    for (size_t i = 0; i < w->texts->n; i++)
        if (w->texts->at[i].held_out == held_out) {
            c->documents++;
            c->n += (int64_t)(w->count[i] + begins);
            c->bytes += w->texts->at[i].n;
        }
    c->token = malloc(ch_size_mul((size_t)c->n + 1, sizeof *c->token));
    c->start = malloc(ch_size_mul((size_t)c->documents + 1, sizeof *c->start));
    return c->token && c->start
               ? CH_OK
               : ch_fail(e, CH_ENOMEM, "no memory for %lld tokens", (long long)c->n);
}

static void gather(ch_corpus *c, const encoding *w, bool held_out, ch_token begin)
{
    int64_t at = 0, document = 0;
    for (size_t task = 0; task < w->tasks; task++) {
        const ch_token *from = w->out[task].id;
        for (size_t i = first_of(w, task); i < first_of(w, task + 1); from += w->count[i++]) {
            if (w->texts->at[i].held_out != held_out || (begin < 0 && w->count[i] == 0))
                continue;
            c->start[document++] = at;
            if (begin >= 0)
                c->token[at++] = begin;
            if (w->count[i])
                memcpy(c->token + at, from, w->count[i] * sizeof *from);
            at += (int64_t)w->count[i];
        }
    }
    c->start[document] = at;
    c->documents = document;
}

static int encode(encoding *w, ch_pool *pool, ch_err *e)
{
    w->count = calloc(w->texts->n + 1, sizeof *w->count);
    w->out = calloc(w->tasks + 1, sizeof *w->out);
    w->failed = calloc(w->tasks + 1, sizeof *w->failed);
    if (!w->count || !w->out || !w->failed)
        return ch_fail(e, CH_ENOMEM, "no memory to tokenize %zu documents", w->texts->n);
    ch_pool_run(pool, encode_task, w, (int)w->tasks);
    for (size_t i = 0; i < w->tasks; i++)
        if (w->failed[i].code < 0)
            return ch_fail(e, w->failed[i].code, "%s", w->failed[i].text);
    return CH_OK;
}

int ch_corpus_build(ch_corpus *train, ch_corpus *held_out, const ch_texts *t,
                    const ch_tokenizer *tk, ch_pool *pool, ch_err *e)
{
    const ch_token end = ch_tokenizer_eos(tk);
    const ch_token begin = ch_tokenizer_bos(tk) >= 0 ? ch_tokenizer_bos(tk) : end;
    encoding w = {.texts = t, .tk = tk, .tasks = CH_MIN(t->n, (size_t)TASKS)};
    *train = (ch_corpus){.end = end};
    *held_out = (ch_corpus){.end = end};
    int rc = encode(&w, pool, e);
    if (rc == CH_OK)
        rc = reserve(train, &w, false, begin >= 0, e);
    if (rc == CH_OK)
        rc = reserve(held_out, &w, true, begin >= 0, e);
    if (rc == CH_OK) {
        gather(train, &w, false, begin);
        gather(held_out, &w, true, begin);
    } else {
        ch_corpus_free(train);
        ch_corpus_free(held_out);
    }
    for (size_t i = 0; w.out && i < w.tasks; i++)
        ch_tokens_free(&w.out[i]);
    free(w.out);
    free(w.failed);
    free(w.count);
    return rc;
}

void ch_corpus_free(ch_corpus *c)
{
    free(c->token);
    free(c->start);
    *c = (ch_corpus){.end = -1};
}

ch_hash128 ch_corpus_hash(const ch_corpus *c)
{
    const int64_t sizes[] = {c->n, c->documents, c->end};
    ch_hash128 h = ch_hash_bytes((ch_hash128){0, 0}, sizes, sizeof sizes);
    h = ch_hash_bytes(h, c->token, (size_t)c->n * sizeof *c->token);
    return ch_hash_bytes(h, c->start, (size_t)c->documents * sizeof *c->start);
}
