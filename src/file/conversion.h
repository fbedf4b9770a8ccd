/* conversion.h - a model file in another container, tensor by tensor
 *
 *     ch_conversion *c;
 *     ch_conversion_open(&c, from, "out.gguf", &o, &e);     what will be written is c->to
 *     ch_conversion_write(c, &e);
 *     ch_conversion_close(&c);
 *
 * A path that ends in .gguf becomes a GGUF file: matrices as they are or in o.type; vectors, norms
 * and taps of convolutions in f32, as llama.cpp's converter keeps them.  Metadata is set by the
 * caller, in c->to.  Any other path becomes a Hugging Face folder with config.json,
 * generation_config.json and the weights.  There a tensor that is f32 here is written in the format
 * of the model's matrices where that changes no value, since checkpoints are of one format; block
 * formats are decoded to f32, or o.type.  A tensor's bytes are made when it is its turn, so a model
 * need not fit into memory.
 * SPDX-License-Identifier: MIT */
#ifndef CH_CONVERSION_H
#define CH_CONVERSION_H

#include "file.h"

typedef struct ch_conversion_options {
    ch_dtype type;        /* of matrices; CH_DTYPES: as they are */
    uint64_t shard_bytes; /* of one safetensors file; 0: any */
    void (*progress)(void *arg, const char *tensor, uint64_t bytes, uint64_t of);
    void *arg;
} ch_conversion_options;

typedef struct ch_conversion {
    const ch_file *from;
    ch_file *to; /* tensors without data */
    const char *path;
    ch_conversion_options o;
    bool folder;
    struct ch_conversion_part *parts; /* one a tensor of `to`: where it comes from */
    uint64_t done, bytes;
    void *work[3]; /* room to make one in */
    size_t room[3];
} ch_conversion;

int ch_conversion_open(ch_conversion **out, const ch_file *from, const char *path,
                       const ch_conversion_options *o, ch_err *e);
int ch_conversion_write(ch_conversion *c, ch_err *e);
void ch_conversion_close(ch_conversion **c);

/* The plain format that most of a model's matrices have, by bytes; CH_F32 where none has one. */
ch_dtype ch_conversion_main_type(const ch_file *f);

#endif
