/* page_key.c - names of prefixes
 *
 *   scope  = H(H(H(version, model and numbers), adapters), policy)
 *   key[p] = H(key[p-1], tokens of page p), key[-1] = scope
 *
 * H(key, bytes) is keyed by what came before, and every scope hashes the same number of parts, so
 * that two prefixes share a key only where everything agrees.  max_tokens is left out: it changes
 * no page.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "cache.h"

ch_hash128 ch_page_scope(ch_hash128 model, const char *adapters, const ch_cache_options *o,
                         const char *policy)
{
    const uint64_t parts[] = {
        model.lo, model.hi, (uint64_t)o->layers, (uint64_t)o->kv_heads, (uint64_t)o->head_width,
        (uint64_t)o->page_size, (uint64_t)ch_dtype_get(o->k_dtype)->gguf,
        (uint64_t)ch_dtype_get(o->v_dtype)->gguf,
    };
    ch_hash128 h = {.lo = 0x7061676573636f70u, .hi = 1}; /* the version of this rule */
    h = ch_hash_bytes(h, parts, sizeof parts);
    h = ch_hash_bytes(h, adapters ? adapters : "", adapters ? strlen(adapters) : 0);
    return ch_hash_bytes(h, policy ? policy : "", policy ? strlen(policy) : 0);
}

ch_hash128 ch_page_key(ch_hash128 before, const ch_token *tokens, int n)
{
    return ch_hash_bytes(before, tokens, (size_t)n * sizeof *tokens);
}
