/* bag_of_words.c - the baseline of questions with choices: naive Bayes over words and pairs of them
 *
 *     bag_of_words TRAIN.jsonl TEST.jsonl
 *
 * Learns {"prompt", "response"} with at most 16 different responses, answers {"prompt", "choices",
 * "answer"} and prints the share that is right with Wilson's 95 % interval.  A choice's score is
 *
 *     log P(c) + sum over the prompt's different features f of log (n(f, c) + 1) / (n(c) + V)
 *
 * n(f, c): prompts of class c that f is in (Wang & Manning 2012, MNB over binary counts); features
 * nobody has seen say nothing.  A word is what stands between blanks.  Features are known by 64
 * bits of hash: two are taken for one with a chance of about 1e-9.
 * SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 16, FEATURES = 1 << 16, SLOTS = 1 << 22 };

static struct {
    uint64_t hash; /* 0: free */
    uint32_t n[CLASSES], document;
} *slot;
static size_t used;
static char *name[CLASSES];
static uint32_t prompts[CLASSES], features[CLASSES], classes, document;

static void die(const char *what, const char *where, size_t line)
{
    fprintf(stderr, "bag_of_words: %s, line %zu: %s\n", where, line, what);
    exit(1);
}

static uint64_t mix(uint64_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001B3u;
    h ^= h >> 32;
    return h * 0x9E3779B97F4A7C15u | 1;
}

static size_t find(uint64_t hash)
{
    size_t i = (hash >> 20) & (SLOTS - 1);
    while (slot[i].hash && slot[i].hash != hash)
        i = (i + 1) & (SLOTS - 1);
    return i;
}

/* Words and pairs of neighbours; how many. */
static size_t split(uint64_t *out, const char *text)
{
    size_t n = 0;
    uint64_t before = 14695981039346656037u;
    for (const char *s = text + strspn(text, " \t\r\n"); *s && n + 2 <= FEATURES;) {
        const size_t length = strcspn(s, " \t\r\n");
        out[n++] = mix(14695981039346656037u, s, length);
        out[n++] = mix(before ^ 0x5A5A, s, length);
        before = out[n - 2];
        s += length;
        s += strspn(s, " \t\r\n");
    }
    return n;
}

static uint32_t class_of(const char *answer)
{
    uint32_t c = 0;
    while (c < classes && strcmp(name[c], answer) != 0)
        c++;
    return c;
}

static void learn(const json_t *v, const char *path, size_t line)
{
    static uint64_t f[FEATURES];
    const char *prompt = json_string_value(json_object_get(v, "prompt"));
    const char *answer = json_string_value(json_object_get(v, "response"));
    if (!prompt || !answer)
        die("no prompt and response", path, line);
    const uint32_t c = class_of(answer);
    if (c == CLASSES)
        die("too many different responses", path, line);
    if (c == classes) {
        name[classes++] = strdup(answer);
        if (!name[c])
            die("no memory", path, line);
    }
    prompts[c]++;
    document++;
    const size_t n = split(f, prompt);
    for (size_t i = 0; i < n; i++) {
        const size_t at = find(f[i]);
        used += !slot[at].hash;
        if (used > SLOTS / 2)
            die("too many different words", path, line);
        slot[at].hash = f[i];
        if (slot[at].document == document)
            continue;
        slot[at].document = document;
        slot[at].n[c]++;
        features[c]++;
    }
}

static double score(const char *prompt, const char *choice)
{
    static uint64_t f[FEATURES];
    const uint32_t c = class_of(choice);
    if (c == classes)
        return -HUGE_VAL;
    double sum = log((double)prompts[c]);
    const size_t n = split(f, prompt);
    document++;
    for (size_t i = 0; i < n; i++) {
        const size_t at = find(f[i]);
        if (!slot[at].hash || slot[at].document == document)
            continue;
        slot[at].document = document;
        sum += log((slot[at].n[c] + 1.0) / ((double)features[c] + (double)used));
    }
    return sum;
}

static int right(const json_t *v, const char *path, size_t line)
{
    const char *prompt = json_string_value(json_object_get(v, "prompt"));
    const json_t *choices = json_object_get(v, "choices"), *answer = json_object_get(v, "answer");
    const size_t n = json_array_size(choices), wanted = (size_t)json_integer_value(answer);
    double best = -HUGE_VAL, of_wanted = -HUGE_VAL;
    if (!prompt || n < 2 || !json_is_integer(answer) || wanted >= n)
        die("no prompt, choices and answer", path, line);
    for (size_t i = 0; i < n; i++) {
        const char *choice = json_string_value(json_array_get(choices, i));
        const double s = choice ? score(prompt, choice) : -HUGE_VAL;
        if (i == wanted)
            of_wanted = s;
        else
            best = s > best ? s : best;
    }
    return of_wanted > best; /* a tie is wrong */
}

/* Learns each line of a file, or answers it: how many are right. */
static size_t each(size_t *lines, const char *path, int is_test)
{
    char *text = NULL;
    size_t cap = 0, n_right = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        die("cannot be opened", path, 0);
    for (*lines = 0; getline(&text, &cap, file) >= 0;) {
        json_t *v = json_loads(text, 0, NULL);
        ++*lines;
        if (is_test)
            n_right += (size_t)right(v, path, *lines);
        else
            learn(v, path, *lines);
        json_decref(v);
    }
    free(text);
    fclose(file);
    return n_right;
}

int main(int argc, char **argv)
{
    size_t n;
    if (argc != 3) {
        fputs("usage: bag_of_words TRAIN.jsonl TEST.jsonl\n", stderr);
        return 2;
    }
    slot = calloc(SLOTS, sizeof *slot);
    if (!slot)
        die("no memory", argv[1], 0);
    each(&n, argv[1], 0);
    const size_t r = each(&n, argv[2], 1);
    if (n == 0)
        die("there is no question in it", argv[2], 0);
    const double z = 1.959963984540054, N = (double)n, p = (double)r / N;
    const double middle = p + z * z / (2 * N), root = sqrt(p * (1 - p) / N + z * z / (4 * N * N));
    printf("%zu of %zu right: accuracy %.4f (95 %%: %.4f to %.4f)\n", r, n, p,
           (middle - z * root) / (1 + z * z / N), (middle + z * root) / (1 + z * z / N));
    for (uint32_t c = 0; c < classes; c++)
        free(name[c]);
    free(slot);
    return 0;
}
