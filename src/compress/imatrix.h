/* imatrix.h - importance: how large the inputs of each linear map are, column by column
 *
 *     importance_k = 1/T sum_t x_tk^2          over the T rows that the map was given
 *
 * An error d in column k of a weight changes the output by d x_k, so its square weighs as much.  In
 * memory importance is a ch_file, and on disk the GGUF that llama.cpp's tools write and read.  Of
 * each map: NAME.in_sum2 (K), sums of squares, and NAME.counts (1), their number T, both f32;
 * metadata: general.type = "imatrix", imatrix.datasets, imatrix.chunk_count, imatrix.chunk_size.
 * SPDX-License-Identifier: MIT */
#ifndef CH_IMATRIX_H
#define CH_IMATRIX_H

#include "eval.h"
#include "file.h"

typedef struct ch_imatrix_options {
    int window; /* tokens; 0: 512, or what the model can have at most */
    int most;   /* windows; 0: all of the text */
    bool head;  /* of the output matrix too, where it is no table of tokens as well */
    const char *dataset; /* the text's name, kept in the file */
    ch_session_options session;
    ch_count_fn *told; /* NULL, or called after each window */
    void *arg;
} ch_imatrix_options;

/* Feeds text in windows, each from BOS where there is one.  A map that layers share, or that runs
 * several times, counts all its inputs.  Sums are doubles in the order of the tokens: the result
 * does not depend on threads.  CH_EFORMAT: inputs that are not finite. */
int ch_imatrix_measure(ch_file **out, ch_model *m, const ch_tokenizer *tk, const char *text,
                       size_t n, const ch_imatrix_options *o, ch_err *e);

/* Reads such a file, or llama.cpp's earlier one without a magic number (imatrix.dat); ch_file_close
 * ends it.  CH_EFORMAT: it is neither, or holds what is no sum of squares. */
int ch_imatrix_open(ch_file **out, const char *path, ch_err *e);
/* The same from bytes that outlive it; `name` for messages. */
int ch_imatrix_open_memory(ch_file **out, const void *bytes, size_t n, const char *name, ch_err *e);

/* Does the file say anything of the columns of tensor `name`?  CH_EARG: it does, but of another
 * width. */
int ch_imatrix_has(bool *found, const ch_file *im, const char *name, int64_t width, ch_err *e);
/* out (width): the importance of the columns of tensor `name`, their mean 1 and none below 1e-4, as
 * a column that one text never used another may.  Of a tensor that ch_imatrix_has found. */
void ch_imatrix_columns(float *out, const ch_file *im, const char *name, int64_t width);

#endif
