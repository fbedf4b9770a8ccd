/* chat_data.c - what several have said, written as the vocabulary's chat format says (chat.h)
 *
 * Targets are the tokens of parts that train, and what ends them.  What ends the last part of a
 * plain conversation is the document's own end.  Texts without a role stay texts.
 * SPDX-License-Identifier: MIT */
#include "chat.h"
#include "train.h"

#include <string.h>

static int mark(ch_buf *trains, size_t *done, const ch_tokens *ids, bool is_target, ch_err *e)
{
    const size_t n = ids->n - *done;
    void *to = ch_buf_room(trains, n);
    if (!to)
        return ch_buf_check(trains, "the mask of a document", e);
    memset(to, is_target, n);
    *done = ids->n;
    return CH_OK;
}

static ch_chat_role role_of(const ch_part *p)
{
    return p->role == CH_ROLE_SYSTEM ? CH_CHAT_SYSTEM
           : p->role == CH_ROLE_USER ? CH_CHAT_USER
                                     : CH_CHAT_ASSISTANT;
}

static int one_part(ch_tokens *ids, ch_buf *trains, size_t *done, const ch_chat *c,
                    const ch_tokenizer *tk, const ch_part *p, bool first, bool last, ch_err *e)
{
    int rc = first ? CH_OK : ch_chat_between(ids, c, tk, e);
    if (rc == CH_OK && p->role != CH_ROLE_TEXT)
        rc = ch_chat_open(ids, c, tk, role_of(p), e);
    if (rc == CH_OK)
        rc = mark(trains, done, ids, false, e);
    if (rc == CH_OK && p->role == CH_ROLE_TEXT)
        rc = ch_tokenizer_encode(ids, tk, p->bytes, p->n, 0, e);
    else if (rc == CH_OK)
        rc = ch_chat_text(ids, c, tk, p->bytes, p->n, e);
    if (rc == CH_OK && p->role != CH_ROLE_TEXT && !(last && !*c->ends))
        rc = ch_chat_end(ids, c, tk, role_of(p), e);
    return rc == CH_OK ? mark(trains, done, ids, p->trains, e) : rc;
}

static int render(const void *arg, ch_tokens *ids, ch_buf *trains, const ch_tokenizer *tk,
                  const ch_part *part, size_t n, ch_err *e)
{
    const ch_chat *c = ch_chat_for(tk);
    size_t done = ids->n;
    int rc = CH_OK;
    (void)arg;
    for (size_t i = 0; i < n && rc == CH_OK; i++)
        rc = one_part(ids, trains, &done, c, tk, &part[i], i == 0, i + 1 == n, e);
    return rc;
}

const ch_format ch_format_chat = {.name = "chat", .render = render};
