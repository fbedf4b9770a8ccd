/* integrator.c - feed-forward blocks of several steps, and the decoder that is made around them
 *
 * From docs/integrator.md.  A token t at x0 takes d(t) of N steps; step k, u = gain_k F(rms_k(x)):
 *
 *     anchor 0   x += u
 *     anchor 1   v = a_k v + p u               x += v       a_k = s(inertia_k)
 *     anchor 2   v = a_k v + p (x0 + u - x)    x += v       p = 2 s(pull) (1 + a_k)
 *     anchor 3   anchor 2 with u of x0 and gain_0 in all steps, and z of inertia and pull each
 *                token's own: A h + c, P h + d, h = max(C rms_0(x0), 0)^2
 *     anchor 4   v = a v + (1 - a) g u + e_k - p (x - x0),   x += v;  a, p, and g = s(z) of the
 *                gate G h + b are anchor 3's, of z scaled and shifted by the layer's own numbers;
 *                e = size sin(speed (k + 1) + phase) in channels floor(j (D - 1) / (X - 1))
 *
 * with s(z) = (1 + z / (1 + |z|)) / 2.  d is 1 before the gate's layer; there it becomes the first
 * k with exp(w_k . h + b_k) < tolerance, h = x / rms(x), or N.  Layer l uses the maps of the first
 * layer in its group floor(l G / L).
 * SPDX-License-Identifier: MIT */
#include "reference.h"

#include <limits.h>
#include <math.h>

static double squash(double z)
{
    return (1 + z / (1 + fabs(z))) / 2;
}

static int first_of_group(const ref *r, const char *key, int layer)
{
    const int groups = ref_int(r, key, 0);
    int first = layer;
    while (groups && first > 0 && (first - 1) * groups / r->L == layer * groups / r->L)
        first--;
    return first;
}

static double *force(ref *r, const double *n, int layer)
{
    const int at = first_of_group(r, "feed_forward_groups", layer);
    if (!ref_says(r, "feed_forward_type", "relu2"))
        return ref_gated(r, n, at, ref_silu);
    double *h = ref_linear(r, n, "blk.%d.ffn_up", at, r->F, r->D);
    for (int64_t i = 0; i < (int64_t)r->T * r->F; i++)
        h[i] = h[i] > 0 ? ref_round(r, h[i] * h[i], h[i] * h[i]) : 0;
    return ref_linear(r, h, "blk.%d.ffn_down", at, r->D, r->F);
}

static int decide(ref *r, const double *x, int N)
{
    const double *w = ref_tensor(r, "depth_gate.weight", 0, N - 1, r->D);
    const double *b = ref_tensor(r, "depth_gate.bias", 0, 1, N - 1);
    double squares = 0;
    for (int i = 0; i < r->D; i++)
        squares += x[i] * x[i];
    const double s = 1 / sqrt(squares / r->D + r->eps);
    for (int k = 1; k < N; k++) {
        double z = b[k - 1];
        for (int i = 0; i < r->D; i++)
            z += w[(k - 1) * r->D + i] * x[i] * s;
        if (exp(z) < ref_real(r, "integrator.tolerance", 0))
            return k;
    }
    return N;
}

/* Told of step k of number i. */
static void tell(const ref *r, int l, int k, int64_t i, double a, double p, double gain, double v,
                 double e)
{
    const int t = (int)(i / r->D), c = (int)(i % r->D);
    if (r->seen)
        r->seen(r->seen_arg, &(ref_seen){l, k, t, c, a, p, 1, gain, v, e});
}

/* One number of step k: of x and v at `now`, and where it began. */
static void move(ref *r, double *now, double *v, double began, double u, double a, double p,
                 int anchor)
{
    const double e = anchor == 2 ? began + u - *now : u, before = *now;
    const double apart = anchor == 2 ? fabs(began) + fabs(before) : 0;
    const double size = fabs(a * *v) + fabs(p) * (fabs(u) + apart);
    *v = ref_round(r, a * *v + p * e, 8 * size);
    *now = ref_round(r, before + *v, fabs(before + *v));
}

