/* drive.c - a driven step against its formula in double; what is told of it; numbers far out
 *
 * SPDX-License-Identifier: MIT */
#include "bench.h"

#include <math.h>

enum { T = 9, D = 33, X = 5, OWN = 3 };
#define EPS 0x1p-24

typedef struct drive_case {
    bench b;
    ch_tensor x, start, velocity, force, said[OWN];
    ch_weight gain, scale, shift, size, speed, phase;
    ch_op_driving how;
} drive_case;

static void case_open(drive_case *c)
{
    bench *b = &c->b;
    bench_open(b, 2);
    ch_tensor *rows[] = {&c->x,       &c->start,   &c->velocity, &c->force,
                         &c->said[0], &c->said[1], &c->said[2]};
    for (size_t i = 0; i < CH_COUNT(rows); i++)
        *rows[i] = bench_tensor(b, T, D, 1 + i);
    c->gain = bench_vector(b, D, 10);
    c->scale = bench_vector(b, OWN, 11);
    c->shift = bench_vector(b, OWN, 12);
    c->size = bench_vector(b, X, 13);
    c->speed = bench_vector(b, X, 14);
    c->phase = bench_vector(b, X, 15);
    c->how = (ch_op_driving){.x = &c->x, .start = &c->start, .velocity = &c->velocity,
                             .force = &c->force,
                             .said = {&c->said[0], &c->said[1], &c->said[2]}, .gain = &c->gain,
                             .scale = &c->scale, .shift = &c->shift, .size = &c->size,
                             .speed = &c->speed, .phase = &c->phase, .number = 3};
}

static double of(const ch_weight *w, int i) { return (double)((const real *)w->stored.data)[i]; }
static double at(const ch_tensor *t, int row, int i) { return (double)ch_tensor_row(t, row)[i]; }

static double squash(const drive_case *c, int which, int t, int i)
{
    const double z = of(&c->scale, which) * at(&c->said[which], t, i) + of(&c->shift, which);
    return (1 + z / (1 + fabs(z))) / 2;
}

static double excited(const drive_case *c, int i)
{
    for (int j = 0; j < X; j++)
        if (j * (D - 1) / (X - 1) == i)
            return of(&c->size, j) * sin(of(&c->speed, j) * c->how.number + of(&c->phase, j));
    return 0;
}

/* And w' = a w + p away, with the gain that is told. */
static void follows_the_formula(void **state)
{
    (void)state;
    drive_case c;
    ch_tensor *w;
    case_open(&c);
    const ch_tensor *y = ch_op_drive(&c.b.run, &c.how, &w);
    for (int t = 0; t < T; t++) {
        real alpha[D], pull[D], gain[D], away[D];
        ch_op_drive_factors(alpha, pull, gain, away, &c.how, t);
        for (int i = 0; i < D; i++) {
            const double a = squash(&c, 0, t, i), p = 2 * squash(&c, 1, t, i) * (1 + a);
            const double k = (1 - a) * squash(&c, 2, t, i) * of(&c.gain, i);
            const double slack = at(&c.x, t, i) - at(&c.start, t, i), e = excited(&c, i);
            const double pulled = k * at(&c.force, t, i) + e - p * slack;
            const double v = a * at(&c.velocity, t, i) + pulled;
            const double size = 64 * EPS * (fabs(a * at(&c.velocity, t, i)) + fabs(e) + 1 +
                                            fabs(k * at(&c.force, t, i)) + fabs(p * slack));
            assert_close(at(w, t, i), v, size, "w %d %d", t, i);
            assert_close(at(y, t, i), at(&c.x, t, i) + v, size + EPS * fabs(v), "x %d %d", t, i);
            assert_close(alpha[i], a, 16 * EPS, "a %d %d", t, i);
            assert_close(pull[i], p, 32 * EPS, "p %d %d", t, i);
            assert_close(gain[i], k, 32 * EPS * (1 + fabs(k)), "gain %d %d", t, i);
            assert_close(away[i] * pull[i], pulled, size, "away %d %d", t, i);
        }
    }
    bench_close(&c.b);
}

/* Where s rounds to 0 nothing is drawn, and what is told stays a number; a fault stays visible. */
static void pulls_that_round_to_0(void **state)
{
    (void)state;
    drive_case c;
    real a[D], p[D], gain[D], away[D];
    case_open(&c);
    ((real *)c.scale.stored.data)[1] = 0;
    ((real *)c.shift.stored.data)[1] = (real)-1e30;
    ((real *)c.x.data)[4] = NAN;
    ch_op_drive_factors(a, p, gain, away, &c.how, 1);
    for (int i = 0; i < D; i++)
        assert_true(p[i] == 0 && away[i] == 0);
    ((real *)c.shift.stored.data)[1] = 0;
    ch_op_drive_factors(a, p, gain, away, &c.how, 0);
    for (int i = 0; i < D; i++)
        assert_int_equal(isnan(away[i]), i == 4);
    bench_close(&c.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_formula),
        cmocka_unit_test(pulls_that_round_to_0),
    };
    return cmocka_run_group_tests_name("op/drive", tests, NULL, NULL);
}
