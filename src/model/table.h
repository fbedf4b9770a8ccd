/* table.h - rows of a weight table, as load, create and save read them.
 * SPDX-License-Identifier: MIT */
#ifndef CH_TABLE_H
#define CH_TABLE_H

#include "model.h"

enum { CH_NAME_MAX = 64 };

int ch_row_shape(int64_t dim[2], const ch_weight_row *row,
                 const ch_config *c); /* returns the rank */
void ch_row_name(char *out, size_t size, const ch_weight_row *row, int layer);
/* Is the row part of a model of this configuration (a tied head is not)? */
bool ch_row_present(const ch_weight_row *row, const ch_config *c);
/* A row's tensor in a file, in the shape that the configuration says: else a sentence.  NULL: it
 * is not there and need not be. */
int ch_row_find(const ch_file_tensor **out, const ch_file *f, const char *name,
                const ch_weight_row *row, const ch_config *c, ch_err *e);
/* A tensor that no row knows is refused by name. */
int ch_model_refuse_others(const ch_model *m, const ch_file *f, ch_err *e);
/* Shared by load and create: memory for the structs of weights and their names. */
int ch_model_alloc(ch_model **out, const ch_config *c, ch_err *e);
/* Ties biases to their weights and the head to the table, once all weights are set. */
void ch_model_connect(ch_model *m);

#endif
