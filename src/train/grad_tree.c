/* grad_tree.c - leaves of a step, added pairwise like the carries of a binary counter
 *
 *   leaf:  0      1      2      3
 *           \    /        \    /
 *           (0+1)         (2+3)        level 1
 *                \       /
 *             (0+1)+(2+3)              level 2
 *
 * After i leaves, level b is full where bit b of i is set.  A leaf lands on level 0; two sums of
 * one level make one of the next, by swapping pointers where that one is empty.  Of 2^k leaves the
 * last finds levels 0..k-1 full, so k buckets are enough; one leaf alone is its own sum.
 * SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 16 }; /* reals a task adds */

typedef struct adding {
    real *to;
    const real *from;
    int64_t n;
} adding;

static void add_chunk(void *arg, int task, int thread)
{
    const adding *a = arg;
    (void)thread;
    const int64_t end = CH_MIN(a->n, (int64_t)(task + 1) * CHUNK);
    for (int64_t i = (int64_t)task * CHUNK; i < end; i++)
        a->to[i] += a->from[i];
}

static void copy_chunk(void *arg, int task, int thread)
{
    const adding *a = arg;
    (void)thread;
    const int64_t at = (int64_t)task * CHUNK;
    memcpy(a->to + at, a->from + at, (size_t)CH_MIN((int64_t)CHUNK, a->n - at) * sizeof(real));
}

static void run(const ch_grad_tree *t, ch_pool_task *fn, real *to, const real *from)
{
    adding a = {to, from, t->n};
    ch_pool_run(t->pool, fn, &a, (int)((t->n + CHUNK - 1) / CHUNK));
}

int ch_grad_tree_open(ch_grad_tree *t, int64_t n, int leaves, ch_pool *pool, ch_err *e)
{
    *t = (ch_grad_tree){.n = n, .pool = pool, .single = leaves == 1};
    if (leaves < 1 || leaves > 1 << 15 || (leaves & (leaves - 1)))
        return ch_fail(e, CH_EARG, "%d leaves in a step; allowed are powers of two up to %d",
                       leaves, 1 << 15);
    const size_t bytes = ch_size_mul((size_t)n, sizeof(real));
    for (int i = 0; 1 << i < leaves; i++) {
        t->level[i] = malloc(bytes);
        if (!t->level[i]) {
            ch_grad_tree_close(t);
            return ch_fail(e, CH_ENOMEM, "no memory for sums of gradients (%zu bytes each)",
                           bytes);
        }
    }
    return CH_OK;
}

void ch_grad_tree_close(ch_grad_tree *t)
{
    for (size_t i = 0; i < CH_COUNT(t->level) && !t->single; i++)
        free(t->level[i]);
    *t = (ch_grad_tree){0};
}

void ch_grad_tree_add(ch_grad_tree *t, real *leaf)
{
    if (t->single) {
        t->level[0] = leaf;
        t->full[0] = true;
    } else if (!t->full[0]) {
        run(t, copy_chunk, t->level[0], leaf);
        t->full[0] = true;
    } else {
        run(t, add_chunk, t->level[0], leaf);
        int i = 0;
        for (; t->full[i + 1]; i++) {
            run(t, add_chunk, t->level[i + 1], t->level[i]);
            t->full[i] = false;
        }
        real *sum = t->level[i];
        t->level[i] = t->level[i + 1];
        t->level[i + 1] = sum;
        t->full[i] = false;
        t->full[i + 1] = true;
    }
}

real *ch_grad_tree_sum(ch_grad_tree *t)
{
    real *sum = NULL;
    for (size_t i = 0; i < CH_COUNT(t->level); i++)
        if (t->full[i])
            sum = t->level[i];
    ch_grad_tree_clear(t);
    return sum;
}

void ch_grad_tree_clear(ch_grad_tree *t)
{
    memset(t->full, 0, sizeof t->full);
    for (size_t i = 0, low = 0; i < CH_COUNT(t->level);
         i++) { /* buckets go back to the lowest levels */
        real *bucket = t->level[i];
        t->level[i] = NULL;
        if (bucket)
            t->level[low++] = bucket;
    }
}
