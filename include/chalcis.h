/* chalcis.h - run small language models on the CPU
 *
 *   1 Errors and words   2 Tokenizers   3 Models   4 Sessions   5 Grammars   6 Perplexity
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

/* ---- 1 Errors and words -------------------------------------------------------------------- */

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

/* path: a model file that carries its vocabulary, a llama2.c tokenizer.bin, a tokenizer.json, a
 * tokenizer.model, encoder.json or vocab.bpe, or the folder that holds one; or a model file without
 * vocabulary, such as llama2.c's .bin: then `vocabulary` names one of these, or NULL looks beside
 * the model for tok<V>.bin, tokenizer.bin, or what a folder may hold. */
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
    CH_ENCODE_BOS = 1, /* put BOS first if the model was trained so (adds_bos) */
    CH_ENCODE_SPECIAL = 2, /* text of special tokens becomes those tokens; otherwise it is text */
};
/* Appends to *out; a failure appends nothing.  Any bytes are accepted, 512 MiB at once; bytes that
 * are not UTF-8 go through byte tokens.  Special are control and unknown tokens; the words that a
 * model's makers added as user-defined tokens are found in any text. */
int ch_tokenizer_encode(ch_tokens *out, const ch_tokenizer *t, const char *text, size_t n,
                        int flags, ch_err *e);
/* The bytes of one token as they appear in text after `previous` (-1: at the start), written to
 * out (cap bytes, 0 terminated); returns their number, or -(cap needed) when cap is too
 * small.  Control tokens give nothing. A token may hold part of a character: join before showing.
 */
int ch_tokenizer_piece(char *out, size_t cap, const ch_tokenizer *t, ch_token previous,
                       ch_token id);
/* The name of a token as its vocabulary writes it, control tokens too; borrowed, may hold any
 * bytes. */
const char *ch_tokenizer_name(const ch_tokenizer *t, ch_token id, size_t *n);

/* ---- 3 Models ------------------------------------------------------------------------------ */

/* Immutable once open; any number of sessions (each with its own thread) may use one. */
typedef struct ch_model ch_model;

/* Opens a model file (GGUF, llama2.c).  threads: used to prepare the weights; 0: one per CPU. */
int ch_model_open(ch_model **out, const char *path, int threads, ch_err *e);
void ch_model_close(ch_model **m); /* after its sessions */

typedef struct ch_model_info {
    const char *arch; /* "llama" */
    const char *name; /* general.name of the file, or "" */
    int layers, width, heads, kv_heads, head_width, hidden, vocab, context;
    int64_t parameters;
    size_t weight_bytes; /* of all tensors as stored */
} ch_model_info;
void ch_model_get_info(ch_model_info *out, const ch_model *m);

/* Low-rank changes of a model's linear maps (LoRA, Hu et al. 2021): a folder as PEFT keeps them,
 * with adapter_config.json and adapter_model.safetensors, or a GGUF file.  The model stays as it is
 * and outlives them; strength multiplies them (0: as they are).  The second opens several, which
 * add up. */
typedef struct ch_lora ch_lora;
int ch_lora_open(ch_lora **out, ch_model *m, const char *path, double strength, ch_err *e);
int ch_lora_open_all(ch_lora **out, ch_model *m, const char *const *paths, const double *strengths,
                     size_t n, ch_err *e);
void ch_lora_close(ch_lora **l); /* after the sessions that use it */

/* ---- 4 Sessions ------------------------------------------------------------------------
 *     ch_session *s;
 *     ch_session_open(&s, model, NULL, &e);
 *     ch_session_feed(s, ids.id, (int)ids.n, &e);
 *     for (int i = 0; i < 100; i++) {
 *         ch_token t;
 *         if (ch_session_next(&t, s, &sampling, &e) < 0 || ch_tokenizer_is_end(tk, t)) break;
 *         ... show it ...
 *     }
 *     ch_session_close(&s);
 * A session is one timeline: one thread at a time.  The tokens it draws depend on the tokens
 * before, the options and the sampling alone: not on threads, on how the prompt was cut into
 * calls, or on drafts. */

typedef struct ch_session ch_session;

