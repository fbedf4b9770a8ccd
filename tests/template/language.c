/* tests/template/language.c - the language, feature by feature
 *
 * The results are those of Jinja 3.1 with trim_blocks, lstrip_blocks and loop controls, and
 * transformers' tojson: Python's semantics.  SPDX-License-Identifier: MIT */
#include "render.h"

typedef struct row {
    const char *text, *want;
} row;

/* Integers stay integers but for /; // and % round down; floats as Python's repr writes them. */
static const row numbers_rows[] = {
    {"{{ 1 }} {{ 1.0 }} {{ 0x1F }} {{ 1_000 }} {{ 1e3 }} {{ -3|abs }} {{ (-3)|abs }} {{ +5 }} {{ 5 - -3 }}", "1 1.0 31 1000 1000.0 3 3 5 8"},
    {"{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}", "3 -4 1 2 -2 3.5 3.0 3.0 0.5"},
    {"{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ 2 + 3 * 4 }} {{ (2 + 3) * 4 }} {{ 2 - 1 - 1 }} {{ true + 1 }}", "1024 0.5 64 14 20 0 2"},
    {"{{ 1e16 }} {{ 1e15 }} {{ 0.1 + 0.2 }} {{ 1e-5 }} {{ 0.0001 }} {{ 1e308 * 10 }} {{ 123456789.125 }} {{ 1e22 }}", "1e+16 1000000000000000.0 0.30000000000000004 1e-05 0.0001 inf 123456789.125 1e+22"},
    {"{{ 3.14159|round(2) }} {{ 2.5|round }} {{ 3.5|round }} {{ 3|round }} {{ 2.1|round(method='ceil') }} {{ 2.9|round(0, 'floor') }}", "3.14 2.0 4.0 3 3.0 2.0"},
    {"{{ '5'|int + 1 }} {{ '5.7'|int }} {{ 'x'|int }} {{ 'x'|int(9) }} {{ '0x1f'|int(base=16) }} {{ '2.5'|float }} {{ -3.7|int }} {{ true|int }}", "6 5 0 9 31 2.5 -3 1"},
};

/* Lengths, places and slices count characters. */
static const row text_rows[] = {
    {"{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ 'a' ~ 1 ~ none ~ 1.5 ~ true }} {{ 'a' 'b' \"c\" }}", "ab ababab ababab a1None1.5True abc"},
    {"{{ 'it\\'s' }} {{ \"\\u00e9\\x41\\101\\t|\\q\" }} {{ '{{' }} {{ '%}' }}", "it's \303\251AA\t|\\q {{ %}"},
    {"{{ 'abcdef'[1:3] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[-2:] }} {{ 'abcdef'[:-2] }}|{{ 'abc'[5:] }}|{{ 'abcdef'[4:1:-1] }} {{ 'abcdef'[10:2:-2] }}", "bc fedcba ef abcd||edc fd"},
    {"{{ 'h\\u00e9llo'[1] }} {{ 'h\\u00e9llo'|length }} {{ 'h\\u00e9llo'[-4:3] }} {{ 'h\\u00e9'|list|length }} {{ 'h\\u00e9'|upper }} {{ 'h\\u00e9'|reverse }}", "\303\251 5 \303\251l 2 H\303\211 \303\251h"},
    {"{{ '  a b '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xxa'.lstrip('x') }}|{{ 'axx'.rstrip('x') }}|{{ ' a '|trim }}|{{ 'xax'|trim('x') }}", "a b|a|a|a|a|a"},
    {"{{ 'a,b,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'aaa'.rsplit('aa') }} {{ 'abaaaab'.rsplit('aa', 1) }} {{ 'a,b'.rsplit(',', 0) }} {{ ''.split(',') }} {{ ''.split() }} {{ 'a\\nb\\r\\nc\\n'.splitlines() }}", "['a', 'b', 'c'] ['a', 'b'] ['a', 'b,c'] ['a,b', 'c'] ['a', ''] ['abaa', 'b'] ['a,b'] [''] [] ['a', 'b', 'c']"},
    {"{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abcabc'.replace('b', 'X') }} {{ 'abcabc'.replace('b', 'X', 1) }} {{ 'abc'.replace('', '-') }} {{ 'abcb'.find('b') }} {{ 'abcb'.rfind('b') }} {{ 'abc'.find('z') }} {{ 'abab'.count('ab') }}", "True True aXcaXc aXcabc -a-b-c- 1 3 -1 2"},
    {"{{ 'hello wORLD'.title() }} {{ 'hELLO'.capitalize() }} {{ 'hello world-foo (bar)'|title }} {{ 'they\\'re'.title() }} {{ 'they\\'re'|title }}", "Hello World Hello Hello World-Foo (Bar) They'Re They're"},
    {"{{ 'a{}b{}'.format(1, 'x') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x}'.format(x=2) }} {{ '{{}}'.format() }} {{ '-'.join(['a', 'b']) }}", "a1bx ba 2 {} a-b"},
    {"{{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ ''.isdigit() }} {{ ' '.isspace() }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ 'aB'.islower() }}", "True True False True bc ab False"},
    {"{{ 'a\\nb\\n\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent(2, blank=true) }}|{{ 'a\\nb\\n'|indent('>>') }}|{{ ''|indent }}", "a\n    b\n\n    c|  a\n  b|a\n  \n  b|a\n>>b\n|"},
    {"{{ '<a&\"\\'>'|e }} {{ 5|string + 'a' }} {{ 'a'|safe }} {{ 'aba'|replace('a', 'c') }} {{ 'aba'|replace('a', 'c', 1) }}", "&lt;a&amp;&#34;&#39;&gt; 5a a cbc cba"},
};

