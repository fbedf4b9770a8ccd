/* hf.h - a model's weights as Hugging Face names and orders them.  SPDX-License-Identifier: MIT */
#ifndef CH_HF_H
#define CH_HF_H

#include "train.h"

int ch_hf_write(const char *path, ch_model *m, ch_err *e); /* model.safetensors, to the bit */
int ch_hf_read(ch_model *m, const char *path,
               ch_err *e); /* into the parameters of a model made by ch_model_create */

#endif
