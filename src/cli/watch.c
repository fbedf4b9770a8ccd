/* watch.c - the page of a run: web/watch.html over libmicrohttpd, on the loopback alone
 *
 *   GET /                      the page
 *   GET /now.json              phase, step, rates
 *   GET /metrics.jsonl?from=N  the log from byte N on, at most a megabyte at once; 416 past its end
 *   GET /samples.jsonl?from=N  likewise
 *
 * Requests must name this computer as their host: a page from elsewhere whose name was made to
 * point here gets nothing.  The server reads files and a copy of the progress; training never
 * waits for it longer than for that copy.  SPDX-License-Identifier: MIT */
#include "watch.h"

#include "cli.h"

#ifdef CH_HTTPD

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_MOST = 1 << 20, CONNECTIONS = 32, IDLE_S = 20 };

/* web/watch.html; the Makefile puts it in. */
extern const char ch_watch_page[], ch_watch_page_end[];

struct ch_watch {
    struct MHD_Daemon *daemon;
    char *dir;
    pthread_mutex_t lock; /* over the rest */
    ch_train_progress now;
    double eta_s;
};

/* ---- Answers -------------------------------------------------------------------------------- */

static enum MHD_Result reply(struct MHD_Connection *c, unsigned code, const char *type, void *bytes,
                             size_t n, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(n, bytes, mode);
    if (!r) {
        if (mode == MHD_RESPMEM_MUST_FREE)
            free(bytes);
        return MHD_NO;
    }
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'self'; script-src 'unsafe-inline'; "
                            "style-src 'unsafe-inline'; frame-ancestors 'none'");
    const enum MHD_Result sent = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return sent;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned code, const char *text)
{
    return reply(c, code, "text/plain; charset=utf-8", (void *)(uintptr_t)text, strlen(text),
                 MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_now(struct MHD_Connection *c, ch_watch *w)
{
    pthread_mutex_lock(&w->lock);
    const ch_train_progress p = w->now;
    const double eta_s = w->eta_s;
    pthread_mutex_unlock(&w->lock);
    json_t *v = json_pack("{s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:I}", "out", w->dir,
                          "phase", p.phase, "step", p.step, "steps", p.steps, "loss",
                          ch_cli_number(p.loss), "val_loss", ch_cli_number(p.val_loss), "lr",
                          ch_cli_number(p.lr), "tok_s", ch_cli_number(p.tok_s), "eta_s",
                          ch_cli_number(eta_s), "tokens", (json_int_t)p.tokens);
    char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
    json_decref(v);
    if (!text)
        return refuse(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "the name of the run is not UTF-8\n");
    return reply(c, MHD_HTTP_OK, "application/json", text, strlen(text), MHD_RESPMEM_MUST_FREE);
}

/* Bytes of dir/name from `from` on; a file that is not there yet is empty. */
static enum MHD_Result send_log(struct MHD_Connection *c, const ch_watch *w, const char *name)
{
    const char *text = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "from");
    char *end = NULL;
    errno = 0;
    const long long from = text ? strtoll(text, &end, 10) : 0;
    if (from < 0 || errno || (text && (end == text || *end)))
        return refuse(c, MHD_HTTP_BAD_REQUEST, "from is the number of a byte\n");
    char *path = ch_io_join(w->dir, name), *bytes = malloc(PIECE_MOST);
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat s = {0};
    ssize_t n = 0;
    if (fd >= 0 && fstat(fd, &s) == 0 && bytes && from < s.st_size)
        n = pread(fd, bytes, PIECE_MOST, from);
    if (fd >= 0)
        close(fd);
    free(path);
    if (!bytes || n < 0 || from > s.st_size) {
        free(bytes);
        return refuse(c, n < 0 || from <= s.st_size ? MHD_HTTP_INTERNAL_SERVER_ERROR
                                                    : MHD_HTTP_RANGE_NOT_SATISFIABLE,
                      "there is nothing to read\n");
    }
    return reply(c, MHD_HTTP_OK, "application/x-ndjson", bytes, (size_t)n, MHD_RESPMEM_MUST_FREE);
}

/* localhost, 127.0.0.1 or [::1], with any port. */
static bool is_this_computer(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; host && i < CH_COUNT(names); i++) {
        const size_t n = strlen(names[i]);
        if (strncasecmp(host, names[i], n) == 0 && (host[n] == '\0' || host[n] == ':'))
            return true;
    }
    return false;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    ch_watch *w = arg;
    (void)version, (void)upload, (void)state;
    if (*upload_size) {
        *upload_size = 0; /* nobody's */
        return MHD_YES;
    }
    if (!is_this_computer(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host")))
        return refuse(c, MHD_HTTP_FORBIDDEN, "this page is for this computer alone\n");
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "there is nothing to change here\n");
    if (strcmp(url, "/") == 0)
        return reply(c, MHD_HTTP_OK, "text/html; charset=utf-8", (void *)(uintptr_t)ch_watch_page,
                     (size_t)(ch_watch_page_end - ch_watch_page), MHD_RESPMEM_PERSISTENT);
    if (strcmp(url, "/now.json") == 0)
        return send_now(c, w);
    if (strcmp(url, "/metrics.jsonl") == 0 || strcmp(url, "/samples.jsonl") == 0)
        return send_log(c, w, url + 1);
    return refuse(c, MHD_HTTP_NOT_FOUND, "there is no such page\n");
}

/* ---- The server ----------------------------------------------------------------------------- */

static int listen_on(int *out, int port, ch_err *e)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fd, CONNECTIONS) != 0) {
        const int why = errno;
        if (fd >= 0)
            close(fd);
        return ch_fail(e, CH_EIO, "watch: port %d cannot be listened on: %s", port, strerror(why));
    }
    *out = fd;
    return CH_OK;
}

