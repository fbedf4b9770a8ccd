/* convolution.c - the last inputs of layers that convolve
 *
 * A ring of BACK + J - 1 rows a layer, token t in slot t mod that.  `oldest` is the first token
 * whose inputs are still there in every layer, so the state can go back to lengths from
 * oldest + J - 1 on (all that a convolution reads before that length is there), or to 0; to the
 * length before an append in any case, since a step writes after it has read.  A fork copies: a
 * few megabytes for a billion parameters.
 *
 *   snapshot:  u32 bytes of a real, layers, D, J, tokens, rows n; then (layers, n, D) reals, of the
 *              last n tokens
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "snapshot.h"

enum { MAX_LAYERS = 65536, MAX_WIDTH = 1 << 20, MAX_TAPS = 64, NUMBERS = 6 };

typedef struct convolution {
    ch_state state;
    ch_convolution_options options;
    int slots; /* rows of a layer */
    int oldest;
    real rows[]; /* (layers, slots, D) */
} convolution;

static size_t count_reals(const ch_convolution_options *o, int slots)
{
    return (size_t)o->layers * (size_t)slots * (size_t)o->width; /* below 2^46 within the limits */
}

static real *slot(const convolution *c, int layer, int token)
{
    const ptrdiff_t row = (ptrdiff_t)layer * c->slots + token % c->slots;
    return (real *)c->rows + row * c->options.width;
}

static size_t row_bytes(const convolution *c)
{
    return (size_t)c->options.width * sizeof(real);
}

/* ---- The kind ------------------------------------------------------------------------------ */

static int append(ch_state *s, int rows, ch_err *e)
{
    (void)e;
    s->length += rows;
    return CH_OK;
}

static int fork_state(ch_state **out, ch_state *s, ch_err *e)
{
    const convolution *c = (const convolution *)s;
    *out = NULL;
    const size_t bytes = sizeof *c + count_reals(&c->options, c->slots) * sizeof(real);
    convolution *n = malloc(bytes);
    if (!n)
        return ch_fail(e, CH_ENOMEM, "convolution: no memory for a fork (%zu bytes)", bytes);
    memcpy(n, c, bytes);
    *out = &n->state;
    return CH_OK;
}

static int least(const ch_state *s)
{
    const convolution *c = (const convolution *)s;
    return c->oldest == 0 ? CH_MIN(1, s->length) : c->oldest + c->options.taps - 1;
}

static int rollback(ch_state *s, int length, ch_err *e)
{
    convolution *c = (convolution *)s;
    if (length > 0 && length < least(s))
        return ch_fail(e, CH_ELIMIT,
                       "convolution: cannot go back from %d to %d tokens, allowed is %d and more, "
                       "or 0",
                       s->length, length, least(s));
    s->length = length;
    if (length == 0)
        c->oldest = 0;
    return CH_OK;
}

static int snapshot(const ch_state *s, ch_buf *b, ch_err *e)
{
    const convolution *c = (const convolution *)s;
    const ch_convolution_options *o = &c->options;
    const int n = CH_MIN(s->length - c->oldest, c->slots);
    const uint32_t numbers[NUMBERS] = {(uint32_t)sizeof(real), (uint32_t)o->layers,
                                       (uint32_t)o->width,     (uint32_t)o->taps,
                                       (uint32_t)s->length,    (uint32_t)n};
    unsigned char *p = ch_buf_room(b, sizeof numbers);
    for (int i = 0; p && i < NUMBERS; i++)
        snapshot_put(p + 4 * i, numbers[i], 4);
    for (int layer = 0; layer < o->layers; layer++)
        for (int t = s->length - n; t < s->length; t++)
            ch_buf_put(b, slot(c, layer, t), row_bytes(c));
    return ch_buf_check(b, "a snapshot", e);
}

