/* plot_observed.c - a model's own steps: over the regions, by layer, and how far tokens come
 *
 * SPDX-License-Identifier: MIT */
#include "observe.h"
#include "plotting.h"

#include <math.h>
#include <stdlib.h>

enum { POINTS = 6000, LINE = 200, TOKENS = 60, PANELS = 4 };

/* ---- Over the map --------------------------------------------------------------------------- */

/* Columns: alpha, p, layer; every m-th of what is kept, no more than POINTS in all. */
static int add_points(ch_drawing *d, const ch_observed *o, double *p_most)
{
    size_t all = 0;
    for (int l = 0; l < o->layers; l++)
        all += o->layer[l].n;
    const size_t stride = all / POINTS + 1;
    size_t next = stride / 2;
    for (int l = 0; l < o->layers; l++) {
        const ch_observed_layer *at = &o->layer[l];
        for (; next < at->n; next += stride) {
            const double a = (double)at->seen[CH_SEEN_ALPHA][next];
            const double p = (double)at->seen[CH_SEEN_P][next];
            if (!isfinite(a) || !(p > 0) || isinf(p))
                continue;
            ch_buf_printf(&d->numbers, "%.6g %.6g %d\n", a, p, l);
            *p_most = fmax(*p_most, p);
        }
        next -= CH_MIN(next, at->n);
    }
    return ch_drawing_block(d);
}

/* Columns: alpha, p1, p2, limit. */
static int add_lines(ch_drawing *d)
{
    for (int i = 0; i <= LINE; i++) {
        const double s0 = (double)i / LINE, s1 = 1 - s0; /* denser at both ends */
        const double root = s0 < 0.5 ? 2 * s0 * s0 : 1 - 2 * s1 * s1;
        ch_spectrum s;
        ch_analyze_spectrum(&s, root * root, 1);
        ch_buf_printf(&d->numbers, "%.9g %.9g %.9g %.9g\n", s.alpha, fmax(s.critical, 1e-12),
                      s.flip, s.limit);
    }
    return ch_drawing_block(d);
}

/* Where rho is s: p = (1 - s) (1 - alpha / s), from alpha = 0 to the critical line at s^2, and from
 * there up to p2. */
static int add_radii(ch_drawing *d, double least)
{
    static const double s[] = {0.5, 0.8, 0.9, 0.95, 0.99, 0.999};
    for (size_t i = 0; i < CH_COUNT(s); i++) {
        char label[24];
        for (int j = 0; j <= LINE; j++) {
            const double alpha = s[i] * s[i] * j / LINE;
            ch_buf_printf(&d->numbers, "%.9g %.9g\n", alpha, (1 - s[i]) * (1 - alpha / s[i]));
        }
        ch_buf_printf(&d->numbers, "%.9g %.9g\n\n", s[i] * s[i], (1 + s[i]) * (1 + s[i]));
        snprintf(label, sizeof label, "ρ = %g", s[i]);
        if ((1 - s[i]) * 0.8 > least)
            ch_drawing_text(d, label, 0.01, (1 - s[i]) * 0.8, 0, "#9A9A9A");
    }
    return ch_drawing_block(d);
}

static void name_regions(ch_drawing *d, double least, double most)
{
    const struct {
        const char *label;
        double x, y;
        const char *rgb;
    } names[] = {
        {"diverges", 0.04, 4.6, "#D55E00"},
        {"p = 2 (1 + α)", 0.82, 2.75, "#D55E00"},
        {"oscillating: ρ = √α", 0.66, 1.15, CH_GREY},
        {"overdamped", 0.04, 1.35 * least, CH_GREY},
        {"p₁ = (1 − √α)²", 0.77, 0.0011, CH_GREY},
    };
    for (size_t i = 0; i < CH_COUNT(names); i++)
        if (names[i].y < most && names[i].y > least)
            ch_drawing_text(d, names[i].label, names[i].x, names[i].y, 0, names[i].rgb);
}

