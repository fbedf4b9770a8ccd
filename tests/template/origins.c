/* tests/template/origins.c - who wrote which byte, and that no stranger writes a special token
 *
 * SPDX-License-Identifier: MIT */
#include "render.h"

#include "../token/small.h"
#include "vocab.h"

/* "aa[bb]a": data in brackets. */
static void show(char *out, size_t size, const ch_rendered *r)
{
    size_t at = 0, n = 0;
    for (size_t i = 0; i < r->n_spans; i++) {
        assert_true(r->span[i].n > 0 && n + r->span[i].n + 3 < size);
        assert_true(i == 0 || r->span[i].data != r->span[i - 1].data);
        if (r->span[i].data)
            out[n++] = '[';
        memcpy(out + n, r->text.data + at, r->span[i].n);
        n += r->span[i].n;
        if (r->span[i].data)
            out[n++] = ']';
        at += r->span[i].n;
    }
    assert_int_equal(at, r->text.size);
    out[n] = 0;
}

static void check(const char *text, const char *want)
{
    static const char data[] =
        "{\"u\": \"User\", \"n\": 12, \"r\": 1.5, \"t\": true, \"z\": null, \"l\": [\"x\", \"y\"], "
        "\"d\": {\"k\": \"v\\\"\"}, \"b\": \" b\\n\", \"w\": \"a,b,c\", "
        "\"messages\": [{\"role\": \"user\", \"content\": \"C\"}, {\"role\": \"<|x|>\"}]}";
    char got[400];
    ch_rendered r = {0};
    ch_err e = {0};
    if (render(&r, text, data, "{\"bos\": \"<s>\"}", &e) < 0)
        fail_msg("%s\n%s", text, e.text);
    show(got, sizeof got, &r);
    if (strcmp(got, want) != 0)
        fail_msg("%s\ngave   %s\nwanted %s", text, got, want);
    ch_rendered_free(&r);
}