static int restore(ch_state *s, const void *bytes, size_t size, size_t *used, ch_err *e)
{
    convolution *c = (convolution *)s;
    const ch_convolution_options *o = &c->options;
    const unsigned char *p = bytes;
    uint32_t numbers[NUMBERS];
    if (s->length != 0)
        return ch_fail(e, CH_EARG,
                       "convolution: only an empty state can be restored; this one has %d tokens",
                       s->length);
    if (size < sizeof numbers)
        return ch_fail(e, CH_EFORMAT, "convolution: a snapshot of %zu bytes, it has %zu and more",
                       size, sizeof numbers);
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = (uint32_t)snapshot_get(p + 4 * i, 4);
    if (numbers[0] != sizeof(real) || numbers[1] != (uint32_t)o->layers ||
        numbers[2] != (uint32_t)o->width || numbers[3] != (uint32_t)o->taps)
        return ch_fail(e, CH_EFORMAT,
                       "convolution: a snapshot of %u layers of %u columns, %u taps, reals of %u "
                       "bytes; here are %d, %d, %d, %zu",
                       (unsigned)numbers[1], (unsigned)numbers[2], (unsigned)numbers[3],
                       (unsigned)numbers[0], o->layers, o->width, o->taps, sizeof(real));
    const uint32_t length = numbers[4], n = numbers[5];
    if (length > INT32_MAX || n > length || n > (uint32_t)c->slots ||
        n < CH_MIN(length, (uint32_t)o->taps - 1))
        return ch_fail(e, CH_EFORMAT,
                       "convolution: a snapshot of %u rows of %u tokens; allowed are %d to %d",
                       (unsigned)n, (unsigned)length, o->taps - 1, c->slots);
    const size_t reals = count_reals(o, (int)n) * sizeof(real);
    if (size - sizeof numbers < reals)
        return ch_fail(e, CH_EFORMAT, "convolution: %zu bytes are left of a snapshot's %zu",
                       size - sizeof numbers, reals);
    p += sizeof numbers;
    for (int layer = 0; layer < o->layers; layer++)
        for (uint32_t t = length - n; t < length; t++, p += row_bytes(c))
            memcpy(slot(c, layer, (int)t), p, row_bytes(c));
    s->length = (int)length;
    c->oldest = (int)(length - n);
    *used = sizeof numbers + reals;
    return CH_OK;
}

static void close_state(ch_state *s)
{
    free(s);
}

const ch_state_kind ch_convolution_kind = {
    .name = "convolution", .append = append, .fork = fork_state, .least = least,
    .rollback = rollback, .snapshot = snapshot, .restore = restore, .close = close_state,
};

/* ---- Use ----------------------------------------------------------------------------------- */

int ch_convolution_open(ch_state **out, const ch_convolution_options *o, ch_err *e)
{
    *out = NULL;
    if (o->layers < 1 || o->layers > MAX_LAYERS || o->width < 1 || o->width > MAX_WIDTH ||
        o->taps < 1 || o->taps > MAX_TAPS)
        return ch_fail(e, CH_EARG,
                       "convolution: %d layers of %d columns and %d taps, allowed are 1 to %d, %d "
                       "and %d", o->layers, o->width, o->taps, MAX_LAYERS, MAX_WIDTH, MAX_TAPS);
    const int slots = CH_CONVOLUTION_BACK + o->taps - 1;
    const size_t bytes = sizeof(convolution) + count_reals(o, slots) * sizeof(real);
    convolution *c = calloc(1, bytes);
    if (!c)
        return ch_fail(e, CH_ENOMEM, "convolution: no memory for its inputs (%zu bytes)", bytes);
    c->state.kind = &ch_convolution_kind;
    c->options = *o;
    c->slots = slots;
    *out = &c->state;
    return CH_OK;
}

void ch_convolution_before(const real **rows, const ch_state *s, int layer, int at)
{
    const convolution *c = (const convolution *)s;
    const int n = c->options.taps - 1;
    for (int i = 0; i < n; i++)
        rows[i] = at - n + i < 0 ? NULL : slot(c, layer, at - n + i);
}

void ch_convolution_write(ch_state *s, int layer, int at, int n, const real *x, ptrdiff_t ld)
{
    convolution *c = (convolution *)s;
    const int end = at + n;
    for (int t = CH_MAX(at, end - c->slots); t < end; t++)
        memcpy(slot(c, layer, t), x + (t - at) * ld, row_bytes(c));
    c->oldest = CH_MAX(c->oldest, end - c->slots);
}
