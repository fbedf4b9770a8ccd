/* cli.h - what commands share: options from a table, the bundled model, input text, interrupts
 *
 * A command is one file with one table of options and one function.  Results go to stdout,
 * everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 * SPDX-License-Identifier: MIT */
#ifndef CH_CLI_H
#define CH_CLI_H

#include "base.h"
#include "file.h"
#include "generate.h"
#include "token.h"

#include <signal.h>
#include <stdio.h>

enum { CH_EXIT_OK = 0, CH_EXIT_FAILED = 1, CH_EXIT_USAGE = 2, CH_EXIT_INTERRUPTED = 130 };

#define CMD(name, help) int ch_cmd_##name(int argc, char **argv);
#include "cmds.def"
#undef CMD

/* ---- Options ------------------------------------------------------------------------------- */

typedef enum ch_opt_kind {
    CH_OPT_FLAG,   /* bool */
    CH_OPT_INT,    /* int */
    CH_OPT_U64,    /* uint64_t */
    CH_OPT_SEED,   /* the same; "random" and -1 take one from the system */
    CH_OPT_REAL,   /* double */
    CH_OPT_STR,    /* const char * */
    CH_OPT_LIST,   /* ch_list: may be given several times */
    CH_OPT_CALL,   /* the command's own: ch_usage.set */
    CH_OPT_TITLE,  /* no option: heads those that follow in the help */
} ch_opt_kind;

typedef struct ch_list {
    const char *at[64];
    int n;
} ch_list;

typedef struct ch_opt {
    char letter;       /* 0: none */
    const char *name;  /* "top-k"; '_' and '-' are the same */
    ch_opt_kind kind;
    size_t field;      /* offset in the command's struct */
    const char *value; /* "N", "FILE"; NULL for flags */
    const char *help;  /* NULL: not shown; value is then the name of the option it stands for */
    double least, most; /* of numbers; both 0: any */
} ch_opt;

/* Options that several commands have, in the same words; the arguments are offsets. */
#define CH_OPTS_MODEL(model, tokenizer, lora)                                                     \
    {'m', "model", CH_OPT_STR, model, "MODEL",                                                    \
     "a GGUF or llama2.c file, or a Hugging Face folder [the bundled one]", 0, 0},                \
        {0, "tokenizer", CH_OPT_STR, tokenizer, "FILE",                                           \
         "vocabulary of a model that carries none [beside it]", 0, 0},                            \
        {0, "lora", CH_OPT_LIST, lora, "PATH[=SCALE]",                                            \
         "an adapter: a PEFT folder or a GGUF file; may be given several times", 0, 0}
/* -ctk and -ctv: as others call them */
#define CH_OPTS_CACHE(k_type, v_type)                                                             \
    {0, "cache-k", CH_OPT_STR, k_type, "TYPE", "how keys are kept: f32 f16 bf16 q8_0 [f16]", 0,   \
     0},                                                                                          \
        {0, "cache-v", CH_OPT_STR, v_type, "TYPE", "how values are kept: these, or q4_0 [f16]",   \
         0, 0},                                                                                   \
        {0, "ctk", CH_OPT_STR, k_type, "cache-k", NULL, 0, 0},                                    \
        {0, "ctv", CH_OPT_STR, v_type, "cache-v", NULL, 0, 0},                                    \
        {0, "cache-type-k", CH_OPT_STR, k_type, "cache-k", NULL, 0, 0},                           \
        {0, "cache-type-v", CH_OPT_STR, v_type, "cache-v", NULL, 0, 0}
#define CH_OPT_THREADS(threads, what)                                                             \
    {'t', "threads", CH_OPT_INT, threads, "N",                                                    \
     "threads; never changes " what " [one per CPU]", 0, 1024}
#define CH_OPT_JSON(json) {0, "json", CH_OPT_FLAG, json, NULL, "one JSON object", 0, 0}

typedef struct ch_usage {
    const char *synopsis; /* "run [-m MODEL] [-p TEXT | -f FILE] [options]" */
    const char *about;    /* a paragraph, or NULL */
    const ch_opt *opts;   /* ends with name == NULL */
    bool samplers;        /* the flags of samplers.def too, and --samplers */
    size_t sampling;      /* offset of the command's ch_sampling */
    int least_args, most_args;
    /* A CH_OPT_CALL was given: -1, or the exit code after a sentence. */
    int (*set)(void *into, const ch_opt *o, const char *text);
    void (*more)(void); /* NULL, or prints the end of the help */
} ch_usage;

