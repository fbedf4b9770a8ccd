/* blocks.c - see blocks.h.  SPDX-License-Identifier: MIT */
#include "blocks.h"

const ch_weight_row ch_plain_rows[3] = {
    {"token_embd.weight", "V D", CH_INIT_NORMAL, offsetof(ch_plain_globals, embedding), 0, 0},
    {"output_norm.weight", "D", CH_INIT_ONES, offsetof(ch_plain_globals, norm), 0, 0},
    {"output.weight", "V D", CH_INIT_NORMAL, offsetof(ch_plain_globals, output), CH_ROW_HEAD, 0},
};

ch_tensor *ch_plain_embed(ch_forward *f)
{
    const ch_plain_globals *w = f->model->globals;
    return ch_op_embed(f->run, &w->embedding, f->rows);
}

ch_tensor *ch_plain_head(ch_forward *f, ch_tensor *x)
{
    const ch_plain_globals *w = f->model->globals;
    return ch_op_rmsnorm(f->run, x, &w->norm, 0, (real)f->model->config.norm_eps);
}

ch_tensor *ch_block_swiglu(ch_forward *f, ch_tensor *x, const ch_weight *norm,
                           const ch_weight *gate, const ch_weight *up, const ch_weight *down)
{
    ch_run *r = f->run;
    const ch_rows *rows = f->rows;
    ch_tensor *gu[2], *n = ch_op_rmsnorm(r, x, norm, 0, (real)f->model->config.norm_eps);
    ch_op_linear_many(r, gu, n, (const ch_weight *const[]){gate, up}, 2, rows);
    return ch_op_linear_add(r, x, ch_op_swiglu(r, gu[0], gu[1]), down, rows);
}