typedef struct ch_session_options {
    int threads;         /* 0: one per CPU this process may use */
    int context; /* most tokens in the timeline; 0: what the model was made for, at most 4096.
                    More than it was made for is possible, but seldom good */
    int step_rows;       /* most tokens computed at once; 0: 256.  Time and memory, never bits */
    int cache_tokens;    /* budget of the family of forks; 0: twice the context */
    int page_size;       /* keys in a cache page; 0: 32 */
    const char *k_type;  /* how keys are kept: "f32" "f16" "bf16" "q8_0"; NULL: f16 */
    const char *v_type;  /* values: these, or "q4_0" */
    const ch_lora *lora; /* changes the model for the family's every token; NULL: nothing does */
} ch_session_options;

int ch_session_open(ch_session **out, ch_model *m, const ch_session_options *o, ch_err *e);
void ch_session_close(ch_session **s);

/* Appends tokens.  Too many for the context is CH_ELIMIT with both numbers, before anything is
 * computed. */
int ch_session_feed(ch_session *s, const ch_token *tokens, int n, ch_err *e);
int ch_session_length(const ch_session *s); /* tokens so far */
int ch_session_context(const ch_session *s);
const ch_token *ch_session_tokens(const ch_session *s); /* borrowed, until the next call */

/* A token's logit is changed before all samplers; -INFINITY: the token is never drawn. */
typedef struct ch_logit_bias {
    ch_token id;
    float bias;
} ch_logit_bias;

/* How the next token is chosen: docs/sampling.md, `chalcis run --help`; a field per parameter,
 * defaults by CH_SAMPLING.  Lists are borrowed; NULL: none. */
typedef struct ch_sampling {
    double repeat_penalty, top_k, top_p, min_p, temp;
    uint64_t seed;
    uint32_t sample; /* which of several answers to one prompt: other draws from the same seed */
    double repeat_last_n, frequency_penalty, presence_penalty;
    double dry_multiplier, dry_base, dry_allowed_length, dry_penalty_last_n;
    double top_n_sigma, typical_p, xtc_probability, xtc_threshold;
    double dynatemp_range, dynatemp_exponent;
    unsigned char order[16]; /* filled by ch_sampling_order; zeros: the usual order */
    const ch_logit_bias *bias;
    const ch_token *allowed; /* none but these is drawn; NULL: any */
    const ch_token *ends;    /* these are not drawn at positions below ends_from */
    const ch_token *dry_breakers; /* ascending; no repeat that dry minds reaches over them */
    int n_bias, n_allowed, n_ends, n_dry_breakers, ends_from;
} ch_sampling;
#define CH_SAMPLING                                                                       \
    {1.0, 40, 0.95, 0.05, 0.8, 0, 0, 64, 0, 0, 0, 1.75, 2, -1, 0, 1, 0, 0.1, 0, 1, {0},   \
     NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0}

/* The order in which samplers are applied: "penalties;top_k;temperature" (or with commas), each at
 * most once; what is not named is not applied, and "" names none.  NULL: the usual order.
 * CH_EARG names those there are. */
int ch_sampling_order(ch_sampling *s, const char *names, ch_err *e);
/* Appends the tokens within which `text` occurs, ascending, as dry_breakers wants them; CH_EARG
 * when there is none. */
int ch_sampling_breakers(ch_tokens *out, const ch_tokenizer *t, const char *text, ch_err *e);

/* Draws the next token from the logits after the last one, appends it and returns it in *out (it
 * is computed when the next one is asked for).  CH_ELIMIT when the context is full; CH_EARG on an
 * empty session, or where no token may be drawn. */
int ch_session_next(ch_token *out, ch_session *s, const ch_sampling *how, ch_err *e);

/* How likely a token is by the model alone: the natural logarithm of its probability at
 * temperature 1, before any sampler; NaN where nothing came before it. */
typedef struct ch_log_prob {
    ch_token id;
    double log_p;
} ch_log_prob;
/* Of the token drawn last, before anything else is done with the session; top (n_top, may be NULL
 * with 0): the likeliest ones instead of it, likeliest first, id -1 behind the last. */
int ch_session_log_probs(ch_log_prob *drawn, ch_log_prob *top, int n_top, ch_session *s,
                         ch_err *e);
/* ch_session_feed that tells the same of every token that is fed: own (n), top (n x n_top). */
int ch_session_feed_log_probs(ch_log_prob *own, ch_log_prob *top, int n_top, ch_session *s,
                              const ch_token *tokens, int n, ch_err *e);

