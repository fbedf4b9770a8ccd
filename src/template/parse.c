/* parse.c - statements: what stands between {% and %}, and the text around it
 *
 *     if elif else endif    for .. in .. if .. else endfor, break, continue
 *     set x = .., set x .. endset    macro, call, filter, with    generation (only marks its body)
 *
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "jinja.h"

enum { DEEPEST = 200 }; /* constructs in one another */

/* ---- What the parser does all the time ---- */

void *ch_parser_fail(ch_parser *p, const ch_word *at, int code, const char *fmt, ...)
{
    char text[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ch_fail(p->e, code, "%s:%d:%d: %s", p->name, at->line, at->column, text);
    return NULL;
}

ch_node *ch_parser_node(ch_parser *p, ch_node_kind kind, const ch_word *at)
{
    ch_node *x = ch_jmem_take(p->mem, sizeof *x);
    if (x == NULL)
        return ch_parser_fail(p, at, CH_ELIMIT, "a template too large");
    x->kind = (uint8_t)kind;
    x->line = at->line;
    x->column = at->column;
    return x;
}

bool ch_parser_enter(ch_parser *p)
{
    if (p->depth >= DEEPEST) {
        ch_parser_fail(p, p->w, CH_ELIMIT, "more than %d constructs in one another", DEEPEST);
        return false;
    }
    p->depth++;
    return true;
}

bool ch_parser_is(const ch_parser *p, const char *name)
{
    const size_t n = strlen(name);
    return p->w->kind == CH_W_NAME && p->w->text.n == n && memcmp(p->w->text.p, name, n) == 0;
}

bool ch_parser_is_op(const ch_parser *p, int op)
{
    return p->w->kind == CH_W_OP && p->w->op == op;
}

bool ch_parser_skip(ch_parser *p, const char *name)
{
    const bool is = ch_parser_is(p, name);
    p->w += is;
    return is;
}

bool ch_parser_skip_op(ch_parser *p, int op)
{
    const bool is = ch_parser_is_op(p, op);
    p->w += is;
    return is;
}

const char *ch_word_show(char *out, size_t size, const ch_word *w)
{
    static const char *const ends[] = {
        [CH_W_END] = "the end of the template", [CH_W_DATA] = "text", [CH_W_PRINT] = "{{",
        [CH_W_PRINT_END] = "}}", [CH_W_BLOCK] = "{%", [CH_W_BLOCK_END] = "%}",
    };
    if (w->kind <= CH_W_BLOCK_END)
        snprintf(out, size, "%s", ends[w->kind]);
    else
        snprintf(out, size, "\"%.*s\"", (int)CH_MIN(w->text.n, (size_t)40), w->text.p);
    return out;
}

bool ch_parser_expect_op(ch_parser *p, int op)
{
    char shown[64];
    if (ch_parser_skip_op(p, op))
        return true;
    return ch_parser_fail(p, p->w, CH_EFORMAT, "found %s where %c belongs",
                          ch_word_show(shown, sizeof shown, p->w), op);
}

static bool expect(ch_parser *p, ch_word_kind kind, const char *what)
{
    char shown[64];
    if (p->w->kind == kind) {
        p->w++;
        return true;
    }
    return ch_parser_fail(p, p->w, CH_EFORMAT, "found %s where %s belongs",
                          ch_word_show(shown, sizeof shown, p->w), what);
}

static bool block_end(ch_parser *p)
{
    return expect(p, CH_W_BLOCK_END, "%}");
}

/* ---- Bodies ---- */

static bool body(ch_parser *p, ch_node **first, const ch_word *start, const char *const *ends);

/* After a tag: its body, and the tag that ends it, "%}" included. */
static bool body_to(ch_parser *p, ch_node **first, const ch_word *start, const char *end)
{
    const char *const ends[] = {end, NULL};
    if (!block_end(p) || !body(p, first, start, ends))
        return false;
    p->w++;
    return block_end(p);
}

/* The same where the loops around do not count: the body is run from elsewhere. */
static bool body_apart(ch_parser *p, ch_node **first, const ch_word *start, const char *end)
{
    const int loops = p->loops;
    p->loops = 0;
    const bool ok = body_to(p, first, start, end);
    p->loops = loops;
    return ok;
}

/* Of a macro, or of what a call hands to one. */
static bool macro_body(ch_parser *p, ch_node **first, const ch_word *start, const char *end)
{
    p->macros++;
    const bool ok = body_apart(p, first, start, end);
    p->macros--;
    return ok;
}

/* What is assigned to: a name, or several with commas. */
static ch_node *target(ch_parser *p)
{
    const ch_word *at = p->w;
    const bool brackets = ch_parser_skip_op(p, '(');
    ch_node *first = NULL, **next = &first;
    do {
        if (first != NULL && p->w->kind != CH_W_NAME)
            break; /* a comma behind the last */
        if ((*next = ch_parser_node(p, CH_N_NAME, p->w)) == NULL)
            return NULL;
        (*next)->name = p->w->text;
        if (!expect(p, CH_W_NAME, "a name"))
            return NULL;
        next = &(*next)->next;
    } while (ch_parser_skip_op(p, ','));
    if (brackets && !ch_parser_expect_op(p, ')'))
        return NULL;
    if (first->next == NULL && p->w[-1].op != ',')
        return first;
    ch_node *tuple = ch_parser_node(p, CH_N_TUPLE, at);
    if (tuple != NULL)
        tuple->list = first;
    return tuple;
}

/* ---- Statements; each begins after its name ---- */

static ch_node *if_statement(ch_parser *p, const ch_word *at)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    ch_node *x = ch_parser_node(p, CH_N_IF, at), **next;
    if (x == NULL)
        return NULL;
    next = &x->list;
    for (bool last = false;;) {
        ch_node *branch = *next = ch_parser_node(p, CH_N_BRANCH, p->w);
        if (branch == NULL || (!last && (branch->a = ch_parse_tuple(p, false)) == NULL))
            return NULL;
        if (!block_end(p) || !body(p, &branch->list, at, last ? &ends[2] : ends))
            return NULL;
        next = &branch->next;
        if (ch_parser_skip(p, "endif"))
            return block_end(p) ? x : NULL;
        last = ch_parser_is(p, "else");
        p->w++;
    }
}

