/* schema_facts.c - what a list of schemas says together
 *
 * References and allOf are followed: their schemas join the list.  Words beside $ref count, as
 * since draft 2019-09; draft 7 would pass over them, so what is generated is valid for both.
 * SPDX-License-Identifier: MIT */
#include "schema.h"

#include <math.h>
#include <string.h>

struct open { /* schemas that are being read, from the inside out */
    const json_t *schema;
    const struct open *up;
};

enum { MOST_DEPTH = 256 };

struct reading {
    ch_facts *f;
    ch_schema *s;
    json_t *schema;
    const char *word;
    unsigned skip;
    const struct open *open;
    int depth;
};

typedef void read_fn(struct reading *r, json_t *value);
static void read_schema_into(struct reading *r, json_t *schema, unsigned skip);

/* ---- Sentences ------------------------------------------------------------------------------- */

static bool put_step(ch_buf *b, const char *key)
{
    ch_buf_str(b, "/");
    for (; *key; key++)
        ch_buf_put(b, *key == '~' ? "~0" : *key == '/' ? "~1" : key, strchr("~/", *key) ? 2 : 1);
    return true;
}

/* The JSON pointer of a part of the document, in b. */
static bool find(ch_buf *b, json_t *in, const json_t *what)
{
    if (in == what)
        return true;
    const size_t size = b->size;
    const char *key;
    json_t *v;
    size_t i;
    json_object_foreach(in, key, v)
    {
        if ((json_is_object(v) || json_is_array(v)) && put_step(b, key) && find(b, v, what))
            return true;
        b->size = size;
    }
    json_array_foreach(in, i, v)
    {
        if ((json_is_object(v) || json_is_array(v)) && ch_buf_printf(b, "/%zu", i) &&
            find(b, v, what))
            return true;
        b->size = size;
    }
    return false;
}

void ch_schema_pointer(ch_buf *out, const ch_schema *s, const json_t *part)
{
    ch_buf_init(out, 1 << 20);
    ch_buf_str(out, "#");
    find(out, s->root, part);
    if (!out->failed)
        out->data[out->size] = 0; /* behind what was tried last */
}

int ch_schema_fail(ch_schema *s, const json_t *schema, const char *word, int code,
                   const char *fmt, ...)
{
    char text[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ch_buf b;
    ch_schema_pointer(&b, s, schema);
    if (word)
        put_step(&b, word);
    ch_nfa_fail(s->n, code, "schema: %.180s: %s", b.failed ? "#..." : b.data, text);
    ch_buf_close(&b);
    return s->n->rc;
}

static void fail(struct reading *r, int code, const char *what)
{
    ch_schema_fail(r->s, r->schema, r->word, code, "%s", what);
}

/* ---- Words ----------------------------------------------------------------------------------- */

static void passed_over(struct reading *r, json_t *v)
{
    (void)r;
    (void)v;
}

static void read_id(struct reading *r, json_t *v)
{
    (void)v;
    if (r->schema != r->s->root)
        fail(r, CH_EUNSUPPORTED, "an $id within a schema is not supported");
}

static unsigned type_named(struct reading *r, const json_t *v)
{
    static const struct { const char *name; unsigned type; } types[] = {
        {"null", CH_J_NULL}, {"boolean", CH_J_BOOL}, {"integer", CH_J_INT},
        {"number", CH_J_NUMBER}, {"string", CH_J_STRING}, {"array", CH_J_ARRAY},
        {"object", CH_J_OBJECT}};
    for (size_t i = 0; i < CH_COUNT(types); i++)
        if (json_is_string(v) && strcmp(json_string_value(v), types[i].name) == 0)
            return types[i].type;
    fail(r, CH_EFORMAT, "a type is null, boolean, integer, number, string, array or object");
    return 0;
}

static void read_type(struct reading *r, json_t *v)
{
    unsigned types = 0;
    if (!json_is_array(v))
        types = type_named(r, v);
    for (size_t i = 0; i < json_array_size(v); i++)
        types |= type_named(r, json_array_get(v, i));
    r->f->types &= types;
}

static bool among(const json_t *list, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (ch_json_same(json_array_get(list, i), v))
            return true;
    return false;
}

/* Those of `list` that are among the values so far. */
static void only_values(struct reading *r, const json_t *list)
{
    json_t *both = json_array();
    bool ok = both != NULL;
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        json_t *v = json_array_get(list, i);
        if (!r->f->values || among(r->f->values, v))
            ok = json_array_append(both, v) == 0;
    }
    json_decref(r->f->values);
    r->f->values = both;
    if (!ok)
        fail(r, CH_ENOMEM, "no memory");
}

