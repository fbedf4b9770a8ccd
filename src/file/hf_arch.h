/* hf_arch.h - private to file/: what is known of Hugging Face's kinds of models
 *
 * A kind is a line in hf_archs.def and a bit; tables (names.def, hf_keys.def, hf_must.def) say with
 * bits which models their lines are for.
 * SPDX-License-Identifier: MIT */
#ifndef CH_HF_ARCH_H
#define CH_HF_ARCH_H

#include "store.h"

enum {
    LLAMA = 1, QWEN2 = 2, QWEN3 = 4, CHALCIS = 8, GPT2 = 16, GEMMA2 = 32, GEMMA3 = 64, PHI3 = 128,
    SMOLLM3 = 256, OLMO2 = 512, GRANITE = 1024, LFM2 = 2048, INL2 = 4096, INL3 = 8192,
    INTEGRATOR = 16384,
    INL = INL2 | INL3, /* not among ALL: nothing of theirs is as elsewhere */
    INTEGRATES = LLAMA | QWEN3 | INTEGRATOR,
    RELU2 = CHALCIS | INTEGRATOR, /* may say that their blocks are */
    GEMMA = GEMMA2 | GEMMA3,
    TURNED = LLAMA | SMOLLM3 | GRANITE, /* GGUF keeps their rotary rows in pairs */
    ALL = 4095 | INTEGRATOR, MODELS = ALL & ~GPT2
};

typedef struct ch_hf_arch {
    unsigned bit;
    const char *type, *gguf, *class_name;
    bool tied;
} ch_hf_arch;

/* By model_type, or by GGUF's general.architecture; NULL: unknown. */
const ch_hf_arch *ch_hf_arch_of_type(const char *type);
const ch_hf_arch *ch_hf_arch_of_gguf(const char *gguf);
/* The same architecture under a name that is ours alone; a itself where it has no other. */
const ch_hf_arch *ch_hf_arch_ours(const ch_hf_arch *a);
const char *ch_hf_arch_types(void); /* "llama, mistral, ..." for messages */

/* How a tensor there becomes the tensor here: hf_change.c. */
typedef enum ch_hf_change {
    CHANGE_NONE, CHANGE_PAIRS_Q, CHANGE_PAIRS_K, CHANGE_PLUS_ONE, CHANGE_TRANSPOSED, CHANGE_TAPS,
    CHANGE_SCALAR
} ch_hf_change;

/* The other name of a tensor, and what is done to it; false: it has none. */
bool ch_hf_name(char *out, size_t size, ch_hf_change *change, const ch_hf_arch *a,
                const char *name, bool to_gguf);
/* A tensor there that means nothing: masks, tables of rotations. */
bool ch_hf_name_skipped(const ch_hf_arch *a, const char *name);

#endif
