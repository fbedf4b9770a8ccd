/* rope.c - rotary positions, in double precision
 *
 * RoPE: Su et al. 2021; by interpolation: Chen et al. 2023; YaRN: Peng et al. 2023, with the
 * defaults of the configurations (beta 32 and 1, bounds rounded outwards to whole pairs, length
 * 1 + 0.1 ln factor); LongRoPE: Ding et al. 2024.  Llama 3 scales by wavelength, which converters
 * write down as one divisor a pair: rope_freqs.weight.
 * SPDX-License-Identifier: MIT */
#include "reference.h"

#include <limits.h>
#include <math.h>

#include "support.h"

ref_rope ref_rope_plain(ref *r, bool halves, double base)
{
    const int dims = ref_int(r, "rope.dimension_count", r->E);
    ref_rope p = {.pairs = dims / 2, .halves = halves, .length = 1};
    if (dims % 2 || dims < 2 || dims > r->E || p.pairs > (int)CH_COUNT(p.speed))
        fail_msg("%d dimensions to turn in heads of %d", dims, r->E);
    for (int i = 0; i < p.pairs; i++)
        p.speed[i] = pow(base, -2.0 * i / dims);
    return p;
}

/* The pair that turns `turns` times in the original context, as a real number. */
static double pair_of_turns(double turns, int dims, double original, double base)
{
    return dims * log(original / (turns * 2 * M_PI)) / (2 * log(base));
}

static void yarn(ref *r, ref_rope *p, double base, double factor)
{
    const double original = ref_int(r, "rope.scaling.original_context_length",
                                    ref_int(r, "context_length", INT_MIN));
    const double fast = ref_real(r, "rope.scaling.yarn_beta_fast", 32);
    const double slow = ref_real(r, "rope.scaling.yarn_beta_slow", 1);
    const double mix = ref_real(r, "rope.scaling.yarn_ext_factor", 1);
    const int dims = 2 * p->pairs;
    const double low = fmax(floor(pair_of_turns(fast, dims, original, base)), 0);
    double high = fmin(ceil(pair_of_turns(slow, dims, original, base)), dims - 1);
    if (high == low)
        high += 0.001;
    for (int i = 0; i < p->pairs; i++) {
        const double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
        const double kept = (1 - ramp) * mix; /* share of the speed that is not slowed */
        p->speed[i] = p->speed[i] / factor * (1 - kept) + p->speed[i] * kept;
    }
    p->length = ref_real(r, "rope.scaling.yarn_attn_factor",
                         factor <= 1 ? 1 : 1 + 0.1 * log(factor));
}

static void divide(ref *r, ref_rope *p, const char *tensor)
{
    const double *factor = ref_tensor(r, tensor, 0, 1, p->pairs);
    for (int i = 0; i < p->pairs; i++)
        p->speed[i] /= factor[i];
}

ref_rope ref_rope_read(ref *r, bool halves)
{
    const double base = ref_real(r, "rope.freq_base", 10000);
    const double factor =
        ref_real(r, "rope.scaling.factor", ref_real(r, "rope.scale_linear", 1));
    ref_rope p = ref_rope_plain(r, halves, base);
    if (ref_says(r, "rope.scaling.type", "yarn"))
        yarn(r, &p, base, factor);
    else if (!ref_says(r, "rope.scaling.type", "none"))
        for (int i = 0; i < p.pairs; i++)
            p.speed[i] /= factor;
    if (ref_has(r, "rope_freqs.weight", 0))
        divide(r, &p, "rope_freqs.weight");
    if (ref_has(r, "rope_factors_long.weight", 0)) {
        const int original = ref_int(r, "rope.scaling.original_context_length", INT_MIN);
        divide(r, &p, r->context > original ? "rope_factors_long.weight"
                                            : "rope_factors_short.weight");
    }
    p.length *= ref_real(r, "rope.scaling.attn_factor", 1);
    return p;
}

void ref_turn(ref *r, double *x, int heads, const ref_rope *p)
{
    for (int t = 0; t < r->T; t++)
        for (int h = 0; h < heads; h++)
            for (int i = 0; i < p->pairs; i++) {
                double *head = x + ((int64_t)t * heads + h) * r->E;
                double *a = head + (p->halves ? i : 2 * i);
                double *b = a + (p->halves ? p->pairs : 1);
                const double c = p->length * cos(t * p->speed[i]);
                const double s = p->length * sin(t * p->speed[i]);
                const double turned = *a * c - *b * s, other = *a * s + *b * c;
                const double size = 4 * p->length * (fabs(*a) + fabs(*b));
                *a = ref_round(r, turned, size);
                *b = ref_round(r, other, size);
            }
}
