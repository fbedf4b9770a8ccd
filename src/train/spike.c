/* spike.c - steps whose loss or gradient norm leaps out of what came before
 *
 *   d = x - mean      mean += a d      var = (1 - a)(var + a d^2)        a = max(1/n, 1/50)
 *
 * of the steps that were taken; a step is left out where x > mean + limit (sqrt(var) + |mean|/100),
 * once 20 have been seen, or where x is not finite.  The last term keeps what hardly varies from
 * tripping over a hair.  Nothing but the numbers enters, so a resumed run decides alike.
 * SPDX-License-Identifier: MIT */
#include "train.h"

enum { SEEN_FIRST = 20, MEMORY = 50 };

bool ch_spike_see(ch_spike *s, double loss, double norm)
{
    const double x[2] = {loss, norm};
    if (s->limit <= 0)
        return false;
    bool out = false;
    for (int i = 0; i < 2; i++)
        out |= !isfinite(x[i]) ||
               (s->seen >= SEEN_FIRST &&
                x[i] > s->mean[i] + s->limit * (sqrt(s->var[i]) + 0.01 * fabs(s->mean[i])));
    if (out) {
        s->in_a_row++;
        s->skipped++;
        return true;
    }
    s->in_a_row = 0;
    s->seen++;
    for (int i = 0; i < 2; i++) {
        const double a = CH_MAX(1 / (double)s->seen, 1.0 / MEMORY), d = x[i] - s->mean[i];
        s->mean[i] += a * d;
        s->var[i] = (1 - a) * (s->var[i] + a * d * d);
    }
    return false;
}

json_t *ch_spike_to_json(const ch_spike *s)
{
    return json_pack("{s:I, s:I, s:i, s:[f, f], s:[f, f]}", "seen", (json_int_t)s->seen, "skipped",
                     (json_int_t)s->skipped, "in_a_row", s->in_a_row, "mean", s->mean[0],
                     s->mean[1], "var", s->var[0], s->var[1]);
}

int ch_spike_from_json(ch_spike *s, const json_t *v, ch_err *e)
{
    ch_spike read = {.limit = s->limit};
    json_int_t seen, skipped;
    if (json_unpack((json_t *)(uintptr_t)v, "{s:I, s:I, s:i, s:[F, F], s:[F, F]}", "seen", &seen,
                    "skipped", &skipped, "in_a_row", &read.in_a_row, "mean", &read.mean[0],
                    &read.mean[1], "var", &read.var[0], &read.var[1]) < 0 ||
        seen < 0 || skipped < 0 || read.in_a_row < 0)
        return ch_fail(e, CH_EFORMAT, "state.json: \"spike\" is not what the guard wrote");
    read.seen = seen;
    read.skipped = skipped;
    *s = read;
    return CH_OK;
}