static ch_node *for_statement(ch_parser *p, const ch_word *at)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    ch_node *x = ch_parser_node(p, CH_N_FOR, at);
    if (x == NULL || (x->a = target(p)) == NULL)
        return NULL;
    if (!ch_parser_skip(p, "in"))
        return ch_parser_fail(p, p->w, CH_EFORMAT, "a loop without in");
    if ((x->b = ch_parse_tuple(p, false)) == NULL)
        return NULL;
    if (ch_parser_skip(p, "if") && (x->c = ch_parse_expression(p)) == NULL)
        return NULL;
    if (ch_parser_is(p, "recursive"))
        return ch_parser_fail(p, p->w, CH_EUNSUPPORTED, "recursive loops are not known here");
    p->loops++;
    bool ok = block_end(p) && body(p, &x->list, at, ends);
    p->loops--;
    if (ok && ch_parser_skip(p, "else"))
        ok = block_end(p) && body(p, &x->more, at, &ends[1]);
    if (!ok)
        return NULL;
    p->w++;
    return block_end(p) ? x : NULL;
}

static ch_node *set_statement(ch_parser *p, const ch_word *at)
{
    ch_node *x = ch_parser_node(p, CH_N_SET, at);
    if (x == NULL)
        return NULL;
    if (p->w->kind == CH_W_NAME && p->w[1].kind == CH_W_OP && p->w[1].op == '.') {
        ch_node *attr = x->a = ch_parser_node(p, CH_N_ATTR, p->w);
        if (attr == NULL || (attr->a = ch_parse_primary(p)) == NULL)
            return NULL;
        p->w++;
        attr->name = p->w->text;
        if (!expect(p, CH_W_NAME, "a name"))
            return NULL;
    } else if ((x->a = target(p)) == NULL) {
        return NULL;
    }
    if (ch_parser_skip_op(p, '='))
        return (x->b = ch_parse_tuple(p, true)) != NULL && block_end(p) ? x : NULL;
    x->kind = CH_N_SET_BLOCK;
    if (ch_parser_skip_op(p, '|')) {
        ch_node *held = ch_parser_node(p, CH_N_HELD, at);
        if (held == NULL || (x->b = ch_parse_filters(p, held)) == NULL)
            return NULL;
    }
    return body_apart(p, &x->list, at, "endset") ? x : NULL;
}

