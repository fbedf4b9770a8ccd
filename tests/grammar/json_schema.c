/* tests/grammar/json_schema.c - JSON Schema against its own test suite, and what is refused
 *
 * Of the suite's instances those that are invalid must not be allowed; of the valid ones those that
 * are not are counted (order of members, white space and the like keep some out).
 *
 *     json_schema samples 1000    one line a schema: {"schema": ..., "samples": [text, ...]}
 *
 * is what tests/grammar/ajv.sh has validated by ajv.  SPDX-License-Identifier: MIT */
#include "obey.h"

static const char *const files[] = {
    "additionalItems", "additionalProperties", "allOf", "anyOf", "boolean_schema", "const",
    "contains", "default", "definitions", "dependencies", "enum", "exclusiveMaximum",
    "exclusiveMinimum", "format", "if-then-else", "infinite-loop-detection", "items", "maxItems",
    "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum",
    "multipleOf", "not", "oneOf", "pattern", "patternProperties", "properties", "propertyNames",
    "ref", "refRemote", "required", "type", "uniqueItems"};

struct tally {
    int schemas, refused, invalid, valid, missed;
};

static ch_tokenizer *vocabulary;
static ch_grammar *shared; /* whose vocabulary all share */

static int open_schema(ch_grammar **g, const char *text, bool compact, ch_err *e)
{
    const ch_grammar_options o = {.compact = compact, .like = shared};
    return ch_grammar_open(g, vocabulary, CH_GRAMMAR_SCHEMA, text, strlen(text), &o, e);
}

static char *dump(const json_t *v)
{
    return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

static void check_instances(struct tally *t, ch_grammar *g, const json_t *group, const char *where)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(group, "tests"), i, one)
    {
        ch_err e = {0};
        char *text = dump(json_object_get(one, "data"));
        const bool valid = json_is_true(json_object_get(one, "valid"));
        const bool taken = whole_text(g, text, strlen(text), &e) == CH_OK;
        if (taken && !valid)
            fail_msg("%s: \"%s\": %s is invalid, and allowed", where,
                     json_string_value(json_object_get(one, "description")), text);
        t->valid += valid;
        t->invalid += !valid;
        t->missed += valid && !taken;
        if (valid && !taken && getenv("SHOW"))
            print_message("# missed %s %s\n", where, text);
        free(text);
    }
}

static void check_group(struct tally *t, const json_t *group, const char *file)
{
    ch_grammar *g;
    ch_err e = {0};
    char where[200];
    char *schema = dump(json_object_get(group, "schema"));
    snprintf(where, sizeof where, "%s: %s", file,
             json_string_value(json_object_get(group, "description")));
    t->schemas++;
    if (open_schema(&g, schema, false, &e) == CH_OK) {
        check_instances(t, g, group, where);
    } else {
        t->refused++;
        assert_true(e.code == CH_EUNSUPPORTED || e.code == CH_EARG || e.code == CH_EFORMAT);
        if (getenv("SHOW"))
            print_message("# refused %s: %s\n", where, e.text);
    }
    ch_grammar_close(&g);
    free(schema);
}

static json_t *load(const char *file)
{
    char rel[200];
    ch_err e = {0};
    json_t *groups = NULL;
    snprintf(rel, sizeof rel, "conform/json-schema/draft7/%s.json", file);
    assert_ok(ch_json_load(&groups, shared_path(rel), 1 << 24, &e), e);
    return groups;
}

static void the_suite(void **state)
{
    (void)state;
    struct tally t = {0};
    skip_without("conform/json-schema/draft7/ref.json");
    for (size_t f = 0; f < CH_COUNT(files); f++) {
        json_t *groups = load(files[f]);
        for (size_t i = 0; i < json_array_size(groups); i++)
            check_group(&t, json_array_get(groups, i), files[f]);
        json_decref(groups);
    }
    print_message("# %d schemas, %d refused; %d invalid instances kept out, %d valid ones, %d of "
                  "them not to be had\n",
                  t.schemas, t.refused, t.invalid, t.valid, t.missed);
    assert_true(t.refused < t.schemas / 2);
    assert_true(t.missed < t.valid / 8);
}

/* ---- Samples for a validator that is not ours --------------------------------------------------- */

static void print_samples(const json_t *schema, int count)
{
    ch_grammar *g;
    ch_err e = {0};
    char *text = dump(schema);
    json_t *all = json_array();
    if (open_schema(&g, text, false, &e) == CH_OK) {
        for (int i = 0; i < count; i++) {
            ch_buf b;
            ch_buf_init(&b, 1 << 24);
            if (draw_text(&b, g, vocabulary, (uint64_t)i, 4000))
                json_array_append_new(all, json_stringn(b.data, b.size));
            ch_buf_close(&b);
        }
        json_t *line = json_pack("{s:O,s:o}", "schema", schema, "samples", all);
        char *out = dump(line);
        puts(out);
        free(out);
        json_decref(line);
    } else {
        json_decref(all);
    }
    ch_grammar_close(&g);
    free(text);
}

static int all_samples(int count)
{
    for (size_t f = 0; f < CH_COUNT(files); f++) {
        json_t *groups = load(files[f]);
        for (size_t i = 0; i < json_array_size(groups); i++)
            print_samples(json_object_get(json_array_get(groups, i), "schema"), count);
        json_decref(groups);
    }
    return 0;
}

static int open_all(void **state)
{
    (void)state;
    ch_err e = {0};
    vocabulary = bundled_vocabulary();
    return ch_grammar_open(&shared, vocabulary, CH_GRAMMAR_JSON, "", 0, NULL, &e);
}

static int close_all(void **state)
{
    (void)state;
    ch_grammar_close(&shared);
    ch_tokenizer_close(&vocabulary);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "samples") == 0) {
        open_all(NULL);
        all_samples(atoi(argv[2]));
        return close_all(NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_suite),
    };
    return cmocka_run_group_tests_name("grammar/json_schema", tests, open_all, close_all);
}
