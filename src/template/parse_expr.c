/* parse_expr.c - expressions, as Jinja's grammar has them
 *
 *     x if y else z          loosest; then or, and, not
 *     == != < <= > >= in, not in   a chain: a < b < c compares twice
 *     + -    ~    * / // %   **    each from left to right
 *     -x +x
 *     x.name x[item] x[from:to:step] x(arguments)
 *     x|filter(arguments)    x is test(arguments)
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "jinja.h"

ch_node *ch_parse_expression(ch_parser *p)
{
    const ch_word *at = p->w;
    if (!ch_parser_enter(p))
        return NULL;
    ch_node *x = ch_parse_condition(p);
    while (x != NULL && ch_parser_skip(p, "if")) {
        ch_node *cond = ch_parser_node(p, CH_N_COND, at);
        if (cond == NULL)
            return NULL;
        cond->a = x;
        cond->b = ch_parse_condition(p);
        if (cond->b == NULL)
            return NULL;
        if (ch_parser_skip(p, "else") && (cond->c = ch_parse_expression(p)) == NULL)
            return NULL;
        x = cond;
    }
    p->depth--;
    return x;
}

/* ---- Primaries ---- */

/* Elements up to `close`, after its opening; a comma may stand behind the last. */
static bool elements(ch_parser *p, ch_node **first, int close, bool pairs)
{
    for (ch_node **next = first; !ch_parser_skip_op(p, close);) {
        if (*first != NULL) {
            if (!ch_parser_expect_op(p, ','))
                return false;
            if (ch_parser_skip_op(p, close))
                break;
        }
        for (int i = 0; i <= pairs; i++) {
            if (i == 1 && !ch_parser_expect_op(p, ':'))
                return false;
            if ((*next = ch_parse_expression(p)) == NULL)
                return false;
            next = &(*next)->next;
        }
    }
    return true;
}

ch_node *ch_parse_tuple(ch_parser *p, bool cond)
{
    const ch_word *at = p->w;
    ch_node *first = cond ? ch_parse_expression(p) : ch_parse_condition(p);
    if (first == NULL || !ch_parser_is_op(p, ','))
        return first;
    ch_node *tuple = ch_parser_node(p, CH_N_TUPLE, at), *last = first;
    if (tuple == NULL)
        return NULL;
    tuple->list = first;
    while (ch_parser_skip_op(p, ',')) {
        if (ch_parser_is_op(p, ')') || p->w->kind == CH_W_BLOCK_END ||
            p->w->kind == CH_W_PRINT_END)
            break;
        last->next = cond ? ch_parse_expression(p) : ch_parse_condition(p);
        if ((last = last->next) == NULL)
            return NULL;
    }
    return tuple;
}

static ch_node *parentheses(ch_parser *p)
{
    const ch_word *at = p->w++;
    if (ch_parser_skip_op(p, ')'))
        return ch_parser_node(p, CH_N_TUPLE, at);
    ch_node *x = ch_parse_tuple(p, true);
    return x != NULL && ch_parser_expect_op(p, ')') ? x : NULL;
}

/* Strings side by side are one. */
static ch_node *strings(ch_parser *p)
{
    ch_node *x = ch_parser_node(p, CH_N_CONST, p->w);
    if (x == NULL)
        return NULL;
    ch_str s = p->w++->text;
    for (; p->w->kind == CH_W_TEXT; p->w++) {
        char *both = ch_jmem_take(p->mem, s.n + p->w->text.n);
        if (both == NULL)
            return ch_parser_fail(p, p->w, CH_ELIMIT, "strings too long for a template");
        if (s.n > 0)
            memcpy(both, s.p, s.n);
        if (p->w->text.n > 0)
            memcpy(both + s.n, p->w->text.p, p->w->text.n);
        s = (ch_str){both, s.n + p->w->text.n};
    }
    x->value = ch_text(s.p, s.n, false);
    return x;
}

