/* bench_list.c - lists of numbers and of tests, as the command line of chalcis bench has them
 *
 * SPDX-License-Identifier: MIT */
#include "benching.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A whole number; *text goes behind it. */
static bool take_number(long *out, const char **text)
{
    char *end;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *out = strtol(*text, &end, 10);
    *text = end;
    return errno == 0;
}

/* "8", "1-4", "0-4096+1024", "1-16*2": first, last, and what leads from one to the next. */
static bool take_range(long *first, long *last, char *sign, long *by, const char **text)
{
    *sign = '+';
    *by = 1;
    if (!take_number(first, text))
        return false;
    *last = *first;
    if (**text != '-')
        return true;
    ++*text;
    if (!take_number(last, text) || *last < *first)
        return false;
    if (**text != '+' && **text != '*')
        return true;
    *sign = *(*text)++;
    return take_number(by, text) && *by >= (*sign == '+' ? 1 : 2) &&
           (*sign == '+' || *first > 0);
}

int ch_bench_list(int *list, int *n, const char *text, const char *name, int least, int most,
                  ch_err *e)
{
    const char *at = text;
    do {
        long first, last, by;
        char sign;
        if (!take_range(&first, &last, &sign, &by, &at) || (*at != ',' && *at != '\0'))
            return ch_fail(e, CH_EARG,
                           "--%s is \"%.60s\"; wanted are numbers and ranges, as in 1,4 or 1-8 "
                           "or 0-4096+1024 or 1-16*2",
                           name, text);
        if (first < least || last > most)
            return ch_fail(e, CH_EARG, "--%s has %ld, allowed are %d to %d", name,
                           first < least ? first : last, least, most);
        for (long x = first;; x = sign == '+' ? x + by : x * by) {
            if (*n == CH_BENCH_NUMBERS)
                return ch_fail(e, CH_EARG, "--%s has more than %d numbers", name,
                               CH_BENCH_NUMBERS);
            list[(*n)++] = (int)x;
            if (sign == '+' ? by > last - x : x > last / by) /* the next one is beyond */
                break;
        }
    } while (*at++ == ',');
    return CH_OK;
}

int ch_bench_add(ch_bench *b, int prompt, int generate, int depth, int streams, ch_err *e)
{
    for (int i = 0; i < b->n; i++) {
        const ch_bench_test *t = &b->test[i];
        if (t->prompt == prompt && t->generate == generate && t->depth == depth &&
            t->streams == streams)
            return CH_OK;
    }
    if (b->n == CH_BENCH_TESTS)
        return ch_fail(e, CH_EARG, "these lists make more than %d tests", CH_BENCH_TESTS);
    ch_bench_test *more = realloc(b->test, ((size_t)b->n + 1) * sizeof *more);
    if (more)
        b->test = more;
    double *seconds = more ? calloc((size_t)b->rounds, sizeof *seconds) : NULL;
    if (!seconds)
        return ch_fail(e, CH_ENOMEM, "no memory for %d tests of %d rounds", b->n + 1, b->rounds);
    b->test[b->n++] = (ch_bench_test){.prompt = prompt,
                                      .generate = generate,
                                      .depth = depth,
                                      .streams = streams,
                                      .seconds = seconds};
    return CH_OK;
}

void ch_bench_free(ch_bench *b)
{
    for (int i = 0; i < b->n; i++)
        free(b->test[i].seconds);
    free(b->test);
    b->test = NULL;
    b->n = 0;
}

void ch_bench_name(char *out, size_t size, const ch_bench_test *t)
{
    char prompt[24] = "", generate[24] = "", depth[24] = "", streams[24] = "";
    if (t->prompt)
        snprintf(prompt, sizeof prompt, "pp%d%s", t->prompt, t->generate ? "+" : "");
    if (t->generate)
        snprintf(generate, sizeof generate, "tg%d", t->generate);
    if (t->depth)
        snprintf(depth, sizeof depth, " @d%d", t->depth);
    if (t->streams > 1)
        snprintf(streams, sizeof streams, " x%d", t->streams);
    snprintf(out, size, "%s%s%s%s", prompt, generate, depth, streams);
}

double ch_bench_tokens(const ch_bench_test *t)
{
    return (double)t->streams * ((double)t->prompt + (double)t->generate);
}
