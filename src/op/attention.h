/* attention.h - what forward and backward of training attention share, the slopes of ALiBi, and
 * what a row sees of a cache
 *
 * Packed operands.  For each head, rows of x (T, E) as panels: `by_rows` (T, E), to score against;
 * `by_columns`, to mix: for each chunk of CH_ATTENTION_CHUNK rows, panels (E, rows of the chunk).
 * SPDX-License-Identifier: MIT */
#ifndef CH_ATTENTION_H
#define CH_ATTENTION_H

#include "op.h"

enum {
    CH_ATTENTION_ROWS = 32,  /* whose scores are one product */
    CH_ATTENTION_CHUNK = 64, /* rows that are summed over in one product */
    CH_ATTENTION_LANES = 16, /* blocks worked on at once: fixed, so that scratch is */
};

/* Of head h of H: 2^(-8(h+1)/H) (Press et al. 2021), 0 without ALiBi. */
real ch_op_attention_slope(const ch_attention_spec *s, int head);

/* One operand of T rows by heads * E columns, head by head in panels. */
typedef struct ch_heads {
    const real *x;
    ptrdiff_t ld;
    int T, heads, E;
    real *by_rows, *by_columns; /* NULL where not wanted */
} ch_heads;

/* Takes scratch for the panels. */
ch_heads ch_op_heads(ch_run *r, const real *x, ptrdiff_t ld, int T, int heads, int E, bool by_rows,
                     bool by_columns);
/* Packs the chunk of a head that starts at row t0; all heads of n operands behind one barrier. */
void ch_op_heads_pack_chunk(const ch_run *r, const ch_heads *h, int head, int t0);
void ch_op_heads_pack(const ch_run *r, const ch_heads *h, int n);

/* s[m*lds + j] = x_m . row n0 + j of a head, for M rows x and n0 + j < n1.  n0 is a multiple of
 * 16, n1 too or T. */
void ch_op_heads_score(const ch_run *r, real *s, ptrdiff_t lds, const real *x, ptrdiff_t ldx,
                       int M, const ch_heads *h, int head, int n0, int n1);
/* y[m*ldy + e] (+)= sum_j p[m*ldp + j] row t0 + j of a head, over t0 + j < t1, chunk by chunk.
 * flags: CH_GEMM_ADD. */
void ch_op_heads_mix(const ch_run *r, real *y, ptrdiff_t ldy, const real *p, ptrdiff_t ldp, int M,
                     const ch_heads *h, int head, int t0, int t1, int flags);

/* Columns that a row may see or be seen by: [lo, hi). */
typedef struct ch_span {
    int lo, hi;
} ch_span;

/* What any of the spans needs of [lo, hi), from a multiple of 16 to one, or to hi; lo is such a
 * multiple.  lo = hi where that is nothing. */
ch_span ch_op_spans_cover(const ch_span *span, int n, int lo, int hi);

/* A training attention: what is recorded, and what backward adds. */
typedef struct ch_attention {
    const ch_run *run;
    const ch_tensor *q, *k, *v;
    ch_tensor *o;
    ch_attention_spec spec;
    const int32_t *first; /* per row: first row of its document */
    real *lse;            /* (H, T): log of the sum of e^score, per head and row */
    int T;
} ch_attention;

static inline ch_span ch_op_attention_sees(const ch_attention *a, int t)
{
    const int lo = a->first[t];
    return (ch_span){a->spec.window ? CH_MAX(lo, t - a->spec.window + 1) : lo, t + 1};
}

/* Of a head's score for a key `distance` rows back, and the keys after it.  Scores that are capped
 * have been scaled by that. */
static inline ch_exponent ch_op_attention_exponent(const ch_attention *a, int head, int distance)
{
    return (ch_exponent){a->spec.softcap > 0 ? 1 : a->spec.scale,
                         ch_op_attention_slope(&a->spec, head), distance};
}

/* n products q . k become capped scores; as they are without a cap. */
static inline void ch_op_attention_cap(const ch_attention *a, real *s, int n)
{
    const real cap = a->spec.softcap;
    if (cap > 0)
        a->run->kernels->softcap(s, s, n, a->spec.scale / cap, cap);
}

/* Multiply-adds that forward needs, for the profile; 0 where nothing is counted. */
double ch_op_attention_macs(const ch_attention *a);
void ch_op_attention_backward(ch_run *r, void *record);

/* Runs fn(arg, item, lane) for 0 <= item < items; items of one lane run one after another. */
typedef void ch_lane_task(void *arg, int item, int lane);
void ch_op_attention_lanes(const ch_run *r, int items, ch_lane_task *fn, void *arg);

/* ---- Stretches of keys, for inference ------------------------------------------------------ */

/* Keys of a view that lie in one page. */
typedef struct ch_piece {
    int page, row, n;
} ch_piece;

static inline ch_piece ch_op_piece(const ch_kv_view *v, int at, int end)
{
    const int row = at % v->page_size;
    return (ch_piece){at / v->page_size, row, CH_MIN(end - at, v->page_size - row)};
}

/* Of one key head: the keys of a piece, and where each of n values from `at` on is; those before
 * `first` < at + n are not looked at, in their place stands that one. */
const void *ch_op_key(const ch_kv_view *v, const ch_piece *p, int kv);
void ch_op_values(const void **row, const ch_kv_view *v, int kv, int first, int at, int n);

/* What the row at a position sees of the CH_ATTENTION_KEYS keys from `at` on. */
typedef struct ch_seen {
    const ch_kv_view *view;
    int at, from, n; /* the first key seen, and how many there are up to the last one; 0: none */
    int32_t row;
    bool plain; /* it sees all n, and each stands for itself */
} ch_seen;

ch_seen ch_op_see(const ch_kv_view *v, int at, int32_t row, int window);
/* Scores of keys that are not seen become -infinity, to the others comes what position and count
 * give. */
void ch_op_seen_adjust(real *p, const ch_seen *s, int window, real slope);
/* Where the first page begins that is not behind the row's window. */
int ch_op_first_key(const ch_kv_view *v, int32_t row, int window);

#endif
