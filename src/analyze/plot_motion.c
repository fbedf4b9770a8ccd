/* plot_motion.c - how far from x* after n steps, and the two energies of one trajectory
 *
 * SPDX-License-Identifier: MIT */
#include "plotting.h"

#include <math.h>

/* After Okabe and Ito (2008), as in report/plot.c. */
static const char *const colours[] = {"#1F86CC", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
                                      "#8C6BB1"};
#define FLOOR 1e-9 /* of the logarithmic axes */

/* Columns: n, |x_n - x*| / |x_0 - x*|, and its bound sqrt(V / (1 - sigma)), which never rises. */
static int add_settling(ch_drawing *d, double alpha, double p, int steps)
{
    ch_spectrum s;
    ch_analyze_spectrum(&s, alpha, p);
    double e = 1, w = 0;
    for (int n = 0; n <= steps; n++) {
        const double v = ch_analyze_lyapunov(s.reach, e, w);
        const double bound = sqrt(v / (1 - s.reach));
        /* A point that passes x* by chance would draw a line to the floor and back. */
        if (isfinite(e) && fabs(e) > 1e-6 * bound)
            ch_buf_printf(&d->numbers, "%d %.9g %.9g\n", n, fabs(e), bound);
        w = alpha * w - p * e;
        e += w;
    }
    return ch_drawing_block(d);
}

static const char *const log_axis = "set logscale y\nset format y '%g'\n"
                                    "set grid ytics linecolor rgb '#A0808080' linewidth 1\n"
                                    "set key right top textcolor rgb '" CH_GREY "' spacing 1.25\n";

int ch_analyze_plot_settling(bool *drawn, const ch_published_set *sets, int n, int steps,
                             const char *path, ch_err *e)
{
    ch_drawing d;
    ch_drawing_open(&d, "Distance from the fixed point, from rest (faint: its bound from V)",
                    "step", "|xₙ − x*| / |x₀ − x*|");
    ch_buf_printf(&d.commands, "%sset key below\nset yrange [%g:10]\nset xrange [0:%d]\nplot ",
                  log_axis, FLOOR, steps);
    for (int i = 0; i < n; i++) {
        const int block = add_settling(&d, sets[i].alpha, sets[i].p, steps);
        const char *rgb = colours[i % (int)CH_COUNT(colours)];
        ch_buf_printf(&d.commands,
                      "%sdata index %d using 1:3 with lines linewidth 1.5 linecolor rgb '#A0%s' "
                      "notitle, \\\n  data index %d using 1:2 with linespoints linewidth 2 "
                      "pointtype 7 pointsize 0.35 linecolor rgb '%s' title '%s  (%g, %g)'",
                      i ? ", \\\n  " : "", block, rgb + 1, block, rgb, sets[i].name,
                      sets[i].alpha, sets[i].p);
    }
    ch_buf_str(&d.commands, "\n");
    return ch_drawing_close(&d, drawn, path, 900, 560, e);
}

/* Columns: n, published energy and V as shares of their first values, and the published energy
 * again where it is above the step before. */
static int add_energies(ch_drawing *d, const ch_integrator *k, ch_motion from, int steps)
{
    const double p = ch_analyze_pull(k), sigma = p / (2 * (1 + k->alpha));
    const double x = ch_analyze_fixed_point(k), stride = k->dt * k->gate;
    double first = 0, first_v = 0, before = (double)INFINITY;
    ch_motion s = from;
    for (int n = 0; n <= steps; n++) {
        const double energy = ch_analyze_published_energy(k, s);
        const double v = ch_analyze_lyapunov(sigma, s.x - x, stride * s.v);
        if (n == 0) {
            first = energy > 0 ? energy : 1;
            first_v = v > 0 ? v : 1;
        }
        if (isfinite(energy)) {
            ch_buf_printf(&d->numbers, "%d %.9g ", n, fmax(energy / first, FLOOR / 10));
            ch_buf_printf(&d->numbers, isfinite(v) ? "%.9g " : "NaN ",
                          fmax(v / first_v, FLOOR / 10));
            ch_buf_printf(&d->numbers, energy > before ? "%.9g\n" : "NaN\n", energy / first);
        }
        before = energy;
        s = ch_analyze_step(k, s);
    }
    return ch_drawing_block(d);
}

int ch_analyze_plot_energy(bool *drawn, const ch_integrator *k, ch_motion from, int steps,
                           const char *path, ch_err *e)
{
    ch_drawing d;
    char title[120];
    snprintf(title, sizeof title, "Energy along one trajectory: α = %g, p = %g", k->alpha,
             ch_analyze_pull(k));
    ch_drawing_open(&d, title, "step", "share of the first value");
    const int block = add_energies(&d, k, from, steps);
    ch_buf_printf(&d.commands,
                  "%sset yrange [%g:*]\nset xrange [0:%d]\n"
                  "plot data index %d using 1:2 with linespoints linewidth 2.5 pointtype 7 "
                  "pointsize 0.4 linecolor rgb '#D55E00' title 'published energy', \\\n",
                  log_axis, FLOOR, steps, block);
    ch_buf_printf(&d.commands,
                  "  data index %d using 1:4 with points pointtype 6 pointsize 1.1 linewidth 2 "
                  "linecolor rgb '#B0107C' title '  where it rises', \\\n"
                  "  data index %d using 1:3 with linespoints linewidth 2.5 pointtype 7 "
                  "pointsize 0.4 linecolor rgb '#1F86CC' title 'V, which cannot rise'\n",
                  block, block);
    return ch_drawing_close(&d, drawn, path, 900, 560, e);
}
