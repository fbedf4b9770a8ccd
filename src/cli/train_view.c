/* train_view.c - a training's progress as a bar with what matters first
 *
 * SPDX-License-Identifier: MIT */
#include "train_view.h"

#include <math.h>
#include <string.h>

void ch_train_view_open(ch_train_view *v, bool quiet)
{
    *v = (ch_train_view){0};
    ch_bar_open(&v->bar, quiet ? NULL : stderr);
}

void ch_train_view_close(ch_train_view *v)
{
    ch_bar_close(&v->bar);
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

void ch_train_view_progress(void *arg, const ch_train_progress *p)
{
    ch_train_view *v = arg;
    if (p->note)
        ch_bar_say(&v->bar, p->note);
    else if (strcmp(p->phase, "training") == 0)
        show_steps(v, p);
    else if (strcmp(p->phase, "evaluating") == 0 || strcmp(p->phase, "saving") == 0)
        ch_bar_show(&v->bar, p->phase, 0, 0, NULL, 0); /* an episode: the steps stand still */
    else
        ch_bar_show(&v->bar, p->phase, p->step, p->steps, NULL, 0);
}
