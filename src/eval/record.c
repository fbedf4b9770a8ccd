/* record.c - files of records, and which task they are
 *
 * Lines of JSON objects; or NAME.pos and NAME.neg, a text a line, which become records of "text"
 * and "label" (bytes that are not UTF-8 are taken as Latin-1, as such files are old); or, for
 * bits_per_byte, a text as it is.  A line is at most 16 MB.  SPDX-License-Identifier: MIT */
#include "task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINE_MOST = 1 << 24, RECORDS_MOST = 1 << 24 };

static const struct {
    const char *ending, *label;
} halves[] = {{".neg", "negative"}, {".pos", "positive"}};

static bool ends_in(const char *path, const char *ending)
{
    const size_t n = strlen(path), k = strlen(ending);
    return n > k && strcmp(path + n - k, ending) == 0;
}

static bool is_half(const char *path)
{
    return ends_in(path, halves[0].ending) || ends_in(path, halves[1].ending);
}

static bool is_text(const char *path)
{
    return ends_in(path, ".txt") || ends_in(path, ".md");
}

int ch_record_fail(const ch_record *r, ch_err *e, const char *fmt, ...)
{
    char what[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return ch_fail(e, CH_EFORMAT, "%s, line %zu: %s", r->file, r->line, what);
}

/* ---- Texts of a record ---------------------------------------------------------------------- */

static const json_t *value_of(const ch_record *r, const char *keys)
{
    for (const char *k = keys; *k;) {
        char key[32];
        const size_t n = strcspn(k, " ");
        snprintf(key, sizeof key, "%.*s", (int)n, k);
        const json_t *v = json_object_get(r->v, key);
        if (v)
            return v;
        k += n + (k[n] == ' ');
    }
    return NULL;
}

int ch_record_text(ch_text *out, const ch_record *r, const char *keys, ch_err *e)
{
    const json_t *v = value_of(r, keys);
    if (!json_is_string(v))
        return ch_record_fail(r, e, "\"%.*s\" %s", (int)strcspn(keys, " "), keys,
                              v ? "is no text" : "is missing");
    *out = (ch_text){json_string_value(v), json_string_length(v)};
    return CH_OK;
}

int ch_record_texts(ch_text *out, int *n, int most, const ch_record *r, const char *keys,
                    ch_err *e)
{
    const json_t *v = value_of(r, keys);
    *n = 1;
    if (!json_is_array(v))
        return ch_record_text(out, r, keys, e);
    if (json_array_size(v) < 1 || json_array_size(v) > (size_t)most)
        return ch_record_fail(r, e, "\"%.*s\" has %zu texts, allowed are 1 to %d",
                              (int)strcspn(keys, " "), keys, json_array_size(v), most);
    *n = (int)json_array_size(v);
    for (int i = 0; i < *n; i++) {
        const json_t *x = json_array_get(v, (size_t)i);
        if (!json_is_string(x))
            return ch_record_fail(r, e, "\"%.*s\": text %d is none", (int)strcspn(keys, " "),
                                  keys, i);
        out[i] = (ch_text){json_string_value(x), json_string_length(x)};
    }
    return CH_OK;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static int add(ch_set *s, const char *file, size_t line, json_t *v, ch_err *e)
{
    if (s->n == RECORDS_MOST ||
        !ch_array_room(&s->at, &s->cap, s->n + 1, sizeof *s->at)) {
        json_decref(v);
        return ch_fail(e, CH_ELIMIT, "%s: no room for more than %zu records", file, s->n);
    }
    s->at[s->n++] = (ch_record){v, file, line};
    return CH_OK;
}

static int add_json(ch_set *s, const char *file, size_t line, const char *text, size_t n,
                    ch_err *e)
{
    char name[300];
    json_t *v = NULL;
    snprintf(name, sizeof name, "%s, line %zu", file, line);
    const int rc = ch_json_parse(&v, text, n, name, e);
    if (rc < 0)
        return rc;
    if (!json_is_object(v)) {
        json_decref(v);
        return ch_fail(e, CH_EFORMAT, "%s: a record is a JSON object, this is something else",
                       name);
    }
    return add(s, file, line, v, e);
}

static int add_labelled(ch_set *s, const char *file, size_t line, const char *text, size_t n,
                        ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, 2 * (size_t)LINE_MOST);
    const bool utf8 = ch_utf8_valid(text, n);
    for (size_t i = 0; i < n; i++) {
        char c[4];
        ch_buf_put(&b, utf8 ? text + i : c,
                   utf8 ? 1 : (size_t)ch_utf8_write(c, (unsigned char)text[i]));
    }
    while (b.size > 0 && strchr(" \t\r\n", b.data[b.size - 1]))
        b.size--;
    const char *label = halves[ends_in(file, halves[1].ending)].label;
    json_t *v = b.size ? json_pack("{s:s%, s:s}", "text", b.data, b.size, "label", label) : NULL;
    int rc = ch_buf_check(&b, file, e);
    if (rc == CH_OK && v)
        rc = add(s, file, line, v, e);
    else if (rc == CH_OK)
        rc = ch_fail(e, CH_EFORMAT, "%s, line %zu: there is no text in it", file, line);
    else
        json_decref(v);
    ch_buf_close(&b);
    return rc;
}

/* 1: a line, with what ends it, is in b; 0: there are no more.  One that is too long is not read to
 * its end. */
static int read_line(ch_buf *b, FILE *f)
{
    int c = EOF;
    ch_buf_clear(b);
    while (b->size <= LINE_MOST && !b->failed && c != '\n' && (c = getc_unlocked(f)) != EOF)
        ch_buf_put(b, &(char){(char)c}, 1);
    return b->size > 0 || b->failed;
}

static int read_lines(ch_set *s, const char *path, ch_err *e)
{
    int rc = CH_OK;
    ch_buf b;
    FILE *f = fopen(path, "r");
    if (!f)
        return ch_fail(e, CH_EIO, "cannot open %s: %s", path, strerror(errno));
    ch_buf_init(&b, 2 * (size_t)LINE_MOST);
    for (size_t line = 1; rc == CH_OK && read_line(&b, f); line++) {
        rc = ch_buf_check(&b, path, e);
        if (rc == CH_OK && b.size > LINE_MOST)
            rc = ch_fail(e, CH_ELIMIT, "%s, line %zu: it has more than %d bytes", path, line,
                         LINE_MOST);
        if (rc == CH_OK && strspn(b.data, " \t\r\n") < b.size)
            rc = is_half(path) ? add_labelled(s, path, line, b.data, b.size, e)
                               : add_json(s, path, line, b.data, b.size, e);
    }
    if (rc == CH_OK && ferror(f))
        rc = ch_fail(e, CH_EIO, "%s: %s", path, strerror(errno));
    ch_buf_close(&b);
    fclose(f);
    return rc;
}

/* ---- Sets ------------------------------------------------------------------------------------ */

static int find_task(ch_set *s, ch_err *e)
{
    if (s->n == 0)
        return ch_fail(e, CH_EFORMAT, "%s: there is no record in it", s->path[0]);
    for (const ch_task *t = ch_tasks; t->name && !s->task; t++)
        if (*t->key && json_object_get(s->at[0].v, t->key))
            s->task = t;
    if (!s->task)
        return ch_record_fail(&s->at[0], e, "no task has such records: none of the keys choices, "
                                            "sentence_good, label, summary, translation, answer");
    return CH_OK;
}

static int load(ch_set *s, ch_err *e)
{
    int rc = CH_OK;
    if (s->task == ch_task_find("bits_per_byte") || (!s->task && is_text(s->path[0]))) {
        s->task = ch_task_find("bits_per_byte");
        return CH_OK;
    }
    for (int i = 0; i < 2 && s->path[i] && rc == CH_OK; i++)
        rc = read_lines(s, s->path[i], e);
    return rc == CH_OK ? find_task(s, e) : rc;
}

static size_t stem_length(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && !strchr(dot, '/') ? (size_t)(dot - path) : strlen(path);
}

static bool is_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A file under one name or two is one file: its items would count twice, or be of both classes. */
static int check_new(const ch_sets *s, const char *path, ch_err *e)
{
    for (size_t i = 0; i < s->n; i++)
        for (int k = 0; k < 2; k++)
            if (s->at[i].path[k] && is_same(s->at[i].path[k], path))
                return ch_fail(e, CH_EARG, "%s and %s are the same file", s->at[i].path[k], path);
    return CH_OK;
}

/* The set of the other label, when it is there and waits for this file. */
static ch_set *other_half(const ch_sets *s, const char *path)
{
    for (size_t i = 0; is_half(path) && i < s->n; i++)
        if (is_half(s->at[i].path[0]) && !s->at[i].path[1] &&
            stem_length(s->at[i].path[0]) == stem_length(path) &&
            strncmp(s->at[i].path[0], path, stem_length(path)) == 0)
            return &s->at[i];
    return NULL;
}

static int add_file(ch_sets *s, const char *path, const ch_task *task, ch_err *e)
{
    const int rc = check_new(s, path, e);
    if (rc < 0)
        return rc;
    char *copy = strdup(path);
    if (!copy || s->n == CH_SETS_MOST ||
        !ch_array_room(&s->at, &s->cap, s->n + 1, sizeof *s->at)) {
        free(copy);
        return ch_fail(e, CH_ELIMIT, "%s: there is room for %d files", path, CH_SETS_MOST);
    }
    ch_set *other = other_half(s, path);
    if (other) {
        other->path[1] = copy;
        return CH_OK;
    }
    ch_set *new = &s->at[s->n++];
    *new = (ch_set){.task = task, .path = {copy}};
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    snprintf(new->name, sizeof new->name, "%.*s", (int)stem_length(base), base);
    ch_utf8_printable(new->name, strlen(new->name));
    return CH_OK;
}

static int add_directory(ch_sets *s, const char *dir, const ch_task *task, ch_err *e)
{
    const bool texts = task && !*task->key;
    char **paths;
    size_t n;
    int rc = ch_io_list(&paths, &n, dir, e);
    if (rc < 0)
        return rc;
    const size_t before = s->n;
    for (size_t i = 0; i < n && rc == CH_OK; i++)
        if (texts ? is_text(paths[i]) : ends_in(paths[i], ".jsonl") || is_half(paths[i]))
            rc = add_file(s, paths[i], task, e);
    if (rc == CH_OK && s->n == before)
        rc = ch_fail(e, CH_EARG, "%s: there is no file that ends in %s", dir,
                     texts ? ".txt or .md" : ".jsonl, .pos or .neg");
    ch_io_free_list(paths, n);
    return rc;
}

int ch_sets_open(ch_sets *s, const char *const *paths, int n, const ch_task *task, ch_err *e)
{
    *s = (ch_sets){0};
    int rc = CH_OK;
    for (int i = 0; i < n && rc == CH_OK; i++)
        rc = ch_io_is_dir(paths[i]) ? add_directory(s, paths[i], task, e)
                                    : add_file(s, paths[i], task, e);
    for (size_t i = 0; i < s->n && rc == CH_OK; i++)
        rc = load(&s->at[i], e);
    if (rc < 0)
        ch_sets_close(s);
    return rc;
}

void ch_sets_close(ch_sets *s)
{
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->at[i].n; k++)
            json_decref(s->at[i].at[k].v);
        free(s->at[i].at);
        free(s->at[i].path[0]);
        free(s->at[i].path[1]);
    }
    free(s->at);
    *s = (ch_sets){0};
}
