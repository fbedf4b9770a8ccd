/* cmd_eval.c - chalcis eval: how good a model is, on files of items
 *
 * SPDX-License-Identifier: MIT */
#include "bar.h"
#include "eval_report.h"

#include <stdlib.h>
#include <string.h>

enum {
    FILES_MOST = 64,
    SETS_APART = 1 << 20 /* seeds of two sets: what is drawn of one says nothing of the other; half
                          * as far are those of two models that have not the same items */
};

struct options {
    const char *model, *against, *tokenizer, *task, *k_type, *v_type, *details;
    ch_list lora;
    int threads, context;
    bool json, quiet;
    ch_eval_options eval;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    CH_OPTS_MODEL(O(model), O(tokenizer), O(lora)),
    {0, "against", CH_OPT_STR, O(against), "MODEL", "a second model; differences come from the same items", 0, 0},
    {0, "task", CH_OPT_STR, O(task), "NAME", "what the files are [as their first record says]", 0, 0},
    {0, "limit", CH_OPT_INT, O(eval.limit), "N", "items of each set, spread evenly [all]", 1, 1e9},
    {0, "shots", CH_OPT_INT, O(eval.shots), "N", "examples before each question, out of its set [none]", 0, 64},
    {0, "shots-file", CH_OPT_STR, O(eval.shots_file), "FILE", "take the examples from this one", 0, 0},
    {0, "template", CH_OPT_STR, O(eval.template), "TEXT", "how a question is put; {} is its text, \\n a new line", 0, 0},
    {0, "labels", CH_OPT_STR, O(eval.labels), "A=X,B=Y", "classify: the words that stand for labels [the labels]", 0, 0},
    {0, "pmi", CH_OPT_FLAG, O(eval.pmi), NULL, "classify: how much likelier the text makes a word", 0, 0},
    {0, "chat", CH_OPT_FLAG, O(eval.chat), NULL, "questions are what a user says, in the vocabulary's chat format", 0, 0},
    {'n', "count", CH_OPT_INT, O(eval.count), "N", "most tokens of a written answer [256]", 1, 1e9},
    {'c', "context", CH_OPT_INT, O(context), "N", "most tokens of a question with its answer [the model's, at most 4096]", 2, 1e9},
    {0, "window", CH_OPT_INT, O(eval.window), "N", "bits_per_byte: tokens in a window [512]", 2, 1e9},
    {0, "stride", CH_OPT_INT, O(eval.stride), "N", "bits_per_byte: tokens from one window to the next [half of it]", 1, 1e9},
    {'s', "seed", CH_OPT_U64, O(eval.seed), "S", "which examples, and the draws of intervals [0]", 0, 0},
    {0, "details", CH_OPT_STR, O(details), "FILE", "choice, pairs, classify: every log-likelihood and its tokens, as JSONL", 0, 0},
    CH_OPTS_CACHE(O(k_type), O(v_type)),
    CH_OPT_THREADS(O(threads), "the result"),
    {'q', "quiet", CH_OPT_FLAG, O(quiet), NULL, "no progress", 0, 0},
    CH_OPT_JSON(O(json)),
    {0},
};
#undef O

static void list_tasks(void)
{
    puts("\ntasks:");
    for (const ch_task *t = ch_tasks; t->name; t++)
        printf("  %-14s %s\n", t->name, t->help);
}

static const ch_usage usage = {
    .synopsis = "eval [-m MODEL] [--task NAME] [options] FILE...",
    .about = "Scores a model on files, or directories, of items: questions with choices, minimal "
             "pairs, texts with labels,\n"
             "questions with answers, texts with summaries or translations (JSONL), NAME.pos with "
             "NAME.neg, plain texts.\n"
             "Every score has a 95 % interval.  Of several files of one task the mean is told too.",
    .opts = opts,
    .least_args = 1,
    .most_args = FILES_MOST,
    .more = list_tasks,
};

struct telling {
    ch_bar bar;
    const char *what;
};

static void tell(void *arg, int64_t done, int64_t of)
{
    struct telling *t = arg;
    ch_bar_show(&t->bar, t->what, done, of, NULL, 0);
}

