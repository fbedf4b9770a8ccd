/* cmd_train.c - chalcis train: a model from text; and the same from a model that there is
 * (cmd_finetune.c)
 *
 * SPDX-License-Identifier: MIT */
#include "cli.h"
#include "option.h"
#include "report.h"
#include "train_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CONFIG_MOST = 1 << 20 };

struct options {
    ch_train_options t;
    ch_list data, validation;
    const char *config;
    bool quiet, json, learn_prompts;
    bool seed_said; /* 0 is a seed, too, and a flag goes before the file */
    const char *command;
    char model[4096]; /* the bundled one's path */
};

#define O(f) offsetof(struct options, f)
#define ROW_INT(name) CH_OPT_CALL, 0
#define ROW_NUMBER(name) CH_OPT_CALL, 0
#define ROW_TEXT(name) CH_OPT_CALL, 0
#define ROW_SEED(name) CH_OPT_CALL, 0
#define ROW_FLAG(name) CH_OPT_FLAG, O(t.name)
static const ch_opt opts[] = {
    {'d', "data", CH_OPT_LIST, O(data), "PATH", "text, .json, .jsonl, or a folder of them; several are fine, PATH=WEIGHT too", 0, 0},
    {0, "validation", CH_OPT_LIST, O(validation), "PATH", "texts to hold out, wherever else they are found, instead of a share", 0, 0},
    {0, "config", CH_OPT_STR, O(config), "FILE", "options as JSON; flags and the environment go before them", 0, 0},
    {'q', "quiet", CH_OPT_FLAG, O(quiet), NULL, "no progress", 0, 0},
    {0, "json", CH_OPT_FLAG, O(json), NULL, "the result as one JSON object", 0, 0},
    {0, "learn-prompts", CH_OPT_FLAG, O(learn_prompts), NULL, "finetune: prompts are targets, too", 0, 0},
#define GROUP(title) {0, "", CH_OPT_TITLE, 0, NULL, title, 0, 0},
#define OPTION(name, letter, kind, normal, min, max, off, stored, env, value, help)               \
    {letter, #name, ROW_##kind(name), value, help, 0, 0},
#define ALIAS(other, name) {0, #other, CH_OPT_CALL, 0, #name, NULL, 0, 0},
#include "options.def"
    {0, "data_path", CH_OPT_LIST, O(data), "data", NULL, 0, 0},
    {0},
};
#undef O
#undef ROW_INT
#undef ROW_NUMBER
#undef ROW_TEXT
#undef ROW_SEED
#undef ROW_FLAG

static int set_option(void *into, const ch_opt *opt, const char *text)
{
    struct options *o = into;
    const char *name = opt->help ? opt->name : opt->value;
    char flag[48];
    ch_err e = {0};
    snprintf(flag, sizeof flag, "--%s", opt->name);
    for (char *c = flag; *c; c++)
        *c = *c == '_' ? '-' : *c;
    ch_option_clear(&o->t, ch_option_find(name));
    o->seed_said |= strcmp(name, "seed") == 0;
    return ch_train_option_parse(&o->t, name, text, flag, &e) < 0
               ? ch_cli_usage(o->command, "%s", e.text)
               : -1;
}

/* Options and the environment's names for them, NULL where there is none. */
static const char *const variables[][2] = {
#define OPTION(name, letter, kind, normal, min, max, off, stored, env, value, help) {#name, env},
#include "options.def"
};

static void print_variables(void)
{
    puts("\nread from the environment where there is no flag and no run to go on with:");
    for (size_t i = 0; i < CH_COUNT(variables); i++)
        if (variables[i][1])
            printf("  %-18s %s\n", variables[i][1], variables[i][0]);
}

/* Parameters are counted from the weight tables. */
static void print_presets(void)
{
    static const char *const names[] = {
#define PRESET(name, layers, width, head_width) #name,
#include "options.def"
    };
    puts("\npresets, with 4096 entries of vocabulary:");
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        ch_train_options o = {.preset = names[i], .vocab = 4096};
        if (ch_train_settle(&o, NULL, NULL) < 0)
            continue;
        const ch_config c = ch_train_config(&o);
        printf("  %-8s %2d layers, width %3d: %6.2f M parameters\n", names[i], o.layers, o.width,
               (double)ch_model_count(&c, true) / 1e6);
    }
    print_variables();
}

