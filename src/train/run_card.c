/* run_card.c - README.md of a finished run: what the model is, and how it came about
 *
 * Says only what the run knows.  SPDX-License-Identifier: MIT */
#include "lora.h"
#include "option.h"
#include "report.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* The last part of a path, n bytes of it. */
static const char *last_part(const char *path, size_t *n)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t at = end;
    while (at > 0 && path[at - 1] != '/')
        at--;
    *n = end - at;
    return path + at;
}

static void put_path(ch_buf *b, const char *path)
{
    size_t n;
    const char *name = last_part(path, &n);
    ch_report_card_text(b, name, n);
}

/* ---- The parts ------------------------------------------------------------------------------ */

static void put_shape(ch_buf *b, const ch_train_run *r)
{
    const ch_config *c = &r->model->config;
    ch_buf_printf(b, "## Shape\n\n| | |\n|---|---|\n"
                     "| architecture | %s |\n| layers | %d |\n| width | %d |\n"
                     "| heads | %d of %d, %d for keys and values |\n"
                     "| hidden width | %d |\n| vocabulary | %d |\n| context | %d tokens |\n",
                  c->arch->name, c->layers, c->width, c->heads, c->head_width, c->kv_heads,
                  c->hidden, c->vocab, c->context);
    ch_buf_printf(b, "| parameters | %lld |\n| of them outside of embeddings | %lld |\n",
                  (long long)ch_model_count(c, true), (long long)ch_model_count(c, false));
    ch_buf_printf(b, "| output head | %s |\n", c->tied ? "the embedding table" : "its own");
    if (r->lora)
        ch_buf_printf(b, "| trained: an adapter of | %lld |\n", (long long)r->lora->count);
    ch_buf_str(b, "\n");
}

static void put_data(ch_buf *b, const ch_train_run *r)
{
    ch_buf_str(b, "## Data\n\n");
    for (int i = 0; i < r->o.n_data; i++) {
        ch_buf_str(b, "- ");
        put_path(b, r->o.data[i]);
        ch_buf_str(b, "\n");
    }
    ch_buf_printf(b, "\n| | documents | tokens | bytes of text |\n|---|---:|---:|---:|\n"
                     "| training | %lld | %lld | %llu |\n| held out | %lld | %lld | %llu |\n\n",
                  (long long)r->train.documents, (long long)r->train.n,
                  (unsigned long long)r->train.bytes, (long long)r->held_out.documents,
                  (long long)r->held_out.n, (unsigned long long)r->held_out.bytes);
}

/* What differs from the defaults, and what was made from them where it decides the result. */
static int put_recipe(ch_buf *b, const ch_train_run *r, ch_err *e)
{
    ch_train_options usual = {0};
    const int rc = ch_train_settle(&usual, NULL, e);
    if (rc < 0)
        return rc;
    ch_buf_str(b, "## Recipe\n\nOptions of `chalcis train` that differ from its defaults:\n\n"
                  "| option | value | default |\n|---|---|---|\n");
    for (int i = 0; i < ch_options_n; i++) {
        const ch_option *p = &ch_options[i];
        char is[80], was[80];
        if (!p->stored)
            continue;
        ch_option_show(is, sizeof is, &r->o, p);
        ch_option_show(was, sizeof was, &usual, p);
        if (strcmp(is, was) == 0)
            continue;
        const bool open = !ch_option_is_set(&usual, p);
        ch_buf_printf(b, "| %s | ", p->name);
        if (strcmp(p->name, "from") == 0) /* where it lies is nobody's business */
            put_path(b, r->o.from);
        else
            ch_report_card_text(b, is, strlen(is));
        ch_buf_str(b, " | ");
        ch_report_card_text(b, open ? "-" : was, strlen(open ? "-" : was));
        ch_buf_str(b, " |\n");
    }
    ch_buf_str(b, "\n");
    return CH_OK;
}

static void put_result(ch_buf *b, const ch_train_run *r, double bits_a_byte)
{
    ch_buf_printf(b, "## Result\n\n%lld steps, %lld tokens.\n\n| | |\n|---|---:|\n",
                  (long long)r->trainer.step, (long long)r->p.tokens);
    if (isfinite(r->p.loss))
        ch_buf_printf(b, "| training loss of the last step | %.4f nats a token |\n", r->p.loss);
    if (isfinite(r->p.val_loss))
        ch_buf_printf(b, "| held-out loss | %.4f nats a token |\n"
                         "| held-out bits a byte | %.4f |\n", r->p.val_loss, bits_a_byte);
    ch_buf_str(b, "\nEvery step stands in metrics.jsonl; curve.svg draws it.\n\n");
}

static void put_use(ch_buf *b, const ch_train_run *r)
{
    if (r->lora) {
        ch_buf_str(b, "## Use\n\nThis directory is an adapter in PEFT's layout.\n");
        return;
    }
    char *path = ch_io_join(r->o.out, "model.gguf");
    ch_mapping m = {0};
    ch_buf_str(b, "## Use\n\n```\nchalcis run -m model.gguf -p \"Once upon a time\"\n"
                  "chalcis quantize model.gguf q8_0.gguf q8_0\n```\n");
    if (path && ch_io_map(&m, path, NULL) == CH_OK)
        ch_buf_printf(b, "\nmodel.gguf has %zu bytes, 32 bits a weight; with q8\\_0 about %.0f. "
                         "The directory is also one\nfor Hugging Face's loaders (config.json, "
                         "model.safetensors, tokenizer.json).\n", m.size,
                      (double)m.size * 8.5 / 32);
    if (r->trainer.ema)
        ch_buf_str(b, "\nmodel.gguf has the running mean of the parameters, which was scored; "
                      "model.safetensors has the\nparameters themselves, from which a run is "
                      "resumed.\n");
    ch_io_unmap(&m);
    free(path);
}

/* ---- The file ------------------------------------------------------------------------------- */

int ch_train_card(const ch_train_run *r, double bits_a_byte)
{
    ch_buf b;
    ch_report_card_begin(&b, "train", NULL);
    ch_buf_str(&b, "# ");
    put_path(&b, r->o.out);
    ch_buf_printf(&b, "\n\nA language model of %.2f M parameters, trained %s by chalcis "
                      CHALCIS_VERSION ".\n\n",
                  (double)ch_model_count(&r->model->config, true) * 1e-6,
                  r->source ? "further from another model" : "from nothing");
    put_shape(&b, r);
    put_data(&b, r);
    const int rc = put_recipe(&b, r, r->e);
    put_result(&b, r, bits_a_byte);
    put_use(&b, r);
    if (rc == CH_OK)
        return ch_report_card_end(&b, r->o.out, r->e);
    ch_buf_close(&b);
    return rc;
}
