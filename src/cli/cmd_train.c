/* cmd_train.c - chalcis train: a model from text
 *
 * SPDX-License-Identifier: MIT */
#include "chalcis_train.h"
#include "cli.h"

#include <math.h>
#include <string.h>

struct options {
    ch_train_options t;
    ch_list data;
    bool quiet, json;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'d', "data", CH_OPT_LIST, O(data), "PATH", "a text file, a .jsonl, or a folder of them; several are fine", 0, 0},
    {'o', "out", CH_OPT_STR, O(t.out), "DIR", "the run: checkpoints, metrics.jsonl, model.gguf", 0, 0},
    {0, "resume", CH_OPT_FLAG, O(t.resume), NULL, "go on from the run's last checkpoint", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(t.tokenizer), "FILE", "a vocabulary to use [trained on the data]", 0, 0},
    {0, "vocab", CH_OPT_INT, O(t.vocab), "N", "entries of a trained vocabulary [4096]", 258, 65536},
    {0, "held-out", CH_OPT_REAL, O(t.held_out), "X", "share of documents kept for validation [0.02]", 1e-6, 0.5},
    {0, "arch", CH_OPT_STR, O(t.arch), "NAME", "llama or qwen3 [qwen3]", 0, 0},
    {0, "layers", CH_OPT_INT, O(t.layers), "N", "layers [6]", 1, 1024},
    {0, "width", CH_OPT_INT, O(t.width), "N", "width [256]", 1, 65536},
    {0, "heads", CH_OPT_INT, O(t.heads), "N", "query heads [4]", 1, 1024},
    {0, "kv-heads", CH_OPT_INT, O(t.kv_heads), "N", "key heads [2]", 1, 1024},
    {0, "head-width", CH_OPT_INT, O(t.head_width), "N", "width of a head [64]", 1, 1024},
    {0, "hidden", CH_OPT_INT, O(t.hidden), "N", "hidden width [1024]", 1, 262144},
    {0, "untied", CH_OPT_FLAG, O(t.untied), NULL, "a head of its own instead of the embedding table", 0, 0},
    {0, "length", CH_OPT_INT, O(t.length), "N", "tokens in a sequence [256]", 2, 65536},
    {0, "micro-batch", CH_OPT_INT, O(t.micro_batch), "N", "sequences computed at once [8]", 1, 65536},
    {0, "accumulate", CH_OPT_INT, O(t.accumulate), "N", "micro-batches in a step, a power of two [2]", 1, 32768},
    {0, "steps", CH_OPT_INT, O(t.steps), "N", "optimizer steps [one pass over the data]", 1, 1e9},
    {0, "tokens", CH_OPT_REAL, O(t.tokens), "N", "tokens to see, instead of steps", 1, 1e15},
    {0, "lr", CH_OPT_REAL, O(t.lr), "X", "peak learning rate [2e-3]", 1e-12, 10},
    {0, "lr-end", CH_OPT_REAL, O(t.lr_end), "X", "share of it at the end of the cosine [0.1]", 1e-12, 1},
    {0, "warmup", CH_OPT_REAL, O(t.warmup), "X", "share of steps to reach it [0.02]", 1e-12, 1},
    {0, "weight-decay", CH_OPT_REAL, O(t.weight_decay), "X", "on matrices [0.1]", 1e-12, 10},
    {0, "clip", CH_OPT_REAL, O(t.clip), "X", "largest gradient norm [1]", 1e-12, 1e12},
    {0, "seed", CH_OPT_U64, O(t.seed), "S", "same seed, same model [0]", 0, 0},
    {'t', "threads", CH_OPT_INT, O(t.threads), "N", "threads; never changes the model [one per CPU]", 0, 1024},
    {0, "eval-every", CH_OPT_INT, O(t.eval_every), "N", "steps between validations [a twentieth of the run]", 1, 1e9},
    {0, "save-every", CH_OPT_INT, O(t.save_every), "N", "steps between checkpoints [a tenth of the run]", 1, 1e9},
    {'q', "quiet", CH_OPT_FLAG, O(quiet), NULL, "no progress", 0, 0},
    {0, "json", CH_OPT_FLAG, O(json), NULL, "the result as one JSON object", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "train --data PATH [--data PATH ...] --out DIR [options]",
    .about = "Trains a tokenizer and a transformer on text.  Ctrl-C saves and stops; --resume "
             "goes on, to the same bits as\n"
             "if nothing had happened.",
    .opts = opts,
};

/* ---- Progress: a bar on a terminal, plain lines otherwise ---------------------------------- */

