/* common.c - what commands share.  SPDX-License-Identifier: MIT */
#include "bar.h"
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUNDLED "chalcis-tiny.gguf"
enum { TEXT_MOST = 1 << 30 };

int ch_cli_fail(const ch_err *e)
{
    fprintf(stderr, "chalcis: %s\n", e->text);
    return e->code == CH_ECANCELED ? CH_EXIT_INTERRUPTED : CH_EXIT_FAILED;
}

void ch_cli_note_context(int asked, int made_for)
{
    fprintf(stderr, "note: the model was made for %d tokens; %d are asked of it\n", made_for,
            asked);
}

int ch_cli_refuse_same(const char *in, const char *out, ch_err *e)
{
    struct stat a, b;
    if (stat(in, &a) != 0 || stat(out, &b) != 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
        return CH_OK;
    return ch_fail(e, CH_EARG, "%s is the model that is read; name another file to write", out);
}

/* Cuts "=SCALE" off a path, where there is no file of that name. */
static int cut_strength(double *strength, char *path, ch_err *e)
{
    char *eq = strrchr(path, '='), *end = NULL;
    *strength = 1;
    if (!eq || ch_io_exists(path))
        return CH_OK;
    *strength = strtod(eq + 1, &end);
    if (end == eq + 1 || *end || !isfinite(*strength) || *strength == 0)
        return ch_fail(e, CH_EARG, "--lora wants PATH or PATH=SCALE, not \"%.80s\"", path);
    *eq = '\0';
    return CH_OK;
}

int ch_cli_lora(ch_lora **out, ch_model *m, const ch_list *args, ch_err *e)
{
    enum { MOST = CH_COUNT(args->at) };
    char *path[MOST] = {0};
    double strength[MOST];
    int rc = CH_OK;
    *out = NULL;
    if (args->n == 0)
        return CH_OK;
    for (int i = 0; i < args->n && rc == CH_OK; i++) {
        path[i] = strdup(args->at[i]);
        rc = path[i] ? cut_strength(&strength[i], path[i], e)
                     : ch_fail(e, CH_ENOMEM, "no memory for a path");
    }
    if (rc == CH_OK)
        rc = ch_lora_open_all(out, m, (const char *const *)path, strength, (size_t)args->n, e);
    for (int i = 0; i < args->n; i++)
        free(path[i]);
    return rc;
}

bool ch_cli_tty(FILE *f)
{
    return isatty(fileno(f)) == 1;
}

int ch_cli_color(bool *out, const char *when, FILE *f, ch_err *e)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    *out = when && strcmp(when, "always") == 0;
    if (!when || strcmp(when, "auto") == 0)
        *out = ch_cli_tty(f) && !(none && *none) && term && strcmp(term, "dumb") != 0;
    else if (!*out && strcmp(when, "never") != 0)
        return ch_fail(e, CH_EARG, "--color is auto, always or never, not \"%.40s\"", when);
    return CH_OK;
}

size_t ch_cli_put_text(FILE *to, const char *text, size_t n, bool last)
{
    static const char unknown[] = "\xef\xbf\xbd";
    const bool tty = ch_cli_tty(to);
    size_t at = 0;
    while (at < n) {
        uint32_t cp = 0;
        const int bytes = ch_utf8_read(&cp, text + at, n - at);
        if (bytes < 0 && !last)
            break;
        const bool steers = (cp < 0x20 && cp != '\n' && cp != '\t') || (cp >= 0x7f && cp < 0xa0);
        if (bytes > 0 && !(tty && steers))
            fwrite(text + at, 1, (size_t)bytes, to);
        else if (bytes <= 0 || cp != '\r') /* lines may end as they do elsewhere */
            fputs(unknown, to);
        at += bytes < 0 ? n - at : (size_t)CH_MAX(bytes, 1);
    }
    return at;
}

int ch_cli_finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (code == CH_EXIT_FAILED)
        return code; /* it was told */
    fprintf(stderr, "chalcis: writing the result failed: %s\n", strerror(errno));
    return code == CH_EXIT_OK ? CH_EXIT_FAILED : code;
}

