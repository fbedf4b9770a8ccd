/* bpe_pieces.c - see bpe_pieces.h; open addressing, at most half full.
 * SPDX-License-Identifier: MIT */
#include "bpe_pieces.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MAX ((size_t)INT32_MAX) /* of distinct pieces; positions are 32 bits in training */

static uint32_t hash_of(const char *p, size_t n)
{
    uint64_t h = n, w;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    for (w = 0; n > 0; n--)
        w = w << 8 | (unsigned char)p[n - 1];
    h = (h ^ w) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static int grow_slots(ch_bpe_pieces *p, ch_err *e)
{
    size_t cap = CH_MAX(p->slots_cap * 2, 1024);
    uint32_t *slots = calloc(cap, sizeof *slots);
    if (slots == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %zu distinct pieces of text", p->n);
    for (size_t i = 0; i < p->n; i++) {
        size_t s = p->piece[i].hash & (cap - 1);
        while (slots[s] != 0)
            s = (s + 1) & (cap - 1);
        slots[s] = (uint32_t)i + 1;
    }
    free(p->slots);
    p->slots = slots;
    p->slots_cap = cap;
    return CH_OK;
}

static int room(ch_bpe_pieces *p, size_t n, ch_err *e)
{
    if (n > BYTES_MAX - p->bytes)
        return ch_fail(e, CH_ELIMIT,
                       "the distinct pieces of text take more than %zu bytes; cut the text",
                       BYTES_MAX);
    if (p->bytes + n > p->text_cap) {
        size_t cap = CH_MAX(p->bytes + n, p->text_cap * 2);
        char *text = realloc(p->text, cap);
        if (text == NULL)
            return ch_fail(e, CH_ENOMEM, "out of memory for %zu bytes of distinct pieces", cap);
        p->text = text;
        p->text_cap = cap;
    }
    if (p->n == p->cap) {
        size_t cap = CH_MAX(p->cap * 2, 512);
        ch_bpe_piece *piece = realloc(p->piece, ch_size_mul(cap, sizeof *piece));
        if (piece == NULL)
            return ch_fail(e, CH_ENOMEM, "out of memory for %zu distinct pieces of text", cap);
        p->piece = piece;
        p->cap = cap;
    }
    return p->n + 1 > p->slots_cap / 2 ? grow_slots(p, e) : CH_OK;
}

int ch_bpe_pieces_add(ch_bpe_pieces *p, const char *piece, size_t n, ch_err *e)
{
    uint32_t hash = hash_of(piece, n);
    for (size_t s = hash; p->slots_cap > 0; s++) {
        uint32_t i = p->slots[s & (p->slots_cap - 1)];
        if (i == 0)
            break;
        ch_bpe_piece *known = &p->piece[i - 1];
        if (known->hash == hash && known->n == n && memcmp(p->text + known->at, piece, n) == 0) {
            known->count++;
            return CH_OK;
        }
    }
    int rc = room(p, n, e);
    if (rc < 0)
        return rc;
    size_t s = hash & (p->slots_cap - 1);
    while (p->slots[s] != 0)
        s = (s + 1) & (p->slots_cap - 1);
    p->slots[s] = (uint32_t)p->n + 1;
    p->piece[p->n++] = (ch_bpe_piece){.at = p->bytes, .count = 1, .n = (uint32_t)n, .hash = hash};
    memcpy(p->text + p->bytes, piece, n);
    p->bytes += n;
    return CH_OK;
}

void ch_bpe_pieces_close(ch_bpe_pieces *p)
{
    free(p->text);
    free(p->piece);
    free(p->slots);
    *p = (ch_bpe_pieces){0};
}