/* Fills the struct at `into` from argv[1..); other arguments go to args (most_args of them) and
 * their number to *n_args. Returns -1 to go on, or the exit code (after --help, or a sentence
 * about what is wrong). */
int ch_cli_parse(void *into, const char **args, int *n_args, int argc, char **argv,
                 const ch_usage *u);

/* Where a command has samplers, their order is one of its options. */
#define CH_CLI_SAMPLERS "samplers"
#define CH_CLI_SAMPLERS_HELP "the order in which samplers are applied; others are not"

/* "--describe=HOW" (not in any help): the command's options for a shell's completions ("bash",
 * "zsh", "fish") or the manual page ("man"), on stdout. */
#define CH_CLI_DESCRIBE "--describe="
int ch_cli_describe(const char *how, const char *command, const ch_usage *u);
int ch_cli_describe_all(const char *how); /* of every command */
/* "top_k" as a flag is called: "top-k". */
void ch_cli_flag_name(char *out, size_t size, const char *field);

/* ---- Helpers ------------------------------------------------------------------------------- */

/* "chalcis: <sentence>" on stderr; returns CH_EXIT_INTERRUPTED for CH_ECANCELED, else
 * CH_EXIT_FAILED. */
int ch_cli_fail(const ch_err *e);
int ch_cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What a mistaken name may have meant: set wanted and size, offer every known name, and the
 * nearest one is in `name`, or none is near and it is empty. */
typedef struct ch_nearest {
    const char *wanted; /* need not end with 0 */
    int size, far;
    char name[41];
} ch_nearest;
void ch_cli_nearer(ch_nearest *n, const char *name);

/* path itself, or the bundled model's when path is NULL: beside the program, or under its
 * share/chalcis.  Written to out; CH_EIO with the places looked at when there is none. */
int ch_cli_model_path(char *out, size_t size, const char *path, ch_err *e);

/* ch_model_open, with a bar when it takes more than a moment. */
int ch_cli_open_model(ch_model **out, const char *path, int threads, ch_err *e);

/* The text of -p, of the file of -f ("-": stdin), or of stdin when neither is given.  Appended to
 * b. */
int ch_cli_text(ch_buf *b, const char *text, const char *file, ch_err *e);

/* From now on Ctrl-C sets the flag (and cancels the session, which may be NULL); a second one
 * ends the process. */
extern volatile sig_atomic_t ch_cli_interrupted;
void ch_cli_catch_interrupts(ch_session *s);

/* Says on stderr that more tokens are asked for than the model was made for. */
void ch_cli_note_context(int asked, int made_for);

/* By whatever names: writing over the source would leave only what it became. */
int ch_cli_refuse_same(const char *in, const char *out, ch_err *e);
/* chalcis train, and chalcis finetune. */
int ch_cli_train(int argc, char **argv, bool finetune);
/* Adapters and their strengths, from "PATH" or "PATH=SCALE", added up; an empty list gives none. */
int ch_cli_lora(ch_lora **out, ch_model *m, const ch_list *args, ch_err *e);

bool ch_cli_tty(FILE *f);
/* Colours on f: "auto" (or NULL), "always", "never".  auto: on a terminal that is not dumb, where
 * NO_COLOR is not set. */
int ch_cli_color(bool *out, const char *when, FILE *f, ch_err *e);
/* What is whole of a model's text, and with `last` all of it; bytes that can never become a
 * character are shown as U+FFFD, on a terminal also what could steer it.  Returns how many bytes
 * are done. */
size_t ch_cli_put_text(FILE *to, const char *text, size_t n, bool last);
/* All of stdout written?  Else a sentence and CH_EXIT_FAILED; otherwise `code`. */
int ch_cli_finish(int code);
/* A number, or null for those that JSON does not have. */
json_t *ch_cli_number(double x);
/* Beyond 2^63 a text: what reads JSON would round a number or take it for a negative one. */
json_t *ch_cli_unsigned(uint64_t x);
/* n bytes of text, or the name of a file; what is not UTF-8 becomes U+FFFD. */
json_t *ch_cli_string(const char *text, size_t n);
/* Prints a value as one line of JSON and frees it. */
int ch_cli_print_json(json_t *v);

#endif
