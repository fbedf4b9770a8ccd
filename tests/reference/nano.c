/* nano.c - see nano.h: metadata and tensors as converters write them
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define SHAPE .D = 48, .H = 4, .K = 2, .E = 16, .F = 80, .V = NANO_VOCAB
#define SQUARE .D = 64, .H = 4, .K = 2, .E = 16, .F = 80, .V = NANO_VOCAB /* H E = D */
#define SMALL .D = 16, .H = 4, .K = 2, .E = 8, .F = 24, .V = NANO_VOCAB
#define YARN {"rope.scaling.type", 's', 0, "yarn"}, {"rope.scaling.factor", 'f', 4, NULL}, \
             {"rope.scaling.original_context_length", 'i', NANO_ORIGINAL, NULL}

#define STEPS(n, anchor) {"integrator.depth", 'I', n, NULL}, \
                         {"integrator.anchor", 'I', anchor, NULL}

const nano nanos[] = {
    {"llama", "llama", SHAPE, .L = 3, .keys = {{"rope.freq_base", 'f', 500, NULL}}},
    {"llama biases", "llama", SHAPE, .L = 2, .also = "biases"},
    {"mistral", "llama", SHAPE, .L = 3, .keys = {{"attention.sliding_window", 'i', 20, NULL}}},
    {"llama tied", "llama", SQUARE, .L = 2, .tied = true},
    {"llama3", "llama", SHAPE, .L = 3, .also = "freqs"},
    {"llama linear", "llama", SHAPE, .L = 3,
     .keys = {{"rope.scaling.type", 's', 0, "linear"}, {"rope.scaling.factor", 'f', 4, NULL}}},
    {"llama yarn", "llama", SHAPE, .L = 3, .keys = {YARN, {"rope.freq_base", 'f', 100, NULL}}},
    {"yarn in full", "llama", SHAPE, .L = 3,
     .keys = {YARN,
              {"rope.freq_base", 'f', 100, NULL},
              {"rope.scaling.yarn_beta_fast", 'f', 1.2, NULL},
              {"rope.scaling.yarn_beta_slow", 'f', 0.3, NULL},
              {"rope.scaling.yarn_attn_factor", 'f', 1.3, NULL}}},
    {"qwen2", "qwen2", SQUARE, .L = 3, .tied = true, .keys = {{"rope.freq_base", 'f', 1e4, NULL}}},
    {"qwen3", "qwen3", SHAPE, .L = 3, .keys = {{"rope.freq_base", 'f', 1e4, NULL}}},
    {"qwen3 yarn", "qwen3", SHAPE, .L = 3, .keys = {YARN, {"rope.freq_base", 'f', 100, NULL}}},
    {"gpt2", "gpt2", .D = 64, .H = 4, .K = 4, .E = 16, .F = 256, .V = NANO_VOCAB, .L = 3,
     .tied = true},
    {"gemma2", "gemma2", SHAPE, .L = 4, .tied = true,
     .keys = {{"attention.sliding_window", 'i', 20, NULL},
              {"attn_logit_softcapping", 'f', 4, NULL},
              {"final_logit_softcapping", 'f', 9, NULL}}},
    {"gemma2 27b", "gemma2", SMALL, .L = 46, .tied = true,
     .keys = {{"attention.sliding_window", 'i', 20, NULL}}},
    {"gemma3", "gemma3", SHAPE, .L = 7, .tied = true,
     .keys = {{"attention.sliding_window", 'i', 20, NULL},
              {"rope.freq_base", 'f', 1e3, NULL},
              {"rope.freq_base_swa", 'f', 100, NULL},
              {"rope.scaling.type", 's', 0, "linear"},
              {"rope.scaling.factor", 'f', 8, NULL}}},
    {"gemma3 27b", "gemma3", SMALL, .L = 62, .tied = true,
     .keys = {{"attention.sliding_window", 'i', 20, NULL}}},
    {"phi3", "phi3", SQUARE, .L = 3,
     .keys = {{"rope.dimension_count", 'I', 12, NULL},
              {"rope.freq_base", 'f', 1e4, NULL},
              {"attention.sliding_window", 'i', 40, NULL}}},
    {"phi3 long", "phi3", SQUARE, .L = 3, .also = "factors",
     .keys = {{"rope.dimension_count", 'I', 12, NULL},
              {"rope.scaling.type", 's', 0, "longrope"},
              {"rope.scaling.original_context_length", 'i', 300, NULL},
              {"rope.scaling.attn_factor", 'f', 1.19, NULL}}},
    {"phi3 short", "phi3", SQUARE, .L = 3, .also = "factors", .context = 256,
     .keys = {{"rope.dimension_count", 'I', 12, NULL},
              {"rope.scaling.type", 's', 0, "longrope"},
              {"rope.scaling.original_context_length", 'I', 300, NULL},
              {"rope.scaling.attn_factor", 'f', 1.19, NULL}}},
    {"smollm3", "smollm3", SHAPE, .L = 5, .tied = true,
     .keys = {{"rope.freq_base", 'f', 1e3, NULL}}},
    {"olmo2", "olmo2", SQUARE, .L = 3, .keys = {{"rope.freq_base", 'f', 1e3, NULL}}},
    {"olmo3", "olmo2", SQUARE, .L = 5,
     .keys = {YARN,
              {"rope.freq_base", 'f', 100, NULL},
              {"attention.sliding_window", 'i', 20, NULL},
              {"attention.sliding_window_pattern", 'a', 0, "11011"}}},
    {"granite", "granite", SHAPE, .L = 3, .tied = true,
     .keys = {{"embedding_scale", 'f', 3, NULL},
              {"residual_scale", 'f', 0.4, NULL},
              {"attention.scale", 'f', 0.1, NULL},
              {"logit_scale", 'f', 2.5, NULL}}},
    {"inl_v2", "inl_v2", .D = 80, .H = 4, .K = 4, .E = 20, .F = 96, .V = NANO_VOCAB, .L = 3,
     .keys = {{"integrator.iterations", 'a', 0, "243"}, {"integrator.group_size", 'I', 64, NULL}}},
    {"inl_v2 low", "inl_v2", .D = 80, .H = 4, .K = 4, .E = 20, .F = 96, .V = NANO_VOCAB, .L = 3,
     .also = "low",
     .keys = {{"embedding_rank", 'I', 64, NULL},
              {"integrator.iterations", 'a', 0, "689"},
              {"integrator.group_size", 'I', 24, NULL},
              {"integrator.stop", 's', 0, "token"},
              {"integrator.threshold", 'f', 1.1, NULL},
              {"integrator.min_steps", 'i', 2, NULL},
              {"integrator.step", 'f', 0.2, NULL}}},
    {"inl_v3", "inl_v3", .D = 80, .H = 4, .K = 2, .E = 20, .F = 96, .V = NANO_VOCAB, .L = 3,
     .also = "low",
     .keys = {{"embedding_rank", 'I', 64, NULL},
              {"integrator.iterations", 'a', 0, "689"},
              {"integrator.group_size", 'I', 24, NULL},
              {"integrator.stop", 's', 0, "token"},
              {"integrator.threshold", 'f', 1.1, NULL},
              {"integrator.min_steps", 'i', 2, NULL},
              {"integrator.step", 'f', 0.2, NULL},
              {"rope.freq_base", 'f', 500, NULL}}},
    {"inl_v2 call", "inl_v2", .D = 80, .H = 4, .K = 4, .E = 20, .F = 96, .V = NANO_VOCAB, .L = 3,
     .keys = {{"integrator.iterations", 'a', 0, "989"},
              {"integrator.stop", 's', 0, "reference"},
              {"integrator.threshold", 'f', 1.5, NULL}}},
    {"inl_v3 plain", "inl_v3", SQUARE, .L = 2,
     .keys = {{"integrator.iterations", 'a', 0, "25"}, {"integrator.step", 'f', 0.1, NULL}}},
    {"lfm2", "lfm2", SQUARE, .L = 5, .tied = true,
     .keys = {{"shortconv.l_cache", 'I', 3, NULL},
              {"attention.head_count_kv", 'a', 0, "00202"},
              {"rope.freq_base", 'f', 1e4, NULL}}},
    {"integrator plain", "integrator", SHAPE, .L = 3,
     .keys = {{"feed_forward_type", 's', 0, "relu2"}, {"rope.freq_base", 'f', 1e4, NULL}}},
    {"integrator", "integrator", SHAPE, .L = 5, .tied = true, .also = "steps inertia gate rank",
     .keys = {STEPS(3, 2),
              {"integrator.gate_layer", 'I', 2, NULL},
              {"integrator.tolerance", 'f', 0.5, NULL},
              {"feed_forward_groups", 'I', 2, NULL},
              {"attention_groups", 'I', 3, NULL},
              {"embedding_rank", 'I', 24, NULL}}},
    {"integrator here", "integrator", SHAPE, .L = 4, .also = "steps inertia",
     .keys = {STEPS(4, 1), {"feed_forward_groups", 'I', 1, NULL}}},
    {"integrator closed", "integrator", SHAPE, .L = 3, .also = "steps controller",
     .keys = {STEPS(4, 3)}},
    {"integrator driven", "integrator", SHAPE, .L = 4, .also = "steps controller driven gate",
     .keys = {STEPS(4, 4),
              {"integrator.gate_layer", 'I', 1, NULL},
              {"integrator.tolerance", 'f', 0.5, NULL}}},
    {"integrator card", "integrator", SHAPE, .L = 4, .also = "steps controller driven excited",
     .keys = {STEPS(3, 4),
              {"integrator.controller_groups", 'I', 2, NULL},
              {"integrator.excited", 'I', 7, NULL}}},
    {"llama in steps", "llama", SHAPE, .L = 3, .also = "steps", .keys = {STEPS(2, 0)}},
    {"qwen3 in steps", "qwen3", SHAPE, .L = 3, .tied = true, .also = "steps inertia gate",
     .keys = {STEPS(3, 2),
              {"integrator.gate_layer", 'I', 1, NULL},
              {"integrator.tolerance", 'f', 0.7, NULL}}},
};
const int n_nanos = CH_COUNT(nanos);