/* str() of the outermost value, repr() within. */
static const row show_rows[] = {
    {"{{ 1 }} {{ true }} {{ none }} {{ [1, 'a', none, 1.5] }} {{ {'a': 1, 'b': [true]} }} {{ (1,) }} {{ (1, 2) }} {{ () }}", "1 True None [1, 'a', None, 1.5] {'a': 1, 'b': [True]} (1,) (1, 2) ()"},
    {"{{ ['it\\'s', \"q\\\"\", 'both\\'\"', 'n\\n', '\\u00e9', '\\u200b', '\\x01', 'b\\\\'] }}", "[\"it's\", 'q\"', 'both\\'\"', 'n\\n', '\303\251', '\\u200b', '\\x01', 'b\\\\']"},
};

/* A chain compares neighbours; True is 1; kinds that differ are unequal. */
static const row compare_rows[] = {
    {"{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 3 > 2.5 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ '1' == 1 }} {{ none == none }} {{ none != 1 }} {{ [1] == (1,) }} {{ {'a': 1} == {'a': 1.0} }} {{ x == y }}", "True False True True True True True False True True False True True"},
    {"{{ 1 in [1, 2] }} {{ 'b' in 'abc' }} {{ 'x' not in {'x': 1} }} {{ 1 in x }} {{ not 1 == 2 }} {{ not true }}", "True True False False True False"},
    {"{{ 1 and 0 }} {{ 0 or 'x' }} {{ '' or none }} {{ 1 if true else 2 }} {{ 1 if false }} {{ 'a' if false else 'b' if false else 'c' }} {{ not x }}", "0 x None 1  c True"},
    {"{{ 1 is integer }} {{ 1.0 is float }} {{ true is integer }} {{ true is number }} {{ 'a' is string }} {{ [] is sequence }} {{ {} is mapping }} {{ {} is sequence }} {{ [] is iterable }} {{ 1 is iterable }} {{ 'a' is iterable }}", "True True False True True True True True True False True"},
    {"{{ none is none }} {{ x is none }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ true is boolean }} {{ range is callable }} {{ 4 is even }} {{ 3 is odd }} {{ 6 is divisibleby 3 }} {{ 1 is eq 1 }} {{ 1 is ne(2) }} {{ 1 is lt 2 }} {{ 1 is in [1] }} {{ 'a' is not in 'b' }} {{ 'abc' is lower }} {{ 'upper' is filter }} {{ 1 is not none and true }}", "True False True False True True True True True True True True True True True True True True"},
};