static void read_enum(struct reading *r, json_t *v)
{
    if (!json_is_array(v))
        fail(r, CH_EFORMAT, "an enum is an array");
    else
        only_values(r, v);
}

static void read_const(struct reading *r, json_t *v)
{
    json_t *one = json_pack("[O]", v);
    if (!one)
        fail(r, CH_ENOMEM, "no memory");
    else
        only_values(r, one);
    json_decref(one);
}

static void read_bound(struct reading *r, json_t *v)
{
    ch_facts *f = r->f;
    const bool lower = strstr(r->word, "inimum") != NULL, open = r->word[0] == 'e';
    const json_t **bound = lower ? &f->least : &f->most;
    if (!json_is_number(v)) {
        fail(r, CH_EFORMAT, "a bound is a number");
        return;
    }
    const int tighter = !*bound ? 1 : ch_json_compare(v, *bound) * (lower ? 1 : -1);
    if (tighter > 0 || (tighter == 0 && open)) {
        *bound = v;
        *(lower ? &f->above : &f->below) = open;
    }
}

static int common_divisor(int a, int b) { return b == 0 ? a : common_divisor(b, a % b); }

/* Multiples of a whole number are whole. */
static void read_multiple(struct reading *r, json_t *v)
{
    const double x = json_number_value(v);
    if (!json_is_number(v) || x <= 0) {
        fail(r, CH_EFORMAT, "this is a number above 0");
        return;
    }
    const bool whole = floor(x) == x && x <= CH_MOST_MULTIPLE;
    const int m = whole ? (int)x : 1;
    const int both = r->f->multiple / common_divisor(r->f->multiple, m) * m;
    if (!whole || both > CH_MOST_MULTIPLE) {
        fail(r, CH_EUNSUPPORTED, "supported are whole numbers up to 1000, several together with a "
                                 "common multiple up to that");
        return;
    }
    r->f->multiple = both;
    r->f->types &= ~(unsigned)CH_J_FRACTION;
}

static void read_count(struct reading *r, json_t *v)
{
    ch_facts *f = r->f;
    const char *what = r->word + 3;
    const double x = json_number_value(v);
    int64_t *least = *what == 'L' ? &f->min_length : *what == 'I' ? &f->min_items
                                                                  : &f->min_properties;
    int64_t *most = *what == 'L' ? &f->max_length : *what == 'I' ? &f->max_items
                                                                 : &f->max_properties;
    if (!json_is_number(v) || x < 0 || floor(x) != x) {
        fail(r, CH_EFORMAT, "this is a whole number, 0 or more");
        return;
    }
    const int64_t n = x > 1e15 ? (int64_t)1e15 : (int64_t)x;
    if (r->word[1] == 'i')
        *least = CH_MAX(*least, n);
    else
        *most = CH_MIN(*most, n);
}

static void add_pattern(struct reading *r, const char *regex, size_t size)
{
    ch_facts *f = r->f;
    for (int i = 0; i < f->n_patterns; i++)
        if (f->pattern[i].size == size && memcmp(f->pattern[i].regex, regex, size) == 0)
            return;
    if (f->n_patterns == CH_MOST_PATTERNS)
        fail(r, CH_ELIMIT, "more than 8 patterns for one text");
    else
        f->pattern[f->n_patterns++] = (ch_text_rule){regex, size};
}

static void read_pattern(struct reading *r, json_t *v)
{
    if (!json_is_string(v))
        fail(r, CH_EFORMAT, "a pattern is a string");
    else
        add_pattern(r, json_string_value(v), json_string_length(v));
}

#define DATE "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])" \
             "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?" \
             "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

