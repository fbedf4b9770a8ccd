/* cmd_init.c - chalcis init: a model with random weights, of any architecture
 *
 * To train from (finetune -m), and to compare with other programs: with --noise, weights are such
 * that everything the architecture does makes a difference.  Without a tokenizer the vocabulary is
 * the 256 bytes, two merges and an end.  SPDX-License-Identifier: MIT */
#include "cli.h"
#include "model.h"

#include <stdlib.h>
#include <string.h>

struct options {
    const char *shape, *tokenizer, *out, *rope, *type, *name;
    uint64_t seed;
    double noise;
    bool untied, tied, biases;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'o', "out", CH_OPT_STR, O(out), "FILE", "the GGUF file to write", 0, 0},
    {0, "shape", CH_OPT_STR, O(shape), "L6,D64,...", "sizes by letter; see below", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "take the vocabulary from a model, a "
     "tokenizer.json, ... [bytes]", 0, 0},
    {0, "seed", CH_OPT_U64, O(seed), "N", "seed of the random weights [0]", 0, 0},
    {0, "noise", CH_OPT_REAL, O(noise), "X", "gains 1 +- X, biases +- X, matrices that keep sizes; "
     "0: as training begins [0]", 0, 10},
    {0, "rope", CH_OPT_STR, O(rope), "KIND", "stretched positions: linear, yarn, llama3, longrope, "
     "none [the architecture's]", 0, 0},
    {0, "biases", CH_OPT_FLAG, O(biases), NULL, "with the biases that the architecture allows", 0, 0},
    {0, "tied", CH_OPT_FLAG, O(tied), NULL, "the head is the embedding table", 0, 0},
    {0, "untied", CH_OPT_FLAG, O(untied), NULL, "the head is a matrix of its own", 0, 0},
    {0, "type", CH_OPT_STR, O(type), "TYPE", "format of the matrices [f32]", 0, 0},
    {0, "name", CH_OPT_STR, O(name), "TEXT", "general.name of the file [random ARCH]", 0, 0},
    {0},
};
#undef O

static void more(void)
{
    printf("\nARCH is one of %s.\n"
           "Letters of --shape: L layers, D width, H heads, K key heads, E head width, F hidden\n"
           "width, V vocabulary (without --tokenizer), P context, W window (0: as the\n"
           "architecture has it), S taps of convolutions, M memory, R rank of\n"
           "the embedding (inl).\n"
           "Default: L6,D64,H4,K2,E16,F128,V320,P256.\n",
           ch_arch_names());
}

static const ch_usage usage = {
    .synopsis = "init ARCH -o OUT.gguf [options]",
    .opts = opts,
    .least_args = 1,
    .most_args = 1,
    .more = more};

/* ---- The shape ------------------------------------------------------------------------------ */

static int *size_of(ch_config *c, char letter)
{
    switch (letter) {
    case 'L': return &c->layers;
    case 'D': return &c->width;
    case 'H': return &c->heads;
    case 'K': return &c->kv_heads;
    case 'E': return &c->head_width;
    case 'F': return &c->hidden;
    case 'V': return &c->vocab;
    case 'P': return &c->context;
    case 'W': return &c->window;
    case 'S': return &c->taps;
    case 'M': return &c->memory;
    case 'R': return &c->rank;
    default: return NULL;
    }
}

static int read_shape(ch_config *c, const char *text, ch_err *e)
{
    for (const char *p = text; p && *p;) {
        char *end;
        int *size = size_of(c, *p);
        const long value = size && p[1] >= '0' && p[1] <= '9' ? strtol(p + 1, &end, 10) : -1;
        if (value < 0 || value > CH_MAX_VOCAB || (*end && *end != ','))
            return ch_fail(e, CH_EARG,
                           "--shape \"%.80s\" does not go on at \"%.20s\": a letter of "
                           "LDHKEFVPWSMR and a number, then a comma",
                           text, p);
        *size = (int)value;
        p = *end ? end + 1 : end;
    }
    if (c->width && !c->head_width && c->heads)
        c->head_width = c->width / c->heads;
    if (c->width && !c->hidden)
        c->hidden = 2 * c->width;
    return CH_OK;
}

