/* nano.h - the smallest model of each kind in which everything matters
 *
 * Gains are not 1, biases not 0, windows and original contexts shorter than the text, fewer key
 * heads than heads, layers of each sort.  SPDX-License-Identifier: MIT */
#ifndef NANO_H
#define NANO_H

#include "file.h"

enum { NANO_CONTEXT = 512, NANO_ORIGINAL = 32, NANO_VOCAB = 259, NANO_KEYS = 8 };

typedef struct nano_key {
    const char *key; /* after the architecture */
    char type;       /* i, I (not doubled), f, s: word, a: integers, the word's digits */
    double v;
    const char *word;
} nano_key;

typedef struct nano {
    const char *name, *arch;
    int D, H, K, E, F, V, L;
    bool tied;
    const char *also; /* tensors that are not every such model's: a word of nano.c's table */
    int context;      /* that runs are made for; 0: NANO_CONTEXT */
    nano_key keys[NANO_KEYS];
} nano;

extern const nano nanos[];
extern const int n_nanos;

/* The model as a file under construction, f32; key number `twice` (-1: none) has its number
 * doubled. */
ch_file *nano_build(const nano *n, int twice);

/* observed.c: a test of what is watched, for models that integrate. */
bool observed_has(const nano *n);
void observed_agrees(void **state);

#endif
