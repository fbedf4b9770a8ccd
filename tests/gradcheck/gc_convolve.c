/* gc_convolve.c - short convolutions within documents, and over steps of sequences
 *
 * SPDX-License-Identifier: MIT */
#include "gradcheck.h"

#include <string.h>

typedef struct convolve_case {
    ch_tensor *x;
    ch_weight *w;
    ch_rows rows;
} convolve_case;

/* A fresh input, used again: its gradient is stored by one backward and added to by the other. */
static double convolve_loss(ch_run *r, void *arg)
{
    const convolve_case *c = arg;
    const ch_rows rows = gc_rows(r, &c->rows);
    ch_tensor *x = ch_op_scale(r, c->x, 1.3);
    ch_tensor *y = ch_op_convolve(r, x, c->w, NULL, &rows);
    return gc_sum(r, ch_op_multiply(r, x, y));
}

static const struct {
    int documents[6], width, taps;
} cases[] = {
    {{1}, 1, 1},         {{9}, 5, 3},          {{1, 2, 3, 7}, 70, 4},
    {{40, 2, 1}, 64, 3}, {{3, 12}, 3, CH_CONVOLVE_TAPS}, {{6}, 130, 2},
};

static convolve_case open_case(gc *g, size_t i, bool frozen)
{
    convolve_case c = {.rows = gc_documents(g, cases[i].documents)};
    c.x = gc_input(g, "x", c.rows.n, cases[i].width);
    c.w = gc_matrix(g, "w", cases[i].width, cases[i].taps, frozen);
    return c;
}

/* The same rows as sequences of which the first `done` rows went before: the same bits. */
static void compare(size_t i, int done)
{
    gc g;
    gc_open(&g, "convolve over steps");
    const convolve_case c = open_case(&g, i, true);
    const int J = cases[i].taps, D = cases[i].width;
    ch_run r = {.scratch = &g.memory, .pool = g.pool, .kernels = &g.kernels};
    const ch_tensor *whole = ch_op_convolve(&r, c.x, c.w, NULL, &c.rows);
    const real **before = gc_take(&g, (size_t)(6 * J) * sizeof *before);
    int32_t *seq = gc_ints(&g, c.rows.n);
    ch_tensor *step = ch_op_output(&r, c.rows.n, D);
    int n = 0, sequences = 0;
    for (int t = 0; t < c.rows.n; t++) {
        const int pos = c.rows.pos[t];
        if (pos < done)
            continue;
        if (n == 0 || pos == done) {
            for (int b = 1; b < J; b++)
                before[sequences * (J - 1) + J - 1 - b] =
                    b <= pos ? ch_tensor_row(c.x, t - b) : NULL;
            sequences++;
        }
        seq[n] = sequences - 1;
        memcpy(ch_tensor_row(step, n++), ch_tensor_row(c.x, t), (size_t)D * sizeof(real));
    }
    const ch_tensor part = ch_tensor_slice_rows(step, 0, n);
    const ch_rows rows = {.n = n, .seq = seq};
    const ch_tensor *y = n ? ch_op_convolve(&r, &part, c.w, before, &rows) : NULL;
    for (int t = 0, at = 0; t < c.rows.n; t++)
        if (c.rows.pos[t] >= done)
            assert_memory_equal(ch_tensor_row(whole, t), ch_tensor_row(y, at++),
                                (size_t)D * sizeof(real));
    gc_close(&g);
}

void check_convolve(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++) {
        for (int frozen = 0; frozen < 3; frozen++) {
            gc g;
            gc_open(&g, "convolve");
            convolve_case c = open_case(&g, i, frozen == 1);
            if (frozen == 2)
                c.x->grad = g.leaf[0].grad = NULL;
            gc_check(&g, convolve_loss, &c);
            gc_close(&g);
        }
        for (int done = 0; done < 9; done++)
            compare(i, done);
    }
}
