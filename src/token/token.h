/* token.h - text to token ids and back
 *
 * Algorithms (tokenizers.def):
 *   bpe  byte-level byte-pair encoding (Sennrich 2016; GPT-2's byte alphabet): a pre-tokenizer
 *        pattern cuts the text, merges are applied lowest rank first within a piece
 *   spm  SentencePiece-style BPE: the pair with the best score is merged, leftmost first on ties;
 *        characters that are no token fall back to <0xXX> byte tokens (or to the unknown token
 *        where there are none)
 *   chars      BPE over characters by ranks: the same vocabularies as Hugging Face writes them
 *   unigram    the cutting with the best sum of scores
 *   wordpiece  BERT's: the longest token, again and again
 * The public part is in chalcis.h ("Tokenizers"); here is how one is made and stored.
 * A tokenizer is immutable and may be used by many threads at once.
 * SPDX-License-Identifier: MIT */
#ifndef CH_TOKEN_H
#define CH_TOKEN_H

#include "base.h"
#include "file.h"

enum {
    CH_TOKEN_NORMAL = 1,
    CH_TOKEN_UNKNOWN = 2,
    CH_TOKEN_CONTROL = 3,
    CH_TOKEN_USER = 4,
    CH_TOKEN_UNUSED = 5,
    CH_TOKEN_BYTE = 6
};

/* From a model file's tokenizer.ggml.* metadata (GGUF specification, "Tokenizer").  Copies what it
 * needs: f may be closed afterwards. */
int ch_tokenizer_from_file(ch_tokenizer **out, const ch_file *f, ch_err *e);
/* From llama2.c's tokenizer.bin (max length, then score, length, bytes per token; ids 0 unk, 1
 * BOS, 2 EOS). */
int ch_tokenizer_from_llama2c(ch_tokenizer **out, const char *path, ch_err *e);
/* Writes tokenizer.ggml.* and tokenizer.chat_template into a file under construction, as
 * llama.cpp's converter has them.  rows: of the model's embedding; ids beyond the vocabulary
 * become unused tokens (0: there are none). */
int ch_tokenizer_to_file(const ch_tokenizer *t, ch_file *f, ch_err *e);
int ch_tokenizer_to_file_rows(const ch_tokenizer *t, ch_file *f, int64_t rows, ch_err *e);
/* The same from a Hugging Face folder: tokenizer.model where there is one, for GGUF's algorithm is
 * SentencePiece's, else as ch_tokenizer_open takes it. */
int ch_tokenizer_folder_to_file(ch_file *f, const char *folder, int64_t rows, ch_err *e);
/* Hugging Face tokenizer.json, with tokenizer_config.json and its kin in the same folder (BOS, EOS,
 * chat template), which are read and written along.  What cannot be reproduced to the id is
 * refused by name, both ways. */
int ch_tokenizer_to_json(const ch_tokenizer *t, const char *path, ch_err *e);
int ch_tokenizer_from_json(ch_tokenizer **out, const char *path, ch_err *e);

/* Appends the bytes of one token, as ch_tokenizer_piece gives them; false: b has no room. */
bool ch_tokenizer_append(ch_buf *b, const ch_tokenizer *t, ch_token previous, ch_token id);

/* A piece of a text, and whether strangers may have written it. */
typedef struct ch_token_span {
    size_t n;
    bool data;
} ch_token_span;

/* Does a text that is drawn end with it?  EOS and its kin, and BOS, with which another text would
 * begin.  ch_tokenizer_endings appends all such ids below `vocab`, ascending. */
bool ch_tokenizer_ends_text(const ch_tokenizer *t, ch_token id);
int ch_tokenizer_endings(ch_tokens *out, const ch_tokenizer *t, int vocab, ch_err *e);

/* Appends the ids of a text in pieces, nothing before and nothing behind them: special tokens are
 * those whose text lies in one piece that is no data.  What is between them is encoded as one text,
 * however many pieces it came in. */
int ch_tokenizer_encode_spans(ch_tokens *out, const ch_tokenizer *t, const char *text,
                              const ch_token_span *span, size_t n_spans, ch_err *e);

/* The model's own chat template, in Jinja; borrowed, NULL: it has none. */
const char *ch_tokenizer_template(const ch_tokenizer *t);
/* The one for conversations with tools, where the model has two (Hermes 2, Command R). */
const char *ch_tokenizer_tool_template(const ch_tokenizer *t);

/* Of all that decides how text becomes ids; equal after writing and reading. */
ch_hash128 ch_tokenizer_hash(const ch_tokenizer *t);

/* ---- Training a byte-level BPE ----------------------------------------------------------------
 * Deterministic: pieces (GPT-2's pattern) are counted over all texts, the most frequent pair is
 * merged, ties go to the smaller (left id, right id).  The result does not depend on the number of
 * threads or the order of texts.
 * Ids: 0..n_special-1 the special tokens as given, then the 256 bytes, then merges in the order
 * learned. */
typedef struct ch_bpe_options {
    int vocab;                   /* entries in all, >= 256 + n_special + 1, <= 65536 */
    const char *const *specials; /* names of special (control) tokens, e.g. "<|endoftext|>" */
    int n_special;
    int bos, eos; /* index in specials, or -1 */
    void (*progress)(void *arg, int done, int of);
    void *arg;
} ch_bpe_options;

/* One text at a time, then finish.  Pieces are kept as counts: memory grows with distinct pieces
 * only. */
typedef struct ch_bpe_trainer ch_bpe_trainer;
int ch_bpe_trainer_open(ch_bpe_trainer **out, const ch_bpe_options *o, ch_err *e);
int ch_bpe_trainer_add(ch_bpe_trainer *t, const char *text, size_t n, ch_err *e);
/* CH_EARG when the text cannot give so many entries; the sentence says how many it can. */
int ch_bpe_trainer_finish(ch_tokenizer **out, ch_bpe_trainer *t, ch_err *e);
void ch_bpe_trainer_close(ch_bpe_trainer **t);

#endif
