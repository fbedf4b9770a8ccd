/* table.h - rows of a weight table, as load, create and save read them.
 * SPDX-License-Identifier: MIT */
#ifndef CH_TABLE_H
#define CH_TABLE_H

#include "model.h"

enum { CH_NAME_MAX = 64 };

int ch_row_shape(int64_t dim[2], const ch_weight_row *row,
                 const ch_config *c); /* returns the rank */
void ch_row_name(char *out, size_t size, const ch_weight_row *row, int layer);
/* Is the row part of a model of this configuration (a tied head is not), in this layer (-1: it is a
 * global)? */
bool ch_row_present(const ch_weight_row *row, const ch_config *c, int layer);
/* Has f every tensor of m's configuration, in its shape, and no others?  Else a sentence that lists
 * them. */
int ch_model_match(ch_model *m, const ch_file *f, ch_err *e);
/* Shared by load and create: memory for the structs of weights, their names, rotary speeds. */
int ch_model_alloc(ch_model **out, const ch_config *c, ch_err *e);
/* Ties biases to their weights and the head to the table, once all weights are set. */
void ch_model_connect(ch_model *m);

/* A rope with the speeds of its pairs (R/2 numbers at `speed`), where the configuration stretches
 * positions; else with its base alone. */
void ch_rope_speeds(ch_rope *out, double *speed, const ch_config *c, ch_rope_choice which);

#endif
