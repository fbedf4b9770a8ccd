/* records.c - values of .json and .jsonl files to documents made of parts
 *
 *   "text"                                            one text
 *   {"text": T}                                       one text
 *   {"prompt": U, "response": A}                      also "completion"
 *   {"instruction": U, "input": U, "output": A}       input may be missing: U is both, a line each
 *   {"question": U, "answer": A}
 *   {"messages": [{"role": R, "content": C}, ...]}    R: system, user, assistant
 *
 * Other keys mean nothing, a null is a missing key.  Lines and the elements of an array are parsed
 * one at a time, so that memory is bounded by the longest.  SPDX-License-Identifier: MIT */
#include "train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of one value. */
#ifdef CH_HOSTILE
#define VALUE_MAX ((size_t)1 << 20)
#else
#define VALUE_MAX ((size_t)64 << 20)
#endif

#define ALLOWED                                                                                   \
    "allowed are a string, {\"text\"}, {\"prompt\", \"response\"}, {\"instruction\", \"output\"}," \
    " {\"question\", \"answer\"} and {\"messages\"}"

typedef struct reading {
    const char *name;
    size_t line; /* where the value under way begins */
    ch_record_fn *fn;
    void *arg;
    ch_part *part; /* of a chat */
    size_t cap;
    ch_buf joined;
    ch_err *e;
} reading;

static const char *kind(const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    default: return "null";
    }
}

static int refuse(const reading *r, const char *found)
{
    return ch_fail(r->e, CH_EFORMAT, "%s, line %zu: %s; " ALLOWED, r->name, r->line, found);
}

