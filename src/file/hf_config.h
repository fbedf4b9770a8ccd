/* hf_config.h - private to file/: config.json while it is read into, or made from, GGUF's keys
 *
 * SPDX-License-Identifier: MIT */
#ifndef CH_HF_CONFIG_H
#define CH_HF_CONFIG_H

#include "hf_arch.h"

typedef struct ch_hf_config {
    const json_t *v;  /* the text model's object; NULL when writing */
    json_t *to;       /* writing: the same, being made */
    const char *path; /* of config.json, for messages */
    const ch_hf_arch *arch;
    ch_file *f;       /* gets keys and tensors; writing: has them */
    ch_err *e;
} ch_hf_config;

/* Keys of the text model in f, and tensors of rotary factors; *arch is found by model_type.
 * c->f->notes gets what was passed over. */
int ch_hf_config_read(ch_hf_config *c);
/* c->to from the keys of c->f. */
int ch_hf_config_write(ch_hf_config *c);

/* config.json and generation_config.json for f's model, whose tensors are mostly of `type`. */
int ch_hf_write_config(const char *dir, const ch_file *f, const ch_hf_arch *a, ch_dtype type,
                       ch_err *e);
/* What generation_config.json says, where there is one. */
int ch_hf_read_generation(ch_file *f, const char *dir, ch_err *e);

/* hf_rope.c: everything about positions, both ways. */
int ch_hf_rope_read(const ch_hf_config *c);
int ch_hf_rope_write(const ch_hf_config *c);
/* hf_layers.c: which layers are of which kind, both ways. */
int ch_hf_layers_read(const ch_hf_config *c);
int ch_hf_layers_write(const ch_hf_config *c);

/* ---- Shared by them -------------------------------------------------------------------------- */

/* "<architecture>.<suffix>". */
enum { CH_HF_KEY_MOST = 96 };
void ch_hf_key(char out[CH_HF_KEY_MOST], const ch_hf_config *c, const char *suffix);
int ch_hf_put_int(const ch_hf_config *c, const char *suffix, int64_t value);
int ch_hf_put_real(const ch_hf_config *c, const char *suffix, double value);
int ch_hf_put_str(const ch_hf_config *c, const char *suffix, const char *value);
/* `or` where there is none. */
int ch_hf_get_int(int64_t *out, const ch_hf_config *c, const char *suffix, int64_t or);
int ch_hf_get_real(double *out, const ch_hf_config *c, const char *suffix, double or);
/* o[key] = v, which is taken over; CH_ENOMEM where it, or v, cannot be. */
int ch_hf_set(const ch_hf_config *c, json_t *o, const char *key, json_t *v);
/* The shortest number that is the same float: what was written into a config.json. */
json_t *ch_hf_number(double x);

#endif
