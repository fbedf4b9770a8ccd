/* cmd_imatrix.c - chalcis imatrix: how much each column of a model's matrices matters, by a text
 *
 * SPDX-License-Identifier: MIT */
#include "imatrix.h"

#include "bar.h"
#include "cli.h"

struct options {
    const char *model, *tokenizer, *file, *out;
    int threads, window, most;
    bool head;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "MODEL", "a GGUF or llama2.c file, or a Hugging Face folder [the bundled one]", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "vocabulary of a model that carries none [beside it]", 0, 0},
    {'f', "file", CH_OPT_STR, O(file), "FILE", "the text; - is standard input [-]", 0, 0},
    {'o', "out", CH_OPT_STR, O(out), "FILE", "the file to write [imatrix.gguf]", 0, 0},
    {'c', "window", CH_OPT_INT, O(window), "N", "tokens in a window [512]", 2, 1e9},
    {0, "chunks", CH_OPT_INT, O(most), "N", "windows that are read, the first ones [all]", 1, 1e9},
    {0, "process-output", CH_OPT_FLAG, O(head), NULL, "the output matrix too, where it is not the embedding", 0, 0},
    CH_OPT_THREADS(O(threads), "the result"),
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "imatrix [-m MODEL] -f FILE [-o OUT.gguf] [options]",
    .about = "Runs the model over a text and writes, for every column of its matrices, the mean "
             "square of\n"
             "what that column was multiplied by.  llama.cpp's tools read and write the same file.",
    .opts = opts,
};

static void show(void *arg, int64_t done, int64_t of)
{
    ch_bar_show(arg, "reading", done, of, NULL, 0);
}

static int measure(const struct options *o, ch_model *m, const ch_tokenizer *tk,
                   const ch_buf *text, ch_err *e)
{
    ch_bar bar;
    ch_file *im = NULL;
    const char *out = o->out ? o->out : "imatrix.gguf";
    const ch_imatrix_options how = {.window = o->window,
                                    .most = o->most,
                                    .head = o->head,
                                    .dataset = o->file ? o->file : "-",
                                    .session = {.threads = o->threads},
                                    .told = show,
                                    .arg = &bar};
    ch_bar_open(&bar, stderr);
    int rc = ch_imatrix_measure(&im, m, tk, text->data ? text->data : "", text->size, &how, e);
    ch_bar_close(&bar);
    if (rc == CH_OK)
        rc = ch_gguf_write(im, out, e);
    int64_t windows = 0;
    if (rc == CH_OK)
        rc = ch_file_int(&windows, im, "imatrix.chunk_count", 0, INT32_MAX, e);
    if (rc == CH_OK)
        fprintf(stderr, "%s: the inputs of %zu matrices in %lld windows\n", out, im->n_tensors / 2,
                (long long)windows);
    ch_file_close(&im);
    return rc;
}

int ch_cmd_imatrix(int argc, char **argv)
{
    struct options o = {0};
    int n_args;
    char path[4096];
    ch_err e = {0};
    ch_model *m = NULL;
    ch_tokenizer *tk = NULL;
    ch_buf text;
    const int code = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (code >= 0)
        return code;
    ch_buf_init(&text, (size_t)1 << 31);
    int rc = ch_cli_model_path(path, sizeof path, o.model, &e);
    if (rc == CH_OK)
        rc = ch_cli_refuse_same(path, o.out ? o.out : "imatrix.gguf", &e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&m, path, o.threads, &e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&tk, path, o.tokenizer, &e);
    if (rc == CH_OK)
        rc = ch_cli_text(&text, NULL, o.file, &e);
    if (rc == CH_OK)
        rc = measure(&o, m, tk, &text, &e);
    ch_buf_close(&text);
    ch_tokenizer_close(&tk);
    ch_model_close(&m);
    return rc < 0 ? ch_cli_fail(&e) : CH_EXIT_OK;
}
