/* template_data.c - conversations as the model's own chat template writes them (template.h)
 *
 *     messages before an answer, and the answer opened      <user>Hi</s><assistant>
 *     messages up to it                                     <user>Hi</s><assistant>Hello</s>\n
 *     learnt is what is new, up to the token that ends it                     Hello</s>
 *
 * What the model is given is what it gets in a conversation: the template's text and nothing before
 * it, cut into tokens where an answer begins and where one ends, as there.  The day and tools are
 * not told: the same records are the same tokens tomorrow.
 * Templates may write an answer otherwise once others follow (without its thoughts); then it is
 * read and not learnt, for it is not what the model would say there.
 * SPDX-License-Identifier: MIT */
#include "template.h"
#include "train.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWERS_MOST = 1000 }; /* each takes two renderings of what comes before it */

typedef struct templated {
    ch_format format;
    ch_template *template;
    json_t *names;
    char name[48];
} templated;

typedef struct answer {
    size_t from, to; /* bytes of the whole */
} answer;

typedef struct writing {
    const templated *f;
    const ch_tokenizer *tk;
    const ch_part *part;
    size_t n;
    json_t *messages;
    ch_rendered whole;
    answer *at;
    size_t answers, cap;
    bool all; /* everything is a target */
    ch_err *e;
} writing;

/* ---- Text ------------------------------------------------------------------------------------ */

static int open_messages(writing *w)
{
    static const char *const roles[] = {[CH_ROLE_TEXT] = "user", [CH_ROLE_SYSTEM] = "system",
                                        [CH_ROLE_USER] = "user",
                                        [CH_ROLE_ASSISTANT] = "assistant"};
    bool ok = (w->messages = json_array()) != NULL;
    for (size_t i = 0; i < w->n && ok; i++) {
        const ch_part *p = &w->part[i];
        json_t *content = json_stringn(p->n > 0 ? p->bytes : "", p->n);
        json_t *m = json_pack("{s:s, s:o}", "role", roles[p->role], "content", content);
        ok = content && m && json_array_append_new(w->messages, m) == 0;
    }
    return ok ? CH_OK : ch_fail(w->e, CH_ENOMEM, "no memory for %zu messages", w->n);
}

/* The first n messages; opened: and the beginning of an answer to them. */
static int write_first(ch_rendered *out, const writing *w, size_t n, bool opened)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; i < n && ok; i++)
        ok = json_array_append(list, json_array_get(w->messages, i)) == 0;
    json_t *data = json_pack("{s:n, s:n, s:b, s:o}", "tools", "documents",
                             "add_generation_prompt", opened, "messages", list);
    if (!ok || !data) {
        json_decref(data);
        return ch_fail(w->e, CH_ENOMEM, "no memory for %zu messages", n);
    }
    const ch_template_input in = {.data = data, .trusted = w->f->names};
    const int rc = ch_template_render(out, w->f->template, &in, w->e);
    json_decref(data);
    return rc;
}

static bool begins_with(const ch_rendered *r, const ch_rendered *with)
{
    return with->text.size <= r->text.size &&
           (with->text.size == 0 || memcmp(r->text.data, with->text.data, with->text.size) == 0);
}

/* The answer that message i is, where the whole conversation has it as it was said. */
static int find_answer(writing *w, size_t i)
{
    ch_rendered asked = {0}, upto = {0};
    int rc = write_first(&asked, w, i, true);
    if (rc == CH_OK)
        rc = write_first(&upto, w, i + 1, false);
    if (rc == CH_OK && !begins_with(&upto, &asked))
        rc = ch_fail(w->e, CH_EARG,
                     "what the chat template opens message %zu with is not how it writes it then: "
                     "nobody can tell what of it the model has to say",
                     i + 1);
    if (rc == CH_OK && begins_with(&w->whole, &upto)) {
        const size_t done = w->answers > 0 ? w->at[w->answers - 1].to : 0;
        if (ch_array_room(&w->at, &w->cap, w->answers + 1, sizeof *w->at))
            w->at[w->answers++] = (answer){CH_MAX(asked.text.size, done), upto.text.size};
        else
            rc = ch_fail(w->e, CH_ENOMEM, "no memory for %zu answers", w->answers + 1);
    }
    ch_rendered_free(&asked);
    ch_rendered_free(&upto);
    return rc;
}

