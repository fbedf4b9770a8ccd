/* eval_report.c - scores with their intervals
 *
 * The mean over sets of one task has each set count alike; its interval comes from the mean of the
 * sets' own draws, that of shares from their intervals.  A difference of two models has the draws',
 * which pick the same items where both have the same.
 * SPDX-License-Identifier: MIT */
#include "eval_report.h"

#include <math.h>
#include <string.h>

struct line {
    const char *set, *task, *score;
    size_t items;
    double value[3], low[3], high[3]; /* model, against, difference */
    bool two;
};

static void compare(struct line *l, const double *a, const double *b)
{
    double draws[CH_DRAWS];
    for (int i = 0; i < CH_DRAWS; i++)
        draws[i] = a[i] - b[i];
    l->value[2] = l->value[0] - l->value[1];
    ch_draws_interval(&l->low[2], &l->high[2], draws);
}

static struct line line_of(const ch_eval_report *r, const ch_set_result *s, int score)
{
    struct line l = {.set = s->set->name, .task = s->set->task->name,
                     .score = s->scores[0][score].name, .items = s->stats[0].n,
                     .two = r->against != NULL};
    for (int m = 0; m <= l.two; m++) {
        l.value[m] = s->scores[m][score].value;
        l.low[m] = s->scores[m][score].low;
        l.high[m] = s->scores[m][score].high;
    }
    if (l.two)
        compare(&l, s->scores[0][score].draws, s->scores[1][score].draws);
    return l;
}

/* Of the sets that have the task of the first. */
static struct line mean_of(const ch_eval_report *r, const ch_task *task, int score)
{
    double draws[2][CH_DRAWS] = {{0}};
    struct line l = {.set = "mean", .task = task->name, .score = task->scores[score].name,
                     .two = r->against != NULL};
    const bool share = task->scores[score].kind != CH_DRAWN;
    ch_interval of[2][CH_SETS_MOST];
    int sets = 0, k = 0;
    for (size_t i = 0; i < r->n; i++)
        sets += r->at[i].set->task == task;
    for (size_t i = 0; i < r->n; i++) {
        if (r->at[i].set->task != task)
            continue;
        l.items += r->at[i].stats[0].n;
        for (int m = 0; m <= l.two; m++) {
            const ch_score *s = &r->at[i].scores[m][score];
            of[m][k] = (ch_interval){s->value, s->low, s->high};
            l.value[m] += s->value / sets;
            for (int d = 0; d < CH_DRAWS; d++)
                draws[m][d] += s->draws[d] / sets;
        }
        k++;
    }
    for (int m = 0; m <= l.two && !share; m++)
        ch_draws_interval(&l.low[m], &l.high[m], draws[m]);
    for (int m = 0; m <= l.two && share; m++) {
        ch_interval mean;
        ch_mean_interval(&mean, of[m], sets);
        l.low[m] = mean.low;
        l.high[m] = mean.high;
    }
    if (l.two)
        compare(&l, draws[0], draws[1]);
    return l;
}

