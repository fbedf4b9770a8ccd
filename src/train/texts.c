/* texts.c - files to documents
 *
 * A file is a document, and so is each line of a .jsonl file that is an object with a string
 * "text".  Text is UTF-8; a byte order mark is dropped.  A document is held out when the hash of
 * its bytes, as a number in [0,1), is less than the share: copies of a text fall on one side, and
 * neither order nor neighbours matter. SPDX-License-Identifier: MIT */
#include "train.h"

#include <stdlib.h>
#include <string.h>

typedef struct loading {
    ch_texts *t;
    size_t cap;
    bool listed; /* found in a directory: what is no text is passed over */
    ch_err *e;
} loading;

/* A new document of n bytes, to be filled; NULL: no memory. */
static char *room(loading *l, size_t n)
{
    ch_texts *t = l->t;
    if (t->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 64;
        struct ch_text *at = realloc(t->at, ch_size_mul(cap, sizeof *at));
        if (!at)
            return NULL;
        t->at = at;
        l->cap = cap;
    }
    char *bytes = malloc(n);
    if (bytes) {
        t->at[t->n++] = (struct ch_text){.bytes = bytes, .n = n};
        t->bytes += n;
    }
    return bytes;
}

static int add(loading *l, const char *text, size_t n, const char *path)
{
    if (n == 0) {
        l->t->skipped++;
        return CH_OK;
    }
    char *bytes = room(l, n);
    if (!bytes)
        return ch_fail(l->e, CH_ENOMEM, "%s: no memory for a text of %zu bytes", path, n);
    memcpy(bytes, text, n);
    return CH_OK;
}

static size_t invalid_at(const char *s, size_t n)
{
    size_t at = 0;
    for (int length; at < n; at += (size_t)length) {
        uint32_t cp;
        length = ch_utf8_read(&cp, s + at, n - at);
        if (length <= 0)
            break;
    }
    return at;
}

static int load_line(loading *l, const char *line, size_t n, const char *path, size_t number)
{
    char name[4200];
    json_t *v = NULL;
    snprintf(name, sizeof name, "%s, line %zu", path, number);
    int rc = ch_json_parse(&v, line, n, name, l->e);
    if (rc < 0)
        return rc;
    const json_t *text = json_object_get(v, "text");
    if (json_is_string(text))
        rc = add(l, json_string_value(text), json_string_length(text), path);
    else
        l->t->skipped++;
    json_decref(v);
    return rc;
}

static int load_lines(loading *l, const char *s, size_t n, const char *path)
{
    int rc = CH_OK;
    size_t number = 1;
    for (const char *end = s + n, *next; s < end && rc == CH_OK; s = next, number++) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        const size_t length = (size_t)((newline ? newline : end) - s);
        next = newline ? newline + 1 : end;
        if (strspn(s, " \t\r") < length)
            rc = load_line(l, s, length, path, number);
    }
    return rc;
}

static bool ends_in(const char *path, const char *suffix)
{
    const size_t n = strlen(path), m = strlen(suffix);
    return n > m && strcmp(path + n - m, suffix) == 0;
}

static int load_file(loading *l, const char *path)
{
    ch_buf b; /* read, not mapped: lines and sentences want the 0 byte at its end */
    ch_buf_init(&b, CH_IO_READ_MAX);
    int rc = ch_io_read_file(&b, path, l->e);
    const char *text = b.data ? b.data : "";
    const size_t mark = b.size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    const size_t bad = rc == CH_OK ? invalid_at(text, b.size) : b.size;
    if (rc == CH_OK && bad < b.size && l->listed)
        l->t->skipped++;
    else if (rc == CH_OK && bad < b.size)
        rc = ch_fail(l->e, CH_EFORMAT, "%s: not a UTF-8 text (byte %zu is 0x%02x)", path, bad,
                     (unsigned char)text[bad]);
    else if (rc == CH_OK)
        rc = (ends_in(path, ".jsonl") ? load_lines : add)(l, text + mark, b.size - mark, path);
    ch_buf_close(&b);
    return rc;
}

static int load_path(loading *l, const char *path)
{
    l->listed = ch_io_is_dir(path);
    if (!l->listed)
        return load_file(l, path);
    char **files;
    size_t n;
    int rc = ch_io_list(&files, &n, path, l->e);
    for (size_t i = 0; i < n && rc == CH_OK; i++)
        rc = load_file(l, files[i]);
    ch_io_free_list(files, n);
    return rc;
}

/* ---- The split ------------------------------------------------------------------------------ */

/* The last `share` of the longest document, from the end of a line on, becomes the only one held
 * out. */
static int cut_longest(loading *l, double share)
{
    ch_texts *t = l->t;
    size_t longest = 0;
    for (size_t i = 0; i < t->n; i++) {
        t->at[i].held_out = false;
        if (t->at[i].n > t->at[longest].n)
            longest = i;
    }
    const size_t n = t->at[longest].n;
    size_t at = (size_t)((double)n * (1 - share));
    while (at > 0 && t->at[longest].bytes[at - 1] != '\n')
        at--;
    if (at == 0 || at == n) /* one line: nothing to cut off */
        return CH_OK;
    char *tail = room(l, n - at);
    if (!tail)
        return ch_fail(l->e, CH_ENOMEM, "no memory for a text of %zu bytes", n - at);
    memcpy(tail, t->at[longest].bytes + at, n - at);
    t->at[t->n - 1].held_out = true;
    t->at[longest].n = at;
    t->bytes -= n - at;
    return CH_OK;
}

static int split(loading *l, double share)
{
    ch_texts *t = l->t;
    size_t held = 0;
    for (size_t i = 0; i < t->n; i++) {
        const ch_hash128 h = ch_hash_bytes((ch_hash128){0, 0}, t->at[i].bytes, t->at[i].n);
        t->at[i].held_out = (double)(h.lo >> 11) * 0x1p-53 < share;
        held += t->at[i].held_out;
    }
    return share > 0 && (held == 0 || held == t->n) ? cut_longest(l, share) : CH_OK;
}

int ch_texts_load(ch_texts *t, const char *const *paths, int n, double held_out, ch_err *e)
{
    *t = (ch_texts){0};
    loading l = {.t = t, .e = e};
    int rc = CH_OK;
    for (int i = 0; i < n && rc == CH_OK; i++)
        rc = load_path(&l, paths[i]);
    if (rc == CH_OK && t->n == 0)
        rc = ch_fail(e, CH_EFORMAT, "no text in %s%s (%zu files or lines were empty or no text)",
                     n > 0 ? paths[0] : "nothing", n > 1 ? " and the others" : "", t->skipped);
    if (rc == CH_OK)
        rc = split(&l, held_out);
    if (rc < 0)
        ch_texts_free(t);
    return rc;
}

void ch_texts_free(ch_texts *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->at[i].bytes);
    free(t->at);
    *t = (ch_texts){0};
}
