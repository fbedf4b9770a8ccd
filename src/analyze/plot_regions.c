/* plot_regions.c - the spectral radius over alpha and p, and eigenvalues beside the unit circle
 *
 * The set where rho <= s is a triangle of the (alpha, p) plane: alpha <= s^2 between the lines
 * p = (1 - s) (1 - alpha / s) and p = (1 + s) (1 + alpha / s), tangents of p1 and p2.  A hundred of
 * them on each other are the map, exactly and in few bytes.  SPDX-License-Identifier: MIT */
#include "plotting.h"

#include <math.h>

enum { LEVELS = 100, SAMPLES = 200 };
#define PUBLISHED "#B0107C"
#define PULL_LABEL "p = dt · gate · β  (pull)"

/* The part of a triangle with 0 <= alpha and p <= most, and its corners. */
static void add_level(ch_drawing *d, double s, double most)
{
    const double tip = s * s, cross = (most / (1 + s) - 1) * s;
    const double low = (1 - s) * (1 - s), high = (1 + s) * (1 + s);
    ch_buf_printf(&d->numbers, "0 %.9g\n%.9g %.9g\n", fmin(1 - s, most), tip, fmin(low, most));
    if (cross < tip)
        ch_buf_printf(&d->numbers, "%.9g %.9g\n", tip, most);
    else
        ch_buf_printf(&d->numbers, "%.9g %.9g\n", tip, high);
    if (cross > 0 && cross < tip)
        ch_buf_printf(&d->numbers, "%.9g %.9g\n", cross, most);
    ch_buf_printf(&d->numbers, "0 %.9g\n", fmin(1 + s, most));
    ch_drawing_block(d);
}

static int add_lines(ch_drawing *d)
{
    for (int i = 0; i <= SAMPLES; i++) {
        /* Denser towards 0, where p1 and p2 are steep. */
        const double share = (double)i / SAMPLES, alpha = share * share;
        ch_spectrum s;
        ch_analyze_spectrum(&s, alpha, 1);
        ch_buf_printf(&d->numbers, "%.9g %.9g %.9g %.9g ", alpha, s.critical, s.flip, s.limit);
        ch_buf_printf(&d->numbers, alpha < 1 ? "%.9g\n" : "NaN\n",
                      ch_analyze_published_bound(alpha));
    }
    return ch_drawing_block(d);
}

/* The points of the grid about which the published bound is wrong. */
static int add_errors(ch_drawing *d, const ch_grid *g)
{
    for (int i = 0; i < g->alphas; i++)
        for (int j = 0; j < g->ps; j++) {
            ch_spectrum s;
            ch_analyze_spectrum(&s, ch_analyze_grid_alpha(g, i), ch_analyze_grid_p(g, j));
            if (s.stable != ch_analyze_published_stable(s.alpha, s.p))
                ch_buf_printf(&d->numbers, "%.9g %.9g\n", s.alpha, s.p);
        }
    return ch_drawing_block(d);
}

static int add_sets(ch_drawing *d)
{
    for (const ch_published_set *s = ch_published_sets; s->name; s++)
        if (isfinite(s->rho))
            ch_buf_printf(&d->numbers, "%.9g %.9g\n", s->alpha, s->p);
    return ch_drawing_block(d);
}

/* What lies above the frame is not named. */
static void name_regions(ch_drawing *d, double most)
{
    const double turn = 180 / acos(-1.0) * atan(2 / most * 0.78);
    const struct {
        const char *label;
        double x, y, turn;
        const char *rgb;
    } names[] = {
        {"diverges", 0.2, fmax(0.8 * most + 0.2, 2.7), 0, CH_GREY},
        {"limit  p = 2 (1 + α)", 0.13, 2.26 + 0.07 * most, turn, "#D55E00"},
        {"published bound", 0.66, 2.32, turn + 5, PUBLISHED},
        {"p₂ = (1 + √α)²", 0.125, 1.52, turn + 9, "white"},
        {"p₁ = (1 − √α)²", 0.30, 0.36, 0, "white"},
        {"oscillating: ρ = √α, whatever p", 0.25, 1, 0, "white"},
        {"alternating", 0.008, 1.62, 0, "white"},
        {"overdamped", 0.008, 0.2, 0, "#202020"},
    };
    for (size_t i = 0; i < CH_COUNT(names); i++)
        if (names[i].y < 0.96 * most)
            ch_drawing_text(d, names[i].label, names[i].x, names[i].y, names[i].turn, names[i].rgb);
    for (const ch_published_set *s = ch_published_sets; s->name; s++)
        if (isfinite(s->rho) && s->p < 0.94 * most)
            ch_drawing_text(d, s->name, s->alpha + (s->alpha > 0.8 ? -0.11 : 0.01), s->p + 0.09, 0,
                            "#202020");
}

