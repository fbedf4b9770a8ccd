/* hf.c - a model in training as a Hugging Face folder, and back
 *
 * The model becomes a file under construction, which is converted (conversion.h); reading opens
 * the folder as any other.  Weights come back to the bit, but for gains of Gemma below one half:
 * the folder has them less 1, which rounds them by 2^-25 (checkpoint.c keeps them besides).
 * SPDX-License-Identifier: MIT */
#include "hf.h"

#include "conversion.h"

#include <string.h>

static int put_ids(ch_file *f, const ch_tokenizer *tk, ch_err *e)
{
    const ch_token bos = ch_tokenizer_bos(tk), eos = ch_tokenizer_eos(tk);
    int rc = CH_OK;
    if (bos >= 0)
        rc = ch_file_set_u32(f, "tokenizer.ggml.bos_token_id", (uint32_t)bos, e);
    if (rc == CH_OK && eos >= 0)
        rc = ch_file_set_u32(f, "tokenizer.ggml.eos_token_id", (uint32_t)eos, e);
    return rc;
}

int ch_hf_write(const char *folder, ch_model *m, const ch_tokenizer *tk, ch_err *e)
{
    const ch_conversion_options as_it_is = {.type = CH_DTYPES};
    ch_file *f;
    ch_conversion *c = NULL;
    int rc = ch_file_new(&f, e);
    if (rc < 0)
        return rc;
    rc = ch_model_to_file(m, f, CH_F32, NULL, e);
    if (rc == CH_OK)
        rc = put_ids(f, tk, e);
    if (rc == CH_OK)
        rc = ch_conversion_open(&c, f, folder, &as_it_is, e);
    if (rc == CH_OK)
        rc = ch_conversion_write(c, e);
    ch_conversion_close(&c);
    ch_file_close(&f);
    return rc;
}

struct reading {
    const ch_file *f;
    ch_err *e;
};

static int read_weight(void *arg, ch_weight *w, const ch_weight_row *row, int layer)
{
    const struct reading *r = arg;
    const ch_tensor *want = &w->stored;
    (void)row, (void)layer;
    if (!want->data)
        return CH_OK;
    const ch_file_tensor *t = ch_file_tensor_find(r->f, w->name);
    if (!t || t->t.dtype != CH_F32 || t->t.rank != want->rank || t->t.dim[0] != want->dim[0] ||
        (want->rank == 2 && t->t.dim[1] != want->dim[1])) {
        char shape[96];
        ch_tensor_describe(shape, sizeof shape, want);
        return ch_fail(r->e, CH_EFORMAT, "%s: tensor %s is not there as %s", r->f->path, w->name,
                       shape);
    }
    ch_tensor_read(want->data, &t->t, 0, ch_tensor_count(want));
    return CH_OK;
}

int ch_hf_read(ch_model *m, const char *folder, ch_err *e)
{
    ch_file *f;
    int rc = ch_file_open(&f, folder, e);
    if (rc < 0)
        return rc;
    rc = ch_model_each(m, read_weight, &(struct reading){f, e});
    ch_file_close(&f);
    return rc;
}
