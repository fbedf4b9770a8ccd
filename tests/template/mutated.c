/* tests/template/mutated.c - 10,000 templates that nobody meant to write
 *
 * Each is a template with a few places changed, cut out, or taken from another.  It renders or is
 * refused in one sentence with a place, within its limits; what it renders is UTF-8.
 * SPDX-License-Identifier: MIT */
#include "render.h"

static const char *const own[] = {
    "{%- if tools %}\n    {{- '<|a|>' }}\n    {%- for tool in tools %}\n        {{- tool | tojson(indent=4) }}\n"
    "    {%- endfor %}\n{%- else %}\n    {{- messages[0]['content']|trim }}\n{%- endif %}\n"
    "{%- set ns = namespace(many=true, last=messages|length - 1) %}\n"
    "{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}\n"
    "{%- if ns.many and message.role == \"user\" and not(message.content.startswith('<t>')) %}"
    "{%- set ns.last = index %}{%- endif %}{%- endfor %}{{ ns.last }}",
    "{% macro show(x, depth=0, sep=', ') %}{% if x is mapping %}{% for k, v in x|dictsort %}"
    "{{ '  ' * depth }}{{ k|upper }}: {{ show(v, depth + 1) }}{{ sep if not loop.last }}{% endfor %}"
    "{% elif x is iterable and x is not string %}[{% for i in x if i %}{{ show(i) }}{% endfor %}]"
    "{% else %}{{ x|string|replace('a', 'b') }}{% endif %}{% endmacro %}{{ show(tools) }}",
    "{% set a = messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list %}"
    "{{ a|join('-', 'x') }}{{ a|sort(reverse=true)|first }}{{ (1, 2.5, none, true, [a], {'k': a}) }}"
    "{{ messages|map('length')|sum }}{{ 'a{}{x}'.format(1, x=2) }}{{ -7 // 2 ** 3 % 5 ~ 'q'[::-1] }}",
    "{% macro f(y) %}<{{ caller(y) }}>{% endmacro %}{% call(x) f(1) %}{{ x }}{% endcall %}"
    "{% filter indent(2, true) %}{{ messages[1].content }}\n{{ a.b if a }}{% endfilter %}",
    "{# note #}{% raw %}{{ {% {% endraw %}{%+ set x %}  {{ 'b' }} {% endset -%} {{ x|trim|title }}"
    "{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ loop.cycle('a', 'b') }}"
    "{{ loop.previtem }}{% break %}{% else %}none{% endfor %}{% generation %}x{% endgeneration %}",
    "{% with a = [1], b = '\\u00e9\\x41' %}{% set _ = a.append(a) %}{{ a.pop() is sequence }}"
    "{{ b.split('A', 1)[-1].rstrip() in b and 1 < 2 <= 3 != 4 }}{{ '[1, {\"a\": 2.5}]'|from_json }}"
    "{{ b|e|lower|capitalize ~ b.splitlines() ~ b.rsplit('x', 2) }}{% endwith %}"
    "{{ strftime_now('%d %b %Y') }}{{ raise_exception('no') if false else 3.14159|round(2) }}",
};

static const char *const words[] = {
    "{{", "}}", "{%", "%}", "{#", "#}", "-", "|", "(", ")", "[", "]", "{", "}", "'", "\"", "\\",
    "\n", " in ", " is ", " not ", " if ", "{% if x %}", "{% endif %}", "{% for a in a %}",
    "{% endfor %}", "loop", "namespace(", "range(99999)", "**", "//", "%", "~", ":", ",", ".", "*",
    "+", "=", "==", "9223372036854775807", "-1", "0", "1e308", "messages", "tools", "|list",
    "|tojson", "|string", "|sort", "\xc3\xa9", "\xf0\x9f\x98\x80", "[::-1]", ".append(", "{% set x = ",
};

