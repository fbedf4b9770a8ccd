/* json.c - jansson behind size limits and one-sentence errors
 *
 * Depth is bounded by jansson itself (2048).  SPDX-License-Identifier: MIT */
#include "json.h"

#include <inttypes.h>
#include <string.h>

#include "err.h"
#include "io.h"

/* jansson takes a 0 byte between tokens for the end of the text. */
static int refuse_zero(const char *text, const char *zero, const char *name, ch_err *e)
{
    int line = 1, column = 1;
    for (; text < zero; text++) {
        column = *text == '\n' ? 1 : column + 1;
        line += *text == '\n';
    }
    return ch_fail(e, CH_EFORMAT, "%s:%d:%d: a 0 byte", name, line, column);
}

int ch_json_parse(json_t **out, const char *text, size_t n, const char *name, ch_err *e)
{
    json_error_t je;
    *out = NULL;
    const char *zero = n > 0 ? memchr(text, 0, n) : NULL;
    if (zero != NULL)
        return refuse_zero(text, zero, name, e);
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL;
    *out = json_loadb(text != NULL ? text : "", n, flags, &je);
    if (*out != NULL)
        return CH_OK;
    /* jansson has no words for most of the places where memory runs out. */
    if (json_error_code(&je) == json_error_out_of_memory || je.text[0] == '\0')
        return ch_fail(e, CH_ENOMEM, "%s: no memory for its JSON", name);
    return ch_fail(e, CH_EFORMAT, "%s:%d:%d: %s", name, je.line, je.column, je.text);
}

int ch_json_load(json_t **out, const char *path, size_t limit, ch_err *e)
{
    ch_buf b;
    *out = NULL;
    ch_buf_init(&b, limit);
    int rc = ch_io_read_file(&b, path, e);
    if (rc == CH_OK)
        rc = ch_json_parse(out, b.data, b.size, path, e);
    ch_buf_close(&b);
    return rc;
}

static int append(const char *bytes, size_t n, void *b)
{
    return ch_buf_put(b, bytes, n) ? 0 : -1;
}

int ch_json_dump(ch_buf *b, const json_t *v, ch_err *e)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17);
    if (json_dump_callback(v, append, b, flags) == 0)
        return CH_OK;
    int rc = ch_buf_check(b, "JSON text", e);
    return rc < 0 ? rc : ch_fail(e, CH_EARG, "a value that cannot be written as JSON");
}

static const char *kind_of(const json_t *v)
{
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false", [JSON_NULL] = "null",
    };
    return kinds[json_typeof(v)];
}

/* *v: the field, or NULL where it is missing or null. */
static int field(const json_t **v, const json_t *o, const char *key, const char *name, ch_err *e)
{
    *v = NULL;
    if (o == NULL)
        return CH_OK;
    if (!json_is_object(o))
        return ch_fail(e, CH_EFORMAT, "%s: found %s where an object with \"%s\" belongs", name,
                       kind_of(o), key);
    *v = json_object_get(o, key);
    if (json_is_null(*v))
        *v = NULL;
    return CH_OK;
}

int ch_json_int(int64_t *out, const json_t *o, const char *key, int64_t or, int64_t min,
                int64_t max, const char *name, ch_err *e)
{
    const json_t *v;
    int rc = field(&v, o, key, name, e);
    if (rc < 0)
        return rc;
    *out = or;
    if (v == NULL)
        return CH_OK;
    /* 4096.0 is 4096 to JSON; past 2^53 a double no longer names one integer. */
    double real = json_is_real(v) ? json_real_value(v) : 0.5;
    if (json_is_real(v) && real >= -0x1p53 && real <= 0x1p53 && real == (double)(int64_t)real)
        *out = (int64_t)real;
    else if (json_is_integer(v))
        *out = json_integer_value(v);
    else
        return ch_fail(e, CH_EFORMAT, "%s: \"%s\" is %s, wanted an integer", name, key, kind_of(v));
    if (*out >= min && *out <= max)
        return CH_OK;
    int64_t found = *out;
    *out = or;
    return ch_fail(e, CH_EFORMAT, "%s: \"%s\" is %" PRId64 ", wanted %" PRId64 " to %" PRId64, name,
                   key, found, min, max);
}

int ch_json_real(double *out, const json_t *o, const char *key, double or, const char *name,
                 ch_err *e)
{
    const json_t *v;
    int rc = field(&v, o, key, name, e);
    if (rc < 0)
        return rc;
    *out = or;
    if (v == NULL)
        return CH_OK;
    if (!json_is_number(v))
        return ch_fail(e, CH_EFORMAT, "%s: \"%s\" is %s, wanted a number", name, key, kind_of(v));
    *out = json_number_value(v);
    return CH_OK;
}

int ch_json_str(const char **out, const json_t *o, const char *key, const char *or,
                const char *name, ch_err *e)
{
    const json_t *v;
    int rc = field(&v, o, key, name, e);
    if (rc < 0)
        return rc;
    *out = or;
    if (v == NULL)
        return CH_OK;
    if (!json_is_string(v))
        return ch_fail(e, CH_EFORMAT, "%s: \"%s\" is %s, wanted a string", name, key, kind_of(v));
    if (strlen(json_string_value(v)) != json_string_length(v))
        return ch_fail(e, CH_EFORMAT, "%s: \"%s\" is a string with a 0 byte in it", name, key);
    *out = json_string_value(v);
    return CH_OK;
}
