/* support.c - what several test programs share.  SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <float.h>
#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *shared_path(const char *rel)
{
    static char answers[4][4096];
    static int next;
    const char *root = getenv("CHALCIS_SHARED");
    if (root == NULL || *root == 0)
        return NULL;
    char *path = answers[next++ % 4];
    snprintf(path, sizeof answers[0], "%s/%s", root, rel);
    return ch_io_exists(path) ? path : NULL;
}

ch_mapping shared_map(const char *rel)
{
    ch_err e = {0};
    ch_mapping m = {0};
    const char *path = shared_path(rel);
    if (path == NULL)
        fail_msg("$CHALCIS_SHARED/%s is absent", rel);
    else
        assert_ok(ch_io_map(&m, path, &e), e);
    return m;
}

char *temp_dir(void)
{
    const char *root = getenv("TMPDIR");
    char *path = ch_io_join(root != NULL && *root != 0 ? root : "/tmp", "chalcis-test-XXXXXX");
    if (path == NULL || mkdtemp(path) == NULL)
        fail_msg("no temporary directory: %s", strerror(errno));
    return path;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void temp_dir_remove(char *path)
{
    if (path != NULL)
        nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

/* A trapping page on each side of enough pages for n bytes. */
static unsigned char *fenced(size_t n, size_t *size, size_t *page)
{
    *page = (size_t)sysconf(_SC_PAGESIZE);
    *size = (n + *page - 1) / *page * *page;
    unsigned char *p = mmap(NULL, *size + 2 * *page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fail_msg("no memory for %zu guarded bytes", n);
    p += *page;
    if (*size > 0) {
        mprotect(p, *size, PROT_READ | PROT_WRITE);
        memset(p, 0xa5, *size);
    }
    return p;
}

void *guarded(size_t n)
{
    size_t size, page;
    unsigned char *p = fenced(n, &size, &page);
    return p + size - n;
}

void *guarded_front(size_t n)
{
    size_t size, page;
    return fenced(n, &size, &page);
}

void guarded_free(void *p, size_t n)
{
    if (p == NULL)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (n + page - 1) / page * page;
    unsigned char *first = (unsigned char *)p - (uintptr_t)p % page;
    munmap(first - page, size + 2 * page);
}

void fill(float *x, size_t n, int how, uint64_t seed)
{
    static const float odd[] = {
        0.0f, -0.0f, FLT_TRUE_MIN, -FLT_TRUE_MIN, FLT_MIN, -FLT_MIN, FLT_MAX, -FLT_MAX,
        FLT_MIN / 3, FLT_EPSILON, 1 + FLT_EPSILON, 65504.0f, -65520.0f, 0x1p-24f, 88.8f, -104.0f,
        INFINITY, -INFINITY, NAN,
    };
    for (size_t i = 0; i < n; i++) {
        uint64_t kinds = how == FILL_POISON ? CH_COUNT(odd) : CH_COUNT(odd) - 3;
        if (how == FILL_SMALL)
            x[i] = (float)ch_rng_below(17, seed, CH_RNG_TEST, 0, i) - 8;
        else if (how != FILL_NORMAL && ch_rng_below(4, seed, CH_RNG_TEST, 1, i) == 0)
            x[i] = odd[ch_rng_below(kinds, seed, CH_RNG_TEST, 2, i)];
        else
            x[i] = (float)ch_rng_normal(seed, CH_RNG_TEST, 3, i);
    }
}

uint32_t ulps(float a, float b)
{
    int32_t i, j;
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b) ? 0 : UINT32_MAX;
    memcpy(&i, &a, sizeof i);
    memcpy(&j, &b, sizeof j);
    int64_t u = i < 0 ? (int64_t)INT32_MIN - i : i, v = j < 0 ? (int64_t)INT32_MIN - j : j;
    return (uint32_t)(u > v ? u - v : v - u);
}
