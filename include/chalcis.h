/* chalcis.h - run small language models on the CPU
 *
 *   1 Errors and words   2 Tokenizers   3 Models   4 Sessions   5 Grammars   6 Perplexity
 *   7 Engines
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
    X(CH_ECANCELED, -7, "interrupted")                                                 \
    X(CH_EBUSY, -8, "there is too much to do already")

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

/* Model files are mapped: where one is cut short while it is in use, or its disk fails, reading is
 * a SIGBUS, which ends the process.  After this call, for files that are opened later, zeros are
 * read instead, and steps that may have read them fail (CH_EIO, with the file's name).  For the
 * whole process: it sets a handler, which gives all other SIGBUS to the one that was there.  A file
 * that is replaced (renamed over) loses nothing. */
int ch_guard_files(ch_err *e);
/* CH_EIO: a file of the model has been cut or could not be read, as above. */
int ch_model_whole(const ch_model *m, ch_err *e);

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

/* ---- 7 Engines -------------------------------------------------------------------------
 *     ch_engine *g;
 *     ch_engine_open(&g, model, tk, NULL, &e);
 *     ch_engine_start(g, &e);
 *     const ch_request r = {.prompt = ids.id, .n_prompt = (int)ids.n, .most = 100,
 *                           .tell = show, .arg = me};
 *     ch_engine_submit(&ticket, g, &r, &e);        from any thread
 *     ... show(me, answer, event) for each token, until CH_EVENT_DONE ...
 *     ch_engine_close(&g);
 * Many texts at once.  Each step computes the next token of every answer under way and, in the rows
 * that are left, parts of prompts.  What an answer says is what a session alone would say, to the
 * token and the bit of its log-probabilities, whoever else is served, whatever was found in the
 * cache, guessed, or put off. */

typedef struct ch_engine ch_engine;
typedef struct ch_answer ch_answer;
typedef uint64_t ch_ticket; /* a request's number; never 0 */

enum { CH_ENGINE_TOP = 20 }; /* alternatives that an event can tell */

/* Where several hold, the first of them. */
typedef enum ch_ending {
    CH_ENDING_NONE,
    CH_ENDING_CANCELED, /* ch_engine_cancel, ch_engine_close */
    CH_ENDING_FAILED,   /* event.error says why */
    CH_ENDING_END,      /* it drew an end token, or BOS */
    CH_ENDING_GRAMMAR,  /* its text is complete by its grammar, and no end token can be drawn */
    CH_ENDING_STOPPED,  /* its listener said so */
    CH_ENDING_LENGTH,   /* as many tokens as were asked for */
    CH_ENDING_CONTEXT   /* the context is full */
} ch_ending;

/* Told in this order: PROMPT_TOKEN*, VECTOR or PROMPT; then for every answer, forks too, BEGIN,
 * TOKEN*, END, answers in any order among each other; DONE.  A request may also end before an
 * answer begins: then DONE says how. */
typedef enum ch_event_kind {
    CH_EVENT_PROMPT_TOKEN, /* id, log_p, top; if they were asked for: each, in order */
    CH_EVENT_VECTOR,       /* vector, width, prompt_tokens; if it was asked for */
    CH_EVENT_PROMPT,       /* it has been read: prompt_tokens, shared_tokens, wait_ms */
    CH_EVENT_BEGIN,        /* an answer; of a fork: tokens, those of its parent */
    CH_EVENT_TOKEN,        /* its next, an end token too: id, log_p, top, drafted, fed, may_end,
                              iterations, tokens */
    CH_EVENT_END,          /* ending, error, tokens, drafted_tokens */
    CH_EVENT_DONE          /* the request, once; if no answer began: ending, error (where none was
                              asked for CH_ENDING_LENGTH).  Nothing comes after it */
} ch_event_kind;

/* Pointers are valid during the call. */
typedef struct ch_event {
    ch_event_kind kind;
    ch_ticket ticket;
    int answer;             /* which of the request's: 0, 1, ... */
    ch_token id;
    double log_p;           /* as ch_session_log_probs tells it, if it was asked for; else NaN */
    const ch_log_prob *top; /* n_top of them, likeliest first */
    int n_top;
    bool drafted;           /* it was guessed and computed ahead */
    bool fed;               /* by ch_answer_feed; log_p is NaN */
    bool may_end;           /* by its grammar the text may end here; without one always */
    double iterations;      /* that the token before it took, where tokens have their own number of
                               them (docs/integrator.md); else 0 */
    ch_ending ending;
    const ch_err *error;    /* with CH_ENDING_FAILED, else NULL */
    int tokens;             /* told of this answer: end token, fed ones and its parent's included */
    int drafted_tokens;     /* guessed for this answer, right or not */
    int prompt_tokens, shared_tokens; /* shared: found in the cache instead of computed */
    double wait_ms;         /* that the request waited before it was begun */
    const float *vector;
    int width;
} ch_event;

typedef enum ch_go {
    CH_GO_ON,
    CH_GO_END /* this answer ends here; of BEGIN and TOKEN alone */
} ch_go;
/* Called by the engine's thread, which everybody waits for meanwhile: microseconds, no I/O.  No
 * lock of the engine is held, and calls never nest.  It may submit and cancel, ask for stats, and
 * in BEGIN and TOKEN use the answer (else NULL) by the functions below, during the call; it may
 * not step, start, wait for or close the engine. */
typedef ch_go ch_event_fn(void *arg, ch_answer *answer, const ch_event *event);

/* Copied with what it points to, but for grammar and arg: those are lent until the listener has
 * returned from CH_EVENT_DONE. */
