/* tests/grammar/json_schema.c - JSON Schema against its own test suite, and what is refused
 *
 * Of the suite's instances those that are invalid must not be allowed; of the valid ones those that
 * are not are counted (order of members, white space and the like keep some out).
 *
 *     json_schema samples 1000    one line a schema: {"schema": ..., "samples": [text, ...]}
 *     json_schema model 20        the same, drawn by the bundled model
 *
 * is what bench/grammar/ajv.sh has validated by ajv.  SPDX-License-Identifier: MIT */
#include "generate.h"
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

/* ---- One thing at a time --------------------------------------------------------------------- */

static bool takes(const char *schema, const char *text, bool compact)
{
    ch_grammar *g;
    ch_err e = {0};
    assert_ok(open_schema(&g, schema, compact, &e), e);
    const int rc = whole_text(g, text, strlen(text), &e);
    ch_grammar_close(&g);
    return rc == CH_OK;
}

static const struct { const char *schema, *yes[4], *no[4]; } cases[] = {
    {"{\"type\":\"integer\",\"minimum\":-12,\"exclusiveMaximum\":105}",
     {"-12", "0", "99", "104"}, {"-13", "105", "-0", "007"}},
    {"{\"type\":\"number\",\"exclusiveMinimum\":0.5,\"maximum\":12.25}",
     {"0.51", "12.25", "1", "12.250"}, {"0.5", "12.26", "13", "1e0"}},
    {"{\"type\":\"number\",\"maximum\":-0.001}", {"-0.001", "-7.5", "-0.0010", "-123456"},
     {"-0.0009", "0", "1", "-0"}},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
     {"\"ab\"", "\"\\n\\u00e9\"", "\"\xf0\x9f\x98\x80\\ud83d\\ude00.\"", "\"\xc3\xa9\xc3\xa9\""},
     {"\"a\"", "\"abcd\"", "\"\\ud83d.\"", "\"a\nb\""}},
    {"{\"type\":\"string\",\"pattern\":\"^[a-c\\\"]+$\",\"maxLength\":3}",
     {"\"abc\"", "\"\\\"a\"", "\"c\""}, {"\"\"", "\"abca\"", "\"d\"", "\"\"a\""}},
    {"{\"pattern\":\"b\",\"type\":[\"string\",\"null\"]}", {"\"abc\"", "null", "\"b\\n\""},
     {"\"ac\"", "1"}},
    {"{\"properties\":{\"a\":{\"type\":\"null\"},\"ab\":{\"const\":1}},\"required\":[\"x\"],"
     "\"type\":\"object\"}",
     {"{\"a\":null,\"x\":[]}", "{\"x\": {},\n \"abc\": 2 }", "{ \"ab\":1, \"x\":0}"},
     {"{}", "{\"x\":1,\"a\":1}", "{\"x\":1,\"ab\":1}", "{\"a\":1,\"x\":1}"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"null\"}],\"items\":"
     "{\"type\":\"boolean\"},\"minItems\":1,\"maxItems\":3}",
     {"[null]", "[ null, true, false ]"}, {"[]", "[true]", "[null,true,true,true]", "[null,]"}},
    {"{\"allOf\":[{\"properties\":{\"k\":{\"type\":\"integer\"}},\"required\":[\"k\"]},"
     "{\"properties\":{\"k\":{\"minimum\":5}},\"additionalProperties\":false}],"
     "\"type\":\"object\"}",
     {"{\"k\":5}", "{\"k\":10}"}, {"{\"k\":4}", "{}", "{\"k\":5,\"l\":1}"}},
    {"{\"oneOf\":[{\"properties\":{\"t\":{\"const\":\"a\"}},\"required\":[\"t\"]},"
     "{\"properties\":{\"t\":{\"enum\":[\"b\",\"c\"]},\"n\":{\"type\":\"null\"}},"
     "\"required\":[\"t\",\"n\"]}],\"type\":\"object\"}",
     {"{\"t\":\"a\"}", "{\"t\":\"c\",\"n\":null}"}, {"{\"t\":\"b\"}", "{\"t\":\"d\"}"}},
    {"{\"$defs\":{\"l\":{\"type\":[\"object\",\"null\"],\"properties\":"
     "{\"next\":{\"$ref\":\"#/$defs/l\"}},\"required\":[\"next\"],"
     "\"additionalProperties\":false}},"
     "\"$ref\":\"#/$defs/l\"}",
     {"null", "{\"next\":{\"next\":null}}"}, {"{}", "{\"next\":1}"}},
    {"{\"enum\":[1.5,\"a\\n\",[1,{\"b\":null}],\"xx\"],\"maxLength\":2}",
     {"1.5", "\"a\\n\"", "[1,{\"b\":null}]"}, {"1", "\"a\"", "[1]"}},
    {"{\"type\":\"integer\",\"minimum\":9007199254740993,"
     "\"exclusiveMaximum\":9007199254740995}",
     {"9007199254740993", "9007199254740994"}, {"9007199254740992", "9007199254740995"}},
    {"{\"type\":\"integer\",\"exclusiveMinimum\":-2.5,\"maximum\":3.0}", {"-2", "0", "3"},
     {"-3", "4"}},
    {"{\"type\":\"integer\",\"exclusiveMinimum\":-9223372036854775808,"
     "\"maximum\":9223372036854775807}",
     {"-999999999999999999", "999999999999999999"}, {"1000000000000000000"}},
    {"{\"enum\":[9007199254740993,1.5,1e20],\"maximum\":9007199254740993}",
     {"9007199254740993", "1.5"}, {"9007199254740992", "1e20"}},
    {"{\"enum\":[9007199254740993,2.0],\"allOf\":[{\"enum\":[9007199254740992,2]}]}",
     {"2"}, {"9007199254740993", "9007199254740992"}},
    {"{\"oneOf\":[{\"type\":\"integer\",\"maximum\":9007199254740992},"
     "{\"type\":\"integer\",\"minimum\":9007199254740993}]}",
     {"9007199254740992", "9007199254740993"}, {"1.5"}},
    /* merged members come in the order of the words that brought them together */
    {"{\"$defs\":{\"a\":{\"properties\":{\"m\":{\"properties\":{\"p\":{\"const\":1}},"
     "\"required\":[\"p\"]}}},\"z\":{\"properties\":{\"m\":{\"properties\":"
     "{\"q\":{\"const\":2}},\"type\":\"object\",\"required\":[\"q\"]}}}},"
     "\"allOf\":[{\"$ref\":\"#/$defs/z\"},{\"$ref\":\"#/$defs/a\"}],"
     "\"type\":\"object\"}",
     {"{\"m\":{\"q\":2,\"p\":1}}"}, {"{\"m\":{\"p\":1,\"q\":2}}"}},
    {"{\"multipleOf\":7,\"minimum\":-20.5,\"maximum\":1000}", {"-14", "0", "994", "\"any\""},
     {"-21", "15", "1001", "7.5"}},
    {"{\"type\":\"integer\",\"multipleOf\":1000}",
     {"-999999999999999000", "0", "123000"}, {"-0", "500", "1000000000000000000", "1e3"}},
    {"{\"allOf\":[{\"multipleOf\":4},{\"multipleOf\":6.0}],\"type\":\"number\"}",
     {"12", "-36"}, {"4", "6", "18", "12.0"}},
    {"{\"enum\":[9007199254740992,9007199254740993,6,7,7.5,10.0],\"multipleOf\":2}",
     {"9007199254740992", "6", "10.0"}, {"9007199254740993", "7", "7.5"}},
    {"{\"oneOf\":[{\"const\":6},{\"enum\":[5,6],\"multipleOf\":5}]}", {"5", "6"}, {"30"}},
    {"{\"format\":\"date-time\",\"type\":\"string\"}",
     {"\"2024-02-28T23:59:59Z\"", "\"1999-12-31T00:00:00.123+01:30\""},
     {"\"2024-02-30T23:59:59Z\"", "\"2024-04-31T00:00:00Z\"", "\"2024-01-01\""}},
};

