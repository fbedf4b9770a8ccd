/* order_n.c - bits a byte of a text under a back-off model of bytes, the baseline of
 * models/README.md
 *
 *     order_n ORDER HELD_OUT TRAINING...
 *
 * Counts what follows each context of 0..ORDER bytes in the training files, then scores the held-out
 * file by interpolated absolute discounting (Ney, Essen & Kneser 1994):
 *
 *     P_o(s | c) = max(n(c s) - d, 0) / n(c) + d types(c) / n(c) P_{o-1}(s | c')
 *
 * down to 1/256; an unseen context passes everything on.  d is n1 / (n1 + 2 n2) of each order.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 7 };

/* Open addressing over the packed bytes of a context and its length; keys are exact. */
typedef struct table {
    struct entry {
        uint64_t key; /* 0: free */
        uint32_t n, types;
    } *at;
    uint64_t size, used; /* size a power of two */
} table;

static struct entry *find(const table *t, uint64_t key)
{
    uint64_t i = key * 0x9E3779B97F4A7C15u;
    for (i = (i ^ i >> 29) & (t->size - 1); t->at[i].key && t->at[i].key != key;)
        i = (i + 1) & (t->size - 1);
    return &t->at[i];
}

static void grow(table *t)
{
    const table old = *t;
    t->size = old.size ? old.size * 2 : 1 << 16;
    t->at = calloc(t->size, sizeof *t->at);
    if (!t->at) {
        fprintf(stderr, "order_n: no memory for %llu entries\n", (unsigned long long)t->size);
        exit(1);
    }
    for (uint64_t i = 0; i < old.size; i++)
        if (old.at[i].key)
            *find(t, old.at[i].key) = old.at[i];
    free(old.at);
}

static struct entry *add(table *t, uint64_t key)
{
    if (t->used * 2 >= t->size)
        grow(t);
    struct entry *e = find(t, key);
    t->used += !e->key;
    e->key = key;
    e->n++;
    return e;
}

/* The n bytes before p[0], and the length in the top byte. */
static uint64_t key_of(const unsigned char *p, int n)
{
    uint64_t k = 0;
    for (int i = 1; i <= n; i++)
        k |= (uint64_t)p[-i] << (8 * (i - 1));
    return k | (uint64_t)(n + 1) << 56;
}

static unsigned char *read_all(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    unsigned char *p = NULL;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        const long size = ftell(f);
        p = size >= 0 ? malloc((size_t)size + 1) : NULL;
        *n = (size_t)size;
        rewind(f);
        if (p && fread(p, 1, *n, f) != *n) {
            free(p);
            p = NULL;
        }
    }
    if (f)
        fclose(f);
    if (!p) {
        fprintf(stderr, "order_n: %s cannot be read\n", path);
        exit(1);
    }
    return p;
}

static void count(table *context, table *follows, const unsigned char *p, size_t n, int order)
{
    for (size_t i = 0; i < n; i++)
        for (int o = 0; o <= order && (size_t)o <= i; o++) {
            struct entry *c = add(context, key_of(p + i, o));
            if (add(follows, key_of(p + i + 1, o + 1))->n == 1)
                c->types++;
        }
}

static void discounts(double *d, const table *follows, int order)
{
    double once[MOST + 2] = {0}, twice[MOST + 2] = {0};
    for (uint64_t i = 0; i < follows->size; i++)
        if (follows->at[i].key) {
            const int o = (int)(follows->at[i].key >> 56) - 2;
            once[o] += follows->at[i].n == 1;
            twice[o] += follows->at[i].n == 2;
        }
    for (int o = 0; o <= order; o++)
        d[o] = once[o] > 0 ? once[o] / (once[o] + 2 * twice[o]) : 0;
}

static double bits(const table *context, const table *follows, const double *d,
                   const unsigned char *p, size_t n, int order)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double prob = 1.0 / 256;
        for (int o = 0; o <= order && (size_t)o <= i; o++) {
            const struct entry *c = find(context, key_of(p + i, o));
            if (!c->key)
                break;
            const struct entry *f = find(follows, key_of(p + i + 1, o + 1));
            const double own = f->key ? f->n - d[o] : 0;
            prob = (own + d[o] * c->types * prob) / c->n;
        }
        sum -= log2(prob);
    }
    return sum;
}

int main(int argc, char **argv)
{
    const int order = argc > 3 ? atoi(argv[1]) : -1;
    if (order < 0 || order > MOST - 1) {
        fprintf(stderr, "usage: order_n ORDER(0-%d) HELD_OUT TRAINING...\n", MOST - 1);
        return 2;
    }
    table context = {0}, follows = {0};
    grow(&context);
    grow(&follows);
    size_t n, trained = 0;
    for (int i = 3; i < argc; i++) {
        unsigned char *p = read_all(argv[i], &n);
        count(&context, &follows, p, n, order);
        trained += n;
        free(p);
    }
    double d[MOST + 1];
    discounts(d, &follows, order);
    unsigned char *p = read_all(argv[2], &n);
    const double sum = bits(&context, &follows, d, p, n, order);
    printf("%.4f bits a byte: %zu bytes, order %d, %zu bytes of training, %llu contexts\n",
           sum / (double)n, n, order, trained, (unsigned long long)context.used);
    free(p);
    free(context.at);
    free(follows.at);
    return 0;
}
