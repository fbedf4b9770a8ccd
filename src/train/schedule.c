/* schedule.c - the learning rate over the steps, as a share of its peak
 *
 *   t = 1..w, w = warmup * steps rounded up     t / w
 *   cosine    e + (1 - e) (1 + cos(pi (t - w)/(T - w))) / 2          (Loshchilov & Hutter 2017)
 *   linear    e + (1 - e) (T - t)/(T - w)
 *   constant  1, and over the last d = decay * steps: e + (1 - e) (T - t)/d
 *
 * e is the share at the last step T.  SPDX-License-Identifier: MIT */
#include "train.h"

#include <string.h>

const char *const ch_schedule_names[] = {"cosine", "linear", "constant", NULL};

double ch_schedule_at(const ch_schedule *s, int64_t step)
{
    const double t = (double)step, last = (double)s->steps;
    const double w = ceil(s->warmup > 0 ? s->warmup * last : 0);
    const double end = s->lr_end > 0 ? s->lr_end : 0;
    if (t <= w)
        return t / w;
    if (strcmp(s->kind, "constant") == 0) {
        const double d = ceil(s->decay > 0 ? s->decay * last : 0);
        return t <= last - d ? 1 : end + (1 - end) * (last - t) / d;
    }
    const double left = last > t ? (last - t) / (last - w) : 0;
    if (strcmp(s->kind, "linear") == 0)
        return end + (1 - end) * left;
    return end + (1 - end) * 0.5 * (1 + cos(3.14159265358979323846 * (1 - left)));
}
