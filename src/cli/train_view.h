/* train_view.h - what one sees of a training under way.  SPDX-License-Identifier: MIT */
#ifndef CH_TRAIN_VIEW_H
#define CH_TRAIN_VIEW_H

#include "bar.h"
#include "watch.h"

typedef struct ch_train_view {
    ch_bar bar;
    ch_watch *watch; /* NULL: no page */
} ch_train_view;

void ch_train_view_open(ch_train_view *v, bool quiet);
/* The page, if o->watch asks for it. */
int ch_train_view_watch(ch_train_view *v, const ch_train_options *o, ch_err *e);
void ch_train_view_close(ch_train_view *v);
/* For ch_train_options.progress; arg is the view. */
void ch_train_view_progress(void *arg, const ch_train_progress *p);

/* Draws dir/curve.svg from the run's log, or says on stderr why not: a run does not fail for it. */
void ch_train_view_curve(const char *dir, bool quiet);

#endif
