/* plotting.h - what the drawings of this folder share
 *
 * Text and axes in grey, no background: they suit a light page and a dark one.  Colours of a map
 * go from dark to light as the number grows (viridis), lines have colours that the colour-blind
 * can tell apart.  SPDX-License-Identifier: MIT */
#ifndef CH_PLOTTING_H
#define CH_PLOTTING_H

#include "analyze.h"

typedef struct ch_drawing {
    ch_buf numbers, commands;
    int blocks; /* of numbers: gnuplot's index of the next one */
} ch_drawing;

/* Axes, title and their colours.  Texts without single quotes. */
void ch_drawing_open(ch_drawing *d, const char *title, const char *x, const char *y);
/* Ends a block of numbers; returns its index. */
int ch_drawing_block(ch_drawing *d);
/* "label" at x y, turned by `turn` degrees. */
void ch_drawing_text(ch_drawing *d, const char *label, double x, double y, double turn,
                     const char *rgb);
/* Draws and closes. */
int ch_drawing_close(ch_drawing *d, bool *drawn, const char *path, int width, int height,
                     ch_err *e);

#define CH_GREY "#767676"
#define CH_VIRIDIS                                                                              \
    "set palette defined (0 '#440154', 0.125 '#472d7b', 0.25 '#3b528b', 0.375 '#2c728e', "      \
    "0.5 '#21918c', 0.625 '#28ae80', 0.75 '#5ec962', 0.875 '#addc30', 1 '#fde725')\n"

#endif
