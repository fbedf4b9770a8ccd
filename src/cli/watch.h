/* watch.h - a page on this computer that follows a run of training, while it runs
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_WATCH_H
#define CH_WATCH_H

#include "chalcis_train.h"

typedef struct ch_watch ch_watch;

/* Serves http://127.0.0.1:port from a thread of its own; dir is the run.  A port that somebody
 * else has is CH_EIO, a build without libmicrohttpd CH_EUNSUPPORTED. */
int ch_watch_open(ch_watch **out, int port, const char *dir, ch_err *e);
/* What the page shall say of the present. */
void ch_watch_show(ch_watch *w, const ch_train_progress *p, double eta_s);
void ch_watch_close(ch_watch **w);

#endif
