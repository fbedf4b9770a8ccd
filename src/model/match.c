/* match.c - a file's tensors against a weight table
 *
 * They must be the same: a tensor that is missing or of another shape cannot be computed with, and
 * one that nobody asked for would be a model that is not computed as meant.  All of them are
 * looked at, so that one sentence tells whether a file is of another model or lacks one tensor.
 * SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdio.h>
#include <string.h>

enum { MOST_NAMED = 6 };

struct matching {
    const ch_config *c;
    const ch_file *f;
    size_t found, faults;
    ch_buf text; /* of the first MOST_NAMED */
};

/* One more; is it to be described? */
static bool fault(struct matching *s)
{
    if (s->faults++ >= MOST_NAMED)
        return false;
    return ch_buf_str(&s->text, s->faults > 1 ? "; " : "");
}

static void misshapen(struct matching *s, const char *name, const ch_tensor *t, int rank,
                      const int64_t want[2])
{
    char found[96];
    ch_tensor_describe(found, sizeof found, t);
    if (!fault(s))
        return;
    ch_buf_printf(&s->text, "tensor %s is %s, the configuration says (%lld", name, found,
                  (long long)want[0]);
    if (rank == 2)
        ch_buf_printf(&s->text, ", %lld", (long long)want[1]);
    ch_buf_str(&s->text, ")");
}

static int match_row(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    struct matching *s = arg;
    if (!ch_row_present(row, s->c, layer))
        return 0;
    int64_t want[2] = {0, 0};
    const int rank = ch_row_shape(want, row, s->c);
    const ch_file_tensor *t = ch_file_tensor_find(s->f, w->name);
    if (t) {
        s->found++;
        if (t->t.rank != rank || t->t.dim[0] != want[0] || (rank == 2 && t->t.dim[1] != want[1]))
            misshapen(s, w->name, &t->t, rank, want);
    } else if (fault(s)) {
        ch_buf_printf(&s->text, "tensor %s is missing", w->name);
    }
    return 0;
}

static bool known(const ch_config *c, const char *name)
{
    const ch_arch *a = c->arch;
    char want[CH_NAME_MAX];
    int layer = -1;
    for (int g = 0; g < a->n_globals; g++)
        if (ch_row_present(&a->globals[g], c, -1) && strcmp(a->globals[g].name, name) == 0)
            return true;
    if (sscanf(name, "blk.%d.", &layer) != 1 || layer < 0 || layer >= c->layers)
        return false;
    for (int p = 0; p < a->n_per_layer; p++) {
        ch_row_name(want, sizeof want, &a->per_layer[p], layer);
        if (ch_row_present(&a->per_layer[p], c, layer) && strcmp(want, name) == 0)
            return true;
    }
    return false;
}

static void match_others(struct matching *s)
{
    for (size_t i = 0; i < s->f->n_tensors; i++) {
        const char *name = s->f->tensors[i].name;
        if (!ch_config_owns(s->c, name) && !known(s->c, name) && fault(s))
            ch_buf_printf(&s->text, "tensor %s is no part of a %s model of %d layers", name,
                          s->c->arch->name, s->c->layers);
    }
}

int ch_model_match(ch_model *m, const ch_file *f, ch_err *e)
{
    struct matching s = {.c = &m->config, .f = f};
    ch_buf_init(&s.text, 4096);
    ch_model_each(m, match_row, &s);
    if (s.found != f->n_tensors)
        match_others(&s);
    int rc = CH_OK;
    if (s.faults > MOST_NAMED)
        rc = ch_fail(e, CH_EFORMAT, "%s: %zu tensors do not fit, among them: %s", f->path, s.faults,
                     s.text.data ? s.text.data : "");
    else if (s.faults > 0)
        rc = ch_fail(e, CH_EFORMAT, "%s: %s", f->path, s.text.data ? s.text.data : "");
    ch_buf_close(&s.text);
    return rc;
}
