/* tape.c - the records of a training step, newest first
 *
 * Records are headers of the arena (arena.h), so a measuring run has them too and walks backward
 * through the same memory: what it finds is what a real step takes.  What backward takes for
 * itself is given back after each record.
 * SPDX-License-Identifier: MIT */
#include "op.h"

#include <stdalign.h>

typedef struct record {
    struct record *older;
    void (*backward)(ch_run *r, void *record);
    ch_op_id op;
    alignas(max_align_t) unsigned char data[];
} record;

struct ch_tape {
    record *newest;
};

void ch_tape_begin(ch_run *r)
{
    r->tape = ch_arena_take_header(r->scratch, sizeof *r->tape);
    r->tape->newest = NULL;
}

void *ch_op_record(ch_run *r, ch_op_id op, size_t bytes, void (*backward)(ch_run *r, void *record))
{
    if (!r->tape)
        return NULL;
    record *n = ch_arena_take_header(r->scratch, sizeof *n + bytes);
    n->older = r->tape->newest;
    n->backward = backward;
    n->op = op;
    r->tape->newest = n;
    return n->data;
}

void ch_tape_backward(ch_run *r)
{
    for (record *n = r->tape->newest; n; n = n->older) {
        const size_t mark = ch_arena_mark(r->scratch);
        const ch_op_timer t = ch_op_begin(r);
        n->backward(r, n->data);
        ch_op_end(r, t, n->op, 0, 0);
        ch_arena_reset(r->scratch, mark);
    }
}

void ch_tape_end(ch_run *r)
{
    r->tape = NULL;
}
