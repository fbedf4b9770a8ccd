/* io_dir.c - directories and paths.  SPDX-License-Identifier: MIT */
#include "io.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "err.h"

/* Each level of ch_io_list keeps a directory open. */
enum { DEPTH_MAX = 64 };

typedef struct list {
    char **paths;
    size_t n, cap;
} list;

bool ch_io_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool ch_io_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool ch_io_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

char *ch_io_join(const char *dir, const char *name)
{
    size_t d = strlen(dir), n = strlen(name);
    bool slash = d > 0 && dir[d - 1] != '/';
    char *path = malloc(d + slash + n + 1);
    if (path == NULL)
        return NULL;
    memcpy(path, dir, d);
    if (slash)
        path[d] = '/';
    memcpy(path + d + slash, name, n + 1);
    return path;
}

int ch_io_make_dir(const char *path, ch_err *e)
{
    char *p = strdup(path);
    if (p == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for the path %s", path);
    int failed = *path == 0 ? ENOENT : 0;
    for (char *s = p; *s != 0 && failed == 0;) {
        s += strspn(s, "/");
        s += strcspn(s, "/");
        char end = *s;
        *s = 0;
        if (mkdir(p, 0777) != 0) {
            const int why = errno; /* looking whether it is there sets another */
            failed = ch_io_is_dir(p) ? 0 : why;
        }
        *s = end;
    }
    free(p);
    if (failed == EEXIST)
        return ch_fail(e, CH_EIO, "cannot make the directory %s: a file is in its way", path);
    if (failed != 0)
        return ch_fail(e, CH_EIO, "cannot make the directory %s: %s", path, strerror(failed));
    return CH_OK;
}

/* Takes path over, also when it fails. */
static int add(list *l, char *path, ch_err *e)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
        char **paths =
            cap <= SIZE_MAX / sizeof *paths ? realloc(l->paths, cap * sizeof *paths) : NULL;
        if (paths == NULL) {
            free(path);
            return ch_fail(e, CH_ENOMEM, "out of memory for a list of %zu files", cap);
        }
        l->paths = paths;
        l->cap = cap;
    }
    l->paths[l->n++] = path;
    return CH_OK;
}

static int walk(list *l, const char *dir, int depth, ch_err *e);

static int visit(list *l, const char *dir, const char *name, int depth, ch_err *e)
{
    struct stat st;
    char *path = ch_io_join(dir, name);
    if (path == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a path in %s", dir);
    int rc = CH_OK;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        rc = walk(l, path, depth + 1, e);
    else if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
        return add(l, path, e);
    free(path);
    return rc;
}

static int walk(list *l, const char *dir, int depth, ch_err *e)
{
    if (depth > DEPTH_MAX)
        return ch_fail(e, CH_ELIMIT, "%s: more than %d directories deep", dir, DEPTH_MAX);
    DIR *d = opendir(dir);
    if (d == NULL)
        return ch_fail(e, CH_EIO, "cannot list %s: %s", dir, strerror(errno));
    int rc = CH_OK;
    while (rc == CH_OK) {
        errno = 0;
        struct dirent *entry = readdir(d);
        if (entry == NULL && errno != 0)
            rc = ch_fail(e, CH_EIO, "cannot list %s: %s", dir, strerror(errno));
        if (entry == NULL)
            break;
        if (entry->d_name[0] != '.')
            rc = visit(l, dir, entry->d_name, depth, e);
    }
    closedir(d);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int ch_io_list(char ***paths, size_t *n, const char *dir, ch_err *e)
{
    list l = {0};
    *paths = NULL;
    *n = 0;
    int rc = walk(&l, dir, 0, e);
    if (rc < 0) {
        ch_io_free_list(l.paths, l.n);
        return rc;
    }
    if (l.n > 0)
        qsort(l.paths, l.n, sizeof *l.paths, by_path);
    *paths = l.paths;
    *n = l.n;
    return CH_OK;
}

void ch_io_free_list(char **paths, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
    free(paths);
}
