/* plot.c - curves for gnuplot: a file of numbers, a script, and the drawing where gnuplot is
 * installed
 *
 * The script names its files by "./" and their last parts, and gnuplot is started in their
 * directory, without a shell: gnuplot takes names that begin with | or < for commands, and reads
 * nothing else in single quotes.  Text in grey and lines in colours that stand out on white and on
 * black alike, no background: the drawing suits a light page and a dark one.
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { TEXT_MOST = 64 << 20, PATH_MOST = 4000 };

/* After Okabe and Ito (2008), which the colour-blind can tell apart: without the yellow, the blue
 * lighter for dark pages. */
static const char *const palette[] = {"1F86CC", "D55E00", "009E73", "CC79A7",
                                      "56B4E9", "E69F00", "8C6BB1", "808080"};

/* In single quotes nothing has a meaning but the quote, which is doubled. */
static void quote(ch_buf *b, const char *text)
{
    ch_buf_put(b, "'", 1);
    for (const char *c = text; *c; c++) {
        const bool control = (unsigned char)*c < ' ' || *c == 127;
        ch_buf_put(b, control ? " " : c, 1);
        if (*c == '\'')
            ch_buf_put(b, "'", 1);
    }
    ch_buf_put(b, "'", 1);
}

static void write_numbers(ch_buf *b, const ch_plot *p)
{
    for (int i = 0; i < p->n_curves; i++) {
        const ch_curve *c = &p->curves[i];
        ch_buf_str(b, "# ");
        for (const char *t = c->label ? c->label : "(no label)"; *t; t++)
            ch_buf_put(b, (unsigned char)*t < ' ' ? " " : t, 1);
        ch_buf_str(b, "\n");
        size_t written = 0;
        for (size_t k = 0; k < c->n; k++)
            if (isfinite(c->x[k]) && isfinite(c->y[k])) {
                ch_buf_printf(b, "%.9g %.9g\n", c->x[k], c->y[k]);
                written++;
            }
        if (!written)
            ch_buf_str(b, "NaN NaN\n"); /* a block without a line is none, and would be skipped */
        ch_buf_str(b, "\n\n");
    }
}

static void write_style(ch_buf *b, const ch_curve *c)
{
    const char *rgb = palette[(unsigned)c->colour % CH_COUNT(palette)];
    switch (c->stroke) {
    case CH_STROKE_FAINT:
        ch_buf_printf(b, "with lines linewidth 1 linecolor rgb '#B0%s'", rgb);
        break;
    case CH_STROKE_POINTS:
        ch_buf_printf(b, "with linespoints linewidth 1.5 dashtype 2 pointtype 7 pointsize 0.6 "
                         "linecolor rgb '#%s'", rgb);
        break;
    default: ch_buf_printf(b, "with lines linewidth 2.5 linecolor rgb '#%s'", rgb);
    }
}

static void write_script(ch_buf *b, const ch_plot *p)
{
    ch_buf_str(b, "set border 3 linecolor rgb '#808080'\n"
                  "set tics nomirror textcolor rgb '#767676'\n"
                  "set grid ytics linecolor rgb '#A0808080' linewidth 1\n"
                  "set key top right textcolor rgb '#767676' spacing 1.25 samplen 2\n"
                  "set rmargin 3\nset xrange [0:*]\nset autoscale xfixmax\n");
    const char *const labels[][2] = {
        {"title", p->title}, {"xlabel", p->x_label}, {"ylabel", p->y_label}};
    for (size_t i = 0; i < CH_COUNT(labels); i++)
        if (labels[i][1]) {
            ch_buf_printf(b, "set %s ", labels[i][0]);
            quote(b, labels[i][1]);
            ch_buf_str(b, " textcolor rgb '#767676'\n");
        }
    if (p->y_least < p->y_most)
        ch_buf_printf(b, "set yrange [%.9g:%.9g]\n", p->y_least, p->y_most);
    ch_buf_str(b, "plot ");
    for (int i = 0; i < p->n_curves; i++) {
        ch_buf_printf(b, "%sdata index %d using 1:2 ", i ? ", \\\n     " : "", i);
        write_style(b, &p->curves[i]);
        ch_buf_str(b, p->curves[i].label ? " title " : " notitle");
        if (p->curves[i].label)
            quote(b, p->curves[i].label);
    }
    ch_buf_str(b, "\n");
}

