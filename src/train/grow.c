/* grow.c - a plain model becomes one whose feed-forward blocks integrate
 *
 * Weights that both have stay as they are.  Each step begins with the norm of the plain block; the
 * steps after the first begin without force where they would add theirs to it (gain 0; towards a
 * start they replace it, gain 1).  What remains of them is the inertia of the first, a tenth.
 * SPDX-License-Identifier: MIT */
#include "run.h"

#include <stdlib.h>
#include <string.h>

typedef struct collecting {
    ch_weight **at; /* NULL: they are counted */
    size_t n;
} collecting;

static int collect(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    collecting *c = arg;
    (void)row, (void)layer;
    if (c->at)
        c->at[c->n] = w;
    c->n++;
    return 0;
}

static const ch_weight *norm_of(const collecting *plain, const ch_weight *steps)
{
    char want[64];
    const char *dot = strrchr(steps->name, '.'), *start = strstr(steps->name, "integrator_norm");
    if (!dot || !start)
        return NULL;
    snprintf(want, sizeof want, "%.*sffn_norm%s", (int)(start - steps->name), steps->name, dot);
    for (size_t i = 0; i < plain->n; i++)
        if (strcmp(plain->at[i]->name, want) == 0)
            return plain->at[i];
    return NULL;
}

static void copy(ch_weight *to, const ch_weight *from, int64_t row)
{
    const size_t n = (size_t)ch_tensor_count(&from->stored);
    memcpy((real *)to->stored.data + row * (int64_t)n, from->stored.data, n * sizeof(real));
}

/* One weight of the new model from those of the old, of which i has its place in the table. */
static void settle(ch_weight *w, const collecting *plain, size_t i, ch_anchor anchor)
{
    const ch_weight *same = plain->at[i], *norm = norm_of(plain, w);
    if (same->stored.data) {
        copy(w, same, 0);
        return;
    }
    for (int64_t k = 0; norm && k < ch_weight_rows(w); k++)
        copy(w, norm, k);
    if (strstr(w->name, "integrator_gain") && anchor != CH_ANCHOR_START) {
        const int64_t D = ch_weight_width(w);
        memset((real *)w->stored.data + D, 0,
               (size_t)((ch_weight_rows(w) - 1) * D) * sizeof(real));
    }
}

int ch_train_grow(ch_model **out, const ch_config *c, const ch_config *was, uint64_t seed,
                  const ch_file *from, ch_err *e)
{
    ch_model *plain = NULL;
    collecting of[2] = {{0}};
    *out = NULL;
    int rc = ch_model_create(&plain, was, seed, from, e);
    if (rc == CH_OK)
        rc = ch_model_create(out, c, seed, NULL, e);
    ch_model *const models[] = {plain, *out};
    for (int i = 0; i < 2 && rc == CH_OK; i++) {
        ch_model_each(models[i], collect, &of[i]);
        of[i].at = calloc(of[i].n, sizeof *of[i].at);
        if (!of[i].at)
            rc = ch_fail(e, CH_ENOMEM, "no memory for a list of %zu weights", of[i].n);
        of[i].n = 0;
        if (rc == CH_OK)
            ch_model_each(models[i], collect, &of[i]);
    }
    for (size_t i = 0; rc == CH_OK && i < of[1].n; i++)
        if (of[1].at[i]->stored.data)
            settle(of[1].at[i], &of[0], i, c->integrator.anchor);
    free(of[0].at);
    free(of[1].at);
    ch_model_free(&plain);
    if (rc < 0)
        ch_model_free(out);
    return rc;
}
