/* bar.c - progress on stderr.  SPDX-License-Identifier: MIT */
#include "bar.h"

#include "cli.h"

#include <string.h>
#include <sys/ioctl.h>

enum { PARTS_MOST = 8, COLUMNS_OR = 80 };
static const uint64_t pause_tty_ns = 150000000u, pause_log_ns = 10000000000u;

void ch_bar_open(ch_bar *b, FILE *to)
{
    *b = (ch_bar){.to = to, .tty = to && ch_cli_tty(to)};
}

/* One less than there are: a full line would wrap on some terminals. */
static int columns_of(FILE *f)
{
    struct winsize w;
    if (ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col - 1;
    return COLUMNS_OR - 1;
}

/* Is this the phase that was kept, as much of its name as there is room for? */
static bool is_phase(const char kept[32], const char *phase)
{
    return strncmp(kept, phase, 31) == 0;
}

/* Notes what is done.  True: a counted phase that was not under way before. */
static bool count(ch_bar *b, const char *phase, int64_t done, int64_t of, uint64_t now)
{
    if (of <= 0)
        return false;
    const bool other = !is_phase(b->counted, phase) || b->of != of;
    if (other) {
        snprintf(b->counted, sizeof b->counted, "%s", phase);
        ch_report_rate_start(&b->rate, done, now);
        b->of = of;
        b->shown_counts = false;
    }
    b->done = done;
    ch_report_rate_see(&b->rate, done, now);
    return other;
}

static bool is_due(const ch_bar *b, const char *phase, bool began, int64_t of, uint64_t now)
{
    const bool named = is_phase(b->shown, phase);
    if (b->tty)
        return !named || began || (of > 0 && b->done >= of) || now - b->shown_ns >= pause_tty_ns;
    if (of <= 0)
        return !named && b->done >= b->of;
    return (began && !named) || (b->shown_counts && b->done >= of) ||
           now - b->shown_ns >= pause_log_ns;
}

static void write_line(ch_bar *b, const char *phase, int64_t of, const char *const *parts,
                       int n_parts)
{
    char line[512], left[48] = "", eta[32];
    const char *all[1 + PARTS_MOST] = {left};
    const double s = ch_bar_eta(b);
    if (of > 0 && b->done < of && s >= 0) {
        ch_report_time(eta, sizeof eta, s);
        snprintf(left, sizeof left, "eta %s", eta);
    }
    n_parts = CH_MIN(n_parts, (int)PARTS_MOST);
    for (int i = 0; i < n_parts; i++)
        all[1 + i] = parts[i];
    ch_report_line(line, sizeof line, b->tty ? columns_of(b->to) : 0, phase, b->done, of, all,
                   1 + n_parts);
    fprintf(b->to, b->tty ? "\r\033[K%s" : "%s\n", line);
    fflush(b->to);
    b->dirty = b->tty;
}

void ch_bar_show(ch_bar *b, const char *phase, int64_t done, int64_t of, const char *const *parts,
                 int n_parts)
{
    if (!b->to)
        return;
    const uint64_t now = ch_clock_ns();
    const bool began = count(b, phase, done, of, now);
    if (!is_due(b, phase, began, of, now))
        return;
    write_line(b, phase, of, parts, n_parts);
    b->shown_ns = now;
    b->shown_counts = of > 0 && done < of;
    snprintf(b->shown, sizeof b->shown, "%s", phase);
}

double ch_bar_eta(const ch_bar *b)
{
    return ch_report_rate_eta(&b->rate, b->of);
}

void ch_bar_say(ch_bar *b, const char *text)
{
    if (!b->to)
        return;
    fprintf(b->to, "%s%s\n", b->dirty ? "\r\033[K" : "", text);
    fflush(b->to);
    b->dirty = false;
}

void ch_bar_close(ch_bar *b)
{
    if (b->to && b->dirty)
        fputc('\n', b->to);
    b->dirty = false;
}
