/* chat.c - conversations as tokens (chat.h)
 *
 * Sources: ChatML (OpenAI, as Qwen's chat template writes it), Llama 3's model card, transformers'
 * chat templates (add_generation_prompt, eos_token).
 * SPDX-License-Identifier: MIT */
#include "chat.h"

#include <string.h>

static const ch_chat chats[] = {
#define CHAT(name, opens, after, ends, between, before, system, user, assistant)                   \
    {#name, opens, after, ends, between, before, {system, user, assistant}},
#include "chats.def"
#undef CHAT
};

static bool fits(const ch_chat *c, const ch_tokenizer *tk)
{
    bool all = !*c->ends || ch_tokenizer_special(tk, c->ends) >= 0;
    if (*c->opens)
        return all && ch_tokenizer_special(tk, c->opens) >= 0;
    for (int r = 0; r < CH_CHAT_ROLES; r++)
        all &= ch_tokenizer_special(tk, c->role[r]) >= 0;
    return all;
}

const ch_chat *ch_chat_for(const ch_tokenizer *tk)
{
    for (size_t i = 0; i + 1 < CH_COUNT(chats); i++)
        if (fits(&chats[i], tk))
            return &chats[i];
    return &chats[CH_COUNT(chats) - 1];
}

static int own(ch_tokens *out, const ch_tokenizer *tk, const char *s, ch_err *e)
{
    return ch_tokenizer_encode(out, tk, s, strlen(s), CH_ENCODE_SPECIAL, e);
}

int ch_chat_between(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, ch_err *e)
{
    return own(out, tk, c->between, e);
}

int ch_chat_open(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, ch_chat_role role,
                 ch_err *e)
{
    char s[96];
    snprintf(s, sizeof s, "%s%s%s", c->opens, c->role[role], c->after_role);
    return own(out, tk, s, e);
}

int ch_chat_text(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, const char *text,
                 size_t n, ch_err *e)
{
    if (!*c->before_text)
        return ch_tokenizer_encode(out, tk, text, n, 0, e);
    ch_buf b; /* what stands before is one piece with the first word */
    ch_buf_init(&b, SIZE_MAX);
    ch_buf_put(&b, c->before_text, strlen(c->before_text));
    ch_buf_put(&b, text, n);
    int rc = ch_buf_check(&b, "a message", e);
    if (rc == CH_OK)
        rc = ch_tokenizer_encode(out, tk, b.data, b.size, 0, e);
    ch_buf_close(&b);
    return rc;
}

int ch_chat_end(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, ch_chat_role role,
                ch_err *e)
{
    size_t n;
    const ch_token eos = ch_tokenizer_eos(tk);
    if (*c->ends)
        return own(out, tk, c->ends, e);
    if (role != CH_CHAT_ASSISTANT || eos < 0)
        return CH_OK;
    const char *name = ch_tokenizer_name(tk, eos, &n);
    return ch_tokenizer_encode(out, tk, name, n, CH_ENCODE_SPECIAL, e);
}

static int message(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, ch_chat_role role,
                   const char *text, size_t n, ch_err *e)
{
    int rc = ch_chat_open(out, c, tk, role, e);
    if (rc == CH_OK)
        rc = ch_chat_text(out, c, tk, text, n, e);
    if (rc == CH_OK)
        rc = ch_chat_end(out, c, tk, role, e);
    return rc == CH_OK ? ch_chat_between(out, c, tk, e) : rc;
}

int ch_chat_prompt(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, const char *system,
                   const char *user, size_t n, ch_err *e)
{
    const size_t before = out->n;
    int rc = ch_tokenizer_encode(out, tk, "", 0, CH_ENCODE_BOS, e);
    if (rc == CH_OK && system)
        rc = message(out, c, tk, CH_CHAT_SYSTEM, system, strlen(system), e);
    if (rc == CH_OK)
        rc = message(out, c, tk, CH_CHAT_USER, user, n, e);
    if (rc == CH_OK)
        rc = ch_chat_open(out, c, tk, CH_CHAT_ASSISTANT, e);
    if (rc < 0)
        out->n = before;
    return rc;
}

/* ---- For others ----------------------------------------------------------------------------- */

/* As a string within '...' of Jinja, where \n is a line's end. */
static void quote(ch_buf *b, const char *s)
{
    ch_buf_put(b, "'", 1);
    for (; *s; s++)
        if (*s == '\n')
            ch_buf_put(b, "\\n", 2);
        else
            ch_buf_put(b, s, 1);
    ch_buf_put(b, "'", 1);
}

void ch_chat_template(ch_buf *b, const ch_chat *c)
{
    ch_buf_str(b, "{% for m in messages %}{% if not loop.first %}{{ ");
    quote(b, c->between);
    ch_buf_str(b, " }}{% endif %}{{ ");
    quote(b, c->opens);
    ch_buf_str(b, " + {'system': ");
    quote(b, c->role[CH_CHAT_SYSTEM]);
    ch_buf_str(b, ", 'user': ");
    quote(b, c->role[CH_CHAT_USER]);
    ch_buf_str(b, ", 'assistant': ");
    quote(b, c->role[CH_CHAT_ASSISTANT]);
    ch_buf_str(b, "}[m['role']] + ");
    quote(b, c->after_role);
    ch_buf_str(b, " + ");
    quote(b, c->before_text);
    ch_buf_str(b, " + m['content'] }}");
    if (*c->ends) {
        ch_buf_str(b, "{{ ");
        quote(b, c->ends);
        ch_buf_str(b, " }}");
    } else {
        ch_buf_str(b, "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}");
    }
    ch_buf_str(b, "{% endfor %}{% if add_generation_prompt %}{{ ");
    quote(b, c->between);
    ch_buf_str(b, " + ");
    quote(b, c->opens);
    ch_buf_str(b, " + ");
    quote(b, c->role[CH_CHAT_ASSISTANT]);
    ch_buf_str(b, " + ");
    quote(b, c->after_role);
    ch_buf_str(b, " }}{% endif %}");
}

int ch_chat_to_file(const ch_chat *c, ch_file *f, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, 1 << 16);
    ch_chat_template(&b, c);
    int rc = ch_buf_check(&b, "a chat template", e);
    if (rc == CH_OK)
        rc = ch_file_set_str(f, "tokenizer.chat_template", b.data, b.size, e);
    if (rc == CH_OK)
        rc = ch_file_set_str(f, "chalcis.chat_format", c->name, strlen(c->name), e);
    ch_buf_close(&b);
    return rc;
}
