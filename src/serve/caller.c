/* caller.c - one answer that calls tools
 *
 *     TEXT --a call opens--> NAMING --its tool is known--> ARGUMENTS --complete--> TEXT
 *                                 \--nothing of it is ours--> FREE --its end--/
 *
 * In NAMING and ARGUMENTS a grammar is set.  What the caller feeds comes back as events, which are
 * passed over: what it leads to was decided when it was fed.
 * SPDX-License-Identifier: MIT */
#include "caller_in.h"

#include <stdlib.h>
#include <string.h>

typedef enum stage {
    TEXT,
    OPENING,   /* an object where an answer may begin: a call if its first key is "name" */
    NAMING,    /* or the end of a list of calls */
    ARGUMENTS,
    FREE
} stage;

struct ch_caller {
    const ch_call_rules *r;
    stage stage;
    bool due, done;
    size_t fed; /* tokens that are still to come back */
    int calls;  /* that the reply had when this one began */
};

int ch_caller_open(ch_caller **out, const ch_call_rules *r, ch_err *e)
{
    ch_caller *c = *out = calloc(1, sizeof *c);
    if (c == NULL)
        return ch_fail(e, CH_ENOMEM, "no memory for an answer that calls tools");
    c->r = r;
    c->due = r->due;
    return CH_OK;
}

void ch_caller_close(ch_caller **c)
{
    free(*c);
    *c = NULL;
}

bool ch_caller_done(const ch_caller *c) { return c->done; }

/* ---- Steps ---- */

static int feed(ch_caller *c, ch_answer *a, const ch_tokens *t, ch_err *e)
{
    const int rc = t->n > 0 ? ch_answer_feed(a, t->id, (int)t->n, e) : CH_OK;
    c->fed += rc == CH_OK ? t->n : 0;
    return rc;
}

/* Nothing is held any more; `then` is fed, unless the answer ends before it has room for that. */
static int release(ch_caller *c, ch_answer *a, stage next, const ch_tokens *then, ch_err *e)
{
    ch_err full = {0};
    c->stage = next;
    int rc = ch_answer_grammar(a, NULL, NULL, 0, e);
    if (rc == CH_OK && then != NULL && (rc = feed(c, a, then, &full)) < 0) {
        if (rc == CH_ELIMIT)
            return CH_OK;
        return ch_fail(e, rc, "%s", full.text);
    }
    return rc;
}

/* From here on g, of which text is there.  Where it does not fit, the call is free. */
static int obey(ch_caller *c, ch_answer *a, stage next, ch_grammar *g, const char *text, size_t n,
                ch_err *e)
{
    ch_err misfit = {0};
    const int rc = ch_answer_grammar(a, g, text, n, &misfit);
    if (rc == CH_EARG || rc == CH_ELIMIT)
        return release(c, a, FREE, NULL, e);
    c->stage = next;
    return rc < 0 ? ch_fail(e, rc, "%s", misfit.text) : CH_OK;
}

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* The blanks behind a name belong to what was read as it. */
static const ch_call_tool *find(const ch_call_rules *r, const char *name, size_t n)
{
    while (n > 0 && is_blank(name[n - 1]))
        n--;
    for (int i = 0; i < r->n_tools; i++)
        if (name != NULL && strlen(r->tools[i].written) == n &&
            memcmp(r->tools[i].written, name, n) == 0)
            return &r->tools[i];
    return NULL;
}

/* The arguments begin, or have begun with the n bytes of text. */
static int begin_arguments(ch_caller *c, ch_answer *a, const ch_call_tool *t, const char *text,
                           size_t n, ch_err *e)
{
    char begun[64];
    const size_t k = strlen(c->r->wrapper);
    if (t == NULL || n > sizeof begun - k)
        return release(c, a, FREE, NULL, e);
    memcpy(begun, c->r->wrapper, k);
    if (n > 0)
        memcpy(begun + k, text, n);
    return obey(c, a, ARGUMENTS, t->rest->grammar, begun, k + n, e);
}

/* The caller opens a call, behind text that the model has written or another one has fed. */
static int open_call(ch_caller *c, ch_answer *a, const ch_reply *reply, const ch_event *event,
                     ch_err *e)
{
    const ch_call_rules *r = c->r;
    const bool space = event->kind == CH_EVENT_TOKEN && !event->fed;
    c->calls = ch_reply_calls(reply);
    int rc = space ? feed(c, a, &r->space, e) : CH_OK;
    if (rc == CH_OK)
        rc = feed(c, a, &r->open, e);
    if (rc == CH_ELIMIT) { /* no room: it ends by its length, for end tokens are not drawn */
        c->due = false;
        return CH_OK;
    }
    if (rc < 0)
        return rc;
    return r->certain ? begin_arguments(c, a, &r->tools[0], NULL, 0, e)
                      : obey(c, a, NAMING, r->first->grammar, NULL, 0, e);
}

/* ---- What the model has written ---- */

