/* mask.c - which tokens may come next
 *
 * A token is judged in a state without its stack as far as that goes: it is allowed if its bytes
 * can be read within the state's rule (or end it exactly), forbidden if they cannot, and undecided
 * if the rule ends within it.  That judgement is made once for each state; of the undecided only
 * the node of the tree at which the rule ended is kept, and what is below it is looked up with the
 * stack at hand (the split between tokens that need the stack and those that do not is that of
 * Dong et al., "XGrammar", 2024; trees of tokens: Koo et al., "Automata-based constraints", 2024).
 * Short tokens are judged once for all states that treat so many bytes alike.  The mask of a whole
 * configuration is remembered, too: most steps find theirs.
 * SPDX-License-Identifier: MIT */
#include "machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a state: tokens that may come whatever is below, and where its rule ends within tokens. */
struct ch_local {
    uint64_t *bits; /* NULL: `allowed` lists them */
    ch_token *allowed;
    uint32_t n_allowed, n_leaves;
    uint32_t *leaves; /* nodes of the tree, ascending */
};

struct growing {
    uint32_t *at;
    size_t n, cap;
};

size_t ch_grammar_mask_words(const ch_grammar *g) { return ((size_t)g->words->n_ids + 63) / 64; }

int ch_masks_open(ch_grammar *g, ch_err *e)
{
    struct ch_masks *k = &g->masks;
    k->alike = malloc(g->a.n_states * sizeof *k->alike);
    for (int i = 0; i < CH_TREES; i++)
        k->local_of[i] = calloc(g->a.n_states, sizeof *k->local_of[i]);
    k->path = malloc(((size_t)g->words->deepest + 1) * sizeof *k->path);
    if (!k->alike || !k->local_of[0] || !k->local_of[1] || !k->path)
        return ch_fail(e, CH_ENOMEM, "no memory for masks");
    return ch_automaton_alike(k->alike, &g->a, e);
}

static void drop(struct ch_masks *k)
{
    for (size_t i = 0; i < k->n_local; i++) {
        free(k->local[i].bits);
        free(k->local[i].allowed);
        free(k->local[i].leaves);
    }
    for (size_t i = 0; i < k->n_masks; i++)
        free(k->mask[i]);
    k->n_local = k->n_masks = k->n_mask_of = 0;
}

void ch_masks_forget(ch_grammar *g)
{
    drop(&g->masks);
    for (int i = 0; i < CH_TREES; i++)
        memset(g->masks.local_of[i], 0, g->a.n_states * sizeof *g->masks.local_of[i]);
    g->masks.bytes = 0;
}

void ch_masks_close(struct ch_masks *k)
{
    drop(k);
    free(k->alike);
    for (int i = 0; i < CH_TREES; i++)
        free(k->local_of[i]);
    free(k->local);
    free(k->mask_of);
    free(k->mask);
    free(k->path);
    *k = (struct ch_masks){0};
}

static int starve(ch_err *e) { return ch_fail(e, CH_ENOMEM, "no memory for a mask of tokens"); }

static bool push(struct growing *l, uint32_t x)
{
    if (!ch_array_room(&l->at, &l->cap, l->n + 1, sizeof *l->at))
        return false;
    l->at[l->n++] = x;
    return true;
}

static void set_bits(uint64_t *bits, const ch_token *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        bits[t[i] >> 6] |= (uint64_t)1 << (t[i] & 63);
}

/* Reads the tree's nodes [from, upto), all below one, from the configuration that one has led to.
 * Their tokens go to bits; nodes where the open bottom is reached to `leaves`, unless that is NULL.
 */
static int walk(ch_grammar *g, const ch_word_tree *w, uint32_t config, uint32_t from, uint32_t upto,
                uint64_t *bits, struct growing *leaves, ch_err *e)
{
    uint32_t *path = g->masks.path;
    path[from < upto ? w->depth[from] - 1 : 0] = config;
    for (uint32_t i = from; i < upto;) {
        const uint32_t depth = w->depth[i];
        const uint32_t c = ch_machine_step(&g->m, path[depth - 1], w->byte[i]);
        if (c == CH_NO_ID)
            return ch_machine_fail(&g->m, e);
        if (c == CH_CONFIG_DEAD) {
            i = w->skip[i];
            continue;
        }
        path[depth] = c;
        set_bits(bits, w->token + w->first[i], w->first[i + 1] - w->first[i]);
        if (leaves && (g->m.flags[c] & CH_CONFIG_LEAVES) && w->skip[i] > i + 1 && !push(leaves, i))
            return starve(e);
        i++;
    }
    return CH_OK;
}

