/* pieces.c - what the decoders are made of, in double precision
 *
 * RMSNorm: Zhang, Sennrich 2019; LayerNorm: Ba et al. 2016; SiLU and GELU (tanh form): Hendrycks,
 * Gimpel 2016; gated feed-forward: Shazeer 2020; soft caps: Gemma 2 report, 2024.
 * SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

/* Splitmix64 (Steele et al. 2014): one bit of it is a sign. */
double ref_round(ref *r, double v, double m)
{
    if (r->noise == 0)
        return v;
    uint64_t z = r->drawn += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) & 1 ? v + r->noise * m : v - r->noise * m;
}

double *ref_embed(ref *r, double scale)
{
    const double *table = ref_tensor(r, "token_embd.weight", 0, r->V, r->D);
    double *x = ref_new(r, (int64_t)r->T * r->D);
    for (int t = 0; t < r->T; t++)
        for (int i = 0; i < r->D; i++) {
            const double v = table[(int64_t)r->id[t] * r->D + i] * scale;
            x[t * r->D + i] = ref_round(r, v, scale == 1 ? 0 : 2 * fabs(v));
        }
    return x;
}

static void multiply(ref *r, double *y, const double *x, const double *w, const double *b, int out,
                     int in)
{
    for (int t = 0; t < r->T; t++)
        for (int o = 0; o < out; o++) {
            double sum = b ? b[o] : 0, size = fabs(sum);
            for (int i = 0; i < in; i++) {
                const double p = w[(int64_t)o * in + i] * x[(int64_t)t * in + i];
                sum += p;
                size += fabs(p);
            }
            y[(int64_t)t * out + o] = ref_round(r, sum, (in + (b != NULL)) * size);
        }
}

double *ref_linear(ref *r, const double *x, const char *name, int layer, int out, int in)
{
    char weight[64], bias[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    double *y = ref_new(r, (int64_t)r->T * out);
    const double *b = ref_has(r, bias, layer) ? ref_tensor(r, bias, layer, 1, out) : NULL;
    multiply(r, y, x, ref_tensor(r, weight, layer, out, in), b, out, in);
    return y;
}

double *ref_rms(ref *r, const double *x, const char *name, int layer, int width, int each)
{
    return ref_rms_by(r, x, ref_tensor(r, name, layer, 1, width), width, each);
}

double *ref_rms_by(ref *r, const double *x, const double *gain, int width, int each)
{
    double *y = ref_new(r, (int64_t)r->T * each * width);
    for (int64_t v = 0; v < (int64_t)r->T * each; v++) {
        const double *a = x + v * width;
        double squares = 0;
        for (int i = 0; i < width; i++)
            squares += a[i] * a[i];
        double s = 1 / sqrt(squares / width + r->eps);
        s = ref_round(r, s, (width / 2.0 + 4) * s);
        for (int i = 0; i < width; i++) {
            const double e = a[i] * s * gain[i];
            y[v * width + i] = ref_round(r, e, 2 * fabs(e));
        }
    }
    return y;
}

double *ref_layer_norm(ref *r, const double *x, const char *name, int layer)
{
    char weight[64], bias[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    const double *gain = ref_tensor(r, weight, layer, 1, r->D);
    const double *shift = ref_tensor(r, bias, layer, 1, r->D);
    double *y = ref_new(r, (int64_t)r->T * r->D);
    for (int t = 0; t < r->T; t++) {
        const double *a = x + (int64_t)t * r->D;
        double mean = 0, size = 0, squares = 0;
        for (int i = 0; i < r->D; i++) {
            mean += a[i] / r->D;
            size += fabs(a[i]) / r->D;
        }
        mean = ref_round(r, mean, r->D * size);
        for (int i = 0; i < r->D; i++)
            squares += (a[i] - mean) * (a[i] - mean);
        double s = 1 / sqrt(squares / r->D + r->eps);
        s = ref_round(r, s, (r->D / 2.0 + 5) * s);
        for (int i = 0; i < r->D; i++) {
            const double e = (a[i] - mean) * s * gain[i];
            y[t * r->D + i] = ref_round(r, e + shift[i], 4 * fabs(e) + fabs(e + shift[i]));
        }
    }
    return y;
}

double *ref_add(ref *r, const double *a, const double *b, double b_scale)
{
    double *y = ref_new(r, (int64_t)r->T * r->D);
    for (int64_t i = 0; i < (int64_t)r->T * r->D; i++) {
        const double v = b[i] * b_scale;
        y[i] = ref_round(r, a[i] + v, fabs(a[i] + v) + (b_scale == 1 ? 0 : 2 * fabs(v)));
    }
    return y;
}

double ref_silu(ref *r, double x)
{
    const double y = x / (1 + exp(-x));
    return ref_round(r, y, 4 * fabs(y));
}

/* 1 + tanh is small where x is far below zero: the error is one of x / 2. */
double ref_gelu_tanh(ref *r, double x)
{
    const double y = 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    return ref_round(r, y, 4 * fabs(x));
}

double ref_cap(ref *r, double x, double cap)
{
    if (cap == 0)
        return x;
    const double y = cap * tanh(x / cap);
    return ref_round(r, y, 4 * fabs(y));
}

double *ref_columns(ref *r, const double *x, int width, int from, int n)
{
    double *y = ref_new(r, (int64_t)r->T * n);
    for (int64_t t = 0; t < r->T; t++)
        for (int i = 0; i < n; i++)
            y[t * n + i] = x[t * width + from + i];
    return y;
}

double *ref_gated(ref *r, const double *x, int layer, double (*act)(ref *, double))
{
    double *gate = ref_linear(r, x, "blk.%d.ffn_gate", layer, r->F, r->D);
    const double *up = ref_linear(r, x, "blk.%d.ffn_up", layer, r->F, r->D);
    for (int64_t i = 0; i < (int64_t)r->T * r->F; i++) {
        const double v = act(r, gate[i]) * up[i];
        gate[i] = ref_round(r, v, fabs(v));
    }
    return ref_linear(r, gate, "blk.%d.ffn_down", layer, r->D, r->F);
}

double *ref_head(ref *r, const double *x)
{
    const bool own = ref_has(r, "output.weight", 0);
    return ref_linear(r, x, own ? "output" : "token_embd", 0, r->V, r->D);
}
