/* benching.h - what chalcis bench measures: a list of tests, their times, and how they are told
 *
 * A test is `streams` timelines of one family that begin with `depth` tokens in the cache; measured
 * is the time in which all of them take `prompt` tokens and then `generate` more, one a step.
 * SPDX-License-Identifier: MIT */
#ifndef CH_BENCHING_H
#define CH_BENCHING_H

#include "ceilings.h"
#include "op.h"

enum {
    CH_BENCH_ROUNDS = 1000,
    CH_BENCH_NUMBERS = 64, /* of a list */
    CH_BENCH_STREAMS = 64,
    CH_BENCH_TESTS = 1024
};

/* Where the time of one round went. */
typedef struct ch_bench_profile {
    ch_profile cost;
    double seconds;
    uint64_t barriers, wait_ns; /* of the pool */
} ch_bench_profile;

typedef struct ch_bench_test {
    int prompt, generate; /* tokens of each stream, not both 0 */
    int depth, streams;
    double *seconds; /* of the rounds, in the order in which they ran; owned */
    ch_bench_profile profile;
} ch_bench_test;

typedef struct ch_bench {
    char path[4096];
    ch_model_info info;
    const char *k_type, *v_type;
    int threads, rounds;
    uint64_t began; /* seconds since 1970 */
    ch_bench_test *test; /* owned */
    int n;
} ch_bench;

/* Appends the numbers of "128", "1,4,8", "1-4", "0-4096+1024" or "1-16*2" to list (of
 * CH_BENCH_NUMBERS); *n: how many there are.  CH_EARG, with `name` in its sentence: what was found,
 * what is allowed. */
int ch_bench_list(int *list, int *n, const char *text, const char *name, int least, int most,
                  ch_err *e);
/* A test more; CH_EARG: too many.  A test that is there already is not made twice. */
int ch_bench_add(ch_bench *b, int prompt, int generate, int depth, int streams, ch_err *e);
void ch_bench_free(ch_bench *b);
/* "pp512", "tg128", "pp512+tg128", then "@d4096" and "x8" where there are any. */
void ch_bench_name(char *out, size_t size, const ch_bench_test *t);
/* Tokens that a test computes in the measured time. */
double ch_bench_tokens(const ch_bench_test *t);

/* Fills every test's seconds: a round that is not counted, then the tests take turns.  With
 * `profile` it fills every test's profile instead, from its second round. */
int ch_bench_measure(ch_bench *b, ch_model *m, bool profile, ch_err *e);

/* Prints all tests as "md", "csv", "json" or "jsonl"; the field names are those of llama-bench.
 * Returns an exit code. */
int ch_bench_report(const ch_bench *b, const char *format);
/* What a result begins with: version, CPU, model, sizes of the test. */
void ch_bench_describe(json_t *o, const ch_bench *b, const ch_bench_test *t);
/* Prints all profiles with shares of what `c` says is possible: tables, or one JSON object.
 * Returns an exit code. */
int ch_bench_profile_report(const ch_bench *b, const ch_ceilings *c, bool json);
bool ch_bench_has_format(const char *format);

#endif