/* The bits as a list, where that is smaller. */
static bool settle(struct ch_local *l, ch_grammar *g)
{
    const size_t words = ch_grammar_mask_words(g);
    size_t n = 0;
    for (size_t i = 0; i < words; i++)
        n += (size_t)__builtin_popcountll(l->bits[i]);
    g->masks.bytes += CH_MIN(n * sizeof *l->allowed, words * sizeof *l->bits);
    if (n * sizeof *l->allowed > words * sizeof *l->bits)
        return true;
    l->allowed = malloc(n * sizeof *l->allowed + 1);
    for (size_t i = 0; l->allowed && i < words; i++)
        for (uint64_t left = l->bits[i]; left; left &= left - 1)
            l->allowed[l->n_allowed++] = (ch_token)(64 * i) + __builtin_ctzll(left);
    free(l->bits);
    l->bits = NULL;
    return l->allowed != NULL;
}

static int make_local(uint32_t *index, ch_grammar *g, const ch_word_tree *tree, uint32_t state,
                      ch_err *e)
{
    struct ch_masks *k = &g->masks;
    struct growing leaves = {0};
    struct ch_local l = {.bits = calloc(ch_grammar_mask_words(g) + 1, sizeof *l.bits)};
    const uint32_t config = ch_machine_state(&g->m, state, CH_STACK_OPEN);
    int rc = config == CH_NO_ID ? ch_machine_fail(&g->m, e)
             : l.bits           ? walk(g, tree, config, 0, tree->n_nodes, l.bits, &leaves, e)
                                : starve(e);
    if (rc == CH_OK && (!settle(&l, g) ||
                        !ch_array_room(&k->local, &k->local_cap, k->n_local + 1, sizeof l)))
        rc = starve(e);
    if (rc < 0) {
        free(l.bits);
        free(l.allowed);
        free(leaves.at);
        return rc;
    }
    l.leaves = leaves.at;
    l.n_leaves = (uint32_t)leaves.n;
    k->bytes += leaves.cap * sizeof *l.leaves + sizeof l;
    k->local[k->n_local++] = l;
    *index = (uint32_t)k->n_local;
    return CH_OK;
}

/* Of one tree, what one way to read the text so far allows: state and stack. */
static int add_tree(uint64_t *mask, ch_grammar *g, int tree, uint32_t state, uint32_t below,
                    ch_err *e)
{
    struct ch_masks *k = &g->masks;
    const ch_word_tree *w = &g->words->tree[tree];
    uint32_t *index = &k->local_of[tree][tree == 0 ? k->alike[state] : state];
    if (!*index && !ch_grammar_fits(g))
        ch_masks_forget(g); /* what they said is in `mask` already */
    int rc = *index ? CH_OK : make_local(index, g, w, state, e);
    if (rc < 0)
        return rc;
    const struct ch_local *l = &k->local[*index - 1];
    if (l->bits)
        for (size_t i = 0; i < ch_grammar_mask_words(g); i++)
            mask[i] |= l->bits[i];
    else
        set_bits(mask, l->allowed, l->n_allowed);
    if (below <= CH_STACK_OPEN || l->n_leaves == 0)
        return CH_OK;
    const uint32_t config = ch_machine_return(&g->m, below);
    if (config == CH_NO_ID)
        return ch_machine_fail(&g->m, e);
    for (uint32_t i = 0; i < l->n_leaves && rc == CH_OK; i++)
        rc = walk(g, w, config, l->leaves[i] + 1, w->skip[l->leaves[i]], mask, NULL, e);
    return rc;
}

static int add_item(uint64_t *mask, ch_grammar *g, uint32_t state, uint32_t below, ch_err *e)
{
    int rc = CH_OK;
    for (int tree = 0; tree < CH_TREES && rc == CH_OK; tree++)
        rc = add_tree(mask, g, tree, state, below, e);
    return rc;
}

static int fill(uint64_t *mask, ch_grammar *g, uint32_t config, ch_err *e)
{
    size_t n;
    int rc = CH_OK;
    ch_intern_get(&g->m.configs, config, &n);
    for (size_t k = 0; k < n && rc == CH_OK; k += 2) {
        const uint32_t *item = ch_intern_get(&g->m.configs, config, &n); /* may have moved */
        if (item[k] < g->a.n_states)
            rc = add_item(mask, g, item[k], item[k + 1], e);
    }
    if (g->m.flags[config] & CH_CONFIG_ENDS)
        set_bits(mask, g->words->end, (uint32_t)g->words->n_end);
    return rc;
}

