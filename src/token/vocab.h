/* vocab.h - what a tokenizer holds, how one is built, and what an encoding needs; private to
 * token/
 *
 * Building: ch_token_new, ch_token_add for each id in order, the fields below, ch_token_index,
 * then for BPE ch_token_merge in order of rank, then ch_token_finish.  Names are kept as the
 * vocabulary writes them (byte-level BPE: GPT-2's byte alphabet; SentencePiece: U+2581 for space).
 *
 * The promise of chalcis.h, that text never becomes a special token by itself, rests on `names`:
 * it holds no control, unknown or byte token, and it is the only way from text to ids besides the
 * bytes and the added tokens. SPDX-License-Identifier: MIT */
#ifndef CH_VOCAB_H
#define CH_VOCAB_H

#include "merge.h"
#include "pretokenize.h"
#include "token.h"

#define CH_TOKEN_MAX       (1 << 24) /* entries in a vocabulary */
#define CH_ADDED_MAX_BYTES 1024      /* length of a token that is looked for in text */
#define CH_TEXT_MAX        (1 << 29) /* bytes encoded in one call */

typedef struct ch_encoder ch_encoder;

/* One algorithm (tokenizers.def). */
typedef struct ch_token_kind {
    const char *name, *model;
    bool merges; /* has a list of merges */
    int (*finish)(ch_tokenizer *t, ch_err *e);
    /* Appends the ids of text that holds no added token; `prefix`: it stands at the start or after
     * an added token. */
    int (*encode)(ch_encoder *w, const char *text, size_t n, bool prefix);
    /* The bytes of a normal token: at most cap are written to out, their number is returned;
     * `first` as `prefix`. */
    size_t (*piece)(char *out, size_t cap, const ch_tokenizer *t, ch_token id, bool first);
} ch_token_kind;

#define TOKENIZER(name, model, merges)                                                            \
    int ch_token_##name##_finish(ch_tokenizer *t, ch_err *e);                                     \
    int ch_token_##name##_encode(ch_encoder *w, const char *text, size_t n, bool prefix);         \
    size_t ch_token_##name##_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token id,     \
                                   bool first);
#include "tokenizers.def"
#undef TOKENIZER

struct ch_tokenizer {
    const ch_token_kind *kind;
    int n;
    char *text; /* name i is text[at[i] .. at[i+1]) */
    uint32_t *at;
    float *score; /* spm; zeros otherwise */
    uint8_t *type;
    bool *end;
    ch_token bos, eos, eot, eom, unknown;
    bool add_bos, add_eos;
    bool add_space_prefix; /* spm */
    ch_token byte[256];    /* -1: that byte has no token */
    bool all_bytes;
    size_t longest; /* name, in bytes */
    struct {
        uint32_t *slots;
        size_t cap;
    } names; /* what merging may make */

    ch_token *added; /* tokens that are looked for in text, sorted by name */
    int n_added;
    int added_from[257]; /* added[added_from[b] .. added_from[b+1]) begin with byte b */

    const ch_pretokenizer *pre; /* bpe */
    char pre_name[32];          /* as the file calls it */
    ch_cutter *cutter;
    ch_pairs pairs;

    uint32_t *order;  /* spm: a token's place in merging, smaller first */
    bool words_apart; /* spm: no token reaches over the start of a word */
};

const ch_token_kind *ch_token_kind_find(const char *model, size_t n); /* NULL: unknown */
const char *ch_token_kinds(char *out, size_t size);                   /* "gpt2, llama" */

/* n entries whose names take `bytes` in all (an upper bound). */
int ch_token_new(ch_tokenizer **out, const ch_token_kind *kind, size_t n, size_t bytes, ch_err *e);
/* The next id's name and type; n and bytes as promised to ch_token_new. */
void ch_token_add(ch_tokenizer *t, ch_token id, const char *name, size_t n, int type, float score);
int ch_token_index(ch_tokenizer *t, ch_err *e);
/* The id of a token that merging may make, by its name; -1: none. */
ch_token ch_token_find(const ch_tokenizer *t, const char *name, size_t n);
/* The next merge, by names; `at` stands in the error. */
int ch_token_merge(ch_tokenizer *t, ch_str left, ch_str right, size_t at, ch_err *e);
int ch_token_finish(ch_tokenizer *t, ch_err *e);

/* added.c: collects the tokens that are looked for in text. */
int ch_token_find_added(ch_tokenizer *t, ch_err *e);
/* The longest of them at the start of text[0..n), n >= 1, or -1; `special`: control and unknown
 * tokens too. */
ch_token ch_token_added_at(const ch_tokenizer *t, const char *text, size_t n, bool special,
                           size_t *length);

static inline const char *ch_token_name(const ch_tokenizer *t, ch_token id, size_t *n)
{
    *n = t->at[id + 1] - t->at[id];
    return t->text + t->at[id];
}

/* "<0x0A>" -> 10; -1: not of that form. */
int ch_token_byte_name(const char *name, size_t n);

/* Do these bytes have tokenizer.bin's layout, to the last byte? */
bool ch_token_is_llama2c(const unsigned char *data, size_t size);
/* The same reader over bytes in memory; `name` for messages. */
int ch_token_from_llama2c(ch_tokenizer **out, const unsigned char *data, size_t size,
                          const char *name, ch_err *e);

/* ---- One call of encode ------------------------------------------------------------------------
 * Remembers where in the output a piece was encoded before: most pieces of a text are repetitions.
 */
typedef struct ch_piece_seen {
    const char *text; /* NULL: empty */
    uint32_t n, count;
    size_t at; /* its ids are out->id[at .. at+count) */
} ch_piece_seen;

struct ch_encoder {
    const ch_tokenizer *t;
    ch_tokens *out;
    ch_err *e;
    ch_merger merger;
    ch_cut_work *cut; /* bpe */
    char *word;       /* spm: one word with its spaces escaped */
    size_t word_cap;
    ch_piece_seen *seen; /* NULL in short texts */
    size_t seen_mask;
};

/* Room for that many more ids. */
int ch_tokens_room(ch_tokens *t, size_t more, ch_err *e);
/* The place to remember a piece (NULL: remembering is off).  When it was seen before its ids are
 * appended and *done is 1, or an error code. */
ch_piece_seen *ch_encoder_recall(ch_encoder *w, const char *piece, size_t n, int *done);
/* Appends what merging symbols 0.. left; `fallback` appends a symbol that is no token. */
int ch_encoder_emit(ch_encoder *w, const char *piece,
                    int (*fallback)(ch_encoder *w, const char *bytes, size_t n));
/* The unknown token where text may become it, or -1. */
ch_token ch_token_unknown(const ch_tokenizer *t);

#endif
