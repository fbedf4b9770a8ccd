/* attention.c - attention of heads to the keys before them, in double precision
 *
 * Vaswani et al. 2017; fewer key heads than heads: Ainslie et al. 2023; windows: Beltagy et al.
 * 2020, as Mistral counts them (the token itself is one of the window's).
 * SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

static double score(ref *r, const double *q, const double *k, double scale, double cap)
{
    double sum = 0, size = 0;
    for (int e = 0; e < r->E; e++) {
        sum += q[e] * k[e];
        size += fabs(q[e] * k[e]);
    }
    return ref_cap(r, ref_round(r, sum * scale, (r->E + 2) * size * scale), cap);
}

/* One head's answer at one position, over keys from..at. */
static void answer(ref *r, double *out, double *w, const double *v, int stride, int from, int at)
{
    const int n = at - from + 1;
    double most = w[from], sum = 0;
    for (int j = from; j <= at; j++)
        most = fmax(most, w[j]);
    for (int j = from; j <= at; j++) {
        const double p = exp(w[j] - most);
        w[j] = ref_round(r, p, (4 + fabs(w[j] - most)) * p);
        sum += w[j];
    }
    sum = ref_round(r, sum, n * sum);
    for (int e = 0; e < r->E; e++) {
        double y = 0, size = 0;
        for (int j = from; j <= at; j++) {
            y += w[j] * v[(int64_t)j * stride + e];
            size += fabs(w[j] * v[(int64_t)j * stride + e]);
        }
        out[e] = ref_round(r, y / sum, (n + 2) * size / sum);
    }
}

double *ref_attend(ref *r, const double *q, const double *k, const double *v, double scale,
                   int window, double cap)
{
    double *out = ref_new(r, (int64_t)r->T * r->H * r->E), *w = ref_new(r, r->T);
    for (int h = 0; h < r->H; h++) {
        const int group = h / (r->H / r->K), stride = r->K * r->E;
        for (int i = 0; i < r->T; i++) {
            const int from = window > 0 && i >= window ? i - window + 1 : 0;
            const int64_t row = ((int64_t)i * r->H + h) * r->E;
            for (int j = from; j <= i; j++)
                w[j] = score(r, q + row, k + (int64_t)j * stride + group * r->E, scale, cap);
            answer(r, out + row, w, v + group * r->E, stride, from, i);
        }
    }
    return out;
}
