/* quantize.h - a model's tensors in other number formats
 *
 * A mixture gives most matrices one format and those that suffer most a better one, by llama.cpp's
 * rules (names of tensors, number of the layer, query heads a key head), so that a name such as
 * q4_k_m means here what it means there.  Vectors become f32; norms, gates of experts, positions,
 * token types and convolutions stay as they are.  SPDX-License-Identifier: MIT */
#ifndef CH_QUANTIZE_H
#define CH_QUANTIZE_H

#include "file.h"
#include "override.h"
#include "pool.h"

typedef enum ch_mixture {
#define MIXTURE(name, type, base) CH_MIX_##name,
#include "mixtures.def"
#undef MIXTURE
    CH_MIXTURES
} ch_mixture;

/* "q4_k_m", in any case; CH_EARG names those that there are. */
int ch_mixture_by_name(ch_mixture *out, const char *name, ch_err *e);
const char *ch_mixture_names(void); /* "f32 f16 ..." */
uint32_t ch_mixture_file_type(ch_mixture m);
ch_dtype ch_mixture_base(ch_mixture m);

/* What the rules ask of a model besides a tensor's name. */
typedef struct ch_mixture_model {
    int layers, groups; /* groups: query heads a key head */
    bool tied;          /* the embedding is the head */
    bool weighed;       /* there is an importance matrix */
} ch_mixture_model;
/* The format of a matrix of rows of `width` elements, the `number`th of `count` of its category: by
 * layer, or for value projections among themselves (not every layer need have one). */
ch_dtype ch_mixture_choose(ch_mixture m, const ch_mixture_model *model, const char *name,
                           int64_t width, int number, int count);
/* The same for a tensor of a file, vectors and what stays as it is included. */
/* Is it a matrix that gets a format of the mixture's? */
bool ch_mixture_changes(const ch_file_tensor *t);
ch_dtype ch_mixture_of(ch_mixture m, const ch_mixture_model *model, const ch_file *f,
                       const ch_file_tensor *t);

typedef struct ch_quantize {
    ch_mixture mixture;
    ch_mixture_model model;
    bool again; /* rounding what was rounded before is wanted */
    const ch_file *imatrix;       /* NULL, or what scales are searched by (imatrix.h) */
    const ch_override *overrides; /* of the matrices that the mixture changes; may be NULL */
    int n_overrides;
    ch_pool *pool;
    /* Called for each tensor before it is made; may be NULL. */
    void (*tell)(void *arg, const ch_file_tensor *from, const ch_file_tensor *to);
    void *arg;
} ch_quantize;

/* Plans all tensors of `from` that `to` does not have yet; CH_EARG when one would go from one
 * format of blocks to another and `again` is not set, when an override fits no rows, or none of the
 * names, and when importance is of another model. */
int ch_quantize_plan(ch_file *to, const ch_file *from, const ch_quantize *o, ch_err *e);
/* Is this tensor written by importance? */
bool ch_quantize_weighs(const ch_quantize *o, const ch_file_tensor *from,
                        const ch_file_tensor *to);
/* Writes the planned file, a tensor at a time; nothing is written where a tensor holds, or would
 * hold in its new format, something that is not finite. */
int ch_quantize_write(const ch_file *to, const ch_file *from, const char *path,
                      const ch_quantize *o, ch_err *e);

#endif
