/* vocab.h - what a tokenizer holds, how one is built, and what an encoding needs; private to
 * token/
 *
 * Building: ch_token_new, ch_token_add for each id in order, the fields below, ch_token_index,
 * then for BPE ch_token_merge in order of rank, then ch_token_finish.  Names are kept as GGUF
 * writes them (byte-level BPE: GPT-2's byte alphabet; SentencePiece: U+2581 for space; WordPiece:
 * U+2581 at the start of words, where BERT's own files mark what continues them).
 *
 * The promise of chalcis.h, that text never becomes a special token by itself, rests on `names`:
 * it holds no control, unknown or byte token, and it is the only way from text to ids besides the
 * bytes and the added tokens. SPDX-License-Identifier: MIT */
#ifndef CH_VOCAB_H
#define CH_VOCAB_H

#include "merge.h"
#include "normalize.h"
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
    bool scores; /* has a score a token */
    int (*finish)(ch_tokenizer *t, ch_err *e);
    /* Appends the ids of one piece (pretokenize.h); they depend on its bytes alone. */
    int (*encode)(ch_encoder *w, const char *piece, size_t n, bool valid);
    /* The bytes of a normal token: at most cap are written to out, their number is returned;
     * `first`: text starts anew with it. */
    size_t (*piece)(char *out, size_t cap, const ch_tokenizer *t, ch_token id, bool first);
} ch_token_kind;

#define TOKENIZER(name, model, merges, scores, piece)                                             \
    int ch_token_##name##_finish(ch_tokenizer *t, ch_err *e);                                     \
    int ch_token_##name##_encode(ch_encoder *w, const char *p, size_t n, bool valid);             \
    size_t ch_token_##piece##_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token id,    \
                                    bool first);
#include "tokenizers.def"
#undef TOKENIZER

enum { /* how an added token is found: ch_tokenizer.flags */
    CH_ADDED_LSTRIP = 1, /* takes the white space before it */
    CH_ADDED_RSTRIP = 2, /* and after it */
    CH_ADDED_WORD = 4,   /* only between characters that are no word's */
    CH_ADDED_NORMALIZED = 8, /* looked for in normalized text, its name normalized too */
};

/* Names that are looked for, sorted. */
typedef struct ch_added_entry {
    const char *name;
    size_t n;
    ch_token id;
} ch_added_entry;
typedef struct ch_added_set {
    ch_added_entry *entry;
    int n;
    int from[257]; /* entry[from[b] .. from[b+1]) begin with byte b */
    char *text;    /* names that are not the vocabulary's own */
} ch_added_set;

struct ch_tokenizer {
    const ch_token_kind *kind;
    int n;
    char *text; /* name i is text[at[i] .. at[i+1]) */
    uint32_t *at;
    float *score; /* where the kind has scores; zeros otherwise */
    uint8_t *type;
    bool *end;
    ch_token bos, eos, eot, eom, unknown, sep, pad, cls, mask; /* -1: none */
    bool add_bos, add_eos, add_sep;
    bool add_space_prefix; /* decoding takes a space from the start of a text */
    bool whole_first;      /* bpe, chars: a piece that is a token as it stands is not merged */
    bool byte_fallback;    /* characters without token become <0xXX> tokens */
    bool fuse_unknown;     /* unknown characters in a row are one token */
    ch_token byte[256];    /* -1: that byte has no token */
    bool all_bytes;
    size_t longest; /* name, in bytes */
    struct {
        uint32_t *slots;
        size_t cap;
    } names; /* what merging may make */

    uint8_t *flags;        /* of added tokens, by id; NULL: none has any */
    ch_added_set added[2]; /* looked for in text as it comes; in normalized text */

    ch_normalizer *norm; /* NULL: none */
    char *norm_json;     /* as tokenizer.json has it; NULL: none */
    const ch_pretokenizer *pre; /* NULL: no line of pretokenizers.def */
    char pre_name[32];          /* as the file calls it */
    char *pre_json;             /* as tokenizer.json has it, where it is no line; NULL: none */
    char *template;             /* tokenizer.chat_template; NULL: none */
    char *tool_template;        /* tokenizer.chat_template.tool_use; NULL: the same */
    ch_cutter *cutter;
    ch_pairs pairs;

    uint32_t *order;      /* spm: a token's place in merging, smaller first */
    ch_added_set pieces;  /* unigram: all names that text may become */
    double unknown_score; /* unigram */
};

const ch_token_kind *ch_token_kind_find(const char *model, size_t n); /* NULL: unknown */
const char *ch_token_kinds(char *out, size_t size);                   /* "gpt2, llama, ..." */

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
/* Ends the text that is t's: of the kind's own steps, where no reader gave any. */
int ch_token_default_steps(ch_tokenizer *t, ch_err *e);
/* Does no token reach over the start of a word (a U+2581 after something else)?  Then words cannot
 * influence each other, and each is a piece. */
bool ch_token_words_apart(const ch_tokenizer *t);
/* Flags of an added token. */
int ch_token_set_flags(ch_tokenizer *t, ch_token id, int flags, ch_err *e);
/* Marks byte tokens by their names <0xXX>, of type CH_TOKEN_BYTE; other names: CH_EFORMAT. */
int ch_token_find_bytes(ch_tokenizer *t, ch_err *e);

