/* cmd_eval.c - chalcis eval choice: questions with choices
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"
#include "eval.h"

#include <string.h>

struct options {
    const char *model, *tokenizer, *lora, *data;
    int threads;
    bool json;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "MODEL", "a GGUF file or a Hugging Face folder [the bundled one]", 0, 0},
    {0, "lora", CH_OPT_STR, O(lora), "DIR[=SCALE]", "an adapter, as PEFT keeps them", 0, 0},
    {'d', "data", CH_OPT_STR, O(data), "FILE", "lines of {prompt, choices, answer}", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "vocabulary of a model that carries none [beside it]", 0, 0},
    {'t', "threads", CH_OPT_INT, O(threads), "N", "threads; never changes the result [one per CPU]", 0, 1024},
    {0, "json", CH_OPT_FLAG, O(json), NULL, "one JSON object", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "eval choice [-m MODEL] [--lora DIR] --data FILE.jsonl [--json]",
    .about = "The share of questions where the right choice is likelier than every other as the "
             "answer to the prompt, with its\n95 % interval (Wilson).  A tie is wrong.",
    .opts = opts,
    .least_args = 1,
    .most_args = 1,
};

static int print(const ch_choice *c, bool json)
{
    const double share = (double)c->right / (double)c->questions;
    if (json)
        return ch_cli_print_json(json_pack("{s:I, s:I, s:f, s:f, s:f}", "questions",
                                           (json_int_t)c->questions, "right",
                                           (json_int_t)c->right, "accuracy", share, "low", c->low,
                                           "high", c->high));
    printf("%llu of %llu right: accuracy %.4f (95 %%: %.4f to %.4f)\n",
           (unsigned long long)c->right, (unsigned long long)c->questions, share, c->low, c->high);
    return CH_EXIT_OK;
}

static int run(const struct options *o)
{
    ch_err e = {0};
    char path[4096];
    ch_model *m = NULL;
    ch_lora *l = NULL;
    ch_tokenizer *tk = NULL;
    ch_choice c;
    int rc = ch_cli_model_path(path, sizeof path, o->model, &e);
    if (rc == CH_OK)
        rc = ch_model_open(&m, path, o->threads, &e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&tk, path, o->tokenizer, &e);
    if (rc == CH_OK)
        rc = ch_cli_lora(&l, m, o->lora, &e);
    const ch_session_options so = {.threads = o->threads, .lora = l};
    if (rc == CH_OK)
        rc = ch_eval_choice(&c, m, tk, o->data, &so, &e);
    ch_lora_close(&l);
    ch_model_close(&m);
    ch_tokenizer_close(&tk);
    return rc < 0 ? ch_cli_fail(&e) : print(&c, o->json);
}

int ch_cmd_eval(int argc, char **argv)
{
    struct options o = {0};
    const char *args[1];
    int n_args;
    const int rc = ch_cli_parse(&o, args, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (strcmp(args[0], "choice") != 0)
        return ch_cli_usage("eval", "there is no measure \"%.40s\"; there is choice", args[0]);
    if (!o.data)
        return ch_cli_usage("eval", "--data FILE is missing");
    return run(&o);
}