/* ---- Tensors -------------------------------------------------------------------------------- */

enum { MATRIX, GAIN, BIAS, TABLE, FACTOR };
#define ROTARY "llama qwen2 qwen3 gemma2 gemma3 smollm3 olmo2 granite integrator"
#define GATED ROTARY " lfm2 inl_v3"
#define INL "inl_v2 inl_v3"

/* Sizes: D F V as ever, Q heads together, K key heads together, A = Q + 2 K, B = 3 D, G = 2 F, E a
 * head, C positions, R pairs that turn, J taps, W as wide as the embedding's table, Y as the head
 * is, O groups of the published integrator's equilibrium, N width of controllers, S steps, M one
 * less.  Who: architectures, or words in `also`.  Layers: '*' all, '+' those with attention, '-'
 * those without; of '+', 'f' and 'c' the first of each group that shares attention's or
 * feed-forward maps, or a controller.
 */
static const struct {
    const char *name;
    char rows, cols;
    int kind;
    char layers;
    const char *who;
} tensors[] = {
    {"token_embd.weight", 'V', 'W', TABLE, 0, "any"},
    {"token_embd_up.weight", 'D', 'W', MATRIX, 0, "rank low"},
    {"position_embd.weight", 'C', 'D', TABLE, 0, "gpt2"},
    {"rope_freqs.weight", 0, 'R', FACTOR, 0, "freqs"},
    {"rope_factors_long.weight", 0, 'R', FACTOR, 0, "factors"},
    {"rope_factors_short.weight", 0, 'R', FACTOR, 0, "factors"},
    {"blk.%d.attn_norm.weight", 0, 'D', GAIN, '*',
     "llama qwen2 qwen3 gpt2 gemma2 gemma3 phi3 smollm3 granite lfm2 integrator " INL},
    {"blk.%d.attn_norm.bias", 0, 'D', BIAS, '*', "gpt2 inl_v2"},
    {"blk.%d.attn_q.weight", 'Q', 'D', MATRIX, '+', GATED},
    {"blk.%d.attn_q.bias", 0, 'Q', BIAS, '+', "qwen2 biases"},
    {"blk.%d.attn_k.weight", 'K', 'D', MATRIX, '+', GATED},
    {"blk.%d.attn_k.bias", 0, 'K', BIAS, '+', "qwen2 biases"},
    {"blk.%d.attn_v.weight", 'K', 'D', MATRIX, '+', GATED},
    {"blk.%d.attn_v.bias", 0, 'K', BIAS, '+', "qwen2 biases"},
    {"blk.%d.attn_qkv.weight", 'A', 'D', MATRIX, '*', "gpt2 phi3 inl_v2"},
    {"blk.%d.attn_qkv.bias", 0, 'A', BIAS, '*', "gpt2 inl_v2"},
    {"blk.%d.attn_q_norm.weight", 0, 'E', GAIN, '+', "qwen3 gemma3 lfm2 integrator"},
    {"blk.%d.attn_k_norm.weight", 0, 'E', GAIN, '+', "qwen3 gemma3 lfm2 integrator"},
    {"blk.%d.attn_q_norm.weight", 0, 'Q', GAIN, '*', "olmo2"},
    {"blk.%d.attn_k_norm.weight", 0, 'K', GAIN, '*', "olmo2"},
    {"blk.%d.attn_output.weight", 'D', 'Q', MATRIX, '+', GATED " gpt2 phi3 inl_v2"},
    {"blk.%d.attn_output.bias", 0, 'D', BIAS, '*', "gpt2 biases inl_v2"},
    {"blk.%d.inl_norm.weight", 0, 'D', GAIN, '*', INL},
    {"blk.%d.inl_norm.bias", 0, 'D', BIAS, '*', "inl_v2"},
    {"blk.%d.inl_mu.weight", 0, '1', BIAS, '*', INL},
    {"blk.%d.inl_offsets.weight", 0, 'O', BIAS, '*', INL},
    {"blk.%d.inl_in.weight", 'N', 'B', MATRIX, '*', INL},
    {"blk.%d.inl_in.bias", 0, 'N', BIAS, '*', INL},
    {"blk.%d.inl_out.weight", 'B', 'N', MATRIX, '*', INL},
    {"blk.%d.inl_out.bias", 0, 'B', BIAS, '*', INL},
    {"blk.%d.post_attention_norm.weight", 0, 'D', GAIN, '*', "gemma2 gemma3 olmo2"},
    {"blk.%d.shortconv.in_proj.weight", 'B', 'D', MATRIX, '-', "lfm2"},
    {"blk.%d.shortconv.conv.weight", 'D', 'J', MATRIX, '-', "lfm2"},
    {"blk.%d.shortconv.out_proj.weight", 'D', 'D', MATRIX, '-', "lfm2"},
    {"blk.%d.ffn_norm.weight", 0, 'D', GAIN, '*',
     "llama qwen2 qwen3 gpt2 gemma2 gemma3 phi3 smollm3 granite lfm2 integrator " INL},
    {"blk.%d.integrator_norm.weight", 'S', 'D', GAIN, '*', "steps"},
    {"blk.%d.integrator_gain.weight", 'S', 'D', GAIN, '*', "steps"},
    {"blk.%d.integrator_inertia.weight", 'S', 'D', TABLE, '*', "inertia"},
    {"blk.%d.integrator_pull.weight", 0, 'D', BIAS, '*', "inertia"},
    {"blk.%d.controller.weight", 'N', 'D', MATRIX, 'c', "controller"},
    {"blk.%d.controller_inertia.weight", 'D', 'N', MATRIX, 'c', "controller"},
    {"blk.%d.controller_inertia.bias", 0, 'D', TABLE, 'c', "controller"},
    {"blk.%d.controller_pull.weight", 'D', 'N', MATRIX, 'c', "controller"},
    {"blk.%d.controller_pull.bias", 0, 'D', BIAS, 'c', "controller"},
    {"blk.%d.controller_gate.weight", 'D', 'N', MATRIX, 'c', "driven"},
    {"blk.%d.controller_gate.bias", 0, 'D', BIAS, 'c', "driven"},
    {"blk.%d.controller_scale.weight", 0, '3', GAIN, '*', "driven"},
    {"blk.%d.controller_shift.weight", 0, '3', BIAS, '*', "driven"},
    {"blk.%d.excitation_size.weight", 0, 'X', BIAS, '*', "excited"},
    {"blk.%d.excitation_speed.weight", 0, 'X', GAIN, '*', "excited"},
    {"blk.%d.excitation_phase.weight", 0, 'X', BIAS, '*', "excited"},
    {"depth_gate.weight", 'M', 'D', MATRIX, 0, "gate"},
    {"depth_gate.bias", 0, 'M', BIAS, 0, "gate"},
    {"blk.%d.ffn_norm.bias", 0, 'D', BIAS, '*', "gpt2 inl_v2"},
    {"blk.%d.ffn_gate.weight", 'F', 'D', MATRIX, 'f', GATED},
    {"blk.%d.ffn_up.weight", 'F', 'D', MATRIX, 'f', GATED " gpt2 inl_v2"},
    {"blk.%d.ffn_up.weight", 'G', 'D', MATRIX, '*', "phi3"},
    {"blk.%d.ffn_up.bias", 0, 'F', BIAS, '*', "gpt2 inl_v2"},
    {"blk.%d.ffn_down.weight", 'D', 'F', MATRIX, 'f', GATED " gpt2 phi3 inl_v2"},
    {"blk.%d.ffn_down.bias", 0, 'D', BIAS, '*', "gpt2 inl_v2"},
    {"blk.%d.post_ffw_norm.weight", 0, 'D', GAIN, '*', "gemma2 gemma3 olmo2"},
    {"output_norm.weight", 0, 'D', GAIN, 0,
     "llama qwen2 qwen3 gpt2 gemma2 gemma3 phi3 smollm3 olmo2 granite integrator " INL},
    {"output_down.weight", 'W', 'D', MATRIX, 0, "rank"},
    {"output_norm.bias", 0, 'D', BIAS, 0, "gpt2 inl_v2"},
    {"token_embd_norm.weight", 0, 'D', GAIN, 0, "lfm2"},
    {"output.weight", 'V', 'Y', MATRIX, 0, "any"},
};