typedef struct ch_request {
    const ch_token *prompt; /* n_prompt >= 1 */
    int n_prompt;
    int answers;            /* to the same prompt, with sampling.sample, + 1, ...; 0: 1 */
    int most;               /* tokens that an answer may have; 0: what the context has room for;
                               below 0: no answer, and the prompt may fill the context */
    const ch_sampling *sampling; /* NULL: CH_SAMPLING */
    ch_grammar *grammar;    /* NULL: none.  Used by the engine's thread alone */
    bool log_probs;         /* of the answers' tokens */
    bool prompt_log_probs;  /* then none of the prompt is taken from the cache */
    int top;                /* with each of them the likeliest, CH_ENGINE_TOP at most */
    bool vector;            /* the mean over the prompt of what the head is given, and no answer */
    uint64_t user;          /* users are served alike, however many requests each of them has */
    uint64_t salt;          /* what is in the cache is found by requests of the same salt alone, so
                               that nobody learns by the clock what others have sent */
    ch_event_fn *tell;
    void *arg;
} ch_request;

typedef struct ch_engine_options {
    ch_session_options session; /* context: of one text.  cache_tokens: budget of all texts; 0: four
                                   times the context */
    int most_answers;        /* under way; 0: 16 */
    int most_waiting;        /* requests that are not begun; 0: 256 */
    int most_waiting_user;   /* of one user; 0: as many as of all */
    int most_waiting_tokens; /* in their prompts; 0: 16 times the context */
    int step_ms; /* how long answers may have to wait for a step in which prompts are read; 0: 100.
                    Time, never bits */
    int draft;   /* most tokens guessed ahead in an answer; 0: 8, below 0: none.  Guessing ends
                    where it does not pay */
} ch_engine_options;

/* The tokenizer says which tokens end an answer.  Both outlive the engine.  CH_EUNSUPPORTED: a
 * model whose tokens depend on what else is in a step. */
int ch_engine_open(ch_engine **out, ch_model *m, const ch_tokenizer *tk,
                   const ch_engine_options *o, ch_err *e);
/* All requests end (CH_ENDING_CANCELED) and are told so before it returns.  No other call may be
 * under way or follow. */
void ch_engine_close(ch_engine **g);

/* Steps are made by a thread of the engine's own from now on. */
int ch_engine_start(ch_engine *g, ch_err *e);
/* For tests and for loops of one's own, instead of start (CH_EARG after it): one step; *busy: there
 * is more to do.  The caller's thread is then the engine's thread.  It fails where no request is at
 * fault; all of them have then ended. */
int ch_engine_step(bool *busy, ch_engine *g, ch_err *e);

/* These may be called from any thread, and never wait for a step or a listener. */

/* CH_EARG: the request is not possible, with the number and what is allowed (CH_ELIMIT: its prompt
 * is too long for the context, with both numbers).  CH_EBUSY: too much waits already.
 * CH_ECANCELED: after ch_engine_drain.  *out is written before any event, and there is none without
 * CH_OK. */
int ch_engine_submit(ch_ticket *out, ch_engine *g, const ch_request *r, ch_err *e);
/* The request ends within one step, wherever it is; a ticket that is done already: nothing. */
void ch_engine_cancel(ch_engine *g, ch_ticket ticket);
/* From now on submit refuses.  What was accepted goes on. */
void ch_engine_drain(ch_engine *g);
/* How long somebody who got CH_EBUSY now should stay away, in ms; at least 1. */
int ch_engine_retry_ms(ch_engine *g);

/* Waits until all accepted requests are done: CH_EBUSY: they are not after most_ms.  For an engine
 * with a thread of its own. */
int ch_engine_wait(ch_engine *g, int most_ms, ch_err *e);

/* The following are for listeners.  They act at once, in the order in which they are called. */

/* Tokens behind what there is, as if they had been drawn; each is told when the listener has
 * returned.  All or none: CH_ELIMIT past `most` or the context, CH_EARG for an end token or against
 * the grammar. */
int ch_answer_feed(ch_answer *a, const ch_token *tokens, int n, ch_err *e);
/* What is drawn from here on obeys g (NULL: nothing).  begun (n bytes, 64 at most): what of its
 * text the answer has already; CH_EARG: g forbids it. */
int ch_answer_grammar(ch_answer *a, ch_grammar *g, const char *begun, size_t n, ch_err *e);
/* From here on end tokens are not drawn, or are again. */
void ch_answer_no_end(ch_answer *a, bool banned);
/* One more answer of the request, equal to this one so far; its draws are sampling.sample + its
 * number.  CH_ELIMIT: as many are under way as may be. */
int ch_answer_fork(int *number, ch_answer *a, ch_err *e);

typedef struct ch_engine_stats {
    int active, waiting;    /* answers under way; requests that are not begun */
    int64_t waiting_tokens; /* in the prompts of those */
    int64_t cache_tokens, cache_used, cache_findable; /* findable: by later prompts */
    uint64_t requests, refused, canceled, failed;     /* so far, as all that follow */
    uint64_t prompt_tokens, shared_tokens, drawn_tokens, drafted, accepted;
    uint64_t put_off; /* answers whose pages went to others; they were computed again later */
    uint64_t steps;
    double busy_s;     /* in steps */
    double idle_s;     /* since the last step */
    double draft_gain; /* speed with guesses over speed without, as measured; 0: not yet */
    int error;         /* CH_OK, or why there are no more steps */
} ch_engine_stats;
void ch_engine_get_stats(ch_engine_stats *out, ch_engine *g); /* from any thread */
/* CH_OK, or why there are no more steps: CH_EIO, as submit and all that it had ended with say too.
 * From any thread. */
int ch_engine_fault(ch_engine *g, ch_err *e);

#ifdef __cplusplus
}
#endif
#endif