int ch_watch_open(ch_watch **out, int port, const char *dir, ch_err *e)
{
    *out = NULL;
    ch_watch *w = calloc(1, sizeof *w);
    if (!w || !(w->dir = strdup(dir))) {
        free(w);
        return ch_fail(e, CH_ENOMEM, "watch: no memory for the server");
    }
    pthread_mutex_init(&w->lock, NULL);
    w->now.phase = "starting";
    w->now.loss = w->now.val_loss = w->eta_s = (double)NAN;
    int fd = -1, rc = listen_on(&fd, port, e);
    if (rc == CH_OK) {
        w->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, w,
                                     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                     (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                                     (unsigned)IDLE_S, MHD_OPTION_END);
        if (!w->daemon) {
            close(fd);
            rc = ch_fail(e, CH_EIO, "watch: the server on port %d did not start", port);
        }
    }
    *out = w;
    if (rc < 0)
        ch_watch_close(out);
    return rc;
}

void ch_watch_show(ch_watch *w, const ch_train_progress *p, double eta_s)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->now = *p; /* phases are constants; the other strings may go, and are not read */
    w->now.note = w->now.sample = NULL;
    w->eta_s = eta_s;
    pthread_mutex_unlock(&w->lock);
}

void ch_watch_close(ch_watch **pw)
{
    ch_watch *w = *pw;
    *pw = NULL;
    if (!w)
        return;
    if (w->daemon)
        MHD_stop_daemon(w->daemon);
    pthread_mutex_destroy(&w->lock);
    free(w->dir);
    free(w);
}

#else

int ch_watch_open(ch_watch **out, int port, const char *dir, ch_err *e)
{
    *out = NULL;
    (void)port, (void)dir;
    return ch_fail(e, CH_EUNSUPPORTED, "watch: this program was built without libmicrohttpd; "
                                       "install libmicrohttpd-dev and build again");
}

void ch_watch_show(ch_watch *w, const ch_train_progress *p, double eta_s)
{
    (void)w, (void)p, (void)eta_s;
}

void ch_watch_close(ch_watch **w)
{
    (void)w;
}

#endif
