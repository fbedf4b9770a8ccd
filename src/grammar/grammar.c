/* grammar.c - opening grammars, and going through them
 *
 * SPDX-License-Identifier: MIT */
#include "machine.h"
#include "sources.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20, LEAST_MEMORY = 1 << 20 };

void ch_grammar_close(ch_grammar **g)
{
    if (!*g)
        return;
    ch_masks_close(&(*g)->masks);
    ch_machine_close(&(*g)->m);
    ch_automaton_close(&(*g)->a);
    ch_words_close(&(*g)->words);
    free(*g);
    *g = NULL;
}

static int take_words(ch_grammar *g, const ch_tokenizer *t, const ch_grammar *like, ch_err *e)
{
    if (!like)
        return ch_words_open(&g->words, t, e);
    if (like->words->of != t)
        return ch_fail(e, CH_EARG, "a grammar can share the vocabulary of one for the same "
                                   "tokenizer only");
    g->words = like->words;
    atomic_fetch_add(&g->words->holders, 1);
    return CH_OK;
}

/* The rules of any kind of source. */
static int read_source(ch_nfa *n, ch_grammar_kind kind, const char *text, size_t size, bool compact)
{
    switch (kind) {
    case CH_GRAMMAR_GBNF: return ch_gbnf_read(n, text, size);
    case CH_GRAMMAR_REGEX: return ch_regex_read(n, text, size);
    case CH_GRAMMAR_CHOICE: return ch_choice_read(n, text, size);
    case CH_GRAMMAR_JSON: return ch_schema_read(n, "{\"type\":\"object\"}", 17, compact);
    case CH_GRAMMAR_SCHEMA: return ch_schema_read(n, text, size, compact);
    }
    return ch_nfa_fail(n, CH_EARG, "%d is no kind of grammar", (int)kind);
}

int ch_grammar_open(ch_grammar **out, const ch_tokenizer *t, ch_grammar_kind kind,
                    const char *text, size_t n, const ch_grammar_options *o, ch_err *e)
{
    const ch_grammar_options none = {0};
    ch_nfa nfa;
    ch_grammar *g = *out = calloc(1, sizeof *g);
    if (!g)
        return ch_fail(e, CH_ENOMEM, "no memory for a grammar");
    o = o ? o : &none;
    ch_nfa_init(&nfa, e);
    int rc = read_source(&nfa, kind, text, n, o->compact);
    if (rc == CH_OK)
        rc = ch_automaton_make(&g->a, &nfa, e);
    ch_nfa_close(&nfa);
    if (rc == CH_OK)
        rc = take_words(g, t, o->like, e);
    ch_machine_open(&g->m, &g->a, o->memory ? CH_MAX(o->memory, (size_t)LEAST_MEMORY) : MEMORY);
    if (rc == CH_OK)
        rc = ch_masks_open(g, e);
    if (rc < 0)
        ch_grammar_close(out);
    return rc;
}

size_t ch_grammar_bytes_used(const ch_grammar *g)
{
    return ch_automaton_bytes(&g->a) + ch_machine_bytes(&g->m) + g->masks.bytes +
           ch_words_bytes(g->words);
}

size_t ch_grammar_bytes_own(const ch_grammar *g)
{
    const size_t by_state = g->a.n_states * (1 + CH_TREES) * sizeof *g->masks.alike;
    return sizeof *g + ch_automaton_bytes(&g->a) + ch_machine_bytes(&g->m) +
           ch_machine_bytes_beside(&g->m) + by_state + g->masks.bytes;
}

int ch_grammar_vocab(const ch_grammar *g) { return g->words->n_ids; }

static int place(ch_place *out, const ch_grammar *g, uint32_t config, ch_err *e)
{
    if (config == CH_NO_ID)
        return ch_machine_fail(&g->m, e);
    *out = (ch_place){config, g->generation};
    return CH_OK;
}

bool ch_grammar_stale(const ch_grammar *g, ch_place p) { return p.generation != g->generation; }