/* (a, b=1), behind the opening bracket. */
static bool parameters(ch_parser *p, ch_node **first)
{
    int n = 0;
    for (ch_node **next = first; !ch_parser_skip_op(p, ')'); next = &(*next)->next, n++) {
        if (n > 0 && !ch_parser_expect_op(p, ','))
            return false;
        if (n > 0 && ch_parser_skip_op(p, ')'))
            break;
        if (n == CH_ARGS_MAX)
            return ch_parser_fail(p, p->w, CH_ELIMIT, "a macro with more than %d parameters",
                                  CH_ARGS_MAX);
        if ((*next = ch_parser_node(p, CH_N_PARAMETER, p->w)) == NULL)
            return false;
        (*next)->name = p->w->text;
        if (!expect(p, CH_W_NAME, "a parameter's name"))
            return false;
        if (ch_parser_skip_op(p, '=') && ((*next)->a = ch_parse_expression(p)) == NULL)
            return false;
    }
    return true;
}

static ch_node *macro_statement(ch_parser *p, const ch_word *at)
{
    ch_node *x = ch_parser_node(p, CH_N_MACRO, at);
    if (x == NULL)
        return NULL;
    x->name = p->w->text;
    return expect(p, CH_W_NAME, "a macro's name") && ch_parser_expect_op(p, '(') &&
                   parameters(p, &x->more) && macro_body(p, &x->list, at, "endmacro")
               ? x
               : NULL;
}

static ch_node *call_statement(ch_parser *p, const ch_word *at)
{
    ch_node *x = ch_parser_node(p, CH_N_CALL_BLOCK, at);
    if (x == NULL || (ch_parser_skip_op(p, '(') && !parameters(p, &x->more)))
        return NULL;
    const ch_word *call = p->w;
    if ((x->a = ch_parse_condition(p)) == NULL)
        return NULL;
    if (x->a->kind != CH_N_CALL)
        return ch_parser_fail(p, call, CH_EFORMAT, "found no call after {%% call");
    return macro_body(p, &x->list, at, "endcall") ? x : NULL;
}

static ch_node *filter_statement(ch_parser *p, const ch_word *at)
{
    ch_node *x = ch_parser_node(p, CH_N_FILTER_BLOCK, at);
    ch_node *held = ch_parser_node(p, CH_N_HELD, at);
    if (x == NULL || held == NULL || (x->b = ch_parse_filters(p, held)) == NULL)
        return NULL;
    return body_apart(p, &x->list, at, "endfilter") ? x : NULL;
}

static ch_node *with_statement(ch_parser *p, const ch_word *at)
{
    ch_node *x = ch_parser_node(p, CH_N_WITH, at);
    if (x == NULL)
        return NULL;
    for (ch_node **next = &x->more; p->w->kind != CH_W_BLOCK_END; next = &(*next)->next) {
        if (x->more != NULL && !ch_parser_expect_op(p, ','))
            return NULL;
        if ((*next = ch_parser_node(p, CH_N_SET, p->w)) == NULL ||
            ((*next)->a = ch_parser_node(p, CH_N_NAME, p->w)) == NULL)
            return NULL;
        (*next)->a->name = p->w->text;
        if (!expect(p, CH_W_NAME, "a name") || !ch_parser_expect_op(p, '=') ||
            ((*next)->b = ch_parse_expression(p)) == NULL)
            return NULL;
    }
    return body_to(p, &x->list, at, "endwith") ? x : NULL;
}