/* Some of what each format allows; nothing else. */
static void read_format(struct reading *r, json_t *v)
{
    static const struct { const char *name, *regex; } formats[] = {
        {"date", "^" DATE "$"},
        {"time", "^" TIME "$"},
        {"date-time", "^" DATE "T" TIME "$"},
        {"uuid", "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        {"ipv4", "^(" OCTET "\\.){3}" OCTET "$"},
        {"email", "^[A-Za-z0-9_+-]{1,24}(\\.[A-Za-z0-9_+-]{1,24}){0,2}@([a-z0-9]([a-z0-9-]{0,20}"
                  "[a-z0-9])?\\.){1,3}[a-z]{2,10}$"}};
    for (size_t i = 0; i < CH_COUNT(formats); i++)
        if (json_is_string(v) && strcmp(json_string_value(v), formats[i].name) == 0) {
            add_pattern(r, formats[i].regex, strlen(formats[i].regex));
            return;
        }
    char text[160];
    snprintf(text, sizeof text, "the format \"%.40s\" is not supported; supported are date, time, "
                                "date-time, uuid, ipv4, email",
             json_is_string(v) ? json_string_value(v) : "?");
    fail(r, CH_EUNSUPPORTED, text);
}

static void read_unique(struct reading *r, json_t *v)
{
    if (!json_is_false(v))
        fail(r, CH_EUNSUPPORTED, "it is not supported");
}

static bool is_schema(const json_t *v) { return json_is_object(v) || json_is_boolean(v); }

static void read_schema(struct reading *r, json_t *v)
{
    if (!is_schema(v))
        fail(r, CH_EFORMAT, "a schema is an object, true or false");
}

static void read_list(struct reading *r, json_t *v)
{
    bool ok = json_is_array(v);
    for (size_t i = 0; i < json_array_size(v); i++)
        ok = ok && is_schema(json_array_get(v, i));
    if (!ok)
        fail(r, CH_EFORMAT, "this is an array of schemas");
}

static void read_items(struct reading *r, json_t *v)
{
    if (json_is_array(v) && json_object_get(r->schema, "prefixItems"))
        fail(r, CH_EFORMAT, "an array of items is what prefixItems says already");
    if (json_is_array(v))
        read_list(r, v);
    else
        read_schema(r, v);
}

static void read_properties(struct reading *r, json_t *v)
{
    const char *key;
    json_t *one;
    bool ok = json_is_object(v);
    json_object_foreach(v, key, one) ok = ok && is_schema(one);
    if (!ok)
        fail(r, CH_EFORMAT, "this is an object of schemas");
}

static void read_required(struct reading *r, json_t *v)
{
    bool ok = json_is_array(v);
    for (size_t i = 0; i < json_array_size(v); i++)
        ok = ok && json_is_string(json_array_get(v, i)) &&
             strlen(json_string_value(json_array_get(v, i))) ==
                 json_string_length(json_array_get(v, i));
    if (!ok)
        fail(r, CH_EFORMAT, "this is an array of names");
}

static void read_all_of(struct reading *r, json_t *v)
{
    read_list(r, v);
    for (size_t i = 0; i < json_array_size(v) && r->s->n->rc == CH_OK; i++)
        if (!(r->skip & CH_SKIP_ALL_OF))
            read_schema_into(r, json_array_get(v, i), 0);
}

static void read_choice(struct reading *r, json_t *v)
{
    read_list(r, v);
    if (json_array_size(v) == 0)
        fail(r, CH_EFORMAT, "there is nothing to choose from");
    if (r->f->choice || (r->skip & (r->word[0] == 'a' ? CH_SKIP_ANY_OF : CH_SKIP_ONE_OF)))
        return;
    r->f->choice = r->schema;
    r->f->choice_word = r->word[0] == 'a' ? "anyOf" : "oneOf";
}

/* ---- References ------------------------------------------------------------------------------ */

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                                               : -1;
}

/* The next step of a pointer, unescaped; p is then at the "/" behind it or the end. */
static bool next_step(ch_buf *b, const char **p)
{
    ch_buf_clear(b);
    ch_buf_str(b, "");
    for (const char *c = *p; ; c++) {
        char x = *c;
        if (x == 0 || x == '/') {
            *p = c;
            return ch_buf_put(b, "", 0);
        }
        if (x == '%' && hex(c[1]) >= 0 && hex(c[2]) >= 0) {
            x = (char)(hex(c[1]) << 4 | hex(c[2]));
            c += 2;
        } else if (x == '%') {
            return false;
        }
        if (x == '~') {
            x = c[1] == '0' ? '~' : '/';
            if (c[1] != '0' && c[1] != '1')
                return false;
            c++;
        }
        if (!ch_buf_put(b, &x, 1))
            return false;
    }
}

static json_t *child(json_t *of, const char *step)
{
    if (json_is_object(of))
        return json_object_get(of, step);
    if (!json_is_array(of) || strlen(step) > 9 || strspn(step, "0123456789") != strlen(step) ||
        !*step)
        return NULL;
    return json_array_get(of, (size_t)atol(step));
}

static json_t *resolve(struct reading *r, const char *ref)
{
    ch_buf b;
    json_t *at = r->s->root;
    const char *p = ref + 1;
    ch_buf_init(&b, 1 << 20);
    while (at && *p == '/') {
        p++;
        at = next_step(&b, &p) ? child(at, b.data ? b.data : "") : NULL;
        if (json_is_object(at) && json_is_string(json_object_get(at, "$id")))
            at = NULL; /* what lies below has another base */
    }
    ch_buf_close(&b);
    return *p ? NULL : at;
}

