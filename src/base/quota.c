/* quota.c - how many CPUs the control groups of this process leave it
 *
 * What containers and services are given (docker --cpus, CPUQuota=) is no set of CPUs but time:
 * QUOTA microseconds in each PERIOD, for all threads together.  A pool with more threads than
 * that spins its time away and is then stopped as a whole, in the middle of a step; so a part of a
 * CPU does not count.  Each group's limit holds for what is below it: the least of them all counts.
 *
 *     version 2   /sys/fs/cgroup/GROUP/cpu.max                  "QUOTA PERIOD", "max PERIOD"
 *     version 1   /sys/fs/cgroup/cpu/GROUP/cpu.cfs_quota_us     -1: none; cpu.cfs_period_us
 *
 * GROUP is in /proc/self/cgroup; inside a container it may be one that cannot be seen there, and
 * the container's own stands at the top.  Source: the kernel's admin-guide/cgroup-v2.rst,
 * scheduler/sched-bwc.rst.  SPDX-License-Identifier: MIT */
#include "quota.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* The numbers at the beginning of the file DIR/NAME; how many there are, 2 at most. */
static int read_numbers(double out[2], const char *dir, const char *name)
{
    char path[PATH_BYTES + 64];
    const int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "r") : NULL;
    if (!f)
        return 0;
    const int found = fscanf(f, "%20lf %20lf", &out[0], &out[1]);
    fclose(f);
    return found < 0 ? 0 : found;
}

/* The least of `most` and what the group in DIR allows. */
static double least(double most, const char *dir, bool v2)
{
    double v[2];
    int n;
    if (v2) {
        n = read_numbers(v, dir, "cpu.max");
    } else {
        double period[2];
        n = read_numbers(v, dir, "cpu.cfs_quota_us");
        n = n > 0 && read_numbers(period, dir, "cpu.cfs_period_us") > 0 ? 2 : 0;
        v[1] = n ? period[0] : 0;
    }
    return n == 2 && v[0] > 0 && v[1] > 0 && v[0] / v[1] < most ? v[0] / v[1] : most;
}

/* The same for a group and all that it is in. */
static double least_above(double most, const char *root, const char *group, bool v2)
{
    char dir[PATH_BYTES];
    const int top = snprintf(dir, sizeof dir, "%s/sys/fs/cgroup%s", root, v2 ? "" : "/cpu");
    if (top < 0 || (size_t)top + strlen(group) >= sizeof dir)
        return most;
    /* Above the top that is seen here there is nothing to look at. */
    if (!strstr(group, "/.."))
        memcpy(dir + top, group, strlen(group) + 1);
    for (;;) {
        most = least(most, dir, v2);
        char *slash = strrchr(dir + top, '/');
        if (!slash)
            return most;
        *slash = '\0';
    }
}

/* Is "cpu" one of the names between commas? */
static bool names_cpu(const char *list)
{
    for (size_t n; *list; list += n + (list[n] == ',')) {
        n = strcspn(list, ",");
        if (n == 3 && memcmp(list, "cpu", 3) == 0)
            return true;
    }
    return false;
}

/* Lines are NUMBER:CONTROLLERS:GROUP; version 2 has no controllers. */
int ch_quota_cpus(const char *root)
{
    char line[PATH_BYTES + 64];
    double most = INT_MAX;
    snprintf(line, sizeof line, "%s/proc/self/cgroup", root);
    FILE *f = fopen(line, "r");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        char *list = strchr(line, ':');
        char *group = list ? strchr(list + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (list[1] == '\0' || names_cpu(list + 1))
            most = least_above(most, root, group, list[1] == '\0');
    }
    fclose(f);
    return most >= INT_MAX ? 0 : most < 1 ? 1 : (int)most;
}
