/* tiny.h - small random models for tests.  SPDX-License-Identifier: MIT */
#ifndef TINY_H
#define TINY_H

#include "model.h"

/* Writes a GGUF of architecture `arch` whose matrices are in `dtype`: D 64, H 4, K 2, E 16, F 96,
 * V 320, L 3, context 256, for chalcis relu2 and M 61; weights large enough that logits differ.
 * Fails the test on error. */
void tiny_write(const char *path, const char *arch, ch_dtype dtype, uint64_t seed);
ch_config tiny_config(const char *arch);
/* The same, opened; the file may be removed afterwards. */
ch_model *tiny_open(const char *arch, ch_dtype dtype, uint64_t seed);

#endif
