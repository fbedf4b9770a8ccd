/* cmd_show.c - chalcis show: what is in a model file
 *
 * Works on anything that is a well-formed container, also where the model itself cannot be run.
 * SPDX-License-Identifier: MIT */
#include "cmd_show.h"

#include <string.h>

struct options {
    const char *model;
    int context;
    bool json, tensors, all;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "MODEL", "the same as the argument [the bundled model]", 0, 0},
    {'c', "context", CH_OPT_INT, O(context), "N", "memory that running it with so many tokens takes", 1, 1e9},
    {0, "tensors", CH_OPT_FLAG, O(tensors), NULL, "list every tensor", 0, 0},
    {0, "all", CH_OPT_FLAG, O(all), NULL, "long metadata in full", 0, 0},
    CH_OPT_JSON(O(json)),
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "show [MODEL] [-c N] [--tensors] [--json]", .opts = opts, .most_args = 1};

/* A name out of a file, as a terminal and JSON can bear it. */
typedef struct shown {
    char text[256];
} shown;

static shown show_name(const char *p, size_t n)
{
    shown s;
    const size_t take = CH_MIN(n, sizeof s.text - 1);
    memcpy(s.text, p, take);
    s.text[take] = '\0';
    ch_utf8_printable(s.text, take);
    return s;
}

/* ---- Metadata as JSON values --------------------------------------------------------------- */

static json_t *string_value(ch_str s)
{
    json_t *v = json_stringn(s.p, s.n);
    return v ? v : json_string("(not UTF-8)");
}

static json_t *element(const ch_meta *m, size_t i)
{
    int64_t n;
    double x;
    switch (m->v.a.type) {
    case CH_META_STR: return string_value(((const ch_str *)m->v.a.data)[i]);
    case CH_META_REAL: return ch_meta_at_real(&x, m, i) < 0 ? json_null() : ch_cli_number(x);
    case CH_META_BOOL: return json_boolean(((const unsigned char *)m->v.a.data)[i]);
    default: return ch_meta_at_int(&n, m, i) < 0 ? json_null() : json_integer(n);
    }
}

static json_t *value(const ch_meta *m, size_t most)
{
    switch (m->type) {
    case CH_META_INT: return json_integer(m->v.i);
    case CH_META_UINT:
        return m->v.u <= INT64_MAX ? json_integer((json_int_t)m->v.u) : json_real((double)m->v.u);
    case CH_META_REAL: return ch_cli_number(m->v.r);
    case CH_META_BOOL: return json_boolean(m->v.b);
    case CH_META_STR: return string_value(m->v.s);
    case CH_META_ARRAY: break;
    }
    json_t *a = json_array();
    for (size_t i = 0; i < m->v.a.n && i < most; i++)
        json_array_append_new(a, element(m, i));
    return a;
}

/* ---- Sums over tensors --------------------------------------------------------------------- */

struct sums {
    int64_t count[CH_DTYPES], elements[CH_DTYPES];
    size_t bytes[CH_DTYPES];
    int64_t parameters;
    size_t all_bytes;
};

static struct sums add_up(const ch_file *f)
{
    struct sums s = {0};
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_file_tensor *t = &f->tensors[i];
        s.count[t->t.dtype]++;
        s.elements[t->t.dtype] += ch_tensor_count(&t->t);
        s.bytes[t->t.dtype] += t->bytes;
        s.parameters += ch_tensor_count(&t->t);
        s.all_bytes += t->bytes;
    }
    return s;
}

static int print_json(const ch_file *f, json_t *memory)
{
    const struct sums s = add_up(f);
    json_t *meta = json_object(), *tensors = json_array();
    for (size_t i = 0; i < f->n_meta; i++) {
        const ch_str key = f->meta[i].key;
        if (json_object_setn_new(meta, key.p, key.n, value(&f->meta[i], SIZE_MAX)) < 0)
            json_object_set_new(meta, show_name(key.p, key.n).text, value(&f->meta[i], SIZE_MAX));
    }
    for (size_t i = 0; i < f->n_tensors; i++) {
        const ch_tensor *t = &f->tensors[i].t;
        const ch_str name = {f->tensors[i].name, strlen(f->tensors[i].name)};
        json_t *shape = json_array();
        for (int d = 0; d < t->rank; d++)
            json_array_append_new(shape, json_integer(t->dim[d]));
        json_array_append_new(tensors,
                              json_pack("{s:o, s:s, s:o, s:I}", "name", string_value(name), "type",
                                        ch_dtype_get(t->dtype)->name, "shape", shape, "bytes",
                                        (json_int_t)f->tensors[i].bytes));
    }
    json_t *v = json_pack("{s:s, s:i, s:I, s:I, s:o, s:o, s:o}", "format", f->format, "version",
                          (int)f->version, "parameters", (json_int_t)s.parameters, "bytes",
                          (json_int_t)s.all_bytes, "summary", ch_show_summary(f), "metadata", meta,
                          "tensors", tensors);
    if (v && s.parameters > 0)
        json_object_set_new(v, "bits_per_weight",
                            json_real(8.0 * (double)s.all_bytes / (double)s.parameters));
    if (v && memory)
        json_object_set(v, "memory", memory);
    return ch_cli_print_json(v);
}