static bool has_mean(const ch_eval_report *r, const ch_task *task)
{
    int sets = 0;
    for (size_t i = 0; i < r->n; i++)
        sets += r->at[i].set->task == task;
    return sets > 1;
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void print_line(const struct line *l, int width)
{
    printf("%-*s  %-13s %6zu  %-17s", width, l->set, l->task, l->items, l->score);
    for (int i = 0; i < (l->two ? 3 : 1); i++) {
        printf(i == 2 ? "  %+.4f" : "  %.4f", l->value[i]);
        if (isnan(l->low[i]))
            printf(" (no interval)   ");
        else
            printf(i == 2 ? " (%+.4f to %+.4f)" : " (%.4f to %.4f)", l->low[i], l->high[i]);
    }
    putchar('\n');
}

static void print_confusion(const ch_set_result *s)
{
    const char *labels[CH_LABELS_MOST];
    uint64_t counts[CH_LABELS_MOST * (CH_LABELS_MOST + 1)];
    int n;
    if (ch_set_labels(labels, &n, s->set, NULL) < 0)
        return;
    ch_confusion(counts, n, &s->stats[0]);
    printf("\n%s: what is (rows) and what was said\n%20s", s->set->name, "");
    for (int k = 0; k < n; k++)
        printf(" %12.12s", labels[k]);
    printf(" %12s\n", "a tie");
    for (int i = 0; i < n; i++) {
        printf("%20.20s", labels[i]);
        for (int k = 0; k <= n; k++)
            printf(" %12llu", (unsigned long long)counts[i * (n + 1) + k]);
        putchar('\n');
    }
}

static int print_text(const ch_eval_report *r)
{
    int width = 4;
    for (size_t i = 0; i < r->n; i++)
        width = CH_MAX(width, (int)strlen(r->at[i].set->name));
    printf("%-*s  %-13s %6s  %-17s  %s\n", width, "set", "task", "items", "score",
           r->against ? "value (95 %)             against                  difference"
                      : "value (95 %)");
    for (size_t i = 0; i < r->n; i++)
        for (int k = 0; k < r->at[i].n_scores; k++) {
            const struct line l = line_of(r, &r->at[i], k);
            print_line(&l, width);
        }
    for (const ch_task *t = ch_tasks; t->name; t++)
        for (int k = 0; has_mean(r, t) && t->scores[k].name; k++) {
            const struct line l = mean_of(r, t, k);
            print_line(&l, width);
        }
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->at[i].set->task->name, "classify") == 0)
            print_confusion(&r->at[i]);
    return CH_EXIT_OK;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *json_interval(const struct line *l, int i)
{
    return json_pack("{s:o, s:o, s:o}", "value", ch_cli_number(l->value[i]), "low",
                     ch_cli_number(l->low[i]), "high", ch_cli_number(l->high[i]));
}

static json_t *json_line(const struct line *l)
{
    json_t *v = json_interval(l, 0);
    if (l->two) {
        json_object_set_new(v, "against", json_interval(l, 1));
        json_object_set_new(v, "difference", json_interval(l, 2));
    }
    return v;
}

static json_t *json_confusion(const ch_set_result *s)
{
    const char *labels[CH_LABELS_MOST];
    uint64_t counts[CH_LABELS_MOST * (CH_LABELS_MOST + 1)];
    int n;
    if (ch_set_labels(labels, &n, s->set, NULL) < 0)
        return json_null();
    ch_confusion(counts, n, &s->stats[0]);
    json_t *v = json_object();
    for (int i = 0; i < n; i++) {
        json_t *row = json_object();
        for (int k = 0; k <= n; k++)
            json_object_set_new(row, k < n ? labels[k] : "(tie)",
                                json_integer((json_int_t)counts[i * (n + 1) + k]));
        json_object_set_new(v, labels[i], row);
    }
    return v;
}

static int print_json(const ch_eval_report *r)
{
    json_t *sets = json_array(), *means = json_object();
    for (size_t i = 0; i < r->n; i++) {
        const ch_set_result *s = &r->at[i];
        json_t *scores = json_object();
        for (int k = 0; k < s->n_scores; k++) {
            const struct line l = line_of(r, s, k);
            json_object_set_new(scores, l.score, json_line(&l));
        }
        json_t *v = json_pack("{s:s, s:s, s:o, s:I, s:o}", "set", s->set->name, "task",
                              s->set->task->name, "file",
                              ch_cli_string(s->set->path[0], strlen(s->set->path[0])), "items",
                              (json_int_t)s->stats[0].n, "scores", scores);
        if (strcmp(s->set->task->name, "classify") == 0)
            json_object_set_new(v, "confusion", json_confusion(s));
        json_array_append_new(sets, v);
    }
    for (const ch_task *t = ch_tasks; t->name; t++) {
        json_t *scores = json_object();
        for (int k = 0; has_mean(r, t) && t->scores[k].name; k++) {
            const struct line l = mean_of(r, t, k);
            json_object_set_new(scores, l.score, json_line(&l));
        }
        if (json_object_size(scores) > 0)
            json_object_set(means, t->name, scores);
        json_decref(scores);
    }
    json_t *v = json_pack("{s:o, s:o, s:o}", "model", ch_cli_string(r->model, strlen(r->model)),
                          "sets", sets, "means", means);
    if (v && r->against)
        json_object_set_new(v, "against", ch_cli_string(r->against, strlen(r->against)));
    return ch_cli_print_json(v);
}

int ch_eval_print(const ch_eval_report *r)
{
    return r->json ? print_json(r) : print_text(r);
}
