/* gc_model.c - whole models: the loss of packed documents, down to every weight
 *
 * Two layers, fewer key heads than heads, tied and with a head of its own, targets left out here
 * and there. SPDX-License-Identifier: MIT */
#include "gradcheck.h"

#include "model.h"

#include <string.h>

typedef struct model_case {
    ch_model *m;
    ch_rows rows;
    ch_token *target;
    int32_t *depth; /* of integrators: NULL, all steps */
    double scale;
} model_case;

static double model_loss(ch_run *r, void *arg)
{
    const model_case *c = arg;
    const ch_step step = {.rows = gc_rows(r, &c->rows), .depth = c->depth};
    double sum = 0;
    ch_forward_loss(r, c->m, &step, ch_op_computes(r) ? c->target : NULL, c->scale, 0, &sum, NULL);
    return c->scale * sum;
}

/* Controllers of integrators: each hidden value is well above or below 0, since relu's kink is no
 * place for differences. */
static double value_of(const char *name, int64_t i, double start, double z)
{
    if (strstr(name, "inl_in.weight"))
        return 0.01 * z;
    if (strstr(name, "inl_in.bias"))
        return i % 2 ? 2 : -2;
    return start + 0.3 * z;
}

/* Every weight is a leaf where it lies, with numbers large enough for gradients to matter. */
static int add_leaf(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    gc *g = arg;
    (void)layer;
    if (!w->stored.data)
        return 0;
    assert_true(g->leaves < GC_MAX_LEAVES);
    gc_leaf *l = &g->leaf[g->leaves++];
    *l = (gc_leaf){w->name, w->stored.data, w->stored.grad, ch_tensor_count(&w->stored)};
    for (int64_t i = 0; i < l->n; i++)
        l->value[i] = value_of(w->name, i, row->init == CH_INIT_ONES ? 1 : 0, gc_normal(g));
    return 0;
}

/* In two layers what the small models have in six: one layer of each kind. */
static void both_kinds(ch_config *c)
{
    const char *arch = c->arch->name;
    if (strcmp(arch, "gemma3") == 0)
        c->kind[1] = CH_LAYER_FULL;
    if (strcmp(arch, "smollm3") == 0)
        c->kind[1] = CH_LAYER_UNTURNED;
    if (strcmp(arch, "lfm2") == 0)
        c->kind[0] = CH_LAYER_CONVOLUTION;
    if (c->inl.group > 0) {
        c->inl.steps[0] = 2;
        c->inl.steps[1] = 1;
    }
    if (strcmp(arch, "olmo2") == 0) /* as OLMo 3 */
        c->kind[0] = CH_LAYER_WINDOW;
}

static void whole(ch_config config, const char *what)
{
    static const int lengths[] = {1, 9, 6, 0};
    ch_err e = {0};
    gc g;
    gc_open(&g, what);
    g.step = config.integrator.anchor >= CH_ANCHOR_CLOSED ? 1e-5 : 1e-4; /* bends near 0 */
    g.singles = config.inl.group > 0 ? 5 : 0; /* controllers of 64, once a step: many more sums */
    model_case c = {.rows = gc_documents(&g, lengths), .scale = 0.7};
    assert_ok(ch_model_create(&c.m, &config, 1, NULL, &e), e);
    assert_int_equal(ch_model_each(c.m, add_leaf, &g), 0);
    int32_t *id = gc_ints(&g, c.rows.n);
    c.target = gc_ints(&g, c.rows.n);
    for (int t = 0; t < c.rows.n; t++) {
        id[t] = t * 7 % config.vocab;
        c.target[t] = t % 5 == 3 ? -1 : t * 11 % config.vocab;
    }
    if (config.integrator.gate_layer > 0) {
        c.depth = gc_ints(&g, c.rows.n);
        for (int t = 0; t < c.rows.n; t++)
            c.depth[t] = 1 + t * 5 % 7 % config.integrator.depth;
        g.takes_less = true;
    }
    c.rows.id = id;
    gc_check(&g, model_loss, &c);
    ch_model_free(&c.m);
    gc_close(&g);
}

static ch_config small(const ch_arch *arch)
{
    ch_err e = {0};
    ch_config c = {.arch = arch,
                   .width = 12,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_width = 6,
                   .hidden = 17,
                   .vocab = 23,
                   .layers = 2,
                   .context = 16,
                   .window = strcmp(arch->name, "smollm3") == 0 ? 0 : 4,
                   .norm_eps = 1e-3,
                   .rope = {.base = 100}};
    assert_ok(ch_config_small(&c, &e), e);
    both_kinds(&c);
    return c;
}

/* whole models of every architecture, with all it adds (windows, caps, scales, biases, tied and
 * not), loss vs finite differences */
void check_model(void **state)
{
    (void)state;
    for (int i = 0; ch_arch_at(i); i++) {
        ch_config c = small(ch_arch_at(i));
        whole(c, c.arch->name);
        c.tied = !c.tied;
        c.biases = CH_ROW_BIASES;
        if (c.kind[1] == CH_LAYER_UNTURNED) /* a key bias moves a row's scores alike: no gradient */
            c.biases -= CH_ROW_QKV_BIAS;
        c.relu2 = false;
        c.memory = 0;
        c.integrator.anchor = CH_ANCHOR_HERE;
        c.rank = 0;
        whole(c, c.arch->name);
        if (c.integrator.depth > 0) {
            c.integrator.anchor = CH_ANCHOR_CLOSED;
            c.integrator.gate_layer = 0;
            whole(c, "integrator in closed form");
            c.integrator.anchor = CH_ANCHOR_DRIVEN;
            c.integrator.gate_layer = 1;
            c.integrator.controller_groups = 1;
            c.integrator.excited = 5;
            whole(c, "driven integrator");
        }
    }
}