struct progress {
    bool tty;
    uint64_t last_ns;
    const char *last_phase;
};

static void time_text(char *out, size_t size, double s)
{
    if (!(s >= 0 && s < 1e8))
        snprintf(out, size, "?");
    else if (s < 3600)
        snprintf(out, size, "%d:%02d", (int)s / 60, (int)s % 60);
    else
        snprintf(out, size, "%d:%02d:%02d", (int)(s / 3600), (int)s / 60 % 60, (int)s % 60);
}

static void show(void *arg, const ch_train_progress *p)
{
    struct progress *g = arg;
    const uint64_t now = ch_clock_ns();
    const bool training = strcmp(p->phase, "training") == 0;
    const bool new_phase = !g->last_phase || strcmp(g->last_phase, p->phase) != 0;
    const uint64_t pause = g->tty ? 200000000u : 10000000000u;
    if (!new_phase && now - g->last_ns < pause && p->step != p->steps)
        return;
    if (new_phase && !training && !g->tty && g->last_phase &&
        strcmp(g->last_phase, "training") == 0)
        return; /* evaluating, saving: no line of their own in a log */
    g->last_ns = now;
    g->last_phase = p->phase;
    if (training && p->step == 0)
        return; /* no loss yet */
    if (!training) {
        fprintf(stderr, g->tty ? "\r\033[K%s" : "%s\n", p->phase);
        return;
    }
    enum { WIDE = 24 };
    char bar[WIDE + 1], eta[32], val[32] = "";
    for (int i = 0; i < WIDE; i++)
        bar[i] = (int64_t)i * p->steps < (int64_t)p->step * WIDE ? '#' : '.';
    bar[WIDE] = '\0';
    time_text(eta, sizeof eta, p->eta_s);
    if (isfinite(p->val_loss))
        snprintf(val, sizeof val, "  val %.4f", p->val_loss);
    fprintf(stderr, "%s%s %d/%d  loss %.4f%s  lr %.2e  |g| %.2f  %.0f tok/s  eta %s%s",
            g->tty ? "\r\033[K" : "", bar, p->step, p->steps, p->loss, val, p->lr, p->grad_norm,
            p->tok_s, eta, g->tty ? "" : "\n");
}

static int finish(const struct options *o, const ch_train_result *r, const struct progress *g)
{
    if (g->tty && g->last_phase)
        fputc('\n', stderr);
    const int code = ch_cli_interrupted ? CH_EXIT_INTERRUPTED : CH_EXIT_OK;
    if (o->json) {
        const int printed = ch_cli_print_json(json_pack(
            "{s:i, s:I, s:I, s:o, s:o, s:o, s:f, s:s}", "steps", r->steps, "tokens",
            (json_int_t)r->tokens, "parameters", (json_int_t)r->parameters, "loss",
            ch_cli_number(r->loss), "val_loss", ch_cli_number(r->val_loss), "val_bpb",
            ch_cli_number(r->val_bpb), "seconds", r->seconds, "out", o->t.out));
        return printed == CH_EXIT_OK ? code : printed;
    }
    printf("%d steps, %.2f M tokens, %.2f M parameters, %.0f s: loss %.4f, validation %.4f nats a "
           "token (%.4f bits a byte)\n",
           r->steps, (double)r->tokens / 1e6, (double)r->parameters / 1e6, r->seconds, r->loss,
           r->val_loss, r->val_bpb);
    if (!ch_cli_interrupted)
        printf("the model is in %s/model.gguf: chalcis run -m %s/model.gguf\n", o->t.out,
               o->t.out);
    else
        printf("interrupted; go on with the same command and --resume\n");
    return code;
}

int ch_cmd_train(int argc, char **argv)
{
    struct options o = {0};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (!o.data.n || !o.t.out)
        return ch_cli_usage("train", "%s is missing", o.data.n ? "--out DIR" : "--data PATH");
    struct progress g = {.tty = ch_cli_tty(stderr)};
    o.t.data = o.data.at;
    o.t.n_data = o.data.n;
    o.t.cancel = (const volatile int *)&ch_cli_interrupted;
    o.t.progress = o.quiet ? NULL : show;
    o.t.progress_arg = &g;
    ch_cli_catch_interrupts(NULL);
    ch_train_result r;
    ch_err e = {0};
    if (ch_train(&r, &o.t, &e) < 0) {
        if (g.tty && g.last_phase)
            fputc('\n', stderr);
        return ch_cli_fail(&e);
    }
    return finish(&o, &r, &g);
}
