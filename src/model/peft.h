/* peft.h - private to model/: names and rows of adapters as PEFT keeps them.
 * SPDX-License-Identifier: MIT */
#ifndef CH_PEFT_H
#define CH_PEFT_H

#include "lora.h"

/* "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" of a map and 0 (A) or 1 (B). */
bool ch_peft_name(char *out, size_t size, const char *arch, const char *gguf, int part);
/* Is part 1 (B) of this map in another order of rows there? */
bool ch_peft_is_turned(const ch_config *c, const ch_weight_row *row, int part);
void ch_peft_turn_rows(real *to, const real *from, const ch_tensor *t, const ch_config *c,
                       bool to_halves);

#endif
