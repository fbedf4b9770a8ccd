/* fields.c - fields of a request, checked
 *
 * SPDX-License-Identifier: MIT */
#include "ask.h"

static json_t *present(json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    return json_is_null(v) ? NULL : v;
}

static int refuse(ch_refusal *r, const char *name, const ch_err *e)
{
    return ch_refuse(r, CH_REFUSED_INVALID, name, "%s", e->text);
}

int ch_field_int(int *out, json_t *o, const char *name, int least, int most, ch_refusal *r)
{
    ch_err e;
    int64_t v;
    if (!present(o, name))
        return CH_OK;
    if (ch_json_int(&v, o, name, 0, least, most, "the request", &e) < 0)
        return refuse(r, name, &e);
    *out = (int)v;
    return CH_OK;
}

int ch_field_real(double *out, json_t *o, const char *name, double least, double most,
                  ch_refusal *r)
{
    ch_err e;
    double v;
    if (ch_json_real(&v, o, name, *out, "the request", &e) < 0)
        return refuse(r, name, &e);
    if (!present(o, name))
        return CH_OK;
    if (!(v >= least && v <= most))
        return ch_refuse(r, CH_REFUSED_INVALID, name,
                         "the request: \"%s\" is %g; allowed are %g to %g", name, v, least, most);
    *out = v;
    return CH_OK;
}

int ch_field_text(const char **out, json_t *o, const char *name, ch_refusal *r)
{
    ch_err e;
    return ch_json_str(out, o, name, *out, "the request", &e) < 0 ? refuse(r, name, &e) : CH_OK;
}

static int wanted(ch_refusal *r, const char *name, const char *kind)
{
    return ch_refuse(r, CH_REFUSED_INVALID, name, "the request: \"%s\" has to be %s", name, kind);
}

int ch_field_bool(bool *out, json_t *o, const char *name, ch_refusal *r)
{
    const json_t *v = present(o, name);
    if (v && !json_is_boolean(v))
        return wanted(r, name, "true or false");
    *out = v ? json_is_true(v) : *out;
    return CH_OK;
}

int ch_field_list(json_t **out, json_t *o, const char *name, ch_refusal *r)
{
    json_t *v = present(o, name);
    if (v && !json_is_array(v))
        return wanted(r, name, "an array");
    *out = v ? v : *out;
    return CH_OK;
}

int ch_field_object(json_t **out, json_t *o, const char *name, ch_refusal *r)
{
    json_t *v = present(o, name);
    if (v && !json_is_object(v))
        return wanted(r, name, "an object");
    *out = v ? v : *out;
    return CH_OK;
}