static const nano_key *find_key(const nano *n, const char *key)
{
    for (int i = 0; i < NANO_KEYS && n->keys[i].key; i++)
        if (!strcmp(n->keys[i].key, key))
            return &n->keys[i];
    return NULL;
}

static bool is_word(const char *words, const char *word)
{
    const size_t n = word ? strlen(word) : 0;
    for (const char *p = n ? strstr(words, word) : NULL; p; p = strstr(p + 1, word))
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
            return true;
    return false;
}

static int letter(const nano *n, char c)
{
    const nano_key *turned = find_key(n, "rope.dimension_count");
    const nano_key *taps = find_key(n, "shortconv.l_cache");
    const nano_key *steps = find_key(n, "integrator.depth");
    const nano_key *anchor = find_key(n, "integrator.anchor");
    const nano_key *rank = find_key(n, "embedding_rank");
    const nano_key *excited = find_key(n, "integrator.excited");
    const nano_key *group = find_key(n, "integrator.group_size");
    const int columns = group ? (int)group->v : 64;
    switch (c) {
    case 'S': return anchor && anchor->v == 3 ? 1 : steps ? (int)steps->v : 0;
    case 'X': return excited ? (int)excited->v : 0;
    case '3': return 3;
    case 'M': return steps ? (int)steps->v - 1 : 0;
    case 'D': return n->D;
    case 'W': return rank ? (int)rank->v : n->D;
    case 'Y': return rank && is_word(INL, n->arch) ? n->D : letter(n, 'W');
    case 'O': return (n->D + columns - 1) / columns;
    case 'N': return 64;
    case 'F': return n->F;
    case 'V': return n->V;
    case 'E': return n->E;
    case 'Q': return n->H * n->E;
    case 'K': return n->K * n->E;
    case 'A': return (n->H + 2 * n->K) * n->E;
    case 'B': return 3 * n->D;
    case 'G': return 2 * n->F;
    case 'C': return NANO_CONTEXT;
    case 'J': return taps ? (int)taps->v : 0;
    case 'R': return turned ? (int)turned->v / 2 : n->E / 2;
    default: return 1;
    }
}

