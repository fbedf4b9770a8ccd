/* forward.c - the one loop over layers
 *
 *   x = embed(rows);  for l in layers: x = layer(l, x);  hidden = head(x);  logits = hidden
 *     output^T
 *
 * The loop is plain C: taps look in between layers, and whatever decides which rows go on decides
 * here, for all architectures.  In inference everything a layer took from scratch is given back
 * after it; only x stays. SPDX-License-Identifier: MIT */
#include "model.h"

#include <string.h>

static ch_turns turns(const ch_forward *f, ch_rope_choice which)
{
    const ch_rope *rope = &f->model->rope[which];
    const ch_rows *rows = f->rows;
    const size_t bytes = (size_t)rows->n * (size_t)(rope->dims / 2) * sizeof(real);
    const ch_turns t = {.rope = rope,
                        .cosines = ch_arena_take(f->run->scratch, bytes),
                        .sines = ch_arena_take(f->run->scratch, bytes)};
    if (ch_op_computes(f->run))
        ch_op_rope_table(t.cosines, t.sines, rope, rows->pos, rows->n);
    return t;
}

static void all_turns(ch_forward *f)
{
    const ch_config *c = &f->model->config;
    f->full = turns(f, ch_model_rope(c, f->step->context));
    f->local = c->local_base > 0 ? turns(f, CH_ROPE_LOCAL) : f->full;
}

static ch_tensor *only_wanted(ch_run *r, const ch_step *s, ch_tensor *x)
{
    if (r->tape || !s->wanted || s->n_wanted == s->rows.n)
        return x;
    ch_tensor *y = ch_op_output(r, s->n_wanted, ch_tensor_width(x));
    if (ch_op_computes(r))
        for (int i = 0; i < s->n_wanted; i++)
            memcpy(ch_tensor_row(y, i), ch_tensor_row(x, s->wanted[i]),
                   (size_t)ch_tensor_width(x) * sizeof(real));
    return y;
}

static void tap(const ch_forward *f, int layer, const ch_tensor *x)
{
    if (f->step->tap && ch_op_computes(f->run))
        f->step->tap(f->step->tap_arg, layer, f->rows, x);
}

/* What the head is told of its n rows: which adapter each has chosen. */
static ch_rows rows_of(ch_run *r, const ch_step *s, int n)
{
    ch_rows rows = {.n = n};
    if (!r->adapters)
        return rows;
    int32_t *chosen = ch_arena_take(r->scratch, (size_t)n * sizeof *chosen);
    if (!ch_op_computes(r) || !s->rows.adapter)
        return rows;
    const bool picked = s->wanted && n != s->rows.n;
    for (int i = 0; i < n; i++)
        chosen[i] = s->rows.adapter[picked ? s->wanted[i] : i];
    rows.adapter = chosen;
    return rows;
}

/* left: the rows that came through, for the maps behind. */
static ch_tensor *hidden(ch_run *r, const ch_model *m, const ch_step *s, ch_rows *left)
{
    ch_forward f = {.run = r, .model = m, .step = s, .rows = &s->rows};
    const ch_arch *arch = m->config.arch;
    all_turns(&f);
    f.depth = s->depth;
    if (m->config.integrator.gate_layer > 0)
        f.decided = ch_arena_take(r->scratch, (size_t)s->rows.n * sizeof *f.decided);
    ch_tensor *x = arch->embed(&f);
    tap(&f, -1, x);
    for (int l = 0; l < m->config.layers; l++) {
        const size_t mark = ch_arena_mark(r->scratch);
        ch_tensor *y = arch->layer(&f, l, x);
        if (r->tape) {
            x = y;
        } else {
            if (y != x && ch_op_computes(r))
                memcpy(x->data, y->data, (size_t)ch_tensor_count(x) * sizeof(real));
            ch_arena_reset(r->scratch, mark);
        }
        tap(&f, l, x);
    }
    x = only_wanted(r, s, x);
    *left = rows_of(r, s, (int)ch_tensor_rows(x));
    f.rows = left;
    return arch->head(&f, x);
}

ch_tensor *ch_forward_hidden(ch_run *r, const ch_model *m, const ch_step *s)
{
    ch_rows left;
    return hidden(r, m, s, &left);
}

ch_tensor *ch_forward_logits(ch_run *r, const ch_model *m, const ch_step *s)
{
    ch_rows rows;
    const ch_tensor *x = hidden(r, m, s, &rows);
    ch_tensor *logits = ch_op_linear(r, x, m->output, &rows);
    const real cap = (real)m->config.logit_cap;
    return cap > 0 ? ch_op_softcap(r, logits, cap) : logits;
}

void ch_forward_loss(ch_run *r, const ch_model *m, const ch_step *s, const ch_token *target,
                     double scale, double smoothing, double *nll_sum, real *nll)
{
    const ch_tensor *x = ch_forward_hidden(r, m, s);
    const ch_loss_spec spec = {
        .scale = scale, .smoothing = smoothing, .softcap = m->config.logit_cap};
    ch_op_cross_entropy(r, x, m->output, target, &spec, nll_sum, nll);
}

