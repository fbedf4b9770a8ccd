/* progress.c - how fast it goes, how long it takes, and a line that says so
 *
 *   rate = sum w_i work_i / sum w_i seconds_i,   w_i = product of exp(-dt / horizon) since i
 *
 * Both sums forget at one pace, so the first seconds are not biased towards zero.
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include <math.h>
#include <string.h>

static const double horizon_least_s = 10, horizon_share = 0.125;
enum { BAR_LEAST = 4, BAR_MOST = 32 };

void ch_report_rate_start(ch_rate *r, int64_t done, uint64_t now_ns)
{
    *r = (ch_rate){.began_ns = now_ns, .seen_ns = now_ns, .done = done};
}

void ch_report_rate_see(ch_rate *r, int64_t done, uint64_t now_ns)
{
    if (done <= r->done || now_ns <= r->seen_ns)
        return;
    const double s = (double)(now_ns - r->seen_ns) * 1e-9;
    const double so_far = (double)(now_ns - r->began_ns) * 1e-9;
    const double keep = exp(-s / fmax(horizon_least_s, horizon_share * so_far));
    r->work = r->work * keep + (double)(done - r->done);
    r->seconds = r->seconds * keep + s;
    r->done = done;
    r->seen_ns = now_ns;
}

double ch_report_rate_eta(const ch_rate *r, int64_t of)
{
    if (of < r->done || r->work <= 0)
        return (double)NAN;
    return (double)(of - r->done) * r->seconds / r->work;
}

void ch_report_time(char *out, size_t size, double seconds)
{
    if (!(seconds >= 0 && seconds < 1e8)) {
        snprintf(out, size, "?");
        return;
    }
    const long s = lround(seconds);
    if (s < 3600)
        snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

void ch_report_count(char *out, size_t size, double x)
{
    static const char *const unit[] = {"", "k", "M", "G", "T"};
    size_t i = 0;
    while (fabs(x) >= 999.5 && i + 1 < CH_COUNT(unit)) {
        x /= 1000;
        i++;
    }
    const int digits = i == 0 || fabs(x) >= 99.95 ? 0 : fabs(x) >= 9.995 ? 1 : 2;
    snprintf(out, size, "%.*f%s", digits, x, unit[i]);
}

/* Appends at *at what fits into size. */
static void add(char *out, size_t size, size_t *at, const char *text)
{
    const size_t n = CH_MIN(strlen(text), size - 1 - *at);
    memcpy(out + *at, text, n);
    *at += n;
    out[*at] = '\0';
}

void ch_report_line(char *out, size_t size, int columns, const char *phase, int64_t done,
                    int64_t of, const char *const *parts, int n_parts)
{
    char counts[48] = "";
    size_t at = 0;
    if (of > 0)
        snprintf(counts, sizeof counts, "%lld/%lld", (long long)done, (long long)of);
    const size_t room = columns > 0 ? CH_MIN((size_t)columns, size - 1) : size - 1;
    size_t used = strlen(phase) + (of > 0 ? 1 + strlen(counts) : 0);
    const bool barred = columns > 0 && of > 0 && used + 1 + BAR_LEAST <= room;
    if (barred)
        used += 1 + BAR_LEAST;
    uint64_t shown = 0;
    for (int i = 0; i < CH_MIN(n_parts, 64); i++) {
        const size_t n = 2 + strlen(parts[i]);
        if (n == 2 || used + n > room)
            continue;
        shown |= UINT64_C(1) << i;
        used += n;
    }
    out[0] = '\0';
    add(out, room + 1, &at, phase);
    if (barred) {
        const int wide = CH_MIN(BAR_MOST, BAR_LEAST + (int)(room - used));
        char bar[BAR_MOST + 2] = " ";
        for (int i = 0; i < wide; i++)
            bar[1 + i] = (double)i * (double)of < (double)done * wide ? '#' : '.';
        bar[1 + wide] = '\0';
        add(out, room + 1, &at, bar);
    }
    if (of > 0) {
        add(out, room + 1, &at, " ");
        add(out, room + 1, &at, counts);
    }
    for (int i = 0; i < CH_MIN(n_parts, 64); i++)
        if (shown >> i & 1) {
            add(out, room + 1, &at, "  ");
            add(out, room + 1, &at, parts[i]);
        }
}
