/* ceilings.c - checks of the loops that chalcis cpu --measure takes its ceilings from
 *
 * A loop that left some of its work out would measure too much: every sum must hold what so many
 * steps give, and every word of the memory must be in the result.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "kcheck.h"

/* ---- Reading --------------------------------------------------------------------------------- */

enum { READ_BYTES = 64 << 10 };

/* Up to the unreadable page and from any address; a bit that is turned over is seen anywhere. */
static bool check_read(const ch_variant *v, const ch_variant *c)
{
    ch_read_fn *f = KCHECK_FN(ch_read_fn, v), *truth = KCHECK_FN(ch_read_fn, c);
    uint64_t state = 1;
    for (int i = 0; kcheck_sizes[i]; i++) {
        const size_t bytes = 8 * (size_t)kcheck_sizes[i];
        unsigned char *at = kcheck_slot(0, bytes, 1);
        for (size_t j = 0; j < bytes; j++)
            at[j] = (unsigned char)(kcheck_random(&state) >> 11);
        const uint64_t want = truth(at, bytes);
        if (f(at, bytes) != want)
            return kcheck_fail("%s of %zu bytes is not what plain C has", v->name, bytes);
        for (size_t j = (size_t)i % 7; j < bytes; j += 61) {
            at[j] ^= 0x10;
            if (f(at, bytes) != (want ^ (uint64_t)0x10 << 8 * (j % 8)))
                return kcheck_fail("%s of %zu bytes does not read byte %zu", v->name, bytes, j);
            at[j] ^= 0x10;
        }
    }
    return f(NULL, 0) == 0 && kcheck_slots_whole();
}

static void run_read(ch_any_fn *fn, void *arg)
{
    *(volatile uint64_t *)arg = ((ch_read_fn *)fn)((const char *)arg + 64, READ_BYTES);
}

static void time_read(const ch_variant *v, const ch_variant *c)
{
    kcheck_time("64 KiB", v, c, run_read, kcheck_slot(0, READ_BYTES + 64, 64), READ_BYTES, "GB/s");
}

/* ---- Rates ----------------------------------------------------------------------------------- */

static const struct {
    const char *family;
    int products; /* a step, of each sum */
} types[] = {{"rate_f32", 1}, {"rate_bf16", 2}, {"rate_i8", 4}, {"rate_i16", 2}};

static int products_of(const ch_variant *v)
{
    for (size_t i = 0; i < CH_COUNT(types); i++)
        if (strcmp(types[i].family, v->family) == 0)
            return types[i].products;
    return 0;
}

static bool check_rate(const ch_variant *v, const ch_variant *c)
{
    static const int operands[][2] = {{1, 1}, {3, -7}, {127, 127}, {127, -127}, {0, 5}, {9, 0}};
    ch_rate_fn *f = KCHECK_FN(ch_rate_fn, v), *truth = KCHECK_FN(ch_rate_fn, c);
    const int products = products_of(v);
    for (size_t i = 0; i < CH_COUNT(operands); i++)
        for (int64_t steps = 0; steps < 500; steps += 1 + steps / 3) {
            const int w = operands[i][0], x = operands[i][1];
            double macs = 0, more = 1;
            const double want = (double)steps * products * w * x, got = f(&macs, steps, w, x);
            if (got != want || truth(&more, steps, w, x) != want)
                return kcheck_fail("%s: %lld steps of %d x %d are %g, wanted %g", v->name,
                                   (long long)steps, w, x, got, want);
            if (more != 1 + (double)steps * products ||
                (steps ? macs < (double)steps * products : macs != 0))
                return kcheck_fail("%s: %g products in %lld steps", v->name, macs,
                                   (long long)steps);
        }
    return true;
}

/* Rates are not timed: plain C's loop may be a single multiplication, and chalcis cpu --measure is
 * there for the others. */
const kcheck_family kcheck_ceilings[] = {{"read", check_read, time_read},
                                         {"rate_f32", check_rate, NULL},
                                         {"rate_bf16", check_rate, NULL},
                                         {"rate_i8", check_rate, NULL},
                                         {"rate_i16", check_rate, NULL},
                                         {NULL, NULL, NULL}};
