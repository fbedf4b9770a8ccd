/* bar.h - progress on stderr: one line on a terminal, that is written over; plain lines elsewhere,
 * one for a new phase and then at most one in ten seconds
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_BAR_H
#define CH_BAR_H

#include "report.h"

typedef struct ch_bar {
    FILE *to; /* NULL: silent */
    bool tty;
    bool dirty; /* the terminal's line is ours */
    uint64_t shown_ns;
    char shown[32];      /* the phase of the last line */
    bool shown_counts;   /* a line with counts of this counted phase was written */
    char counted[32];    /* the phase that rate is of */
    int64_t done, of;    /* of it */
    ch_rate rate;
} ch_bar;

void ch_bar_open(ch_bar *b, FILE *to);
/* of <= 0: a phase without counts; in the midst of a counted one it is an episode, told on a
 * terminal alone, and counts as time of the other.  parts are shown after the time that is left,
 * the first ones where there is little room. */
void ch_bar_show(ch_bar *b, const char *phase, int64_t done, int64_t of, const char *const *parts,
                 int n_parts);
/* Seconds left of the counted phase, or NaN. */
double ch_bar_eta(const ch_bar *b);
/* A line of text that stays. */
void ch_bar_say(ch_bar *b, const char *text);
/* Leaves the last state standing, and the cursor at the start of a line. */
void ch_bar_close(ch_bar *b);

#endif