static void read_ref(struct reading *r, json_t *v)
{
    const char *ref = json_string_value(v);
    if (r->skip & CH_SKIP_REF)
        return;
    if (!ref || ref[0] != '#' || (ref[1] && ref[1] != '/')) {
        fail(r, CH_EUNSUPPORTED, "only references into the same schema (\"#\", \"#/...\") are "
                                 "supported");
        return;
    }
    json_t *to = resolve(r, ref);
    if (!is_schema(to))
        fail(r, CH_EFORMAT, "the reference leads to no schema");
    else
        read_schema_into(r, to, 0);
}

/* ---- Lists ----------------------------------------------------------------------------------- */

bool ch_parts_add(ch_parts *p, json_t *schema, unsigned skip)
{
    for (int i = 0; i < p->n; i++)
        if (p->at[i].schema == schema && p->at[i].skip == skip)
            return true;
    if (p->n == CH_MOST_PARTS)
        return false;
    p->at[p->n++] = (ch_part){schema, skip};
    return true;
}

static void read_word(struct reading *r, const char *word, json_t *v)
{
    static const struct { const char *word; read_fn *fn; } words[] = {
#define KEYWORD(word, fn) {word, fn},
#include "keywords.def"
#undef KEYWORD
    };
    r->word = word;
    for (size_t i = 0; i < CH_COUNT(words); i++)
        if (strcmp(words[i].word, word) == 0) {
            words[i].fn(r, v);
            return;
        }
    fail(r, CH_EUNSUPPORTED, "this keyword is not supported");
}

static void read_schema_into(struct reading *outer, json_t *schema, unsigned skip)
{
    struct reading r = *outer;
    const int before = r.f->parts.n;
    const char *word;
    json_t *v;
    if (json_is_false(schema))
        r.f->never = true;
    if (!json_is_object(schema))
        return;
    for (const struct open *o = r.open; o; o = o->up)
        if (o->schema == schema) {
            fail(outer, CH_EUNSUPPORTED, "the reference leads back to itself");
            return;
        }
    if (r.depth++ == MOST_DEPTH || !ch_parts_add(&r.f->parts, schema, skip)) {
        fail(outer, CH_ELIMIT, "more than 64 schemas hold for one value");
        return;
    }
    if (r.f->parts.n == before)
        return; /* it is among them */
    const struct open here = {schema, outer->open};
    r.open = &here;
    r.schema = schema;
    r.skip = skip;
    json_object_foreach(schema, word, v)
    {
        if (r.s->n->rc == CH_OK)
            read_word(&r, word, v);
    }
}

int ch_facts_read(ch_facts *f, ch_schema *s, const ch_parts *parts)
{
    *f = (ch_facts){.types = CH_J_ALL, .multiple = 1,
                    .max_length = INT64_MAX, .max_items = INT64_MAX, .max_properties = INT64_MAX};
    struct reading r = {.f = f, .s = s, .schema = s->root};
    for (int i = 0; i < parts->n && s->n->rc == CH_OK; i++)
        read_schema_into(&r, parts->at[i].schema, parts->at[i].skip);
    for (int i = 0; i < parts->n; i++)
        f->never |= json_is_false(parts->at[i].schema);
    return s->n->rc;
}

void ch_facts_close(ch_facts *f)
{
    json_decref(f->values);
    f->values = NULL;
}

/* ---- What holds within ----------------------------------------------------------------------- */

static int add_member(ch_parts *out, ch_schema *s, json_t *owner, json_t *schema)
{
    if (!ch_parts_add(out, schema, 0))
        return ch_schema_fail(s, owner, NULL, CH_ELIMIT, "more than 64 schemas hold for one value");
    return CH_OK;
}

int ch_facts_member(ch_parts *out, ch_schema *s, const ch_facts *f, const char *name)
{
    out->n = 0;
    for (int i = 0; i < f->parts.n && s->n->rc == CH_OK; i++) {
        json_t *o = f->parts.at[i].schema;
        json_t *own = name ? json_object_get(json_object_get(o, "properties"), name) : NULL;
        json_t *other = json_object_get(o, "additionalProperties");
        if (own || other)
            add_member(out, s, o, own ? own : other);
    }
    return s->n->rc;
}

int ch_facts_item(ch_parts *out, ch_schema *s, const ch_facts *f, size_t place)
{
    out->n = 0;
    for (int i = 0; i < f->parts.n && s->n->rc == CH_OK; i++) {
        json_t *o = f->parts.at[i].schema, *items = json_object_get(o, "items");
        json_t *first = json_is_array(items) ? items : json_object_get(o, "prefixItems");
        json_t *rest = json_is_array(items) ? json_object_get(o, "additionalItems") : items;
        json_t *here = place < json_array_size(first) ? json_array_get(first, place) : rest;
        if (here)
            add_member(out, s, o, here);
    }
    return s->n->rc;
}
