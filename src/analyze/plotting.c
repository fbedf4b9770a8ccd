/* plotting.c - what the drawings of this folder share
 *
 * SPDX-License-Identifier: MIT */
#include "plotting.h"
#include "report.h"

enum { TEXT_MOST = 16 << 20 };

void ch_drawing_open(ch_drawing *d, const char *title, const char *x, const char *y)
{
    d->blocks = 0;
    ch_buf_init(&d->numbers, TEXT_MOST);
    ch_buf_init(&d->commands, TEXT_MOST);
    ch_buf_printf(&d->commands,
                  "set border 3 linecolor rgb '#808080'\n"
                  "set tics nomirror textcolor rgb '" CH_GREY "' front\n"
                  "set key off\n"
                  "set title '%s' textcolor rgb '" CH_GREY "'\n"
                  "set xlabel '%s' textcolor rgb '" CH_GREY "'\n"
                  "set ylabel '%s' textcolor rgb '" CH_GREY "'\n",
                  title, x, y);
}

int ch_drawing_block(ch_drawing *d)
{
    /* A block without a line is none, and would be skipped. */
    const size_t n = d->numbers.size;
    if (n == 0 || (n > 2 && d->numbers.data[n - 2] == '\n'))
        ch_buf_str(&d->numbers, "NaN NaN NaN NaN NaN\n");
    ch_buf_str(&d->numbers, "\n\n");
    return d->blocks++;
}

void ch_drawing_text(ch_drawing *d, const char *label, double x, double y, double turn,
                     const char *rgb)
{
    ch_buf_printf(&d->commands,
                  "set label '%s' at %.9g,%.9g rotate by %g textcolor rgb '%s' front\n", label, x,
                  y, turn, rgb);
}

int ch_drawing_close(ch_drawing *d, bool *drawn, const char *path, int width, int height,
                     ch_err *e)
{
    const int rc = ch_report_draw(drawn, path, width, height, &d->numbers, &d->commands, e);
    ch_buf_close(&d->numbers);
    ch_buf_close(&d->commands);
    return rc;
}
