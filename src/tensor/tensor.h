/* tensor.h - shape, strides, format; and the views through which attention reads a cache
 *
 * A tensor owns nothing: its bytes live in a mapping, an arena or a bucket of parameters.
 * SPDX-License-Identifier: MIT */
#ifndef CH_TENSOR_H
#define CH_TENSOR_H

#include "base.h"
#include "dtype.h"

#define CH_MAX_RANK 4

/* dim[0] is outermost (a matrix (N, K) has dim {N, K}); stride counts elements; the last
 * dimension is contiguous, and whole blocks in block formats. */
typedef struct ch_tensor {
    void *data;
    real *grad; /* same shape, contiguous; NULL outside training */
    bool *grad_empty; /* NULL, or says that nothing has been stored in grad yet */
    ch_dtype dtype;
    int rank;
    int64_t dim[CH_MAX_RANK];
    int64_t stride[CH_MAX_RANK];
} ch_tensor;

/* A contiguous tensor over data.  Shapes come from checked sources; see ch_tensor_shape for
 * others. */
ch_tensor ch_tensor_1d(void *data, ch_dtype t, int64_t n);
ch_tensor ch_tensor_2d(void *data, ch_dtype t, int64_t rows, int64_t cols);
/* Any rank from numbers out of a file: CH_EFORMAT unless rank is 1..4, every dim >= 1, rows are
 * whole blocks and the byte size does not overflow.  *bytes gets that size.  `name` stands in the
 * error. */
int ch_tensor_shape(ch_tensor *out, size_t *bytes, ch_dtype t, int rank, const int64_t *dim,
                    const char *name, ch_err *e);
int64_t ch_tensor_count(const ch_tensor *t);             /* elements */
int64_t ch_tensor_rows(const ch_tensor *t); /* all dimensions but the last, multiplied */
int64_t ch_tensor_width(const ch_tensor *t);             /* the last dimension */
size_t ch_tensor_row_bytes(const ch_tensor *t);          /* of one contiguous row */
real *ch_tensor_row(const ch_tensor *t,
                    int64_t row); /* of a rank-1/2 tensor of reals; stride respected */
ch_tensor ch_tensor_slice_rows(const ch_tensor *t, int64_t row0,
                               int64_t rows);                        /* a view, rank 2 */
void ch_tensor_describe(char *out, size_t size, const ch_tensor *t); /* "f32 (512, 64)" */
/* Elements as float / double whatever the dtype, from element `at` of a contiguous tensor (whole
 * blocks). */
void ch_tensor_read(real *out, const ch_tensor *t, int64_t at, int64_t n);

/* ---- Keys and values as attention sees them ----------------------------------------------------
 * One sequence in one layer: pages of `page_size` keys, all full but the last.  A page holds, for
 * each of kv_heads heads, page_size rows of `width` elements (head width padded up; padding is
 * zero), keys and values apart and each in its own dtype:  element (head, j, e) at ((head *
 * page_size) + j) * width + e. The number of keys may differ between layers and, once keys are
 * merged, from the number of tokens. A key is seen by a row at position p if valid and pos <= p
 * (and pos > p - window, when window > 0).  Positions of valid keys rise. */
typedef struct ch_kv_view {
    int page_size, kv_heads, width;
    int keys;                       /* in this layer, over all pages */
    ch_dtype k_dtype, v_dtype;
    const void *const *k;           /* page pointers, ceil(keys / page_size) of them */
    const void *const *v;
    const int32_t *const
        *pos; /* per page, per key: position of the key; -1 marks an invalid key */
    const float *const *log_count; /* per page, per key: log of how many tokens it stands for; a
                                      NULL array, or a NULL page, means 0 everywhere */
} ch_kv_view;

#endif
