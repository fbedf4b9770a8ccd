/* op.c - what every operation needs: names, outputs, timing, and rows cut into tasks
 *
 * A block of rows costs about BLOCK_COST, whatever the number of threads; less than that in all is
 * not worth a barrier (about a microsecond).  SPDX-License-Identifier: MIT */
#include "op.h"

#include <string.h>

static const struct {
    const char *name, *group;
} ops[CH_OPS] = {
#define OP(name, group) {#name, #group},
#include "ops.def"
#undef OP
};

const char *ch_op_name(ch_op_id op)
{
    return ops[op].name;
}

const char *ch_op_group(ch_op_id op)
{
    return ops[op].group;
}

ch_tensor *ch_op_output(ch_run *r, int64_t rows, int64_t width)
{
    ch_tensor *t = ch_arena_take_header(r->scratch, sizeof *t);
    const size_t bytes = ch_size_mul(ch_size_mul((size_t)rows, (size_t)width), sizeof(real));
    *t = ch_tensor_2d(ch_arena_take(r->scratch, bytes), CH_REAL, rows, width);
    if (r->tape) {
        t->grad = ch_arena_take(r->scratch, bytes);
        t->grad_empty = ch_arena_take_header(r->scratch, sizeof *t->grad_empty);
        *t->grad_empty = true;
    }
    return t;
}

/* ---- Gradients ----------------------------------------------------------------------------- */

real *ch_op_gradient(const ch_tensor *t, bool *add)
{
    *add = !t->grad_empty || !*t->grad_empty;
    if (t->grad_empty)
        *t->grad_empty = false;
    return t->grad;
}

typedef struct adding {
    const ch_kernels *kernels;
    real *to;
    const real *d; /* NULL: zeros */
    int width;
    bool add;
} adding;

static void add_rows(void *arg, int64_t row0, int64_t row1)
{
    const adding *a = arg;
    for (int64_t t = row0; t < row1; t++) {
        real *to = a->to + t * a->width;
        if (a->add)
            a->kernels->add(to, to, a->d + t * a->width, a->width);
        else if (a->d)
            memcpy(to, a->d + t * a->width, (size_t)a->width * sizeof *to);
        else
            memset(to, 0, (size_t)a->width * sizeof *to);
    }
}

static void add_gradient(const ch_run *r, const ch_tensor *t, adding a)
{
    a.kernels = r->kernels;
    a.width = (int)ch_tensor_width(t);
    if (ch_op_computes(r))
        ch_op_for_rows(r, ch_tensor_rows(t), a.width, add_rows, &a);
}

real *ch_op_gradient_zeroed(const ch_run *r, const ch_tensor *t)
{
    bool add;
    real *to = ch_op_gradient(t, &add);
    if (to && !add)
        add_gradient(r, t, (adding){.to = to});
    return to;
}

void ch_op_gradient_add(const ch_run *r, const ch_tensor *t, const real *d)
{
    bool add;
    real *to = ch_op_gradient(t, &add);
    if (to)
        add_gradient(r, t, (adding){.to = to, .d = d, .add = add});
}

/* ---- Timing -------------------------------------------------------------------------------- */

ch_op_timer ch_op_begin(const ch_run *r)
{
    return (ch_op_timer){r->profile && ch_op_computes(r) ? ch_clock_ns() : 0};
}

void ch_op_end(ch_run *r, ch_op_timer t, ch_op_id op, double macs, double bytes)
{
    if (!r->profile || !ch_op_computes(r))
        return;
    r->profile->op[op].calls++;
    r->profile->op[op].ns += ch_clock_ns() - t.t0;
    ch_op_count(r, op, macs, bytes);
}

void ch_op_count(const ch_run *r, ch_op_id op, double macs, double bytes)
{
    if (!r->profile || !ch_op_computes(r))
        return;
    r->profile->op[op].macs += macs;
    r->profile->op[op].bytes += bytes;
}

/* ---- Rows ---------------------------------------------------------------------------------- */

enum { BLOCK_COST = 32768, MOST_BLOCKS = 4096 };

typedef struct blocks {
    ch_rows_task *fn;
    void *arg;
    int64_t rows, block;
} blocks;

static void run_block(void *arg, int task, int thread)
{
    (void)thread;
    const blocks *b = arg;
    const int64_t row0 = task * b->block;
    b->fn(b->arg, row0, CH_MIN(row0 + b->block, b->rows));
}

void ch_op_for_rows(const ch_run *r, int64_t rows, double cost_per_row, ch_rows_task *fn,
                    void *arg)
{
    if (rows <= 0)
        return;
    const double cost = CH_MAX(cost_per_row, 1.0);
    int64_t block = cost >= BLOCK_COST ? 1 : (int64_t)(BLOCK_COST / cost);
    block = CH_MAX(block, (rows + MOST_BLOCKS - 1) / MOST_BLOCKS);
    if (block >= rows) {
        fn(arg, 0, rows);
        return;
    }
    blocks b = {fn, arg, rows, block};
    ch_pool_run(r->pool, run_block, &b, (int)((rows + block - 1) / block));
}
