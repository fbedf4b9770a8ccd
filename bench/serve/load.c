/* load.c - streams against a server that speaks OpenAI's completions: tokens a second of all
 * together, time to the first token, time between tokens
 *
 *     load [--in N] [--out N] [--rounds N] [--seed N] [--warm SECONDS] [--native] [--json] URL
 *         [STREAMS...]
 *
 * Every prompt is its own (token ids drawn from a seed), so that nothing is shared; streams of a
 * round begin together; what is asked in the --warm [1] seconds before is not counted.  Tokens are
 * counted by the server (usage), times are seen here; what this program itself takes of the
 * processors is told, too.  In C because the client has the same
 * processors as the server: cc -O2 load.c -lcurl.
 *
 * --native asks llama.cpp's own /completion, and not for the bytes from 128 on of the vocabulary of
 * `chalcis init`: it ends texts that are no UTF-8.  SPDX-License-Identifier: MIT */
#include <curl/curl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MOST_STREAMS = 1024, TAIL = 1024, LOWEST_ID = 100, IDS = 3900 };

static struct {
    int in, out, rounds;
    double warm;
    bool native;
    uint64_t seed;
    const char *url;
    CURLM *all;
    struct curl_slist *headers;
} o = {.in = 128, .out = 64, .rounds = 3, .warm = 1, .seed = 1};

typedef struct stream {
    CURL *request;
    char *body, url[512], tail[TAIL + 1], why[CURL_ERROR_SIZE];
    size_t tail_size;
    int matched;     /* characters of EVENT */
    double begun, *at; /* when each event came; `events` of them */
    int events, tokens;
} stream;

static stream streams[MOST_STREAMS];

static void *need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "load: no memory\n");
        exit(1);
    }
    return memory;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Milliseconds of processor that this program has had. */