json_t *ch_cli_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *ch_cli_unsigned(uint64_t x)
{
    char digits[24];
    if (x <= INT64_MAX)
        return json_integer((json_int_t)x);
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)x);
    return json_string(digits);
}

json_t *ch_cli_string(const char *text, size_t n)
{
    ch_buf clean;
    ch_buf_init(&clean, (size_t)1 << 30);
    ch_buf_utf8(&clean, text, n);
    json_t *v = json_stringn(clean.data ? clean.data : "", clean.size);
    ch_buf_close(&clean);
    return v;
}

int ch_cli_print_json(json_t *v)
{
    ch_buf b;
    ch_err e;
    ch_buf_init(&b, TEXT_MOST);
    int rc = v ? ch_json_dump(&b, v, &e)
               : ch_fail(&e, CH_EARG, "the result cannot be written as JSON: a name in it is not "
                                      "UTF-8, or there is no memory");
    json_decref(v);
    if (rc == CH_OK)
        printf("%s\n", b.data);
    ch_buf_close(&b);
    return rc == CH_OK ? CH_EXIT_OK : ch_cli_fail(&e);
}

/* Where the bundled model may lie, from the folder of the program: a checkout, an installation, a
 * build folder. */
static const char *const places[] = {"models", "../share/chalcis", "../../models"};

int ch_cli_model_path(char *out, size_t size, const char *path, ch_err *e)
{
    if (path) {
        snprintf(out, size, "%s", path);
        return strlen(path) < size
                   ? CH_OK
                   : ch_fail(e, CH_EARG, "the path of the model has %zu bytes, allowed are %zu",
                             strlen(path), size - 1);
    }
    char dir[3072];
    const ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    dir[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < CH_COUNT(places); i++) {
        snprintf(out, size, "%s/%s/%s", dir, places[i], BUNDLED);
        if (ch_io_exists(out))
            return CH_OK;
    }
    return ch_fail(e, CH_EIO,
                   "the bundled model %s is neither in %s/models nor in %s/../share/chalcis; name "
                   "one with -m",
                   BUNDLED, dir, dir);
}

struct opening {
    ch_bar bar;
    uint64_t began_ns;
};

static void tell(void *arg, size_t done, size_t of)
{
    static const uint64_t moment_ns = 500000000u;
    struct opening *o = arg;
    if (ch_clock_ns() - o->began_ns >= moment_ns) /* in MB */
        ch_bar_show(&o->bar, "opening the model", (int64_t)(done >> 20),
                    CH_MAX((int64_t)(of >> 20), 1), NULL, 0);
}

int ch_cli_open_model(ch_model **out, const char *path, int threads, ch_err *e)
{
    struct opening o = {.began_ns = ch_clock_ns()};
    ch_pool *pool;
    *out = NULL;
    int rc = ch_pool_open(&pool, threads, e);
    if (rc < 0)
        return rc;
    ch_bar_open(&o.bar, stderr);
    rc = ch_model_load_file(out, path,
                            &(ch_model_load){.pool = pool, .told = tell, .arg = &o}, e);
    ch_bar_close(&o.bar);
    ch_pool_close(&pool);
    return rc;
}

int ch_cli_text(ch_buf *b, const char *text, const char *file, ch_err *e)
{
    if (text) {
        ch_buf_str(b, text);
        return ch_buf_check(b, "the prompt", e);
    }
    if (file && strcmp(file, "-") != 0)
        return ch_io_read_file(b, file, e);
    if (ch_cli_tty(stdin))
        fputs("(reading from the keyboard; Ctrl-D ends the text)\n", stderr);
    return ch_io_read_stream(b, stdin, "standard input", e);
}

/* ---- Interrupts ---------------------------------------------------------------------------- */

volatile sig_atomic_t ch_cli_interrupted;
static ch_session *volatile cancels;

static void on_interrupt(int sig)
{
    if (ch_cli_interrupted)
        _exit(128 + sig);
    ch_cli_interrupted = 1;
    if (cancels)
        ch_session_cancel(cancels);
}

void ch_cli_catch_interrupts(ch_session *s)
{
    cancels = s;
    struct sigaction a = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}
