/* fit_super.c - blocks of 256 whose groups' scales and minima are integers (fit.h)
 *
 * The nearest integers are not the best ones: a scale a little off its optimum moves codes too.
 * So each group's neighbours are tried, then d and e are solved for what was chosen, and
 * the neighbours are tried once more; no step makes the block's error larger.
 * SPDX-License-Identifier: MIT */
#include "fit.h"

enum { MOST_IN_GROUP = 32 };

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
    ch_fit_plane p = {0};
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
    ch_fit_solve(&d, &e, &p, f->min);
    const float old_d = ch_f16_to_f32(c->d), old_e = f->min ? ch_f16_to_f32(c->e) : 0;
    const float new_d = rounded((float)d), new_e = f->min ? rounded((float)e) : 0;
    if (ch_fit_error(&p, (double)new_d, (double)new_e) <
        ch_fit_error(&p, (double)old_d, (double)old_e)) {
        c->d = ch_f32_to_f16(new_d);
        if (f->min)
            c->e = ch_f32_to_f16(new_e);
    }
}

/* Element by element into eight sums, so that any compiler may take eight at once. */
static float group_error(const float *x, const float *w, const ch_fit_form *f, float scale,
                         float min)
{
    enum { LANES = 8 };
    uint8_t code[MOST_IN_GROUP];
    float lane[LANES] = {0}, sum = 0;
    code_group(code, x, f, scale, min);
    for (int i = 0; i < f->group; i += LANES)
        for (int k = 0; k < LANES; k++) {
            const float off = x[i + k] - (scale * value_of(f, code[i + k]) - min);
            lane[k] += w[i + k] * (off * off);
        }
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

/* The integers nearest to the groups' scales and minima. */
static void choose(ch_codes *c, const ch_fit_form *f, const float *scale, const float *min)
{
    const float d = ch_f16_to_f32(c->d), e = f->min ? ch_f16_to_f32(c->e) : 0;
    for (int g = 0; g < CH_SUPER / f->group; g++) {
        const float v = scale[g] * ch_block_inverse(d);
        c->scale[g] = (int8_t)(ch_fit_code(v + (float)f->low, f->low + f->high) - f->low);
        if (f->min)
            c->min[g] = (uint8_t)ch_fit_code(min[g] * ch_block_inverse(e), f->high);
    }
}

/* Of the integers around a group's, those whose codes leave the least error. */
static void search_group(ch_codes *c, int g, const float *x, const float *w, const ch_fit_form *f)
{
    const float d = ch_f16_to_f32(c->d), e = f->min ? ch_f16_to_f32(c->e) : 0;
    const int s0 = c->scale[g], m0 = c->min[g];
    const int far = f->high > 63 ? 8 : 2, wide = f->min ? far : 0; /* one step is less of a scale */
    float least = group_error(x, w, f, d * (float)s0, e * (float)m0);
    for (int s = s0 - far; s <= s0 + far; s++)
        for (int m = m0 - wide; m <= m0 + wide; m++) {
            if (s < -f->low || s > f->high || m < 0 || m > f->high)
                continue;
            const float sum = group_error(x, w, f, d * (float)s, e * (float)m);
            if (sum < least) {
                least = sum;
                c->scale[g] = (int8_t)s;
                c->min[g] = (uint8_t)m;
            }
        }
    code_group(c->code + g * f->group, x, f, d * (float)c->scale[g], e * (float)c->min[g]);
}

static void search(ch_codes *c, const float *x, const float *w, const ch_fit_form *f)
{
    for (int g = 0; g < CH_SUPER / f->group; g++)
        search_group(c, g, x + g * f->group, w + g * f->group, f);
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
    for (int i = 0; i < CH_SUPER; i += MOST_IN_GROUP)
        ch_fit_weights(w + i, x + i, importance ? importance + i : NULL, MOST_IN_GROUP);
    for (int g = 0; g < groups; g++) {
        const float *xg = x + g * f->group, *wg = w + g * f->group;
        if (f->min)
            ch_fit_affine(&scale[g], &min[g], xg, wg, f->group, f->most, true);
        else
            scale[g] = f->table ? ch_fit_table(xg, wg, f->group, f->table)
                                : ch_fit_scale(xg, wg, f->group, f->offset, f->most);
    }
    const float top = ch_fit_extreme(scale, groups);
    c->d = ch_f32_to_f16(top / (float)(f->low ? -f->low : f->high));
    c->e = ch_f32_to_f16(ch_fit_extreme(min, groups) / (float)f->high);
    choose(c, f, scale, min);
    search(c, x, w, f);
    solve_block(c, x, w, f);
    search(c, x, w, f);
}
