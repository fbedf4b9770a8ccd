/* lora_gguf.c - an adapter as a GGUF file (layout: lora_open.c)
 *
 * A file has one alpha, and a map's scale is alpha / R; where maps have others (alpha patterns,
 * several adapters added) the difference goes into B, which is exact for powers of two.
 * SPDX-License-Identifier: MIT */
#include "peft.h"

#include <string.h>

enum { NAME_MOST = 256 };

int ch_lora_even(ch_lora *l, bool one_rank, ch_err *e)
{
    double alpha = 0;
    int64_t most = 0;
    for (int i = 0; i < l->adapter.n; i++) {
        const ch_low_rank *p = &l->low[i];
        const int64_t rank = p->a ? ch_weight_rows(p->a) : 0;
        if (one_rank && rank && most && rank != most)
            return ch_fail(e, CH_EUNSUPPORTED,
                           "the adapter's maps have ranks of %lld and %lld; here is one wanted",
                           (long long)most, (long long)rank);
        if (p->a && alpha == 0)
            alpha = (double)p->scale * (double)rank;
        most = CH_MAX(most, rank);
    }
    for (int i = 0; i < l->adapter.n; i++) {
        ch_low_rank *p = &l->low[i];
        ch_weight *b = &l->maps[2 * i + 1];
        if (!p->a)
            continue;
        const real want = (real)(alpha / (double)ch_weight_rows(p->a));
        const int64_t n = ch_tensor_count(&b->stored);
        for (int64_t k = 0; p->scale != want && k < n; k++)
            ((real *)b->stored.data)[k] *= p->scale / want;
        p->scale = want;
    }
    l->alpha = alpha;
    l->rank = (int)most;
    return CH_OK;
}

struct writing {
    const ch_lora *l;
    ch_file *f;
    ch_err *e;
};

static int put_map(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct writing *s = arg;
    int rc = CH_OK;
    (void)row, (void)layer;
    for (int part = 0; part < 2 && rc == CH_OK && s->l->low[w->number].a; part++) {
        char name[NAME_MOST];
        snprintf(name, sizeof name, "%s.lora_%c", w->name, 'a' + part);
        rc = ch_file_add_tensor(s->f, name, &s->l->maps[2 * w->number + part].stored, s->e);
    }
    return rc;
}

int ch_lora_write_gguf(const char *path, ch_lora *l, ch_model *m, const char *name, ch_err *e)
{
    struct writing s = {.l = l, .e = e};
    const char *arch = m->config.arch->name;
    int rc = ch_lora_even(l, false, e);
    if (rc == CH_OK)
        rc = ch_file_new(&s.f, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(s.f, "general.type", "adapter", 7, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(s.f, "general.architecture", arch, strlen(arch), e);
    if (rc == CH_OK && name)
        rc = ch_file_set_str(s.f, "general.name", name, strlen(name), e);
    if (rc == CH_OK)
        rc = ch_file_set_str(s.f, "adapter.type", "lora", 4, e);
    if (rc == CH_OK)
        rc = ch_file_set_f32(s.f, "adapter.lora.alpha", (float)l->alpha, e);
    if (rc == CH_OK)
        rc = ch_model_each(m, put_map, &s);
    if (rc == CH_OK)
        rc = ch_gguf_write(s.f, path, e);
    ch_file_close(&s.f);
    return rc;
}