uint32_t ch_grammar_forgotten(const ch_grammar *g) { return g->generation; }

bool ch_grammar_may_end(const ch_grammar *g, ch_place p)
{
    return (g->m.flags[p.config] & CH_CONFIG_ENDS) != 0;
}

bool ch_grammar_fits(const ch_grammar *g)
{
    return ch_machine_bytes(&g->m) + g->masks.bytes <= g->m.limit;
}

/* All that was found out, but for p. */
static int forget(ch_place *p, ch_grammar *g, ch_err *e)
{
    ch_masks_forget(g);
    const uint32_t config = ch_machine_forget(&g->m, p->config);
    if (config == CH_NO_ID)
        return ch_machine_fail(&g->m, e);
    g->generation++;
    return place(p, g, config, e);
}

/* Room to go on from p; what was found out before may have to go. */
static int make_room(ch_place *p, ch_grammar *g, ch_err *e)
{
    if (ch_grammar_stale(g, *p))
        return ch_fail(e, CH_EARG, "the grammar has forgotten this place");
    return ch_grammar_fits(g) ? CH_OK : forget(p, g, e);
}

int ch_grammar_start(ch_place *out, ch_grammar *g, ch_err *e)
{
    ch_place nowhere = {CH_CONFIG_DEAD, g->generation};
    const int rc = make_room(&nowhere, g, e);
    return rc == CH_OK ? place(out, g, ch_machine_start(&g->m), e) : rc;
}

/* It failed on the way from p: is there room to try again? */
static bool try_again(int rc, ch_place *p, ch_grammar *g, ch_err *e)
{
    return rc == CH_ELIMIT && !ch_grammar_fits(g) && forget(p, g, e) == CH_OK;
}

static int refuse(const char *bytes, size_t at, ch_err *e)
{
    return ch_fail(e, CH_EARG, "the grammar does not allow byte %zu (0x%02x) of what comes next",
                   at, (unsigned)(uint8_t)bytes[at]);
}

static int follow(ch_place *p, ch_grammar *g, const char *bytes, size_t n, ch_err *e)
{
    uint32_t config = p->config;
    for (size_t i = 0; i < n; i++) {
        const uint32_t before = config;
        config = ch_machine_step(&g->m, before, (uint8_t)bytes[i]);
        if (config == CH_NO_ID)
            return ch_machine_fail(&g->m, e);
        if (config == CH_CONFIG_DEAD)
            return refuse(bytes, i, e);
    }
    return place(p, g, config, e);
}

int ch_grammar_bytes(ch_place *p, ch_grammar *g, const char *bytes, size_t n, ch_err *e)
{
    int rc = make_room(p, g, e);
    if (rc == CH_OK)
        rc = follow(p, g, bytes, n, e);
    return try_again(rc, p, g, e) ? follow(p, g, bytes, n, e) : rc;
}

int ch_grammar_token(ch_place *p, ch_grammar *g, ch_token t, ch_err *e)
{
    const struct ch_words *w = g->words;
    for (int i = 0; i < w->n_end; i++)
        if (w->end[i] == t && !ch_grammar_stale(g, *p)) {
            if (!ch_grammar_may_end(g, *p))
                return ch_fail(e, CH_EARG, "the grammar does not allow the text to end here");
            const int rc = make_room(p, g, e);
            return rc == CH_OK ? place(p, g, ch_machine_over(&g->m), e) : rc;
        }
    if (t < 0 || t >= w->n_ids || w->at[t] == w->at[t + 1])
        return ch_fail(e, CH_EARG, "token %d has no text: no grammar allows it", (int)t);
    return ch_grammar_bytes(p, g, w->text + w->at[t], w->at[t + 1] - w->at[t], e);
}

int ch_grammar_mask(const uint64_t **out, ch_place *p, ch_grammar *g, ch_err *e)
{
    int rc = make_room(p, g, e);
    if (rc == CH_OK)
        rc = ch_masks_get(out, g, p->config, e);
    return try_again(rc, p, g, e) ? ch_masks_get(out, g, p->config, e) : rc;
}