static bool room_for(struct ch_masks *k, uint32_t config)
{
    const size_t before = k->n_mask_of, want = (size_t)config + 1;
    if (!ch_array_room(&k->mask_of, &k->mask_of_cap, want, sizeof *k->mask_of) ||
        !ch_array_room(&k->mask, &k->masks_cap, k->n_masks + 1, sizeof *k->mask))
        return false;
    if (want > before) {
        memset(k->mask_of + before, 0, (want - before) * sizeof *k->mask_of);
        k->n_mask_of = want;
    }
    return true;
}

int ch_masks_get(const uint64_t **out, ch_grammar *g, uint32_t config, ch_err *e)
{
    struct ch_masks *k = &g->masks;
    if (!room_for(k, config))
        return starve(e);
    if (k->mask_of[config] == 0) {
        uint64_t *mask = calloc(ch_grammar_mask_words(g) + 1, sizeof *mask);
        int rc = mask ? fill(mask, g, config, e) : starve(e);
        if (rc == CH_OK && !room_for(k, config)) /* again: masks may have been forgotten */
            rc = starve(e);
        if (rc < 0) {
            free(mask);
            return rc;
        }
        const size_t words = ch_grammar_mask_words(g);
        for (size_t i = 0; i < words; i++)
            mask[words] += (uint64_t)__builtin_popcountll(mask[i]);
        k->bytes += (words + 1) * sizeof *mask;
        k->mask[k->n_masks++] = mask;
        k->mask_of[config] = (uint32_t)k->n_masks;
    }
    *out = k->mask[k->mask_of[config] - 1];
    return CH_OK;
}

/* ---- On logits ------------------------------------------------------------------------------- */

/* The bits are those of ids from `at` on; ids of the model that the vocabulary has not are 0. */
static uint64_t word_of(const uint64_t *mask, int at, int vocab, int n_mask)
{
    const int own = CH_MIN(vocab, n_mask) - at;
    const uint64_t word = own > 0 ? mask[at >> 6] : 0;
    return own > 0 && own < 64 ? word & (((uint64_t)1 << own) - 1) : word;
}

/* What is cheapest: few places change hands, or all is copied. */
enum how { ALLOWED, FORBIDDEN, COPIED };

static enum how cheapest(const uint64_t *mask, int vocab, int n_mask)
{
    const int64_t allowed = (int64_t)mask[(n_mask + 63) / 64]; /* see ch_masks_get */
    const int few = vocab / 16;
    return allowed <= few ? ALLOWED : vocab - allowed <= few ? FORBIDDEN : COPIED;
}

/* logits[i] and hidden[i] change places where bit i is set (or is not). */
static void exchange(float *logits, float *hidden, int vocab, const uint64_t *mask, int n_mask,
                     bool set)
{
    for (int i = 0; i < vocab; i += 64) {
        const uint64_t word = word_of(mask, i, vocab, n_mask);
        for (uint64_t left = set ? word : ~word; left; left &= left - 1) {
            const int at = i + __builtin_ctzll(left);
            if (at >= vocab)
                break;
            const float x = logits[at];
            logits[at] = hidden[at];
            hidden[at] = x;
        }
    }
}

/* Of each word the larger part in one go, the others bit by bit. */
static void copy(float *out, const float *logits, int vocab, const uint64_t *mask, int n_mask)
{
    for (int i = 0; i < vocab; i += 64) {
        const int end = CH_MIN(vocab - i, 64);
        const uint64_t all = end == 64 ? UINT64_MAX : ((uint64_t)1 << end) - 1;
        const uint64_t word = word_of(mask, i, vocab, n_mask);
        const bool most = __builtin_popcountll(word) > 32;
        if (most)
            memcpy(out + i, logits + i, (size_t)end * sizeof *out);
        for (uint64_t left = most ? ~word & all : word; left; left &= left - 1) {
            const int b = __builtin_ctzll(left);
            out[i + b] = most ? -INFINITY : logits[i + b];
        }
    }
}

float *ch_grammar_hide(float *logits, float *hidden, int vocab, const uint64_t *mask, int n_mask)
{
    const enum how how = cheapest(mask, vocab, n_mask);
    if (how == COPIED)
        copy(hidden, logits, vocab, mask, n_mask);
    else
        exchange(logits, hidden, vocab, mask, n_mask, how == ALLOWED);
    return how == FORBIDDEN ? logits : hidden;
}

void ch_grammar_show(float *logits, float *hidden, int vocab, const uint64_t *mask, int n_mask)
{
    const enum how how = cheapest(mask, vocab, n_mask);
    if (how != COPIED)
        exchange(logits, hidden, vocab, mask, n_mask, how == ALLOWED);
    for (int i = 0; how == COPIED && i < vocab; i++)
        hidden[i] = -INFINITY;
}