/* Undefined is empty text and an empty list, until it is asked for more. */
static const row undefined_rows[] = {
    {"[{{ x }}] {{ x is defined }} {{ x is undefined }} {{ 'a'.b is defined }} {{ x|default('d') }} [{{ ''|default('d') }}] {{ ''|default('d', true) }} {{ none|d('e', boolean=true) }}", "[] False True False d [] d e"},
    {"[{{ x|upper }}{{ x|trim }}{{ x|string }}{{ x ~ 'a' }}] {{ x|length }} {{ x|list }} {% for i in x %}1{% endfor %}{{ [1][5] is defined }} {{ {}.a is defined }} {{ none.a is defined }}", "[a] 0 [] False False False"},
};

static const row loops_rows[] = {
    {"{% for i in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('x', 'y') }}{{ loop.depth }},{% endfor %}", "1032TrueFalse32x1,2121FalseFalse313y1,3210FalseTrue32x1,"},
    {"{% for i in [1, 2, 3, 4, 5] if i % 2 %}{{ loop.index }}:{{ i }}{% if loop.last %}!{% endif %} {% else %}none{% endfor %}{% for i in [] %}x{% else %}empty{% endfor %}", "1:1 2:3 3:5! empty"},
    {"{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %} {{ range(5)|list }} {{ range(2, 10, 3)|list }} {{ range(5, 0, -2)|list }}", "0134 [0, 1, 2, 3, 4] [2, 5, 8] [5, 3, 1]"},
    {"{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}{% for k in {'a': 1} %}{{ k }}{% endfor %}{% for c in 'h\303\251y' %}[{{ c }}]{% endfor %}{% for x in 1, 2 %}{{ x }}{% endfor %}", "a=1;b=2;a[h][\303\251][y]12"},
    {"{% for i in [1, 2] %}{% for j in [3, 4] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}", "121122"},
};

