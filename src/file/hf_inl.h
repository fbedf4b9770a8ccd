/* hf_inl.h - private to file/: checkpoints of INL-LLM, the published integrator (hf_inl.c)
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_HF_INL_H
#define CH_HF_INL_H

#include "hf_config.h"

/* What of a checkpoint is no tensor here, or only together with others. */
typedef struct ch_hf_inl {
    const ch_tensor *(*qkv)[6]; /* of each layer, where they are apart: weights, then biases */
    int64_t layers;
    const ch_tensor *budget[5];
    bool budgeted;
} ch_hf_inl;

/* A name as names.def has it: without what wraps the model, in the later of two spellings. */
void ch_hf_inl_name(char *out, size_t size, const char *name);
/* The other way, for a file without the two matrices of an embedding of low rank. */
void ch_hf_inl_plain(char *name, size_t size, const char *gguf, const ch_file *from);
/* A tensor of the published code that its forward pass does not read, by its name of above. */
bool ch_hf_inl_skipped(const char *name);
int ch_hf_inl_open(ch_hf_inl *s, const ch_hf_config *c);
/* Is it one for ch_hf_inl_close, which makes tensors and keys of what was taken? */
bool ch_hf_inl_take(ch_hf_inl *s, const ch_hf_config *c, const char *name, const ch_tensor *t);
int ch_hf_inl_close(const ch_hf_inl *s, const ch_hf_config *c);

/* What hf_keys.def cannot say, both ways. */
int ch_hf_inl_read(const ch_hf_config *c);
int ch_hf_inl_write(const ch_hf_config *c);

#endif