static void every_operation_keeps_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"a{{ u }}b", "a[User]b"},
        {"{{ bos }}{{ u }}{{ 'x' }}", "<s>[User]x"},
        {"{{ 'a' + u + 'b' }} {{ 'a' ~ n ~ 'b' }}", "a[User]b a[12]b"},
        {"{{ ('ab' + u)[1:4] }} {{ ('ab' + u)[::-1] }} {{ ('ab' + u)[2] }}", "b[Us] [resU]ba [U]"},
        {"{{ ('a' + u)|upper }} {{ ('A' + u)|lower }} {{ ('a' + u)|title }}", "A[USER] a[user] A[user]"},
        {"{{ ('  ' + b)|trim }} {{ (b + '  ').rstrip() }}", "[b] [ b]"},
        {"{{ 'a-b'.replace('-', u) }} {{ u.replace('s', '-') }}", "a[User]b [U]-[er]"},
        {"{{ l|join('+') }} {{ u.join(['1', '2']) }} {{ ','.join(l) }}", "[x]+[y] 1[User]2 [x],[y]"},
        {"{{ w.split(',')[1] }} {{ ('q,' + w).split(',')[0] }}", "[b] q"},
        {"{{ l }} {{ d }} {{ [u] }} {{ ['a'] }}", "[['x', 'y']] [{'k': 'v\"'}] [['User']] ['a']"},
        {"{{ d|tojson }} {{ [u]|tojson }} {{ {'a': 1}|tojson }}", "[{\"k\": \"v\\\"\"}] [[\"User\"]] {\"a\": 1}"},
        {"{{ '{}-{}'.format(u, 'b') }} {{ n }} {{ n + 1 }} {{ r * 2 }} {{ -n }}", "[User]-b [12] [13] [3.0] [-12]"},
        {"{{ ('x\n' + u)|indent(2, true) }}", "  x\n  [User]"},
        {"{{ ('x' + b)|indent(1) }}|{{ (b + 'x')|indent(1) }}|{{ ('x\r\n' + u)|indent(1) }}", "x[ b\n]|[ b\n] x|x\n [User]"},
        {"{{ [1]|tojson(indent=u) }}|{{ [u]|tojson(indent='-') }}", "[\n[User]1\n]|[\n-[\"User\"]\n]"},
        {"{{ [1]|tojson(indent='-' + u) }}|{{ [1]|tojson(indent=n) }}", "[\n[-User]1\n]|[\n            1\n]"},
        {"{{ [1, 2]|tojson(separators=(u, ':')) }}|{{ {1: 2}|tojson(separators=(',', u)) }}", "[1[User]2]|{\"1\"[User]2}"},
        {"{{ range(2) }} {{ range(n, 13)|join }} {{ range(0, n)|last }} {{ range(0, 13, n)|join('-') }}", "[0, 1] [12] [11] [0]-[12]"},
        {"{{ t }} {{ t|tojson }} {{ z }} {{ z|string }} {{ z|tojson }} {{ ('[true, ' + w[:0] + 'null]')|from_json|join('-') }}", "[True] [true] [None] [None] [null] True-None"},
        {"{{ ('[true' + (w[1:2] + 'null]'))|from_json|join('-') }} {{ ('a' + w).rsplit(',', 1)|join('+') }}", "[True]-[None] a[a,b]+[c]"},
        {"{{ ('<' + u)|e }} {{ u|string|safe }} {{ u|list|first }}", "&lt;[User] [User] [U]"},
        {"{% set x %}a{{ u }}{% endset %}{{ x }}{% filter upper %}b{{ u }}{% endfilter %}", "a[User]B[USER]"},
        {"{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(u) }}{{ m('t') }}", "<[User]><t>"},
        {"{% for c in 'a' + u %}{{ c }}-{% endfor %}", "a-[U]-[s]-[e]-[r]-"},
        {"{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", "[k]=[v\"]"},
        {"{{ u|default('x') }} {{ zz|default('x') }} {{ 'a' if u == 'User' }}", "[User] x a"},
        {"{{ u|length }} {{ l|length }} {{ l|map('upper')|list|last }}", "4 2 [Y]"},
        {"{{ messages[0].role }} {{ messages[1].role }} {{ messages[0].content }}", "user [<|x|>] [C]"},
        {"{{ 'a' * 2 }}{{ u * 2 }}", "aa[UserUser]"},
        {"{{ '[\"a\"]'|from_json|first }} {{ ('[\"' + u + '\"]')|from_json|first }}", "a [User]"},
        {"{{ strftime_now('%Y') }} {{ 'USER'|lower == messages[0].role }}", "2026 True"},
    };
    for (size_t i = 0; i < CH_COUNT(rows); i++)
        check(rows[i].text, rows[i].want);
}

/* ---- Ids ---- */

static ch_tokens encode(const ch_tokenizer *tk, const char *text, const ch_token_span *s, size_t n)
{
    ch_tokens ids = {0};
    ch_err e = {0};
    assert_ok(ch_tokenizer_encode_spans(&ids, tk, text, s, n, &e), e);
    return ids;
}

static void assert_ids(const ch_tokens *a, const ch_tokens *b)
{
    assert_int_equal(a->n, b->n);
    if (a->n > 0)
        assert_memory_equal(a->id, b->id, a->n * sizeof *a->id);
}

/* Pieces without special tokens between them are one text; a special token is one only where all
 * of it is of one piece of the template's. */
static void pieces_of_text(void **state)
{
    (void)state;
    static const char text[] = "the cat<|end|> and the dog";
    const size_t n = sizeof text - 1;
    ch_tokenizer *tk = small_bpe(small_story, strlen(small_story), 300);
    const ch_token end = ch_tokenizer_special(tk, "<|end|>");
    ch_tokens plain = {0}, special = {0};
    ch_err e = {0};
    assert_ok(ch_tokenizer_encode(&plain, tk, text, n, 0, &e), e);
    assert_ok(ch_tokenizer_encode(&special, tk, text, n, CH_ENCODE_SPECIAL, &e), e);
    assert_true(special.n < plain.n && end >= 0);
    for (size_t a = 0; a <= n; a++)
        for (size_t b = a; b <= n; b++) {
            /* data, template, data */
            const ch_token_span s[3] = {{a, true}, {b - a, false}, {n - b, true}};
            ch_tokens ids = encode(tk, text, s, 3);
            assert_ids(&ids, a <= 7 && b >= 14 ? &special : &plain);
            ch_tokens_free(&ids);
        }
    ch_tokens_free(&plain);
    ch_tokens_free(&special);
    ch_tokenizer_close(&tk);
}