/* A loop's body is a scope that begins anew each time; an if is none. */
static const row scopes_rows[] = {
    {"{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "12121"},
    {"{% set ns = namespace(a=1, b='x') %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}", "4xFalse"},
    {"{% if true %}{% set x = 5 %}{% endif %}{{ x }}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}", "53False1234"},
    {"{% set x %}a{{ 1 }}b{% endset %}{{ x }}{% set y | upper | trim %}  abc {% endset %}[{{ y }}]{% filter upper %}abc{{ x }}{% endfilter %}", "a1b[ABC]ABCA1B"},
    {"{% generation %}abc{% set z = 1 %}{% endgeneration %}{{ z is defined }}", "abcFalse"},
};

/* A macro sees what is set at the time of the call where it was written, not where it is called. */
static const row macros_rows[] = {
    {"{% macro m(a, b='B', c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m(b=2, a=1) }}{{ m() }}", "[1B1][121][1B3][121][B]"},
    {"{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}body{% endcall %}{% macro n(x) %}{{ caller(x, 2) }}{% endmacro %}{% call(a, b) n(1) %}{{ a }}-{{ b }}{% endcall %}", "<body>1-2"},
    {"{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "3210"},
    {"{% set g = 'G' %}{% macro f() %}{{ g }}{{ h }}{{ i is defined }}{% endmacro %}{% set h = 1 %}{% for i in [1] %}{{ f() }}{% endfor %}", "G1False"},
};

/* What Jinja gives as a generator is true, even when it is empty. */
static const row lists_rows[] = {
    {"{{ [1] + [2] }} {{ [1] * 2 }} {{ [1, 2, 3, 4][::2] }} {{ [1, 2, 3][::-1] }} {{ [1, 2, 3][-1] }} {{ [[1, 2], [3]][0][1] }} {{ [1, 2].0 }}", "[1, 2] [1, 1] [1, 3] [3, 2, 1] 3 2 1"},
    {"{{ [3, 1, 2]|sort }} {{ [3, 1, 2]|sort(reverse=true) }} {{ ['b', 'A', 'c']|sort }} {{ ['b', 'A', 'c']|sort(case_sensitive=true) }} {{ [{'a': 2}, {'a': 1}]|sort(attribute='a') }}", "[1, 2, 3] [3, 2, 1] ['A', 'b', 'c'] ['A', 'b', 'c'] [{'a': 1}, {'a': 2}]"},
    {"{{ [1, 2, 2, 3, 1]|unique|list }} {{ ['a', 'A']|unique|list }} {{ [1, 3, 2]|min }} {{ [1, 3, 2]|max }} {{ [1, 2, 3]|sum }} {{ [{'a': 2}, {'a': 1}]|sum(attribute='a') }} [{{ []|max }}]", "[1, 2, 3] ['a'] 1 3 6 3 []"},
    {"{{ [1, 2, 3]|first }} {{ [1, 2, 3]|last }} [{{ []|first }}] {{ 'abc'|first }} {{ 'abc'|last }} {{ [1, 2, 3]|reverse|list }} {{ [1, 2]|length }} {{ [1, 2]|join(',') }} {{ [1, none, 'x']|join }} {{ [{'a': 1}, {'a': 2}]|join('-', attribute='a') }}", "1 3 [] a c [3, 2, 1] 2 1,2 1Nonex 1-2"},
    {"{{ [{'a': 1}, {'a': 2}, {'b': 3}]|map(attribute='a')|list }} {{ [{'a': 1}, {'b': 3}]|map(attribute='a', default=0)|list }} {{ ['a', 'b']|map('upper')|list }} {{ [{'a': {'b': [5]}}]|map(attribute='a.b.0')|list }}", "[1, 2, Undefined] [1, 0] ['A', 'B'] [5]"},
    {"{{ [1, 2, 3, 4]|select('odd')|list }} {{ [1, 2, 3]|reject('equalto', 2)|list }} {{ [0, 1, '', 2]|select|list }} {{ [{'r': 'u', 'x': 1}, {'r': 'a'}]|selectattr('r', 'equalto', 'u')|list }} {{ [{'r': 1}, {'r': 0}]|selectattr('r')|list }} {{ [{'r': 1}, {'r': 0}]|rejectattr('r')|list }} {% if []|select %}true{% endif %}{{ none|map('upper')|list }}{{ none|selectattr('a')|list }}", "[1, 3] [1, 3] [1, 2] [{'r': 'u', 'x': 1}] [{'r': 1}] [{'r': 0}] true[][]"},
    {"{% set a = [] %}{% set _ = a.append(1) %}{% set _ = a.append('x') %}{{ a }}{{ a.pop(0) }}{{ a }}{{ a.pop() }}{{ a|length }}", "[1, 'x']1['x']x0"},
};

/* x.items is the method, x['items'] the key; 1 and 1.0 are one key. */
static const row dicts_rows[] = {
    {"{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 5) }} {{ {'a': 1, 'b': 2}.keys()|list }} {{ {'a': 1}.values()|list }} {{ {'a': 1}.items()|list }} {{ {'a': {'b': 2}}.a.b }} {{ dict(a=1, b=2) }}", "1 None 5 ['a', 'b'] [1] [('a', 1)] 2 {'a': 1, 'b': 2}"},
    {"{{ {'items': 1}.items()|list }} {{ {'items': 1}['items'] }} {{ {1: 'one'}[1] }} {{ {1: 'one'}[1.0] }} {{ {'a': 1, 'a': 2} }} {{ {'a': 1}|length }} {{ {'x': [5]}.x.0 }}", "[('items', 1)] 1 one one {'a': 2} 1 5"},
    {"{{ {'b': 1, 'a': 2}|dictsort }} {{ {'b': 1, 'a': 2}|dictsort(by='value') }} {{ {'b': 1, 'a': 2}|dictsort(reverse=true) }} {{ {'a': 1}|items|list }}", "[('a', 2), ('b', 1)] [('b', 1), ('a', 2)] [('b', 1), ('a', 2)] [('a', 1)]"},
};

/* Nothing is escaped for HTML; only ensure_ascii takes other letters away. */
static const row json_rows[] = {
    {"{{ {'a': [1, 2.0, none, true, 'x\"\\n\\u00e9<'], 'b': {}}|tojson }} {{ {'b': 1, 'a': []}|tojson(sort_keys=true) }} {{ (1, 2)|tojson }} {{ 'x'|tojson }} {{ 1.0|tojson }}", "{\"a\": [1, 2.0, null, true, \"x\\\"\\n\303\251<\"], \"b\": {}} {\"a\": [], \"b\": 1} [1, 2] \"x\" 1.0"},
    {"{{ [1, {'a': 2}, [], {}]|tojson(indent=2) }}", "[\n  1,\n  {\n    \"a\": 2\n  },\n  [],\n  {}\n]"},
    {"{{ [1, 2]|tojson(separators=(',', ':')) }} {{ {1: 2, none: 3, 1.5: 2, false: 0}|tojson }}", "[1,2] {\"1\": 2, \"null\": 3, \"1.5\": 2, \"false\": 0}"},
    {"{{ {'\\u00e9': '\\U0001f600\\x7f'}|tojson(ensure_ascii=true) }} {{ '\\u00e9\\x7f\\u2028\\x01'|tojson }}", "{\"\\u00e9\": \"\\ud83d\\ude00\\u007f\"} \"\303\251\177\342\200\250\\u0001\""},
    {"{{ ('{\"a\": [1, 2.5, null, \"\\\\u00e9\"]}'|from_json)['a'] }}", "[1, 2.5, None, '\303\251']"},
};

/* trim_blocks and lstrip_blocks, and the signs that overrule them. */
static const row white_space_rows[] = {
    {"a\n{% if true %}\nb\n{% endif %}\nc\n  {% if true %}\n  d\n  {%- endif %}\n  e {{ 1 }}\n  {{- 2 -}}\n  f\n{# c #}\ng {# d #} h\n  {# e #}\ni\n", "a\nb\nc\n  d  e 12f\ng  h\ni"},
    {"  {%+ if true %}x{% endif +%}\n y\n{%- raw %} {{ x }} {% y %}\n {%- endraw -%}  z\n{% raw -%}  a {% endraw %}\nb", "  x\n y {{ x }} {% y %}z\na b"},
    {"a{{ 1 }}\n{{ 2 }}\nb{% set q = 1 %}\nc\n\n", "a1\n2\nbc\n"},
    {"{% if true -%}   x   {%- endif %}  y", "x  y"},
    {"x\r\ny\r{% if 1 %}\r\nz{% endif %}\r\n", "x\ny\nz"},
    {"{#- a -#}  b  {#- c -#}", "b"},
    {"x {% if 1 %} {% endif %}\n{{ 2 }}", "x  2"},
};

static const row date_rows[] = {
    {"{{ strftime_now('%d %b %Y|%Y-%m-%d|%H:%M|%A %B|%j|%-d') }}", "02 Jan 2026|2026-01-02|12:00|Friday January|002|2"},
};
static void all(const row *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_renders(r[i].text, NULL, NULL, r[i].want);
}

static void test_numbers(void **state)
{
    (void)state;
    all(numbers_rows, CH_COUNT(numbers_rows));
}

static void test_text(void **state)
{
    (void)state;
    all(text_rows, CH_COUNT(text_rows));
}

static void test_show(void **state)
{
    (void)state;
    all(show_rows, CH_COUNT(show_rows));
}

static void test_compare(void **state)
{
    (void)state;
    all(compare_rows, CH_COUNT(compare_rows));
}

static void test_undefined(void **state)
{
    (void)state;
    all(undefined_rows, CH_COUNT(undefined_rows));
}

static void test_loops(void **state)
{
    (void)state;
    all(loops_rows, CH_COUNT(loops_rows));
}

static void test_scopes(void **state)
{
    (void)state;
    all(scopes_rows, CH_COUNT(scopes_rows));
}

static void test_macros(void **state)
{
    (void)state;
    all(macros_rows, CH_COUNT(macros_rows));
}

static void test_lists(void **state)
{
    (void)state;
    all(lists_rows, CH_COUNT(lists_rows));
}

static void test_dicts(void **state)
{
    (void)state;
    all(dicts_rows, CH_COUNT(dicts_rows));
}

static void test_json(void **state)
{
    (void)state;
    all(json_rows, CH_COUNT(json_rows));
}

static void test_white_space(void **state)
{
    (void)state;
    all(white_space_rows, CH_COUNT(white_space_rows));
}

static void test_date(void **state)
{
    (void)state;
    all(date_rows, CH_COUNT(date_rows));
}

static void no_date(void **state)
{
    (void)state;
    ch_template *t;
    ch_rendered r = {0};
    ch_err e = {0};
    static const char text[] = "{{ strftime_now is defined }}";
    assert_ok(ch_template_parse(&t, text, sizeof text - 1, "t", &e), e);
    const ch_template_input in = {0};
    assert_ok(ch_template_render(&r, t, &in, &e), e);
    assert_text(&r, "False");
    ch_rendered_free(&r);
    ch_template_close(&t);
}

/* ---- Failures: the code, and where ---- */

static const struct {
    const char *text;
    int code;
    const char *part;
} failures[] = {
    {"{{ x.y }}", CH_EFORMAT, "t:1:5: 'x' is undefined"},
    {"a\n b {{ x() }}", CH_EFORMAT, "t:2:8: 'x' is called, but is undefined"},
    {"\xc3\xa9\xc3\xa9{{ 1 + 'a' }}", CH_EFORMAT, "t:1:8: int + str is not possible"},
    {"{{ 'a' + 1 }}", CH_EFORMAT, "str + int"},
    {"{{ 1 < 'a' }}", CH_EFORMAT, "int and str have no order"},
    {"{{ x + 1 }}", CH_EFORMAT, "'x' is undefined"},
    {"{{ 1 // 0 }}", CH_EFORMAT, "division by zero"},
    {"{{ 1 % 0 }}", CH_EFORMAT, "division by zero"},
    {"{{ 9223372036854775807 + 1 }}", CH_ELIMIT, "64 bits"},
    {"{{ (-9223372036854775807 - 1) // -1 }}", CH_ELIMIT, "64 bits"},
    {"{{ 2 ** 64 }}", CH_ELIMIT, "64 bits"},
    {"{{ 9223372036854775808 }}", CH_EFORMAT, "t:1:4: a number beyond 64 bits"},
    {"{{ 1|nope }}", CH_EUNSUPPORTED, "no filter 'nope'"},
    {"{{ 1 is nope }}", CH_EUNSUPPORTED, "no test 'nope'"},
    {"{{ 'a'|indent(x=1) }}", CH_EFORMAT, "indent has no argument 'x'"},
    {"{{ 'a'|upper(1) }}", CH_EFORMAT, "upper takes 0 arguments, not 1"},
    {"{{ 'a'|replace('b') }}", CH_EFORMAT, "replace lacks its argument 'new'"},
    {"{{ 'a'|replace('b', old='c') }}", CH_EFORMAT, "twice"},
    {"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", CH_EFORMAT, "too many arguments for macro m"},
    {"{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", CH_EFORMAT, "no parameter 'b'"},
    {"{% foo %}", CH_EFORMAT, "t:1:4: found \"foo\""},
    {"{% include 'x' %}", CH_EUNSUPPORTED, "{% include %} is not known here"},
    {"{% for x in [] recursive %}{% endfor %}", CH_EUNSUPPORTED, "recursive"},
    {"\n{% if 1 %}\n", CH_EFORMAT, "t:2:4: {% if %} without its end"},
    {"{% endif %}", CH_EFORMAT, "endif"},
    {"{{ 1 ", CH_EFORMAT, "t:1:1: a tag without end"},
    {"{{ 'a }}", CH_EFORMAT, "t:1:4: a string without end"},
    {"{{ [1, 2 }}", CH_EFORMAT, "a bracket that closes none"},
    {"{# x", CH_EFORMAT, "a comment without end"},
    {"{% raw %} x", CH_EFORMAT, "without {% endraw %}"},
    {"{% for x in 5 %}{% endfor %}", CH_EFORMAT, "int cannot be gone over"},
    {"{{ {[]: 1} }}", CH_EFORMAT, "list cannot be a key"},
    {"{% set a.b = 1 %}", CH_EFORMAT, "only a namespace's attributes"},
    {"{% for a, b in [[1]] %}{% endfor %}", CH_EFORMAT, "1 values for 2 names"},
    {"{% break %}", CH_EFORMAT, "break outside of a loop"},
    {"{% for x in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", CH_EFORMAT, "outside of a loop"},
    {"{{ 1 1 }}", CH_EFORMAT, "t:1:6: found \"1\" where }} belongs"},
    {"{{ }}", CH_EFORMAT, "found }} where an expression belongs"},
    {"{{ a ? b }}", CH_EFORMAT, "a character that no expression holds"},
    {"{{ x|tojson }}", CH_EFORMAT, "Undefined cannot be written as JSON"},
    {"{{ range(1000000) }}", CH_ELIMIT, "a range of more than 100000 numbers"},
    {"{{ ''.join([1]) }}", CH_EFORMAT, "join of int"},
    {"{{ '{:d}'.format(1) }}", CH_EUNSUPPORTED, "format knows"},
    {"{{ 'x' }}{{ raise_exception('no ' ~ 'tools') }}", CH_EARG, "no tools"},
    {"{{ '\\ud800' }}", CH_EFORMAT, "no character"},
    {"\xff", CH_EFORMAT, "t:1:1: a byte that is not UTF-8"},
    {"{{ f(*a) }}", CH_EUNSUPPORTED, "* before arguments"},
    {"{% macro m(a) %}{{ varargs }}{% endmacro %}", CH_EUNSUPPORTED, "t:1:20: a macro's varargs is not known here"},
    {"{% call m() %}{{ kwargs|length }}{% endcall %}", CH_EUNSUPPORTED, "a macro's kwargs"},
};

static void fails_with_a_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < CH_COUNT(failures); i++) {
        ch_rendered r = {0};
        ch_err e = {0};
        assert_fails(render(&r, failures[i].text, NULL, NULL, &e), failures[i].code, e,
                     failures[i].part);
        assert_null(r.text.data);
        assert_int_equal(strncmp(e.text, "t:", 2), 0);
    }
}

