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

/* The value of greatest magnitude, the first of equals. */
static float extreme(const float *x, int n)
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
    const float m = extreme(x, n);
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
    const float m = extreme(x, n);
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

typedef struct plane {
    double w, q, qq, x, xq;
} plane;

/* The change of the error sum w (x - s q + m)^2 from that of zeros. */
static double error(const plane *p, double s, double m)
{
    return s * s * p->qq + m * m * p->w - 2 * (s * p->xq - m * p->x + s * m * p->q);
}

static void solve(double *s, double *m, const plane *p, bool below)
{
    const double det = p->w * p->qq - p->q * p->q;
    *s = *m = 0;
    if (det > 0) {
        *s = (p->w * p->xq - p->q * p->x) / det;
        *m = (p->q * p->xq - p->qq * p->x) / det;
    }
    if ((det <= 0 || (below && *m < 0)) && p->qq > 0) {
        *s = p->xq / p->qq;
        *m = 0;
    }
}

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
        plane p = {0};
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
        solve(&s, &m, &p, below);
        const double e = error(&p, s, m);
        if (e < least && s >= 0) {
            least = e;
            *scale = (float)s;
            *min = (float)m;
        }
    }
}

/* ---- Blocks of 256 ------------------------------------------------------------------------- */

static float rounded(float d) /* what binary16 keeps of it */
{
    return ch_f16_to_f32(ch_f32_to_f16(d));
}

/* Codes for given scales. */
static void code_group(uint8_t *code, const float *x, const ch_fit_form *f, float scale, float min)
{
    const float inverse = ch_block_inverse(scale);
    for (int i = 0; i < f->group; i++) {
        const float v = (x[i] + min) * inverse;
        code[i] = (uint8_t)(f->table ? ch_fit_nearest(v, f->table)
                                     : ch_fit_code(v + (float)f->offset, f->most));
    }
}

static float value_of(const ch_fit_form *f, int code)
{
    return f->table ? (float)f->table[code] : (float)(code - f->offset);
}

/* d and e anew, for the integers that were chosen. */
static void solve_block(ch_codes *c, const float *x, const float *w, const ch_fit_form *f)
{
    plane p = {0};
    for (int i = 0; i < CH_SUPER; i++) {
        const int g = i / f->group;
        const double q = (double)(value_of(f, c->code[i]) * (float)c->scale[g]);
        const double m = f->min ? c->min[g] : 0, wi = (double)w[i], xi = (double)x[i];
        p.w += wi * m * m;
        p.q += wi * q * m;
        p.qq += wi * q * q;
        p.x += wi * xi * m;
        p.xq += wi * xi * q;
    }
    double d, e;
    solve(&d, &e, &p, f->min);
    const float old_d = ch_f16_to_f32(c->d), old_e = f->min ? ch_f16_to_f32(c->e) : 0;
    const float new_d = rounded((float)d), new_e = f->min ? rounded((float)e) : 0;
    if (error(&p, (double)new_d, (double)new_e) < error(&p, (double)old_d, (double)old_e)) {
        c->d = ch_f32_to_f16(new_d);
        if (f->min)
            c->e = ch_f32_to_f16(new_e);
    }
}

/* The integers nearest to the groups' scales and minima, and their codes. */
static void choose(ch_codes *c, const float *x, const ch_fit_form *f, const float *scale,
                   const float *min)
{
    const float d = ch_f16_to_f32(c->d), e = f->min ? ch_f16_to_f32(c->e) : 0;
    for (int g = 0; g < CH_SUPER / f->group; g++) {
        const float v = scale[g] * ch_block_inverse(d);
        c->scale[g] = (int8_t)(ch_fit_code(v + (float)f->low, f->low + f->high) - f->low);
        if (f->min)
            c->min[g] = (uint8_t)ch_fit_code(min[g] * ch_block_inverse(e), f->high);
        code_group(c->code + g * f->group, x + g * f->group, f, d * (float)c->scale[g],
                   f->min ? e * (float)c->min[g] : 0);
    }
}

void ch_fit_super(ch_codes *c, const float *x, const float *importance, const ch_fit_form *f)
{
    float w[CH_SUPER], scale[16], min[16] = {0};
    const int groups = CH_SUPER / f->group;
    memset(c, 0, sizeof *c);
    if (isnan(ch_block_most(x, CH_SUPER))) {
        c->d = 0x7e00;
        return;
    }
    for (int i = 0; i < CH_SUPER; i += MOST)
        ch_fit_weights(w + i, x + i, importance ? importance + i : NULL, MOST);
    for (int g = 0; g < groups; g++) {
        const float *xg = x + g * f->group, *wg = w + g * f->group;
        if (f->min)
            ch_fit_affine(&scale[g], &min[g], xg, wg, f->group, f->most, true);
        else
            scale[g] = f->table ? ch_fit_table(xg, wg, f->group, f->table)
                                : ch_fit_scale(xg, wg, f->group, f->offset, f->most);
    }
    const float top = extreme(scale, groups);
    c->d = ch_f32_to_f16(top / (float)(f->low ? -f->low : f->high));
    c->e = ch_f32_to_f16(extreme(min, groups) / (float)f->high);
    choose(c, x, f, scale, min);
    solve_block(c, x, w, f);
    choose(c, x, f, scale, min);
}