static const json_t *get(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

static int as_part(ch_part *p, const reading *r, const json_t *v, const char *key, ch_role role)
{
    if (!json_is_string(v))
        return ch_fail(r->e, CH_EFORMAT, "%s, line %zu: \"%s\" is %s; it must be a string",
                       r->name, r->line, key, kind(v));
    *p = (ch_part){json_string_value(v), json_string_length(v), role, true};
    return CH_OK;
}

static int give(const reading *r, const ch_part *part, size_t n)
{
    bool text = false;
    for (size_t i = 0; i < n; i++)
        text = text || part[i].n > 0;
    return r->fn(r->arg, part, text ? n : 0, r->e);
}

/* ---- Chats ---------------------------------------------------------------------------------- */

static int role_of(ch_role *out, const reading *r, const json_t *message)
{
    static const struct {
        const char *name;
        ch_role role;
    } roles[] = {
        {"system", CH_ROLE_SYSTEM}, {"user", CH_ROLE_USER}, {"assistant", CH_ROLE_ASSISTANT}};
    const char *name = json_string_value(get(message, "role"));
    for (size_t i = 0; name && i < CH_COUNT(roles); i++)
        if (strcmp(name, roles[i].name) == 0) {
            *out = roles[i].role;
            return CH_OK;
        }
    return ch_fail(r->e, CH_EFORMAT,
                   "%s, line %zu: a message's \"role\" is %s; allowed are system, user and"
                   " assistant",
                   r->name, r->line, name ? name : kind(get(message, "role")));
}

static int chat(reading *r, const json_t *messages)
{
    const size_t n = json_array_size(messages);
    if (!json_is_array(messages))
        return ch_fail(r->e, CH_EFORMAT, "%s, line %zu: \"messages\" is %s; it must be an array",
                       r->name, r->line, kind(messages));
    if (!ch_array_room(&r->part, &r->cap, n, sizeof *r->part))
        return ch_fail(r->e, CH_ENOMEM, "%s, line %zu: no memory for %zu messages", r->name,
                       r->line, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *message = json_array_get(messages, i);
        ch_role role = CH_ROLE_USER;
        if (!json_is_object(message))
            return ch_fail(r->e, CH_EFORMAT,
                           "%s, line %zu: a message is %s; it must be an object with \"role\" and"
                           " \"content\"",
                           r->name, r->line, kind(message));
        int rc = role_of(&role, r, message);
        if (rc == CH_OK)
            rc = as_part(&r->part[i], r, get(message, "content"), "content", role);
        if (rc < 0)
            return rc;
    }
    return give(r, r->part, n);
}

/* ---- Pairs ---------------------------------------------------------------------------------- */

static const struct pair {
    const char *prompt, *more, *response;
} pairs[] = {{"prompt", NULL, "response"},
             {"prompt", NULL, "completion"},
             {"instruction", "input", "output"},
             {"question", NULL, "answer"}};

/* `more` goes below the prompt, on a line of its own. */
static int add_input(reading *r, ch_part *prompt, const json_t *o, const char *more)
{
    ch_part input = {0};
    int rc = get(o, more) ? as_part(&input, r, get(o, more), more, CH_ROLE_USER) : CH_OK;
    if (rc < 0 || input.n == 0)
        return rc;
    ch_buf_clear(&r->joined);
    ch_buf_put(&r->joined, prompt->bytes, prompt->n);
    ch_buf_put(&r->joined, "\n", 1);
    ch_buf_put(&r->joined, input.bytes, input.n);
    prompt->bytes = r->joined.data;
    prompt->n = r->joined.size;
    return ch_buf_check(&r->joined, r->name, r->e);
}

static int pair(reading *r, const json_t *o, const struct pair *p)
{
    ch_part part[2];
    int rc = as_part(&part[0], r, get(o, p->prompt), p->prompt, CH_ROLE_USER);
    if (rc == CH_OK)
        rc = as_part(&part[1], r, get(o, p->response), p->response, CH_ROLE_ASSISTANT);
    if (rc == CH_OK && p->more)
        rc = add_input(r, &part[0], o, p->more);
    return rc == CH_OK ? give(r, part, 2) : rc;
}

/* What an object has instead of what is allowed: its first keys. */
static int refuse_object(reading *r, json_t *o)
{
    const char *key;
    json_t *v;
    ch_buf *b = &r->joined;
    ch_buf_clear(b);
    ch_buf_str(b, json_object_size(o) ? "an object with" : "an empty object");
    int shown = 0;
    json_object_foreach(o, key, v) {
        if (shown++ == 4) {
            ch_buf_str(b, " and more");
            break;
        }
        ch_buf_printf(b, "%s \"%.40s\"", shown > 1 ? "," : "", key);
    }
    return b->failed ? ch_buf_check(b, r->name, r->e) : refuse(r, b->data);
}

static int object(reading *r, json_t *o)
{
    ch_part part;
    if (get(o, "messages"))
        return chat(r, get(o, "messages"));
    if (get(o, "text")) {
        const int rc = as_part(&part, r, get(o, "text"), "text", CH_ROLE_TEXT);
        return rc == CH_OK ? give(r, &part, 1) : rc;
    }
    for (size_t i = 0; i < CH_COUNT(pairs); i++)
        if (get(o, pairs[i].prompt) && get(o, pairs[i].response))
            return pair(r, o, &pairs[i]);
    return refuse_object(r, o);
}

static int value(reading *r, json_t *v)
{
    ch_part part;
    if (json_is_object(v))
        return object(r, v);
    if (!json_is_string(v))
        return refuse(r, kind(v));
    const int rc = as_part(&part, r, v, "", CH_ROLE_TEXT);
    return rc == CH_OK ? give(r, &part, 1) : rc;
}

/* ---- One value a line ----------------------------------------------------------------------- */

static int one_line(reading *r, const ch_buf *b)
{
    char name[4200];
    json_t *v;
    const bool mark = r->line == 1 && b->size >= 3 && memcmp(b->data, "\xef\xbb\xbf", 3) == 0;
    const char *text = b->data + (mark ? 3 : 0);
    const size_t n = b->size - (mark ? 3 : 0);
    if (strspn(text, " \t\r") >= n)
        return CH_OK;
    snprintf(name, sizeof name, "%s, line %zu", r->name, r->line);
    int rc = ch_json_parse(&v, text, n, name, r->e);
    if (rc == CH_OK)
        rc = value(r, v);
    json_decref(v);
    return rc;
}

static int some_bytes(reading *r, ch_buf *line, const char *s, size_t n)
{
    int rc = CH_OK;
    for (const char *end = s + n; s < end && rc == CH_OK;) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        const size_t length = (size_t)((newline ? newline : end) - s);
        if (!ch_buf_put(line, s, length))
            return line->starved ? ch_buf_check(line, r->name, r->e)
                                 : ch_fail(r->e, CH_ELIMIT,
                                           "%s, line %zu: longer than the allowed %zu bytes",
                                           r->name, r->line, VALUE_MAX);
        s += length;
        if (newline) {
            rc = one_line(r, line);
            ch_buf_clear(line);
            r->line++;
            s++;
        }
    }
    return rc;
}

