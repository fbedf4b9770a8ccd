/* kernel.h - loops over arrays, and the contract of each family
 *
 * A kernel allocates nothing, knows no threads and no tensors, and works on the slice it is given.
 * Plain C (kernel/c) is the definition of truth.  Variants overwrite the table line by line
 * (kernels.def); `make kcheck` checks each against plain C and times it in the same loop.
 *
 * Order.  Every output element is reduced in an order that its length and format fix.  It does not
 * depend on how many rows are in the call, on n0/n1, or on which tile of a variant computes it:
 * that is what makes a token's bits independent of its neighbours.  Different ISAs may use
 * different orders, except that gemm_q8, _q4, _block and _i16 agree to the bit on all of them.
 * Arrays need no alignment beyond their element's unless stated.  Outputs alias no input unless
 * stated.
 *
 * Panels.  A weight matrix w (N, K), K the reduced length, is cut into panels of 16 rows, padded
 * with zero rows; panel p holds rows 16p..16p+15, lane r is row 16p+r.  Within a panel, k advances
 * slowest:
 *   F32   real  [K][16]
 *   BF16  u16   [ceil(K/2)][16][2]                       K odd: padded with a zero
 *   Q8    groups of 32 k, two by two:  u16 f16 scale[2][16], then u8 [2][8][16][4]:
 *         w = scale (u - 128)
 *   Q4    groups of 32 k, two by two:  u16 f16 scale[2][16], then u8 [2][4][16][4]: byte
 *         [j][r][i] of a group holds k = 4j+i in its low nibble and k = 16+4j+i in its high one:
 *         w = scale (nibble - 8)
 *         An odd last group ends after its own weights (its scales still take two rows, one of
 *         zeros).
 *   Q4_1 ... IQ4_XS  (gemm_block)  integers of 2 to 6 bits and scales as their formats have them:
 *         panel.h, "Block panels"
 *   I16   groups of 128 k (the last one: what is left):  f32 scale[16], then i16
 *         [ceil(k/2)][16][2]: w = scale q, |q| <= 4095.  Odd k: padded with a zero.
 * Panels start at 64-byte aligned addresses, their sizes are multiples of 64 (ch_panel_bytes), and
 * with scales two by two every 64 bytes of weights lie in one cache line (10% at M = 1 from L2).
 *
 * Activation rows, what a gemm multiplies with (K as the matrix has it; Kg = K/32 groups):
 *   F32   real x[K]
 *   BF16  u16 x[K even], rounded to nearest even
 *   Q8    (also for Q4 and block panels)  per group of 32, 64 bytes (ch_group in panel.h): int8
 *         q[32], f32 d, and sums of q that the products start from;  x = d q, |q| <= 127
 * One scale a group of 32 within a row: neighbours never matter.  SPDX-License-Identifier: MIT */
#ifndef CH_KERNEL_H
#define CH_KERNEL_H

#include "base.h"
#include "dtype.h"

#define CH_PANEL_ROWS 16

/* ---- Products ------------------------------------------------------------------------------ */

enum {
    CH_GEMM_ADD = 1,  /* y += instead of y =; the product is reduced first, then added once (i16:
                         its sum starts at y) */
    CH_GEMM_KIND = 8, /* gemm_block: flags holds the panels' kind, shifted left by this; the others
                         do not look */
};

/* y[m*ldy + n] (+)= sum_k x[m][k] w[n][k]   for 0 <= m < M and n0 <= n < n1
 *   y: real, element [m*ldy + n] (so y points at column 0)
 *   x: M activation rows, ldx BYTES apart
 *   w: all panels of the matrix · n0 a multiple of 16; n1 too, or the matrix's last row (columns
 *   past n1 are not written).  M >= 0, K >= 1 (Q8, Q4, block: whole blocks of the format).
 * Order for one element:
 *   f32   acc = fma(x[k], w[k], acc), k = 0.. in sequence, acc starts at 0
 *   bf16  pairs in sequence: VDPBF16PS's order on avx512bf16, elsewhere fma of the products
 *         k, k+1 in sequence (denormals may flush on avx512bf16: by how much, kcheck's
 *         tolerance says)
 *   q8 q4 per group: exact integer dot s = sum q u - offset sum q (offset 128 or 8), then
 *         acc = fma(scale d, (float)s, acc) with scale d rounded to float first; groups in
 *         sequence
 *   block per group that shares a scale (32 k, or 16: those of a group of 32 one after the other)
 *         as q8, the scale being the product that the format has, which is exact in floats; then,
 *         where it has a minimum, acc = fma(-minimum, d sum q, acc) with d sum q rounded first
 *   i16   for training: x is a matrix in panels too, its rows being m, and ldx is the bytes from
 *         one of its panels to the next.  Per group the exact integer dot s (4095^2 128 < 2^31),
 *         then acc = fma((float)s, scale_x scale_w, acc) with the scales' product rounded first;
 *         groups in sequence, acc starts at 0, or at y with CH_GEMM_ADD: a sum may be continued by
 *         a later call */
