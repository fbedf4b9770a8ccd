/* product.h - matrix products cut into tiles, for operations
 *
 *     y[m][n] (+)= sum_k x[m][k] w[n][k] + bias[n]        x: M rows in a kernel's format, w: N
 * rows in panels
 *
 * A tile is computed by one task; the kernels' contract makes an element independent of the tile
 * it falls into.  Panels made here for backward are cut into slices of CH_SLICE k, each a panel
 * matrix of its own, so that both operands of a tile stay in cache when the summed length is long
 * (a batch, a vocabulary); slices add up in order.
 * SPDX-License-Identifier: MIT */
#ifndef CH_PRODUCT_H
#define CH_PRODUCT_H

#include "op.h"

enum { CH_SLICE = 512 };

typedef struct ch_product {
    real *y;
    ptrdiff_t ldy;
    const void *x;
    ptrdiff_t ldx; /* bytes from row to row; I16: x is panels, from one to the next */
    const void *panels;
    ch_panel_kind kind;
    int M, N, K;
    int slice;        /* 0: the panels are whole */
    int flags;        /* CH_GEMM_ADD */
    const real *bias; /* NULL, or added to every row */
} ch_product;

/* n products behind one barrier. */
void ch_op_products(const ch_run *r, const ch_product *p, int n);
/* Rows [m0, m1) and columns [n0, n1) of one, in the caller.  n0 a multiple of 16, n1 too or N; I16:
 * m0 too. */
void ch_op_product_block(const ch_run *r, const ch_product *p, int m0, int m1, int n0, int n1);

/* Sliced F32 panels of element (n, k) = src[n*row_stride + k*col_stride], packed by the pool into
 * scratch. */
const void *ch_op_product_pack(ch_run *r, const real *src, ptrdiff_t row_stride,
                               ptrdiff_t col_stride, int N, int K);

/* I16 panels of element (n, k) = src[n*ld + k], or transposed src[k*ld + n], likewise. */
const void *ch_op_product_pack_i16(ch_run *r, const real *src, ptrdiff_t ld, int N, int K,
                                   bool transposed);

/* w as a product's panels: its own, or packed into scratch for now, in the run's precision. */
void ch_op_product_weight(ch_run *r, ch_product *p, const ch_weight *w);

/* The rows of one x in the formats that kernels asked for so far.  Starts as all zeros. */
typedef struct ch_encoded {
    const void *rows[CH_PANELS];
} ch_encoded;
/* Sets p->x and p->ldx to the rows of x in the format of p->kind, made in scratch where they are
 * not there yet. */
void ch_op_product_rows(ch_run *r, ch_product *p, ch_encoded *e, const ch_tensor *x);

/* sum_i a_i b_i in an order fixed by n: 16 running sums, then their sum in sequence. */
static inline real ch_op_dot(const real *a, const real *b, int64_t n)
{
    real part[16] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int l = 0; l < 16; l++)
            part[l] += a[i + l] * b[i + l];
    for (; i < n; i++)
        part[i % 16] += a[i] * b[i];
    for (int l = 0; l < 16; l++)
        sum += part[l];
    return sum;
}

#endif