/* transformers' mark of what the model itself writes: a block with a scope of its own. */
static ch_node *generation_statement(ch_parser *p, const ch_word *at)
{
    ch_node *x = ch_parser_node(p, CH_N_WITH, at);
    return x != NULL && body_apart(p, &x->list, at, "endgeneration") ? x : NULL;
}

static ch_node *leave(ch_parser *p, const ch_word *at, ch_node_kind kind)
{
    if (p->loops == 0)
        return ch_parser_fail(p, at, CH_EFORMAT, "%.*s outside of a loop", (int)at->text.n,
                              at->text.p);
    ch_node *x = ch_parser_node(p, kind, at);
    return x != NULL && block_end(p) ? x : NULL;
}

static ch_node *break_statement(ch_parser *p, const ch_word *at)
{
    return leave(p, at, CH_N_BREAK);
}

static ch_node *continue_statement(ch_parser *p, const ch_word *at)
{
    return leave(p, at, CH_N_CONTINUE);
}

static ch_node *statement(ch_parser *p)
{
    static const struct {
        const char *name;
        ch_node *(*parse)(ch_parser *p, const ch_word *at);
    } all[] = {
        {"if", if_statement},         {"for", for_statement},
        {"set", set_statement},       {"macro", macro_statement},
        {"call", call_statement},     {"filter", filter_statement},
        {"with", with_statement},     {"generation", generation_statement},
        {"break", break_statement},   {"continue", continue_statement},
    };
    static const char *const known[] = {"block", "extends", "include", "import", "from",
                                        "autoescape", "do", "trans", "debug"};
    const ch_word *at = p->w;
    char shown[64];
    for (size_t i = 0; i < CH_COUNT(all); i++)
        if (ch_parser_skip(p, all[i].name))
            return all[i].parse(p, at);
    for (size_t i = 0; i < CH_COUNT(known); i++)
        if (ch_parser_is(p, known[i]))
            return ch_parser_fail(p, at, CH_EUNSUPPORTED, "{%% %s %%} is not known here",
                                  known[i]);
    return ch_parser_fail(p, at, CH_EFORMAT, "found %s where a statement's name belongs",
                          ch_word_show(shown, sizeof shown, at));
}

/* ---- Text, prints, statements ---- */

static ch_node *print(ch_parser *p)
{
    ch_node *x = ch_parser_node(p, CH_N_PRINT, p->w++);
    return x != NULL && (x->a = ch_parse_tuple(p, true)) != NULL && expect(p, CH_W_PRINT_END, "}}")
               ? x
               : NULL;
}

static ch_node *text(ch_parser *p)
{
    ch_node *x = ch_parser_node(p, CH_N_TEXT, p->w);
    if (x != NULL)
        x->value = ch_text(p->w->text.p, p->w->text.n, false);
    p->w++;
    return x;
}

/* Up to a block that begins with one of `ends` (NULL: the end of the template); p->w is then its
 * name.  start: what is open. */
static bool body(ch_parser *p, ch_node **first, const ch_word *start, const char *const *ends)
{
    if (!ch_parser_enter(p))
        return false;
    for (ch_node **next = first;; next = &(*next)->next) {
        const ch_word_kind kind = p->w->kind;
        if (kind == CH_W_END) {
            if (ends == NULL)
                break;
            return ch_parser_fail(p, start, CH_EFORMAT, "{%% %.*s %%} without its end",
                                  (int)start->text.n, start->text.p);
        }
        if (kind == CH_W_BLOCK) {
            p->w++;
            bool end = false;
            for (int i = 0; ends != NULL && ends[i] != NULL && !end; i++)
                end = ch_parser_is(p, ends[i]);
            if (end)
                break;
        }
        *next = kind == CH_W_DATA ? text(p) : kind == CH_W_PRINT ? print(p) : statement(p);
        if (*next == NULL)
            return false;
    }
    p->depth--;
    return true;
}

bool ch_parse_template(ch_parser *p, ch_node **first)
{
    return body(p, first, p->w, NULL);
}
