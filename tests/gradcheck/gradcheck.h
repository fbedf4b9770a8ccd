/* gradcheck.h - analytic gradients against finite differences, in double precision
 *
 * A case makes leaves (inputs and weights, filled at random), and a function that computes a loss
 * from them.  gc_check runs it once with the tape and then, for the directions of each leaf, as
 *
 *     dL/dx = (8 (L(x+h) - L(x-h)) - (L(x+2h) - L(x-2h))) / (12 h),   h = 1e-3
 *
 * whose error is h^4/30 of the fifth derivative and about 2 eps |L| / h of rounding: 1e-13 and
 * 1e-11 for losses of order 10 to 100.  Gradients are compared relative to the larger of
 * themselves and a hundredth of their leaf's root mean square, so 1e-6 leaves two digits and more.
 * Directions of a leaf: one random one through all its elements, and up to 24 single elements.
 * Gradients start at random numbers, because operations must add.  A measuring run, to which rows
 * are but a number, comes first: its peak has to be what the taped run takes.
 * SPDX-License-Identifier: MIT */
#ifndef GRADCHECK_H
#define GRADCHECK_H

#include "op.h"
#include "support.h"

enum { GC_MAX_LEAVES = 48 };

typedef struct gc_leaf {
    const char *name;
    real *value, *grad; /* grad NULL: frozen */
    int64_t n;
} gc_leaf;

typedef struct gc {
    const char *what; /* the case, for messages */
    ch_kernels kernels;
    ch_pool *pool;
    uint64_t draws;
    gc_leaf leaf[GC_MAX_LEAVES];
    int leaves;
    ch_arena memory;
    double step;     /* of differences; 0: 1e-3.  Deep compositions curve more and want less */
    int singles;     /* elements of a leaf; 0: 24 */
    bool takes_less; /* the run passes over work that depends on data */
} gc;

void gc_open(gc *g, const char *what);
void gc_close(gc *g);

double gc_normal(gc *g);
void *gc_take(gc *g, size_t bytes); /* until gc_close */
ch_tensor *gc_input(gc *g, const char *name, int64_t rows, int64_t width);
ch_weight *gc_matrix(gc *g, const char *name, int64_t N, int64_t K, bool frozen);
ch_weight *gc_vector(gc *g, const char *name, int64_t n, bool frozen);
int32_t *gc_ints(gc *g, int n); /* zeros */
/* first and pos of documents of these lengths (they end with 0). */
ch_rows gc_documents(gc *g, const int *lengths);

/* What an operation may be shown of the rows by this run. */
ch_rows gc_rows(const ch_run *r, const ch_rows *rows);
/* sum_i c_i y_i with c a fixed random vector; under a tape y's gradient becomes c. */
double gc_sum(const ch_run *r, ch_tensor *y);

typedef double gc_loss(ch_run *r, void *arg);
void gc_check(gc *g, gc_loss *loss, void *arg);

/* The cases: one a line of ops.def, and whole models. */
void check_model(void **state);
#define OP(name, group) void check_##name(void **state);
#include "ops.def"
#undef OP

#endif
