/* file.h - model files: metadata and tensors, whatever the container
 *
 *     ch_file *f;
 *     if (ch_file_open(&f, "model.gguf", &e) < 0) ...
 *     const ch_file_tensor *t = ch_file_tensor_find(f, "token_embd.weight");
 *     int64_t layers;  ch_file_int(&layers, f, "llama.block_count", 1, 10000, &e);
 *
 * Names and keys are GGUF's own: other formats are translated on reading (names.c), so the rest of
 * the program knows one vocabulary of names.  Tensor dimensions are outermost first (GGUF stores
 * the reverse).  Every count, offset and size is compared with what is left of the file before it
 * is used; a file that lies gives CH_EFORMAT and one sentence: file, tensor or key, number found,
 * number allowed.
 * Sources: GGUF specification (ggml docs/gguf.md), safetensors README, llama2.c export.py, run.c.
 * SPDX-License-Identifier: MIT */
#ifndef CH_FILE_H
#define CH_FILE_H

#include "base.h"
#include "tensor.h"

/* Bytes that live as long as the file; not terminated. */
typedef struct ch_str {
    const char *p;
    size_t n;
} ch_str;

typedef enum ch_meta_type {
    CH_META_INT, CH_META_UINT, CH_META_REAL, CH_META_BOOL, CH_META_STR, CH_META_ARRAY
} ch_meta_type;

/* One metadata value.  Arrays are of ints, reals, bools or strings (arrays of arrays are refused);
 * their elements are read with ch_meta_at. */
typedef struct ch_meta {
    ch_str key;
    ch_meta_type type;
    int gguf_type; /* the exact type as stored, kept so that writing a file again changes nothing */
    union {
        int64_t i;
        uint64_t u;
        double r;
        bool b;
        ch_str s;
        struct {
            ch_meta_type type;
            int gguf_type;
            size_t n;
            const void *data; /* mapped little-endian elements; for strings: const ch_str * */
        } a;
    } v;
} ch_meta;

typedef struct ch_file_tensor {
    const char *name; /* terminated */
    ch_tensor t;      /* data borrowed: mapped, or the builder's caller's */
    size_t bytes;
} ch_file_tensor;

typedef struct ch_file {
    char *path;
    const char *format; /* "gguf", "safetensors", "llama2c", "huggingface" */
    uint32_t version;
    size_t alignment;
    size_t n_meta, n_tensors;
    ch_meta *meta;
    ch_file_tensor *tensors;
    ch_mapping map;     /* of the first of several files; empty for a folder */
    const char *notes;  /* NULL, or a sentence for whoever uses it: what was passed over */
    struct ch_file_index *index; /* name look-up and owned memory; private to file/ */
} ch_file;

/* Opens and checks any format of files.def (of a GGUF model in several files any one, which opens
 * all), or a folder with Hugging Face's config.json and model.safetensors. */
int ch_file_open(ch_file **out, const char *path, ch_err *e);
/* The same over bytes in memory that outlive the file (fuzzing, embedded models); `name` for
 * messages. */
int ch_file_open_memory(ch_file **out, const void *bytes, size_t n, const char *name, ch_err *e);
void ch_file_close(ch_file **f);
/* Bytes of tensors that are not read again soon: where they are mapped their memory goes back. */
void ch_file_forget(const ch_file *f, const void *p, size_t n);
/* CH_EIO: it, or a file that it is put together from, has lost bytes since (guard.h). */
int ch_file_whole(const ch_file *f, ch_err *e);

const ch_file_tensor *ch_file_tensor_find(const ch_file *f, const char *name); /* NULL: absent */
const ch_meta *ch_file_meta_find(const ch_file *f, const char *key);           /* NULL: absent */

/* Typed metadata.  Required: absent or of another kind is CH_EFORMAT naming file, key, what was
 * found.  Any integer type passes for an int, any number for a real, within the range given. */
int ch_file_int(int64_t *out, const ch_file *f, const char *key, int64_t min, int64_t max,
                ch_err *e);
int ch_file_real(double *out, const ch_file *f, const char *key, double min, double max, ch_err *e);
int ch_file_str(ch_str *out, const ch_file *f, const char *key, ch_err *e);
/* Optional: absent leaves *out alone and returns CH_OK; present but wrong is still an error. */
int ch_file_int_opt(int64_t *out, const ch_file *f, const char *key, int64_t min, int64_t max,
                    ch_err *e);
