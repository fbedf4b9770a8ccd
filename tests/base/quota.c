/* quota.c - what control groups of both versions allow, told by files of our own
 *
 * SPDX-License-Identifier: MIT */
#include "quota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#include "io.h"

static char *root;

/* A file below root, with its folders. */
static void put(const char *path, const char *text)
{
    char full[512];
    ch_err e = {0};
    snprintf(full, sizeof full, "%s%s", root, path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    assert_ok(ch_io_make_dir(full, &e), e);
    *slash = '/';
    assert_ok(ch_io_write_file(full, text, strlen(text), &e), e);
}

static int begin(void **state)
{
    (void)state;
    root = temp_dir();
    return root ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    temp_dir_remove(root);
    return 0;
}

static void test_version_2(void **state)
{
    (void)state;
    assert_int_equal(ch_quota_cpus(root), 0);
    put("/proc/self/cgroup", "0::/a/b\n");
    assert_int_equal(ch_quota_cpus(root), 0);
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(ch_quota_cpus(root), 0);
    put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    assert_int_equal(ch_quota_cpus(root), 4);
    put("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
    assert_int_equal(ch_quota_cpus(root), 2);
    put("/sys/fs/cgroup/a/b/cpu.max", "5000 100000\n");
    assert_int_equal(ch_quota_cpus(root), 1);
}

static void test_groups_above(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "150000 50000\n");
    assert_int_equal(ch_quota_cpus(root), 3);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(ch_quota_cpus(root), 2);
}

/* Inside a container: the group that is named there is the host's. */
static void test_container(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    put("/proc/self/cgroup", "0::/docker/0123\n");
    assert_int_equal(ch_quota_cpus(root), 3);
    put("/proc/self/cgroup", "0::/../../other\n");
    assert_int_equal(ch_quota_cpus(root), 3);
    put("/proc/self/cgroup", "0::/\n");
    assert_int_equal(ch_quota_cpus(root), 3);
}

static void test_version_1(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "9:name=systemd:/\n5:cpuset:/x\n4:cpuacct,cpu:/d\n0::/\n");
    put("/sys/fs/cgroup/cpu/d/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/d/cpu.cfs_period_us", "100000\n");
    assert_int_equal(ch_quota_cpus(root), 0);
    put("/sys/fs/cgroup/cpu/d/cpu.cfs_quota_us", "700000\n");
    assert_int_equal(ch_quota_cpus(root), 7);
    put("/proc/self/cgroup", "5:cpuset:/d\n4:cpuacct:/d\n");
    assert_int_equal(ch_quota_cpus(root), 0);
}

static void test_nonsense(void **state)
{
    static const char *const limits[] = {"", "\n", "max", "0 0", "100000", "100000 0", "-5 100000",
                                         "1e999 1", "nan nan", "inf 1", "1e300 1e-300", "x y"};
    char *deep = malloc(20000);
    (void)state;
    put("/proc/self/cgroup", "0::/a\n");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        put("/sys/fs/cgroup/a/cpu.max", limits[i]);
        assert_int_equal(ch_quota_cpus(root), 0);
    }
    put("/sys/fs/cgroup/cpu.max", "100000 100000");
    put("/proc/self/cgroup", "0:\n\n:::\n:\n0");
    assert_int_equal(ch_quota_cpus(root), 0);
    assert_non_null(deep);
    memset(deep, 'a', 19999);
    deep[19999] = '\0';
    memcpy(deep, "0::/", 4);
    put("/proc/self/cgroup", deep);
    assert_int_equal(ch_quota_cpus(root), 0);
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_2, begin, end),
        cmocka_unit_test_setup_teardown(test_groups_above, begin, end),
        cmocka_unit_test_setup_teardown(test_container, begin, end),
        cmocka_unit_test_setup_teardown(test_version_1, begin, end),
        cmocka_unit_test_setup_teardown(test_nonsense, begin, end),
    };
    return cmocka_run_group_tests_name("base/quota", tests, NULL, NULL);
}
