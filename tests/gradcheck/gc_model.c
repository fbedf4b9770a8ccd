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
    double scale;
} model_case;

static double model_loss(ch_run *r, void *arg)
{
    const model_case *c = arg;
    const ch_step step = {.rows = gc_rows(r, &c->rows)};
    double sum = 0;
    ch_forward_loss(r, c->m, &step, ch_op_computes(r) ? c->target : NULL, c->scale, 0, &sum, NULL);
    return c->scale * sum;
}

/* Every weight is a leaf where it lies, with numbers large enough for gradients to matter. */
static int add_leaf(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    gc *g = arg;
    (void)row, (void)layer;
    if (!w->stored.data)
        return 0;
    assert_true(g->leaves < GC_MAX_LEAVES);
    gc_leaf *l = &g->leaf[g->leaves++];
    *l = (gc_leaf){w->name, w->stored.data, w->stored.grad, ch_tensor_count(&w->stored)};
    for (int64_t i = 0; i < l->n; i++)
        l->value[i] = w->stored.rank == 1 ? 1 + 0.3 * gc_normal(g) : 0.3 * gc_normal(g);
    return 0;
}

static void whole(const char *arch, bool tied, int memory)
{
    static const int lengths[] = {1, 9, 6, 0};
    enum { V = 23 };
    ch_err e = {0};
    ch_config config = {.arch = ch_arch_find(arch, strlen(arch)),
                        .width = 12,
                        .heads = 4,
                        .kv_heads = 2,
                        .head_width = 6,
                        .hidden = 17,
                        .vocab = V,
                        .layers = 2,
                        .context = 16,
                        .norm_eps = 1e-3,
                        .tied = tied,
                        .relu2 = memory > 0,
                        .memory = memory,
                        .rope = {.dims = 6, .base = 100}};
    gc g;
    gc_open(&g, arch);
    g.step = 1e-4;
    assert_non_null(config.arch);
    assert_ok(config.arch->configure(&config, NULL, &e), e);
    model_case c = {.rows = gc_documents(&g, lengths), .scale = 0.7};
    assert_ok(ch_model_create(&c.m, &config, 1, NULL, &e), e);
    assert_int_equal(ch_model_each(c.m, add_leaf, &g), 0);
    int32_t *id = gc_ints(&g, c.rows.n);
    c.target = gc_ints(&g, c.rows.n);
    for (int t = 0; t < c.rows.n; t++) {
        id[t] = t * 7 % V;
        c.target[t] = t % 5 == 3 ? -1 : t * 11 % V;
    }
    c.rows.id = id;
    gc_check(&g, model_loss, &c);
    ch_model_free(&c.m);
    gc_close(&g);
}

/* whole model: llama, qwen3, chalcis (plain, and with relu2 and a memory), loss vs finite
 * differences */
void check_model(void **state)
{
    (void)state;
    whole("llama", true, 0);
    whole("llama", false, 0);
    whole("qwen3", true, 0);
    whole("qwen3", false, 0);
    whole("chalcis", true, 0);
    whole("chalcis", false, 19);
}
