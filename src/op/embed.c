/* embed.c - rows of a table
 *
 *     x_t = table[id_t], or the row's vector          x (T, D), table (V, D) of any dtype
 *     dtable[id_t] += dx_t, t in sequence             given vectors take no gradient
 *
 * SPDX-License-Identifier: MIT */
#include "op.h"

#include <string.h>

enum { COLUMNS = 16 }; /* that a task of the gradient counts as one row */

typedef struct embed {
    const ch_weight *table;
    ch_rows rows;
    ch_tensor *x;
} embed;

/* A head that is this table has it in panels, with the same values: then what is stored, which may
 * be a file's pages, is left alone. */
static void look_up(real *out, const ch_weight *table, int64_t id, int64_t D)
{
    if (table->panels && !table->stored.grad)
        ch_panel_unpack_row(out, table->kind, table->panels, (int)D, (int)id);
    else
        ch_tensor_read(out, &table->stored, id * D, D);
}

static const real *vector_of(const ch_rows *rows, int64_t t)
{
    return rows->vector ? rows->vector[t] : NULL;
}

static void forward(void *arg, int64_t row0, int64_t row1)
{
    const embed *e = arg;
    const int64_t D = ch_tensor_width(e->x);
    for (int64_t t = row0; t < row1; t++) {
        const real *vector = vector_of(&e->rows, t);
        if (vector)
            memcpy(ch_tensor_row(e->x, t), vector, (size_t)D * sizeof(real));
        else
            look_up(ch_tensor_row(e->x, t), e->table, e->rows.id[t], D);
    }
}

/* A task owns columns, so that rows of one id add up in sequence. */
static void backward_columns(void *arg, int64_t block0, int64_t block1)
{
    const embed *e = arg;
    const int64_t D = ch_tensor_width(e->x);
    for (int64_t t = 0; t < e->rows.n; t++) {
        if (vector_of(&e->rows, t))
            continue;
        real *d = e->table->stored.grad + e->rows.id[t] * D;
        for (int64_t i = block0 * COLUMNS; i < CH_MIN(block1 * COLUMNS, D); i++)
            d[i] += e->x->grad[t * D + i];
    }
}

static void backward(ch_run *r, void *record)
{
    const embed *e = record;
    if (e->table->stored.grad && ch_op_reached(e->x) && ch_op_computes(r))
        ch_op_for_rows(r, (ch_tensor_width(e->x) + COLUMNS - 1) / COLUMNS,
                       (double)e->rows.n * COLUMNS, backward_columns, record);
}

ch_tensor *ch_op_embed(ch_run *r, const ch_weight *table, const ch_rows *rows)
{
    const ch_op_timer t = ch_op_begin(r);
    embed e = {table, *rows, ch_op_output(r, rows->n, ch_weight_width(table))};
    if (ch_op_computes(r))
        ch_op_for_rows(r, rows->n, (double)ch_weight_width(table), forward, &e);
    embed *record = ch_op_record(r, CH_OP_embed, sizeof e, backward);
    if (record)
        *record = e;
    ch_op_end(r, t, CH_OP_embed, 0, (double)rows->n * (double)ch_tensor_row_bytes(&table->stored));
    return e.x;
}