static float draw(int kind, int cols, uint64_t seed, int64_t i)
{
    const double z = ch_rng_normal(seed, CH_RNG_TEST, 5, (uint64_t)i);
    switch (kind) {
    case MATRIX: return (float)(1.3 * z / sqrt(cols));
    case GAIN: return (float)(1 + 0.3 * z);
    case BIAS: return (float)(0.4 * z);
    case FACTOR: return (float)exp(0.6 + 0.6 * z);
    default: return (float)z;
    }
}

static void add(ch_file *f, const nano *n, size_t row, int layer)
{
    ch_err e;
    char name[64];
    const char *mark = strstr(tensors[row].name, "%d");
    const int rows = letter(n, tensors[row].rows), cols = letter(n, tensors[row].cols);
    const int64_t count = (int64_t)rows * cols;
    if (mark)
        snprintf(name, sizeof name, "blk.%d%s", layer, mark + 2);
    else
        snprintf(name, sizeof name, "%s", tensors[row].name);
    float *data = ch_file_memory(f, (size_t)count * sizeof *data, &e);
    assert_non_null(data);
    for (int64_t i = 0; i < count; i++)
        data[i] = draw(tensors[row].kind, cols, (uint64_t)(row * 100 + (size_t)layer), i);
    const ch_tensor t = tensors[row].rows ? ch_tensor_2d(data, CH_F32, rows, cols)
                                          : ch_tensor_1d(data, CH_F32, cols);
    assert_ok(ch_file_add_tensor(f, name, &t, &e), e);
}

