/* schema_number.c - numbers within bounds, as digits
 *
 * Without bounds: any number a double holds well.  With bounds: k / 10^d for whole k of at most 15
 * digits and d = 0, 1, ... 12 digits behind the point; such numbers are read back as doubles in the
 * same order, and the ends of k are found by asking the double itself, so none is outside.  Where
 * only whole numbers are wanted they have 18 digits, and no double is asked.
 * Multiples of m: a state knows what the digits so far leave when divided by m.
 * SPDX-License-Identifier: MIT */
#include "schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t most_whole = 999999999999999999, most_scaled = 999999999999999;
enum { MOST_DECIMALS = 12, MOST_STEPS = 16 }; /* by which a product may be off */

static bool divides(int m, const json_t *v)
{
    return json_is_integer(v) ? json_integer_value(v) % m == 0 : fmod(json_real_value(v), m) == 0;
}

bool ch_schema_number_holds(const ch_facts *f, const json_t *v)
{
    if (f->multiple > 1 && !divides(f->multiple, v))
        return false;
    const int low = f->least ? ch_json_compare(v, f->least) : 1;
    const int high = f->most ? ch_json_compare(v, f->most) : -1;
    return (f->above ? low > 0 : low >= 0) && (f->below ? high < 0 : high <= 0);
}

/* A bound of whole numbers, cut to one more than there can be; step: 1 for the least, -1. */
static int64_t whole_bound(const json_t *v, bool open, int step)
{
    const int64_t end = most_whole + 1;
    if (!v)
        return -step * end;
    if (json_is_integer(v))
        return CH_MAX(-end, CH_MIN((int64_t)json_integer_value(v), end)) + (open ? step : 0);
    const double x = json_real_value(v), whole = step > 0 ? ceil(x) : floor(x);
    if (fabs(x) >= (double)end)
        return x < 0 ? -end : end;
    return (int64_t)whole + (open && whole == x ? step : 0);
}

static bool find_whole_ends(int64_t *lo, int64_t *hi, const ch_facts *f)
{
    *lo = CH_MAX(whole_bound(f->least, f->above, 1), -most_whole);
    *hi = CH_MIN(whole_bound(f->most, f->below, -1), most_whole);
    return *lo <= *hi;
}

/* The bounds as doubles: k / scale has 15 digits, so beyond 2^53 rounding them changes nothing. */
struct ends {
    double least, most;
    bool above, below;
};

static bool holds_at(const struct ends *f, int64_t k, double scale)
{
    const double x = (double)k / scale;
    return x >= f->least && x <= f->most && !(f->above && x == f->least) &&
           !(f->below && x == f->most);
}

/* The whole k of at most 15 digits for which k / scale is inside: [*lo, *hi]; false: none. */
static bool find_ends(int64_t *lo, int64_t *hi, const struct ends *f, double scale)
{
    const int64_t most = most_scaled;
    const double low = f->least * scale, high = f->most * scale, limit = (double)most;
    if (low > limit || high < -limit)
        return false;
    const int64_t slack = scale > 1; /* the product may be rounded; without one it is exact */
    *lo = low < -limit ? -most : CH_MAX((int64_t)ceil(low) - slack, -most);
    *hi = high > limit ? most : CH_MIN((int64_t)floor(high) + slack, most);
    for (int i = 0; i < MOST_STEPS && *lo <= *hi && !holds_at(f, *lo, scale); i++)
        ++*lo;
    for (int i = 0; i < MOST_STEPS && *lo <= *hi && !holds_at(f, *hi, scale); i++)
        --*hi;
    return *lo <= *hi && holds_at(f, *lo, scale) && holds_at(f, *hi, scale);
}

struct digits {
    ch_nfa *n;
    uint32_t to;
    int decimals, multiple; /* one of the two is all there is: 0 or 1 */
    /* the state before `left` digits of any kind, where those so far leave `rest`, at left *
     * multiple + rest; 0: not made yet */
    uint32_t *any;
};

static uint32_t point(struct digits *d, uint32_t from, int left)
{
    return left == d->decimals && left > 0 ? ch_nfa_text(d->n, from, ".", 1) : from;
}

static int rest_after(const struct digits *d, int rest, int digit)
{
    return (rest * 10 + digit - '0') % d->multiple;
}

static uint32_t any_digits(struct digits *d, int left, int rest);

/* One digit from a to b, then `left` of any kind. */
static void one_and_any(struct digits *d, uint32_t from, int left, int rest, int a, int b)
{
    if (d->multiple == 1)
        ch_nfa_bytes(d->n, from, any_digits(d, left, 0), a, b);
    for (int c = a; c <= b && d->multiple > 1; c++)
        ch_nfa_bytes(d->n, from, any_digits(d, left, rest_after(d, rest, c)), c, c);
}

