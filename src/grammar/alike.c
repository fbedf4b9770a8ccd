/* alike.c - states that the next few bytes do not tell apart
 *
 * Partition refinement (Moore 1956), stopped after CH_SHORT rounds: after round d two states have
 * one number only if d bytes lead both of them to final states, calls and failures alike.  A string
 * that may have 100 more characters and one that may have 99 are the same to a short token.  Calls
 * count as equal only where they are the same ones.  SPDX-License-Identifier: MIT */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

/* What a state does, with states ahead known by their numbers; list has room. */
static size_t describe(uint32_t *list, const ch_automaton *a, uint32_t s, const uint32_t *number)
{
    size_t n = 0;
    list[n++] = a->state[s].final;
    for (uint32_t i = a->state[s].edge; i < a->state[s + 1].edge; i++) {
        list[n++] = (uint32_t)a->edge[i].lo << 8 | a->edge[i].hi;
        list[n++] = number[a->edge[i].to];
    }
    list[n++] = UINT32_MAX;
    for (uint32_t i = a->state[s].jump; i < a->state[s + 1].jump; i++) {
        list[n++] = a->jump[i].rule;
        list[n++] = a->jump[i].to;
    }
    return n;
}

static size_t longest(const ch_automaton *a)
{
    size_t most = 0;
    for (size_t s = 0; s < a->n_states; s++)
        most = CH_MAX(most, 2 * (size_t)(a->state[s + 1].edge - a->state[s].edge) +
                                2 * (size_t)(a->state[s + 1].jump - a->state[s].jump) + 2);
    return most;
}

int ch_automaton_alike(uint32_t *out, const ch_automaton *a, ch_err *e)
{
    uint32_t *next = malloc(a->n_states * sizeof *next), *list = malloc(longest(a) * sizeof *list);
    ch_intern seen = {0};
    bool ok = next && list;
    memset(out, 0, a->n_states * sizeof *out);
    for (int round = 0, changed = 1; round < CH_SHORT && changed && ok; round++) {
        const size_t before = seen.n;
        ch_intern_clear(&seen);
        for (uint32_t s = 0; s < a->n_states && ok; s++) {
            next[s] = ch_intern_add(&seen, list, describe(list, a, s, out));
            ok = next[s] != CH_NO_ID;
        }
        changed = round == 0 || seen.n > before;
        memcpy(out, next, a->n_states * sizeof *out);
    }
    free(next);
    free(list);
    ch_intern_close(&seen);
    return ok ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory to compare %zu states", a->n_states);
}
