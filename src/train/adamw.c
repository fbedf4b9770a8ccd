/* adamw.c - Adam with decoupled weight decay
 *
 *   m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2          g: the gradient times scale
 *   p = p - lr (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + wd p)
 *
 * Kingma & Ba 2015, Loshchilov & Hutter 2019.  Factors are made in double; elements are computed
 * in `real`, each from its own m, v, p and g alone, so cutting the bucket into tasks changes
 * nothing.  SPDX-License-Identifier: MIT */
#include "train.h"

enum { BLOCK = 64, BLOCKS = 512 }; /* reals that share a decay flag; blocks in a task */

typedef struct update {
    ch_adamw *o;
    real *p;
    const real *g;
    real scale, b1, b2, c1, c2; /* c: bias corrections, c1 with lr in it */
    real eps, decay;
} update;

static void update_block(const update *u, int64_t at, int64_t n, real decay)
{
    real *p = u->p + at, *m = u->o->m + at, *v = u->o->v + at;
    const real *g = u->g + at;
    for (int64_t i = 0; i < n; i++) {
        const real d = g[i] * u->scale;
        m[i] = u->b1 * m[i] + (1 - u->b1) * d;
        v[i] = u->b2 * v[i] + (1 - u->b2) * (d * d);
        p[i] = p[i] - (u->c1 * m[i] / (real_sqrt(v[i] * u->c2) + u->eps) + decay * p[i]);
    }
}

static void update_task(void *arg, int task, int thread)
{
    const update *u = arg;
    (void)thread;
    const int64_t first = (int64_t)task * BLOCKS;
    for (int64_t b = first; b < first + BLOCKS && b * BLOCK < u->o->n; b++)
        if (u->o->decays[b] != CH_ADAMW_OTHERS)
            update_block(u, b * BLOCK, CH_MIN((int64_t)BLOCK, u->o->n - b * BLOCK),
                         u->o->decays[b] == CH_ADAMW_DECAYS ? u->decay : 0);
}

void ch_adamw_step(ch_adamw *o, real *p, const real *g, double scale, double lr, int64_t step,
                   ch_pool *pool)
{
    update u = {.o = o,
                .p = p,
                .g = g,
                .scale = (real)scale,
                .b1 = (real)o->beta1,
                .b2 = (real)o->beta2,
                .c1 = (real)(lr / (1 - pow(o->beta1, (double)step))),
                .c2 = (real)(1 / (1 - pow(o->beta2, (double)step))),
                .eps = (real)o->eps,
                .decay = (real)(lr * o->weight_decay)};
    ch_pool_run(pool, update_task, &u, (int)((o->n + BLOCK * BLOCKS - 1) / (BLOCK * BLOCKS)));
}