/* Is the layer the first that shares with others? */
static bool leads(const nano *n, const char *key, int layer)
{
    const nano_key *k = find_key(n, key);
    const int groups = k ? (int)k->v : n->L;
    return layer == 0 || (layer - 1) * groups / n->L != layer * groups / n->L;
}

/* Is one of the words one of the list? */
static bool has_word(const char *list, const char *words)
{
    char word[16];
    int n = 0;
    for (; words && sscanf(words, " %15s%n", word, &n) == 1; words += n)
        if (is_word(list, word))
            return true;
    return false;
}

static bool has(const nano *n, size_t row, int layer)
{
    const nano_key *kv = find_key(n, "attention.head_count_kv");
    const bool attention = !kv || kv->word[layer] != '0';
    if (!strcmp(tensors[row].name, "output.weight") && n->tied)
        return false;
    const char kind = tensors[row].layers;
    if (kind == '+' && !leads(n, "attention_groups", layer))
        return false;
    if (kind == 'f' && !leads(n, "feed_forward_groups", layer))
        return false;
    if (kind == 'c' && !leads(n, "integrator.controller_groups", layer))
        return false;
    if (!strcmp(tensors[row].name, "blk.%d.ffn_norm.weight") && find_key(n, "integrator.depth"))
        return false;
    if (!strcmp(tensors[row].name, "blk.%d.ffn_gate.weight") &&
        find_key(n, "feed_forward_type"))
        return false;
    if ((tensors[row].layers == '+' && !attention) || (tensors[row].layers == '-' && attention))
        return false;
    return is_word(tensors[row].who, "any") || is_word(tensors[row].who, n->arch) ||
           has_word(tensors[row].who, n->also);
}

