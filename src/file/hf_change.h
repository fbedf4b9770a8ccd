/* hf_change.h - private to file/: tensors changed on their way (hf_change.c).
 * SPDX-License-Identifier: MIT */
#ifndef CH_HF_CHANGE_H
#define CH_HF_CHANGE_H

#include "hf_arch.h"

typedef struct ch_hf_changing {
    ch_file *f;          /* reading: owns what is made */
    const ch_file *from; /* writing: where the tensor comes from */
    const char *name, *gguf; /* the tensor's, there and here */
    int64_t heads[2];    /* of queries, of keys */
    ch_err *e;
} ch_hf_changing;

/* *t there becomes what it is here, in memory of c->f where it has to move. */
int ch_hf_change_read(ch_tensor *t, size_t *bytes, ch_hf_change change, const ch_hf_changing *c);
/* The shape there of a tensor here. */
int ch_hf_change_shape(ch_tensor *t, ch_hf_change change);
/* *t, contiguous and of plain numbers, into `to` (as many bytes), as it is there but for the shape
 * of taps. */
int ch_hf_change_write(void *to, ch_tensor *t, ch_hf_change change, const ch_hf_changing *c);

#endif
