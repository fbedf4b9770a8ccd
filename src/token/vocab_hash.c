/* vocab_hash.c - one number for all that decides how text becomes ids
 *
 * Equal for a vocabulary that was trained and the same one read back from its file.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "vocab.h"

ch_hash128 ch_tokenizer_hash(const ch_tokenizer *t)
{
    const size_t n = (size_t)t->n;
    const int64_t head[] = {t->n, t->bos, t->eos, t->add_space_prefix, (int64_t)t->pairs.n};
    ch_hash128 h = ch_hash_bytes((ch_hash128){0, 0}, head, sizeof head);
    h = ch_hash_bytes(h, t->kind->name, strlen(t->kind->name));
    if (t->pre)
        h = ch_hash_bytes(h, t->pre->names, strlen(t->pre->names));
    if (t->pre_json)
        h = ch_hash_bytes(h, t->pre_json, strlen(t->pre_json));
    if (t->norm_json)
        h = ch_hash_bytes(h, t->norm_json, strlen(t->norm_json));
    if (t->flags)
        h = ch_hash_bytes(h, t->flags, n);
    h = ch_hash_bytes(h, t->at, (n + 1) * sizeof *t->at);
    h = ch_hash_bytes(h, t->text, t->at[n]);
    h = ch_hash_bytes(h, t->type, n);
    h = ch_hash_bytes(h, t->score, n * sizeof *t->score);
    ch_hash128 pairs = {0, 0}; /* a sum: where they stand in the table means nothing */
    for (size_t i = 0; i < t->pairs.cap; i++) {
        const ch_pair *p = &t->pairs.slots[i];
        if (p->left < 0)
            continue;
        const ch_hash128 one = ch_hash_bytes((ch_hash128){0, 0}, p, sizeof *p);
        pairs.lo += one.lo;
        pairs.hi += one.hi;
    }
    return ch_hash_bytes(h, &pairs, sizeof pairs);
}
