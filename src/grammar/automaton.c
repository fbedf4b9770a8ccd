/* automaton.c - all rules together: what can never end goes, what never begins is refused
 *
 * A state is alive if it is final, or takes a byte to one that is alive, or calls a rule whose
 * start is alive and goes on alive; the least fixed point, by a list of states to look at again.
 * A rule that can call itself before any byte is taken (left recursion) would call for ever.
 * SPDX-License-Identifier: MIT */
#include "automaton.h"

#include <stdlib.h>
#include <string.h>

void ch_automaton_close(ch_automaton *a)
{
    free(a->state);
    free(a->edge);
    free(a->jump);
    free(a->start);
    *a = (ch_automaton){0};
}

size_t ch_automaton_bytes(const ch_automaton *a)
{
    return a->states_cap * sizeof *a->state + a->edges_cap * sizeof *a->edge +
           a->jumps_cap * sizeof *a->jump + a->n_rules * sizeof *a->start;
}

/* ---- Dead ends ------------------------------------------------------------------------------- */

struct users { /* of each state: those that become alive with it, as lists */
    uint32_t *first, *next, *user;
    uint32_t n;
};

static void add_user(struct users *u, uint32_t of, uint32_t user)
{
    u->user[u->n] = user;
    u->next[u->n] = u->first[of];
    u->first[of] = ++u->n;
}

static bool looks_alive(const ch_automaton *a, const bool *alive, uint32_t s)
{
    if (a->state[s].final)
        return true;
    for (uint32_t i = a->state[s].edge; i < a->state[s + 1].edge; i++)
        if (alive[a->edge[i].to])
            return true;
    for (uint32_t i = a->state[s].jump; i < a->state[s + 1].jump; i++)
        if (alive[a->jump[i].to] && alive[a->start[a->jump[i].rule]])
            return true;
    return false;
}

static void find_alive(bool *alive, uint32_t *todo, struct users *u, const ch_automaton *a)
{
    size_t n = 0;
    for (uint32_t s = 0; s < a->n_states; s++) {
        for (uint32_t i = a->state[s].edge; i < a->state[s + 1].edge; i++)
            add_user(u, a->edge[i].to, s);
        for (uint32_t i = a->state[s].jump; i < a->state[s + 1].jump; i++) {
            add_user(u, a->jump[i].to, s);
            add_user(u, a->start[a->jump[i].rule], s);
        }
        if (a->state[s].final) {
            alive[s] = true;
            todo[n++] = s;
        }
    }
    while (n) {
        const uint32_t s = todo[--n];
        for (uint32_t i = u->first[s]; i; i = u->next[i - 1]) {
            const uint32_t user = u->user[i - 1];
            if (!alive[user] && looks_alive(a, alive, user)) {
                alive[user] = true;
                todo[n++] = user;
            }
        }
    }
}

static void drop_dead(ch_automaton *a, const bool *alive)
{
    uint32_t edges = 0, jumps = 0, edge = 0, jump = 0;
    for (uint32_t s = 0; s < a->n_states; s++) {
        const uint32_t edge_end = a->state[s + 1].edge, jump_end = a->state[s + 1].jump;
        a->state[s].edge = edges;
        a->state[s].jump = jumps;
        for (; edge < edge_end; edge++)
            if (alive[a->edge[edge].to])
                a->edge[edges++] = a->edge[edge];
        for (; jump < jump_end; jump++)
            if (alive[a->jump[jump].to] && alive[a->start[a->jump[jump].rule]])
                a->jump[jumps++] = a->jump[jump];
        a->state[s].bare =
            a->state[s].final && edges == a->state[s].edge && jumps == a->state[s].jump;
    }
    a->state[a->n_states].edge = edges;
    a->state[a->n_states].jump = jumps;
    a->n_edges = edges;
    a->n_jumps = jumps;
}

