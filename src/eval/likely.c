/* likely.c - tasks that compare likelihoods: choice, pairs, classify
 *
 *     choice    acc: the right answer's log p is above every other's;  acc_norm: log p / bytes is
 *     pairs     the right sentence's log p is above the other's (Warstadt et al. 2020)
 *     classify  the class is the word whose log p is above every other's
 *
 * A tie is an error of the model, whatever it is between: a model that knows nothing gets nothing.
 * SPDX-License-Identifier: MIT */
#include "task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Is x[right] above all others? */
static bool above(const double *x, int n, size_t right)
{
    for (int i = 0; i < n; i++)
        if ((size_t)i != right && !(x[right] > x[i]))
            return false;
    return true;
}

/* ---- Choices --------------------------------------------------------------------------------- */

static int ask_choices(ch_asked *a, const ch_evaluation *v, const ch_record *r, int item)
{
    ch_text prompt, choices[CH_LABELS_MOST];
    size_t right;
    int n;
    int rc = ch_record_text(&prompt, r, v->set->task->asks, v->e);
    if (rc == CH_OK)
        rc = ch_record_choice(&right, choices, &n, CH_LABELS_MOST, r, v->e);
    for (int i = 0; rc == CH_OK && i < n; i++)
        rc = ch_eval_ask(a, v, r, prompt, choices[i], item);
    return rc;
}

int ch_task_choice(ch_evaluation *v)
{
    ch_asked a = {0};
    int rc = CH_OK;
    for (size_t i = 0; i < v->n && rc == CH_OK; i++)
        rc = ask_choices(&a, v, &v->at[i], (int)i);
    if (rc == CH_OK)
        rc = ch_asked_run(&a, v);
    for (size_t i = 0, q = 0; i < v->n && rc == CH_OK; i++) {
        ch_text choices[CH_LABELS_MOST];
        double sum[CH_LABELS_MOST], mean[CH_LABELS_MOST];
        size_t right;
        int n;
        rc = ch_record_choice(&right, choices, &n, CH_LABELS_MOST, &v->at[i], v->e);
        for (int k = 0; k < n && rc == CH_OK; k++, q++) {
            sum[k] = a.q[q].log_p;
            mean[k] = sum[k] / (double)CH_MAX(choices[k].n, (size_t)1);
        }
        if (rc == CH_OK) {
            ch_stats_row(v->stats, i)[0] = above(sum, n, right);
            ch_stats_row(v->stats, i)[1] = above(mean, n, right);
        }
    }
    ch_asked_free(&a);
    return rc;
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

int ch_task_pairs(ch_evaluation *v)
{
    ch_asked a = {0};
    int rc = CH_OK;
    for (size_t i = 0; i < v->n && rc == CH_OK; i++) {
        ch_text good, bad;
        rc = ch_record_text(&good, &v->at[i], "sentence_good", v->e);
        if (rc == CH_OK)
            rc = ch_record_text(&bad, &v->at[i], "sentence_bad", v->e);
        if (rc == CH_OK)
            rc = ch_ask_text(&a, v, &v->at[i], good, (int)i);
        if (rc == CH_OK)
            rc = ch_ask_text(&a, v, &v->at[i], bad, (int)i);
    }
    if (rc == CH_OK)
        rc = ch_asked_run(&a, v);
    for (size_t i = 0; i < v->n && rc == CH_OK; i++)
        ch_stats_row(v->stats, i)[0] = a.q[2 * i].log_p > a.q[2 * i + 1].log_p;
    ch_asked_free(&a);
    return rc;
}

/* ---- Classes --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int ch_set_labels(const char *labels[CH_LABELS_MOST], int *n, const ch_set *set, ch_err *e)
{
    *n = 0;
    for (size_t i = 0; i < set->n; i++) {
        ch_text t;
        int rc = ch_record_text(&t, &set->at[i], "label", e), k = 0;
        if (rc == CH_OK && (t.n == 0 || strlen(t.p) != t.n))
            rc = ch_record_fail(&set->at[i], e, "\"label\" is empty or holds a zero byte");
        if (rc < 0)
            return rc;
        while (k < *n && strcmp(labels[k], t.p) != 0)
            k++;
        if (k < *n)
            continue;
        if (*n == CH_LABELS_MOST)
            return ch_record_fail(&set->at[i], e, "there are more than %d labels", CH_LABELS_MOST);
        labels[(*n)++] = t.p;
    }
    qsort(labels, (size_t)*n, sizeof *labels, by_name);
    if (*n < 2)
        return ch_record_fail(&set->at[0], e, "all labels of the file are \"%.60s\"; a class needs "
                                              "another", labels[0]);
    return CH_OK;
}

static int ask_classes(ch_asked *a, ch_evaluation *v, const char *const *labels, int n_labels)
{
    int rc = CH_OK;
    for (size_t i = 0; i < v->n + (v->o->pmi ? 1 : 0) && rc == CH_OK; i++) {
        ch_text text = {"", 0};
        const ch_record *r = &v->at[CH_MIN(i, v->n - 1)];
        if (i < v->n) /* behind them, the words after no text at all */
            rc = ch_record_text(&text, r, v->set->task->asks, v->e);
        for (int k = 0; k < n_labels && rc == CH_OK; k++)
            rc = ch_eval_ask(a, v, r, text, ch_label_word(v->o->labels, labels[k]), (int)i);
    }
    return rc;
}

int ch_task_classify(ch_evaluation *v)
{
    const char *labels[CH_LABELS_MOST];
    int n;
    ch_asked a = {0};
    int rc = ch_set_labels(labels, &n, v->set, v->e);
    if (rc == CH_OK)
        rc = ask_classes(&a, v, labels, n);
    if (rc == CH_OK)
        rc = ch_asked_run(&a, v);
    for (size_t i = 0; i < v->n && rc == CH_OK; i++) {
        const char *label = json_string_value(json_object_get(v->at[i].v, "label"));
        double x[CH_LABELS_MOST];
        int predicted = CH_LABELS_MOST; /* a tie is no class */
        double *row = ch_stats_row(v->stats, i);
        for (int k = 0; k < n; k++)
            x[k] = a.q[i * (size_t)n + (size_t)k].log_p -
                   (v->o->pmi ? a.q[v->n * (size_t)n + (size_t)k].log_p : 0);
        for (int k = 0; k < n; k++) {
            if (above(x, n, (size_t)k))
                predicted = k;
            if (strcmp(labels[k], label) == 0)
                row[0] = k;
        }
        row[1] = predicted;
    }
    ch_asked_free(&a);
    return rc;
}