static int print_meta(const ch_file *f, bool all)
{
    enum { SHORT = 6, WIDE = 100 };
    ch_buf b;
    ch_err e;
    ch_buf_init(&b, (size_t)1 << 30);
    for (size_t i = 0; i < f->n_meta; i++) {
        const ch_meta *m = &f->meta[i];
        json_t *v = value(m, all ? SIZE_MAX : SHORT);
        ch_buf_clear(&b);
        const int rc = ch_json_dump(&b, v, &e);
        json_decref(v);
        if (rc < 0) {
            ch_buf_close(&b);
            return ch_cli_fail(&e);
        }
        const bool cut = !all && b.size > WIDE;
        ch_utf8_printable(b.data, b.size);
        printf("  %-44s ", show_name(m->key.p, m->key.n).text);
        fwrite(b.data, 1, cut ? ch_utf8_whole(b.data, WIDE) : b.size, stdout);
        fputs(cut ? "..." : "", stdout);
        if (m->type == CH_META_ARRAY && m->v.a.n > SHORT)
            printf(" (%zu entries)", m->v.a.n);
        putchar('\n');
    }
    ch_buf_close(&b);
    return CH_EXIT_OK;
}

static int print_text(const ch_file *f, const struct options *o, const json_t *memory)
{
    const struct sums s = add_up(f);
    printf("%s: %s version %u, %zu metadata entries, %zu tensors\n\n", f->path, f->format,
           (unsigned)f->version, f->n_meta, f->n_tensors);
    const int rc = print_meta(f, o->all);
    if (rc != CH_EXIT_OK)
        return rc;
    if (f->n_tensors > 0)
        printf("\n%lld parameters, %.1f MB, %.2f bits a weight\n", (long long)s.parameters,
               (double)s.all_bytes / 1e6, 8.0 * (double)s.all_bytes / (double)s.parameters);
    for (int d = 0; d < CH_DTYPES; d++)
        if (s.count[d])
            printf("  %-5s %4lld tensors, %12lld parameters, %9.2f MB\n",
                   ch_dtype_get((ch_dtype)d)->name, (long long)s.count[d],
                   (long long)s.elements[d], (double)s.bytes[d] / 1e6);
    json_t *summary = ch_show_summary(f);
    ch_show_print_summary(summary);
    json_decref(summary);
    if (memory)
        ch_show_print_memory(memory);
    for (size_t i = 0; i < f->n_tensors && o->tensors; i++) {
        char shape[96];
        ch_tensor_describe(shape, sizeof shape, &f->tensors[i].t);
        const shown name = show_name(f->tensors[i].name, strlen(f->tensors[i].name));
        printf("%s  %-40s %s\n", i == 0 ? "\n" : "", name.text, shape);
    }
    return CH_EXIT_OK;
}

int ch_cmd_show(int argc, char **argv)
{
    struct options o = {0};
    const char *arg = NULL;
    int n_args;
    const int rc = ch_cli_parse(&o, &arg, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    ch_err e = {0};
    char path[4096];
    ch_file *f;
    json_t *memory = NULL;
    if (arg && o.model)
        return ch_cli_usage("show", "the argument and -m are two models; give one");
    if (ch_cli_model_path(path, sizeof path, arg ? arg : o.model, &e) < 0 ||
        (o.context && ch_show_memory(&memory, path, o.context, &e) < 0) ||
        ch_file_open(&f, path, &e) < 0) {
        json_decref(memory);
        return ch_cli_fail(&e);
    }
    const int code = o.json ? print_json(f, memory) : print_text(f, &o, memory);
    json_decref(memory);
    ch_file_close(&f);
    return code;
}