static const char data[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \" S\\n\"}, "
    "{\"role\": \"user\", \"content\": \"U \\u00e9 <t>\"}, "
    "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"a\": 1}]}], "
    "\"tools\": [{\"name\": \"f\", \"p\": {\"x\": [1, 2.5, true, null, \"s\"], \"y\": {}}}], "
    "\"x\": 3}";

enum { TIMES = 10000, LONGEST = 1 << 15 };

static uint64_t draw(uint64_t below, uint64_t times, uint64_t k)
{
    return ch_rng_below(below, 7, CH_RNG_TEST, times, k);
}

/* text[at..at+cut) becomes s. */
static void splice(char *text, size_t *n, size_t at, size_t cut, const char *s, size_t size)
{
    if (*n - cut + size >= LONGEST)
        return;
    memmove(text + at + size, text + at + cut, *n - at - cut);
    memcpy(text + at, s, size);
    *n += size - cut;
}

static void mutate(char *text, size_t *n, const ch_str *from, size_t sources, uint64_t times)
{
    const uint64_t changes = 1 + draw(6, times, 1);
    for (uint64_t c = 0; c < changes && *n > 0; c++) {
        const uint64_t k = 8 * (c + 1);
        const size_t at = draw(*n, times, k);
        const char byte = (char)draw(256, times, k + 1);
        const char *word = words[draw(CH_COUNT(words), times, k + 2)];
        const ch_str other = from[draw(sources, times, k + 3)];
        const size_t start = draw(other.n, times, k + 4);
        const size_t cut = draw(CH_MIN(*n - at, (size_t)40) + 1, times, k + 5);
        switch (draw(5, times, k + 6)) {
        case 0: splice(text, n, at, 1, &byte, byte < 0 ? 0 : 1); break;
        case 1: splice(text, n, at, cut, "", 0); break;
        case 2: splice(text, n, at, 0, word, strlen(word)); break;
        case 3: splice(text, n, at, cut, word, strlen(word)); break;
        default:
            splice(text, n, at, cut, other.p + start, CH_MIN(other.n - start, (size_t)60));
        }
    }
}

static bool try(const char *text, size_t n, const json_t *o)
{
    const struct tm now = test_day();
    const ch_template_input in = {
        .data = o, .now = &now,
        .limits = {.steps = 20000, .output_bytes = 1 << 16, .memory_bytes = 1 << 21}};
    ch_template *t;
    ch_rendered r = {0};
    ch_err e = {0};
    size_t sum = 0;
    int rc = ch_template_parse(&t, text, n, "t", &e);
    if (rc == CH_OK)
        rc = ch_template_render(&r, t, &in, &e);
    for (size_t i = 0; i < r.n_spans; i++)
        sum += r.span[i].n;
    if (rc < 0 ? e.code != rc || strncmp(e.text, "t:", 2) != 0 || r.text.size > 0
               : sum != r.text.size || !ch_utf8_valid(r.text.data, sum))
        fail_msg("%.*s\n%d: %s", (int)n, text, rc, e.text);
    ch_template_close(&t);
    ch_rendered_free(&r);
    return rc == CH_OK;
}

static void all_of(const ch_str *from, size_t sources, uint64_t first)
{
    json_t *o = json(data);
    char *text = malloc(LONGEST);
    int rendered = 0;
    assert_non_null(text);
    for (uint64_t i = 0; i < TIMES; i++) {
        const ch_str s = from[i % sources];
        size_t n = s.n;
        assert_true(n < LONGEST);
        memcpy(text, s.p, n);
        mutate(text, &n, from, sources, first + i);
        char *exact = guarded(n); /* reading past the end stops the program */
        if (n > 0)
            memcpy(exact, text, n);
        rendered += try(exact, n, o);
        guarded_free(exact, n);
    }
    free(text);
    json_decref(o);
    assert_true(rendered > TIMES / 50 && rendered < TIMES);
}

static void mutated(void **state)
{
    (void)state;
    ch_str from[CH_COUNT(own)];
    for (size_t i = 0; i < CH_COUNT(own); i++)
        from[i] = (ch_str){own[i], strlen(own[i])};
    all_of(from, CH_COUNT(own), 0);
}

static void mutated_shipped(void **state)
{
    (void)state;
    static const char *const names[] = {
        "HuggingFaceTB-SmolLM3-3B", "Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B",
        "meta-llama-Llama-3.2-3B-Instruct", "microsoft-Phi-3.5-mini-instruct",
        "mistralai-Mistral-Nemo-Instruct-2407"};
    ch_mapping m[CH_COUNT(names)];
    ch_str from[CH_COUNT(names)];
    skip_without("conform/templates");
    for (size_t i = 0; i < CH_COUNT(names); i++) {
        char path[200];
        snprintf(path, sizeof path, "conform/templates/%s.jinja", names[i]);
        m[i] = shared_map(path);
        from[i] = (ch_str){(const char *)m[i].data, m[i].size};
    }
    all_of(from, CH_COUNT(names), TIMES);
    for (size_t i = 0; i < CH_COUNT(names); i++)
        ch_io_unmap(&m[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutated),
        cmocka_unit_test(mutated_shipped),
    };
    return cmocka_run_group_tests_name("template/mutated", tests, NULL, NULL);
}
