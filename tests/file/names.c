/* Tensor names of Hugging Face and of GGUF, both ways.  SPDX-License-Identifier: MIT */
#include <string.h>

#include "file.h"
#include "support.h"

static void known_names_translate_both_ways(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"token_embd.weight", "model.embed_tokens.weight"},
        {"output_norm.weight", "model.norm.weight"},
        {"output.weight", "lm_head.weight"},
        {"blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight"},
        {"blk.7.attn_q.weight", "model.layers.7.self_attn.q_proj.weight"},
        {"blk.10.attn_k.bias", "model.layers.10.self_attn.k_proj.bias"},
        {"blk.123.attn_v.bias", "model.layers.123.self_attn.v_proj.bias"},
        {"blk.3.attn_output.weight", "model.layers.3.self_attn.o_proj.weight"},
        {"blk.3.ffn_norm.weight", "model.layers.3.post_attention_layernorm.weight"},
        {"blk.3.ffn_gate.weight", "model.layers.3.mlp.gate_proj.weight"},
        {"blk.3.ffn_up.weight", "model.layers.3.mlp.up_proj.weight"},
        {"blk.999999.ffn_down.weight", "model.layers.999999.mlp.down_proj.weight"},
    };
    char out[128];
    for (size_t i = 0; i < CH_COUNT(pairs); i++) {
        assert_true(ch_name_to_hf(out, sizeof out, "llama", pairs[i][0]));
        assert_string_equal(out, pairs[i][1]);
        assert_true(ch_name_to_gguf(out, sizeof out, "llama", pairs[i][1]));
        assert_string_equal(out, pairs[i][0]);
    }
}

static void other_names_are_unknown(void **state)
{
    (void)state;
    static const char *const gguf[] = {
        "",
        ".",
        ".weight",
        "token_embd",
        "token_embd.",
        "token_embd.weights",
        "token_embd.weight.weight",
        "blk.attn_q.weight",
        "blk..attn_q.weight",
        "blk.1",
        "blk.1.",
        "blk.1.weight",
        "blk.01.attn_q.weight",
        "blk.-1.attn_q.weight",
        "blk.1234567.attn_q.weight",
        "blk.1.attn_q.weight ",
        "blk.#.attn_q.weight",
        "blk.1.attn_qq.weight",
        "Token_embd.weight",
        "model.norm.weight",
    };
    static const char *const hf[] = {
        "",
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.layers.00.mlp.up_proj.weight",
        "model.layers.0.mlp.up_proj",
        "layers.0.mlp.up_proj.weight",
        "output.weight",
    };
    char out[128];
    for (size_t i = 0; i < CH_COUNT(gguf); i++)
        if (ch_name_to_hf(out, sizeof out, "llama", gguf[i]))
            fail_msg("\"%s\" became \"%s\"", gguf[i], out);
    for (size_t i = 0; i < CH_COUNT(hf); i++)
        if (ch_name_to_gguf(out, sizeof out, "llama", hf[i]))
            fail_msg("\"%s\" became \"%s\"", hf[i], out);
}

static void what_does_not_fit_is_not_written_past(void **state)
{
    (void)state;
    char *out = guarded(14); /* "output.weight" and its 0 */
    assert_true(ch_name_to_gguf(out, 14, "llama", "lm_head.weight"));
    assert_string_equal(out, "output.weight");
    guarded_free(out, 14);
    out = guarded(13);
    assert_false(ch_name_to_gguf(out, 13, "llama", "lm_head.weight"));
    guarded_free(out, 13);
    assert_false(ch_name_to_gguf(NULL, 0, "llama", "lm_head.weight"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_names_translate_both_ways),
        cmocka_unit_test(other_names_are_unknown),
        cmocka_unit_test(what_does_not_fit_is_not_written_past),
    };
    return cmocka_run_group_tests_name("file/names", tests, NULL, NULL);
}
