/* fit.c - scales and minima for blocks of few bits (fit.h).
 * SPDX-License-Identifier: MIT */
#include "fit.h"

enum { TRIES = 8, MOST = 32 }; /* to each side of the plain scale; elements that share one */

void ch_fit_weights(float *w, const float *x, const float *importance, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    const float rms = (float)sqrt(sum / n);
    for (int i = 0; i < n; i++)
        w[i] = (importance ? importance[i] : 1) * (rms + fabsf(x[i]));
}

float ch_fit_extreme(const float *x, int n)
{
    float m = 0;
    for (int i = 0; i < n; i++)
        m = fabsf(x[i]) > fabsf(m) ? x[i] : m;
    return m;
}

/* Of values q_i: the best scale sum w x q / sum w q^2, and how much of the error it takes away. */
typedef struct line {
    double xq, qq;
} line;

static void add(line *l, float w, float x, float q)
{
    l->xq += (double)(w * q) * (double)x;
    l->qq += (double)(w * q) * (double)q;
}

static bool better(const line *l, double *gain, float *scale)
{
    if (l->qq <= 0 || l->xq * l->xq <= *gain * l->qq)
        return false;
    *gain = l->xq * l->xq / l->qq;
    *scale = (float)(l->xq / l->qq);
    return true;
}

float ch_fit_scale(const float *x, const float *w, int n, int offset, int most)
{
    const float m = ch_fit_extreme(x, n);
    double gain = 0;
    float best = 0;
    for (int t = -TRIES; t <= TRIES; t++) { /* m belongs at the end that reaches farther */
        const float inverse = (-(float)offset + 0.1f * (float)t) / m;
        line l = {0};
        for (int i = 0; i < n; i++)
            add(&l, w[i], x[i],
                (float)(ch_fit_code(x[i] * inverse + (float)offset, most) - offset));
        better(&l, &gain, &best);
    }
    return best;
}

int ch_fit_nearest(float v, const int8_t *table)
{
    int code = 0;
    while (code < 15 && 2 * v > (float)(table[code] + table[code + 1]))
        code++;
    return code;
}

float ch_fit_table(const float *x, const float *w, int n, const int8_t *table)
{
    const float m = ch_fit_extreme(x, n);
    double gain = 0;
    float best = 0;
    for (int t = -TRIES; t <= TRIES; t++) {
        const float inverse = ((float)table[0] + 2.5f * (float)t) / m;
        line l = {0};
        for (int i = 0; i < n; i++)
            add(&l, w[i], x[i], (float)table[ch_fit_nearest(x[i] * inverse, table)]);
        better(&l, &gain, &best);
    }
    return best;
}

/* ---- Scale and minimum --------------------------------------------------------------------- */

void ch_fit_affine(float *scale, float *min, const float *x, const float *w, int n, int most,
                   bool below)
{
    float lo = below ? 0 : x[0], hi = x[0];
    for (int i = 0; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    *scale = 0;
    *min = -lo;
    if (!(hi - lo > 0))
        return;
    double least = 0;
    for (int t = -TRIES; t <= TRIES; t++) {
        const float inverse = ((float)most + 0.1f * (float)t) / (hi - lo);
        ch_fit_plane p = {0};
        for (int i = 0; i < n; i++) {
            const double q = ch_fit_code((x[i] - lo) * inverse, most), wi = (double)w[i],
                         xi = (double)x[i];
            p.w += wi;
            p.q += wi * q;
            p.qq += wi * q * q;
            p.x += wi * xi;
            p.xq += wi * xi * q;
        }
        double s, m;
        ch_fit_solve(&s, &m, &p, below);
        const double e = ch_fit_error(&p, s, m);
        if (e < least && s >= 0) {
            least = e;
            *scale = (float)s;
            *min = (float)m;
        }
    }
}