/* ---- Details --------------------------------------------------------------------------------- */

struct details {
    ch_writer to;
    const char *model;
    ch_buf line;
    ch_err e; /* the first failure */
};

static void tell_detail(void *arg, const ch_detail *d)
{
    struct details *to = arg;
    const ch_query *q = d->query;
    json_t *tokens = json_array();
    for (int i = 0; i < q->n; i++)
        json_array_append_new(tokens, json_integer(q->id[i]));
    json_t *v = json_pack("{s:o, s:o, s:I, s:i, s:o, s:i, s:o}", "model",
                          ch_cli_string(to->model, strlen(to->model)), "file",
                          ch_cli_string(d->file, strlen(d->file)), "line", (json_int_t)d->line,
                          "which", d->which, "tokens", tokens, "from", q->from, "log_p",
                          ch_cli_number(q->log_p));
    ch_buf_clear(&to->line);
    if (to->e.code == CH_OK && (!v || json_array_size(tokens) != (size_t)q->n))
        ch_fail(&to->e, CH_ENOMEM, "no memory for the details of %s", d->file);
    if (to->e.code == CH_OK && ch_json_dump(&to->line, v, &to->e) == CH_OK) {
        ch_io_write(&to->to, to->line.data, to->line.size);
        ch_io_write(&to->to, "\n", 1);
    }
    json_decref(v);
}

static int open_details(struct details *d, const char *path, ch_err *e)
{
    *d = (struct details){0};
    ch_buf_init(&d->line, SIZE_MAX / 2);
    return path ? ch_io_create(&d->to, path, e) : CH_OK;
}

/* rc: of all that was to be told. */
static int close_details(struct details *d, const char *path, int rc, ch_err *e)
{
    if (rc == CH_OK && d->e.code < 0)
        rc = ch_fail(e, d->e.code, "%s", d->e.text);
    ch_buf_close(&d->line);
    if (!path)
        return rc;
    if (rc == CH_OK)
        return ch_io_commit(&d->to, e);
    ch_io_abandon(&d->to);
    return rc;
}

/* ---- Running --------------------------------------------------------------------------------- */

/* All sets with one model; m: 0, or 1 for the one it is set against. */
static int run_model(ch_eval_report *r, const ch_sets *sets, const struct options *o, int m,
                     const char *path, struct details *details, ch_err *e)
{
    ch_model *model = NULL;
    ch_lora *lora = NULL;
    ch_tokenizer *tk = NULL;
    struct telling t;
    ch_bar_open(&t.bar, o->quiet ? NULL : stderr);
    int rc = ch_cli_open_model(&model, path, o->threads, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&tk, path, o->tokenizer, e);
    if (rc == CH_OK && m == 0)
        rc = ch_cli_lora(&lora, model, &o->lora, e);
    const ch_session_options so = {.threads = o->threads, .context = o->context,
                                   .k_type = o->k_type, .v_type = o->v_type, .lora = lora};
    ch_eval_options eval = o->eval;
    eval.told = tell;
    eval.arg = &t;
    details->model = path;
    eval.detail = o->details ? tell_detail : NULL;
    eval.detail_arg = details;
    for (size_t i = 0; i < sets->n && rc == CH_OK; i++) {
        ch_set_result *to = &r->at[i];
        to->set = &sets->at[i];
        t.what = to->set->name;
        rc = ch_eval_run(&to->stats[m], model, tk, &so, to->set, &eval, e);
        if (rc == CH_OK && m == 1 && to->stats[0].window != to->stats[1].window)
            rc = ch_fail(e, CH_EARG, "%s: one model sees windows of %d tokens, the other of %d; "
                                     "--window sets it for both", to->set->path[0],
                         to->stats[0].window, to->stats[1].window);
        uint64_t seed = o->eval.seed + i * SETS_APART;
        if (m == 1 && !ch_stats_paired(&to->stats[0], &to->stats[1]))
            seed += SETS_APART / 2;
        if (rc == CH_OK)
            rc = ch_eval_scores(to->scores[m], &to->n_scores, to->set, &to->stats[m], seed, e);
    }
    ch_bar_close(&t.bar);
    ch_lora_close(&lora);
    ch_tokenizer_close(&tk);
    ch_model_close(&model);
    return rc;
}

