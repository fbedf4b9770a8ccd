/* kcheck.h - every kernel variant against plain C: what a family's check is given
 *
 * kcheck.c walks ch_variants[] and, for each variant this CPU (less CHALCIS_CPU) can run, looks up
 * the variant's family in the lists below.  A family without an entry fails.  Checks compare
 * a variant with the `_c` function of its family; the `_c` variant itself is checked too (against
 * itself: canaries, row-count invariance, special values). SPDX-License-Identifier: MIT */
#ifndef KCHECK_H
#define KCHECK_H

#include "base.h"
#include "kernel.h"

typedef struct kcheck_family {
    const char *family; /* "rmsnorm", as in kernels.def; NULL ends a list */
    /* true: v agrees with c.  Else false, after kcheck_fail said why. */
    bool (*check)(const ch_variant *v, const ch_variant *c);
    /* Calls kcheck_time for each size of interest; NULL: nothing to time. */
    void (*time)(const ch_variant *v, const ch_variant *c);
} kcheck_family;

extern const kcheck_family kcheck_gemm[];   /* gemm.c: gemm_*, row_* */
extern const kcheck_family kcheck_i16[];    /* i16.c: gemm_i16, pack_i16* */
extern const kcheck_family
    kcheck_rows[]; /* rows.c: norms, activations, add multiply scale softcap, rope softmax */
extern const kcheck_family kcheck_attend[]; /* attend.c: score_*, mix_* */
extern const kcheck_family kcheck_ceilings[]; /* ceilings.c: read rate_* */
extern const kcheck_family kcheck_grads[];  /* grads.c: weigh weigh_grad transpose *_grad */

/* A variant's function as its own type:  ch_gemm_fn *f = KCHECK_FN(ch_gemm_fn, v); */
#define KCHECK_FN(type, variant) ((type *)(variant)->fn)

/* Prints "# ..." (the first few of a variant only); always returns false. */
bool kcheck_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- Memory ------------------------------------------------------------------------------ Slots
 * 0..KCHECK_SLOTS-1 are regions that end at an unreadable page.  kcheck_slot gives `bytes` in slot
 * i, aligned to `align` (a power of two) and as close to that page as this allows: with the
 * elements' own alignment the last byte touches it.  The bytes around it are canaries; the
 * contents are 0xA5.  Taking a slot again forgets what it held. */
#define KCHECK_SLOTS 8
#define KCHECK_SLOT_BYTES ((size_t)64 << 20)
void *kcheck_slot(int i, size_t bytes, size_t align);
/* The canaries of every slot taken since the last kcheck_slots_clear are whole; else kcheck_fail.
 * */
bool kcheck_slots_whole(void);
void kcheck_slots_clear(void);

/* ---- Sizes and values --------------------------------------------------------------------
 * 1..70, primes, powers of two and their neighbours up to 1100; ends with 0. */
extern const int kcheck_sizes[];

/* Values of a kind, the same on every run (from `seed`).  All but KCHECK_SPECIAL are finite, and
 * products of two of them summed over 1100 terms stay finite. */
typedef enum kcheck_kind {
    KCHECK_RANDOM,    /* uniform in (-1, 1) */
    KCHECK_WIDE,      /* random sign, mantissa and exponent 2^-20..2^20 */
    KCHECK_EXTREME,   /* all +2^58 */
    KCHECK_ALTERNATE, /* +2^58, -2^58, ... */
    KCHECK_SUBNORMAL, /* around and below FLT_MIN */
    KCHECK_ZERO,      /* +0 and -0 */
    KCHECK_KINDS,
    KCHECK_SPECIAL = KCHECK_KINDS /* random with some inf, -inf, NaN */
} kcheck_kind;
extern const char *const kcheck_kind_names[];
void kcheck_fill(real *x, size_t n, kcheck_kind kind, uint64_t seed);
uint32_t kcheck_random(uint64_t *state); /* for what kcheck_fill does not cover */

/* Equal to the bit, where any NaN equals any NaN. */
bool kcheck_same(real a, real b);
/* |a - b| <= tolerance, or kcheck_same. */
bool kcheck_close(real a, real b, double tolerance);

/* ---- Time -------------------------------------------------------------------------------- Runs
 * variant and plain C alternately on the same data and prints one line: `amount` units (bytes,
 * operations, elements) a call as a rate, and how many times faster than C.  unit: "GB/s", "GOP/s"
 * ... (amount is divided by 1e9 s). */
typedef void kcheck_run(ch_any_fn *fn, void *arg);
void kcheck_time(const char *label, const ch_variant *v, const ch_variant *c, kcheck_run *run,
                 void *arg, double amount, const char *unit);

#endif
