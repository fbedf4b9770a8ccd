/* talk.c - conversations: what is read again and what is not, undo, limits, files
 *
 * SPDX-License-Identifier: MIT */
#include "support.h"

#include "talk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ch_model *model;
static ch_tokenizer *tk;

/* The bundled vocabulary without the words of ChatML: conversations are then written down plainly,
 * and no special token ends a message. */
static int open_plain(ch_tokenizer **out, ch_err *e)
{
    char path[] = "/tmp/chalcis-plain-XXXXXX";
    ch_buf b;
    ch_buf_init(&b, (size_t)1 << 30);
    int rc = ch_io_read_file(&b, "models/chalcis-tiny.gguf", e);
    const int fd = rc == CH_OK ? mkstemp(path) : -1;
    for (char *at = b.data; fd >= 0 && at;) {
        at = memmem(at, b.size - (size_t)(at - b.data), "<|im_", 5);
        if (at)
            memcpy(at, "<|xx_", 5);
    }
    if (rc == CH_OK)
        rc = ch_io_write_file(path, b.data, b.size, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(out, path, NULL, e);
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    ch_buf_close(&b);
    return rc;
}

static int open_model(void **state)
{
    ch_err e = {0};
    (void)state;
    if (ch_model_open(&model, "models/chalcis-tiny.gguf", 1, &e) < 0 || open_plain(&tk, &e) < 0) {
        print_error("%s\n", e.text);
        return -1;
    }
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    ch_tokenizer_close(&tk);
    ch_model_close(&model);
    return 0;
}

/* ChatML in letters that this vocabulary has, with thoughts that later turns leave out. */
static const char jinja[] =
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>"
    "{{ m.content.split('</think>')[-1] if m.role == 'assistant' and not loop.last "
    "else m.content }}"
    "{{ eos_token }}{% endfor %}<assistant>{% if think %}<think>{% endif %}";

struct both {
    ch_session *s;
    ch_talk *t;
    ch_buf answer; /* of the last turn */
};

static void open_both(struct both *b, const char *template, int context)
{
    ch_err e = {0};
    const ch_session_options o = {.context = context, .threads = 1};
    assert_ok(ch_session_open(&b->s, model, &o, &e), e);
    assert_ok(ch_talk_open(&b->t, b->s, tk, template, "test", &e), e);
    ch_buf_init(&b->answer, 1 << 20);
}

static void close_both(struct both *b)
{
    ch_talk_close(&b->t);
    ch_session_close(&b->s);
    ch_buf_close(&b->answer);
}

static uint64_t read_so_far(const struct both *b)
{
    return ch_session_get_stats(b->s).prompt_tokens;
}

/* A turn of at most n tokens; returns how many the session had to read. */
static uint64_t turn(struct both *b, const char *text, int n)
{
    ch_err e = {0};
    const ch_sampling how = CH_SAMPLING;
    const uint64_t before = read_so_far(b);
    bool more = true;
    if (text)
        assert_ok(ch_talk_say(b->t, "user", text, strlen(text), &e), e);
    assert_ok(ch_talk_read(b->t, &e), e);
    for (int i = 0; i < n && more; i++)
        assert_ok(ch_talk_next(&more, b->t, &how, &e), e);
    assert_ok(ch_talk_answered(b->t, &e), e);
    const ch_buf *drawn = ch_talk_answer(b->t);
    ch_buf_clear(&b->answer);
    ch_buf_put(&b->answer, drawn->data, drawn->size);
    return read_so_far(b) - before;
}

static void undo(struct both *b, size_t n)
{
    json_t *m = ch_talk_messages(b->t);
    for (; n > 0; n--)
        json_array_remove(m, json_array_size(m) - 1);
}

static size_t count(const char *text)
{
    ch_err e = {0};
    ch_tokens ids = {0};
    assert_ok(ch_tokenizer_encode(&ids, tk, text, strlen(text), 0, &e), e);
    const size_t n = ids.n;
    ch_tokens_free(&ids);
    return n;
}

static void a_turn_reads_what_is_new(void **state)
{
    static const char *const formats[] = {NULL, jinja};
    (void)state;
    for (size_t f = 0; f < CH_COUNT(formats); f++) {
        struct both b;
        open_both(&b, formats[f], 250);
        turn(&b, "Tell me of the king and of his seven daughters.", 20);
        for (int i = 0; i < 4; i++) {
            const int before = ch_session_length(b.s);
            const char *put = ch_talk_before_text(b.t);
            /* an answer that did not begin with what is put before one is read again with it */
            const uint64_t again =
                put && (b.answer.size == 0 || b.answer.data[0] != put[0]) ? 20 : 0;
            const uint64_t read = turn(&b, "And then?", 20);
            assert_true(read >= 2);
            assert_true(read <=
                        count("\nUser: <user>And then?\nAssistant: <assistant>") + 2 + again);
            assert_true(ch_session_length(b.s) > before);
        }
        close_both(&b);
    }
}

/* What a session holds is what a new one makes of the same messages, where no drawn token stands
 * for text that the tokenizer cuts otherwise. */
static void without_answers_prompts_are_the_same(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both a, b;
    open_both(&a, jinja, 250);
    open_both(&b, jinja, 250);
    static const char *const said[] = {"system", "Be brief.", "user", "One", "assistant", "Two",
                                       "user", "Three"};
    for (size_t i = 0; i < CH_COUNT(said); i += 2) {
        assert_ok(ch_talk_say(a.t, said[i], said[i + 1], strlen(said[i + 1]), &e), e);
        assert_ok(ch_talk_say(b.t, said[i], said[i + 1], strlen(said[i + 1]), &e), e);
        assert_ok(ch_talk_read(a.t, &e), e); /* bit by bit */
    }
    assert_ok(ch_talk_read(b.t, &e), e);
    assert_int_equal(ch_session_length(a.s), ch_session_length(b.s));
    assert_memory_equal(ch_session_tokens(a.s), ch_session_tokens(b.s),
                        (size_t)ch_session_length(a.s) * sizeof(ch_token));
    close_both(&a);
    close_both(&b);
}

static void undone_turns_are_not_there(void **state)
{
    (void)state;
    struct both a, b;
    open_both(&a, NULL, 250);
    open_both(&b, NULL, 250);
    turn(&a, "Once there was a fox.", 15);
    turn(&b, "Once there was a fox.", 15);
    turn(&a, "This is taken back again.", 15);
    undo(&a, 2);
    turn(&a, "The fox met a crow.", 15);
    turn(&b, "The fox met a crow.", 15);
    assert_int_equal(a.answer.size, b.answer.size);
    assert_memory_equal(a.answer.data, b.answer.data, b.answer.size);
    assert_int_equal(ch_session_length(a.s), ch_session_length(b.s));
    undo(&a, 1); /* the same answer to the same message */
    assert_true(turn(&a, NULL, 15) <= 1);
    assert_memory_equal(a.answer.data, b.answer.data, b.answer.size);
    close_both(&a);
    close_both(&b);
}

static void another_beginning_reads_all(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both b;
    open_both(&b, "{% for m in messages %}{{ m.content }}\n{% endfor %}", 250);
    turn(&b, "A long message of many words, which the next one does not share.", 10);
    undo(&b, 2);
    assert_ok(ch_talk_say(b.t, "user", "Zebra", 5, &e), e);
    assert_ok(ch_talk_read(b.t, &e), e);
    assert_int_equal(ch_session_length(b.s), (int)count("Zebra\n"));
    close_both(&b);
}

static void thoughts_are_cut_and_the_rest_is_kept(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both b;
    open_both(&b, jinja, 250);
    assert_ok(ch_talk_set(b.t, "think", json_true(), &e), e);
    turn(&b, "A question that is long enough to be worth keeping where it is, in the session.", 5);
    json_t *m = ch_talk_messages(b.t);
    json_object_set_new(json_array_get(m, 1), "content", json_string("hm</think>Yes."));
    const uint64_t read = turn(&b, "And?", 5);
    assert_true(read < 25);
    close_both(&b);
}

/* A model that says what it is told to. */
struct script {
    ch_tokens ids;
    size_t at;
};

static void follow_script(void *arg, ch_candidates *c, const ch_sample_view *v)
{
    struct script *s = arg;
    (void)v;
    const ch_token id = s->at < s->ids.n ? s->ids.id[s->at++] : ch_tokenizer_eos(tk);
    c->at[0] = (ch_candidate){.id = id, .logit = 1};
    c->n = 1;
}

struct told {
    char thought[100], said[100], called[100];
};

static void tell(void *arg, const ch_reply_event *event)
{
    struct told *told = arg;
    char *to = event->kind == CH_REPLY_CONTENT     ? told->said
               : event->kind == CH_REPLY_REASONING ? told->thought
               : event->kind == CH_REPLY_CALL      ? told->called
                                                   : NULL;
    if (to)
        snprintf(to + strlen(to), 100 - strlen(to), "%.*s", (int)event->n, event->text);
}

static void scripted(struct both *b, struct told *told, const char *user, const char *says)
{
    ch_err e = {0};
    struct script s = {0};
    const ch_own_sampler own = {follow_script, &s};
    *told = (struct told){0};
    assert_ok(ch_tokenizer_encode(&s.ids, tk, says, strlen(says), 0, &e), e);
    ch_session_own_sampler(b->s, &own);
    ch_talk_tell(b->t, tell, told);
    turn(b, user, 200);
    ch_session_own_sampler(b->s, NULL);
    ch_tokens_free(&s.ids);
}

static const json_t *last_message(const struct both *b)
{
    json_t *m = ch_talk_messages(b->t);
    return json_array_get(m, json_array_size(m) - 1);
}

static const char *field(const json_t *m, const char *name)
{
    const char *is = json_string_value(json_object_get(m, name));
    return is ? is : "(none)";
}

/* The reply's parser is asked what is said, thought and called; the template's own words tell which
 * format that is. */
static void answers_are_told_apart(void **state)
{
    static const char hermes[] =
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
        "{% if tools %}<tool_call> arguments {{ tools|tojson }}{% endif %}<assistant>";
    (void)state;
    ch_err e = {0};
    struct both b;
    struct told told;
    open_both(&b, hermes, 250);
    assert_null(ch_talk_own_stop(b.t));
    assert_null(ch_talk_before_text(b.t));
    scripted(&b, &told, "Well?", "<think>\nhm\n</think>\n\nYes.");
    assert_string_equal(told.thought, "hm");
    assert_string_equal(told.said, "Yes.");
    assert_string_equal(field(last_message(&b), "content"), "Yes.");
    assert_string_equal(field(last_message(&b), "reasoning_content"), "hm");
    assert_string_equal(ch_talk_stop(b.t), "end");
    /* without tools nothing is a call */
    static const char call[] = "<tool_call>\n{\"name\": \"look\", \"arguments\": {\"at\": 1}}\n"
                               "</tool_call>";
    scripted(&b, &told, "Look.", call);
    assert_string_equal(told.called, "");
    assert_string_equal(field(last_message(&b), "content"), call);
    json_t *tools = json_pack("[{s:s, s:{s:s}}]", "type", "function", "function", "name", "look");
    assert_ok(ch_talk_set(b.t, "tools", tools, &e), e);
    scripted(&b, &told, "Look.", call);
    assert_string_equal(told.called, "{\"at\":1}");
    assert_int_equal(json_array_size(json_object_get(last_message(&b), "tool_calls")), 1);
    close_both(&b);
}

/* The vocabulary with two templates of its own. */
static ch_tokenizer *open_two(const char *plain, const char *tools)
{
    ch_err e = {0};
    ch_file *f;
    ch_tokenizer *two;
    assert_ok(ch_file_new(&f, &e), e);
    assert_ok(ch_tokenizer_to_file(tk, f, &e), e);
    assert_ok(ch_file_set_str(f, "tokenizer.chat_template", plain, strlen(plain), &e), e);
    assert_ok(ch_file_set_str(f, "tokenizer.chat_template.tool_use", tools, strlen(tools), &e), e);
    assert_ok(ch_tokenizer_from_file(&two, f, &e), e);
    ch_file_close(&f);
    return two;
}

static void expect_prompt(const ch_talk *t, const char *want)
{
    ch_err e = {0};
    ch_tokens got = {0}, ids = {0};
    assert_ok(ch_talk_prompt(&got, NULL, t, &e), e);
    assert_ok(ch_tokenizer_encode(&ids, tk, want, strlen(want), 0, &e), e);
    assert_int_equal(got.n, ids.n);
    assert_memory_equal(got.id, ids.id, ids.n * sizeof *ids.id);
    ch_tokens_free(&got);
    ch_tokens_free(&ids);
}

static void tools_have_a_template_of_their_own(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both b;
    struct told told;
    ch_tokenizer *const one = tk;
    ch_tokenizer *two = open_two("{% for m in messages %}({{ m.content }}){% endfor %}",
                                 "{% for m in messages %}[{{ m.content }}]{% endfor %}"
                                 "{% if 0 %}<tool_call> arguments enable_thinking{% endif %}");
    tk = two;
    open_both(&b, NULL, 250);
    assert_ok(ch_talk_say(b.t, "user", "a", 1, &e), e);
    expect_prompt(b.t, "(a)");
    assert_false(ch_talk_thinks(b.t));
    assert_ok(ch_talk_set(b.t, "tools", json_null(), &e), e);
    expect_prompt(b.t, "(a)");
    json_t *tools = json_pack("[{s:s, s:{s:s}}]", "type", "function", "function", "name", "look");
    assert_ok(ch_talk_set(b.t, "tools", json_incref(tools), &e), e);
    expect_prompt(b.t, "[a]");
    assert_true(ch_talk_thinks(b.t));
    scripted(&b, &told, "b", "<tool_call>{\"name\": \"look\", \"arguments\": {}}</tool_call>");
    assert_int_equal(json_array_size(json_object_get(last_message(&b), "tool_calls")), 1);
    undo(&b, 2);
    assert_ok(ch_talk_set(b.t, "tools", NULL, &e), e);
    expect_prompt(b.t, "(a)");
    close_both(&b);
    /* one that was handed over is used for everything; a bad one hurts when it is needed */
    open_both(&b, "{% for m in messages %}<{{ m.content }}>{% endfor %}", 250);
    assert_ok(ch_talk_say(b.t, "user", "a", 1, &e), e);
    assert_ok(ch_talk_set(b.t, "tools", json_incref(tools), &e), e);
    expect_prompt(b.t, "<a>");
    close_both(&b);
    ch_tokenizer_close(&two);
    tk = one;
    tk = two = open_two("{{ messages[0].content }}", "{% if %}");
    open_both(&b, NULL, 250);
    assert_ok(ch_talk_say(b.t, "user", "a", 1, &e), e);
    assert_fails(ch_talk_set(b.t, "tools", tools, &e), CH_EFORMAT, e, "tool template:1:");
    expect_prompt(b.t, "a");
    close_both(&b);
    ch_tokenizer_close(&two);
    tk = one;
}

static void answers_end_at_stops(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both b;
    struct told told;
    open_both(&b, NULL, 250); /* no special token ends a message: the next one's beginning does */
    assert_string_equal(ch_talk_own_stop(b.t), "\nUser:");
    assert_string_equal(ch_talk_before_text(b.t), " ");
    assert_false(ch_talk_thinks(b.t));
    scripted(&b, &told, "Well?", " Yes.\nUse it.\nUser: I say");
    assert_string_equal(told.said, "Yes.\nUse it.");
    assert_string_equal(field(last_message(&b), "content"), "Yes.\nUse it.");
    assert_string_equal(ch_talk_stop(b.t), "stop");
    scripted(&b, &told, "And?", " No.\nUse"); /* what was held back is told at the end */
    assert_string_equal(told.said, "No.\nUse");
    assert_string_equal(ch_talk_stop(b.t), "end");
    const char *const stops[] = {"###", "e"};
    assert_ok(ch_talk_stops(b.t, stops, 2, &e), e);
    scripted(&b, &told, "And?", " A b ## c ### d");
    assert_string_equal(told.said, "A b ## c ");
    scripted(&b, &told, "And?", "enough");
    assert_string_equal(told.said, "");
    assert_true(turn(&b, "More.", 5) < 40);
    close_both(&b);
}

/* The answer's text goes back into the next prompt as it was drawn, token by token. */
static void drawn_tokens_stay(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both b;
    open_both(&b, NULL, 250);
    assert_ok(ch_talk_say(b.t, "user", "Go on.", 6, &e), e);
    assert_ok(ch_talk_read(b.t, &e), e);
    struct script s = {0};
    const ch_own_sampler own = {follow_script, &s};
    for (const char *c = " Once"; *c; c++) /* cut as the tokenizer would not */
        assert_ok(ch_tokenizer_encode(&s.ids, tk, c, 1, 0, &e), e);
    ch_session_own_sampler(b.s, &own);
    const int before = ch_session_length(b.s);
    bool more = true;
    const ch_sampling how = CH_SAMPLING;
    while (more)
        assert_ok(ch_talk_next(&more, b.t, &how, &e), e);
    assert_ok(ch_talk_answered(b.t, &e), e);
    ch_session_own_sampler(b.s, NULL);
    assert_string_equal(field(last_message(&b), "content"), "Once");
    assert_true(turn(&b, "More.", 5) <= count("\nUser: More.\nAssistant:") + 2);
    for (int i = 0; i < (int)s.ids.n; i++)
        assert_int_equal(ch_session_tokens(b.s)[before + i], s.ids.id[i]);
    assert_int_equal(ch_talk_next(&more, b.t, &how, &e), CH_EARG); /* nothing was read */
    ch_tokens_free(&s.ids);
    close_both(&b);
}

static void nothing_said_is_special(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both b;
    ch_tokens ids = {0};
    size_t n, special = 0;
    const char *eos = ch_tokenizer_name(tk, ch_tokenizer_eos(tk), &n);
    open_both(&b, jinja, 250);
    assert_ok(ch_talk_say(b.t, "user", eos, n, &e), e);
    assert_ok(ch_talk_say(b.t, "assistant", eos, n, &e), e);
    assert_ok(ch_talk_prompt(&ids, NULL, b.t, &e), e);
    for (size_t i = 0; i < ids.n; i++)
        special += ids.id[i] == ch_tokenizer_eos(tk);
    assert_int_equal(special, ch_tokenizer_bos(tk) == ch_tokenizer_eos(tk) ? 3 : 2);
    ch_tokens_free(&ids);
    close_both(&b);
}

static void too_long_says_both_numbers(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both b;
    char text[400], number[16];
    open_both(&b, NULL, 60);
    turn(&b, "Hello, said the king.", 5);
    const int length = ch_session_length(b.s);
    memset(text, 'x', sizeof text);
    assert_ok(ch_talk_say(b.t, "user", text, sizeof text, &e), e);
    ch_tokens ids = {0};
    assert_ok(ch_talk_prompt(&ids, NULL, b.t, &e), e);
    snprintf(number, sizeof number, "%zu", ids.n);
    assert_fails(ch_talk_read(b.t, &e), CH_ELIMIT, e, number);
    assert_non_null(strstr(e.text, "60"));
    assert_int_equal(ch_session_length(b.s), length);
    undo(&b, 1);
    /* nothing was lost */
    assert_true(turn(&b, "Yes?", 5) <= count("\nUser: Yes?\nAssistant:") + 2);
    ch_tokens_free(&ids);
    close_both(&b);
}

static void the_context_ends_an_answer(void **state)
{
    (void)state;
    struct both b;
    open_both(&b, NULL, 24);
    turn(&b, "Hello.", 1000);
    assert_string_equal(ch_talk_stop(b.t), "context");
    assert_int_equal(ch_session_length(b.s), 24);
    close_both(&b);
}

static void templates_refuse_in_their_own_words(void **state)
{
    (void)state;
    ch_err e = {0};
    struct both b;
    open_both(&b, "{{ raise_exception('no such talk') }}", 40);
    assert_fails(ch_talk_read(b.t, &e), CH_EARG, e, "no such talk");
    close_both(&b);
    ch_session *s;
    ch_talk *t;
    assert_ok(ch_session_open(&s, model, NULL, &e), e);
    assert_true(ch_talk_open(&t, s, tk, "{% if", "mine", &e) < 0);
    assert_non_null(strstr(e.text, "mine:1"));
    assert_null(t);
    ch_session_close(&s);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void saved_talks_go_on_as_they_were(void **state)
{
    (void)state;
    ch_err e = {0};
    char *dir = temp_dir(), *path = ch_io_join(dir, "s"), *json = ch_io_join(dir, "s.json");
    struct both a, b;
    open_both(&a, NULL, 250);
    turn(&a, "Tell me a story of a \xf0\x9f\xa6\x8a and a crow.", 20);
    turn(&a, "And then?", 20);
    assert_ok(ch_talk_save(a.t, path, &e), e);
    open_both(&b, NULL, 250);
    assert_ok(ch_talk_load(b.t, path, &e), e);
    assert_int_equal(ch_session_length(b.s), ch_session_length(a.s));
    const uint64_t read = turn(&b, "Why?", 20);
    assert_int_equal(read, turn(&a, "Why?", 20));
    assert_true(read <= count("\nUser: Why?\nAssistant:") + 2);
    assert_memory_equal(a.answer.data, b.answer.data, a.answer.size);
    /* messages alone: the same words, all of them read */
    struct both c;
    open_both(&c, NULL, 250);
    assert_ok(ch_talk_load(c.t, json, &e), e);
    assert_int_equal(json_array_size(ch_talk_messages(c.t)), 4);
    assert_int_equal(ch_session_length(c.s), 0);
    /* of another moment */
    ch_talk_save(a.t, path, &e);
    assert_ok(ch_session_save(c.s, path, &e), e);
    assert_fails(ch_talk_load(c.t, path, &e), CH_EFORMAT, e, "same moment");
    assert_int_equal(json_array_size(ch_talk_messages(c.t)), 4);
    turn(&c, "Why?", 5);
    close_both(&a);
    close_both(&b);
    close_both(&c);
    free(path);
    free(json);
    temp_dir_remove(dir);
}

static void read_into(ch_buf *b, const char *path)
{
    ch_err e = {0};
    ch_buf_init(b, 1 << 26);
    assert_ok(ch_io_read_file(b, path, &e), e);
}

/* Where the messages cannot be written the session is not, and what was there stays. */
static void a_save_that_fails_changes_nothing(void **state)
{
    (void)state;
    ch_err e = {0};
    char *dir = temp_dir(), *path = ch_io_join(dir, "s"), *json = ch_io_join(dir, "s.json");
    struct both b;
    ch_buf was, is;
    open_both(&b, NULL, 250);
    turn(&b, "Hello.", 5);
    assert_ok(ch_session_save(b.s, path, &e), e);
    assert_ok(ch_io_make_dir(json, &e), e);
    read_into(&was, path);
    turn(&b, "Yes.", 5);
    assert_fails(ch_talk_save(b.t, path, &e), CH_EARG, e, "directory");
    read_into(&is, path);
    assert_int_equal(is.size, was.size);
    assert_memory_equal(is.data, was.data, is.size);
    assert_int_equal(rmdir(json), 0);
    assert_ok(ch_talk_save(b.t, path, &e), e);
    assert_ok(ch_talk_load(b.t, path, &e), e);
    unlink(path);
    unlink(json);
    assert_int_equal(rmdir(dir), 0); /* no temporary stays behind */
    ch_buf_close(&was);
    ch_buf_close(&is);
    close_both(&b);
    free(path);
    free(json);
    free(dir);
}

/* Marks lie within the tokens that the file says there are: so those must be there. */
static void tokens_that_are_not_there_are_refused(void **state)
{
    (void)state;
    ch_err e = {0};
    char *dir = temp_dir(), *path = ch_io_join(dir, "s"), *json = ch_io_join(dir, "s.json");
    struct both b;
    ch_buf text;
    json_t *v;
    open_both(&b, NULL, 250);
    turn(&b, "Hello.", 5);
    const int length = ch_session_length(b.s);
    assert_ok(ch_talk_save(b.t, path, &e), e);
    assert_ok(ch_json_load(&v, json, 1 << 20, &e), e);
    json_object_set_new(v, "tokens", json_integer(length + 100));
    json_t *marks = json_object_get(v, "marks"), *mark;
    mark = json_array_get(marks, json_array_size(marks) - 1);
    json_array_set_new(mark, 1, json_integer(length + 90));
    ch_buf_init(&text, 1 << 20);
    assert_ok(ch_json_dump(&text, v, &e), e);
    assert_ok(ch_io_write_file(json, text.data, text.size, &e), e);
    assert_fails(ch_talk_load(b.t, path, &e), CH_EFORMAT, e, "same moment");
    assert_int_equal(ch_session_length(b.s), 0);
    turn(&b, "Yes.", 5);
    json_decref(v);
    ch_buf_close(&text);
    close_both(&b);
    free(path);
    free(json);
    temp_dir_remove(dir);
}

static void damaged_files_change_nothing(void **state)
{
    static const char *const bad[] = {
        "", "[]", "{\"messages\": []}", "{\"chalcis\": \"conversation\", \"messages\": 1}",
        "{\"chalcis\": \"conversation\", \"messages\": [1]}",
        "{\"chalcis\": \"conversation\", \"messages\": []}",
        "{\"chalcis\": \"conversation\", \"messages\": [], \"tokens\": 3, \"hash\": \"\", "
        "\"said\": \"abc\", \"origin\": [[2, \"t\"]], \"marks\": []}",
        "{\"chalcis\": \"conversation\", \"messages\": [], \"tokens\": 3, \"hash\": \"\", "
        "\"said\": \"abc\", \"origin\": [[9, \"t\"]], \"marks\": []}",
        "{\"chalcis\": \"conversation\", \"messages\": [], \"tokens\": 3, \"hash\": \"\", "
        "\"said\": \"abc\", \"origin\": [[3, \"x\"]], \"marks\": []}",
        "{\"chalcis\": \"conversation\", \"messages\": [], \"tokens\": 3, \"hash\": \"\", "
        "\"said\": \"abc\", \"origin\": [[3, \"t\"]], \"marks\": [[4, 1]]}",
        "{\"chalcis\": \"conversation\", \"messages\": [], \"tokens\": 3, \"hash\": \"\", "
        "\"said\": \"abc\", \"origin\": [[3, \"t\"]], \"marks\": [[2, 1], [1, 2]]}",
        "{\"chalcis\": \"conversation\", \"messages\": [], \"tokens\": 99999, \"hash\": \"\", "
        "\"said\": \"\", \"origin\": [], \"marks\": []}",
    };
    (void)state;
    ch_err e = {0};
    char *dir = temp_dir(), *path = ch_io_join(dir, "d"), *json = ch_io_join(dir, "d.json");
    struct both b;
    open_both(&b, NULL, 100);
    turn(&b, "Hello.", 5);
    const int length = ch_session_length(b.s);
    assert_ok(ch_session_save(b.s, path, &e), e);
    for (size_t i = 0; i < CH_COUNT(bad); i++) {
        assert_ok(ch_io_write_file(json, bad[i], strlen(bad[i]), &e), e);
        assert_int_equal(ch_talk_load(b.t, path, &e), CH_EFORMAT);
        assert_int_equal(json_array_size(ch_talk_messages(b.t)), 2);
        assert_int_equal(ch_session_length(b.s), length);
    }
    assert_int_equal(ch_talk_load(b.t, "/nowhere/d", &e), CH_EIO);
    close_both(&b);
    free(path);
    free(json);
    temp_dir_remove(dir);
}

/* Whatever a byte becomes: the file is refused, or the conversation is one that goes on. */
static void changed_files_are_refused_or_good(void **state)
{
    (void)state;
    ch_err e = {0};
    char *dir = temp_dir(), *path = ch_io_join(dir, "m"), *json = ch_io_join(dir, "m.json");
    struct both b;
    ch_buf text;
    int loaded = 0;
    open_both(&b, NULL, 100);
    turn(&b, "Hello.", 5);
    turn(&b, "Yes.", 5);
    assert_ok(ch_talk_save(b.t, path, &e), e);
    ch_buf_init(&text, 1 << 16);
    assert_ok(ch_io_read_file(&text, json, &e), e);
    for (uint64_t i = 0; i < 400; i++) {
        const size_t at = ch_rng_below(text.size, 3, CH_RNG_TEST, 1, i);
        const char was = text.data[at];
        text.data[at] = "0123456789\"[]{},:tdm- "[ch_rng_below(22, 3, CH_RNG_TEST, 2, i)];
        FILE *f = fopen(json, "wb"); /* without waiting for the disk */
        assert_non_null(f);
        fwrite(text.data, 1, text.size, f);
        fclose(f);
        if (ch_talk_load(b.t, path, &e) == CH_OK) {
            ch_tokens ids = {0};
            ch_talk_prompt(&ids, NULL, b.t, NULL);
            ch_tokens_free(&ids);
            loaded++;
        }
        text.data[at] = was;
    }
    assert_true(loaded > 0 && loaded < 400);
    assert_ok(ch_io_write_file(json, text.data, text.size, &e), e);
    assert_ok(ch_talk_load(b.t, path, &e), e);
    assert_true(turn(&b, "And?", 5) <= count("\nUser: And?\nAssistant:") + 2);
    ch_buf_close(&text);
    close_both(&b);
    free(path);
    free(json);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest talk_tests[] = {
        cmocka_unit_test(a_turn_reads_what_is_new),
        cmocka_unit_test(without_answers_prompts_are_the_same),
        cmocka_unit_test(undone_turns_are_not_there),
        cmocka_unit_test(another_beginning_reads_all),
        cmocka_unit_test(thoughts_are_cut_and_the_rest_is_kept),
        cmocka_unit_test(answers_are_told_apart),
        cmocka_unit_test(tools_have_a_template_of_their_own),
        cmocka_unit_test(answers_end_at_stops),
        cmocka_unit_test(drawn_tokens_stay),
        cmocka_unit_test(nothing_said_is_special),
        cmocka_unit_test(too_long_says_both_numbers),
        cmocka_unit_test(the_context_ends_an_answer),
        cmocka_unit_test(templates_refuse_in_their_own_words),
        cmocka_unit_test(saved_talks_go_on_as_they_were),
        cmocka_unit_test(a_save_that_fails_changes_nothing),
        cmocka_unit_test(tokens_that_are_not_there_are_refused),
        cmocka_unit_test(damaged_files_change_nothing),
        cmocka_unit_test(changed_files_are_refused_or_good),
    };
    return cmocka_run_group_tests(talk_tests, open_model, close_model);
}