static int stretch(ch_config *c, const char *kind, ch_err *e)
{
    static const struct {
        const char *name;
        ch_stretch_kind kind;
        bool llama3;
    } kinds[] = {{"none", CH_STRETCH_NONE, false},   {"linear", CH_STRETCH_LINEAR, false},
                 {"yarn", CH_STRETCH_YARN, false},   {"llama3", CH_STRETCH_NONE, true},
                 {"longrope", CH_STRETCH_LONG, false}};
    for (size_t i = 0; i < CH_COUNT(kinds); i++)
        if (strcmp(kind, kinds[i].name) == 0) {
            ch_config_stretch(c, kinds[i].kind, kinds[i].llama3);
            return CH_OK;
        }
    return ch_fail(e, CH_EARG,
                   "--rope is \"%.20s\"; there are linear, yarn, llama3, longrope, none", kind);
}

static int describe(ch_config *c, const char *arch, const struct options *o,
                    const ch_tokenizer *tk, ch_err *e)
{
    *c = (ch_config){.arch = ch_arch_find(arch, strlen(arch))};
    if (!c->arch)
        return ch_fail(e, CH_EARG, "there is no architecture \"%.40s\"; there are %s", arch,
                       ch_arch_names());
    int rc = read_shape(c, o->shape, e);
    if (rc == CH_OK && tk && c->vocab && c->vocab != ch_tokenizer_size(tk))
        return ch_fail(e, CH_EARG, "--shape says V%d, and the vocabulary of %s has %d entries",
                       c->vocab, o->tokenizer, ch_tokenizer_size(tk));
    c->vocab = tk ? ch_tokenizer_size(tk) : c->vocab;
    if (rc == CH_OK)
        rc = ch_config_small(c, e);
    if (rc == CH_OK && o->rope)
        rc = stretch(c, o->rope, e);
    if (o->biases)
        c->biases = CH_ROW_BIASES;
    if (o->tied || o->untied)
        c->tied = o->tied;
    return rc;
}

/* ---- A vocabulary of bytes ------------------------------------------------------------------ */

enum { BYTES = 256, MERGES = 2, END = BYTES + MERGES, LEAST = END + 1, NORMAL = 1, CONTROL = 3,
       UNUSED = 5, ROOM = 24 };

/* As GPT-2 writes bytes: printable ones as they are, others as letters from U+0100 on. */
static void byte_name(char out[ROOM], int byte)
{
    const bool plain = (byte > 32 && byte < 127) || byte > 173 || (byte > 160 && byte < 173);
    const int cp = plain ? byte : byte <= 32 ? 256 + byte : byte == 173 ? 323 : 289 + byte - 127;
    if (cp < 128)
        snprintf(out, ROOM, "%c", cp);
    else
        snprintf(out, ROOM, "%c%c", 0xC0 | cp >> 6, 0x80 | (cp & 63));
}

