/* tiny.h - small random models for tests.  SPDX-License-Identifier: MIT */
#ifndef TINY_H
#define TINY_H

#include "model.h"

/* Writes a GGUF of architecture `arch` whose matrices are in `dtype`: ch_config_small's with L 3 (6
 * or 4 where a kind of layer comes later) and F 96, tied; weights under which everything matters.
 * Fails the test on error. */
void tiny_write(const char *path, const char *arch, ch_dtype dtype, uint64_t seed);
ch_config tiny_config(const char *arch);
/* The same, opened; the file may be removed afterwards. */
ch_model *tiny_open(const char *arch, ch_dtype dtype, uint64_t seed);
/* Rows of 256, a whole block of every format: a layer of llama, opened. */
ch_model *tiny_open_wide(ch_dtype dtype, uint64_t seed);

#endif