/* ---- Metadata ------------------------------------------------------------------------------- */

static void digits(ch_file *f, const char *key, const nano_key *k)
{
    ch_err e;
    int32_t v[16] = {0};
    const size_t n = strlen(k->word);
    assert_true(n <= CH_COUNT(v));
    for (size_t i = 0; i < n; i++)
        v[i] = k->word[i] - '0';
    assert_ok(ch_file_set_i32s(f, key, v, n, &e), e);
}

static void set(ch_file *f, const nano *n, const nano_key *k, bool twice)
{
    ch_err e;
    char key[128];
    const double v = twice ? 2 * k->v : k->v;
    snprintf(key, sizeof key, "%s.%s", n->arch, k->key);
    switch (k->type) {
    case 'i':
    case 'I': assert_ok(ch_file_set_u32(f, key, (uint32_t)v, &e), e); break;
    case 'f': assert_ok(ch_file_set_f32(f, key, (float)v, &e), e); break;
    case 's': assert_ok(ch_file_set_str(f, key, k->word, strlen(k->word), &e), e); break;
    default: digits(f, key, k);
    }
}

static void set_common(ch_file *f, const nano *n)
{
    ch_err e;
    const bool gpt2 = !strcmp(n->arch, "gpt2");
    const bool means = gpt2 || !strcmp(n->arch, "inl_v2"); /* LayerNorm */
    const nano_key common[] = {
        {"context_length", 'i', NANO_CONTEXT, NULL},
        {"embedding_length", 'i', n->D, NULL},
        {"block_count", 'i', n->L, NULL},
        {"feed_forward_length", 'i', n->F, NULL},
        {"attention.head_count", 'i', n->H, NULL},
        {means ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 'f', 3e-3,
         NULL},
        {"vocab_size", 'i', n->V, NULL},
        {"attention.head_count_kv", 'i', n->K, NULL},
        {"attention.key_length", 'i', n->E, NULL},
        {"attention.value_length", 'i', n->E, NULL},
        {"rope.dimension_count", 'i', n->E, NULL},
    };
    assert_ok(ch_file_set_str(f, "general.architecture", n->arch, strlen(n->arch), &e), e);
    for (size_t i = 0; i < CH_COUNT(common) - (gpt2 ? 4 : 0); i++)
        if (!find_key(n, common[i].key))
            set(f, n, &common[i], false);
}