static int each_line(reading *r, FILE *f)
{
    char chunk[16384];
    ch_buf line;
    ch_buf_init(&line, VALUE_MAX);
    int rc = ch_buf_put(&line, "", 0) ? CH_OK : ch_buf_check(&line, r->name, r->e);
    for (size_t n = 1; rc == CH_OK && n > 0;) {
        errno = 0;
        n = fread(chunk, 1, sizeof chunk, f);
        rc = some_bytes(r, &line, chunk, n);
    }
    if (rc == CH_OK && ferror(f))
        rc = ch_fail(r->e, CH_EIO, "cannot read %s: %s", r->name, strerror(errno));
    if (rc == CH_OK)
        rc = one_line(r, &line);
    ch_buf_close(&line);
    return rc;
}

/* ---- An array, or one value ----------------------------------------------------------------- */

typedef struct scan {
    const char *s;
    size_t n, at, counted; /* lines are counted up to there */
} scan;

/* The next character that is no blank, 0 at the end. */
static char next(reading *r, scan *c)
{
    while (c->at < c->n && strchr(" \t\r\n", c->s[c->at]))
        c->at++;
    for (; c->counted < c->at; c->counted++)
        r->line += c->s[c->counted] == '\n';
    return c->at < c->n ? c->s[c->at] : 0;
}

static int one_value(reading *r, scan *c)
{
    json_error_t je;
    const size_t left = c->n - c->at, n = CH_MIN(left, VALUE_MAX);
    json_t *v = json_loadb(c->s + c->at, n,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL |
                               JSON_DISABLE_EOF_CHECK,
                           &je);
    if (!v && n < left && je.position >= (int)VALUE_MAX)
        return ch_fail(r->e, CH_ELIMIT, "%s, line %zu: longer than the allowed %zu bytes", r->name,
                       r->line, VALUE_MAX);
    if (!v) {
        const bool starved = json_error_code(&je) == json_error_out_of_memory;
        return ch_fail(r->e, starved ? CH_ENOMEM : CH_EFORMAT, "%s, line %zu: %s", r->name,
                       r->line + (size_t)je.line - 1, je.text);
    }
    c->at += (size_t)je.position;
    const int rc = value(r, v);
    json_decref(v);
    return rc;
}

static int whole(reading *r, scan *c)
{
    int rc = CH_OK;
    if (next(r, c) == 0)
        return CH_OK;
    if (c->s[c->at] != '[') {
        rc = one_value(r, c);
    } else {
        c->at++;
        if (next(r, c) != ']') {
            rc = one_value(r, c);
            while (rc == CH_OK && next(r, c) == ',') {
                c->at++;
                next(r, c);
                rc = one_value(r, c);
            }
        }
        if (rc == CH_OK && next(r, c) != ']')
            return ch_fail(r->e, CH_EFORMAT, "%s, line %zu: %s; wanted ',' or ']'", r->name,
                           r->line, c->at < c->n ? "another character" : "the file ends");
        c->at++;
    }
    if (rc == CH_OK && next(r, c) != 0)
        rc = ch_fail(r->e, CH_EFORMAT,
                     "%s, line %zu: more after the end of the value (a file with one value a line"
                     " is called .jsonl)",
                     r->name, r->line);
    return rc;
}

static int all(reading *r, FILE *f)
{
    ch_buf b;
    ch_buf_init(&b, CH_IO_READ_MAX);
    int rc = ch_io_read_stream(&b, f, r->name, r->e);
    scan c = {.s = b.data ? b.data : "", .n = b.size};
    if (rc == CH_OK && memchr(c.s, 0, c.n)) /* jansson takes it for the end */
        rc = ch_fail(r->e, CH_EFORMAT, "%s: a 0 byte", r->name);
    if (c.n >= 3 && memcmp(c.s, "\xef\xbb\xbf", 3) == 0)
        c.at = c.counted = 3;
    if (rc == CH_OK)
        rc = whole(r, &c);
    ch_buf_close(&b);
    return rc;
}

int ch_records_read(FILE *f, bool lines, const char *name, ch_record_fn *fn, void *arg, ch_err *e)
{
    reading r = {.name = name, .line = 1, .fn = fn, .arg = arg, .e = e};
    ch_buf_init(&r.joined, 2 * VALUE_MAX);
    const int rc = lines ? each_line(&r, f) : all(&r, f);
    ch_buf_close(&r.joined);
    free(r.part);
    return rc;
}