static double *integrate(ref *r, double *x0, int l, int N, int *depth)
{
    const int anchor = ref_int(r, "integrator.anchor", 0), D = r->D;
    const int gate = ref_int(r, "integrator.gate_layer", 0);
    const double *gain = ref_tensor(r, "blk.%d.integrator_gain.weight", l, N, D);
    const double *norm = ref_tensor(r, "blk.%d.integrator_norm.weight", l, N, D);
    const double *inertia =
        anchor ? ref_tensor(r, "blk.%d.integrator_inertia.weight", l, N, D) : NULL;
    const double *pull = anchor ? ref_tensor(r, "blk.%d.integrator_pull.weight", l, 1, D) : NULL;
    double *x = ref_add(r, x0, ref_new(r, (int64_t)r->T * D), 1);
    double *v = ref_new(r, (int64_t)r->T * D);
    for (int t = 0; t < r->T && gate > 0 && l == gate; t++)
        depth[t] = decide(r, x0 + (int64_t)t * D, N);
    for (int k = 0; k < N; k++) {
        const double *u = force(r, ref_rms_by(r, x, norm + (int64_t)k * D, D, 1), l);
        for (int64_t i = 0; i < (int64_t)r->T * D; i++) {
            const int c = (int)(i % D);
            const double a = anchor ? squash(inertia[k * D + c]) : 0;
            const double p = anchor ? 2 * squash(pull[c]) * (1 + a) : 1;
            const double f = u[i] * gain[k * D + c];
            if (k >= (l < gate ? 1 : depth[i / D]))
                continue;
            if (anchor)
                tell(r, l, k, i, a, p, gain[k * D + c], v[i],
                     anchor == 2 ? x0[i] + f - x[i] : f);
            move(r, &x[i], &v[i], x0[i], f, a, p, anchor);
        }
    }
    return x;
}

/* The loop, where the engine has it in closed form. */
static double *controlled(ref *r, double *x0, int l, int N)
{
    enum { WIDTH = 64 };
    const int D = r->D;
    const double *gain = ref_tensor(r, "blk.%d.integrator_gain.weight", l, 1, D);
    const double *n =
        ref_rms_by(r, x0, ref_tensor(r, "blk.%d.integrator_norm.weight", l, 1, D), D, 1);
    double *h = ref_linear(r, n, "blk.%d.controller", l, WIDTH, D);
    for (int i = 0; i < r->T * WIDTH; i++)
        h[i] = ref_round(r, fmax(h[i], 0) * fmax(h[i], 0), h[i] * h[i]);
    const double *inertia = ref_linear(r, h, "blk.%d.controller_inertia", l, D, WIDTH);
    const double *pull = ref_linear(r, h, "blk.%d.controller_pull", l, D, WIDTH);
    const double *u = force(r, n, l);
    double *x = ref_add(r, x0, ref_new(r, (int64_t)r->T * D), 1);
    double *v = ref_new(r, (int64_t)r->T * D);
    for (int k = 0; k < N; k++)
        for (int64_t i = 0; i < (int64_t)r->T * D; i++) {
            const double a = squash(inertia[i]), p = 2 * squash(pull[i]) * (1 + a);
            if (k == 0) /* as one, in the engine */
                tell(r, l, k, i, a, p, gain[i % D], 0, u[i] * gain[i % D]);
            move(r, &x[i], &v[i], x0[i], u[i] * gain[i % D], a, p, 2);
        }
    return x;
}

static double *rows_of(ref *r, double *heard, const char *name, int at, int l, int which)
{
    enum { WIDTH = 64 };
    const double *scale = ref_tensor(r, "blk.%d.controller_scale.weight", l, 1, 3);
    const double *shift = ref_tensor(r, "blk.%d.controller_shift.weight", l, 1, 3);
    double *z = ref_linear(r, heard, name, at, r->D, WIDTH);
    for (int64_t i = 0; i < (int64_t)r->T * r->D; i++) {
        const double turned = scale[which] * z[i];
        z[i] = ref_round(r, turned + shift[which],
                         fabs(turned) + fabs(shift[which]) + fabs(turned + shift[which]));
        z[i] = squash(z[i]);
        z[i] = ref_round(r, z[i], 3 * z[i]);
    }
    return z;
}

/* Of channel c in the step of number t, from 1. */
static double excitation(ref *r, int l, int c, int t)
{
    const int X = ref_int(r, "integrator.excited", 0), D = r->D;
    for (int j = 0; j < X; j++) {
        if ((X > 1 ? j * (D - 1) / (X - 1) : 0) != c)
            continue;
        const double *size = ref_tensor(r, "blk.%d.excitation_size.weight", l, 1, X);
        const double *speed = ref_tensor(r, "blk.%d.excitation_speed.weight", l, 1, X);
        const double *phase = ref_tensor(r, "blk.%d.excitation_phase.weight", l, 1, X);
        return size[j] * sin(speed[j] * t + phase[j]);
    }
    return 0;
}