static uint32_t any_digits(struct digits *d, int left, int rest)
{
    if (d->n->rc < 0 || (left == 0 && rest == 0))
        return d->to;
    uint32_t *state = &d->any[left * d->multiple + rest];
    if (!*state) {
        *state = ch_nfa_state(d->n); /* without digits left: a dead end */
        if (left > 0)
            one_and_any(d, point(d, *state, left), left - 1, rest, '0', '9');
    }
    return *state;
}

static const char zeros[] = "0000000000000000000", nines[] = "9999999999999999999";

static bool starts(const char *a, const char *b, int n) { return strncmp(a, b, (size_t)n) == 0; }

/* All texts of `left` digits from lo to hi. */
static void between(struct digits *d, uint32_t from, const char *lo, const char *hi, int left,
                    int rest)
{
    if (starts(lo, zeros, left) && starts(hi, nines, left)) {
        ch_nfa_empty(d->n, from, any_digits(d, left, rest));
        return;
    }
    from = point(d, from, left);
    int a = *lo, b = *hi;
    const bool same = a == b;
    if (same || !starts(lo + 1, zeros, left - 1)) {
        const uint32_t next = ch_nfa_state(d->n);
        ch_nfa_bytes(d->n, from, next, a, a);
        between(d, next, lo + 1, same ? hi + 1 : nines, left - 1, rest_after(d, rest, a));
        a++;
    }
    if (!same && !starts(hi + 1, nines, left - 1)) {
        const uint32_t next = ch_nfa_state(d->n);
        ch_nfa_bytes(d->n, from, next, b, b);
        between(d, next, zeros, hi + 1, left - 1, rest_after(d, rest, b));
        b--;
    }
    if (!same && a <= b)
        one_and_any(d, from, left - 1, rest, a, b);
}

/* lo to hi, both 0 or more, by the number of digits. */
static void positive(struct digits *d, uint32_t from, int64_t lo, int64_t hi)
{
    int64_t ten = 10; /* 10^digits */
    for (int digits = 1; digits <= 18; digits++, ten = ten < most_whole / 10 ? ten * 10 : ten) {
        char a[24], b[24];
        const int64_t last = digits == 18 ? most_whole : ten - 1;
        const int64_t first = digits <= d->decimals + 1 ? 0 : ten / 10;
        if (digits < d->decimals + 1)
            continue; /* one digit at least stands before the point */
        const int64_t x = CH_MAX(lo, digits == 18 ? most_whole / 10 + 1 : first);
        const int64_t y = CH_MIN(hi, last);
        if (x > y)
            continue;
        snprintf(a, sizeof a, "%018lld", (long long)x);
        snprintf(b, sizeof b, "%018lld", (long long)y);
        between(d, from, a + 18 - digits, b + 18 - digits, digits, 0);
    }
}

static void scaled(ch_nfa *n, uint32_t from, uint32_t to, int64_t lo, int64_t hi, int decimals,
                   int multiple)
{
    struct digits d = {.n = n, .to = to, .decimals = decimals, .multiple = multiple};
    d.any = calloc(20 * (size_t)multiple, sizeof *d.any);
    if (!d.any) {
        ch_nfa_fail(n, CH_ENOMEM, "no memory for the multiples of %d", multiple);
        return;
    }
    if (hi >= 0)
        positive(&d, from, CH_MAX(lo, 0), hi);
    if (lo < 0)
        positive(&d, ch_nfa_text(n, from, "-", 1), CH_MAX(-hi, 1), -lo);
    free(d.any);
}

static void regex(ch_schema *s, uint32_t from, uint32_t to, const char *text)
{
    const ch_piece p = ch_regex_piece(s->n, text, strlen(text), false, "schema");
    ch_nfa_empty(s->n, from, p.in);
    ch_nfa_empty(s->n, p.out, to);
}

void ch_schema_number(ch_schema *s, const ch_facts *f, uint32_t from, uint32_t to)
{
    int64_t lo, hi;
    if (!(f->types & CH_J_FRACTION)) {
        if (find_whole_ends(&lo, &hi, f))
            scaled(s->n, from, to, lo, hi, 0, f->multiple);
    } else if (!f->least && !f->most) {
        regex(s, from, to, "-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,16})?([eE][+-]?[0-9]{1,2})?");
    } else {
        const struct ends ends = {f->least ? json_number_value(f->least) : -HUGE_VAL,
                                  f->most ? json_number_value(f->most) : HUGE_VAL, f->above,
                                  f->below};
        double scale = 1;
        for (int d = 0; d <= MOST_DECIMALS; d++, scale *= 10)
            if (find_ends(&lo, &hi, &ends, scale))
                scaled(s->n, from, to, lo, hi, d, 1);
    }
}
