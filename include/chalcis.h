/* chalcis.h - run small language models on the CPU
 *
 *   1 Errors and words   2 Tokenizers   3 Models   4 Sessions   5 Own samplers
 *
 * Conventions.  Functions that can fail return int: CH_OK (0) or a negative CH_E... code, and
 * write one sentence into the ch_err that they are given (which may be NULL).  Out-parameters
 * come first.  What comes back through an out-parameter belongs to the caller and has a
 * matching _close; a returned pointer is borrowed from the object it was asked of.  _close
 * takes the address of the caller's pointer, accepts NULL, and sets it to NULL.
 * Options are a struct whose zero means "choose for me".
 * SPDX-License-Identifier: MIT */
#ifndef CHALCIS_H
#define CHALCIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHALCIS_VERSION "0.1.0"

/* ---- 1 Errors and words --------------------------------------------------------------------- */

#define CH_ERRORS(X)                                                                   \
    X(CH_OK, 0, "ok")                                                                  \
    X(CH_EFORMAT, -1, "the data is not what its format says")                          \
    X(CH_EIO, -2, "reading or writing failed")                                         \
    X(CH_ENOMEM, -3, "out of memory")                                                  \
    X(CH_EARG, -4, "an argument is out of its range")                                  \
    X(CH_ELIMIT, -5, "a stated limit was reached")                                     \
    X(CH_EUNSUPPORTED, -6, "this build does not support it")                           \
    X(CH_ECANCELED, -7, "interrupted")

enum {
#define X(name, value, text) name = value,
    CH_ERRORS(X)
#undef X
};

/* One failure: its code and one sentence (what, where, found, allowed), without newline. */
typedef struct ch_err {
    int code;
    char text[500];
} ch_err;

/* The general meaning of a code, a constant string; "unknown error" for other numbers. */
const char *ch_err_name(int code);

/* A token's number in its vocabulary; negative values never name a token. */
typedef int32_t ch_token;

/* ---- 2 Tokenizers ---------------------------------------------------------------------
 *     ch_tokenizer *tk;
 *     if (ch_tokenizer_open(&tk, "model.gguf", NULL, &e) < 0) ...
 *     ch_tokens ids = {0};
 *     ch_tokenizer_encode(&ids, tk, text, strlen(text), CH_ENCODE_BOS, &e);
 *     ... ch_tokens_free(&ids); ch_tokenizer_close(&tk);
 * Immutable after opening: any number of threads may use one. */

typedef struct ch_tokenizer ch_tokenizer;

typedef struct ch_tokens {
    ch_token *id; /* malloc'ed; free with ch_tokens_free */
    size_t n, cap;
} ch_tokens;
void ch_tokens_free(ch_tokens *t);

/* path: a model file that carries its vocabulary, a llama2.c tokenizer.bin, a tokenizer.json, or a llama2.c
 * model (.bin): then `vocabulary` names its tokenizer.bin, or NULL looks beside it for tokenizer.bin or
 * tok<V>.bin. */
int ch_tokenizer_open(ch_tokenizer **out, const char *path, const char *vocabulary, ch_err *e);
void ch_tokenizer_close(ch_tokenizer **t);

int ch_tokenizer_size(const ch_tokenizer *t); /* number of ids */
ch_token ch_tokenizer_bos(const ch_tokenizer *t); /* -1 where there is none */
ch_token ch_tokenizer_eos(const ch_tokenizer *t);
bool ch_tokenizer_adds_bos(const ch_tokenizer *t); /* what the model was trained with */
bool ch_tokenizer_is_end(const ch_tokenizer *t, ch_token id); /* EOS, end of turn and their kin */
bool ch_tokenizer_is_control(const ch_tokenizer *t, ch_token id);
/* The id of a special token by its exact text, or -1. */
ch_token ch_tokenizer_special(const ch_tokenizer *t, const char *text);

enum {
    CH_ENCODE_BOS = 1,     /* put BOS first if the model was trained so (adds_bos) */
    CH_ENCODE_SPECIAL = 2, /* text of special tokens becomes those tokens; without it, it stays text */
};
/* Appends to *out.  Any bytes are accepted; bytes that are not UTF-8 go through byte tokens. */
int ch_tokenizer_encode(ch_tokens *out, const ch_tokenizer *t, const char *text, size_t n, int flags, ch_err *e);
/* The bytes of one token as they appear in text after `previous` (-1: at the start), written to out (cap bytes,
 * 0 terminated); returns their number, or -(number needed) when cap is too small.  Control tokens give nothing.
 * A token may hold part of a character: join before showing. */
int ch_tokenizer_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token previous, ch_token id);
/* The name of a token as its vocabulary writes it, control tokens too; borrowed, may hold any bytes. */
const char *ch_tokenizer_name(const ch_tokenizer *t, ch_token id, size_t *n);

#ifdef __cplusplus
}
#endif
#endif