static const ch_usage usage = {
    .synopsis = "train --data PATH [--data PATH ...] --out DIR [options]",
    .about = "Trains a tokenizer and a transformer on text.  Ctrl-C saves and stops; --resume "
             "goes on, to the same bits as\n"
             "if nothing had happened.",
    .opts = opts,
    .set = set_option,
    .more = print_presets,
};

static const ch_usage finetune_usage = {
    .synopsis = "finetune [-m MODEL] --data PATH [--data PATH ...] --out DIR [--lora RANK] [options]",
    .about = "Goes on training a model, or a low-rank adapter on it, with its vocabulary and shape; of "
             "prompts and responses,\nand of chats, only what the assistant says is learned.  Peak "
             "learning rate: 3e-4, of an adapter 2e-3.",
    .opts = opts,
    .set = set_option,
    .more = print_variables,
};

/* ---- Options from elsewhere: flags beat the environment beats the file ---------------------- */

/* How long to train is said by one option of several, and by the first layer that says it. */
static bool is_length(const char *name)
{
    static const char *const names[] = {"steps", "tokens", "epochs", "hours"};
    for (size_t i = 0; i < CH_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool says_length(const ch_train_options *o)
{
    return o->steps > 0 || o->tokens > 0 || o->epochs > 0 || o->hours > 0;
}

static int from_environment(ch_train_options *o, ch_err *e)
{
    const bool said = says_length(o);
    for (size_t i = 0; i < CH_COUNT(variables); i++) {
        const char *name = variables[i][0], *variable = variables[i][1];
        const char *text = variable ? getenv(variable) : NULL;
        if (!text || !*text || (is_length(name) && said))
            continue;
        if (o->resume && (is_length(name) || ch_option_find(name)->stored))
            continue; /* a run goes on as it began: nobody said otherwise */
        const int rc = ch_train_option_parse(o, name, text, variable, e);
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

static int paths_from_file(ch_list *to, const json_t *v, const char *key, const char *file,
                           ch_err *e)
{
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (to->n > 0)
        return CH_OK;
    for (size_t i = 0; i < n; i++) {
        const char *path = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        if (!path || to->n == (int)CH_COUNT(to->at))
            return ch_fail(e, CH_EARG, "%s: %s has to be a path, or an array of up to %zu", file,
                           key, CH_COUNT(to->at));
        to->at[to->n++] = path;
    }
    return CH_OK;
}

/* Strings in o are those of *config from then on. */
static int from_file(struct options *o, json_t **config, ch_err *e)
{
    const char *key;
    json_t *v;
    int rc = ch_json_load(config, o->config, CONFIG_MOST, e);
    if (rc == CH_OK && !json_is_object(*config))
        rc = ch_fail(e, CH_EARG, "%s: options are an object", o->config);
    if (rc < 0)
        return rc;
    const bool said = says_length(&o->t);
    json_object_foreach(*config, key, v) {
        if ((said && is_length(key)) || (o->seed_said && strcmp(key, "seed") == 0))
            continue;
        if (strcmp(key, "mask_prompts") == 0 && json_is_false(v) && !o->t.mask_prompts)
            o->learn_prompts = true; /* what finetune masks unless it is told not to */
        ch_list *paths = strcmp(key, "data") == 0         ? &o->data
                         : strcmp(key, "validation") == 0 ? &o->validation
                                                          : NULL;
        rc = paths ? paths_from_file(paths, v, key, o->config, e)
                   : ch_train_option_set(&o->t, key, v, o->config, e);
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}

/* Of resident memory, since the program began. */
static long peak_mib(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_maxrss / 1024 : 0;
}

static int finish(const struct options *o, const ch_train_result *r)
{
    const int code = ch_cli_interrupted && !r->finished ? CH_EXIT_INTERRUPTED : CH_EXIT_OK;
    if (o->json) {
        const int printed = ch_cli_print_json(json_pack(
            "{s:i, s:I, s:I, s:o, s:o, s:o, s:f, s:I, s:b, s:I, s:o}", "steps", r->steps, "tokens",
            (json_int_t)r->tokens, "parameters", (json_int_t)r->parameters, "loss",
            ch_cli_number(r->loss), "val_loss", ch_cli_number(r->val_loss), "val_bpb",
            ch_cli_number(r->val_bpb), "seconds", r->seconds, "skipped", (json_int_t)r->skipped,
            "finished", r->finished, "peak_mib", (json_int_t)peak_mib(), "out",
            ch_cli_string(o->t.out, strlen(o->t.out))));
        return printed == CH_EXIT_OK ? code : printed;
    }
    char tokens[16], parameters[16], adapter[4200];
    snprintf(adapter, sizeof adapter, "%s/adapter_config.json", o->t.out);
    ch_report_count(tokens, sizeof tokens, (double)r->tokens);
    ch_report_count(parameters, sizeof parameters, (double)r->parameters);
    printf("%d steps, %s tokens, %s parameters, %.0f s", r->steps, tokens, parameters, r->seconds);
    if (isfinite(r->loss))
        printf(", loss %.4f", r->loss);
    if (isfinite(r->val_loss))
        printf(", validation %.4f nats a token (%.4f bits a byte)\n", r->val_loss, r->val_bpb);
    else
        puts(r->finished ? " (nothing was held out to validate on)" : " (not validated yet)");
    if (r->skipped)
        printf("%lld steps were left out as spikes\n", (long long)r->skipped);
    if (!r->finished)
        puts("stopped before the end; go on with the same command and --resume");
    else if (o->t.lora && o->t.from)
        printf("the adapter is in %s: chalcis run -m %s --lora %s --chat\n", o->t.out, o->t.from,
               o->t.out);
    else if (ch_io_exists(adapter)) /* resumed: the run knows the model, the flags need not */
        printf("the adapter is in %s\n", o->t.out);
    else
        printf("the model is in %s/model.gguf: chalcis run -m %s/model.gguf\n", o->t.out,
               o->t.out);
    return code;
}

static int train(struct options *o, ch_err *e)
{
    ch_train_view view;
    ch_train_view_open(&view, o->quiet);
    o->t.data = o->data.at;
    o->t.n_data = o->data.n;
    o->t.validation = o->validation.at;
    o->t.n_validation = o->validation.n;
    o->t.cancel = (const volatile int *)&ch_cli_interrupted;
    o->t.progress = ch_train_view_progress;
    o->t.progress_arg = &view;
    ch_cli_catch_interrupts(NULL);
    ch_train_result r;
    int rc = ch_train_view_watch(&view, &o->t, e);
    if (rc == CH_OK)
        rc = ch_train(&r, &o->t, e);
    ch_train_view_close(&view);
    if (rc == CH_OK)
        ch_train_view_curve(o->t.out, o->quiet);
    return rc < 0 ? ch_cli_fail(e) : finish(o, &r);
}

/* What a run that continues from a model has besides; a resumed one has its own. */
static int settle_finetune(struct options *o, ch_err *e)
{
    if (o->t.resume)
        return CH_OK;
    o->t.mask_prompts = !o->learn_prompts;
    if (o->t.from)
        return CH_OK;
    o->t.from = o->model;
    return ch_cli_model_path(o->model, sizeof o->model, NULL, e);
}

int ch_cli_train(int argc, char **argv, bool finetune)
{
    struct options o = {.command = finetune ? "finetune" : "train"};
    json_t *config = NULL;
    ch_err e = {0};
    int n_args;
    int code = ch_cli_parse(&o, NULL, &n_args, argc, argv, finetune ? &finetune_usage : &usage);
    if (code >= 0)
        return code;
    int rc = from_environment(&o.t, &e);
    if (rc == CH_OK && o.config)
        rc = from_file(&o, &config, &e);
    if (rc < 0)
        code = ch_cli_usage(o.command, "%s", e.text);
    else if (!finetune && o.learn_prompts)
        code = ch_cli_usage(o.command, "--learn-prompts is finetune's; train learns them unless it "
                                       "is told --mask-prompts");
    else if (!o.data.n || !o.t.out)
        code = ch_cli_usage(o.command, "%s is missing", o.data.n ? "--out DIR" : "--data PATH");
    else if (finetune && settle_finetune(&o, &e) < 0)
        code = ch_cli_fail(&e);
    else
        code = train(&o, &e);
    json_decref(config);
    return code;
}

int ch_cmd_train(int argc, char **argv)
{
    return ch_cli_train(argc, argv, false);
}
