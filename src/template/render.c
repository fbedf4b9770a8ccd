/* render.c - statements: what they write, what they set
 *
 * SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>

#include "jinja.h"

/* ---- Limits and messages ---- */

int ch_jinja_fail(ch_jinja *j, int code, const char *fmt, ...)
{
    char text[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return ch_fail(j->e, code, "%s:%d:%d: %s", j->t->name, j->at->line, j->at->column, text);
}

int ch_jinja_starve(ch_jinja *j)
{
    return ch_jinja_fail(j, CH_ELIMIT, "more memory than the allowed %zu bytes", j->mem.limit);
}

int ch_jinja_step(ch_jinja *j, size_t bytes)
{
    j->steps += 1 + bytes / 64;
    if (j->steps > j->most_steps)
        return ch_jinja_fail(j, CH_ELIMIT, "more than the allowed %llu steps",
                             (unsigned long long)j->most_steps);
    return CH_OK;
}

int ch_jinja_enter(ch_jinja *j)
{
    int rc = ch_jinja_step(j, 0);
    if (rc < 0)
        return rc;
    if (j->depth >= j->most_depth)
        return ch_jinja_fail(j, CH_ELIMIT, "more than the allowed %d levels in one another",
                             j->most_depth);
    j->depth++;
    return CH_OK;
}

/* ---- Statements ---- */

static int print(ch_jinja *j, const ch_node *n)
{
    ch_value v;
    int rc = ch_express(j, &v, n->a);
    j->at = n->a;
    return rc < 0 ? rc : ch_value_show(j, j->out, &v, false);
}

static int branch(ch_jinja *j, const ch_node *n)
{
    for (const ch_node *x = n->list; x != NULL; x = x->next) {
        ch_value test = ch_value_bool(true);
        int rc = x->a != NULL ? ch_express(j, &test, x->a) : CH_OK;
        if (rc < 0)
            return rc;
        if (ch_value_true(&test))
            return ch_render(j, x->list);
    }
    return CH_OK;
}

/* Those of all for which the condition holds, each in a scope of its own. */
static int chosen(ch_jinja *j, const ch_vlist **out, const ch_node *n, const ch_vlist *all)
{
    ch_scope *outer = j->scope;
    ch_value kept, test;
    int rc = ch_value_list(j, &kept, CH_V_LIST, 0, false);
    for (size_t i = 0; i < all->n && rc == CH_OK; i++) {
        if ((rc = ch_scope_open(j, outer)) < 0 ||
            (rc = ch_scope_assign(j, n->a, &all->at[i])) < 0 ||
            (rc = ch_express(j, &test, n->c)) < 0)
            break;
        if (ch_value_true(&test))
            rc = ch_value_append(j, kept.v.list, &all->at[i]);
    }
    j->scope = outer;
    if (rc == CH_OK)
        *out = kept.v.list;
    return rc;
}

static int turns(ch_jinja *j, const ch_node *n, ch_vloop *l)
{
    static const ch_str own = {"loop", 4};
    ch_scope *outer = j->scope;
    const ch_value loop = {.kind = CH_V_LOOP, .v.loop = l};
    int rc = CH_OK;
    for (l->index = 0; l->index < l->over->n && rc == CH_OK; l->index++) {
        if ((rc = ch_scope_open(j, outer)) < 0 || (rc = ch_scope_set(j, own, &loop)) < 0 ||
            (rc = ch_scope_assign(j, n->a, &l->over->at[l->index])) < 0)
            break;
        rc = ch_render(j, n->list);
        const bool stop = j->flow == CH_FLOW_BREAK;
        j->flow = CH_FLOW_ON;
        if (stop)
            break;
    }
    j->scope = outer;
    return rc;
}

static int loop(ch_jinja *j, const ch_node *n)
{
    ch_value over;
    const ch_vlist *all;
    int rc = ch_express(j, &over, n->b);
    if (rc < 0)
        return rc;
    j->at = n;
    rc = ch_value_items(j, &all, &over);
    if (rc == CH_OK && n->c != NULL)
        rc = chosen(j, &all, n, all);
    if (rc < 0)
        return rc;
    if (all->n == 0)
        return ch_render(j, n->more);
    ch_vloop *l = ch_jmem_take(&j->mem, sizeof *l);
    ch_vlist *own = ch_jmem_take(&j->mem, sizeof *own);
    if (l == NULL || own == NULL)
        return ch_jinja_starve(j);
    *own = *all; /* the list may grow meanwhile */
    *l = (ch_vloop){.over = own};
    return turns(j, n, l);
}

int ch_render_text(ch_jinja *j, ch_value *out, const ch_node *first)
{
    ch_jout o = {0}, *outer = j->out;
    j->out = &o;
    int rc = ch_render(j, first);
    j->out = outer;
    return rc < 0 ? rc : ch_jout_end(out, &o);
}

/* The text of a body, through the filters of n->b. */
static int held(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_scope *outer = j->scope;
    int rc = ch_scope_open(j, outer);
    if (rc == CH_OK)
        rc = ch_render_text(j, out, n->list);
    j->scope = outer;
    if (rc < 0 || n->b == NULL)
        return rc;
    const ch_value before = j->held;
    j->held = *out;
    rc = ch_express(j, out, n->b);
    j->held = before;
    return rc;
}

static int set(ch_jinja *j, const ch_node *n)
{
    ch_value v;
    int rc = n->kind == CH_N_SET ? ch_express(j, &v, n->b) : held(j, &v, n);
    j->at = n;
    return rc < 0 ? rc : ch_scope_assign(j, n->a, &v);
}

static int filtered(ch_jinja *j, const ch_node *n)
{
    ch_value v;
    int rc = held(j, &v, n);
    return rc < 0 ? rc : ch_value_show(j, j->out, &v, false);
}

static int macro(ch_jinja *j, ch_value *out, const ch_node *n)
{
    ch_vmacro *m = ch_jmem_take(&j->mem, sizeof *m);
    if (m == NULL)
        return ch_jinja_starve(j);
    *m = (ch_vmacro){n, j->scope};
    *out = (ch_value){.kind = CH_V_MACRO, .v.macro = m};
    return CH_OK;
}

static int define(ch_jinja *j, const ch_node *n)
{
    ch_value v;
    int rc = macro(j, &v, n);
    return rc < 0 ? rc : ch_scope_set(j, n->name, &v);
}

/* The call gets the body as the macro `caller`. */
static int call_block(ch_jinja *j, const ch_node *n)
{
    ch_value callee, v;
    ch_args a;
    int rc = ch_express(j, &callee, n->a->a);
    if (rc == CH_OK)
        rc = ch_args_read(j, &a, n->a->list);
    j->at = n;
    if (rc == CH_OK && a.n == CH_ARGS_MAX)
        return ch_jinja_fail(j, CH_ELIMIT, "a call with more than %d arguments", CH_ARGS_MAX - 1);
    if (rc == CH_OK)
        rc = macro(j, &a.at[a.n], n);
    if (rc < 0)
        return rc;
    a.name[a.n++] = (ch_str){"caller", 6};
    rc = ch_call(j, &v, &callee, &a);
    return rc < 0 ? rc : ch_value_show(j, j->out, &v, false);
}

static int with(ch_jinja *j, const ch_node *n)
{
    ch_scope *outer = j->scope, *inner;
    ch_value v;
    int rc = ch_scope_open(j, outer);
    inner = j->scope;
    for (const ch_node *x = n->more; x != NULL && rc == CH_OK; x = x->next) {
        j->scope = outer; /* values are those from before the block */
        rc = ch_express(j, &v, x->b);
        j->scope = inner;
        if (rc == CH_OK)
            rc = ch_scope_assign(j, x->a, &v);
    }
    if (rc == CH_OK)
        rc = ch_render(j, n->list);
    j->scope = outer;
    return rc;
}

static int statement(ch_jinja *j, const ch_node *n)
{
    switch ((ch_node_kind)n->kind) {
    case CH_N_TEXT: ch_jout_text(j, j->out, &n->value); return j->out->rc;
    case CH_N_PRINT: return print(j, n);
    case CH_N_IF: return branch(j, n);
    case CH_N_FOR: return loop(j, n);
    case CH_N_SET:
    case CH_N_SET_BLOCK: return set(j, n);
    case CH_N_MACRO: return define(j, n);
    case CH_N_CALL_BLOCK: return call_block(j, n);
    case CH_N_FILTER_BLOCK: return filtered(j, n);
    case CH_N_WITH: return with(j, n);
    case CH_N_BREAK: j->flow = CH_FLOW_BREAK; return CH_OK;
    default: j->flow = CH_FLOW_CONTINUE; return CH_OK;
    }
}

int ch_render(ch_jinja *j, const ch_node *first)
{
    for (const ch_node *n = first; n != NULL && j->flow == CH_FLOW_ON; n = n->next) {
        j->at = n;
        int rc = ch_jinja_enter(j);
        if (rc == CH_OK) {
            rc = statement(j, n);
            j->depth--;
        }
        if (rc < 0)
            return rc;
    }
    return CH_OK;
}