/* ---- Attention: from pages, or within the packed rows of a training step ------------------- */

/* The rows [*i, end) that extend one sequence; returns end. */
static int same_sequence(const ch_rows *rows, int i)
{
    int end = i + 1;
    while (end < rows->n && rows->seq[end] == rows->seq[i])
        end++;
    return end;
}

static void write_keys(const ch_forward *f, int layer, const ch_tensor *k, const ch_tensor *v)
{
    const ch_rows *rows = f->rows;
    for (int i = 0, end; i < rows->n; i = end) {
        end = same_sequence(rows, i);
        ch_state *pages = ch_sequence_state(f->step->seqs[rows->seq[i]], &ch_pages_kind);
        ch_pages_write(pages, layer, pages->length - (end - i), end - i, ch_tensor_row(k, i),
                       ch_tensor_row(v, i), k->stride[0], rows->pos + i);
    }
}

ch_tensor *ch_forward_attend(ch_forward *f, int layer, ch_tensor *q, ch_tensor *k, ch_tensor *v,
                             const ch_attention_spec *s)
{
    ch_run *r = f->run;
    const ch_step *step = f->step;
    if (!step->seqs && !step->like)
        return ch_op_attention(r, q, k, v, f->rows, s);
    if (!ch_op_computes(r))
        return ch_op_attention_pages(r, q, step->like, f->rows, s);
    const int at = ch_config_attending(&f->model->config, layer); /* among layers with pages */
    write_keys(f, at, k, v);
    ch_kv_view *views = ch_arena_take(r->scratch, (size_t)step->n_seqs * sizeof *views);
    for (int i = 0; i < step->n_seqs; i++) {
        const ch_state *pages = ch_sequence_state(step->seqs[i], &ch_pages_kind);
        ch_pages_view(&views[i], pages, at, pages->length);
    }
    return ch_op_attention_pages(r, q, views, f->rows, s);
}

ch_tensor *ch_forward_convolve(ch_forward *f, int layer, const ch_tensor *x, const ch_weight *w)
{
    ch_run *r = f->run;
    const ch_step *step = f->step;
    const ch_rows *rows = f->rows;
    const int before = (int)ch_weight_width(w) - 1;
    if (!step->seqs && !step->like)
        return ch_op_convolve(r, x, w, NULL, rows);
    const real **past =
        ch_arena_take(r->scratch, (size_t)step->n_seqs * (size_t)(before + 1) * sizeof *past);
    for (int i = 0, end; ch_op_computes(r) && i < rows->n; i = end) {
        end = same_sequence(rows, i);
        const ch_state *s =
            ch_sequence_state(step->seqs[rows->seq[i]], &ch_convolution_kind);
        ch_convolution_before(past + rows->seq[i] * before, s, layer, s->length - (end - i));
    }
    ch_tensor *y = ch_op_convolve(r, x, w, past, rows);
    for (int i = 0, end; ch_op_computes(r) && i < rows->n; i = end) {
        end = same_sequence(rows, i);
        ch_state *s = ch_sequence_state(step->seqs[rows->seq[i]], &ch_convolution_kind);
        ch_convolution_write(s, layer, s->length - (end - i), end - i, ch_tensor_row(x, i),
                             x->stride[0]);
    }
    return y;
}

size_t ch_forward_scratch(const ch_model *m, const ch_adapters *adapters, const ch_kernels *k,
                          ch_pool *pool, int rows, int wanted, const ch_kv_view *like)
{
    ch_arena arena;
    ch_arena_measure(&arena);
    ch_run run = {.scratch = &arena, .kernels = k, .pool = pool, .adapters = adapters};
    ch_step step = {.rows = {.n = rows}, .n_seqs = rows, .n_wanted = wanted, .like = like};
    const int32_t any = 0;
    if (like) {
        step.wanted = &any;
        ch_arena_take(&arena, (size_t)rows * sizeof(ch_kv_view));
        /* Rows may be picked out (here) or all be wanted as they are (below). */
        ch_op_output(&run, wanted, m->config.width);
        ch_forward_logits(&run, m, &step);
    }
    for (int i = 0; !like && i < 2; i++) { /* enough for either precision */
        const size_t mark = ch_arena_mark(&arena);
        double nll;
        run.precision = i ? CH_PRECISION_I16 : CH_PRECISION_F32;
        ch_tape_begin(&run);
        ch_forward_loss(&run, m, &step, NULL, 1, 0, &nll, NULL);
        ch_tape_backward(&run);
        ch_tape_end(&run);
        ch_arena_reset(&arena, mark);
    }
    const size_t peak = arena.peak;
    ch_arena_close(&arena);
    return peak;
}
