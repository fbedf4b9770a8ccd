/* nfa.c - rules under construction: states, arcs, repetition by copies
 *
 * The states of a piece lie side by side, so a copy is one shifted by a constant.
 * SPDX-License-Identifier: MIT */
#include "automaton.h"

#include <stdlib.h>
#include <string.h>

void ch_nfa_init(ch_nfa *n, ch_err *e) { *n = (ch_nfa){.e = e}; }

void ch_nfa_close(ch_nfa *n)
{
    for (size_t i = 0; i < n->n_rules; i++)
        free(n->rule[i].name);
    free(n->first);
    free(n->arc);
    free(n->rule);
    *n = (ch_nfa){0};
}

int ch_nfa_fail(ch_nfa *n, int code, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n->rc == CH_OK)
        n->rc = ch_fail(n->e, code, "%s", text);
    return n->rc;
}

static int too_large(ch_nfa *n)
{
    return ch_nfa_fail(n, CH_ELIMIT, "the grammar needs more than %d states; smaller bounds of "
                                     "repetition make it smaller",
                       CH_MOST_STATES);
}

uint32_t ch_nfa_state(ch_nfa *n)
{
    if (n->rc == CH_OK && n->n_states >= CH_MOST_STATES)
        too_large(n);
    if (n->rc == CH_OK &&
        !ch_array_room(&n->first, &n->states_cap, n->n_states + 1, sizeof *n->first))
        ch_nfa_fail(n, CH_ENOMEM, "no memory for a grammar of %zu states", n->n_states);
    if (n->rc < 0)
        return 0;
    n->first[n->n_states] = 0;
    return (uint32_t)n->n_states++;
}

static void add(ch_nfa *n, uint32_t from, ch_arc arc)
{
    if (n->rc == CH_OK && n->n_arcs >= 8 * (size_t)CH_MOST_STATES)
        too_large(n);
    if (n->rc == CH_OK && !ch_array_room(&n->arc, &n->arcs_cap, n->n_arcs + 1, sizeof *n->arc))
        ch_nfa_fail(n, CH_ENOMEM, "no memory for a grammar of %zu arcs", n->n_arcs);
    if (n->rc < 0)
        return;
    arc.next = n->first[from];
    n->arc[n->n_arcs++] = arc;
    n->first[from] = (uint32_t)n->n_arcs;
}

void ch_nfa_empty(ch_nfa *n, uint32_t from, uint32_t to)
{
    add(n, from, (ch_arc){.kind = CH_ARC_EMPTY, .to = to});
}

void ch_nfa_bytes(ch_nfa *n, uint32_t from, uint32_t to, int lo, int hi)
{
    add(n, from, (ch_arc){.kind = CH_ARC_BYTES, .to = to, .lo = (uint8_t)lo, .hi = (uint8_t)hi});
}

void ch_nfa_call(ch_nfa *n, uint32_t from, uint32_t to, uint32_t rule)
{
    add(n, from, (ch_arc){.kind = CH_ARC_CALL, .to = to, .rule = rule});
}

uint32_t ch_nfa_text(ch_nfa *n, uint32_t from, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const uint32_t to = ch_nfa_state(n);
        ch_nfa_bytes(n, from, to, (uint8_t)text[i], (uint8_t)text[i]);
        from = to;
    }
    return from;
}

void ch_nfa_text_to(ch_nfa *n, uint32_t from, uint32_t to, const char *text, size_t size)
{
    ch_nfa_empty(n, ch_nfa_text(n, from, text, size), to);
}

/* ---- Rules ----------------------------------------------------------------------------------- */

uint32_t ch_nfa_rule_new(ch_nfa *n, const char *name, size_t size)
{
    if (n->rc == CH_OK && !ch_array_room(&n->rule, &n->rules_cap, n->n_rules + 1, sizeof *n->rule))
        ch_nfa_fail(n, CH_ENOMEM, "no memory for a grammar of %zu rules", n->n_rules);
    char *copy = n->rc == CH_OK ? strndup(name, size) : NULL;
    if (!copy) {
        ch_nfa_fail(n, CH_ENOMEM, "no memory for the name of a rule");
        return 0;
    }
    n->rule[n->n_rules] = (ch_nfa_rule){.name = copy};
    return (uint32_t)n->n_rules++;
}

void ch_nfa_rule_begin(ch_nfa *n, uint32_t rule)
{
    const uint32_t start = ch_nfa_state(n), end = ch_nfa_state(n);
    if (n->rc == CH_OK) {
        ch_nfa_rule *r = &n->rule[rule];
        r->start = r->from = start;
        r->end = end;
        r->made = true;
    }
}

void ch_nfa_rule_end(ch_nfa *n, uint32_t rule)
{
    if (n->rc == CH_OK)
        n->rule[rule].upto = (uint32_t)n->n_states;
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

ch_piece ch_nfa_piece(ch_nfa *n)
{
    ch_piece p = {.from = (uint32_t)n->n_states};
    p.in = ch_nfa_state(n);
    p.out = ch_nfa_state(n);
    p.upto = (uint32_t)n->n_states;
    return p;
}

void ch_nfa_piece_end(ch_nfa *n, ch_piece *p) { p->upto = (uint32_t)n->n_states; }

static void copy(ch_nfa *n, const ch_piece *p)
{
    const uint32_t shift = (uint32_t)n->n_states - p->from;
    for (uint32_t s = p->from; s < p->upto; s++)
        ch_nfa_state(n);
    for (uint32_t s = p->from; s < p->upto && n->rc == CH_OK; s++)
        for (uint32_t i = n->first[s]; i && n->rc == CH_OK; i = n->arc[i - 1].next) {
            ch_arc arc = n->arc[i - 1];
            arc.to += shift;
            add(n, s + shift, arc);
        }
}

ch_piece ch_nfa_repeat(ch_nfa *n, ch_piece p, int64_t least, int64_t most)
{
    const int64_t copies = most == CH_UNBOUNDED ? CH_MAX(least, 1) : most;
    const int64_t size = p.upto - p.from;
    if (n->rc == CH_OK && (copies > CH_MOST_STATES || copies * size > CH_MOST_STATES))
        too_large(n);
    ch_piece whole = {.from = p.from};
    const uint32_t first = (uint32_t)n->n_states - p.from; /* how far the first copy is */
    for (int64_t i = 1; i < copies && n->rc == CH_OK; i++) /* before the piece is connected */
        copy(n, &p);
    whole.in = ch_nfa_state(n);
    whole.out = ch_nfa_state(n);
    uint32_t at = whole.in;
    for (int64_t i = 0; i < copies && n->rc == CH_OK; i++) {
        const uint32_t by = i == 0 ? 0 : first + (uint32_t)((i - 1) * size);
        if (i >= least)
            ch_nfa_empty(n, at, whole.out);
        ch_nfa_empty(n, at, p.in + by);
        at = p.out + by;
        if (most == CH_UNBOUNDED && i == copies - 1)
            ch_nfa_empty(n, at, p.in + by);
    }
    ch_nfa_empty(n, at, whole.out);
    ch_nfa_piece_end(n, &whole);
    return whole;
}
