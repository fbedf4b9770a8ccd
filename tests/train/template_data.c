/* template_data.c - records as a model's own chat template writes them: ids and masks by hand
 *
 * The vocabulary: 0 <|endoftext|>, 1 <|im_start|>, 2 <|im_end|>, byte c is 3 + c, 259 is "zz".
 * SPDX-License-Identifier: MIT */
#include "nano.h"

#define CHATML                                                                                    \
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"    \
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

static ch_tokenizer *open_vocabulary(const char *template)
{
    static const char *const specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    const ch_bpe_options o = {
        .vocab = 260, .specials = specials, .n_special = 3, .bos = -1, .eos = 0};
    ch_err e = {0};
    ch_bpe_trainer *t;
    ch_tokenizer *plain, *tk;
    ch_file *f;
    assert_ok(ch_bpe_trainer_open(&t, &o, &e), e);
    assert_ok(ch_bpe_trainer_add(t, "zz zz zz", 8, &e), e);
    assert_ok(ch_bpe_trainer_finish(&plain, t, &e), e);
    ch_bpe_trainer_close(&t);
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_tokenizer_to_file(plain, f, &e), e);
    assert_ok(ch_file_set_str(f, "tokenizer.chat_template", template, strlen(template), &e), e);
    assert_ok(ch_tokenizer_from_file(&tk, f, &e), e);
    ch_file_close(&f);
    ch_tokenizer_close(&plain);
    return tk;
}

static int render(ch_tokens *ids, ch_buf *trains, const char *template, const ch_part *part,
                  size_t n, ch_err *e)
{
    ch_tokenizer *tk = open_vocabulary(template);
    ch_format *f;
    ch_buf_init(trains, 1 << 20);
    int rc = ch_format_template_open(&f, tk, e);
    if (rc == CH_OK)
        rc = f->render(f->arg, ids, trains, tk, part, n, e);
    ch_format_template_close(&f);
    ch_tokenizer_close(&tk);
    return rc;
}

/* ids: a byte each, \1 and \2 the special tokens, \3 <|endoftext|>, \4 "zz"; mask: x: a target. */
static void expect(const char *template, const ch_part *part, size_t n, const char *ids,
                   const char *mask)
{
    ch_err e = {0};
    ch_tokens got = {0};
    ch_buf trains;
    assert_ok(render(&got, &trains, template, part, n, &e), e);
    assert_int_equal(strlen(ids), strlen(mask));
    assert_int_equal(got.n, strlen(ids));
    assert_int_equal(trains.size, got.n);
    for (size_t i = 0; i < got.n; i++) {
        const int c = (unsigned char)ids[i];
        const ch_token want = c == 3 ? 0 : c == 4 ? 259 : c < 3 ? c : 3 + c;
        if (got.id[i] != want || trains.data[i] != (mask[i] == 'x'))
            fail_msg("token %zu is %d (%d), wanted %d (%c)", i, got.id[i], trains.data[i], want,
                     mask[i]);
    }
    ch_tokens_free(&got);
    ch_buf_close(&trains);
}

static ch_part says(ch_role role, const char *text, bool trains)
{
    return (ch_part){text, strlen(text), role, trains};
}
#define USER(text) says(CH_ROLE_USER, text, false)
#define ASSISTANT(text) says(CH_ROLE_ASSISTANT, text, true)

static void a_pair(void **state)
{
    (void)state;
    const ch_part part[] = {USER("hi"), ASSISTANT("zzo")};
    expect(CHATML, part, 2, "\1user\nhi\2\n\1assistant\n\4o\2\n",
                            ".........." "..........." "xxx" ".");
}

static void words_of_a_record_are_never_special(void **state)
{
    (void)state;
    const ch_part part[] = {USER("<|im_end|>"), ASSISTANT("<|im_end|>")};
    expect(CHATML, part, 2, "\1user\n<|im_end|>\2\n\1assistant\n<|im_end|>\2\n",
                            ".................." "..........." "xxxxxxxxxxx" ".");
}

static void all_that_the_assistant_says(void **state)
{
    (void)state;
    const ch_part part[] = {says(CH_ROLE_SYSTEM, "s", false), USER("a"), ASSISTANT("b"), USER("c"),
                            ASSISTANT("d"), USER("e")};
    expect(CHATML, part, 6,
           "\1system\ns\2\n\1user\na\2\n\1assistant\nb\2\n" "\1user\nc\2\n"
           "\1assistant\nd\2\n\1user\ne\2\n",
           "..........." "........." "..........." "xx." "........." "..........." "xx."
           ".........");
}

static void unmasked_all_is_learnt(void **state)
{
    (void)state;
    const ch_part part[] = {says(CH_ROLE_USER, "a", true), ASSISTANT("b")};
    expect(CHATML, part, 2, "\1user\na\2\n\1assistant\nb\2\n", "xxxxxxxxxxxxxxxxxxxxxxx");
}

/* What nothing ends is ended by EOS; a template that writes EOS itself gets no second one. */
static void ends(void **state)
{
    (void)state;
    static const char open[] = "{% for m in messages %}[{{ m.content }}]{% endfor %}";
    static const char own[] =
        "{% for m in messages %}[{{ m.content }}]{{ eos_token if m.role == 'assistant' }}"
        "{% endfor %}";
    const ch_part part[] = {USER("a"), ASSISTANT("b")};
    expect(open, part, 2, "[a][b]\3", "...xxxx");
    expect(own, part, 2, "[a][b]\3", "...xxxx");
    expect(open, part, 1, "[a]", "...");
}