/* added.c: sorts what is looked for; entries' names must outlive the set, or lie in its text.  Of
 * equal names and types (by id) the smallest id stays. */
int ch_added_open(ch_added_set *s, const ch_added_entry *entry, size_t n, const uint8_t *type,
                  ch_err *e);
void ch_added_close(ch_added_set *s);
/* Of sorted entries that agree with a text in `depth` bytes and are longer, lo..hi, those whose
 * next byte is c. */
void ch_added_narrow(const ch_added_set *s, int *lo, int *hi, size_t depth, unsigned char c);
/* Collects the tokens that are looked for in text. */
int ch_token_find_added(ch_tokenizer *t, ch_err *e);
/* Where in a text control and unknown tokens are looked for: within each span that is no data.
 * `spans`: several origins are told apart; then user-defined tokens that are markup are looked for
 * there only, too, and one of any other name that begins elsewhere ends before such a token. */
typedef struct ch_trust {
    const ch_token_span *span; /* n of them from text[from]; what is behind them is data */
    size_t n, from;
    bool spans;
    size_t clear; /* next_added's: where the next trusted token begins, or none before is known */
    bool begins;  /* one begins there */
} ch_trust;
/* A user-defined token whose name is made for machines to read: <tool_call>, [INST], <|User|>. */
bool ch_token_is_markup(const ch_tokenizer *t, ch_token id);
/* How many bytes from text[at] on are of one span without data; `at` never goes back. */
size_t ch_trust_at(ch_trust *x, size_t at);
/* The next one at or after text[from]: its id and place (white space that it takes included, none
 * of it before `from`); -1: none. */
ch_token ch_token_next_added(size_t *at, size_t *length, const ch_tokenizer *t, int set,
                             const char *text, size_t n, size_t from, ch_trust *trust);

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
/* Likewise SentencePiece's tokenizer.model. */
bool ch_token_is_sentencepiece(const unsigned char *data, size_t size);
/* Likewise tokenizer.json; `name` is the path beside which its configuration is looked for. */
int ch_token_from_json(ch_tokenizer **out, const char *text, size_t n, const char *name, ch_err *e);
/* gpt2_read.c: encoder.json and vocab.bpe, or vocab.json and merges.txt, in a folder. */
int ch_token_from_gpt2(ch_tokenizer **out, const char *folder, ch_err *e);
/* The two as bytes in memory; `name` as in ch_token_from_json. */
int ch_token_from_gpt2_texts(ch_tokenizer **out, ch_str vocab, ch_str merges, const char *name,
                             ch_err *e);
/* The path of the first of these that the folder has (free it); NULL: none. */
char *ch_token_first_of(const char *folder, const char *const *names, size_t n);
/* json_norm.c: the "normalizer" of a tokenizer.json, into t->norm and t->norm_json. */
int ch_token_json_normalizer(ch_tokenizer *t, const json_t *o, const char *name, ch_err *e);

int ch_token_from_sentencepiece(ch_tokenizer **out, const unsigned char *data, size_t size,
                                const char *name, ch_err *e);

/* ---- One call of encode ------------------------------------------------------------------------
 * Remembers short pieces and their ids: most pieces of a text are repetitions. */
#define CH_SEEN_BYTES 30
#define CH_SEEN_IDS   8
typedef struct ch_piece_seen { /* a cache line */
    char text[CH_SEEN_BYTES];
    uint8_t n, count; /* n 0: empty */
    ch_token id[CH_SEEN_IDS];
} ch_piece_seen;

struct ch_encoder {
    const ch_tokenizer *t;
    ch_tokens *out;
    size_t piece_at; /* where the ids of this piece begin */
    bool spans;      /* of ch_trust: pieces do not become markup */
    ch_err *e;
    ch_merger merger;
    ch_cut_work *cut;
    ch_norm_work norm;
    void *best; /* unigram: the best way to each place */
    size_t best_cap;
    ch_piece_seen *seen; /* NULL in short texts */
    size_t seen_mask;
};

/* Room for that many more ids. */
int ch_tokens_room(ch_tokens *t, size_t more, ch_err *e);
/* Appends what merging symbols 0.. left; `fallback` appends a symbol that is no token. */
int ch_encoder_emit(ch_encoder *w, const char *piece,
                    int (*fallback)(ch_encoder *w, const char *bytes, size_t n));
/* Appends the byte tokens of a character without token of its own, or the unknown token. */
int ch_encoder_fallback(ch_encoder *w, const char *bytes, size_t n);
/* May a piece become this token?  Where origins are told apart, no piece becomes markup, for what
 * is trusted of it has been cut out before. */
static inline bool ch_encoder_may(const ch_encoder *w, ch_token id)
{
    return id < 0 || !w->spans || !ch_token_is_markup(w->t, id);
}
/* ch_token_find among these. */
ch_token ch_encoder_find(const ch_encoder *w, const char *name, size_t n);
/* The unknown token where text may become it, or -1. */
ch_token ch_token_unknown(const ch_tokenizer *t);

#endif
