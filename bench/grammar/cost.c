/* cost.c - what a grammar adds to a token: time of mask, hidden logits, draw and going on
 *
 *     gcc -O2 -D_GNU_SOURCE -Iinclude $(ls -d src/[a-z]*[a-z] | sed s/^/-I/) -o build/cost \
 *         bench/grammar/cost.c build/gcc/libchalcis.a -ljansson -lpcre2-8 -lutf8proc -lm -pthread
 *     build/cost VOCABULARY [TEXTS]     (a model file, tokenizer.json, tokenizer.model)
 *
 * Logits are noise, the same for the free draw and the obeying one; the closing tokens of JSON get
 * a push, so that texts end.  For each grammar: microseconds of CPU a token when everything is new (the
 * first text) and over all texts, the slowest token, memory.  SPDX-License-Identifier: MIT */
#include "grammar.h"
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 300 };

static const char person[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":100},"
    "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":150},\"mood\":{\"enum\":[\"good\",\"bad\","
    "\"mixed\"]},\"notes\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":20},\"friend\":"
    "{\"$ref\":\"#\"}},\"required\":[\"name\",\"age\",\"mood\"],\"additionalProperties\":false}";

struct bench {
    const ch_tokenizer *t;
    int vocab;
    float *logits, *hidden;
    ch_candidate *work;
    ch_token closing[3];
};

/* Of this thread: what else runs on the machine is no cost of a grammar. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void noise(struct bench *b, uint64_t text, int at)
{
    uint32_t x = (uint32_t)(text * 7919 + (uint64_t)at + 1) * 2654435761u;
    for (int i = 0; i < b->vocab; i++) {
        x = x * 1664525u + 1013904223u;
        b->logits[i] = (float)(x >> 8) * 0x1p-21f;
    }
    for (int i = 0; i < 3; i++)
        if (b->closing[i] >= 0)
            b->logits[b->closing[i]] += (float)at / 20;
}

static ch_token draw(struct bench *b, const float *logits, uint64_t text, int at)
{
    const ch_sampling how = CH_SAMPLING;
    const ch_sample_view v = {.logits = &logits, .n_sequences = 1, .vocab = b->vocab};
    return ch_sample_draw(b->work, &v, &how, NULL, (uint32_t)text, (uint64_t)at);
}

struct sums {
    double first, all, slowest, free_s;
    int first_tokens, tokens;
};

static int one_text(struct sums *s, struct bench *b, ch_grammar *g, uint64_t text, ch_err *e)
{
    ch_place p;
    int rc = ch_grammar_start(&p, g, e);
    for (int at = 0; at < MOST && rc == CH_OK; at++) {
        const uint64_t *mask;
        noise(b, text, at);
        double t0 = seconds();
        draw(b, b->logits, text, at);
        s->free_s += seconds() - t0;
        t0 = seconds();
        rc = ch_grammar_mask(&mask, &p, g, e);
        if (rc < 0)
            break;
        const float *left = ch_grammar_hide(b->logits, b->hidden, b->vocab, mask, b->vocab);
        const ch_token t = draw(b, left, text, at);
        ch_grammar_show(b->logits, b->hidden, b->vocab, mask, b->vocab);
        rc = ch_grammar_token(&p, g, t, e);
        const double took = seconds() - t0;
        s->all += took;
        s->tokens++;
        s->slowest = took > s->slowest ? took : s->slowest;
        if (text == 0) {
            s->first += took;
            s->first_tokens++;
        }
        if (ch_tokenizer_is_end(b->t, t))
            break;
    }
    return rc;
}

static int measure(struct bench *b, const char *name, ch_grammar_kind kind, const char *text,
                   const ch_grammar *like, int texts, ch_err *e)
{
    struct sums s = {0};
    ch_grammar *g;
    const ch_grammar_options o = {.like = like};
    const double t0 = seconds();
    int rc = ch_grammar_open(&g, b->t, kind, text, strlen(text), &o, e);
    const double open_ms = (seconds() - t0) * 1e3;
    for (int i = 0; i < texts && rc == CH_OK; i++)
        rc = one_text(&s, b, g, (uint64_t)i, e);
    if (rc == CH_OK)
        printf("%-8s open %6.2f ms | free draw %6.1f us | added: first text %7.1f us a token, all "
               "%6.1f us of %d, slowest %7.1f us | %.1f MB\n",
               name, open_ms, s.free_s / s.tokens * 1e6,
               (s.first / s.first_tokens - s.free_s / s.tokens) * 1e6,
               (s.all - s.free_s) / s.tokens * 1e6, s.tokens, s.slowest * 1e6,
               (double)ch_grammar_bytes_used(g) * 1e-6);
    ch_grammar_close(&g);
    return rc;
}

static int run(struct bench *b, int texts, ch_err *e)
{
    ch_grammar *like;
    const double t0 = seconds();
    int rc = ch_grammar_open(&like, b->t, CH_GRAMMAR_JSON, "", 0, NULL, e);
    if (rc < 0)
        return rc;
    printf("%d tokens, made a tree in %.1f ms, %.1f MB\n", b->vocab,
           (seconds() - t0) * 1e3, (double)ch_grammar_bytes_used(like) * 1e-6);
    rc = measure(b, "object", CH_GRAMMAR_JSON, "", like, texts, e);
    if (rc == CH_OK)
        rc = measure(b, "schema", CH_GRAMMAR_SCHEMA, person, like, texts, e);
    if (rc == CH_OK)
        rc = measure(b, "gbnf", CH_GRAMMAR_GBNF,
                     "root ::= (word (\", \" | \" \"))+ \"!\"\nword ::= [a-zA-Z]{1,20}", like, texts, e);
    ch_grammar_close(&like);
    return rc;
}

int main(int argc, char **argv)
{
    ch_err e = {0};
    ch_tokenizer *t = NULL;
    if (argc < 2 || ch_tokenizer_open(&t, argv[1], NULL, &e) < 0) {
        fprintf(stderr, "cost VOCABULARY [TEXTS]: %s\n", e.text);
        return 2;
    }
    struct bench b = {.t = t, .vocab = ch_tokenizer_size(t), .closing = {-1, -1, -1}};
    b.logits = malloc((size_t)b.vocab * sizeof *b.logits);
    b.hidden = malloc((size_t)b.vocab * sizeof *b.hidden);
    b.work = malloc((size_t)b.vocab * sizeof *b.work);
    for (ch_token i = 0; i < b.vocab; i++) {
        char piece[8];
        const int n = ch_tokenizer_piece(piece, sizeof piece, t, 500, i);
        for (int k = 0; k < 3; k++)
            if (n == 1 && piece[0] == "\"}]"[k])
                b.closing[k] = i;
    }
    for (int i = 0; b.hidden && i < b.vocab; i++)
        b.hidden[i] = -INFINITY;
    const int rc = b.logits && b.hidden && b.work ? run(&b, argc > 2 ? atoi(argv[2]) : 20, &e) : 1;
    if (rc < 0)
        fprintf(stderr, "%s\n", e.text);
    free(b.logits);
    free(b.hidden);
    free(b.work);
    ch_tokenizer_close(&t);
    return rc != 0;
}
