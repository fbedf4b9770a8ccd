/* chart.c - curves in characters, for terminals and logs
 *
 *     4.90 |*
 *          |**
 *     3.20 |  ****  o
 *          |     *****o****
 *     1.50 |             ******
 *          +-------------------
 *           0              2.05
 *            tokens (millions)     * loss   o validation
 *
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT = 10 };
static const char marks[] = "*o+x#@%&";

typedef struct range {
    double least, most;
} range;

static bool is_shown(const ch_curve *c)
{
    return c->stroke != CH_STROKE_FAINT;
}

static void widen(range *r, double v)
{
    r->least = fmin(r->least, v);
    r->most = fmax(r->most, v);
}

static bool find_ranges(range *x, range *y, const ch_plot *p)
{
    *x = *y = (range){(double)INFINITY, -(double)INFINITY};
    for (int i = 0; i < p->n_curves; i++)
        for (size_t k = 0; is_shown(&p->curves[i]) && k < p->curves[i].n; k++)
            if (isfinite(p->curves[i].x[k]) && isfinite(p->curves[i].y[k])) {
                widen(x, p->curves[i].x[k]);
                widen(y, p->curves[i].y[k]);
            }
    if (p->y_least < p->y_most)
        *y = (range){p->y_least, p->y_most};
    return x->least <= x->most;
}

/* Which of n cells v falls into, or -1. */
static int cell(double v, range r, int n)
{
    if (!(v >= r.least && v <= r.most))
        return -1;
    return r.most > r.least ? (int)lround((v - r.least) / (r.most - r.least) * (n - 1)) : 0;
}

static void draw_curves(char *grid, const ch_plot *p, range x, range y, int wide, int rows)
{
    for (int i = 0, mark = 0; i < p->n_curves; i++) {
        const ch_curve *c = &p->curves[i];
        for (size_t k = 0; is_shown(c) && k < c->n; k++) {
            const int column = cell(c->x[k], x, wide), row = cell(c->y[k], y, rows);
            if (column >= 0 && row >= 0)
                grid[(rows - 1 - row) * wide + column] = marks[mark % 8];
        }
        mark += is_shown(c);
    }
}

static void write_foot(ch_buf *b, const ch_plot *p, range x, int wide)
{
    char least[24], most[24];
    ch_buf_printf(b, "%*s+", LEFT, "");
    for (int i = 0; i < wide; i++)
        ch_buf_str(b, "-");
    snprintf(least, sizeof least, "%.3g", x.least);
    snprintf(most, sizeof most, "%.3g", x.most);
    ch_buf_printf(b, "\n%*s%s%*s\n%*s%s", LEFT + 1, "", least, wide - (int)strlen(least), most,
                  LEFT + 1, "", p->x_label ? p->x_label : "");
    for (int i = 0, mark = 0; i < p->n_curves; i++) {
        if (!is_shown(&p->curves[i]))
            continue;
        if (p->curves[i].label)
            ch_buf_printf(b, "   %c %s", marks[mark % 8], p->curves[i].label);
        mark++;
    }
    ch_buf_str(b, "\n");
}

int ch_report_chart(ch_buf *b, const ch_plot *p, int columns, int rows, ch_err *e)
{
    range x, y;
    const int wide = CH_MIN(CH_MAX(columns - LEFT - 1, 16), 400);
    rows = CH_MIN(CH_MAX(rows, 3), 200);
    if (!find_ranges(&x, &y, p))
        return ch_fail(e, CH_EARG, "there is nothing to draw yet");
    char *grid = malloc((size_t)wide * (size_t)rows);
    if (!grid)
        return ch_fail(e, CH_ENOMEM, "no memory for a chart");
    memset(grid, ' ', (size_t)wide * (size_t)rows);
    draw_curves(grid, p, x, y, wide, rows);
    for (int row = 0; row < rows; row++) {
        int end = wide;
        while (end > 0 && grid[row * wide + end - 1] == ' ')
            end--;
        if (row == 0 || row == rows / 2 || row == rows - 1)
            ch_buf_printf(b, "%*.2f |", LEFT - 1,
                          y.most - (y.most - y.least) * row / CH_MAX(rows - 1, 1));
        else
            ch_buf_printf(b, "%*s|", LEFT, "");
        ch_buf_put(b, grid + row * wide, (size_t)end);
        ch_buf_str(b, "\n");
    }
    free(grid);
    write_foot(b, p, x, wide);
    return ch_buf_check(b, "a chart", e);
}