static double *driven(ref *r, double *x0, int l, int N, int *depth)
{
    enum { WIDTH = 64 };
    const int D = r->D, gate = ref_int(r, "integrator.gate_layer", 0);
    const int at = first_of_group(r, "integrator.controller_groups", l);
    const double *gain = ref_tensor(r, "blk.%d.integrator_gain.weight", l, N, D);
    const double *norm = ref_tensor(r, "blk.%d.integrator_norm.weight", l, N, D);
    double *h = ref_linear(r, ref_rms_by(r, x0, norm, D, 1), "blk.%d.controller", at, WIDTH, D);
    for (int i = 0; i < r->T * WIDTH; i++)
        h[i] = ref_round(r, fmax(h[i], 0) * fmax(h[i], 0), h[i] * h[i]);
    const double *inertia = rows_of(r, h, "blk.%d.controller_inertia", at, l, 0);
    const double *pull = rows_of(r, h, "blk.%d.controller_pull", at, l, 1);
    const double *open = rows_of(r, h, "blk.%d.controller_gate", at, l, 2);
    double *x = ref_add(r, x0, ref_new(r, (int64_t)r->T * D), 1);
    double *v = ref_new(r, (int64_t)r->T * D), *e = ref_new(r, (int64_t)N * D);
    for (int i = 0; i < N * D; i++)
        e[i] = excitation(r, l, i % D, i / D + 1);
    for (int t = 0; t < r->T && gate > 0 && l == gate; t++)
        depth[t] = decide(r, x0 + (int64_t)t * D, N);
    for (int k = 0; k < N; k++) {
        const double *u = force(r, ref_rms_by(r, x, norm + (int64_t)k * D, D, 1), l);
        for (int64_t i = 0; i < (int64_t)r->T * D; i++) {
            const int c = (int)(i % D);
            const double a = inertia[i], p = 2 * pull[i] * (1 + a), now = x[i];
            const double given = (1 - a) * open[i] * gain[k * D + c], sought = given * u[i];
            const double back = p * (now - x0[i]);
            if (k >= (l < gate ? 1 : depth[i / D]))
                continue;
            tell(r, l, k, i, a, p, given, v[i], (sought + e[k * D + c] - back) / p);
            const double size = fabs(a * v[i]) + fabs(sought) + p * (fabs(now) + fabs(x0[i]));
            v[i] = ref_round(r, a * v[i] + sought + e[k * D + c] - back,
                             10 * size + 2 * fabs(e[k * D + c]));
            x[i] = ref_round(r, now + v[i], fabs(now + v[i]));
        }
    }
    return x;
}

double *ref_block(ref *r, double *x, int l, int *depth)
{
    const int N = ref_int(r, "integrator.depth", 0);
    if (N > 0 && ref_int(r, "integrator.anchor", 0) == 3)
        return controlled(r, x, l, N);
    if (N > 0 && ref_int(r, "integrator.anchor", 0) == 4)
        return driven(r, x, l, N, depth);
    if (N > 0)
        return integrate(r, x, l, N, depth);
    return ref_add(r, x, force(r, ref_rms(r, x, "blk.%d.ffn_norm.weight", l, r->D, 1), l), 1);
}

int *ref_depths(ref *r)
{
    int *depth = (int *)ref_new(r, r->T); /* more room than they need */
    for (int t = 0; t < r->T; t++)
        depth[t] = ref_int(r, "integrator.depth", 0);
    return depth;
}

static double *embed(ref *r, int rank)
{
    const double *table = ref_tensor(r, "token_embd.weight", 0, r->V, rank);
    double *x = ref_new(r, (int64_t)r->T * rank);
    for (int t = 0; t < r->T; t++)
        for (int i = 0; i < rank; i++)
            x[t * rank + i] = table[(int64_t)r->id[t] * rank + i];
    return ref_linear(r, x, "token_embd_up", 0, r->D, rank);
}

double *ref_integrator(ref *r)
{
    const int rank = ref_int(r, "embedding_rank", 0), E = r->E;
    const ref_rope rope = ref_rope_read(r, true);
    int *depth = ref_depths(r);
    double *x = rank ? embed(r, rank) : ref_embed(r, 1);
    for (int l = 0; l < r->L; l++) {
        const int at = first_of_group(r, "attention_groups", l);
        double *n = ref_rms(r, x, "blk.%d.attn_norm.weight", l, r->D, 1);
        double *q = ref_linear(r, n, "blk.%d.attn_q", at, r->H * E, r->D);
        double *k = ref_linear(r, n, "blk.%d.attn_k", at, r->K * E, r->D);
        double *v = ref_linear(r, n, "blk.%d.attn_v", at, r->K * E, r->D);
        q = ref_rms(r, q, "blk.%d.attn_q_norm.weight", at, E, r->H);
        k = ref_rms(r, k, "blk.%d.attn_k_norm.weight", at, E, r->K);
        ref_turn(r, q, r->H, &rope);
        ref_turn(r, k, r->K, &rope);
        double *a = ref_attend(r, q, k, v, 1 / sqrt(E), 0, 0);
        x = ref_add(r, x, ref_linear(r, a, "blk.%d.attn_output", at, r->D, r->H * E), 1);
        x = ref_block(r, x, l, depth);
    }
    x = ref_rms(r, x, "output_norm.weight", 0, r->D, 1);
    if (!rank)
        return ref_head(r, x);
    x = ref_linear(r, x, "output_down", 0, rank, r->D);
    const bool own = ref_has(r, "output.weight", 0);
    return ref_linear(r, x, own ? "output" : "token_embd", 0, r->V, rank);
}
