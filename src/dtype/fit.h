/* fit.h - scales and minima for blocks of few bits, by weighted least squares
 *
 *     minimize sum_i w_i (x_i - value_i)^2,   w_i = rms(x) + |x_i|:
 * large weights matter more to a layer's output than their number says, and how much more a model
 * alone can tell.  For each of some tries around the scale that uses the whole range, codes are
 * rounded and the scale (and minimum) solved for; the best try wins.  Cost: some 15
 * passes, and 10 to 50 more where scales are integers (ch_fit_super).
 * SPDX-License-Identifier: MIT */
#ifndef CH_FIT_H
#define CH_FIT_H

#include "blocks.h"

/* Integers 0..most; codes of a value x are clamped to them, and NaN is 0. */
static inline int ch_fit_code(float x, int most)
{
    const float v = x + 0.5f;
    return v >= (float)most ? most : v > 0 ? (int)v : 0;
}

/* importance: NULL, or n numbers that the weights are multiplied by. */
void ch_fit_weights(float *w, const float *x, const float *importance, int n);
/* value = scale (code - offset), codes 0..most.  The scale may be negative. */
float ch_fit_scale(const float *x, const float *w, int n, int offset, int most);
/* The value of greatest magnitude, the first of equals. */
float ch_fit_extreme(const float *x, int n);
/* value = scale code - min, codes 0..most, scale >= 0; min >= 0 when `below`. */
void ch_fit_affine(float *scale, float *min, const float *x, const float *w, int n, int most,
                   bool below);
/* value = scale table[code], sixteen codes, in ascending order. */
float ch_fit_table(const float *x, const float *w, int n, const int8_t *table);
int ch_fit_nearest(float v, const int8_t *table);

/* A block of 256 in two parts: each group's scale (and minimum) is an integer times the block's d
 * (and e).  group: 16 or 32 elements; codes 0..most, less offset, or of `table`; scales -low..high
 * or, with minima, 0..high for both.  A value that is not finite makes d NaN. */
typedef struct ch_fit_form {
    int group, most, offset, low, high;
    bool min;
    const int8_t *table;
} ch_fit_form;
void ch_fit_super(ch_codes *c, const float *x, const float *importance, const ch_fit_form *f);

/* What a scale and a minimum are solved from: sums of w, w q, w q^2, w x, w x q. */
typedef struct ch_fit_plane {
    double w, q, qq, x, xq;
} ch_fit_plane;

/* The change of the error sum w (x - s q + m)^2 from that of zeros. */
static inline double ch_fit_error(const ch_fit_plane *p, double s, double m)
{
    return s * s * p->qq + m * m * p->w - 2 * (s * p->xq - m * p->x + s * m * p->q);
}

/* s and m of the least error; m is 0 where the sums leave it open, or it would be negative and
 * `below` forbids that. */
static inline void ch_fit_solve(double *s, double *m, const ch_fit_plane *p, bool below)
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

#endif
