/* determine.c - a rule without empty arcs, deterministic where that is affordable
 *
 * Subset construction (Rabin, Scott 1959); a call is a letter like any other.  Where sets grow far
 * beyond the rule's own states, or take long to make, every set is the closure of one state
 * instead: then there are at most as many as the rule has, each made once, and what runs it follows
 * several at once.  Both ways are given up before a set is made that goes beyond the bounds.
 * SPDX-License-Identifier: MIT */
#include "automaton.h"

#include <stdlib.h>
#include <string.h>

enum { FREE_STATES = 4096, TIMES_STATES = 8, MOST_ARCS = 1 << 22 };
static const uint64_t most_work = (uint64_t)1 << 28, most_of_one = (uint64_t)1 << 26;

struct making {
    ch_automaton *a;
    ch_nfa *n;
    const ch_nfa_rule *rule;
    ch_intern sets;
    bool together;   /* one set for all targets of a letter */
    size_t most;     /* sets, while they are made together */
    uint64_t began;  /* n->work then */
    uint32_t *alone; /* by state, from the rule's first: its closure + 1, where it is known */
    uint32_t *stamp, round; /* by state, as well */
    uint32_t *todo, *found; /* room for all its states */
    ch_arc *arcs;           /* of the set at hand, that take bytes or call */
    size_t n_arcs, arcs_cap;
    uint32_t *targets;
    size_t n_targets, targets_cap;
};

/* What returns bool: false where it was given up, or failed (n->rc). */
static bool starve(struct making *m)
{
    ch_nfa_fail(m->n, CH_ENOMEM, "no memory to make a grammar deterministic");
    return false;
}

/* Together, too much means to try it the other way; there it is a failure. */
static bool bounded(struct making *m, uint64_t n, uint64_t most, const char *what)
{
    if (n <= most)
        return true;
    if (!m->together)
        ch_nfa_fail(m->n, CH_ELIMIT, "the grammar is too large: with rule \"%.60s\" it comes to "
                                     "more than %llu %s",
                    m->rule->name, (unsigned long long)most, what);
    return false;
}

static bool affordable(struct making *m)
{
    const ch_automaton *a = m->a;
    return (!m->together || m->sets.n <= m->most) &&
           bounded(m, a->n_states, CH_MOST_STATES, "states") &&
           bounded(m, a->n_edges + a->n_jumps, MOST_ARCS, "arcs between its states") &&
           bounded(m, m->n->work - m->began, most_of_one, "steps of finding its states") &&
           bounded(m, m->n->work, most_work, "steps of finding states");
}

