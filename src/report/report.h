/* report.h - what a run looks like: its progress as a line, its log as numbers, its curve as a
 * plot
 *
 *   progress   a rate that forgets, and a line that fits its width
 *   log        metrics.jsonl, read back
 *   plot       gnuplot's data and script, and the drawing where gnuplot is installed
 *   chart      the same curves in characters
 *   card       README.md beside a model
 * SPDX-License-Identifier: MIT */
#ifndef CH_REPORT_H
#define CH_REPORT_H

#include "base.h"

/* ---- Progress ------------------------------------------------------------------------------ */

/* Work done a second, weighted towards what happened last: with a horizon of ten seconds or an
 * eighth of the time so far, whichever is longer, so that an estimate follows a change of speed
 * and does not tremble. */
typedef struct ch_rate {
    uint64_t began_ns, seen_ns;
    int64_t done;
    double work, seconds; /* weighted sums */
} ch_rate;
void ch_report_rate_start(ch_rate *r, int64_t done, uint64_t now_ns);
void ch_report_rate_see(ch_rate *r, int64_t done, uint64_t now_ns);
/* Seconds until `of` are done; NaN while nothing tells. */
double ch_report_rate_eta(const ch_rate *r, int64_t of);

/* "0:07", "12:34", "1:02:03", "?" for what is no time. */
void ch_report_time(char *out, size_t size, double seconds);
/* "950", "12.3k", "1.05M", "2.10G". */
void ch_report_count(char *out, size_t size, double x);

/* "training ####.... 120/800  part  part": at most `columns` characters in out, of size bytes.
 * The bar takes what the parts leave, 4 to 32; a part that does not fit is left out, so the first
 * are the important ones.  columns <= 0: a line for a log, every part and no bar.  of <= 0: no
 * counts. */
void ch_report_line(char *out, size_t size, int columns, const char *phase, int64_t done,
                    int64_t of, const char *const *parts, int n_parts);

/* ---- The log of a run ---------------------------------------------------------------------- */

typedef struct ch_run_log {
    size_t n; /* steps */
    double *step, *tokens, *loss, *lr, *seconds;
    size_t n_val;
    double *val_tokens, *val_loss, *val_bpb; /* tokens seen when it was measured */
    double *memory;                          /* all of them lie here */
} ch_run_log;
/* dir/metrics.jsonl; a last line that is not whole yet is not read.  Keys that it does not know
 * are fine. */
int ch_report_log_read(ch_run_log *l, const char *dir, ch_err *e);
void ch_report_log_free(ch_run_log *l);
/* Mean loss of the last twentieth of the steps up to `tokens` seen; NaN where there are none. */
double ch_report_log_loss(const ch_run_log *l, double tokens);
/* Validation loss after `tokens`, between two measurements by a straight line; NaN outside. */
double ch_report_log_val(const ch_run_log *l, double tokens);
/* Index of the smallest validation loss; -1: none. */
int64_t ch_report_log_best(const ch_run_log *l);

/* ---- Plots --------------------------------------------------------------------------------- */

typedef enum ch_stroke { CH_STROKE_LINE, CH_STROKE_FAINT, CH_STROKE_POINTS } ch_stroke;

typedef struct ch_curve {
    const char *label; /* NULL: not in the key */
    const double *x, *y;
    size_t n;
    ch_stroke stroke;
    int colour; /* which of the palette */
} ch_curve;

typedef struct ch_plot {
    const char *title, *x_label, *y_label;
    const ch_curve *curves;
    int n_curves;
    double y_least, y_most; /* equal: from the data */
} ch_plot;

/* path ends in .svg or .png; beside it <stem>.dat and <stem>.gnuplot are written, which draw it
 * again anywhere.  *drawn: gnuplot was there and did. */
int ch_report_plot(bool *drawn, const ch_plot *p, const char *path, ch_err *e);
/* The same for gnuplot commands of the caller's own, in which the numbers' file is called data;
 * width and height in points of an .svg.  Whoever writes commands puts no stranger's text in. */
int ch_report_draw(bool *drawn, const char *path, int width, int height, const ch_buf *numbers,
                   const ch_buf *commands, ch_err *e);
/* Lines of text, columns wide and rows high. */
int ch_report_chart(ch_buf *b, const ch_plot *p, int columns, int rows, ch_err *e);

/* The curves of up to 8 runs over tokens: smoothed training loss and validation (and, of a single
 * run, every step's loss behind them).  Ends with ch_report_curves_free. */
typedef struct ch_run_curves {
    ch_plot plot;
    ch_curve curve[24];
    char label[24][80], x_label[40];
    double *memory;
} ch_run_curves;
enum { CH_RUNS_MOST = 8 };
int ch_report_curves(ch_run_curves *c, const ch_run_log *const *logs, const char *const *names,
                     int n, const char *title, ch_err *e);
void ch_report_curves_free(ch_run_curves *c);

/* ---- Cards --------------------------------------------------------------------------------- */

/* Begins a card that `by` ("train") writes; head: lines of YAML for Hugging Face, or NULL. */
void ch_report_card_begin(ch_buf *b, const char *by, const char *head);
/* Text in Markdown, and in one cell of a table. */
void ch_report_card_text(ch_buf *b, const char *text, size_t n);
/* Writes README.md of a folder, or NAME.md beside a file, unless there is one of someone's own, and
 * closes b. */
int ch_report_card_end(ch_buf *b, const char *of, ch_err *e);

#endif