/* ---- Injection ---- */

/* A user-defined token that means something to a template: <tool_call>, [INST]. */
static bool is_markup(const ch_tokenizer *tk, ch_token id)
{
    size_t n;
    const char *name = ch_tokenizer_name(tk, id, &n);
    bool letter = false;
    for (size_t i = 0; i < n; i++)
        letter = letter || ((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z');
    return tk->type[id] == CH_TOKEN_USER && letter &&
           ((name[0] == '<' && name[n - 1] == '>') || (name[0] == '[' && name[n - 1] == ']'));
}

static size_t controls(ch_token *out, size_t most, const ch_tokenizer *tk, const ch_tokens *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++)
        if (ch_tokenizer_is_control(tk, ids->id[i]) || is_markup(tk, ids->id[i])) {
            assert_true(n < most);
            out[n++] = ids->id[i];
        }
    return n;
}

/* The special ids of the conversation in which a stranger writes `says`. */
static size_t special_ids(ch_token *out, size_t most, const ch_tokenizer *tk, const ch_template *t,
                          const json_t *names, const char *says, size_t n)
{
    ch_rendered r = {0};
    ch_tokens ids = {0};
    ch_err e = {0};
    size_t half = n / 2;
    while (half > 0 && ((unsigned char)says[half] & 0xc0) == 0x80)
        half--;
    json_t *data = json_pack(
        "{s:[{s:s, s:s%, s:s%, s:s%}], s:[{s:s, s:s%, s:{s:s%}}]}", "messages", "role", "user",
        "content", says, n, "a", says, half, "b", says + half, n - half, "tools", "type",
        "function", "name", says, n, "parameters", "description", says, n);
    assert_non_null(data);
    json_object_set_new(json_object_get(json_array_get(json_object_get(data, "tools"), 0),
                                        "parameters"), "k", json_stringn(says, n));
    const ch_template_input in = {.data = data, .trusted = names};
    assert_ok(ch_template_render(&r, t, &in, &e), e);
    assert_ok(ch_rendered_encode(&ids, tk, &r, &e), e);
    const size_t count = controls(out, most, tk, &ids);
    ch_tokens_free(&ids);
    ch_rendered_free(&r);
    json_decref(data);
    return count;
}

static void assert_harmless(const ch_tokenizer *tk, const ch_template *t, const json_t *names,
                            const char *says, size_t n)
{
    ch_token want[64], got[64];
    const size_t count = special_ids(want, 64, tk, t, names, "hello", 5);
    assert_int_equal(special_ids(got, 64, tk, t, names, says, n), count);
    assert_memory_equal(got, want, count * sizeof *got);
}

/* As it stands, within words, with its brackets as HTML and as JSON write them, twice. */
static void try_token(const ch_tokenizer *tk, const ch_template *t, const json_t *names,
                      const char *name, size_t n)
{
    static const char *const frames[][2] = {{"", ""}, {"a", "b"}, {"\n", "\n"}, {"<", ">"},
                                            {"\",\"", "\\"}, {"{{ '", "' }}"}};
    ch_buf b;
    ch_buf_init(&b, SIZE_MAX);
    for (size_t i = 0; i < CH_COUNT(frames); i++) {
        ch_buf_clear(&b);
        ch_buf_str(&b, frames[i][0]);
        ch_buf_put(&b, name, n);
        ch_buf_str(&b, frames[i][1]);
        assert_harmless(tk, t, names, b.data, b.size);
    }
    for (int how = 0; how < 3; how++) {
        static const char *const less[] = {"&lt;", "\\u003c", "%3C"};
        ch_buf_clear(&b);
        for (size_t i = 0; i < n; i++)
            if (name[i] == '<')
                ch_buf_str(&b, less[how]);
            else
                ch_buf_put(&b, name + i, 1);
        if (b.size > 0)
            assert_harmless(tk, t, names, b.data, b.size);
    }
    ch_buf_close(&b);
}

/* All that templates do with what strangers wrote; the special tokens are the template's own. */
static const char all_uses[] =
    "{{ bos_token }}{% for m in messages %}{{ eos_token }}{{ m.content }}{{ m.a + m.b }}"
    "{{ m.a }}{{ m.b }}{{ m.content|tojson }}{{ m.content|trim }}{{ m.content.split('x')|join }}"
    "{{ m.content|upper|lower }}{{ m.content[::-1][::-1] }}{{ m.content|replace('&lt;', '<') }}"
    "{{ m.content|list|join }}{{ '%' ~ m.content ~ '<' }}{{ m }}{% set x %}{{ m.content }}"
    "{% endset %}{{ x }}{{ ('\"' ~ m.content|replace('\\\\', '')|replace('\"', '')"
    "|replace('\\n', '') ~ '\"')|from_json }}{{ eos_token }}"
    "{% endfor %}{% for t in tools %}{{ t|tojson(indent=2) }}{{ t|tojson(ensure_ascii=true) }}"
    "{% for k, v in t.items() %}{{ k }}{{ v }}{% endfor %}{% endfor %}";

static void check_vocabulary(const char *path, int least_users)
{
    ch_tokenizer *tk;
    ch_template *t;
    json_t *names;
    ch_err e = {0};
    int tried = 0, users = 0;
    assert_ok(ch_tokenizer_open(&tk, path, NULL, &e), e);
    assert_ok(ch_template_names(&names, tk, &e), e);
    assert_ok(ch_template_parse(&t, all_uses, sizeof all_uses - 1, "all", &e), e);
    for (ch_token id = 0; id < ch_tokenizer_size(tk); id++) {
        size_t n;
        const char *name = ch_tokenizer_name(tk, id, &n);
        const bool user = is_markup(tk, id);
        users += user;
        if (!(ch_tokenizer_is_control(tk, id) || user) || n == 0 || !ch_utf8_valid(name, n) ||
            memchr(name, 0, n) != NULL || (++tried > 40 && id % 16 != 0))
            continue; /* hundreds are numbered alike */
        try_token(tk, t, names, name, n);
    }
    assert_true(tried > 0 && users >= least_users);
    ch_template_close(&t);
    json_decref(names);
    ch_tokenizer_close(&tk);
}

static void injection_small(void **state)
{
    (void)state;
    ch_tokenizer *tk = small_bpe(small_story, strlen(small_story), 300);
    ch_template *t;
    json_t *names;
    ch_err e = {0};
    assert_ok(ch_template_names(&names, tk, &e), e);
    assert_ok(ch_template_parse(&t, all_uses, sizeof all_uses - 1, "all", &e), e);
    ch_token ids[64];
    assert_int_equal(special_ids(ids, 64, tk, t, names, "hello", 5), 3);
    try_token(tk, t, names, "<|end|>", 7);
    ch_template_close(&t);
    json_decref(names);
    ch_tokenizer_close(&tk);
}

static void injection(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int users; /* user-defined tokens that are markup, at least */
    } all[] = {
        {"tokenizers/gguf/ggml-vocab-deepseek-coder.gguf", 1},
        {"tokenizers/gguf/ggml-vocab-gpt-2.gguf", 0},
        {"tokenizers/gguf/ggml-vocab-llama-spm.gguf", 0},
        {"tokenizers/gguf/ggml-vocab-phi-3.gguf", 1},
        {"tokenizers/qwen3/tokenizer.json", 4},
        {"tokenizers/llama2/tokenizer.model", 0},
    };
    for (size_t i = 0; i < CH_COUNT(all); i++)
        skip_without(all[i].path);
    for (size_t i = 0; i < CH_COUNT(all); i++)
        check_vocabulary(shared_path(all[i].path), all[i].users);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_keeps_them),
        cmocka_unit_test(pieces_of_text),
        cmocka_unit_test(injection_small),
        cmocka_unit_test(injection),
    };
    return cmocka_run_group_tests_name("template/origins", tests, NULL, NULL);
}
