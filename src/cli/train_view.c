/* train_view.c - a training's progress as a bar with what matters first
 *
 * SPDX-License-Identifier: MIT */
#include "train_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ch_train_view_open(ch_train_view *v, bool quiet)
{
    *v = (ch_train_view){0};
    ch_bar_open(&v->bar, quiet ? NULL : stderr);
}

int ch_train_view_watch(ch_train_view *v, const ch_train_options *o, ch_err *e)
{
    if (o->watch <= 0)
        return CH_OK;
    char text[64];
    const int rc = ch_watch_open(&v->watch, o->watch, o->out, e);
    snprintf(text, sizeof text, "watch it at http://127.0.0.1:%d", o->watch);
    if (rc == CH_OK)
        ch_bar_say(&v->bar, text);
    return rc;
}

void ch_train_view_close(ch_train_view *v)
{
    ch_bar_close(&v->bar);
    ch_watch_close(&v->watch);
}

enum { PART = 32 };

static void show_steps(ch_train_view *v, const ch_train_progress *p)
{
    char text[6][PART] = {""}, count[16];
    const char *parts[6];
    for (int i = 0; i < 6; i++)
        parts[i] = text[i];
    if (isfinite(p->loss))
        snprintf(text[0], PART, "loss %.4f", p->loss);
    if (isfinite(p->val_loss))
        snprintf(text[1], PART, "val %.4f", p->val_loss);
    if (p->tok_s > 0) {
        ch_report_count(count, sizeof count, p->tok_s);
        snprintf(text[2], PART, "%s tok/s", count);
        snprintf(text[3], PART, "%.3g GFLOP/s", p->tok_s * p->token_flop * 1e-9);
    }
    if (p->lr > 0)
        snprintf(text[4], PART, "lr %.2e", p->lr);
    if (p->step > 0)
        snprintf(text[5], PART, "|g| %.2f", p->grad_norm);
    ch_bar_show(&v->bar, p->phase, p->step, p->steps, parts, 6);
}

/* On one line, without what could disturb a terminal. */
static void say_sample(ch_train_view *v, const ch_train_progress *p)
{
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    ch_buf_printf(&b, "step %d: ", p->step);
    ch_buf_str(&b, p->sample);
    for (size_t i = 0; i < b.size; i++)
        if (b.data[i] == '\n' || b.data[i] == '\t' || b.data[i] == '\r')
            b.data[i] = ' ';
    if (!b.failed) {
        ch_utf8_printable(b.data, b.size);
        ch_bar_say(&v->bar, b.data);
    }
    ch_buf_close(&b);
}

static bool is_episode(const char *phase)
{
    return strcmp(phase, "evaluating") == 0 || strcmp(phase, "sampling") == 0 ||
           strcmp(phase, "saving") == 0;
}

void ch_train_view_progress(void *arg, const ch_train_progress *p)
{
    ch_train_view *v = arg;
    ch_watch_show(v->watch, p, v->bar.to ? ch_bar_eta(&v->bar) : p->eta_s);
    if (p->sample)
        say_sample(v, p);
    else if (p->note)
        ch_bar_say(&v->bar, p->note);
    else if (strcmp(p->phase, "training") == 0)
        show_steps(v, p);
    else if (!is_episode(p->phase))
        ch_bar_show(&v->bar, p->phase, p->step, p->steps, NULL, 0);
    else if (v->bar.tty)
        ch_bar_show(&v->bar, p->phase, 0, 0, NULL, 0); /* the steps stand still */
}

/* ---- The curve ----------------------------------------------------------------------------- */

static int draw(bool *drawn, const char *dir, ch_err *e)
{
    ch_run_log log;
    int rc = ch_report_log_read(&log, dir, e);
    if (rc < 0)
        return rc;
    ch_run_curves c;
    const ch_run_log *const logs[] = {&log};
    char *path = ch_io_join(dir, "curve.svg");
    rc = ch_report_curves(&c, logs, NULL, 1, NULL, e);
    if (rc == CH_OK)
        rc = path ? ch_report_plot(drawn, &c.plot, path, e)
                  : ch_fail(e, CH_ENOMEM, "no memory for a path in %s", dir);
    free(path);
    ch_report_curves_free(&c);
    ch_report_log_free(&log);
    return rc;
}

void ch_train_view_curve(const char *dir, bool quiet)
{
    ch_err e = {0};
    bool drawn = false;
    if (draw(&drawn, dir, &e) < 0)
        fprintf(stderr, "the curve could not be drawn: %s\n", e.text);
    else if (!quiet && !drawn)
        fprintf(stderr, "no gnuplot drew %s/curve.svg; %s/curve.gnuplot does where there is one\n",
                dir, dir);
}