/* What is not run does not fail. */
static void only_what_runs(void **state)
{
    (void)state;
    assert_renders("{% if false %}{{ 1|nope }}{{ x.y }}{% endif %}{{ 1 or x.y }}", NULL, NULL, "1");
}

/* ---- Limits ---- */

static void limited(const char *text, ch_template_limits l, const char *part)
{
    ch_rendered r = {0};
    ch_err e = {0};
    assert_fails(render_limited(&r, text, strlen(text), NULL, NULL, l, &e), CH_ELIMIT, e, part);
    ch_rendered_free(&r);
}

static void limits_hold(void **state)
{
    (void)state;
    static const char loops[] = "{% for a in range(99999) %}{% for b in range(99999) %}"
                                "{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}";
    static const char doubling[] = "{% set ns = namespace(s='x') %}{% for i in range(99) %}"
                                   "{% set ns.s = ns.s + ns.s %}{% endfor %}";
    static const char self[] = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    static const char knot[] = "{% set a = [] %}{% set _ = a.append(a) %}{{ a }}";
    limited(loops, (ch_template_limits){.steps = 1000}, "1000 steps");
    limited(loops, (ch_template_limits){.memory_bytes = 1 << 20}, "1048576 bytes");
    limited(doubling, (ch_template_limits){.memory_bytes = 1 << 20}, "1048576 bytes");
    limited(doubling, (ch_template_limits){0}, "more");
    limited("{{ 'x' * 100000000000 }}", (ch_template_limits){0}, "more");
    limited("{{ 'x' * 1000 }}", (ch_template_limits){.output_bytes = 999}, "999 bytes");
    limited(self, (ch_template_limits){0}, "400 levels");
    limited(self, (ch_template_limits){.depth = 50}, "50 levels");
    limited(knot, (ch_template_limits){0}, "400 levels");
    limited("{% set a = [] %}{% set _ = a.append(a) %}{{ a|tojson }}", (ch_template_limits){0},
            "400 levels");
    /* Each of 2000 places in a path is a step; 16 are a byte of JSON. */
    limited("{% set a = [] %}{% set _ = a.append(a) %}{% set p = '0.' * 2000 ~ '0' %}"
            "{{ a|map(attribute=p)|list|length }}", (ch_template_limits){.steps = 1000},
            "1000 steps");
    limited("{{ ('[' ~ '1,' * 200 ~ '1]')|from_json|length }}",
            (ch_template_limits){.steps = 4000}, "4000 steps");
    limited("{{ ('\"' ~ 'x' * 1048575 ~ '\"')|from_json }}", (ch_template_limits){0},
            "from_json of 1048577 bytes; 1048576 are allowed");
    limited("{% set a = [] %}{% set b = [] %}{% set _ = a.append(a) %}{% set _ = b.append(b) %}"
            "{{ a == b }}", (ch_template_limits){0}, "400 levels");
}