/* A drafter guesses what comes next: up to `most` tokens after tokens[0..n) into `out`, returning
 * how many.  Guesses are checked in one step with the next token; they change time, never tokens
 * or bits.  NULL: none. */
typedef int ch_draft_fn(void *arg, const ch_token *tokens, int n, ch_token *out, int most);
void ch_session_draft(ch_session *s, ch_draft_fn *draft, void *arg, int most);

/* A second session equal to this one from here on; it shares sealed cache pages, threads and
 * memory with it, so the two belong to one thread. */
int ch_session_fork(ch_session **out, ch_session *s, ch_err *e);
/* Keeps the first `length` tokens; with none the session is empty again. */
int ch_session_rollback(ch_session *s, int length, ch_err *e);
/* Tokens and cache as bytes in a file; load wants an empty session of the same model and options.
 */
int ch_session_save(ch_session *s, const char *path, ch_err *e);
int ch_session_load(ch_session *s, const char *path, ch_err *e);
/* May be called from a signal handler or another thread: the call under way ends with
 * CH_ECANCELED soon; the session stays usable at the last whole token. */
void ch_session_cancel(ch_session *s);

typedef struct ch_session_stats {
    uint64_t prompt_tokens, drawn_tokens;
    uint64_t shared_tokens; /* found in the cache instead of computed */
    uint64_t drafted, accepted;
    double prompt_s, drawn_s;
} ch_session_stats;
ch_session_stats ch_session_get_stats(const ch_session *s);

/* ---- 5 Grammars ------------------------------------------------------------------------
 *     ch_grammar *g;
 *     ch_grammar_open(&g, tk, CH_GRAMMAR_SCHEMA, schema, strlen(schema), NULL, &e);
 *     ch_session_grammar(s, g, &e);
 *     ... ch_session_next until an end token ... ch_grammar_close(&g);
 * From then on only tokens that the grammar allows are drawn, and an end token only where the text
 * may end (docs/grammars.md).  One thread at a time, as the family of sessions that uses it. */
typedef struct ch_grammar ch_grammar;

typedef enum ch_grammar_kind {
    CH_GRAMMAR_GBNF,
    CH_GRAMMAR_SCHEMA, /* JSON Schema; what cannot be obeyed is refused by name */
    CH_GRAMMAR_JSON,   /* any JSON object; the text is not looked at */
    CH_GRAMMAR_REGEX,  /* of the whole text */
    CH_GRAMMAR_CHOICE  /* one of the strings of a JSON array */
} ch_grammar_kind;

typedef struct ch_grammar_options {
    bool compact;           /* JSON without white space */
    const ch_grammar *like; /* shares its vocabulary with this one, of the same tokenizer */
    size_t memory;          /* bytes of what is found out while it runs (twice that at most,
                               as tables grow); 0: 64 MiB */
} ch_grammar_options;

int ch_grammar_open(ch_grammar **out, const ch_tokenizer *t, ch_grammar_kind kind,
                    const char *text, size_t n, const ch_grammar_options *o, ch_err *e);
void ch_grammar_close(ch_grammar **g); /* after the sessions that use it */
/* The session's next token is the grammar's first; NULL: from now on anything goes.  Forks go on
 * with it where they are, a rollback takes it back, too; tokens that are fed have to obey. */
int ch_session_grammar(ch_session *s, ch_grammar *g, ch_err *e);

/* ---- 6 Perplexity -------------------------------------------------------------------------- */

typedef struct ch_perplexity {
    double nll;   /* mean negative log-likelihood, nats a token */
    double ppl;   /* e^nll */
    double bpb;   /* bits a byte of text */
    uint64_t tokens, bytes; /* what is scored: all but BOS, or but the first token without BOS */
    int window, stride;
} ch_perplexity;
/* Scores text token by token after BOS (models without BOS: after the first token).  Longer than
 * `window` tokens (0: 512): windows that advance by `stride` (0: half the
 * window), each scoring only what is new to it.  o->context is not used. */
int ch_model_perplexity(ch_perplexity *out, ch_model *m, const ch_tokenizer *tk, const char *text,
                        size_t n, int window, int stride, const ch_session_options *o, ch_err *e);

#ifdef __cplusplus
}
#endif
#endif