static void colour_layers(ch_drawing *d, const ch_observed *o)
{
    ch_buf_printf(&d->commands,
                  CH_VIRIDIS "set cbrange [0:%d]\nset cblabel 'layer' textcolor rgb '" CH_GREY "'\n"
                  "set cbtics nomirror textcolor rgb '" CH_GREY "'\n",
                  CH_MAX(o->layers - 1, 1));
}

int ch_analyze_plot_observed(bool *drawn, const ch_observed *o, const char *path, ch_err *e)
{
    ch_drawing d;
    double most = 5;
    ch_drawing_open(&d, "The steps of the model: each layer, token and channel has its own",
                    "α  (inertia)", "p = dt · gate · β  (pull)");
    const int points = add_points(&d, o, &most), lines = add_lines(&d);
    const double least = 1e-4;
    const int radii = add_radii(&d, least);
    most = fmin(most * 1.3, 1e6);
    name_regions(&d, least, most);
    colour_layers(&d, o);
    ch_buf_printf(&d.commands,
                  "set xrange [0:1]\nset logscale y\nset format y '%%g'\nset yrange [%g:%.6g]\n"
                  "set key off\nplot data index %d using 1:2 with lines linewidth 1 "
                  "linecolor rgb '#90A0A0A0', \\\n"
                  "  data index %d using 1:2:3 with points pointtype 7 pointsize 0.28 "
                  "linecolor palette notitle, \\\n", least, most, radii,
                  points);
    ch_buf_printf(&d.commands,
                  "  data index %d using 1:2 with lines linewidth 2 linecolor rgb '#808080', \\\n"
                  "  data index %d using 1:3 with lines linewidth 1.5 dashtype 2 "
                  "linecolor rgb '#808080', \\\n"
                  "  data index %d using 1:4 with lines linewidth 3 linecolor rgb '#D55E00'\n",
                  lines, lines, lines);
    return ch_drawing_close(&d, drawn, path, 900, 620, e);
}

/* ---- By layer ------------------------------------------------------------------------------- */

/* Columns: layer, and the shares of 10, 25, 50, 75, 90 %. */
static int add_quantiles(ch_drawing *d, const ch_observed *o, ch_observable what)
{
    static const double q[] = {0.1, 0.25, 0.5, 0.75, 0.9};
    double at[CH_COUNT(q)];
    for (int l = 0; l < o->layers; l++) {
        const ch_observed_layer *k = &o->layer[l];
        ch_analyze_quantiles(at, q, CH_COUNT(q), o, k->seen[what], k->n);
        if (!isfinite(at[0]) || !isfinite(at[4]))
            continue;
        ch_buf_printf(&d->numbers, "%d", l);
        for (size_t i = 0; i < CH_COUNT(q); i++)
            ch_buf_printf(&d->numbers, " %.6g", at[i]);
        ch_buf_str(&d->numbers, "\n");
    }
    return ch_drawing_block(d);
}

int ch_analyze_plot_layers(bool *drawn, const ch_observed *o, const char *path, ch_err *e)
{
    const struct {
        ch_observable what;
        const char *title, *rgb;
    } panels[PANELS] = {
        {CH_SEEN_ALPHA, "inertia α", "#1F86CC"},
        {o->gates ? CH_SEEN_BETA : CH_SEEN_GAIN, o->gates ? "stiffness β" : "gain of the force",
         "#009E73"},
        {CH_SEEN_P, o->gates ? "pull p = dt · gate · β" : "pull p", "#D55E00"},
        {CH_SEEN_RHO, "spectral radius ρ", "#8C6BB1"},
    };
    ch_drawing d;
    int block[PANELS];
    ch_drawing_open(&d, "", "layer", "");
    for (int i = 0; i < PANELS; i++)
        block[i] = add_quantiles(&d, o, panels[i].what);
    ch_buf_printf(&d.commands, "set multiplot layout 2,2\nset xrange [-0.5:%g]\n"
                               "set grid ytics linecolor rgb '#A0808080' linewidth 1\n"
                               "set style fill transparent solid 0.22 noborder\n"
                               "set xtics %d\n",
                  o->layers - 0.5, (o->layers + 11) / 12);
    for (int i = 0; i < PANELS; i++) {
        const char *rgb = panels[i].rgb;
        ch_buf_printf(&d.commands, "set title '%s' textcolor rgb '" CH_GREY "'\n", panels[i].title);
        ch_buf_printf(&d.commands,
                      "plot data index %d using 1:2:6 with filledcurves linecolor rgb '%s', \\\n"
                      "  data index %d using 1:3:5 with filledcurves linecolor rgb '%s', \\\n"
                      "  data index %d using 1:4 with linespoints linewidth 2.5 pointtype 7 "
                      "pointsize 0.5 linecolor rgb '%s'\n",
                      block[i], rgb, block[i], rgb, block[i], rgb);
    }
    ch_buf_str(&d.commands, "unset multiplot\n");
    return ch_drawing_close(&d, drawn, path, 960, 640, e);
}

