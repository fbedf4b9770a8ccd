/* rope_speeds.c - how fast pairs turn once positions have been stretched beyond training
 *
 *   v_i = base^(-2i/R) / d_i                      d: the file's divisors (llama3, LongRoPE), or 1
 *   linear    v_i / s                             Chen et al. 2023
 *   YaRN      v_i (1 - g_i) / s + v_i g_i         Peng et al. 2023: pairs that turn more than
 *             g_i = x (1 - clamp((i - lo) / (hi - lo)))        `fast` times within the original
 *             lo = floor(c(fast)), hi = ceil(c(slow))          context stay, those that turn less
 *             c(n) = R ln(P0 / (2 pi n)) / (2 ln base)         than `slow` times are divided by s
 *             cosines and sines times 0.1 ln s + 1
 *   LongRoPE  one list of divisors up to the original context, another beyond (Ding et al. 2024)
 *
 * x: extrapolation, 1.  Where a file gives a magnitude of its own, it stands in place of YaRN's (as
 * in transformers; llama.cpp passes it over).  SPDX-License-Identifier: MIT */
#include "table.h"

#include <math.h>

static int original_context(const ch_config *c)
{
    return c->stretch.original > 0 ? c->stretch.original : c->context;
}

ch_rope_choice ch_model_rope(const ch_config *c, int context)
{
    return c->stretch.lists == 2 && context > original_context(c) ? CH_ROPE_LONG : CH_ROPE_SHORT;
}

static double factor_of(const ch_stretch *s)
{
    return s->kind == CH_STRETCH_NONE || s->factor == 0 ? 1 : s->factor;
}

/* The pair that turns n times within the original context. */
static double pair_of(const ch_config *c, double n)
{
    const double pi = 3.14159265358979323846;
    return c->rope.dims * log(original_context(c) / (2 * pi * n)) / (2 * log(c->rope.base));
}

static double yarn(const ch_config *c, int i, double speed)
{
    const ch_stretch *s = &c->stretch;
    const double lo = CH_MAX(floor(pair_of(c, s->fast)), 0.0);
    const double hi = CH_MIN(ceil(pair_of(c, s->slow)), c->rope.dims - 1.0);
    const double along = (i - lo) / CH_MAX(hi - lo, 0.001);
    const double stays = s->mixed * (1 - CH_MIN(CH_MAX(along, 0.0), 1.0));
    return speed * (1 - stays) / factor_of(s) + speed * stays;
}

static double yarn_magnitude(const ch_stretch *s)
{
    const double f = log(CH_MAX(factor_of(s), 1.0)) / 10;
    if (s->own > 0)
        return s->own;
    return s->mixed > 0 ? (f + 1) / (f * s->log_mul + 1) : 1;
}

void ch_rope_speeds(ch_rope *out, double *speed, const ch_config *c, ch_rope_choice which)
{
    const ch_stretch *s = &c->stretch;
    const bool local = which == CH_ROPE_LOCAL;
    const int list = which == CH_ROPE_LONG && s->lists == 2;
    *out = c->rope;
    if (local && c->local_base > 0)
        out->base = c->local_base;
    if (local || (s->lists == 0 && factor_of(s) == 1 && s->magnitude == 0))
        return;
    for (int i = 0; i < out->dims / 2; i++) {
        speed[i] = pow(out->base, -2.0 * i / out->dims);
        if (s->lists > 0)
            speed[i] /= (double)s->divisor[list][i];
        speed[i] = s->kind == CH_STRETCH_YARN ? yarn(c, i, speed[i]) : speed[i] / factor_of(s);
    }
    out->speed = speed;
    out->magnitude = (s->magnitude > 0 ? s->magnitude : 1) *
                     (s->kind == CH_STRETCH_YARN ? yarn_magnitude(s) : 1);
}
