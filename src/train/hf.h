/* hf.h - a model in training as Hugging Face's transformers read it
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_HF_H
#define CH_HF_H

#include "train.h"

/* config.json, generation_config.json and model.safetensors into a folder that is there. */
int ch_hf_write(const char *folder, ch_model *m, const ch_tokenizer *tk, ch_err *e);
/* Into the parameters of a model made by ch_model_create. */
int ch_hf_read(ch_model *m, const char *folder, ch_err *e);

#endif