/* Runs gnuplot in dir; false: it is not there, or did not do it. */
static bool draw(const char *dir, const char *script)
{
    posix_spawn_file_actions_t a;
    if (posix_spawn_file_actions_init(&a) != 0)
        return false;
    char *const argv[] = {"gnuplot", "-d", (char *)(uintptr_t)script, NULL};
    pid_t pid = -1;
    int status = -1;
    bool ran = posix_spawn_file_actions_addopen(&a, 0, "/dev/null", O_RDONLY, 0) == 0 &&
               posix_spawn_file_actions_addopen(&a, 1, "/dev/null", O_WRONLY, 0) == 0 &&
               posix_spawn_file_actions_addopen(&a, 2, "/dev/null", O_WRONLY, 0) == 0 &&
               posix_spawn_file_actions_addchdir_np(&a, dir) == 0 &&
               posix_spawnp(&pid, "gnuplot", &a, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&a);
    while (ran && waitpid(pid, &status, 0) < 0)
        ran = errno == EINTR;
    return ran && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int write_text(const char *path, const ch_buf *b, ch_err *e)
{
    const int rc = ch_buf_check(b, "a plot", e);
    return rc == CH_OK ? ch_io_write_file(path, b->data, b->size, e) : rc;
}

/* What every script begins with; the numbers are called data in what follows. */
static void write_head(ch_buf *b, const char *image, const char *data, bool png, int width,
                       int height)
{
    ch_buf_str(b, "# Draws it again: gnuplot -d and the name of this file, in its directory.\n");
    if (png)
        ch_buf_printf(b, "set terminal pngcairo size %d,%d noenhanced transparent font 'Sans,13'",
                      width * 4 / 3, height * 4 / 3);
    else
        ch_buf_printf(b, "set terminal svg size %d,%d dynamic noenhanced "
                         "font 'system-ui,Helvetica,Arial,sans-serif,15'", width, height);
    ch_buf_str(b, "\nset encoding utf8\nset output ");
    quote(b, image);
    ch_buf_str(b, "\ndata = ");
    quote(b, data);
    ch_buf_str(b, "\n");
}

int ch_report_draw(bool *drawn, const char *path, int width, int height, const ch_buf *numbers,
                   const ch_buf *commands, ch_err *e)
{
    *drawn = false;
    const size_t n = strlen(path);
    const char *dot = n > 4 ? path + n - 4 : "";
    const bool png = strcmp(dot, ".png") == 0;
    if ((strcmp(dot, ".svg") != 0 && !png) || n > PATH_MOST || path[n - 5] == '/')
        return ch_fail(e, CH_EARG, "%.200s: a plot's name ends in .svg or .png", path);
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return ch_fail(e, CH_EARG, "%.200s: a plot's name has no control characters", path);
    const char *slash = strrchr(path, '/');
    const int stem = (int)(dot - path), dir = slash ? (int)(slash - path) : 0;
    char data[PATH_MOST + 16], script[PATH_MOST + 16], image[PATH_MOST + 16], place[PATH_MOST + 16];
    snprintf(place, sizeof place, "%.*s", slash ? CH_MAX(dir, 1) : 1, slash ? path : ".");
    snprintf(image, sizeof image, "./%s", slash ? slash + 1 : path);
    const char *name = image + 2;
    const int name_stem = (int)strlen(name) - 4;
    snprintf(data, sizeof data, "%.*s.dat", stem, path);
    snprintf(script, sizeof script, "%.*s.gnuplot", stem, path);
    int rc = write_text(data, numbers, e);
    if (rc == CH_OK)
        rc = ch_buf_check(commands, "a plot", e);
    ch_buf b;
    ch_buf_init(&b, TEXT_MOST);
    snprintf(data, sizeof data, "./%.*s.dat", name_stem, name);
    write_head(&b, image, data, png, width, height);
    if (rc == CH_OK && commands->data)
        ch_buf_put(&b, commands->data, commands->size);
    if (rc == CH_OK)
        rc = write_text(script, &b, e);
    ch_buf_close(&b);
    snprintf(script, sizeof script, "./%.*s.gnuplot", name_stem, name);
    if (rc == CH_OK)
        *drawn = draw(place, script);
    return rc;
}

int ch_report_plot(bool *drawn, const ch_plot *p, const char *path, ch_err *e)
{
    ch_buf numbers, commands;
    ch_buf_init(&numbers, TEXT_MOST);
    ch_buf_init(&commands, TEXT_MOST);
    write_numbers(&numbers, p);
    write_script(&commands, p);
    const int rc = ch_report_draw(drawn, path, 900, 540, &numbers, &commands, e);
    ch_buf_close(&numbers);
    ch_buf_close(&commands);
    return rc;
}
