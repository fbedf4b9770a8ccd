/* gc_ends.c - the embedding, the loss, and both on one table
 *
 * SPDX-License-Identifier: MIT */
#include "gradcheck.h"

/* ---- embed -------------------------------------------------------------------------------- */

typedef struct embed_case {
    ch_weight *table;
    ch_rows rows;
} embed_case;

static double embed_loss(ch_run *r, void *arg)
{
    const embed_case *c = arg;
    const ch_rows rows = gc_rows(r, &c->rows);
    return gc_sum(r, ch_op_embed(r, c->table, &rows));
}

void check_embed(void **state)
{
    (void)state;
    static const int shapes[][3] = {
        {1, 1, 1}, {40, 33, 9}, {7, 16, 3}}; /* T D V: ids come again */
    for (size_t i = 0; i < CH_COUNT(shapes); i++)
        for (int vectors = 0; vectors < 2; vectors++) {
            const int T = shapes[i][0], D = shapes[i][1], V = shapes[i][2];
            gc g;
            gc_open(&g, "embed");
            embed_case c = {gc_matrix(&g, "table", V, D, false), {.n = T}};
            int32_t *id = gc_ints(&g, T);
            const real **vector = gc_take(&g, (size_t)T * sizeof *vector);
            for (int t = 0; t < T; t++) {
                id[t] = t * 5 % V;
                if (t % 3 == 2)
                    vector[t] = gc_take(&g, (size_t)D * sizeof(real));
            }
            c.rows.id = id;
            c.rows.vector = vectors ? vector : NULL;
            gc_check(&g, embed_loss, &c);
            gc_close(&g);
        }
}

/* ---- cross_entropy ------------------------------------------------------------------------ */

typedef struct loss_case {
    ch_tensor *x; /* NULL: the rows of the head itself, by ids that the targets follow */
    ch_weight *head;
    ch_token *target;
    ch_rows rows;
    ch_loss_spec spec;
} loss_case;

/* sum_t mean_v(-log softmax(z_t)_v) over rows with targets, from logits of its own. */
static double evenly(ch_run *r, const loss_case *c, const ch_tensor *x)
{
    ch_run quiet = *r;
    quiet.tape = NULL;
    const ch_tensor *z = ch_op_linear(&quiet, x, c->head, NULL);
    const int64_t V = ch_tensor_width(z);
    double all = 0;
    for (int64_t t = 0; ch_op_computes(r) && t < ch_tensor_rows(z); t++) {
        const real *row = ch_tensor_row(z, t);
        double sum = 0, mean = 0;
        for (int64_t v = 0; v < V; v++) {
            const double cap = c->spec.softcap,
                         u = cap > 0 ? cap * tanh((double)row[v] / cap) : (double)row[v];
            sum += exp(u);
            mean += u / (double)V;
        }
        all += c->target[t] >= 0 ? log(sum) - mean : 0;
    }
    return all;
}

static double entropy_loss(ch_run *r, void *arg)
{
    const loss_case *c = arg;
    const ch_rows rows = gc_rows(r, &c->rows);
    double sum, again = 0;
    real *nll = ch_arena_take(r->scratch, (size_t)rows.n * sizeof *nll);
    const ch_tensor *x = c->x ? c->x : ch_op_embed(r, c->head, &rows);
    const double even = c->spec.smoothing > 0 ? evenly(r, c, x) : 0;
    ch_op_cross_entropy(r, x, c->head, ch_op_computes(r) ? c->target : NULL, &c->spec, &sum, nll);
    if (!ch_op_computes(r))
        return 0;
    for (int t = 0; t < rows.n; t++) {
        assert_true(c->target[t] >= 0 ? nll[t] > 0 : nll[t] == 0);
        again += nll[t];
    }
    assert_true(sum == again); /* one order of addition */
    return c->spec.scale * ((1 - c->spec.smoothing) * sum + c->spec.smoothing * even);
}

static void entropy(int T, int D, int V, int ignore, bool frozen, bool bias, bool tied,
                    double smoothing, double softcap)
{
    gc g;
    char what[80];
    snprintf(what, sizeof what, "cross_entropy T %d D %d V %d ignore %d", T, D, V, ignore);
    gc_open(&g, what);
    loss_case c = {.head = gc_matrix(&g, "head", V, D, frozen),
                   .target = gc_ints(&g, T),
                   .rows = {.n = T},
                   .spec = {.scale = 0.7, .smoothing = smoothing, .softcap = softcap}};
    if (!tied)
        c.x = gc_input(&g, "x", T, D);
    if (bias)
        c.head->bias = gc_vector(&g, "bias", V, false);
    int32_t *id = gc_ints(&g, T);
    for (int t = 0; t < T; t++) {
        id[t] = t * 7 % V;
        c.target[t] = ignore && (t % ignore == 0 || (t >= CH_CE_CHUNK && t < 2 * CH_CE_CHUNK))
                          ? -1
                          : t * 3 % V;
    }
    c.rows.id = id;
    g.takes_less = ignore == 1;
    gc_check(&g, entropy_loss, &c);
    gc_close(&g);
}

void check_cross_entropy(void **state)
{
    (void)state;
    entropy(1, 1, 2, 0, false, false, false, 0, 0);
    entropy(5, 9, 33, 0, false, false, false, 0, 0);
    entropy(4, 3, 700, 2, false, true, false, 0, 0); /* more words than a slice of panels */
    entropy(CH_CE_CHUNK + 1, 8, 20, 0, true, false, false, 0, 0);
    entropy(2 * CH_CE_CHUNK + 9, 6, 17, 4, false, false, false, 0, 0); /* a chunk without between */
    entropy(3, 6, 10, 1, false, false, false, 0, 0); /* no target at all */
    entropy(12, 6, 10, 5, false, false, true, 0, 0);
    entropy(9, 5, 33, 4, false, true, false, 0.1, 0);
    entropy(12, 6, 10, 0, false, false, true, 0.5, 0);
    entropy(9, 5, 33, 4, false, true, false, 0, 3);
    entropy(CH_CE_CHUNK + 3, 6, 17, 5, false, false, true, 0.2, 2);
}
