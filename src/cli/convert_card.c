/* convert_card.c - model cards of chalcis convert and quantize: the head of a README.md into
 * general.*, and back
 *
 * Of the head, which is YAML, simple lines and lists are read: "key: value", "key: [a, b]", "- a"
 * under "key:".  What is more than that is passed over: a card is not a model.
 * Source: Hugging Face, model cards; llama.cpp, gguf-py/gguf/metadata.py.
 * SPDX-License-Identifier: MIT */
#include "cmd_convert.h"

#include <stdlib.h>
#include <string.h>

enum { CARD_MOST = 1 << 22, VALUES = 64 };

static const struct {
    const char *yaml, *key;
    bool list;
} rows[] = {{"license", "general.license", false},
            {"license_name", "general.license.name", false},
            {"license_link", "general.license.link", false},
            {"language", "general.languages", true},
            {"tags", "general.tags", true},
            {"base_model", "general.base_model.0.name", false}};

void ch_convert_name(char *out, size_t size, const ch_file *from, const ch_convert_args *o)
{
    const ch_meta *m = ch_file_meta_find(from, "general.name");
    if (o->name) {
        snprintf(out, size, "%s", o->name);
    } else if (m && m->type == CH_META_STR && m->v.s.n > 0) {
        snprintf(out, size, "%.*s", (int)CH_MIN(m->v.s.n, size - 1), m->v.s.p);
    } else {
        size_t n = strlen(o->in);
        while (n > 1 && o->in[n - 1] == '/')
            n--;
        size_t at = n;
        while (at > 0 && o->in[at - 1] != '/')
            at--;
        snprintf(out, size, "%.*s", (int)CH_MIN(n - at, size - 1), o->in + at);
    }
    out[ch_utf8_whole(out, strlen(out))] = '\0';
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Without spaces and quotes around it. */
static ch_str trimmed(const char *p, size_t n)
{
    while (n > 0 && strchr(" \t\r\"'", p[0]))
        p++, n--;
    while (n > 0 && strchr(" \t\r\"'", p[n - 1]))
        n--;
    return (ch_str){p, n};
}

static int put_values(ch_file *to, size_t row, const ch_str *values, size_t n, ch_err *e)
{
    if (n == 0 || ch_file_meta_find(to, rows[row].key))
        return CH_OK;
    return rows[row].list ? ch_file_set_strs(to, rows[row].key, values, n, e)
                          : ch_file_set_str(to, rows[row].key, values[0].p, values[0].n, e);
}

static size_t split_values(ch_str *values, ch_str s)
{
    size_t n = 0;
    if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        s = (ch_str){s.p + 1, s.n - 2};
    else {
        values[0] = s;
        return s.n > 0;
    }
    while (s.n > 0 && n < VALUES) {
        const char *comma = memchr(s.p, ',', s.n);
        const size_t m = comma ? (size_t)(comma - s.p) : s.n;
        values[n] = trimmed(s.p, m);
        n += values[n].n > 0;
        s = (ch_str){s.p + m + (comma != NULL), s.n - m - (comma != NULL)};
    }
    return n;
}

static int read_head(ch_file *to, const char *p, const char *end, ch_err *e)
{
    ch_str values[VALUES];
    size_t n = 0, row = CH_COUNT(rows);
    int rc = CH_OK;
    for (const char *next; p < end && rc == CH_OK; p = next) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        next = stop < end ? stop + 1 : end;
        const ch_str item = trimmed(p, (size_t)(stop - p));
        if (item.n > 1 && item.p[0] == '-' && item.p[1] == ' ') {
            if (n < VALUES)
                values[n++] = trimmed(item.p + 2, item.n - 2);
            continue;
        }
        if (row < CH_COUNT(rows))
            rc = put_values(to, row, values, n, e);
        n = 0;
        for (row = 0; row < CH_COUNT(rows); row++) {
            const size_t m = strlen(rows[row].yaml);
            if ((size_t)(stop - p) > m && memcmp(p, rows[row].yaml, m) == 0 && p[m] == ':') {
                n = split_values(values, trimmed(p + m + 1, (size_t)(stop - p) - m - 1));
                break;
            }
        }
    }
    return rc == CH_OK && row < CH_COUNT(rows) ? put_values(to, row, values, n, e) : rc;
}

