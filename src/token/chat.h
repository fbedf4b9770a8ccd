/* chat.h - how a conversation is written as tokens
 *
 *     const ch_chat *c = ch_chat_for(tk);
 *     ch_chat_prompt(&ids, c, tk, NULL, text, n, &e);         what the model writes comes next
 *
 *     chatml   <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>
 *     inl      <USER> Hi\n<ASSISTANT> Hello EOS
 *     plain    User: Hi\nAssistant: Hello EOS \nUser: ...
 *
 * Formats are the lines of chats.def.  The text of a message never becomes a special token.
 * SPDX-License-Identifier: MIT */
#ifndef CH_CHAT_H
#define CH_CHAT_H

#include "token.h"

typedef enum ch_chat_role {
    CH_CHAT_SYSTEM,
    CH_CHAT_USER,
    CH_CHAT_ASSISTANT,
    CH_CHAT_ROLES
} ch_chat_role;

typedef struct ch_chat {
    const char *name, *opens, *after_role, *ends, *between, *before_text;
    const char *role[CH_CHAT_ROLES];
} ch_chat;

/* The format that fits a vocabulary. */
const ch_chat *ch_chat_for(const ch_tokenizer *tk);

/* Each appends, and leaves *out as it was when it fails.  A message is what opens it, its text, and
 * what ends it; messages but the first have `between` before them: call it for each but that. */
int ch_chat_between(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, ch_err *e);
int ch_chat_open(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, ch_chat_role role,
                 ch_err *e);
int ch_chat_text(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, const char *text,
                 size_t n, ch_err *e);
int ch_chat_end(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, ch_chat_role role,
                ch_err *e);
/* BOS where the model wants it, the system message (NULL: none), the user's, and what opens the
 * answer. */
int ch_chat_prompt(ch_tokens *out, const ch_chat *c, const ch_tokenizer *tk, const char *system,
                   const char *user, size_t n, ch_err *e);

/* The same format as a chat template in Jinja, appended; b's failure tells. */
void ch_chat_template(ch_buf *b, const ch_chat *c);
/* Into a file under construction: chalcis.chat_format, and tokenizer.chat_template for others
 * (Jinja). */
int ch_chat_to_file(const ch_chat *c, ch_file *f, ch_err *e);

#endif