static int prune(ch_automaton *a, ch_err *e)
{
    const size_t links = a->n_edges + 2 * a->n_jumps + 1;
    struct users u = {calloc(a->n_states + 1, sizeof *u.first), malloc(links * sizeof *u.next),
                      malloc(links * sizeof *u.user), 0};
    bool *alive = calloc(a->n_states + 1, sizeof *alive);
    uint32_t *todo = malloc((a->n_states + 1) * sizeof *todo);
    int rc = CH_OK;
    if (!u.first || !u.next || !u.user || !alive || !todo) {
        rc = ch_fail(e, CH_ENOMEM, "no memory for a grammar of %zu states", a->n_states);
    } else {
        find_alive(alive, todo, &u, a);
        if (!alive[a->start[0]])
            rc = ch_fail(e, CH_EARG, "the grammar allows no text at all: nothing that it begins "
                                     "can end");
        else
            drop_dead(a, alive);
    }
    free(u.first);
    free(u.next);
    free(u.user);
    free(alive);
    free(todo);
    return rc;
}

/* ---- Left recursion -------------------------------------------------------------------------- */

struct lefts {
    const ch_automaton *a;
    bool *nullable;   /* by rule */
    uint32_t *stamp;  /* by state: the rule that was here last, + 1 */
    uint32_t *todo;
};

/* The states that a rule can be in before it has taken a byte, from todo[0..n); the end among them?
 * The rules that are called from there go to `into`. */
static bool before_bytes(struct lefts *l, uint32_t rule, uint32_t *into, size_t *n_into)
{
    const ch_automaton *a = l->a;
    size_t n = 1, called = 0;
    bool ends = false;
    l->todo[0] = a->start[rule];
    l->stamp[a->start[rule]] = rule + 1;
    while (n) {
        const uint32_t s = l->todo[--n];
        ends |= a->state[s].final;
        for (uint32_t i = a->state[s].jump; i < a->state[s + 1].jump; i++) {
            if (into)
                into[called++] = a->jump[i].rule;
            if (l->nullable[a->jump[i].rule] && l->stamp[a->jump[i].to] != rule + 1) {
                l->stamp[a->jump[i].to] = rule + 1;
                l->todo[n++] = a->jump[i].to;
            }
        }
    }
    if (n_into)
        *n_into = called;
    return ends;
}

static int too_long(ch_err *e)
{
    return ch_fail(e, CH_ELIMIT, "the grammar's rules call each other too often without a byte "
                                 "between to be checked for left recursion");
}

/* Rounds until nothing changes; each costs what rules can do before their first byte. */
static int find_nullable(struct lefts *l, ch_err *e)
{
    const size_t rules = l->a->n_rules, most = ((size_t)1 << 26) / (rules + 1) + 2;
    bool changed = true;
    for (size_t round = 0; changed; round++) {
        if (round > most)
            return too_long(e);
        changed = false;
        memset(l->stamp, 0, l->a->n_states * sizeof *l->stamp);
        for (size_t k = rules; k-- > 0;)
            if (!l->nullable[k] && before_bytes(l, (uint32_t)k, NULL, NULL))
                l->nullable[k] = changed = true;
    }
    return CH_OK;
}

enum { NEW, OPEN, DONE };

/* Depth first; path[0..depth) are the rules being called, at[] how far each has got. */
static int find_circle(const ch_nfa *nfa, uint32_t first, uint8_t *colour, uint32_t *path,
                       uint32_t *at, const uint32_t *from, const uint32_t *calls, ch_err *e)
{
    size_t depth = 0;
    path[depth] = first;
    at[depth++] = from[first];
    colour[first] = OPEN;
    while (depth) {
        const uint32_t r = path[depth - 1];
        if (at[depth - 1] == from[r + 1]) {
            colour[r] = DONE;
            depth--;
            continue;
        }
        const uint32_t next = calls[at[depth - 1]++];
        if (colour[next] == OPEN)
            return ch_fail(e, CH_EUNSUPPORTED,
                           "rule \"%.80s\" is left-recursive: it can begin with itself, by way of "
                           "\"%.80s\"; write it as a repetition",
                           nfa->rule[next].name, nfa->rule[r].name);
        if (colour[next] == NEW) {
            colour[next] = OPEN;
            path[depth] = next;
            at[depth++] = from[next];
        }
    }
    return CH_OK;
}