static double used(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

/* SplitMix64 (Steele, Lea & Flood 2014). */
static uint64_t draw(void)
{
    uint64_t z = o.seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- One stream ------------------------------------------------------------------------------ */

/* Events are counted, not read. */
static size_t take(char *bytes, size_t one, size_t n, void *to)
{
    static const char EVENT[] = "data: {";
    stream *s = to;
    (void)one;
    for (size_t i = 0; i < n; i++) {
        s->matched = bytes[i] == EVENT[s->matched] ? s->matched + 1 : bytes[i] == EVENT[0];
        if (EVENT[s->matched] != '\0')
            continue;
        if (s->events <= o.out) /* the one that has the usage is the last */
            s->at[s->events++] = now();
        s->matched = 0;
    }
    const size_t keep = n < TAIL ? n : TAIL, old = TAIL - keep < s->tail_size ? TAIL - keep
                                                                              : s->tail_size;
    memmove(s->tail, s->tail + s->tail_size - old, old);
    memcpy(s->tail + old, bytes + n - keep, keep);
    s->tail[s->tail_size = old + keep] = '\0';
    return n;
}

static void begin(stream *s)
{
    char *to = s->body;
    to += sprintf(to, "{\"prompt\":[");
    for (int i = 0; i < o.in; i++)
        to += sprintf(to, "%s%d", i ? "," : "", (int)(LOWEST_ID + draw() % IDS));
    sprintf(to, "],\"%s\":%d,\"stream\":true,\"ignore_eos\":true,\"stream_options\":"
            "{\"include_usage\":true},\"temperature\":0.8,\"seed\":%d}",
            o.native ? "n_predict" : "max_tokens", o.out, (int)(draw() % 1000000));
    if (o.native) {
        to += strlen(to) - 1; /* over the brace */
        to += sprintf(to, ",\"logit_bias\":[[128,false]");
        for (int id = 129; id < 256; id++)
            to += sprintf(to, ",[%d,false]", id);
        strcpy(to, "]}");
    }
    s->tail_size = 0;
    s->events = s->matched = 0;
    curl_easy_setopt(s->request, CURLOPT_POSTFIELDS, s->body);
    s->begun = now();
    curl_multi_add_handle(o.all, s->request);
}

static void set_up(stream *s)
{
    s->request = need(curl_easy_init());
    s->body = need(malloc((size_t)o.in * 12 + 4096));
    s->at = need(malloc(((size_t)o.out + 2) * sizeof *s->at));
    snprintf(s->url, sizeof s->url, "%s%s", o.url, o.native ? "/completion" : "/v1/completions");
    curl_easy_setopt(s->request, CURLOPT_URL, s->url);
    curl_easy_setopt(s->request, CURLOPT_HTTPHEADER, o.headers);
    curl_easy_setopt(s->request, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(s->request, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(s->request, CURLOPT_ERRORBUFFER, s->why);
    curl_easy_setopt(s->request, CURLOPT_PRIVATE, s);
}

static void end(stream *s, CURLcode how)
{
    long status = 0;
    curl_easy_getinfo(s->request, CURLINFO_RESPONSE_CODE, &status);
    const char *counted = o.native ? "\"predicted_n\":" : "\"completion_tokens\":";
    const char *usage = how == CURLE_OK ? strstr(s->tail, counted) : NULL;
    if (status != 200 || !usage || s->events < 1) {
        fprintf(stderr, "load: %s: %ld %s\n", s->url, status, how == CURLE_OK ? s->tail : s->why);
        exit(1);
    }
    s->tokens = atoi(strchr(usage, ':') + 1);
    s->events--;
    curl_multi_remove_handle(o.all, s->request);
}

/* n streams from their begin to the end of the last; tokens of all of them. */
static int round_of(int n)
{
    int left = n, tokens = 0;
    for (int i = 0; i < n; i++)
        begin(&streams[i]);
    while (left > 0) {
        int running, waiting;
        curl_multi_perform(o.all, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(o.all, &waiting));) {
            stream *s;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
            end(s, m->data.result);
            tokens += s->tokens;
            left--;
        }
        if (left > 0)
            curl_multi_poll(o.all, NULL, 0, 1000, NULL);
    }
    return tokens;
}

/* ---- What they took -------------------------------------------------------------------------- */

typedef struct list {
    double *v;
    size_t n;
} list;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort(list *l)
{
    qsort(l->v, l->n, sizeof *l->v, ascending);
}

static double quantile(const list *l, double q) /* of a sorted one */
{
    const size_t at = (size_t)(q * (double)l->n);
    return l->n == 0 ? 0 : l->v[at < l->n ? at : l->n - 1];
}

static void print(int n, double client, const list *speeds, const list *first, const list *gaps,
                  bool json)
{
    const double figures[] = {quantile(speeds, 0.5), quantile(speeds, 0), quantile(speeds, 1),
                              quantile(first, 0.5),  quantile(first, 1),  quantile(gaps, 0.5),
                              quantile(gaps, 0.99),  100 * client};
    const char *format =
        json ? "{\"streams\":%d,\"tok_s\":%.2f,\"tok_s_least\":%.2f,\"tok_s_most\":%.2f,"
               "\"first_ms_p50\":%.2f,\"first_ms_most\":%.2f,\"gap_ms_p50\":%.3f,"
               "\"gap_ms_p99\":%.3f,\"client_percent\":%.2f}\n"
             : "| %d | %.1f (%.1f to %.1f) | %.0f, %.0f | %.1f, %.1f | %.1f |\n";
    printf(format, n, figures[0], figures[1], figures[2], figures[3], figures[4], figures[5],
           figures[6], figures[7]);
    fflush(stdout);
}

static void measure(int n, bool json)
{
    const size_t rounds = (size_t)o.rounds, count = (size_t)n;
    list speeds = {need(calloc(rounds, sizeof(double))), 0};
    list first = {need(calloc(rounds * count, sizeof(double))), 0};
    list gaps = {need(calloc(rounds * count * ((size_t)o.out + 1), sizeof(double))), 0};
    const double begun_all = now(), used_before = used();
    for (int r = 0; r < o.rounds; r++) {
        const double begun = now();
        const int tokens = round_of(n);
        speeds.v[speeds.n++] = 1e3 * tokens / (now() - begun);
        for (const stream *s = streams; s < streams + n; s++) {
            first.v[first.n++] = s->at[0] - s->begun;
            for (int i = 1; i < s->events; i++)
                gaps.v[gaps.n++] = s->at[i] - s->at[i - 1];
        }
    }
    const double cpu_ms = (now() - begun_all) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    const double client = (used() - used_before) / cpu_ms;
    sort(&speeds);
    sort(&first);
    sort(&gaps);
    print(n, client, &speeds, &first, &gaps, json);
    free(speeds.v);
    free(first.v);
    free(gaps.v);
}

static void usage(void)
{
    fprintf(stderr, "usage: load [--in N] [--out N] [--rounds N] [--seed N] [--warm SECONDS] "
                    "[--native] [--json] URL [STREAMS...]\n");
    exit(2);
}

/* A number of 1 to `most`. */
static int number(const char *text, int most)
{
    char *after;
    const long n = strtol(text, &after, 10);
    if (*text == '\0' || *after != '\0' || n < 1 || n > most) {
        fprintf(stderr, "load: \"%s\": 1 to %d is allowed\n", text, most);
        exit(2);
    }
    return (int)n;
}

static bool options(int argc, char **argv)
{
    static const struct option KNOWN[] = {
        {"in", 1, 0, 'i'},   {"out", 1, 0, 'o'},  {"rounds", 1, 0, 'r'}, {"seed", 1, 0, 's'},
        {"warm", 1, 0, 'w'}, {"json", 0, 0, 'j'},
        {"native", 0, 0, 'n'}, {0, 0, 0, 0},
    };
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, "", KNOWN, NULL)) >= 0;) {
        switch (c) {
        case 'i': o.in = number(optarg, 1 << 20); break;
        case 'o': o.out = number(optarg, 1 << 20); break;
        case 'r': o.rounds = number(optarg, 1 << 20); break;
        case 's': o.seed = strtoull(optarg, NULL, 10); break;
        case 'w': o.warm = strtod(optarg, NULL); break;
        case 'j': json = true; break;
        case 'n': o.native = true; break;
        default: usage();
        }
    }
    return json;
}

int main(int argc, char **argv)
{
    const bool json = options(argc, argv);
    int counts[64] = {1, 4, 8, 16}, n = 4, most = 2;
    if (optind == argc)
        usage();
    o.url = argv[optind++];
    if (optind < argc)
        for (n = 0; optind < argc && n < 64; optind++)
            counts[n++] = number(argv[optind], MOST_STREAMS);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    o.all = need(curl_multi_init());
    o.headers = need(curl_slist_append(NULL, "Content-Type: application/json"));
    for (int i = 0; i < n; i++)
        most = counts[i] > most ? counts[i] : most;
    for (int i = 0; i < most; i++)
        set_up(&streams[i]);
    for (const double begun = now(); now() - begun < o.warm * 1e3;)
        round_of(2);
    if (!json)
        printf("| streams | tok/s (least to most) | first token ms p50, most | "
               "between ms p50, p99 | client, %% of all processors |\n|---|---|---|---|---|\n");
    for (int i = 0; i < n; i++)
        measure(counts[i], json);
    return 0;
}