/* Three special tokens, the 95 printable characters, pairs of letters, and the end of a line. */
static void set_vocabulary(ch_file *f)
{
    static const char *const special[] = {"<unk>", "<s>", "</s>"};
    enum { SPECIAL = 3, SINGLE = 95 };
    char text[NANO_VOCAB][8];
    ch_str name[NANO_VOCAB];
    float score[NANO_VOCAB];
    int32_t type[NANO_VOCAB];
    ch_err e;
    for (int i = 0; i < NANO_VOCAB; i++) {
        const int c = i - SPECIAL, pair = c - SINGLE;
        if (c < 0)
            snprintf(text[i], sizeof text[i], "%s", special[i]);
        else if (c == 0)
            snprintf(text[i], sizeof text[i], "\u2581"); /* a space, as vocabularies write it */
        else if (c < SINGLE)
            snprintf(text[i], sizeof text[i], "%c", ' ' + c);
        else
            snprintf(text[i], sizeof text[i], "%c%c", 'a' + pair / 26, 'a' + pair % 26);
        if (i == NANO_VOCAB - 1)
            snprintf(text[i], sizeof text[i], "<0x0A>");
        name[i] = (ch_str){text[i], strlen(text[i])};
        type[i] = i == NANO_VOCAB - 1 ? 6 : c >= 0 ? 1 : i == 0 ? 2 : 3; /* byte, normal, unknown,
                                                                            control */
        score[i] = (float)-i;
    }
    assert_ok(ch_file_set_str(f, "tokenizer.ggml.model", "llama", 5, &e), e);
    assert_ok(ch_file_set_strs(f, "tokenizer.ggml.tokens", name, NANO_VOCAB, &e), e);
    assert_ok(ch_file_set_f32s(f, "tokenizer.ggml.scores", score, NANO_VOCAB, &e), e);
    assert_ok(ch_file_set_i32s(f, "tokenizer.ggml.token_type", type, NANO_VOCAB, &e), e);
    assert_ok(ch_file_set_u32(f, "tokenizer.ggml.bos_token_id", 1, &e), e);
    assert_ok(ch_file_set_u32(f, "tokenizer.ggml.eos_token_id", 2, &e), e);
    assert_ok(ch_file_set_bool(f, "tokenizer.ggml.add_space_prefix", false, &e), e);
}

ch_file *nano_build(const nano *n, int twice)
{
    ch_err e;
    ch_file *f;
    assert_ok(ch_file_new(&f, &e), e);
    set_common(f, n);
    for (int i = 0; i < NANO_KEYS && n->keys[i].key; i++)
        set(f, n, &n->keys[i], i == twice);
    set_vocabulary(f);
    for (size_t row = 0; row < CH_COUNT(tensors); row++)
        for (int l = 0; l < (tensors[row].layers ? n->L : 1); l++)
            if (has(n, row, l))
                add(f, n, row, l);
    return f;
}
