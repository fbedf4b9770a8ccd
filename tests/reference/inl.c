/* inl.c - INL-LLM v2 and v3 (Pacific Prime 2025, 2026), from the formulas of its published code
 *
 * Between attention and the feed-forward stands a branch that starts at the normalised residual and
 * takes n steps of a damped oscillator, whose coefficients a small map of (attention's output, x,
 * v) gives anew in each step.
 * SPDX-License-Identifier: MIT */
#include <limits.h>
#include <math.h>

#include "reference.h"
#include "support.h"

enum { HIDDEN = 64, MOST = 512 }; /* rows */

/* A[id] or U A[id], and sinusoids. */
static double *embed(ref *r, bool sinusoids)
{
    const int R = ref_int(r, "embedding_rank", 0), D = r->D;
    r->D = R ? R : D;
    double *x = ref_embed(r, 1);
    r->D = D;
    if (R)
        x = ref_linear(r, x, "token_embd_up", 0, D, R);
    for (int t = 0; sinusoids && t < r->T; t++)
        for (int i = 0; i < D / 2; i++) {
            const double angle = t * exp(-2 * i * log(10000) / D);
            double *pair = x + (int64_t)t * D + 2 * i;
            pair[0] = ref_round(r, pair[0] + sin(angle), fabs(pair[0] + sin(angle)) + 1);
            pair[1] = ref_round(r, pair[1] + cos(angle), fabs(pair[1] + cos(angle)) + 1);
        }
    return x;
}

static double sigmoid(ref *r, double x)
{
    const double y = 1 / (1 + exp(-x));
    return ref_round(r, y, 4 * y);
}

static double softplus(ref *r, double x)
{
    const double y = x > 20 ? x : log1p(exp(x));
    return ref_round(r, y, 4 * y);
}

typedef struct branch {
    int layer, n, group, least;
    double k, threshold;
    bool whole, each; /* rules of ending */
    const double *mu, *offset, *h;
    double *x, *v;
} branch;

/* Step `number` of all rows but those that `ended`; moved: how far each went. */
static void step(ref *r, const branch *b, int number, const bool *ended, double *moved)
{
    const int D = r->D;
    double *in = ref_new(r, (int64_t)r->T * 3 * D);
    for (int t = 0; t < r->T; t++)
        for (int j = 0; j < D; j++) {
            in[(int64_t)t * 3 * D + j] = b->h[t * D + j];
            in[(int64_t)t * 3 * D + D + j] = b->x[t * D + j];
            in[(int64_t)t * 3 * D + 2 * D + j] = b->v[t * D + j];
        }
    double *z = ref_linear(r, in, "blk.%d.inl_in", b->layer, HIDDEN, 3 * D);
    for (int i = 0; i < r->T * HIDDEN; i++)
        z[i] = fmax(z[i], 0);
    const double *o = ref_linear(r, z, "blk.%d.inl_out", b->layer, 3 * D, HIDDEN);
    for (int t = 0; t < r->T; t++) {
        double squares = 0;
        for (int j = 0; j < D && !ended[t]; j++) {
            const double *p = o + (int64_t)t * 3 * D + j, m = b->mu[0] + b->offset[j / b->group];
            double *x = b->x + t * D + j, *v = b->v + t * D + j;
            const double a = sigmoid(r, p[0]), f = softplus(r, p[D]), g = sigmoid(r, p[2 * D]);
            if (r->seen)
                r->seen(r->seen_arg, &(ref_seen){b->layer, number, t, j, a, f, g, 1, *v, m - *x});
            const double turn = a * *v, pull = f * (*x - m), was = *x;
            *v = ref_round(r, turn - pull,
                           fabs(turn) + fabs(f) * (2 * fabs(*x) + 2 * fabs(m)) + fabs(turn - pull));
            *x = ref_round(r, was + b->k * g * *v, fabs(was) + 3 * fabs(b->k * g * *v));
            squares += (*x - was) * (*x - was);
        }
        moved[t] = ended[t] ? 0 : sqrt(squares);
    }
}