/* As Qwen 3: thoughts are there in the last answer alone. */
static void answers_that_are_written_otherwise_later(void **state)
{
    (void)state;
    static const char thinks[] =
        "{% for m in messages %}<|im_start|>{{ m.role[0] }}{{ '~' if loop.last and m.role == "
        "'assistant' }}{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>a{% endif %}";
    const ch_part part[] = {USER("1"), ASSISTANT("2"), USER("3"), ASSISTANT("4")};
    expect(thinks, part, 4, "\1u1\2\1a2\2\1u3\2\1a~4\2", "............" ".." "xxx");
}

static void tokens_are_cut_where_answers_begin(void **state)
{
    (void)state;
    static const char joined[] = "{% for m in messages %}{{ m.content }}{% endfor %}";
    const ch_part part[] = {USER("az"), ASSISTANT("zzz"), USER("z")};
    expect(joined, part, 3, "az\4zz", "..xx.");
}

static void texts_are_texts(void **state)
{
    (void)state;
    const ch_part part = says(CH_ROLE_TEXT, "<|im_end|>zz", true);
    expect(CHATML, &part, 1, "\3<|im_end|>\4\3", "xxxxxxxxxxxxx");
}

static void what_cannot_be_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *template;
        int code;
        const char *says;
    } bad[] = {
        {"{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}A:"
         "{% endif %}", CH_EARG, "opens message 2"},
        {"{{ messages | length }}", CH_EARG, "opens message 2"},
        {"{{ raise_exception('no such talk') }}", CH_EARG, "no such talk"},
        {"{{ messages[9].content }}", CH_EFORMAT, "undefined"},
        {"{% for m in", CH_EFORMAT, "chat template:1:"},
    };
    const ch_part part[] = {USER("Who is \xc3\xa9lan, and what did they ever do for all of the"
                                 " others?"), ASSISTANT("It is.")};
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        ch_err e = {0};
        ch_tokens ids = {0};
        ch_buf trains;
        assert_fails(render(&ids, &trains, bad[i].template, part, 2, &e), bad[i].code, e,
                     bad[i].says);
        if (strncmp(bad[i].says, "chat template", 13) != 0)
            assert_non_null(strstr(e.text, "the record that begins \"Who is"));
        ch_tokens_free(&ids);
        ch_buf_close(&trains);
    }
}

static void many_answers(void **state)
{
    (void)state;
    ch_part part[1001];
    for (size_t i = 0; i < CH_COUNT(part); i++)
        part[i] = ASSISTANT("a");
    ch_err e = {0};
    ch_tokens ids = {0};
    ch_buf trains;
    assert_fails(render(&ids, &trains, "", part, CH_COUNT(part), &e), CH_ELIMIT, e, "1000");
    ch_tokens_free(&ids);
    ch_buf_close(&trains);
}

/* Documents are what the template writes, and nothing more. */
static void a_corpus(void **state)
{
    (void)state;
    ch_err e = {0};
    ch_tokenizer *tk = open_vocabulary(CHATML);
    ch_format *f;
    ch_pool *pool;
    ch_corpus train, held_out;
    ch_part part[] = {USER("hi"), ASSISTANT("zzo"), says(CH_ROLE_TEXT, "a", true)};
    struct ch_text at[] = {{.first = 0, .parts = 2, .n = 5}, {.first = 2, .parts = 1, .n = 1}};
    ch_source source = {0};
    const ch_texts t = {.at = at, .n = 2, .part = part, .parts = 3, .source = &source,
                        .paths = 1, .sources = 1};
    assert_ok(ch_pool_open(&pool, 1, &e), e);
    assert_ok(ch_format_template_open(&f, tk, &e), e);
    assert_ok(ch_corpus_build(&train, &held_out, &t, tk, f, pool, &e), e);
    assert_int_equal(train.n, 25 + 3);
    assert_int_equal(train.end, -1);
    assert_int_equal(train.targets, 3 + 2);
    assert_int_equal(ch_corpus_token(&train, 0), 1);
    assert_int_equal(ch_corpus_token(&train, 25), 0);
    assert_int_equal(train.start[1], 25);
    ch_corpus_free(&train);
    ch_corpus_free(&held_out);
    ch_format_template_close(&f);
    ch_pool_close(&pool);
    ch_tokenizer_close(&tk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair),
        cmocka_unit_test(words_of_a_record_are_never_special),
        cmocka_unit_test(all_that_the_assistant_says),
        cmocka_unit_test(unmasked_all_is_learnt),
        cmocka_unit_test(ends),
        cmocka_unit_test(answers_that_are_written_otherwise_later),
        cmocka_unit_test(tokens_are_cut_where_answers_begin),
        cmocka_unit_test(texts_are_texts),
        cmocka_unit_test(what_cannot_be_told_apart),
        cmocka_unit_test(many_answers),
        cmocka_unit_test(a_corpus),
    };
    return cmocka_run_group_tests_name("train/template_data", tests, NULL, NULL);
}
