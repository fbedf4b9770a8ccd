/* Equal prefixes have equal keys, and nothing else has.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "cache.h"
#include "support.h"

static const ch_cache_options usual = {
    .layers = 2, .kv_heads = 2, .head_width = 8, .page_size = 32, .k_dtype = CH_F16,
    .v_dtype = CH_F16, .max_tokens = 100};
static const ch_hash128 model = {11, 22};

static void scopes_tell_what_matters(void **state)
{
    (void)state;
    ch_hash128 all[16];
    int n = 0;
    all[n++] = ch_page_scope(model, "", &usual, "");
    all[n++] = ch_page_scope((ch_hash128){11, 23}, "", &usual, "");
    all[n++] = ch_page_scope((ch_hash128){12, 22}, "", &usual, "");
    all[n++] = ch_page_scope(model, "a", &usual, "");
    all[n++] = ch_page_scope(model, "", &usual, "a");
    all[n++] = ch_page_scope(model, "ab", &usual, "c");
    all[n++] = ch_page_scope(model, "a", &usual, "bc");
    ch_cache_options o[7];
    for (int i = 0; i < 7; i++)
        o[i] = usual;
    o[0].layers++;
    o[1].kv_heads++;
    o[2].head_width++;
    o[3].page_size++;
    o[4].k_dtype = CH_Q8_0;
    o[5].v_dtype = CH_Q8_0;
    for (int i = 0; i < 6; i++)
        all[n++] = ch_page_scope(model, "", &o[i], "");
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            assert_false(ch_hash_equal(all[i], all[k]));
    o[6].max_tokens = 7; /* room is no content */
    assert_true(ch_hash_equal(all[0], ch_page_scope(model, "", &o[6], "")));
    assert_true(ch_hash_equal(all[0], ch_page_scope(model, NULL, &usual, NULL)));
}

static void keys_chain(void **state)
{
    (void)state;
    const ch_hash128 scope = ch_page_scope(model, "", &usual, "");
    ch_token a[8] = {1, 2, 3, 4, 5, 6, 7, 8}, b[8];
    memcpy(b, a, sizeof b);
    const ch_hash128 one = ch_page_key(scope, a, 4), two = ch_page_key(one, a + 4, 4);
    assert_true(ch_hash_equal(one, ch_page_key(scope, b, 4)));
    assert_true(ch_hash_equal(two, ch_page_key(ch_page_key(scope, b, 4), b + 4, 4)));
    for (int i = 0; i < 8; i++) /* any token of the prefix */
        for (int bit = 0; bit < 32; bit++) {
            b[i] = (ch_token)((uint32_t)a[i] ^ UINT32_C(1) << bit);
            assert_false(ch_hash_equal(two, ch_page_key(ch_page_key(scope, b, 4), b + 4, 4)));
            b[i] = a[i];
        }
    assert_false(ch_hash_equal(one, ch_page_key(scope, a, 3)));
    assert_false(ch_hash_equal(two, ch_page_key(scope, a + 4, 4))); /* the same page elsewhere */
    assert_false(ch_hash_equal(two, ch_page_key(scope, a, 8)));
    const ch_hash128 other = ch_page_scope(model, "", &usual, "early exit");
    assert_false(ch_hash_equal(one, ch_page_key(other, a, 4)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scopes_tell_what_matters),
        cmocka_unit_test(keys_chain),
    };
    return cmocka_run_group_tests_name("page_key", tests, NULL, NULL);
}