static int put_bytes(ch_file *f, int vocab, ch_err *e)
{
    static const ch_str merges[MERGES] = {{"\xC4\xA0 t", 4}, {"h e", 3}};
    static const char *const merged[MERGES] = {"\xC4\xA0t", "he"};
    char(*names)[ROOM] = calloc((size_t)vocab, ROOM);
    ch_str *tokens = calloc((size_t)vocab, sizeof *tokens);
    int32_t *types = calloc((size_t)vocab, sizeof *types);
    int rc = names && tokens && types
                 ? CH_OK
                 : ch_fail(e, CH_ENOMEM, "no memory for a vocabulary of %d", vocab);
    for (int i = 0; i < vocab && rc == CH_OK; i++) {
        if (i < BYTES)
            byte_name(names[i], i);
        else if (i < END)
            snprintf(names[i], ROOM, "%s", merged[i - BYTES]);
        else
            snprintf(names[i], ROOM, i == END ? "<|endoftext|>" : "<|unused%d|>", i);
        tokens[i] = (ch_str){names[i], strlen(names[i])};
        types[i] = i < END ? NORMAL : i == END ? CONTROL : UNUSED;
    }
    const struct {
        const char *key;
        uint32_t id;
    } ends[] = {{"tokenizer.ggml.bos_token_id", END}, {"tokenizer.ggml.eos_token_id", END}};
    if (rc == CH_OK)
        rc = ch_file_set_str(f, "tokenizer.ggml.model", "gpt2", 4, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(f, "tokenizer.ggml.pre", "gpt-2", 5, e);
    if (rc == CH_OK)
        rc = ch_file_set_strs(f, "tokenizer.ggml.tokens", tokens, (size_t)vocab, e);
    if (rc == CH_OK)
        rc = ch_file_set_i32s(f, "tokenizer.ggml.token_type", types, (size_t)vocab, e);
    if (rc == CH_OK)
        rc = ch_file_set_strs(f, "tokenizer.ggml.merges", merges, MERGES, e);
    for (size_t i = 0; i < CH_COUNT(ends) && rc == CH_OK; i++)
        rc = ch_file_set_u32(f, ends[i].key, ends[i].id, e);
    if (rc == CH_OK)
        rc = ch_file_set_bool(f, "tokenizer.ggml.add_bos_token", false, e);
    free(names);
    free(tokens);
    free(types);
    return rc;
}

/* ---- The file ------------------------------------------------------------------------------- */

static int write_model(ch_model *m, const struct options *o, ch_dtype type, const ch_tokenizer *tk,
                       ch_err *e)
{
    ch_file *f;
    int fallbacks, rc = ch_file_new(&f, e);
    if (rc < 0)
        return rc;
    char name[80];
    snprintf(name, sizeof name, "random %s", m->config.arch->name);
    const char *called = o->name ? o->name : name;
    rc = ch_model_to_file(m, f, type, &fallbacks, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(f, "general.name", called, strlen(called), e);
    if (rc == CH_OK)
        rc = tk ? ch_tokenizer_to_file(tk, f, e) : put_bytes(f, m->config.vocab, e);
    if (rc == CH_OK)
        rc = ch_gguf_write(f, o->out, e);
    ch_file_close(&f);
    return rc;
}

static int make(const char *arch, const struct options *o, const ch_tokenizer *tk, ch_err *e)
{
    ch_config c;
    ch_dtype type = CH_F32;
    int rc = describe(&c, arch, o, tk, e);
    if (rc < 0)
        return rc;
    if (!tk && c.vocab < LEAST)
        return ch_fail(e, CH_EARG, "--shape says V%d; the vocabulary of bytes has %d entries or "
                       "more", c.vocab, LEAST);
    if (o->type && !(ch_dtype_by_name(&type, o->type) && ch_dtype_get(type)->encode))
        return ch_fail(e, CH_EARG, "there is no format \"%.20s\" to write", o->type);
    ch_model *m;
    rc = ch_model_create(&m, &c, o->seed, NULL, e);
    if (rc < 0)
        return rc;
    if (o->noise > 0)
        ch_model_shake(m, o->seed, o->noise);
    rc = write_model(m, o, type, tk, e);
    ch_model_free(&m);
    if (rc == CH_OK)
        fprintf(stderr, "%s: %s, %.2f M parameters\n", o->out, arch,
                (double)ch_model_count(&c, true) / 1e6);
    return rc;
}

int ch_cmd_init(int argc, char **argv)
{
    struct options o = {0};
    const char *args[1];
    int n;
    const int code = ch_cli_parse(&o, args, &n, argc, argv, &usage);
    if (code >= 0)
        return code;
    if (!o.out)
        return ch_cli_usage("init", "where to? (-o OUT.gguf)");
    ch_err e = {0};
    ch_tokenizer *tk = NULL;
    int rc = o.tokenizer ? ch_tokenizer_open(&tk, o.tokenizer, NULL, &e) : CH_OK;
    if (rc == CH_OK)
        rc = make(args[0], &o, tk, &e);
    ch_tokenizer_close(&tk);
    return rc < 0 ? ch_cli_fail(&e) : CH_EXIT_OK;
}
