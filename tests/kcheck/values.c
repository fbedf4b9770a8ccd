/* values.c - hostile sizes and values, and what counts as equal.  SPDX-License-Identifier: MIT */
#include "kcheck.h"

#include <string.h>

const int kcheck_sizes[] = {
    1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,   12,   13,   14,   15,   16,
    17,  18,  19,  20,  21,  22,  23,  24,  25,  26,  27,   28,   29,   30,   31,   32,
    33,  34,  35,  36,  37,  38,  39,  40,  41,  42,  43,   44,   45,   46,   47,   48,
    49,  50,  51,  52,  53,  54,  55,  56,  57,  58,  59,   60,   61,   62,   63,   64,
    65,  66,  67,  68,  69,  70,  79,  96,  97,  101, 127,  128,  129,  149,  192,  211,
    255, 256, 257, 307, 401, 499, 511, 512, 513, 769, 1009, 1023, 1024, 1025, 1100, 0};

const char *const kcheck_kind_names[] = {"random",    "wide", "extreme", "alternate",
                                         "subnormal", "zero", "special"};

/* xorshift64* (Vigna 2016); a state of 0 is moved away from its fixed point. */
uint32_t kcheck_random(uint64_t *state)
{
    uint64_t s = *state ? *state : 0x9e3779b97f4a7c15u;
    s ^= s >> 12;
    s ^= s << 25;
    s ^= s >> 27;
    *state = s;
    return (uint32_t)(s * 0x2545f4914f6cdd1du >> 32);
}

static real value(kcheck_kind kind, size_t i, uint64_t *state)
{
    const uint32_t bits = kcheck_random(state);
    const real unit = (real)((int32_t)bits) / (real)2147483648.0;
    const real specials[] = {(real)INFINITY, -(real)INFINITY, (real)NAN, 0};
    switch (kind) {
    case KCHECK_RANDOM: return unit;
    case KCHECK_WIDE: return (real)ldexp((double)unit, (int)(kcheck_random(state) % 41) - 20);
    case KCHECK_EXTREME: return REAL(0x1p58);
    case KCHECK_ALTERNATE: return i % 2 ? -REAL(0x1p58) : REAL(0x1p58);
    case KCHECK_SUBNORMAL:
        return (real)ldexp((double)unit, -124 - (int)(kcheck_random(state) % 25));
    case KCHECK_ZERO: return bits % 2 ? REAL(-0.0) : REAL(0.0);
    case KCHECK_SPECIAL: return bits % 16 == 0 ? specials[bits / 16 % 4] : unit;
    }
    return 0;
}

void kcheck_fill(real *x, size_t n, kcheck_kind kind, uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    kcheck_random(&state); /* neighbouring seeds start alike */
    for (size_t i = 0; i < n; i++)
        x[i] = value(kind, i, &state);
}

bool kcheck_same(real a, real b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

bool kcheck_close(real a, real b, double tolerance)
{
    return kcheck_same(a, b) || fabs((double)a - (double)b) <= tolerance;
}
