/* automaton.h - the machine that every kind of grammar becomes; private to grammar/
 *
 *   GBNF, regex, choice, JSON Schema --> rules of states with arcs (nfa.c)
 *                                    --> per rule: no empty arcs, deterministic (determine.c)
 *                                    --> no dead ends, no left recursion (automaton.c)
 *                                    --> run on sets of stacks (stacks.c)
 *
 * A recursive transition network (Woods 1970) over bytes: an arc takes a byte of a range, or calls
 * a rule and goes on when the rule has ended.  SPDX-License-Identifier: MIT */
#ifndef CH_AUTOMATON_H
#define CH_AUTOMATON_H

#include "base.h"
#include "intern.h"

/* ---- Under construction (nfa.c) -------------------------------------------------------------- */

enum { CH_ARC_EMPTY, CH_ARC_BYTES, CH_ARC_CALL };

typedef struct ch_arc {
    uint32_t to, next; /* next: index + 1 of another arc from the same state */
    uint32_t rule;
    uint8_t kind, lo, hi;
} ch_arc;

typedef struct ch_nfa_rule {
    char *name;
    uint32_t start, end; /* states */
    uint32_t from, upto; /* all its states */
    bool made;
} ch_nfa_rule;

/* Failures stick: after one all calls do nothing, and rc tells. */
typedef struct ch_nfa {
    uint32_t *first; /* of each state: index + 1 of an arc, or 0 */
    size_t n_states, states_cap;
    ch_arc *arc;
    size_t n_arcs, arcs_cap;
    ch_nfa_rule *rule; /* 0 is where it all begins */
    size_t n_rules, rules_cap;
    uint64_t work; /* steps spent on making it deterministic */
    int rc;
    ch_err *e;
} ch_nfa;

/* What may stand between two states; the states [from, upto) are its own. */
typedef struct ch_piece {
    uint32_t in, out, from, upto;
} ch_piece;

typedef struct ch_range {
    uint32_t lo, hi; /* characters */
} ch_range;

typedef struct ch_ranges {
    ch_range *at;
    size_t n, cap;
} ch_ranges;

enum { CH_MOST_STATES = 1 << 18, CH_UNBOUNDED = -1 };

void ch_nfa_init(ch_nfa *n, ch_err *e);
void ch_nfa_close(ch_nfa *n);
int ch_nfa_fail(ch_nfa *n, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
uint32_t ch_nfa_state(ch_nfa *n);
void ch_nfa_empty(ch_nfa *n, uint32_t from, uint32_t to);
void ch_nfa_bytes(ch_nfa *n, uint32_t from, uint32_t to, int lo, int hi);
void ch_nfa_call(ch_nfa *n, uint32_t from, uint32_t to, uint32_t rule);
/* After text[0..size); the state that it leads to. */
uint32_t ch_nfa_text(ch_nfa *n, uint32_t from, const char *text, size_t size);
void ch_nfa_text_to(ch_nfa *n, uint32_t from, uint32_t to, const char *text, size_t size);
/* One character of the ranges, as UTF-8 (class.c). */
void ch_nfa_class(ch_nfa *n, uint32_t from, uint32_t to, const ch_ranges *r);
uint32_t ch_nfa_rule_new(ch_nfa *n, const char *name, size_t size);
void ch_nfa_rule_begin(ch_nfa *n, uint32_t rule); /* its start and end are there now */
void ch_nfa_rule_end(ch_nfa *n, uint32_t rule);
/* begin: its in and out, to be connected by the caller; end: all states since then are its own. */
ch_piece ch_nfa_piece(ch_nfa *n);
void ch_nfa_piece_end(ch_nfa *n, ch_piece *p);
/* most: CH_UNBOUNDED for no end.  p becomes a part of the result. */
ch_piece ch_nfa_repeat(ch_nfa *n, ch_piece p, int64_t least, int64_t most);

/* Sets of characters (class.c); surrogates are never in one. */
bool ch_ranges_add(ch_ranges *r, uint32_t lo, uint32_t hi);
bool ch_ranges_tidy(ch_ranges *r, bool negate); /* sorted, apart; the others where negated */

/* ---- Finished (determine.c, automaton.c) ----------------------------------------------------- */

typedef struct ch_edge {
    uint32_t to;
    uint8_t lo, hi;
} ch_edge;

typedef struct ch_jump {
    uint32_t rule, to;
} ch_jump;

typedef struct ch_auto_state {
    uint32_t edge, jump; /* the first; they end where the next state's begin */
    bool final, bare;    /* bare: final, and nothing goes on from here */
} ch_auto_state;

typedef struct ch_automaton {
    ch_auto_state *state; /* n_states + 1 */
    size_t n_states, states_cap;
    ch_edge *edge;
    size_t n_edges, edges_cap;
    ch_jump *jump;
    size_t n_jumps, jumps_cap;
    uint32_t *start; /* of each rule */
    size_t n_rules;
    uint8_t class_of[256], byte_of[256]; /* bytes that no edge tells apart are one class */
    int n_classes;
    bool nondeterministic; /* some rule is */
} ch_automaton;

/* All rules, each to be closed. */
int ch_automaton_make(ch_automaton *out, ch_nfa *n, ch_err *e);
/* One rule: appended to a; deterministic, unless that would be far larger. */
int ch_automaton_determine(ch_automaton *a, ch_nfa *n, uint32_t rule);
void ch_automaton_close(ch_automaton *a);
size_t ch_automaton_bytes(const ch_automaton *a);

#endif