int ch_analyze_plot_map(bool *drawn, const ch_grid *g, const char *path, ch_err *e)
{
    ch_drawing d;
    ch_drawing_open(&d, "Stable if and only if 0 < p < 2 (1 + α)", "α  (inertia)", PULL_LABEL);
    for (int i = 0; i < LEVELS; i++)
        add_level(&d, 1 - (double)i / LEVELS, g->p_most);
    const int lines = add_lines(&d), errors = add_errors(&d, g), sets = add_sets(&d);
    name_regions(&d, g->p_most);
    ch_buf_printf(&d.commands,
                  CH_VIRIDIS
                  "set cbrange [0:1]\nset cblabel 'spectral radius ρ' textcolor rgb '" CH_GREY "'\n"
                  "set cbtics nomirror textcolor rgb '" CH_GREY "'\n"
                  "set xrange [0:1]\nset yrange [0:%.9g]\n"
                  "set key below textcolor rgb '" CH_GREY "'\n"
                  "set object 1 rectangle from 0,0 to 1,%.9g fillcolor rgb '#808080' "
                  "fillstyle transparent solid 0.25 noborder behind\n"
                  "plot for [i=0:%d] data index i using 1:2 with filledcurves closed "
                  "fillcolor palette cb (1 - i / %d.0) notitle, \\\n",
                  g->p_most, g->p_most, LEVELS - 1, LEVELS);
    for (int column = 2; column <= 3; column++)
        ch_buf_printf(&d.commands, "  data index %d using 1:%d with lines linewidth 2 "
                      "linecolor rgb 'white' notitle, \\\n", lines, column);
    ch_buf_printf(&d.commands,
                  "  data index %d using 1:2 with points pointtype 2 pointsize 0.45 "
                  "linecolor rgb '" PUBLISHED "' title 'the published bound is wrong here', \\\n"
                  "  data index %d using 1:4 with lines linewidth 3.5 linecolor rgb '#D55E00' "
                  "title 'exact limit', \\\n"
                  "  data index %d using 1:5 with lines linewidth 3 dashtype 2 "
                  "linecolor rgb '" PUBLISHED "' title 'published bound', \\\n",
                  errors, lines, lines);
    ch_buf_printf(&d.commands,
                  "  data index %d using 1:2 with points pointtype 7 pointsize 0.8 "
                  "linecolor rgb '" PUBLISHED "' title 'published sets'\n", sets);
    return ch_drawing_close(&d, drawn, path, 900, 640, e);
}

/* The i-th of 3 SAMPLES + 1 steps of p from 0 over p1 and p2 to beyond the limit, small ones where
 * eigenvalues are fast: s = 1 - 2 sqrt(alpha) cos(angle) + alpha on the circle. */
static double path_point(double alpha, int i)
{
    const double root = sqrt(alpha), share = (double)(i % SAMPLES) / SAMPLES;
    const double p1 = (1 - root) * (1 - root), p2 = (1 + root) * (1 + root);
    if (i < SAMPLES)
        return p1 * share * (2 - share);
    if (i < 2 * SAMPLES)
        return 1 + alpha - 2 * root * cos(acos(-1.0) * share);
    return p2 + (2.12 * (1 + alpha) - p2) * (i == 3 * SAMPLES ? 1 : share * share);
}

static void add_path(ch_drawing *d, double alpha)
{
    for (int which = 0; which < 2; which++) {
        for (int i = 0; i <= 3 * SAMPLES; i++) {
            ch_spectrum s;
            ch_analyze_spectrum(&s, alpha, path_point(alpha, i));
            ch_buf_printf(&d->numbers, "%.9g %.9g\n", s.re[which], s.im[which]);
        }
        ch_drawing_block(d);
    }
}

static int add_eigenvalues(ch_drawing *d)
{
    for (const ch_published_set *k = ch_published_sets; k->name; k++) {
        ch_spectrum s;
        ch_analyze_spectrum(&s, k->alpha, k->p);
        if (!isfinite(k->rho))
            continue;
        ch_buf_printf(&d->numbers, "%.9g %.9g \"%s\"\n%.9g %.9g \"\"\n", s.re[0], s.im[0], k->name,
                      s.re[1], s.im[1]);
    }
    return ch_drawing_block(d);
}

int ch_analyze_plot_eigenvalues(bool *drawn, const char *path, ch_err *e)
{
    static const double alphas[] = {0.1, 0.3, 0.5, 0.7, 0.9};
    ch_drawing d;
    ch_drawing_open(&d, "Eigenvalues as p grows: together, around the circle √α, out at −1",
                    "real part", "imaginary part");
    for (size_t i = 0; i < CH_COUNT(alphas); i++)
        add_path(&d, alphas[i]);
    const int sets = add_eigenvalues(&d);
    ch_buf_str(&d.commands, CH_VIRIDIS
               "set cbrange [0:1]\nunset colorbox\nset size ratio -1\n"
               "set xrange [-1.35:1.35]\nset yrange [-1.15:1.15]\nset xzeroaxis\nset yzeroaxis\n"
               "set object 1 circle at 0,0 size 1 fillstyle empty border rgb '#D55E00' "
               "linewidth 3\nset key below textcolor rgb '" CH_GREY "'\n");
    ch_drawing_text(&d, "|s| = 1", 0.74, 0.74, 0, "#D55E00");
    ch_drawing_text(&d, "p = 2 (1 + α)", -1.33, 0.07, 0, "#D55E00");
    ch_drawing_text(&d, "p = 0", 1.03, 0.07, 0, "#D55E00");
    ch_buf_str(&d.commands, "plot ");
    for (size_t i = 0; i < CH_COUNT(alphas); i++)
        for (int which = 0; which < 2; which++) {
            ch_buf_printf(&d.commands, "data index %d using 1:2 with lines linewidth 2.5 "
                          "linecolor palette cb %g ", (int)(2 * i) + which, alphas[i]);
            if (which == 0)
                ch_buf_printf(&d.commands, "title 'α = %g', \\\n  ", alphas[i]);
            else
                ch_buf_str(&d.commands, "notitle, \\\n  ");
        }
    ch_buf_printf(&d.commands,
                  "data index %d using 1:2 with points pointtype 7 pointsize 0.9 "
                  "linecolor rgb '" PUBLISHED "' title 'published sets', \\\n"
                  "  data index %d using 1:2:3 with labels left offset 0.6,0.6 "
                  "textcolor rgb '" CH_GREY "' notitle\n", sets, sets);
    return ch_drawing_close(&d, drawn, path, 760, 720, e);
}