/* ---- How far tokens come -------------------------------------------------------------------- */

static bool add_token(ch_drawing *d, const ch_observed_layer *at, int token)
{
    const double *distance = at->distance + (ptrdiff_t)token * (at->steps + 1);
    if (!(distance[0] > 0))
        return false;
    for (int k = 0; k <= at->steps; k++)
        if (distance[k] > 0)
            ch_buf_printf(&d->numbers, "%d %.6g\n", k, distance[k] / distance[0]);
    ch_buf_str(&d->numbers, "\n"); /* the line ends */
    return true;
}

static int add_median(ch_drawing *d, const ch_observed *o, int l, float *shares)
{
    static const double half[] = {0.5};
    for (int k = 0; k <= o->layer[l].steps; k++) {
        double median;
        const size_t n = ch_analyze_shares_left(shares, o, l, k);
        ch_analyze_quantiles(&median, half, 1, o, shares, n);
        if (median > 0)
            ch_buf_printf(&d->numbers, "%d %.6g\n", k, median);
    }
    return ch_drawing_block(d);
}

/* The first layer, the last, and what lies between in thirds: each token faint, the median not. */
int ch_analyze_plot_tokens(bool *drawn, const ch_observed *o, const char *path, ch_err *e)
{
    static const char *const colours[] = {"#1F86CC", "#009E73", "#E69F00", "#B0107C"};
    enum { MOST = 4 };
    const int lines = CH_MIN(o->layers, (int)MOST), stride = CH_MAX(1, o->tokens / TOKENS);
    float *shares = malloc((size_t)o->tokens * sizeof *shares);
    ch_drawing d;
    int most = 1;
    if (!shares)
        return ch_fail(e, CH_ENOMEM, "no memory to draw %d tokens", o->tokens);
    ch_drawing_open(&d, "Each token on its way (bold: the median of a layer)", "step",
                    "|xₖ − x*| / |x₀ − x*|");
    ch_buf_printf(&d.commands,
                  "set grid ytics linecolor rgb '#A0808080' linewidth 1\n"
                  "set key right top textcolor rgb '" CH_GREY "' spacing 1.25\n");
    ch_buf plots;
    ch_buf_init(&plots, 1 << 16);
    for (int i = 0; i < lines; i++) {
        const int l = lines > 1 ? i * (o->layers - 1) / (lines - 1) : 0;
        for (int t = 0; t < o->tokens; t += stride)
            add_token(&d, &o->layer[l], t);
        const int each = ch_drawing_block(&d), median = add_median(&d, o, l, shares);
        most = CH_MAX(most, o->layer[l].steps);
        ch_buf_printf(&plots,
                      "%sdata index %d using 1:2 with lines linewidth 0.7 "
                      "linecolor rgb '#C8%s' notitle, \\\n"
                      "  data index %d using 1:2 with linespoints linewidth 3 pointtype 7 "
                      "pointsize 0.5 linecolor rgb '%s' title 'layer %d'",
                      i ? ", \\\n  " : "", each, colours[i] + 1, median, colours[i], l);
    }
    ch_buf_printf(&d.commands, "set xrange [0:%d]\nset yrange [0:*]\nplot %s\n", most,
                  plots.data ? plots.data : "");
    ch_buf_close(&plots);
    free(shares);
    return ch_drawing_close(&d, drawn, path, 900, 560, e);
}
