/* sampling.c - the tables of samplers and parameters; an order of samplers; checks
 *
 * ch_sampling.order: index + 1 of each sampler, then zeros; all zeros: the usual order; NONE first:
 * no sampler at all.  SPDX-License-Identifier: MIT */
#include "sample.h"

#include <stddef.h>
#include <string.h>

enum { NONE = 255, NAME_MOST = 32 };

#define PARAM(name, or, least, most, help)
#define SAMPLER(name, also, on, keeps_best) {#name, also, keeps_best, ch_sample_##name},
const ch_sampler_info ch_samplers[] = {
#include "samplers.def"
    {NULL, NULL, false, NULL},
};
#undef SAMPLER
#undef PARAM

#define SAMPLER(name, also, on, keeps_best)
#define PARAM(name, or, least, most, help) \
    {#name, or, least, most, help, offsetof(ch_sampling, name)},
const ch_sampling_param ch_sampling_params[] = {
#include "samplers.def"
    {NULL, 0, 0, 0, NULL, 0},
};
#undef SAMPLER
#undef PARAM

_Static_assert(CH_SAMPLERS <= sizeof ((ch_sampling *)0)->order, "an order has room for all");

double ch_sampling_value(const ch_sampling *s, const ch_sampling_param *p)
{
    return *(const double *)((const char *)s + p->field);
}

bool ch_sampling_is_on(const ch_sampling *s, int i)
{
    switch (i) {
#define PARAM(name, or, least, most, help)
#define SAMPLER(name, also, on, keeps_best) \
    case CH_SAMPLER_##name: return on;
#include "samplers.def"
#undef SAMPLER
#undef PARAM
    default: return false;
    }
}

int ch_sampling_steps(unsigned char out[CH_SAMPLERS], const ch_sampling *s)
{
    int n = 0;
    for (int i = 0; s->order[0] == 0 && i < CH_SAMPLERS; i++)
        out[n++] = (unsigned char)i;
    for (int i = 0; i < CH_SAMPLERS && s->order[i] > 0 && s->order[i] <= CH_SAMPLERS; i++)
        out[n++] = (unsigned char)(s->order[i] - 1);
    return n;
}

/* ---- Orders by name ------------------------------------------------------------------------ */

static bool is_name(const char *of, const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (of[i] != (name[i] == '-' ? '_' : name[i])) /* its end is unequal, too */
            return false;
    return n > 0 && of[n] == '\0';
}

static int find(const char *name, size_t n)
{
    for (int i = 0; i < CH_SAMPLERS; i++)
        if (is_name(ch_samplers[i].name, name, n) || is_name(ch_samplers[i].also, name, n))
            return i;
    return -1;
}

static int unknown(const char *name, size_t n, ch_err *e)
{
    char known[CH_SAMPLERS * NAME_MOST] = "";
    for (int i = 0; i < CH_SAMPLERS; i++) {
        const size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, " %s", ch_samplers[i].name);
    }
    return ch_fail(e, CH_EARG, "there is no sampler \"%.*s\"; known are%s",
                   (int)CH_MIN(n, (size_t)NAME_MOST), name, known);
}

int ch_sampling_order(ch_sampling *s, const char *names, ch_err *e)
{
    unsigned char order[sizeof s->order] = {0};
    if (names && !*names)
        order[0] = NONE;
    for (int n = 0; names && *names; n++) {
        const size_t length = strcspn(names, ";,");
        const int i = find(names, length);
        if (i < 0)
            return unknown(names, length, e);
        if (memchr(order, i + 1, (size_t)n))
            return ch_fail(e, CH_EARG, "the order names %s twice", ch_samplers[i].name);
        order[n] = (unsigned char)(i + 1);
        names += length + (names[length] != '\0');
    }
    memcpy(s->order, order, sizeof order);
    return CH_OK;
}

/* ---- Checks -------------------------------------------------------------------------------- */

static int check_order(const unsigned char *order, ch_err *e)
{
    bool seen[CH_SAMPLERS + 1] = {false};
    for (int i = 0; i < CH_SAMPLERS && order[i] != 0 && order[0] != NONE; i++) {
        if (order[i] > CH_SAMPLERS || seen[order[i]])
            return ch_fail(e, CH_EARG, "order[%d] is %d: orders are made by ch_sampling_order", i,
                           order[i]);
        seen[order[i]] = true;
    }
    return CH_OK;
}

static int check_ids(const char *what, const ch_token *id, int n, int vocab, ch_err *e)
{
    if (n < 0)
        return ch_fail(e, CH_EARG, "%s has %d tokens", what, n);
    for (int i = 0; id && i < n; i++)
        if (id[i] < 0 || id[i] >= vocab)
            return ch_fail(e, CH_EARG, "%s: token %d is %d, the vocabulary has 0 to %d", what, i,
                           (int)id[i], vocab - 1);
    return CH_OK;
}

static int check_lists(const ch_sampling *s, int vocab, ch_err *e)
{
    for (int i = 0; s->bias && i < s->n_bias; i++) {
        const ch_logit_bias *b = &s->bias[i];
        if (check_ids("bias", &b->id, 1, vocab, e) < 0)
            return CH_EARG;
        if (isnan(b->bias) || b->bias == INFINITY)
            return ch_fail(e, CH_EARG, "the bias of token %d is %g, allowed are numbers and -inf",
                           (int)b->id, (double)b->bias);
    }
    int rc = check_ids("allowed", s->allowed, s->n_allowed, vocab, e);
    if (rc == CH_OK)
        rc = check_ids("ends", s->ends, s->n_ends, vocab, e);
    if (rc == CH_OK)
        rc = check_ids("dry_breakers", s->dry_breakers, s->n_dry_breakers, vocab, e);
    for (int i = 1; s->dry_breakers && i < s->n_dry_breakers && rc == CH_OK; i++)
        if (s->dry_breakers[i - 1] >= s->dry_breakers[i])
            return ch_fail(e, CH_EARG, "dry_breakers[%d] is %d after %d; they ascend", i,
                           (int)s->dry_breakers[i], (int)s->dry_breakers[i - 1]);
    return rc;
}

int ch_sampling_check(const ch_sampling *s, int vocab, ch_err *e)
{
    for (const ch_sampling_param *p = ch_sampling_params; p->name; p++) {
        const double x = ch_sampling_value(s, p);
        if (!(x >= p->least && x <= p->most)) /* NaN is outside, too */
            return ch_fail(e, CH_EARG, "%s is %g, allowed is %g to %g", p->name, x, p->least,
                           p->most);
    }
    const int rc = check_order(s->order, e);
    return rc == CH_OK ? check_lists(s, vocab, e) : rc;
}