static void what_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(cases); i++)
        for (int k = 0; k < 4; k++) {
            if (cases[i].yes[k] && !takes(cases[i].schema, cases[i].yes[k], false))
                fail_msg("case %zu forbids %s", i, cases[i].yes[k]);
            if (cases[i].no[k] && takes(cases[i].schema, cases[i].no[k], false))
                fail_msg("case %zu allows %s", i, cases[i].no[k]);
        }
    assert_true(takes("{}", "{\"a\":[1,{}]}", true));
    assert_false(takes("{}", "{\"a\": 1}", true));
}

/* Every whole number near the bounds, one by one. */
static void multiples(void **state)
{
    (void)state;
    static const int of[] = {1, 2, 3, 7, 10, 64, 97, 1000};
    static const int ends[][2] = {{-1234, 1108}, {0, 9}, {-9, -1}, {95, 105}, {-5, 4000}};
    for (size_t i = 0; i < CH_COUNT(of); i++)
        for (size_t k = 0; k < CH_COUNT(ends); k++) {
            char schema[160], text[24];
            const int lo = ends[k][0], hi = ends[k][1];
            ch_grammar *g;
            ch_err e = {0};
            snprintf(schema, sizeof schema,
                     "{\"anyOf\":[{\"const\":null},{\"type\":\"number\",\"multipleOf\":%d,"
                     "\"minimum\":%d,\"maximum\":%d}]}", of[i], lo, hi);
            assert_ok(open_schema(&g, schema, false, &e), e);
            for (int x = lo - 30; x <= hi + 30; x++) {
                const int n = snprintf(text, sizeof text, "%d", x);
                const bool is = x >= lo && x <= hi && x % of[i] == 0;
                if ((whole_text(g, text, (size_t)n, &e) == CH_OK) != is)
                    fail_msg("%s: %s", schema, text);
            }
            ch_grammar_close(&g);
        }
}

