/* stacks.c - configurations: which stacks there are, and where a byte takes them
 *
 * A state that has called waits on the stack; one from which nothing goes on but the end is not put
 * there, so right recursion needs no more stack than a loop.  Left recursion, the only way to push
 * without end, was refused before.  SPDX-License-Identifier: MIT */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#define NOWHERE UINT32_MAX
enum { MOST_SEEN = 4 * CH_MOST_STACKS, SEEN_SLOTS = 2 * MOST_SEEN };

struct ch_stack_work {
    uint64_t todo[MOST_SEEN], kept[CH_MOST_STACKS]; /* state << 32 | node */
    uint32_t flat[2 * CH_MOST_STACKS];
    struct {
        uint64_t item;
        uint32_t round;
    } seen[SEEN_SLOTS];
    size_t n_todo, n_kept, n_seen;
    uint32_t round;
};

static bool fail(ch_machine *m, int rc)
{
    m->rc = rc;
    return false;
}

int ch_machine_fail(const ch_machine *m, ch_err *e)
{
    if (m->rc == CH_ENOMEM)
        return ch_fail(e, CH_ENOMEM, "no memory to follow the grammar");
    return ch_fail(e, CH_ELIMIT,
                   "the text can be read in too many ways, or is nested too deep, to follow the "
                   "grammar: more than %d stacks, or %zu bytes",
                   CH_MOST_STACKS, m->limit);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static size_t node_place(const ch_machine *m, uint32_t state, uint32_t below)
{
    uint64_t h = ((uint64_t)state << 32 | below) * 0x9e3779b97f4a7c15u;
    size_t s = (size_t)(h ^ h >> 32) & (m->n_slots - 1);
    for (; m->slot[s]; s = (s + 1) & (m->n_slots - 1)) {
        const ch_stack_node *n = &m->node[m->slot[s] - 1];
        if (n->state == state && n->below == below)
            break;
    }
    return s;
}

static bool grow_slots(ch_machine *m)
{
    if (m->n_slots > 2 * m->n_nodes)
        return true;
    const size_t n = m->n_slots ? 2 * m->n_slots : 1024;
    uint32_t *slot = calloc(n, sizeof *slot);
    if (!slot)
        return fail(m, CH_ENOMEM);
    free(m->slot);
    m->slot = slot;
    m->n_slots = n;
    for (size_t i = CH_STACK_OPEN + 1; i < m->n_nodes; i++)
        slot[node_place(m, m->node[i].state, m->node[i].below)] = (uint32_t)i + 1;
    return true;
}

static uint32_t node_of(ch_machine *m, uint32_t state, uint32_t below)
{
    if (!grow_slots(m))
        return NOWHERE;
    const size_t s = node_place(m, state, below);
    if (m->slot[s])
        return m->slot[s] - 1;
    if (!ch_array_room(&m->node, &m->nodes_cap, m->n_nodes + 1, sizeof *m->node)) {
        fail(m, CH_ENOMEM);
        return NOWHERE;
    }
    m->node[m->n_nodes++] = (ch_stack_node){state, below};
    m->slot[s] = (uint32_t)m->n_nodes;
    return m->slot[s] - 1;
}

/* ---- Sets ------------------------------------------------------------------------------------ */

static void begin(ch_machine *m)
{
    struct ch_stack_work *w = m->work;
    w->n_todo = w->n_kept = w->n_seen = 0;
    if (++w->round == 0) {
        memset(w->seen, 0, sizeof w->seen);
        w->round = 1;
    }
}

/* To be looked at, unless it was. */
static bool push(ch_machine *m, uint32_t state, uint32_t node)
{
    struct ch_stack_work *w = m->work;
    const uint64_t item = (uint64_t)state << 32 | node;
    size_t s = (size_t)(item * 0x9e3779b97f4a7c15u >> 40) & (SEEN_SLOTS - 1);
    for (; w->seen[s].round == w->round; s = (s + 1) & (SEEN_SLOTS - 1))
        if (w->seen[s].item == item)
            return true;
    if (++w->n_seen > MOST_SEEN)
        return fail(m, CH_ELIMIT);
    w->seen[s].item = item;
    w->seen[s].round = w->round;
    w->todo[w->n_todo++] = item;
    return true;
}

static bool keep(ch_machine *m, uint32_t state, uint32_t node)
{
    if (m->work->n_kept == CH_MOST_STACKS)
        return fail(m, CH_ELIMIT);
    m->work->kept[m->work->n_kept++] = (uint64_t)state << 32 | node;
    return true;
}

/* All that can be reached from what was pushed before a byte is taken. */
static bool settle(ch_machine *m)
{
    const ch_automaton *a = m->a;
    struct ch_stack_work *w = m->work;
    while (w->n_todo) {
        const uint64_t item = w->todo[--w->n_todo];
        const uint32_t q = (uint32_t)(item >> 32), node = (uint32_t)item;
        const ch_auto_state *s = &a->state[q];
        if (s[1].edge > s->edge && !keep(m, q, node))
            return false;
        if (s->final && !(node <= CH_STACK_OPEN
                              ? keep(m, NOWHERE, node)
                              : push(m, m->node[node].state, m->node[node].below)))
            return false;
        for (uint32_t i = s->jump; i < s[1].jump; i++) {
            const ch_jump *j = &a->jump[i];
            const uint32_t below = a->state[j->to].bare ? node : node_of(m, j->to, node);
            if (below == NOWHERE || !push(m, a->start[j->rule], below))
                return false;
        }
    }
    return true;
}

static int by_item(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* What was kept becomes a configuration. */
static uint32_t intern(ch_machine *m)
{
    struct ch_stack_work *w = m->work;
    uint8_t flags = 0;
    size_t n = 0;
    if (w->n_kept > 1)
        qsort(w->kept, w->n_kept, sizeof *w->kept, by_item);
    for (size_t i = 0; i < w->n_kept; i++) {
        if (i > 0 && w->kept[i] == w->kept[i - 1])
            continue;
        w->flat[n++] = (uint32_t)(w->kept[i] >> 32);
        w->flat[n++] = (uint32_t)w->kept[i];
        if (w->flat[n - 2] == NOWHERE)
            flags |= w->flat[n - 1] == CH_STACK_END ? CH_CONFIG_ENDS : CH_CONFIG_LEAVES;
    }
    const size_t before = m->configs.n, row = (size_t)m->a->n_classes;
    if (ch_machine_bytes(m) > m->limit) { /* a table that grows doubles, and that is all */
        fail(m, CH_ELIMIT);
        return CH_NO_ID;
    }
    const uint32_t id = ch_intern_add(&m->configs, w->flat, n);
    if (id == CH_NO_ID || !ch_array_room(&m->flags, &m->flags_cap, m->configs.n, 1) ||
        !ch_array_room(&m->next, &m->next_cap, m->configs.n * row, sizeof *m->next)) {
        fail(m, CH_ENOMEM);
        return CH_NO_ID;
    }
    if (m->configs.n > before) {
        m->flags[id] = flags;
        for (size_t c = 0; c < row; c++)
            m->next[(size_t)id * row + c] = CH_NO_ID;
    }
    return id;
}

uint32_t ch_machine_compute(ch_machine *m, uint32_t config, uint8_t byte)
{
    const ch_automaton *a = m->a;
    const uint8_t class = a->class_of[byte], b = a->byte_of[class];
    size_t n;
    const uint32_t *item = ch_intern_get(&m->configs, config, &n);
    begin(m);
    for (size_t k = 0; k < n; k += 2) {
        if (item[k] == NOWHERE)
            continue;
        const ch_auto_state *s = &a->state[item[k]];
        for (uint32_t i = s->edge; i < s[1].edge; i++)
            if (a->edge[i].lo <= b && b <= a->edge[i].hi && !push(m, a->edge[i].to, item[k + 1]))
                return CH_NO_ID;
    }
    const uint32_t id = settle(m) ? intern(m) : CH_NO_ID;
    if (id != CH_NO_ID)
        m->next[(size_t)config * (size_t)a->n_classes + class] = id;
    return id;
}

/* No stack at all, and the two bottoms. */
static bool begin_empty(ch_machine *m)
{
    m->n_nodes = 2;
    m->rc = CH_OK;
    if (!ch_array_room(&m->node, &m->nodes_cap, m->n_nodes, sizeof *m->node) || !grow_slots(m))
        return fail(m, CH_ENOMEM);
    m->node[0] = m->node[1] = (ch_stack_node){NOWHERE, NOWHERE};
    begin(m);
    return intern(m) == CH_CONFIG_DEAD;
}

/* What running needs is had where it begins: many grammars are made that never run. */
static bool begin_all(ch_machine *m)
{
    m->work = calloc(1, sizeof *m->work);
    if (!m->work)
        return fail(m, CH_ENOMEM);
    if (begin_empty(m))
        return true;
    const int rc = m->rc;
    const ch_machine fresh = {.a = m->a, .limit = m->limit};
    ch_machine_close(m);
    *m = fresh;
    return fail(m, rc);
}

uint32_t ch_machine_start(ch_machine *m)
{
    if (!m->work && !begin_all(m))
        return CH_NO_ID;
    begin(m);
    return push(m, m->a->start[0], CH_STACK_END) && settle(m) ? intern(m) : CH_NO_ID;
}

uint32_t ch_machine_over(ch_machine *m)
{
    begin(m);
    keep(m, NOWHERE, CH_STACK_END);
    return intern(m);
}

uint32_t ch_machine_state(ch_machine *m, uint32_t state, uint32_t below)
{
    begin(m);
    keep(m, state, below);
    return intern(m);
}

uint32_t ch_machine_return(ch_machine *m, uint32_t node)
{
    begin(m);
    return push(m, m->node[node].state, m->node[node].below) && settle(m) ? intern(m) : CH_NO_ID;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

size_t ch_machine_bytes(const ch_machine *m)
{
    return m->nodes_cap * sizeof *m->node + m->n_slots * sizeof *m->slot + m->flags_cap +
           ch_intern_bytes(&m->configs) + m->next_cap * sizeof *m->next;
}

size_t ch_machine_bytes_beside(const ch_machine *m) { return m->work ? sizeof *m->work : 0; }

void ch_machine_open(ch_machine *m, const ch_automaton *a, size_t limit)
{
    *m = (ch_machine){.a = a, .limit = limit};
}

void ch_machine_close(ch_machine *m)
{
    free(m->node);
    free(m->slot);
    free(m->next);
    free(m->flags);
    free(m->work);
    ch_intern_close(&m->configs);
    *m = (ch_machine){0};
}

/* Nodes that the stacks of `kept` are made of; a node's number is above those below it. */
static bool *find_used(const ch_machine *m, uint32_t kept)
{
    bool *used = calloc(m->n_nodes, sizeof *used);
    size_t n;
    const uint32_t *item = ch_intern_get(&m->configs, kept, &n);
    for (size_t k = 1; used && k < n; k += 2)
        used[item[k]] = true;
    for (size_t i = m->n_nodes; used && i-- > 2;)
        if (used[i])
            used[m->node[i].below] = true;
    return used;
}

uint32_t ch_machine_forget(ch_machine *m, uint32_t kept)
{
    bool *used = find_used(m, kept);
    uint32_t *now = malloc(m->n_nodes * sizeof *now);
    ch_machine fresh = {.a = m->a, .limit = m->limit, .work = m->work};
    uint32_t id = CH_NO_ID;
    if (used && now && begin_empty(&fresh)) {
        now[CH_STACK_END] = CH_STACK_END;
        now[CH_STACK_OPEN] = CH_STACK_OPEN;
        for (size_t i = 2; i < m->n_nodes && fresh.rc == CH_OK; i++)
            if (used[i])
                now[i] = node_of(&fresh, m->node[i].state, now[m->node[i].below]);
        size_t n;
        const uint32_t *item = ch_intern_get(&m->configs, kept, &n);
        begin(&fresh);
        for (size_t k = 0; k < n && fresh.rc == CH_OK; k += 2)
            keep(&fresh, item[k], now[item[k + 1]]);
        id = fresh.rc == CH_OK ? intern(&fresh) : CH_NO_ID;
    }
    free(used);
    free(now);
    if (id == CH_NO_ID) { /* nothing has changed */
        m->rc = fresh.rc < 0 ? fresh.rc : CH_ENOMEM;
        fresh.work = NULL;
        ch_machine_close(&fresh);
        return id;
    }
    m->work = NULL;
    ch_machine_close(m);
    *m = fresh;
    return id;
}