int ch_convert_read_card(ch_file *to, const char *dir, ch_err *e)
{
    ch_buf b;
    char *path = ch_io_is_dir(dir) ? ch_io_join(dir, "README.md") : NULL;
    int rc = CH_OK;
    ch_buf_init(&b, CARD_MOST);
    if (path && ch_io_is_file(path) && ch_io_read_file(&b, path, NULL) == CH_OK && b.size > 4 &&
        memcmp(b.data, "---\n", 4) == 0 && ch_utf8_valid(b.data, b.size)) {
        const char *end = strstr(b.data + 3, "\n---");
        if (end)
            rc = read_head(to, b.data + 4, CH_MAX(end, b.data + 4), e);
    }
    if (rc == CH_OK && ch_file_meta_find(to, "general.base_model.0.name"))
        rc = ch_file_set_u32(to, "general.base_model.count", 1, e);
    ch_buf_close(&b);
    free(path);
    return rc;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A value in quotes, as YAML has them. */
static void put_quoted(ch_buf *b, ch_str s)
{
    ch_buf_str(b, "\"");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            ch_buf_str(b, "\\");
        ch_buf_put(b, (unsigned char)s.p[i] < ' ' ? " " : &s.p[i], 1);
    }
    ch_buf_str(b, "\"");
}

static void put_head(ch_buf *b, const ch_file *from)
{
    for (size_t r = 0; r < CH_COUNT(rows); r++) {
        const ch_meta *m = ch_file_meta_find(from, rows[r].key);
        const bool list = m && m->type == CH_META_ARRAY && m->v.a.type == CH_META_STR;
        if (!m || (m->type != CH_META_STR && !list))
            continue;
        ch_buf_printf(b, "%s: ", rows[r].yaml);
        if (!list)
            put_quoted(b, m->v.s);
        for (size_t i = 0; list && i < m->v.a.n; i++) {
            ch_buf_str(b, i ? ", " : "[");
            put_quoted(b, ((const ch_str *)m->v.a.data)[i]);
        }
        ch_buf_str(b, list ? "]\n" : "\n");
    }
}

static void put_row(ch_buf *b, const ch_file *f, const char *what, const char *suffix)
{
    char key[160];
    int64_t n = -1;
    const ch_meta *m = ch_file_meta_find(f, "general.architecture");
    if (!m || m->type != CH_META_STR || m->v.s.n > 64)
        return;
    snprintf(key, sizeof key, "%.*s.%s", (int)m->v.s.n, m->v.s.p, suffix);
    if (ch_file_int_opt(&n, f, key, 0, INT64_MAX, NULL) == CH_OK && n >= 0)
        ch_buf_printf(b, "| %s | %lld |\n", what, (long long)n);
}

static void put_text_of(ch_buf *b, const ch_file *f, const char *what, const char *key)
{
    const ch_meta *m = ch_file_meta_find(f, key);
    if (!m || m->type != CH_META_STR || m->v.s.n == 0)
        return;
    ch_buf_printf(b, "| %s | ", what);
    ch_report_card_text(b, m->v.s.p, m->v.s.n);
    ch_buf_str(b, " |\n");
}

int ch_convert_write_card(const ch_file *f, const ch_file *written, const char *by,
                          const char *from_format, const char *type, const ch_convert_args *o,
                          ch_err *e)
{
    char name[256];
    int64_t parameters = 0;
    ch_buf head, b;
    if (!ch_io_is_dir(o->out) && !ch_io_is_file(o->out)) /* a device has no place beside it */
        return CH_OK;
    ch_convert_name(name, sizeof name, f, o);
    for (size_t i = 0; i < written->n_tensors; i++)
        parameters += ch_tensor_count(&written->tensors[i].t);
    ch_buf_init(&head, CARD_MOST);
    put_head(&head, f);
    if (ch_io_is_dir(o->out))
        ch_buf_str(&head, "library_name: transformers\n");
    ch_report_card_begin(&b, by, head.size ? head.data : NULL);
    ch_buf_close(&head);
    ch_buf_str(&b, "# ");
    ch_report_card_text(&b, name, strlen(name));
    ch_buf_printf(&b, "\n\nA language model of %.2f M parameters, written by `chalcis %s` "
                      CHALCIS_VERSION " from a %s file.\n\n| | |\n|---|---|\n",
                  (double)parameters * 1e-6, by, from_format);
    put_text_of(&b, f, "architecture", "general.architecture");
    put_text_of(&b, f, "author", "general.author");
    put_text_of(&b, f, "organization", "general.organization");
    put_text_of(&b, f, "description", "general.description");
    put_text_of(&b, f, "source", "general.source.url");
    put_row(&b, f, "layers", "block_count");
    put_row(&b, f, "width", "embedding_length");
    put_row(&b, f, "heads", "attention.head_count");
    put_row(&b, f, "context", "context_length");
    ch_buf_printf(&b, "| format of the matrices | %s |\n", type);
    return ch_report_card_end(&b, o->out, e);
}