static int by_number(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The n states in m->found; their stamps are what no other's is.  Close together, they are counted
 * off. */
static void sort_found(struct making *m, size_t n)
{
    const uint32_t base = m->rule->from;
    uint32_t lo = UINT32_MAX, hi = 0;
    for (size_t i = 0; i < n; i++) {
        lo = CH_MIN(lo, m->found[i]);
        hi = CH_MAX(hi, m->found[i]);
    }
    if (n > 1 && (hi - lo) / 8 >= n)
        qsort(m->found, n, sizeof *m->found, by_number);
    else if (n > 1)
        for (uint32_t s = lo, k = 0; s <= hi; s++)
            if (m->stamp[s - base] == m->round + 1)
                m->found[k++] = s;
}

/* The id of the set of states that can be reached from `from` without a letter; CH_NO_ID: false. */
static uint32_t closure(struct making *m, const uint32_t *from, size_t n_from)
{
    const ch_nfa *n = m->n;
    const uint32_t base = m->rule->from;
    size_t n_todo = 0, n_found = 0;
    if (!affordable(m))
        return CH_NO_ID;
    m->round += 2; /* the stamp of those that were seen; + 1: and found */
    for (size_t i = 0; i < n_from; i++)
        if (m->stamp[from[i] - base] != m->round) {
            m->stamp[from[i] - base] = m->round;
            m->todo[n_todo++] = from[i];
        }
    while (n_todo) {
        const uint32_t s = m->todo[--n_todo];
        bool takes = s == m->rule->end;
        for (uint32_t i = n->first[s]; i; i = n->arc[i - 1].next) {
            const ch_arc *arc = &n->arc[i - 1];
            m->n->work++;
            if (arc->kind != CH_ARC_EMPTY) {
                takes = true;
            } else if (m->stamp[arc->to - base] < m->round) {
                m->stamp[arc->to - base] = m->round;
                m->todo[n_todo++] = arc->to;
            }
        }
        if (takes) {
            m->stamp[s - base]++;
            m->found[n_found++] = s;
        }
    }
    sort_found(m, n_found);
    m->n->work += n_found;
    const uint32_t id = ch_intern_add(&m->sets, m->found, n_found);
    if (id == CH_NO_ID)
        starve(m);
    return id;
}

static bool add_target(struct making *m, uint32_t to)
{
    if (!ch_array_room(&m->targets, &m->targets_cap, m->n_targets + 1, sizeof *m->targets))
        return false;
    m->targets[m->n_targets++] = to;
    return true;
}

static bool add_edge(struct making *m, int lo, int hi, uint32_t set, uint32_t base)
{
    ch_automaton *a = m->a;
    ch_auto_state *s = &a->state[a->n_states - 1];
    if (set == CH_NO_ID)
        return false;
    if (m->together && a->n_edges > s->edge && a->edge[a->n_edges - 1].to == base + set &&
        a->edge[a->n_edges - 1].hi + 1 == lo) {
        a->edge[a->n_edges - 1].hi = (uint8_t)hi;
        return true;
    }
    if (!ch_array_room(&a->edge, &a->edges_cap, a->n_edges + 1, sizeof *a->edge))
        return starve(m);
    a->edge[a->n_edges++] = (ch_edge){base + set, (uint8_t)lo, (uint8_t)hi};
    return true;
}

static bool add_jump(struct making *m, uint32_t rule, uint32_t set, uint32_t base)
{
    ch_automaton *a = m->a;
    if (set == CH_NO_ID)
        return false;
    if (!ch_array_room(&a->jump, &a->jumps_cap, a->n_jumps + 1, sizeof *a->jump))
        return starve(m);
    a->jump[a->n_jumps++] = (ch_jump){rule, base + set};
    return true;
}

static bool collect(struct making *m, uint32_t set)
{
    size_t n;
    m->n_arcs = 0;
    const uint32_t *s = ch_intern_get(&m->sets, set, &n);
    for (size_t k = 0; k < n; k++)
        for (uint32_t i = m->n->first[s[k]]; i; i = m->n->arc[i - 1].next) {
            if (m->n->arc[i - 1].kind == CH_ARC_EMPTY)
                continue;
            if (!ch_array_room(&m->arcs, &m->arcs_cap, m->n_arcs + 1, sizeof *m->arcs))
                return starve(m);
            m->arcs[m->n_arcs++] = m->n->arc[i - 1];
        }
    m->n->work += m->n_arcs;
    return true;
}

/* Intervals of bytes that all arcs treat alike. */
static bool bytes_together(struct making *m, uint32_t base)
{
    bool begins[257] = {true};
    for (size_t i = 0; i < m->n_arcs; i++)
        if (m->arcs[i].kind == CH_ARC_BYTES)
            begins[m->arcs[i].lo] = begins[m->arcs[i].hi + 1] = true;
    for (int lo = 0, hi; lo < 256; lo = hi + 1) {
        for (hi = lo; hi < 255 && !begins[hi + 1];)
            hi++;
        m->n_targets = 0;
        for (size_t i = 0; i < m->n_arcs; i++)
            if (m->arcs[i].kind == CH_ARC_BYTES && m->arcs[i].lo <= lo && m->arcs[i].hi >= hi &&
                !add_target(m, m->arcs[i].to))
                return starve(m);
        m->n->work += m->n_arcs;
        if (m->n_targets && !add_edge(m, lo, hi, closure(m, m->targets, m->n_targets), base))
            return false;
    }
    return true;
}

static int by_rule(const void *a, const void *b)
{
    const ch_arc *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static bool jumps_together(struct making *m, uint32_t base)
{
    if (m->n_arcs)
        qsort(m->arcs, m->n_arcs, sizeof *m->arcs, by_rule);
    for (size_t i = 0, k; i < m->n_arcs; i = k) {
        m->n_targets = 0;
        for (k = i; k < m->n_arcs && by_rule(&m->arcs[i], &m->arcs[k]) == 0; k++)
            if (!add_target(m, m->arcs[k].to))
                return starve(m);
        if (m->arcs[i].kind == CH_ARC_CALL &&
            !add_jump(m, m->arcs[i].rule, closure(m, m->targets, m->n_targets), base))
            return false;
    }
    return true;
}

static uint32_t closure_of_one(struct making *m, uint32_t state)
{
    uint32_t *known = &m->alone[state - m->rule->from];
    const uint32_t set = *known ? *known - 1 : closure(m, &state, 1);
    if (set != CH_NO_ID)
        *known = set + 1;
    return set;
}

static bool each_alone(struct making *m, uint32_t base)
{
    bool ok = true;
    for (size_t i = 0; i < m->n_arcs && ok; i++) {
        const ch_arc *arc = &m->arcs[i];
        const uint32_t set = closure_of_one(m, arc->to);
        ok = arc->kind == CH_ARC_BYTES ? add_edge(m, arc->lo, arc->hi, set, base)
                                       : add_jump(m, arc->rule, set, base);
    }
    return ok;
}

static bool make_state(struct making *m, uint32_t set, uint32_t base)
{
    ch_automaton *a = m->a;
    if (!affordable(m))
        return false;
    if (!ch_array_room(&a->state, &a->states_cap, a->n_states + 2, sizeof *a->state))
        return starve(m);
    size_t n;
    bool final = false;
    const uint32_t *s = ch_intern_get(&m->sets, set, &n);
    for (size_t k = 0; k < n; k++)
        final |= s[k] == m->rule->end;
    a->state[a->n_states++] = (ch_auto_state){
        .edge = (uint32_t)a->n_edges, .jump = (uint32_t)a->n_jumps, .final = final};
    if (!collect(m, set))
        return false;
    return m->together ? bytes_together(m, base) && jumps_together(m, base) : each_alone(m, base);
}

static bool make_states(struct making *m)
{
    const uint32_t base = (uint32_t)m->a->n_states;
    m->began = m->n->work;
    ch_intern_clear(&m->sets);
    bool ok = closure(m, &m->rule->start, 1) != CH_NO_ID;
    for (uint32_t set = 0; ok && set < m->sets.n; set++)
        ok = make_state(m, set, base);
    return ok;
}

int ch_automaton_determine(ch_automaton *a, ch_nfa *n, uint32_t rule)
{
    struct making m = {.a = a, .n = n, .rule = &n->rule[rule], .together = true};
    const size_t states = m.rule->upto - m.rule->from;
    const ch_automaton before = *a;
    m.most = TIMES_STATES * states + FREE_STATES;
    m.alone = calloc(states + 1, sizeof *m.alone);
    m.stamp = calloc(states + 1, sizeof *m.stamp);
    m.todo = malloc((states + 1) * sizeof *m.todo);
    m.found = malloc((states + 1) * sizeof *m.found);
    if (!m.alone || !m.stamp || !m.todo || !m.found) {
        starve(&m);
    } else if (!make_states(&m) && n->rc == CH_OK) {
        a->n_states = before.n_states;
        a->n_edges = before.n_edges;
        a->n_jumps = before.n_jumps;
        m.together = false;
        a->nondeterministic = true;
        make_states(&m);
    }
    free(m.alone);
    free(m.stamp);
    free(m.todo);
    free(m.found);
    free(m.arcs);
    free(m.targets);
    ch_intern_close(&m.sets);
    return n->rc;
}
