/* clock.c - monotonic time, and how long this process has lived (Linux: field 22 of
 * /proc/self/stat, in clock ticks after boot).  SPDX-License-Identifier: MIT */
#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t ch_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double ch_clock_process_s(void)
{
#ifdef CLOCK_BOOTTIME
    char line[1024];
    FILE *f = fopen("/proc/self/stat", "re");
    if (f == NULL)
        return 0;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = 0;
    unsigned long long ticks;
    const char *rest = strrchr(line, ')'); /* the name in field 2 may hold spaces and brackets */
    if (rest == NULL || sscanf(rest + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
                               " %*s %*s %*s %*s %*s %llu", &ticks) != 1)
        return 0;
    struct timespec now;
    if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
        return 0;
    double born_s = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    double age_s = (double)now.tv_sec + (double)now.tv_nsec * 1e-9 - born_s;
    return age_s > 0 ? age_s : 0;
#else
    return 0;
#endif
}