int ch_file_real_opt(double *out, const ch_file *f, const char *key, double min, double max,
                     ch_err *e);
int ch_file_bool_opt(bool *out, const ch_file *f, const char *key, ch_err *e);
/* Elements of an array: CH_EFORMAT when it is no array of that kind. */
int ch_file_str_array(const ch_str **out, size_t *n, const ch_file *f, const char *key, ch_err *e);
/* <0: no array of integers (or bools, which read as 0 and 1), or i or the value out of range. */
int ch_meta_at_int(int64_t *out, const ch_meta *m, size_t i);
int ch_meta_at_real(double *out, const ch_meta *m, size_t i); /* of integers or reals */

/* ---- Building and writing ------------------------------------------------------------------ */

/* A new file starts empty; keys and strings are copied, tensor data is borrowed until written.  A
 * key that is set again keeps its place.  What ch_file_meta_find and _tensor_find gave is stale
 * after anything was added. */
int ch_file_new(ch_file **out, ch_err *e);
int ch_file_set_str(ch_file *f, const char *key, const char *value, size_t n, ch_err *e);
int ch_file_set_u32(ch_file *f, const char *key, uint32_t value, ch_err *e);
int ch_file_set_i32(ch_file *f, const char *key, int32_t value, ch_err *e);
int ch_file_set_u64(ch_file *f, const char *key, uint64_t value, ch_err *e);
int ch_file_set_f32(ch_file *f, const char *key, float value, ch_err *e);
int ch_file_set_bool(ch_file *f, const char *key, bool value, ch_err *e);
int ch_file_set_strs(ch_file *f, const char *key, const ch_str *values, size_t n, ch_err *e);
int ch_file_set_i32s(ch_file *f, const char *key, const int32_t *values, size_t n, ch_err *e);
int ch_file_set_f32s(ch_file *f, const char *key, const float *values, size_t n, ch_err *e);
int ch_file_set_bools(ch_file *f, const char *key, const bool *values, size_t n, ch_err *e);
/* A copy of another file's value, exactly. */
int ch_file_set_meta(ch_file *f, const ch_meta *m, ch_err *e);
/* Contiguous tensors only; a name that is there already: CH_EARG. */
int ch_file_add_tensor(ch_file *f, const char *name, const ch_tensor *t, ch_err *e);

/* The same without data, which is made when the file is written (ch_file_made). */
int ch_file_plan_tensor(ch_file *f, const char *name, const ch_tensor *t, ch_err *e);

/* Memory that f owns until it is closed, for tensor data made on the way out; NULL (and *e) when
 * there is none. */
void *ch_file_memory(ch_file *f, size_t bytes, ch_err *e);

/* GGUF v3: alignment 32 or what general.alignment says, metadata and tensors in the order they were
 * added.  Never leaves half a file. */
int ch_gguf_write(const ch_file *f, const char *path, ch_err *e);
/* Files too large to lie in memory: each tensor's data is asked for when it is its turn. */
typedef struct ch_file_made {
    /* *data gets the bytes of f->tensors[i], which stay good until the next call. */
    int (*make)(void *arg, const void **data, size_t i, ch_err *e);
    void *arg;
} ch_file_made;
int ch_gguf_write_made(const ch_file *f, const char *path, const ch_file_made *made, ch_err *e);
/* safetensors: names as given (no translation), header padded with spaces to 8, string metadata
 * under __metadata__ (other kinds are skipped), tensors by descending alignment then name.  Block
 * formats are CH_EUNSUPPORTED. */
int ch_safetensors_write(const ch_file *f, const char *path, ch_err *e);
/* The same into a folder, made on the way: model.safetensors, or where that had more than
 * `shard_bytes` (0: any size) model-00001-of-0000N.safetensors and so on, each of at most so many
 * bytes of tensors (or of one tensor), and model.safetensors.index.json. */
int ch_safetensors_write_folder(const ch_file *f, const char *dir, uint64_t shard_bytes,
                                const ch_file_made *made, ch_err *e);

/* ---- Names --------------------------------------------------------------------------------- */

/* Hugging Face <-> GGUF tensor names of an architecture (GGUF's name for it), from one table
 * (names.def): of llama "model.layers.3.self_attn.q_proj.weight" <-> "blk.3.attn_q.weight".  False:
 * unknown. */
bool ch_name_to_gguf(char *out, size_t size, const char *arch, const char *hf);
bool ch_name_to_hf(char *out, size_t size, const char *arch, const char *gguf);

#endif
