/* rope.c - rotary positions (Su et al. 2021, "RoFormer")
 *
 *     (x_i, x_j) -> (x_i c - x_j s, x_i s + x_j c),   c, s = m cos, m sin of p speed_i
 *     backward: the same turn by -p of the gradient
 *     speed_i = base^(-2i/dims) and m = 1, unless given
 *
 * x (T, heads E), in place: what is recorded later sees the turned x, and its gradient is turned
 * back in place when its record's turn has come; so nothing recorded before may need x unturned.
 * Angles are computed in double.
 * SPDX-License-Identifier: MIT */
#include "op.h"

void ch_op_rope_table(real *cosines, real *sines, const ch_rope *rope, const int32_t *pos, int n)
{
    const int pairs = rope->dims / 2;
    const double magnitude = rope->magnitude == 0 ? 1 : rope->magnitude;
    for (int i = 0; i < pairs; i++) {
        const double speed =
            rope->speed ? rope->speed[i] : pow(rope->base, -2.0 * i / rope->dims);
        for (int t = 0; t < n; t++) {
            const double angle = pos[t] * speed;
            cosines[(ptrdiff_t)t * pairs + i] = (real)(magnitude * cos(angle));
            sines[(ptrdiff_t)t * pairs + i] = (real)(magnitude * sin(angle));
        }
    }
}

typedef struct turn {
    const ch_kernels *kernels;
    real *x; /* values or gradient */
    ptrdiff_t ld;
    int heads, width, pairs;
    bool interleaved;
    const real *cosines, *sines;
    real *negated; /* sines of the way back, filled row by row; NULL forward */
} turn;

typedef struct rope {
    ch_tensor *x;
    turn turn;
} rope;

static void turn_rows(void *arg, int64_t row0, int64_t row1)
{
    const turn *a = arg;
    for (int64_t t = row0; t < row1; t++) {
        const real *c = a->cosines + t * a->pairs, *s = a->sines + t * a->pairs;
        if (a->negated) {
            real *back = a->negated + t * a->pairs;
            for (int i = 0; i < a->pairs; i++)
                back[i] = -s[i];
            s = back;
        }
        for (int h = 0; h < a->heads; h++)
            a->kernels->rope(a->x + t * a->ld + (ptrdiff_t)h * a->width, c, s, a->pairs,
                             a->interleaved);
    }
}

static double row_cost(const turn *a)
{
    return 3.0 * a->heads * a->pairs;
}

static void backward(ch_run *r, void *record)
{
    const rope *a = record;
    turn back = a->turn;
    const int64_t T = ch_tensor_rows(a->x);
    back.negated =
        ch_arena_take(r->scratch, ch_size_mul((size_t)T, (size_t)back.pairs * sizeof(real)));
    back.x = a->x->grad;
    back.ld = ch_tensor_width(a->x);
    if (ch_op_reached(a->x) && ch_op_computes(r))
        ch_op_for_rows(r, T, row_cost(&back), turn_rows, &back);
}

void ch_op_rope(ch_run *r, ch_tensor *x, int heads, const ch_rope *how, const real *cosines,
                const real *sines)
{
    if (how->dims == 0)
        return;
    const ch_op_timer t = ch_op_begin(r);
    rope a = {x,
              {.kernels = r->kernels,
               .x = x->data,
               .ld = x->stride[0],
               .heads = heads,
               .width = (int)(ch_tensor_width(x) / heads),
               .pairs = how->dims / 2,
               .interleaved = how->interleaved,
               .cosines = cosines,
               .sines = sines}};
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(x), row_cost(&a.turn), turn_rows, &a.turn);
    rope *record = ch_op_record(r, CH_OP_rope, sizeof a, backward);
    if (record)
        *record = a;
    ch_op_end(r, t, CH_OP_rope, 0, 0);
}
