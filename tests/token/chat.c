/* chat.c - which vocabulary talks how, and the tokens of it
 *
 * SPDX-License-Identifier: MIT */
#include "chat.h"
#include "small.h"

static ch_tokenizer *vocabulary(const char *const *specials, int n)
{
    ch_bpe_options o = {
        .vocab = 256 + n + 1, .specials = specials, .n_special = n, .bos = -1, .eos = 0};
    ch_bpe_trainer *trainer;
    ch_tokenizer *t;
    ch_err e = {0};
    assert_ok(ch_bpe_trainer_open(&trainer, &o, &e), e);
    assert_ok(ch_bpe_trainer_add(trainer, small_story, sizeof small_story - 1, &e), e);
    assert_ok(ch_bpe_trainer_finish(&t, trainer, &e), e);
    ch_bpe_trainer_close(&trainer);
    return t;
}

/* A prompt's tokens as text, special ones by their names. */
static void prompt_is(const char *const *specials, int n, const char *name, const char *want)
{
    ch_tokenizer *t = vocabulary(specials, n);
    const ch_chat *c = ch_chat_for(t);
    ch_tokens ids = {0};
    ch_err e = {0};
    char got[200] = "";
    assert_string_equal(c->name, name);
    assert_ok(ch_chat_prompt(&ids, c, t, "Be <A>.", "Hi", 2, &e), e);
    for (size_t i = 0; i < ids.n; i++) {
        char piece[32] = "";
        const bool special = ids.id[i] < n;
        const int size = special ? 0 : ch_tokenizer_piece(piece, sizeof piece, t, -1, ids.id[i]);
        const size_t used = strlen(got);
        if (special)
            snprintf(got + used, sizeof got - used, "{%s}", specials[ids.id[i]]);
        else
            snprintf(got + used, sizeof got - used, "%.*s", size, piece);
    }
    assert_string_equal(got, want);
    ch_tokens_free(&ids);
    ch_tokenizer_close(&t);
}

/* What a message says never becomes a special token. */
static void vocabularies_have_their_formats(void **state)
{
    (void)state;
    static const char *const inl[] = {"<E>", "<USER>", "<ASSISTANT>", "<SYSTEM>", "<A>"};
    static const char *const chatml[] = {"<E>", "<|im_start|>", "<|im_end|>", "<A>"};
    prompt_is(inl, 5, "inl", "{<SYSTEM>} Be <A>.\n{<USER>} Hi\n{<ASSISTANT>}");
    prompt_is(inl, 3, "plain", "System: Be <A>.\nUser: Hi\nAssistant:");
    prompt_is(chatml, 4, "chatml",
              "{<|im_start|>}system\nBe <A>.{<|im_end|>}\n{<|im_start|>}user\nHi{<|im_end|>}\n"
              "{<|im_start|>}assistant\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vocabularies_have_their_formats)};
    return cmocka_run_group_tests_name("token/chat", tests, NULL, NULL);
}
