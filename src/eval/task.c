/* task.c - running a task, and what its numbers come to
 *
 *     balanced accuracy = mean over classes of the share of it that was found
 *     macro F1          = mean over classes of 2 TP / (2 TP + FP + FN), of those that are only
 *                         predicted too
 *
 * SPDX-License-Identifier: MIT */
#include "task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const ch_task ch_tasks[] = {
#define TASK(name, key, asks, template, numbers, help) \
    {#name, key, asks, template, help, numbers, ch_task_##name, ch_scores_##name},
#include "tasks.def"
#undef TASK
    {0},
};

const ch_task *ch_task_find(const char *name)
{
    for (const ch_task *t = ch_tasks; t->name; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

/* ---- Scores ---------------------------------------------------------------------------------- */

static const double *picked(const ch_stats *s, const uint32_t *pick, size_t i)
{
    return s->at + (size_t)s->k * (pick ? pick[i] : i);
}

static double sum_of(int j, const ch_stats *s, const uint32_t *pick, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += picked(s, pick, i)[j];
    return sum;
}

static double mean0(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return sum_of(0, s, pick, n) / (double)n;
}

static double mean1(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return sum_of(1, s, pick, n) / (double)n;
}

static double mean2(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return sum_of(2, s, pick, n) / (double)n;
}

static double bits(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return sum_of(0, s, pick, n) / (log(2) * fmax(sum_of(1, s, pick, n), 1));
}

static double chrf_of(const ch_stats *s, const uint32_t *pick, size_t n, int words)
{
    double sum[CH_CHRF_STATS] = {0};
    for (size_t i = 0; i < n; i++) {
        const double *row = picked(s, pick, i);
        for (int j = 0; j < CH_CHRF_STATS; j++)
            sum[j] += row[j];
    }
    return ch_chrf(sum, words);
}

static double chrf(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return chrf_of(s, pick, n, 0);
}

static double chrf_words(const ch_stats *s, const uint32_t *pick, size_t n)
{
    return chrf_of(s, pick, n, CH_CHRF_WORDS);
}

/* ---- Classes --------------------------------------------------------------------------------- */

struct class {
    double has, found, predicted; /* items of it, of those the right ones, items said to be of it */
};

static double right_classes(const ch_stats *s, const uint32_t *pick, size_t n)
{
    double right = 0;
    for (size_t i = 0; i < n; i++) {
        const double *row = picked(s, pick, i);
        right += row[0] == row[1];
    }
    return right / (double)n;
}

static void count_classes(struct class c[CH_LABELS_MOST + 1], const ch_stats *s,
                          const uint32_t *pick, size_t n)
{
    memset(c, 0, (CH_LABELS_MOST + 1) * sizeof *c);
    for (size_t i = 0; i < n; i++) {
        const double *row = picked(s, pick, i);
        const int label = (int)row[0], predicted = (int)row[1];
        c[label].has++;
        c[predicted].predicted++;
        c[label].found += label == predicted;
    }
}

static double balanced(const ch_stats *s, const uint32_t *pick, size_t n)
{
    struct class c[CH_LABELS_MOST + 1];
    double sum = 0, classes = 0;
    count_classes(c, s, pick, n);
    for (int i = 0; i < CH_LABELS_MOST; i++)
        if (c[i].has > 0) {
            sum += c[i].found / c[i].has;
            classes++;
        }
    return classes > 0 ? sum / classes : 0;
}

static void balanced_interval(double *low, double *high, const ch_stats *s)
{
    struct class c[CH_LABELS_MOST + 1];
    ch_interval share[CH_LABELS_MOST], mean;
    int classes = 0;
    count_classes(c, s, NULL, s->n);
    for (int i = 0; i < CH_LABELS_MOST; i++)
        if (c[i].has > 0) {
            ch_interval *to = &share[classes++];
            to->value = c[i].found / c[i].has;
            ch_wilson(&to->low, &to->high, (uint64_t)c[i].found, (uint64_t)c[i].has);
        }
    ch_mean_interval(&mean, share, classes);
    *low = mean.low;
    *high = mean.high;
}

static double macro_f1(const ch_stats *s, const uint32_t *pick, size_t n)
{
    struct class c[CH_LABELS_MOST + 1];
    double sum = 0, classes = 0;
    count_classes(c, s, pick, n);
    for (int i = 0; i < CH_LABELS_MOST; i++)
        if (c[i].has + c[i].predicted > 0) {
            sum += 2 * c[i].found / (c[i].has + c[i].predicted);
            classes++;
        }
    return classes > 0 ? sum / classes : 0;
}

void ch_confusion(uint64_t *counts, int n_labels, const ch_stats *s)
{
    memset(counts, 0, (size_t)(n_labels * (n_labels + 1)) * sizeof *counts);
    for (size_t i = 0; i < s->n; i++) {
        const double *row = s->at + i * (size_t)s->k;
        counts[(int)row[0] * (n_labels + 1) + CH_MIN((int)row[1], n_labels)]++;
    }
}

const ch_score_info ch_scores_choice[] = {
    {"acc", mean0, CH_SHARE}, {"acc_norm", mean1, CH_SHARE}, {0}};
const ch_score_info ch_scores_pairs[] = {{"accuracy", mean0, CH_SHARE}, {0}};
const ch_score_info ch_scores_classify[] = {{"accuracy", right_classes, CH_SHARE},
                                            {"balanced_accuracy", balanced, CH_SHARES},
                                            {"macro_f1", macro_f1, CH_DRAWN},
                                            {0}};
const ch_score_info ch_scores_summary[] = {
    {"rouge1", mean0, CH_DRAWN}, {"rouge2", mean1, CH_DRAWN}, {"rougeL", mean2, CH_DRAWN}, {0}};
const ch_score_info ch_scores_translation[] = {
    {"chrf", chrf, CH_DRAWN}, {"chrf++", chrf_words, CH_DRAWN}, {0}};
const ch_score_info ch_scores_exact[] = {
    {"exact_match", mean0, CH_SHARE}, {"last_number", mean1, CH_SHARE}, {0}};
const ch_score_info ch_scores_bits_per_byte[] = {{"bits_per_byte", bits, CH_DRAWN}, {0}};

int ch_eval_scores(ch_score scores[CH_SCORES_MOST], int *n, const ch_set *set, const ch_stats *s,
                   uint64_t seed, ch_err *e)
{
    *n = 0;
    for (const ch_score_info *info = set->task->scores; info->name; info++) {
        ch_score *to = &scores[*n];
        *to = (ch_score){.name = info->name, .value = info->of(s, NULL, s->n)};
        to->draws = malloc(CH_DRAWS * sizeof *to->draws);
        int rc = to->draws ? ch_bootstrap(to->draws, s, info->of, seed, e)
                           : ch_fail(e, CH_ENOMEM, "no memory for the draws of a score");
        ++*n;
        if (rc < 0) {
            ch_scores_free(scores, *n);
            return rc;
        }
        if (info->kind == CH_SHARE)
            ch_wilson(&to->low, &to->high, (uint64_t)llround(to->value * (double)s->n), s->n);
        else if (info->kind == CH_SHARES)
            balanced_interval(&to->low, &to->high, s);
        else
            ch_draws_interval(&to->low, &to->high, to->draws);
    }
    return CH_OK;
}

bool ch_stats_paired(const ch_stats *a, const ch_stats *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && a->window && i < a->n; i++)
        same = a->at[i * (size_t)a->k + 1] == b->at[i * (size_t)b->k + 1];
    return same;
}

void ch_scores_free(ch_score *scores, int n)
{
    for (int i = 0; i < n; i++) {
        free(scores[i].draws);
        scores[i].draws = NULL;
    }
}

/* ---- Running --------------------------------------------------------------------------------- */

int ch_stats_open(ch_stats *s, size_t n, int k, ch_err *e)
{
    ch_stats_free(s);
    *s = (ch_stats){.at = calloc(n * (size_t)k + 1, sizeof(double)), .n = n, .k = k};
    return s->at ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for the numbers of %zu items", n);
}

void ch_stats_free(ch_stats *s)
{
    free(s->at);
    *s = (ch_stats){0};
}

double *ch_stats_row(ch_stats *s, size_t i) { return s->at + i * (size_t)s->k; }

/* The records that are asked: those that are no examples, and of these `limit` evenly. */
static int choose(ch_evaluation *v, const bool *taken)
{
    const ch_set *set = v->set;
    v->at = malloc((set->n + 1) * sizeof *v->at);
    if (!v->at)
        return ch_fail(v->e, CH_ENOMEM, "no memory for %zu records", set->n);
    for (size_t i = 0; i < set->n; i++)
        if (!taken[i])
            v->at[v->n++] = set->at[i];
    const size_t most = v->o->limit > 0 ? CH_MIN(v->n, (size_t)v->o->limit) : v->n;
    for (size_t i = 0; i < most; i++)
        v->at[i] = v->at[i * v->n / most];
    v->n = most;
    return CH_OK;
}

int ch_eval_run(ch_stats *out, ch_model *m, const ch_tokenizer *tk, const ch_session_options *so,
                const ch_set *set, const ch_eval_options *o, ch_err *e)
{
    const ch_eval_options none = {0};
    *out = (ch_stats){0};
    ch_evaluation v = {.set = set, .o = o ? o : &none, .tk = tk, .stats = out, .e = e};
    ch_buf_init(&v.shots, (size_t)1 << 26);
    bool *taken = calloc(set->n + 1, sizeof *taken);
    int rc = taken ? ch_take_examples(&v, taken)
                   : ch_fail(e, CH_ENOMEM, "no memory for %zu records", set->n);
    if (rc == CH_OK)
        rc = choose(&v, taken);
    if (rc == CH_OK)
        rc = ch_scorer_open(&v.scorer, m, so, e);
    if (rc == CH_OK)
        rc = ch_stats_open(out, v.n, set->task->numbers, e);
    if (rc == CH_OK)
        rc = set->task->run(&v);
    if (rc < 0)
        ch_stats_free(out);
    ch_scorer_close(&v.scorer);
    ch_buf_close(&v.shots);
    free(v.at);
    free(taken);
    return rc;
}