static ch_node *name(ch_parser *p)
{
    static const struct {
        const char *name;
        ch_value value;
    } words[] = {
        {"true", {.kind = CH_V_BOOL, .v.b = true}}, {"false", {.kind = CH_V_BOOL}},
        {"True", {.kind = CH_V_BOOL, .v.b = true}}, {"False", {.kind = CH_V_BOOL}},
        {"none", {.kind = CH_V_NONE}},              {"None", {.kind = CH_V_NONE}},
    };
    ch_node *x = ch_parser_node(p, CH_N_NAME, p->w);
    if (x == NULL)
        return NULL;
    x->name = p->w->text;
    if (p->macros > 0 && (ch_parser_is(p, "varargs") || ch_parser_is(p, "kwargs")))
        return ch_parser_fail(p, p->w, CH_EUNSUPPORTED, "a macro's %.*s is not known here",
                              (int)x->name.n, x->name.p);
    for (size_t i = 0; i < CH_COUNT(words); i++)
        if (ch_parser_is(p, words[i].name)) {
            x->kind = CH_N_CONST;
            x->value = words[i].value;
        }
    p->w++;
    return x;
}

ch_node *ch_parse_primary(ch_parser *p)
{
    const ch_word *at = p->w;
    char shown[64];
    ch_node *x;
    if (at->kind == CH_W_NAME)
        return name(p);
    if (at->kind == CH_W_TEXT)
        return strings(p);
    if (ch_parser_is_op(p, '('))
        return parentheses(p);
    if (ch_parser_is_op(p, '[') || ch_parser_is_op(p, '{')) {
        const bool dict = at->op == '{';
        p->w++;
        x = ch_parser_node(p, dict ? CH_N_DICT : CH_N_LIST, at);
        return x != NULL && elements(p, &x->list, dict ? '}' : ']', dict) ? x : NULL;
    }
    if (at->kind != CH_W_INT && at->kind != CH_W_REAL)
        return ch_parser_fail(p, at, CH_EFORMAT, "found %s where an expression belongs",
                              ch_word_show(shown, sizeof shown, at));
    if ((x = ch_parser_node(p, CH_N_CONST, at)) != NULL)
        x->value = at->kind == CH_W_INT ? ch_value_int(at->i, false) : ch_value_real(at->r, false);
    p->w++;
    return x;
}

/* ---- What follows a primary ---- */

/* Arguments, up to the closing bracket. */
static bool arguments(ch_parser *p, ch_node **first)
{
    bool named = false;
    int n = 0;
    for (ch_node **next = first; !ch_parser_skip_op(p, ')'); next = &(*next)->next, n++) {
        if (n > 0) {
            if (!ch_parser_expect_op(p, ','))
                return false;
            if (ch_parser_skip_op(p, ')'))
                break;
        }
        const ch_word *at = p->w;
        if (ch_parser_is_op(p, '*') || ch_parser_is_op(p, CH_OP_POWER))
            return ch_parser_fail(p, at, CH_EUNSUPPORTED, "* before arguments is not known here");
        if (n == CH_ARGS_MAX)
            return ch_parser_fail(p, at, CH_ELIMIT, "a call with more than %d arguments",
                                  CH_ARGS_MAX);
        if (at->kind == CH_W_NAME && at[1].kind == CH_W_OP && at[1].op == '=') {
            if ((*next = ch_parser_node(p, CH_N_NAMED, at)) == NULL)
                return false;
            (*next)->name = at->text;
            p->w += 2;
            named = true;
            if (((*next)->a = ch_parse_expression(p)) == NULL)
                return false;
        } else if (named) {
            return ch_parser_fail(p, at, CH_EFORMAT, "an argument without name after named ones");
        } else if ((*next = ch_parse_expression(p)) == NULL) {
            return false;
        }
    }
    return true;
}

static ch_node *call(ch_parser *p, ch_node *callee)
{
    ch_node *x = ch_parser_node(p, CH_N_CALL, p->w);
    if (x == NULL || !ch_parser_expect_op(p, '('))
        return NULL;
    x->a = callee;
    return arguments(p, &x->list) ? x : NULL;
}

/* One bound of a slice: there unless ":" or "]" comes. */
static bool bound(ch_parser *p, ch_node **out)
{
    if (ch_parser_is_op(p, ':') || ch_parser_is_op(p, ']') || ch_parser_is_op(p, ','))
        return true;
    *out = ch_parse_expression(p);
    return *out != NULL;
}