/* Is text `{"name":"`, white space aside?  1: it begins so, 0: it may yet, -1: it does not. */
static int has_name(const char *text, size_t n)
{
    static const char want[] = "{\"name\":\"";
    size_t at = 0;
    for (size_t i = 0; i < n && want[at] != 0; i++) {
        if (is_blank(text[i]) && at > 0 &&
            (at == 1 || want[at] == ':' || want[at - 1] == ':'))
            continue;
        if (text[i] != want[at++])
            return -1;
    }
    return want[at] == 0;
}

/* The model has opened a call; what there is of it decides what it is held to. */
static int hold(ch_caller *c, ch_answer *a, const ch_reply_now *now, ch_err *e)
{
    const ch_call_rules *r = c->r;
    const char *text = now->text, *const end = text + now->n;
    while (text < end && (is_blank(*text) || (*r->how.open == 0 && *text == ';')))
        text++;
    const size_t n = (size_t)(end - text);
    if (r->shape == CH_CALL_HEADED)
        return begin_arguments(c, a, find(r, now->name, now->n_name), text, n, e);
    if (*r->how.open == 0) {
        const int is = has_name(text, n);
        if (is <= 0) {
            c->stage = is < 0 ? FREE : OPENING;
            return CH_OK;
        }
    }
    const int rc = now->n == 0 ? release(c, a, NAMING, &r->lead, e) : CH_OK;
    return rc < 0 ? rc : obey(c, a, NAMING, r->first->grammar, text, n, e);
}

/* The call is over, whether it was one or not. */
static int over(ch_caller *c, ch_answer *a, const ch_reply *reply, bool held, ch_err *e)
{
    const ch_call_rules *r = c->r;
    const bool called = ch_reply_calls(reply) > c->calls;
    if (called && c->due)
        ch_answer_no_end(a, false);
    c->due &= !called;
    c->stage = TEXT;
    if (!held || !called || c->done)
        return held ? release(c, a, TEXT, NULL, e) : CH_OK;
    if (r->shape != CH_CALL_LIST)
        return release(c, a, TEXT, &r->close, e);
    c->calls = ch_reply_calls(reply);
    return obey(c, a, NAMING, r->more->grammar, NULL, 0, e);
}

/* The tag goes between a name, which is complete, and the arguments. */
static int part_name(ch_caller *c, ch_answer *a, const ch_reply_now *now, ch_err *e)
{
    size_t from = 0;
    while (from < now->n && is_blank(now->text[from]))
        from++;
    const ch_call_tool *t = find(c->r, now->text + from, now->n - from);
    const int rc = release(c, a, FREE, &c->r->between, e);
    return rc < 0 || c->fed == 0 ? rc : begin_arguments(c, a, t, NULL, 0, e);
}

/* What `first` or `more` says is complete. */
static int named(ch_caller *c, ch_answer *a, const ch_reply *reply, const ch_reply_now *now,
                 ch_err *e)
{
    const ch_call_rules *r = c->r;
    const ch_call_tool *t = find(r, now->name, now->n_name);
    if (!now->calling)
        return r->shape == CH_CALL_LIST ? release(c, a, TEXT, &r->close, e)
                                        : over(c, a, reply, true, e);
    if (r->shape != CH_CALL_NAMED)
        return begin_arguments(c, a, t, NULL, 0, e);
    /* Where other names begin with this one, it ended with the arguments' first byte. */
    return t != NULL ? begin_arguments(c, a, t, "{", 1, e) : part_name(c, a, now, e);
}

static int text_goes_on(ch_caller *c, ch_answer *a, const ch_reply *reply,
                        const ch_reply_now *now, const ch_event *event, bool reasoning,
                        ch_err *e)
{
    if (now->calling) {
        c->calls = ch_reply_calls(reply);
        return hold(c, a, now, e);
    }
    /* A bare object is a call only where content begins: nothing may come before it. */
    if (*c->r->how.open == 0)
        reasoning = now->reasoning;
    if (!c->due || reasoning || now->undecided)
        return CH_OK;
    return open_call(c, a, reply, event, e);
}

int ch_caller_watch(ch_caller *c, ch_answer *a, const ch_reply *reply, const ch_event *event,
                    bool reasoning, ch_err *e)
{
    if (event->kind != CH_EVENT_BEGIN && event->kind != CH_EVENT_TOKEN)
        return CH_OK;
    if (event->kind == CH_EVENT_BEGIN && c->due)
        ch_answer_no_end(a, true);
    if (event->fed && c->fed > 0) {
        c->fed--;
        return CH_OK;
    }
    const ch_reply_now now = ch_reply_get_now(reply);
    c->done |= c->r->one && ch_reply_calls(reply) > 0;
    if (c->r->shape == CH_CALL_FREE)
        return CH_OK;
    switch (c->stage) {
    case TEXT:
        return text_goes_on(c, a, reply, &now, event, reasoning, e);
    case OPENING:
        return now.calling ? hold(c, a, &now, e) : over(c, a, reply, false, e);
    case NAMING:
        return event->may_end ? named(c, a, reply, &now, e) : CH_OK;
    default:
        return now.calling ? CH_OK : over(c, a, reply, c->stage == ARGUMENTS, e);
    }
}