static int find_answers(writing *w)
{
    size_t n = 0;
    int rc = open_messages(w);
    if (rc == CH_OK)
        rc = write_first(&w->whole, w, w->n, false);
    for (size_t i = 0; i < w->n && rc == CH_OK; i++) {
        w->all = w->all || (w->part[i].trains && w->part[i].role != CH_ROLE_ASSISTANT);
        if (!w->part[i].trains || w->part[i].role != CH_ROLE_ASSISTANT)
            continue;
        rc = ++n <= ANSWERS_MOST ? find_answer(w, i)
                                 : ch_fail(w->e, CH_ELIMIT, "more than the allowed %d answers",
                                           ANSWERS_MOST);
    }
    return rc;
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static int mark(ch_buf *trains, size_t n, bool is_target, ch_err *e)
{
    void *to = ch_buf_room(trains, n);
    if (!to)
        return ch_buf_check(trains, "the mask of a document", e);
    memset(to, is_target, n);
    return CH_OK;
}

/* What follows the end of an answer is the template's affair. */
static size_t up_to_the_end(const ch_tokens *ids, size_t first, const ch_tokenizer *tk)
{
    for (size_t i = ids->n; i > first; i--)
        if (ch_tokenizer_is_end(tk, ids->id[i - 1]))
            return i - first;
    return 0;
}

static int put(ch_tokens *ids, ch_buf *trains, const writing *w, answer a, bool learnt)
{
    const size_t first = ids->n;
    int rc = ch_rendered_encode_part(ids, w->tk, &w->whole, a.from, a.to, w->e);
    if (rc < 0)
        return rc;
    const size_t n = ids->n - first, end = up_to_the_end(ids, first, w->tk);
    const size_t targets = w->all || (learnt && end == 0) ? n : learnt ? end : 0;
    rc = mark(trains, targets, true, w->e);
    return rc < 0 ? rc : mark(trains, n - targets, false, w->e);
}

static int put_id(ch_tokens *ids, ch_buf *trains, ch_token id, ch_err *e)
{
    if (!ch_array_room(&ids->id, &ids->cap, ids->n + 1, sizeof *ids->id))
        return ch_fail(e, CH_ENOMEM, "no memory for %zu tokens", ids->n + 1);
    ids->id[ids->n++] = id;
    return mark(trains, 1, true, e);
}

static int put_all(ch_tokens *ids, ch_buf *trains, const writing *w)
{
    const ch_token eos = ch_tokenizer_eos(w->tk);
    size_t done = 0, last = ids->n;
    int rc = CH_OK;
    for (size_t i = 0; i < w->answers && rc == CH_OK; i++) {
        const answer a = w->at[i];
        rc = put(ids, trains, w, (answer){done, a.from}, false);
        last = ids->n;
        if (rc == CH_OK)
            rc = put(ids, trains, w, a, true);
        done = a.to;
    }
    /* an answer that nothing ends is ended as texts are */
    if (rc == CH_OK && done > 0 && done == w->whole.text.size && eos >= 0 &&
        up_to_the_end(ids, last, w->tk) == 0)
        return put_id(ids, trains, eos, w->e);
    return rc < 0 ? rc : put(ids, trains, w, (answer){done, w->whole.text.size}, false);
}

/* Nobody said it, so no template knows it: a document as those of plain training. */
static int put_text(ch_tokens *ids, ch_buf *trains, const ch_tokenizer *tk, const ch_part *p,
                    ch_err *e)
{
    const ch_token first = ch_corpus_first(tk), eos = ch_tokenizer_eos(tk);
    int rc = first >= 0 ? put_id(ids, trains, first, e) : CH_OK;
    const size_t before = ids->n;
    if (rc == CH_OK)
        rc = ch_tokenizer_encode(ids, tk, p->bytes, p->n, 0, e);
    if (rc == CH_OK)
        rc = mark(trains, ids->n - before, p->trains, e);
    return rc == CH_OK && eos >= 0 && p->trains ? put_id(ids, trains, eos, e) : rc;
}

static int render(const void *arg, ch_tokens *ids, ch_buf *trains, const ch_tokenizer *tk,
                  const ch_part *part, size_t n, ch_err *e)
{
    enum { SHOWN = 60 };
    ch_err own = {0};
    writing w = {.f = arg, .tk = tk, .part = part, .n = n, .e = e ? e : &own};
    if (n == 1 && part->role == CH_ROLE_TEXT)
        return put_text(ids, trains, tk, part, w.e);
    int rc = find_answers(&w);
    if (rc == CH_OK)
        rc = put_all(ids, trains, &w);
    if (rc < 0)
        rc = ch_fail_at(w.e, "the record that begins \"%.*s\"",
                        n > 0 ? (int)ch_utf8_whole(part->bytes, CH_MIN(part->n, SHOWN)) : 0,
                        n > 0 ? part->bytes : "");
    ch_rendered_free(&w.whole);
    json_decref(w.messages);
    free(w.at);
    return rc;
}

/* ---- The format ------------------------------------------------------------------------------ */

void ch_format_template_close(ch_format **f)
{
    templated *t = *f ? (templated *)(uintptr_t)(*f)->arg : NULL;
    *f = NULL;
    if (!t)
        return;
    ch_template_close(&t->template);
    json_decref(t->names);
    free(t);
}

int ch_format_template_open(ch_format **out, const ch_tokenizer *tk, ch_err *e)
{
    const char *own = ch_tokenizer_template(tk);
    *out = NULL;
    if (!own)
        return ch_fail(e, CH_EARG, "the model has no chat template");
    templated *t = calloc(1, sizeof *t);
    if (!t)
        return ch_fail(e, CH_ENOMEM, "no memory for a chat template");
    const ch_hash128 h = ch_hash_bytes((ch_hash128){0, 0}, own, strlen(own));
    snprintf(t->name, sizeof t->name, "template-%016llx%016llx", (unsigned long long)h.hi,
             (unsigned long long)h.lo);
    t->format = (ch_format){.name = t->name, .render = render, .arg = t, .whole = true};
    *out = &t->format;
    int rc = ch_template_names(&t->names, tk, e);
    if (rc == CH_OK)
        rc = ch_template_parse(&t->template, own, strlen(own), "chat template", e);
    if (rc < 0)
        ch_format_template_close(out);
    return rc;
}