static ch_node *subscript(ch_parser *p, ch_node *of)
{
    ch_node *x = ch_parser_node(p, CH_N_ITEM, p->w++);
    if (x == NULL || !bound(p, &x->b))
        return NULL;
    x->a = of;
    if (ch_parser_skip_op(p, ':')) {
        x->kind = CH_N_SLICE;
        if (!bound(p, &x->c) || (ch_parser_skip_op(p, ':') && !bound(p, &x->list)))
            return NULL;
    } else if (x->b == NULL) {
        return ch_parser_fail(p, p->w, CH_EFORMAT, "nothing between [ and ]");
    }
    return ch_parser_expect_op(p, ']') ? x : NULL;
}

static ch_node *attribute(ch_parser *p, ch_node *of)
{
    ch_node *x = ch_parser_node(p, CH_N_ATTR, p->w++);
    if (x == NULL)
        return NULL;
    x->a = of;
    if (p->w->kind == CH_W_NAME) {
        x->name = p->w++->text;
        return x;
    }
    if (p->w->kind != CH_W_INT)
        return ch_parser_fail(p, p->w, CH_EFORMAT, "no name after a dot");
    x->kind = CH_N_ITEM;
    return (x->b = ch_parse_primary(p)) != NULL ? x : NULL;
}

static ch_node *postfix(ch_parser *p, ch_node *x)
{
    for (;;) {
        if (x == NULL)
            return NULL;
        if (ch_parser_is_op(p, '.'))
            x = attribute(p, x);
        else if (ch_parser_is_op(p, '['))
            x = subscript(p, x);
        else if (ch_parser_is_op(p, '('))
            x = call(p, x);
        else
            return x;
    }
}

ch_node *ch_parse_filters(ch_parser *p, ch_node *on)
{
    do {
        ch_node *x = ch_parser_node(p, CH_N_FILTER, p->w);
        if (x == NULL)
            return NULL;
        if (p->w->kind != CH_W_NAME)
            return ch_parser_fail(p, p->w, CH_EFORMAT, "no filter's name after |");
        x->a = on;
        x->name = p->w++->text;
        x->builtin = ch_builtin_filter(x->name);
        if (ch_parser_skip_op(p, '(') && !arguments(p, &x->list))
            return NULL;
        on = x;
    } while (ch_parser_skip_op(p, '|'));
    return on;
}

/* After `is`: an argument without brackets is a primary. */
static ch_node *test(ch_parser *p, ch_node *on)
{
    const ch_word *at = p->w;
    const bool negated = ch_parser_skip(p, "not");
    ch_node *x = ch_parser_node(p, CH_N_TEST, at);
    if (x == NULL)
        return NULL;
    if (p->w->kind != CH_W_NAME)
        return ch_parser_fail(p, p->w, CH_EFORMAT, "no test's name after is");
    x->a = on;
    x->name = p->w++->text;
    x->builtin = ch_builtin_test(x->name);
    const ch_word *w = p->w;
    const bool starts = w->kind == CH_W_TEXT || w->kind == CH_W_INT || w->kind == CH_W_REAL ||
                        ch_parser_is_op(p, '[') || ch_parser_is_op(p, '{') ||
                        (w->kind == CH_W_NAME && !ch_parser_is(p, "else") &&
                         !ch_parser_is(p, "or") && !ch_parser_is(p, "and"));
    if (ch_parser_skip_op(p, '(')) {
        if (!arguments(p, &x->list))
            return NULL;
    } else if (starts) {
        if (ch_parser_is(p, "is"))
            return ch_parser_fail(p, w, CH_EFORMAT, "one test after another with is");
        if ((x->list = postfix(p, ch_parse_primary(p))) == NULL)
            return NULL;
    }
    if (!negated)
        return x;
    ch_node *not = ch_parser_node(p, CH_N_NOT, at);
    if (not != NULL)
        not->a = x;
    return not;
}

static ch_node *filtered(ch_parser *p, ch_node *x)
{
    for (;;) {
        if (x == NULL)
            return NULL;
        if (ch_parser_skip_op(p, '|'))
            x = ch_parse_filters(p, x);
        else if (ch_parser_skip(p, "is"))
            x = test(p, x);
        else if (ch_parser_is_op(p, '('))
            x = call(p, x);
        else
            return x;
    }
}