static void refuses(const char *schema, int code, const char *part)
{
    ch_grammar *g;
    ch_err e = {0};
    assert_fails(open_schema(&g, schema, false, &e), code, e, part);
}

static void what_is_refused(void **state)
{
    (void)state;
    refuses("{\"properties\":{\"a/b\":{\"not\":{}}}}", CH_EUNSUPPORTED,
            "schema: #/properties/a~1b/not: this keyword");
    refuses("{\"items\":[true,{\"if\":true}]}", CH_EUNSUPPORTED, "#/items/1/if");
    refuses("{\"x-mine\":1}", CH_EUNSUPPORTED, "#/x-mine");
    refuses("{\"type\":\"text\"}", CH_EFORMAT, "#/type");
    refuses("{\"type\":\"string\",\"format\":\"uri\"}", CH_EUNSUPPORTED, "\"uri\"");
    refuses("{\"type\":\"string\",\"pattern\":\"(?=x)\"}", CH_EUNSUPPORTED, "look-around");
    refuses("{\"$ref\":\"http://x/y\"}", CH_EUNSUPPORTED, "#/$ref: only references into");
    refuses("{\"$ref\":\"#/definitions/x\"}", CH_EFORMAT, "leads to no schema");
    refuses("{\"$ref\":\"#\"}", CH_EUNSUPPORTED, "leads back to itself");
    refuses("{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"}]}},\"$ref\":\"#/$defs/a\"}",
            CH_EUNSUPPORTED, "leads back to itself");
    refuses("{\"$defs\":{\"a\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/a\"}]}},"
            "\"$ref\":\"#/$defs/a\"}", CH_EUNSUPPORTED, "left-recursive");
    refuses("{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
            CH_EARG, "no text at all");
    refuses("{\"oneOf\":[{\"minimum\":1},{\"maximum\":1}],\"type\":\"number\"}", CH_EUNSUPPORTED,
            "branches 0 and 1");
    refuses("{\"oneOf\":[{\"enum\":[[1]]},{\"enum\":[[1.0]]}]}", CH_EUNSUPPORTED,
            "branches 0 and 1");
    refuses("{\"oneOf\":[{\"enum\":[{\"a\":[2.0]}]},{\"const\":{\"a\":[2]}}]}", CH_EUNSUPPORTED,
            "branches 0 and 1");
    refuses("{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", CH_EARG, "no text at all");
    refuses("{\"enum\":[{}],\"required\":[\"a\"]}", CH_EUNSUPPORTED, "#/required");
    refuses("{\"type\":\"object\",\"minProperties\":2}", CH_EUNSUPPORTED, "#/minProperties");
    refuses("{\"type\":\"string\",\"minLength\":1e9}", CH_ELIMIT, "states");
    refuses("{\"type\":\"array\",\"minItems\":1e9}", CH_ELIMIT, "states");
    refuses("{\"multipleOf\":0.01}", CH_EUNSUPPORTED, "#/multipleOf: supported are whole");
    refuses("{\"multipleOf\":1001}", CH_EUNSUPPORTED, "up to 1000");
    refuses("{\"allOf\":[{\"multipleOf\":999},{\"multipleOf\":1000}]}", CH_EUNSUPPORTED, "common");
    refuses("{\"multipleOf\":0}", CH_EFORMAT, "above 0");
    refuses("{\"multipleOf\":\"2\"}", CH_EFORMAT, "above 0");
    refuses("{\"type\":\"integer\",\"multipleOf\":9,\"minimum\":1,\"maximum\":8}", CH_EARG,
            "no text at all");
    refuses("[]", CH_EFORMAT, "a schema is an object");
    refuses("{\"type\":", CH_EFORMAT, "schema:1:");
}