typedef void ch_gemm_fn(real *y, ptrdiff_t ldy, const void *x, ptrdiff_t ldx, const void *w, int M,
                        int n0, int n1, int K, int flags);

/* One activation row in the format of a panel kind.  out: ch_row_bytes(kind, K) bytes. Q8: d =
 * max|x| / 127 over the group (0 when all are 0), q = x/d rounded to nearest even, clamped; a
 * group with a non-finite value gets d = NaN and q = 0 so that the fault stays visible.
 * row_f16: K binary16 numbers, as ch_f32_to_f16 gives them; what the cache keeps. */
typedef void ch_row_fn(void *out, const real *x, int K);

/* I16 panels of a real matrix, element (n, k) = src[n*ld + k]; of its transpose (pack_i16t),
 * src[k*ld + n].  Rows [n0, n1), n0 a multiple of 16, n1 too or N, and columns [k0, k1), k0 a
 * multiple of 128, k1 too or K.  In a group of a row: scale = max|w| / 4095, q = w (4095 / max|w|)
 * to nearest even, computed in floats; max|w| < 2^-100 counts as all zeros (scale 0); a value that
 * is not finite gives scale NaN, q = 0, so that the fault stays visible. */
typedef void ch_pack_fn(void *panels, const real *src, ptrdiff_t ld, int N, int K, int n0, int n1,
                        int k0, int k1);

size_t ch_panel_bytes(ch_panel_kind kind, int K);       /* of one panel */
size_t ch_panels_bytes(ch_panel_kind kind, int N, int K); /* of the whole matrix */
size_t ch_row_bytes(ch_panel_kind kind, int K); /* of one activation row, a multiple of 8 */
ch_panel_kind ch_row_kind(ch_panel_kind kind);  /* the first kind whose rows are in this format */

/* Packs rows [n0, n1) (n0 a multiple of 16, n1 too or N) of a stored (N, K) matrix of any dtype
 * whose rows are row_bytes apart.  Exact for the formats whose own panel it is; f16 widens. */
void ch_panel_pack(void *panels, ch_dtype dtype, const void *rows, size_t row_bytes, int N, int K,
                   int n0, int n1);
/* F32 panels of element (n, k) = src[n*row_stride + k*col_stride]: transposes and slices for
 * backward. */
void ch_panel_pack_real(void *panels, const real *src, ptrdiff_t row_stride, ptrdiff_t col_stride,
                        int N, int K, int n0, int n1);
/* One row of a packed matrix back as reals (look-up in a tied, packed head; tests). */
void ch_panel_unpack_row(real *out, ch_panel_kind kind, const void *panels, int K, int n);

/* ---- Rows ---------------------------------------------------------------------------------- */

/* A NaN that comes in goes out, and what has no value (inf - inf, silu(-inf)) is NaN: faults stay
 * visible. */

/* r = 1/sqrt(mean_i x_i^2 + eps); y_i = x_i r g_i.  g NULL: all ones.  y may be x.  Returns r. */
typedef real ch_rmsnorm_fn(real *y, const real *x, const real *g, int n, real eps);
/* y_i = (x_i - mean) r g_i + b_i, r = 1/sqrt(var + eps).  b NULL: zeros.  y may be x.
 * stats[0] = mean, stats[1] = r. */
typedef void ch_layernorm_fn(real *y, const real *x, const real *g, const real *b, int n, real eps,
                             real stats[2]);
/* swiglu: y_i = silu(a_i) b_i, silu(a) = a / (1 + e^-a) · geglu: gelu(a_i) b_i · add · multiply.
 * y may be a or b. */
typedef void ch_binary_fn(real *y, const real *a, const real *b, int n);
/* gelu (tanh form, Hendrycks & Gimpel 2016) · gelu_erf: x (1 + erf(x / sqrt 2)) / 2 · relu2:
 * max(x,0)^2 · sigmoid: 1 / (1 + e^-x) · softplus: log(1 + e^x).  y may be x. */
typedef void ch_unary_fn(real *y, const real *x, int n);
/* y_i = factor x_i.  y may be x. */
typedef void ch_scale_fn(real *y, const real *x, int n, real factor);
/* y_i = cap tanh(factor x_i).  y may be x. */
typedef void ch_softcap_fn(real *y, const real *x, int n, real factor, real cap);
/* Rotates pairs in place by the angles whose cosines and sines are given: (x_i, x_j) ->
 * (x_i c - x_j s, x_i s + x_j c), pair p of `pairs`; interleaved: (2p, 2p+1), else (p, p + pairs).
 * s may point at negated sines for the inverse (backward). */
