/* cmd_tokenize.c - chalcis tokenize: the tokens of a text
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"

struct options {
    const char *model, *tokenizer, *text, *file;
    bool ids, no_bos, special;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "PATH", "model, vocabulary (GGUF, tokenizer.json, tokenizer.model, encoder.json, tokenizer.bin) or folder [the bundled model]", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "vocabulary of a llama2.c model [beside it]", 0, 0},
    {'p', "prompt", CH_OPT_STR, O(text), "TEXT", "the text", 0, 0},
    {'f', "file", CH_OPT_STR, O(file), "FILE", "the same from a file; - is standard input [-]", 0, 0},
    {0, "ids", CH_OPT_FLAG, O(ids), NULL, "a JSON array of ids instead of a line a token", 0, 0},
    {0, "no-bos", CH_OPT_FLAG, O(no_bos), NULL, "no token for the beginning of the text", 0, 0},
    {0, "special", CH_OPT_FLAG, O(special), NULL, "text of special tokens becomes those tokens", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "tokenize [-m MODEL] [-p TEXT | -f FILE] [--ids] [options]", .opts = opts};

static void print_piece(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        const int len = ch_utf8_read(&cp, s + i, n - i);
        if (len <= 0 || cp < 0x20 || cp == 0x7f) {
            printf("\\x%02x", (unsigned char)s[i]);
            i++;
        } else {
            fwrite(s + i, 1, (size_t)len, stdout);
            i += (size_t)len;
        }
    }
}

static void print(const ch_tokens *ids, const ch_tokenizer *tk, bool as_array)
{
    if (as_array) {
        putchar('[');
        for (size_t i = 0; i < ids->n; i++)
            printf("%s%d", i ? ", " : "", (int)ids->id[i]);
        puts("]");
        return;
    }
    for (size_t i = 0; i < ids->n; i++) {
        size_t n;
        const char *name = ch_tokenizer_name(tk, ids->id[i], &n);
        printf("%7d  ", (int)ids->id[i]);
        print_piece(name, n);
        putchar('\n');
    }
}

static int run(const struct options *o, ch_tokenizer **tk, ch_buf *text, ch_tokens *ids)
{
    ch_err e = {0};
    char path[4096];
    int rc = ch_cli_model_path(path, sizeof path, o->model, &e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(tk, path, o->tokenizer, &e);
    if (rc == CH_OK)
        rc = ch_cli_text(text, o->text, o->file, &e);
    const int flags = (o->no_bos ? 0 : CH_ENCODE_BOS) | (o->special ? CH_ENCODE_SPECIAL : 0);
    if (rc == CH_OK)
        rc = ch_tokenizer_encode(ids, *tk, text->data ? text->data : "", text->size, flags, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    print(ids, *tk, o->ids);
    return CH_EXIT_OK;
}

int ch_cmd_tokenize(int argc, char **argv)
{
    struct options o = {0};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (o.text && o.file)
        return ch_cli_usage("tokenize", "-p and -f are two texts; give one");
    ch_tokenizer *tk = NULL;
    ch_tokens ids = {0};
    ch_buf text;
    ch_buf_init(&text, (size_t)1 << 31);
    const int code = run(&o, &tk, &text, &ids);
    ch_buf_close(&text);
    ch_tokens_free(&ids);
    ch_tokenizer_close(&tk);
    return code;
}