/* An option that none of the sets' tasks looks at would change nothing, and not say so. */
static int check_used(const struct options *o, const ch_sets *sets)
{
#define QUESTIONS " choice classify exact summary translation "
    const ch_eval_options *v = &o->eval;
    const struct {
        const char *name, *tasks;
        bool given;
    } all[] = {{"limit", QUESTIONS "pairs ", v->limit > 0},
               {"shots", QUESTIONS, v->shots > 0},
               {"shots-file", QUESTIONS, v->shots_file != NULL},
               {"template", QUESTIONS, v->template != NULL},
               {"chat", QUESTIONS, v->chat},
               {"labels", " classify ", v->labels != NULL},
               {"pmi", " classify ", v->pmi},
               {"details", " choice pairs classify ", o->details != NULL},
               {"count", " exact summary translation ", v->count > 0},
               {"window", " bits_per_byte ", v->window > 0},
               {"stride", " bits_per_byte ", v->stride > 0}};
#undef QUESTIONS
    if (v->shots_file && v->shots == 0)
        return ch_cli_usage("eval", "--shots-file wants --shots N");
    for (size_t k = 0; k < CH_COUNT(all); k++) {
        bool used = !all[k].given;
        for (size_t i = 0; i < sets->n && !used; i++) {
            char task[64];
            snprintf(task, sizeof task, " %s ", sets->at[i].task->name);
            used = strstr(all[k].tasks, task) != NULL;
        }
        if (!used)
            return ch_cli_usage("eval", "--%s is not used by the task %s; it is by%s", all[k].name,
                                sets->at[0].task->name, all[k].tasks);
    }
    return CH_OK;
}

static int run(const struct options *o, const char *const *files, int n)
{
    ch_err e = {0};
    char path[2][4096];
    ch_sets sets = {0};
    ch_eval_report r = {.model = path[0], .against = o->against ? path[1] : NULL, .json = o->json};
    int rc = ch_cli_model_path(path[0], sizeof path[0], o->model, &e);
    if (rc == CH_OK && o->against)
        rc = ch_cli_model_path(path[1], sizeof path[1], o->against, &e);
    if (rc == CH_OK)
        rc = ch_sets_open(&sets, files, n, o->task ? ch_task_find(o->task) : NULL, &e);
    const int wrong = rc == CH_OK ? check_used(o, &sets) : CH_OK;
    if (wrong != CH_OK) {
        ch_sets_close(&sets);
        return wrong;
    }
    r.n = sets.n;
    r.at = calloc(sets.n + 1, sizeof *r.at);
    if (rc == CH_OK && !r.at)
        rc = ch_fail(&e, CH_ENOMEM, "no memory for the scores of %zu sets", sets.n);
    struct details details;
    if (rc == CH_OK) {
        rc = open_details(&details, o->details, &e);
        const bool opened = rc == CH_OK;
        for (int m = 0; m <= (o->against != NULL) && rc == CH_OK; m++)
            rc = run_model(&r, &sets, o, m, path[m], &details, &e);
        if (opened)
            rc = close_details(&details, o->details, rc, &e);
    }
    const int code = rc < 0 ? ch_cli_fail(&e) : ch_eval_print(&r);
    for (size_t i = 0; r.at && i < r.n; i++)
        for (int m = 0; m < 2; m++) {
            ch_scores_free(r.at[i].scores[m], CH_SCORES_MOST);
            ch_stats_free(&r.at[i].stats[m]);
        }
    free(r.at);
    ch_sets_close(&sets);
    return code;
}

int ch_cmd_eval(int argc, char **argv)
{
    struct options o = {0};
    const char *files[FILES_MOST];
    int n;
    const int rc = ch_cli_parse(&o, files, &n, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    if (o.task && !ch_task_find(o.task))
        return ch_cli_usage("eval", "there is no task \"%.40s\"; chalcis eval --help lists them",
                            o.task);
    return run(&o, files, n);
}