static ch_node *sign(ch_parser *p, bool filters)
{
    ch_node *x;
    if (ch_parser_is_op(p, '-') || ch_parser_is_op(p, '+')) {
        if (!ch_parser_enter(p))
            return NULL;
        x = ch_parser_node(p, CH_N_SIGN, p->w);
        if (x == NULL)
            return NULL;
        x->op = p->w++->op;
        if ((x->a = sign(p, false)) == NULL)
            return NULL;
        p->depth--;
    } else {
        x = ch_parse_primary(p);
    }
    x = postfix(p, x);
    return filters ? filtered(p, x) : x;
}

/* ---- Operators ---- */

enum { POWER_LEVEL = 3 };

/* From loose to tight; all go from left to right, the power too. */
static bool at_level(const ch_parser *p, int level)
{
    static const uint8_t ops[][5] = {
        {'+', '-'}, {'~'}, {'*', '/', CH_OP_FLOOR, '%'}, {CH_OP_POWER}};
    for (int i = 0; i < 5 && ops[level][i] != 0; i++)
        if (ch_parser_is_op(p, ops[level][i]))
            return true;
    return false;
}

static ch_node *binary(ch_parser *p, int level)
{
    if (level > POWER_LEVEL)
        return sign(p, true);
    ch_node *x = binary(p, level + 1);
    while (x != NULL && at_level(p, level)) {
        ch_node *op = ch_parser_node(p, CH_N_BINARY, p->w);
        if (op == NULL)
            return NULL;
        op->op = p->w++->op;
        op->a = x;
        op->b = binary(p, level + 1);
        x = op->b != NULL ? op : NULL;
    }
    return x;
}

/* The comparison that stands here; 0: none. */
static int comparison(ch_parser *p)
{
    const ch_word *w = p->w;
    if (w->kind == CH_W_OP && (w->op == CH_OP_EQ || w->op == CH_OP_NE || w->op == CH_OP_LE ||
                               w->op == CH_OP_GE || w->op == '<' || w->op == '>')) {
        p->w++;
        return w->op;
    }
    if (ch_parser_skip(p, "in"))
        return CH_OP_IN;
    if (!ch_parser_is(p, "not") || w[1].kind != CH_W_NAME || w[1].text.n != 2 ||
        memcmp(w[1].text.p, "in", 2) != 0)
        return 0;
    p->w += 2;
    return CH_OP_NOT_IN;
}

static ch_node *compare(ch_parser *p)
{
    const ch_word *at = p->w;
    ch_node *x = binary(p, 0), *chain = NULL, **next = NULL;
    for (int op; x != NULL && (op = comparison(p)) != 0;) {
        if (chain == NULL) {
            if ((chain = ch_parser_node(p, CH_N_COMPARE, at)) == NULL)
                return NULL;
            chain->a = x;
            next = &chain->list;
        }
        ch_node *operand = ch_parser_node(p, CH_N_OPERAND, p->w);
        if (operand == NULL || (operand->a = binary(p, 0)) == NULL)
            return NULL;
        operand->op = (uint8_t)op;
        *next = operand;
        next = &operand->next;
        x = chain;
    }
    return x;
}

static ch_node *negation(ch_parser *p)
{
    const ch_word *at = p->w;
    if (!ch_parser_skip(p, "not"))
        return compare(p);
    ch_node *x = ch_parser_enter(p) ? ch_parser_node(p, CH_N_NOT, at) : NULL;
    if (x == NULL || (x->a = negation(p)) == NULL)
        return NULL;
    p->depth--;
    return x;
}

/* and within or */
static ch_node *logic(ch_parser *p, bool or)
{
    ch_node *x = or ? logic(p, false) : negation(p);
    while (x != NULL && ch_parser_is(p, or ? "or" : "and")) {
        ch_node *both = ch_parser_node(p, or ? CH_N_OR : CH_N_AND, p->w++);
        if (both == NULL)
            return NULL;
        both->a = x;
        both->b = or ? logic(p, false) : negation(p);
        x = both->b != NULL ? both : NULL;
    }
    return x;
}

ch_node *ch_parse_condition(ch_parser *p)
{
    return logic(p, true);
}
