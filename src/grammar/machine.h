/* machine.h - an automaton that runs: sets of stacks, the vocabulary as a tree, masks; private
 *
 * A stack is a list of states to return to; stacks share their lower ends, and equal ones are one
 * node.  A configuration is a set of (state, stack): all the ways in which the text so far can be
 * read.  Equal sets are one configuration, and where a byte leads from it is remembered, so a
 * grammar becomes, as far as it is used, a table of configurations by classes of bytes.
 * SPDX-License-Identifier: MIT */
#ifndef CH_MACHINE_H
#define CH_MACHINE_H

#include <stdatomic.h>

#include "automaton.h"
#include "grammar.h"

/* ---- Configurations (stacks.c) --------------------------------------------------------------- */

enum {
    CH_STACK_END = 0,  /* the node below all: the text may end here */
    CH_STACK_OPEN = 1, /* another bottom: what is below is not known */
    CH_CONFIG_DEAD = 0,
    CH_MOST_STACKS = 4096
};

enum { CH_CONFIG_ENDS = 1, CH_CONFIG_LEAVES = 2 }; /* reached CH_STACK_END, CH_STACK_OPEN */

typedef struct ch_stack_node {
    uint32_t state, below;
} ch_stack_node;

typedef struct ch_machine {
    const ch_automaton *a;
    ch_stack_node *node;
    size_t n_nodes, nodes_cap;
    uint32_t *slot; /* of nodes: id + 1, or 0 */
    size_t n_slots;
    ch_intern configs; /* state, node, state, node, ... ascending */
    uint32_t *next;    /* configs x classes; CH_NO_ID: not yet known */
    size_t next_cap;
    uint8_t *flags;
    size_t flags_cap;
    struct ch_stack_work *work;
    size_t limit; /* bytes */
    int rc;       /* why a configuration could not be had */
} ch_machine;

void ch_machine_open(ch_machine *m, const ch_automaton *a, size_t limit);
void ch_machine_close(ch_machine *m);
size_t ch_machine_bytes(const ch_machine *m); /* what was found out, which `limit` is of */
size_t ch_machine_bytes_beside(const ch_machine *m); /* to work in */
/* Start comes first.  Each gives a configuration, or CH_NO_ID (m->rc says why). */
uint32_t ch_machine_start(ch_machine *m);
uint32_t ch_machine_over(ch_machine *m); /* the text has ended */
uint32_t ch_machine_state(ch_machine *m, uint32_t state, uint32_t below); /* that alone, as is */
uint32_t ch_machine_return(ch_machine *m, uint32_t node); /* a rule has ended: what is below it */
uint32_t ch_machine_compute(ch_machine *m, uint32_t config, uint8_t byte);
/* Forgets all but one configuration, whose new number is returned. */
uint32_t ch_machine_forget(ch_machine *m, uint32_t keep);
int ch_machine_fail(const ch_machine *m, ch_err *e);

static inline uint32_t ch_machine_step(ch_machine *m, uint32_t config, uint8_t byte)
{
    const uint32_t to =
        m->next[(size_t)config * (size_t)m->a->n_classes + m->a->class_of[byte]];
    return to != CH_NO_ID ? to : ch_machine_compute(m, config, byte);
}

/* ---- The vocabulary (words.c) ---------------------------------------------------------------- */

/* The tree of tokens' bytes, depth first, children ascending: behind node i comes its first child,
 * and skip[i] is the first node that is not below it. */
typedef struct ch_word_tree {
    uint32_t n_nodes;
    uint8_t *byte;
    uint16_t *depth; /* from 1 */
    uint32_t *skip;
    uint32_t *first; /* n_nodes + 1: token[first[i]..first[i + 1]) end at node i */
    ch_token *token;
} ch_word_tree;

/* Tokens of at most CH_SHORT bytes have a tree of their own: what a state says about those depends
 * on no more than CH_SHORT steps from it, and is the same for many states (alike.c). */
enum { CH_SHORT = 16, CH_TREES = 2 };

struct ch_words {
    atomic_int holders;
    const ch_tokenizer *of;
    int n_ids;
    ch_word_tree tree[CH_TREES]; /* short ones; the others */
    uint32_t *at; /* n_ids + 1: where an id's bytes are in text; none for those never allowed */
    char *text;
    ch_token *end;
    int n_end, deepest;
};

int ch_words_open(struct ch_words **out, const ch_tokenizer *t, ch_err *e);
void ch_words_close(struct ch_words **w);
size_t ch_words_bytes(const struct ch_words *w);

/* ---- Masks (mask.c) -------------------------------------------------------------------------- */

struct ch_masks {
    uint32_t *alike; /* by state: one number for all that treat short tokens alike */
    uint32_t *local_of[CH_TREES]; /* by alike[state], by state: index + 1 */
    struct ch_local *local;
    size_t n_local, local_cap;
    uint32_t *mask_of; /* by configuration: index + 1 */
    size_t n_mask_of, mask_of_cap;
    uint64_t **mask;
    size_t n_masks, masks_cap;
    uint32_t *path; /* configurations down the tree */
    size_t bytes;
};

struct ch_grammar {
    ch_automaton a;
    ch_machine m;
    struct ch_words *words;
    struct ch_masks masks;
    _Atomic uint32_t generation;
};

/* Numbers below n_states, equal only where the next CH_SHORT bytes are treated alike. */
int ch_automaton_alike(uint32_t *out, const ch_automaton *a, ch_err *e);
int ch_masks_open(ch_grammar *g, ch_err *e);
void ch_masks_close(struct ch_masks *k);
void ch_masks_forget(ch_grammar *g);
bool ch_grammar_fits(const ch_grammar *g); /* is what was found out within its memory? */
int ch_masks_get(const uint64_t **out, ch_grammar *g, uint32_t config, ch_err *e);

#endif