/* Who calls whom first: calls[from[r]..from[r + 1]).  Each jump counts once at most. */
static int refuse_circles(struct lefts *l, const ch_nfa *nfa, ch_err *e)
{
    const size_t rules = l->a->n_rules, jumps = l->a->n_jumps;
    uint32_t *from = malloc((rules + 1) * sizeof *from);
    uint32_t *calls = malloc((jumps + 1) * sizeof *calls);
    uint32_t *path = malloc(2 * rules * sizeof *path);
    uint8_t *colour = calloc(rules, sizeof *colour);
    int rc = from && calls && path && colour ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for rules");
    size_t n = 0;
    if (rc == CH_OK)
        memset(l->stamp, 0, l->a->n_states * sizeof *l->stamp);
    for (uint32_t r = 0; r < rules && rc == CH_OK; r++) {
        size_t more;
        from[r] = (uint32_t)n;
        before_bytes(l, r, calls + n, &more);
        n += more;
        from[r + 1] = (uint32_t)n;
    }
    for (uint32_t r = 0; r < rules && rc == CH_OK; r++)
        if (colour[r] == NEW)
            rc = find_circle(nfa, r, colour, path, path + rules, from, calls, e);
    free(from);
    free(calls);
    free(path);
    free(colour);
    return rc;
}

static int refuse_left_recursion(const ch_automaton *a, const ch_nfa *nfa, ch_err *e)
{
    struct lefts l = {.a = a,
                      .nullable = calloc(a->n_rules, sizeof *l.nullable),
                      .stamp = malloc((a->n_states + 1) * sizeof *l.stamp),
                      .todo = malloc((a->n_states + a->n_jumps + 1) * sizeof *l.todo)};
    int rc = l.nullable && l.stamp && l.todo ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for rules");
    if (rc == CH_OK)
        rc = find_nullable(&l, e);
    if (rc == CH_OK)
        rc = refuse_circles(&l, nfa, e);
    free(l.nullable);
    free(l.stamp);
    free(l.todo);
    return rc;
}

/* ---- Together -------------------------------------------------------------------------------- */

static void find_classes(ch_automaton *a)
{
    bool begins[257] = {true};
    for (size_t i = 0; i < a->n_edges; i++)
        begins[a->edge[i].lo] = begins[a->edge[i].hi + 1] = true;
    a->n_classes = 0;
    for (int b = 0; b < 256; b++) {
        if (begins[b])
            a->byte_of[a->n_classes++] = (uint8_t)b;
        a->class_of[b] = (uint8_t)(a->n_classes - 1);
    }
}

int ch_automaton_make(ch_automaton *out, ch_nfa *n, ch_err *e)
{
    ch_automaton *a = out;
    *a = (ch_automaton){0};
    int rc = n->rc;
    if (rc == CH_OK) {
        a->start = malloc((n->n_rules + 1) * sizeof *a->start);
        rc = a->start ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for %zu rules", n->n_rules);
    }
    for (uint32_t r = 0; r < n->n_rules && rc == CH_OK; r++) {
        a->start[r] = (uint32_t)a->n_states;
        a->n_rules = r + 1;
        rc = ch_automaton_determine(a, n, r);
    }
    if (rc == CH_OK) {
        a->state[a->n_states] =
            (ch_auto_state){.edge = (uint32_t)a->n_edges, .jump = (uint32_t)a->n_jumps};
        rc = prune(a, e);
    }
    if (rc == CH_OK)
        rc = refuse_left_recursion(a, n, e);
    if (rc < 0) {
        ch_automaton_close(a);
        return rc;
    }
    find_classes(a);
    return CH_OK;
}