/* Schemas that would explode are refused within bounds, or followed. */
static void hostile(void **state)
{
    (void)state;
    ch_buf b;
    ch_buf_init(&b, 1 << 24);
    ch_buf_str(&b, "{\"enum\":[");
    for (int i = 0; i < 10000; i++)
        ch_buf_printf(&b, "%s\"%x-%d\"", i ? "," : "", (unsigned)i * 2654435761u, i);
    ch_buf_str(&b, "]}");
    assert_true(takes(b.data, "\"0-0\"", false));
    ch_buf_clear(&b); /* 2^24 ways to choose */
    ch_buf_str(&b, "{\"allOf\":[");
    for (int i = 0; i < 24; i++)
        ch_buf_printf(&b, "%s{\"anyOf\":[{\"maxLength\":%d},{\"minLength\":%d}]}", i ? "," : "", i,
                      i);
    ch_buf_str(&b, "]}");
    refuses(b.data, CH_ELIMIT, "combinations");
    ch_buf_clear(&b); /* members that may all be left out: their names as sets are many */
    ch_buf_str(&b, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 300; i++)
        ch_buf_printf(&b, "%s\"member number %d\":{\"type\":\"null\"}", i ? "," : "", i);
    ch_buf_str(&b, "},\"additionalProperties\":false}");
    assert_true(takes(b.data, "{\"member number 7\":null,\"member number 299\":null}", false));
    ch_buf_clear(&b);
    for (int i = 0; i < 1000; i++)
        ch_buf_str(&b, "{\"items\":");
    ch_buf_str(&b, "{}");
    for (int i = 0; i < 1000; i++)
        ch_buf_str(&b, "}");
    assert_true(takes(b.data, "[[[]]]", false));
    ch_buf_close(&b);
    refuses("{\"type\":\"string\",\"pattern\":\"((a{0,99}){0,99}){0,99}\"}", CH_ELIMIT, "states");
    refuses("{\"type\":\"string\",\"pattern\":\"^(a|b)*a(a|b){30}$\"}", CH_ELIMIT, "too complex");
}

/* ---- Samples for a validator that is not ours ------------------------------------------------ */

/* True if the model came to an end within the context. */
static bool draw_by_model(ch_buf *b, ch_grammar *g, ch_session *begun, uint64_t seed)
{
    ch_session *s;
    ch_err e = {0};
    bool ends = false;
    const ch_sampling how = {.repeat_penalty = 1, .top_p = 1, .temp = 1.2, .seed = seed};
    assert_ok(ch_session_fork(&s, begun, &e), e);
    assert_ok(ch_session_grammar(s, g, &e), e);
    while (!ends && ch_session_length(s) < ch_session_context(s)) {
        const ch_token before = ch_session_tokens(s)[ch_session_length(s) - 1];
        ch_token t;
        assert_ok(ch_session_next(&t, s, &how, &e), e);
        ends = ch_tokenizer_is_end(vocabulary, t);
        if (!ends)
            assert_true(ch_tokenizer_append(b, vocabulary, before, t));
    }
    ch_session_close(&s);
    return ends;
}

static void print_samples(const json_t *schema, int count, ch_session *begun)
{
    ch_grammar *g;
    ch_err e = {0};
    char *text = dump(schema);
    json_t *all = json_array();
    if (open_schema(&g, text, false, &e) == CH_OK) {
        for (int i = 0; i < count; i++) {
            ch_buf b;
            ch_buf_init(&b, 1 << 24);
            if (begun ? draw_by_model(&b, g, begun, (uint64_t)i)
                      : draw_text(&b, g, vocabulary, (uint64_t)i, 4000))
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

static int all_samples(int count, bool by_model)
{
    ch_model *m = NULL;
    ch_session *begun = NULL;
    ch_err e = {0};
    const ch_session_options o = {.threads = 1, .context = 200};
    const ch_token first = ch_tokenizer_size(vocabulary) / 2;
    if (by_model) {
        assert_ok(ch_model_open(&m, "models/chalcis-tiny.gguf", 1, &e), e);
        assert_ok(ch_session_open(&begun, m, &o, &e), e);
        assert_ok(ch_session_feed(begun, &first, 1, &e), e);
    }
    for (size_t f = 0; f < CH_COUNT(files); f++) {
        json_t *groups = load(files[f]);
        for (size_t i = 0; i < json_array_size(groups); i++)
            print_samples(json_object_get(json_array_get(groups, i), "schema"), count, begun);
        json_decref(groups);
    }
    ch_session_close(&begun);
    if (m)
        ch_model_close(&m);
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
    if (argc == 3) {
        open_all(NULL);
        all_samples(atoi(argv[2]), strcmp(argv[1], "model") == 0);
        return close_all(NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_suite),
        cmocka_unit_test(what_is_allowed),
        cmocka_unit_test(multiples),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests_name("grammar/json_schema", tests, open_all, close_all);
}