typedef void ch_rope_fn(real *x, const real *c, const real *s, int pairs, int interleaved);
/* p_i = e^(x_i - max); returns sum_i p_i, sets *max.  x_i = -inf gives exactly 0; all -inf gives
 * sum 0. p may be x.  n >= 1.  The maximum ignores NaN; p and the sum do not. */
typedef real ch_softmax_fn(real *p, const real *x, int n, real *max);

/* ---- Attention in training, and gradients by rows ------------------------------------------ */

/* The exponent of a score s_i: z_i = scale s_i - slope (distance - i). */
typedef struct ch_exponent {
    real scale, slope;
    int distance; /* from the row to the key of s_0 */
} ch_exponent;
/* p_i = e^(z_i - max), as softmax: returns sum_i p_i, sets *max.  p may be s.  n >= 1. */
typedef real ch_weigh_fn(real *p, const real *s, int n, const ch_exponent *z, real *max);
/* In place, p holding s and ds the gradient of p: p_i = e^(z_i - lse), ds_i = scale p_i (ds_i -
 * delta). */
typedef void ch_weigh_grad_fn(real *p, real *ds, int n, const ch_exponent *z, real lse,
                              real delta);
/* y[c*ldy + r] = x[r*ldx + c]   for r < rows, c < cols */
typedef void ch_transpose_fn(real *y, ptrdiff_t ldy, const real *x, ptrdiff_t ldx, int rows,
                             int cols);

/* Below, `add` says whether a gradient is added to what its place holds (not 0) or stored there. */
/* Of y_i = f(a_i) b_i:  da_i (+)= dy_i b_i f'(a_i), db_i (+)= dy_i f(a_i).  add: bit 0 for da, bit
 * 1 for db.  da, db NULL: not wanted. */
typedef void ch_binary_grad_fn(real *da, real *db, const real *a, const real *b, const real *dy,
                               int n, int add);
/* dx_i (+)= f'(x_i) dy_i */
typedef void ch_unary_grad_fn(real *dx, const real *x, const real *dy, int n, int add);
/* r: what rmsnorm returned for x.  dx_i (+)= r (g_i dy_i - x_i r^2 mean_j g_j dy_j x_j), and dg_i
 * += dy_i x_i r.  g NULL: all ones; dx, dg NULL: not wanted. */
typedef void ch_rmsnorm_grad_fn(real *dx, real *dg, const real *x, const real *g, const real *dy,
                                real r, int n, int add);

/* ---- Attention over some keys in a stored format -------------------------------------------- */

enum { CH_MIX_KEYS = 128 }; /* at most in a call of mix */

/* score: s[g*lds + j] = scale * sum_e q[g][e] k[j][e]     g < groups, j < n
 * mix:   acc[g*width + e] = acc[g*width + e] * keep[g] + sum_j p[g*ldp + j] v[j][e]
 *   k: n rows of `width` elements in the stored dtype, contiguous; v: where each of n such rows is,
 *   1 <= n <= CH_MIX_KEYS; width a multiple of 8 (q8_0, q4_0: 32), padded with zeros on both
 *   sides.  Order of sums over e is fixed by width; over j: sequential.
 *   q: rows of `width` reals; for score_q8_0 of what row_q8 makes of them (ch_row_bytes of a Q8
 *   panel, aligned as floats), so that its products are of integers; mix_q8_0 rounds p d to
 *   integers, whose sum is exact (mix_q8_0_c.c).  Both have the same bits on every machine.
 * score_f32 and mix_f32 read `real`, whatever it is: ch_kernel_score and _mix give them for
 * CH_REAL. */
typedef void ch_score_fn(real *s, ptrdiff_t lds, const void *q, const void *k, int groups, int n,
                         int width, real scale);
typedef void ch_mix_fn(real *acc, const real *keep, const real *p, ptrdiff_t ldp,
                       const void *const *v, int groups, int n, int width);

/* ---- Ceilings (chalcis cpu --measure) ------------------------------------------------------ */

/* The exclusive or of all 64-bit words of `bytes` bytes, a multiple of 8: nothing but reading. */
typedef uint64_t ch_read_fn(const void *from, size_t bytes);
/* Nothing but the instruction that products are made of, from registers.  s = 0, then `steps`
 * times s += the sum of w x over as many products as the type has in 32 bits (f32 1, by fma; bf16
 * and i16 2; i8 4), in as many lanes and independent sums as the variant likes.  Returns what every
 * one of them holds, NaN where two differ; adds the products made to *macs.  0 <= w <= 127, |x| <=
 * 127, whole: exact, floats up to 2^24, integers modulo 2^32. */
