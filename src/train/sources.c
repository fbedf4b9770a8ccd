/* sources.c - several paths with weights: which source a sequence comes from
 *
 * Of the first q sequences of a mixture floor(q share_0) come from the first source; what is left
 * is counted by itself and shared by the rest in the same way.  So the sources take turns as evenly
 * as can be (Bresenham's line), a sequence's source and its number there follow from q alone, and
 * each source goes through epochs of its own, of which none skips or repeats anything.
 *
 *   share_k = weight_k / (weight_k + ... + weight_n-1), in units of 2^-32
 * SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHT_MIN 1e-3
#define WEIGHT_MAX 1e3

static int parse(ch_source *s, const char *arg, ch_err *e)
{
    const char *sign = ch_io_exists(arg) ? NULL : strrchr(arg, '=');
    char *end;
    if (sign && sign > arg) {
        s->weight = strtod(sign + 1, &end);
        if (end == sign + 1 || *end || !(s->weight >= WEIGHT_MIN && s->weight <= WEIGHT_MAX))
            return ch_fail(e, CH_EARG,
                           "%s: the weight is \"%s\"; allowed are numbers from %g to %g", arg,
                           sign + 1, WEIGHT_MIN, WEIGHT_MAX);
    }
    s->path = strndup(arg, s->weight > 0 ? (size_t)(sign - arg) : strlen(arg));
    return s->path ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for the path %s", arg);
}

int ch_sources_parse(ch_source **out, const char *const *args, int n, ch_err *e)
{
    int rc = CH_OK;
    ch_source *s = calloc((size_t)n + 1, sizeof *s);
    if (!s)
        rc = ch_fail(e, CH_ENOMEM, "no memory for %d paths", n);
    for (int i = 0; i < n && rc == CH_OK; i++) {
        rc = parse(&s[i], args[i], e);
        if (rc == CH_OK && (s[i].weight > 0) != (s[0].weight > 0))
            rc = ch_fail(e, CH_EARG,
                         "%s has %s weight and %s has %s; give one to each path (PATH=WEIGHT), or"
                         " to none",
                         s[0].path, s[0].weight > 0 ? "a" : "no", s[i].path,
                         s[i].weight > 0 ? "one" : "none");
    }
    if (rc < 0 && s) {
        ch_sources_free(s, n);
        s = NULL;
    }
    *out = s;
    return rc;
}

void ch_sources_free(ch_source *s, int n)
{
    for (int i = 0; s && i < n; i++)
        free(s[i].path);
    free(s);
}

void ch_sources_share(uint64_t *share, const ch_source *s, int n)
{
    double rest = 0;
    for (int i = n - 1; i >= 0; i--) {
        rest += s[i].weight;
        share[i] = i == n - 1 ? (uint64_t)1 << 32 : (uint64_t)(s[i].weight / rest * 0x1p32 + 0.5);
    }
}

/* floor(q * share / 2^32) */
static int64_t taken(int64_t q, uint64_t share)
{
    const uint64_t high = (uint64_t)q >> 32, low = (uint64_t)q & 0xffffffffu;
    return (int64_t)(high * share + (low * share >> 32));
}

int ch_sources_pick(const uint64_t *share, int n, int64_t *q)
{
    int k = 0;
    for (; k < n - 1; k++) {
        const int64_t before = taken(*q, share[k]);
        if (taken(*q + 1, share[k]) > before) {
            *q = before;
            return k;
        }
        *q -= before;
    }
    return k;
}