/* Wherever memory ends, all of the text comes or an error: not what fits behind a gap. */
static void starved(void **state)
{
    (void)state;
    static const char text[] = "{{ {1: 2}|tojson(indent='------------------------------------'"
                               " '------------------------------------') }}";
    static const char want[] = "{\n------------------------------------"
                               "------------------------------------\"1\": 2\n}";
    int ended = 0;
    for (size_t bytes = 16; bytes < 8192; bytes += 16) {
        const ch_template_limits l = {.memory_bytes = bytes};
        ch_rendered r = {0};
        ch_err e = {0};
        const int rc = render_limited(&r, text, sizeof text - 1, NULL, NULL, l, &e);
        if (rc == CH_OK)
            assert_text(&r, want);
        ended += rc == CH_OK;
        assert_true(rc == CH_OK || rc == CH_ELIMIT);
        ch_rendered_free(&r);
    }
    assert_true(ended > 0 && ended < 8192 / 16 - 1);
}

/* A template that is nothing but openings, and chains of operators. */
static void deep_templates(void **state)
{
    (void)state;
    static const char *const unit[] = {"(", "[", "not ", "-", "{% if 1 %}", "'a' ~ ", "x|",
                                       "a if a else ", "{% macro m() %}", "x.y[", "'a'+"};
    enum { TIMES = 20000 };
    for (size_t i = 0; i < CH_COUNT(unit); i++) {
        ch_buf b;
        ch_rendered r = {0};
        ch_err e = {0};
        ch_buf_init(&b, SIZE_MAX);
        ch_buf_str(&b, unit[i][0] == '{' ? "" : "{{ ");
        for (int k = 0; k < TIMES; k++)
            ch_buf_str(&b, unit[i]);
        ch_buf_str(&b, unit[i][0] == '{' ? "" : "'x' }}");
        int rc = render_limited(&r, b.data, b.size, NULL, NULL, (ch_template_limits){0}, &e);
        assert_true(rc < 0 && e.text[0] != 0);
        ch_buf_close(&b);
    }
}

static void long_template(void **state)
{
    (void)state;
    ch_template *t;
    ch_err e = {0};
    char *text = calloc(1, CH_TEMPLATE_BYTES + 1);
    assert_non_null(text);
    memset(text, 'x', CH_TEMPLATE_BYTES + 1);
    assert_ok(ch_template_parse(&t, text, CH_TEMPLATE_BYTES, "t", &e), e);
    ch_template_close(&t);
    assert_fails(ch_template_parse(&t, text, CH_TEMPLATE_BYTES + 1, "t", &e), CH_ELIMIT, e,
                 "1048577 bytes");
    assert_null(t);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_macros),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_dicts),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_white_space),
        cmocka_unit_test(test_date),
        cmocka_unit_test(no_date),
        cmocka_unit_test(fails_with_a_place),
        cmocka_unit_test(only_what_runs),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(starved),
        cmocka_unit_test(deep_templates),
        cmocka_unit_test(long_template),
    };
    return cmocka_run_group_tests_name("template/language", tests, NULL, NULL);
}