typedef double ch_rate_fn(double *macs, int64_t steps, int w, int x);

/* ---- The table ----------------------------------------------------------------------------- */

typedef struct ch_kernels {
    ch_gemm_fn *gemm_f32, *gemm_bf16, *gemm_q8, *gemm_q4, *gemm_block, *gemm_i16;
    ch_row_fn *row_bf16, *row_q8, *row_f16;
    ch_pack_fn *pack_i16, *pack_i16t;
    ch_rmsnorm_fn *rmsnorm;
    ch_layernorm_fn *layernorm;
    ch_binary_fn *swiglu, *geglu, *add, *multiply;
    ch_unary_fn *gelu, *gelu_erf, *relu2, *sigmoid, *softplus;
    ch_scale_fn *scale;
    ch_softcap_fn *softcap;
    ch_rope_fn *rope;
    ch_softmax_fn *softmax;
    ch_weigh_fn *weigh;
    ch_weigh_grad_fn *weigh_grad;
    ch_transpose_fn *transpose;
    ch_binary_grad_fn *swiglu_grad, *geglu_grad, *multiply_grad;
    ch_unary_grad_fn *gelu_grad, *relu2_grad;
    ch_rmsnorm_grad_fn *rmsnorm_grad;
    ch_score_fn *score_f32, *score_f16, *score_bf16, *score_q8_0;
    ch_mix_fn *mix_f32, *mix_f16, *mix_bf16, *mix_q8_0, *mix_q4_0;
    ch_read_fn *read;
    ch_rate_fn *rate_f32, *rate_bf16, *rate_i8, *rate_i16;
} ch_kernels;

#define KERNEL(family, isa) __typeof__(*((ch_kernels *)0)->family) ch_##family##_##isa;
#include "kernels.def"
#undef KERNEL

/* By kind, for callers that hold a panel or a cached dtype; NULL where there is none. */
ch_gemm_fn *ch_kernel_gemm(const ch_kernels *k, ch_panel_kind kind);
ch_row_fn *ch_kernel_row(const ch_kernels *k, ch_panel_kind kind); /* NULL: rows as they are, or
                                                                      (I16) not row by row */
ch_score_fn *ch_kernel_score(const ch_kernels *k, ch_dtype t);
ch_mix_fn *ch_kernel_mix(const ch_kernels *k, ch_dtype t);

/* ---- The CPU ------------------------------------------------------------------------------- */

/* Features of this CPU, less what the mask forbids.  A mask is a list: "c" nothing; "avx2";
 * "avxvnni"; "avx512" everything; each name allows all levels up to it, "-name" takes one, and
 * what builds on it, away again: "avx512,-avx512bf16" (a list that starts with '-' takes from
 * everything).  On AArch64 the names are "c", "neon" and "neondot".  NULL or "": the environment's
 * CHALCIS_CPU (the one variable that the library reads), or everything.  An unknown name is
 * CH_EARG with the names allowed. */
enum {
    CH_CPU_c = 0,
    CH_CPU_avx2 = 1,        /* AVX2, FMA, F16C */
    CH_CPU_avxvnni = 2,     /* VEX-coded VNNI */
    CH_CPU_avx512 = 4,      /* F, BW, DQ, VL */
    CH_CPU_avx512vnni = 8,
    CH_CPU_avx512bf16 = 16,
    CH_CPU_neon = 32,       /* AArch64's Advanced SIMD, which all have */
    CH_CPU_neondot = 64,    /* SDOT, of ARMv8.2 */
};
/* The masks that help names. */
#if defined(__aarch64__)
#define CH_CPU_MASKS "c|neon|neondot"
#elif !defined(__x86_64__)
#define CH_CPU_MASKS "c"
#else
#define CH_CPU_MASKS "c|avx2|avxvnni|avx512"
#endif
int ch_cpu_features(unsigned *out, const char *mask, ch_err *e);
/* "avx2 avx512 ...", "c" when none. */
void ch_cpu_describe(char *out, size_t size, unsigned features);
/* Fills every field: plain C first, then each line of kernels.def whose isa is in `features`. */
void ch_kernels_init(ch_kernels *k, unsigned features);
/* Whether gemm_i16 is worth training with: something better than plain C. */
bool ch_kernels_fast_i16(const ch_kernels *k);

/* The variants of kernels.def as data, for kcheck and `chalcis cpu`.  Ends with name == NULL. */
typedef void ch_any_fn(void);
typedef struct ch_variant {
    const char *name, *family, *isa; /* "gemm_q8_avx2", "gemm_q8", "avx2" */
    size_t field;                    /* offset in ch_kernels */
    unsigned needs;
    ch_any_fn *fn;
} ch_variant;
extern const ch_variant ch_variants[];

#endif