static double *run_branch(ref *r, branch *b, const double *x0, const double *h)
{
    bool ended[MOST] = {false}, frozen[MOST] = {false};
    double moved[MOST];
    b->h = h;
    b->x = ref_columns(r, x0, r->D, 0, r->D);
    b->v = ref_new(r, (int64_t)r->T * r->D);
    b->mu = ref_tensor(r, "blk.%d.inl_mu.weight", b->layer, 1, 1);
    b->offset = ref_tensor(r, "blk.%d.inl_offsets.weight", b->layer, 1,
                           (r->D + b->group - 1) / b->group);
    for (int i = 0; i < b->n; i++) {
        bool all = true;
        step(r, b, i, frozen, moved);
        for (int t = 0; t < r->T; t++) {
            if (i >= b->least && (b->whole || b->each))
                ended[t] |= moved[t] < b->threshold;
            frozen[t] = b->each && ended[t];
            all &= ended[t];
        }
        if (all)
            break;
    }
    return b->x;
}

static branch branch_of(ref *r, int layer)
{
    return (branch){.layer = layer,
                    .n = ref_int_at(r, "integrator.iterations", layer, INT_MIN),
                    .group = ref_int(r, "integrator.group_size", 64),
                    .least = ref_int(r, "integrator.min_steps", 3),
                    .k = ref_real(r, "integrator.step", (double)0.1f),
                    .threshold = ref_real(r, "integrator.threshold", (double)0.001f),
                    .whole = ref_says(r, "integrator.stop", "reference"),
                    .each = ref_says(r, "integrator.stop", "token")};
}

static double *exact_gelu(ref *r, double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double y = 0.5 * x[i] * erfc(-x[i] / sqrt(2));
        x[i] = ref_round(r, y, 4 * fabs(x[i]));
    }
    return x;
}

double *ref_inl_v2(ref *r)
{
    const int D = r->D;
    double *x = embed(r, true);
    assert_true(r->T <= MOST);
    for (int l = 0; l < r->L; l++) {
        branch b = branch_of(r, l);
        double *n = ref_layer_norm(r, x, "blk.%d.attn_norm", l);
        double *qkv = ref_linear(r, n, "blk.%d.attn_qkv", l, 3 * D, D);
        double *q = ref_columns(r, qkv, 3 * D, 0, D), *k = ref_columns(r, qkv, 3 * D, D, D);
        double *v = ref_columns(r, qkv, 3 * D, 2 * D, D);
        double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), 0, 0);
        const double *c = ref_linear(r, a, "blk.%d.attn_output", l, D, D);
        x = ref_add(r, x, c, 1);
        x = ref_add(r, x, run_branch(r, &b, ref_layer_norm(r, x, "blk.%d.inl_norm", l), c), 1);
        n = ref_layer_norm(r, x, "blk.%d.ffn_norm", l);
        double *up = ref_linear(r, n, "blk.%d.ffn_up", l, r->F, D);
        exact_gelu(r, up, (int64_t)r->T * r->F);
        x = ref_add(r, x, ref_linear(r, up, "blk.%d.ffn_down", l, D, r->F), 1);
    }
    return ref_head(r, ref_layer_norm(r, x, "output_norm", 0));
}

double *ref_inl_v3(ref *r)
{
    const int D = r->D, Q = r->H * r->E, K = r->K * r->E;
    const ref_rope turn = ref_rope_read(r, true);
    double *x = embed(r, false);
    assert_true(r->T <= MOST);
    for (int l = 0; l < r->L; l++) {
        branch b = branch_of(r, l);
        const double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, D, 1);
        double *q = ref_linear(r, n, "blk.%d.attn_q", l, Q, D);
        double *k = ref_linear(r, n, "blk.%d.attn_k", l, K, D);
        const double *v = ref_linear(r, n, "blk.%d.attn_v", l, K, D);
        ref_turn(r, q, r->H, &turn);
        ref_turn(r, k, r->K, &turn);
        const double *a = ref_attend(r, q, k, v, 1 / sqrt(r->E), 0, 0);
        const double *c = ref_linear(r, a, "blk.%d.attn_output", l, D, Q);
        x = ref_add(r, x, c, 1);
        const double *start = ref_rms(r, x, "blk.%d.inl_norm.weight", l, D, 1);
        x = ref_add(r, x, run_branch(r, &b, start, c), 1);
        n = ref_rms(r, x, "blk.%d.ffn_norm.weight", l, D, 1);
        x = ref_add(r, x, ref_gated(r, n, l, ref_silu), 1);
    }
    return ref_head(r, ref_rms(r, x, "output_norm.weight", 0, D, 1));
}
