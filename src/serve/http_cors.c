/* http_cors.c - which pages in a browser may ask (Fetch standard, section 3.2)
 *
 * A page's requests name its origin.  Allowed are pages of this server itself, those of localhost
 * or of the list in ch_http_options.origins instead, or all ("*").  Others get 403 even where the
 * browser would not ask first: what they post is work.  A server on a loopback address also wants
 * to be called by such a name: a page whose name was made to point here (DNS rebinding) is of the
 * same origin as itself.  SPDX-License-Identifier: MIT */
#include "http_in.h"

#include <string.h>
#include <strings.h>

static bool is_local(const char *name, size_t n)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < CH_COUNT(names); i++)
        if (n == strlen(names[i]) && strncasecmp(name, names[i], n) == 0)
            return true;
    return false;
}

/* Bytes of the name in "name:port", "[v6]:port"; 0: that is none of these. */
static size_t name_bytes(const char *host)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    if (!end)
        return 0;
    end += host[0] == '[';
    if (*end == ':' && strspn(end + 1, "0123456789") == strlen(end + 1))
        return (size_t)(end - host);
    return *end == '\0' ? (size_t)(end - host) : 0;
}

/* What is behind "http://" or "https://", or NULL. */
static const char *host_of(const char *origin)
{
    if (strncasecmp(origin, "http://", 7) == 0)
        return origin + 7;
    return strncasecmp(origin, "https://", 8) == 0 ? origin + 8 : NULL;
}

/* The next of a list by commas and blanks; NULL at its end. */
static const char *next_origin(const char **list, size_t *n)
{
    const char *at = *list + strspn(*list, ", \t");
    *n = strcspn(at, ", \t");
    *list = at + *n;
    return *n ? at : NULL;
}

static bool is_any(const ch_http *h) { return h->origins && strcmp(h->origins, "*") == 0; }

bool ch_http_host_is_ours(const ch_http *h, const char *host)
{
    if (!h->loopback || h->unix_path || is_any(h))
        return true;
    const size_t n = name_bytes(host);
    if (n == 0)
        return false;
    if (is_local(host, n) || (n == strlen(h->host) && strncasecmp(host, h->host, n) == 0))
        return true;
    const size_t n_host = strlen(host);
    size_t n_origin;
    for (const char *l = h->origins ? h->origins : "", *o; (o = next_origin(&l, &n_origin));) {
        const char *name = host_of(o);
        if (name && name + n_host == o + n_origin && strncasecmp(name, host, n_host) == 0)
            return true;
    }
    return false;
}

bool ch_http_origin_may(const ch_http *h, const char *origin, const char *host)
{
    if (is_any(h))
        return true;
    const char *name = host_of(origin);
    if (!name)
        return false;
    if (host && strcasecmp(name, host) == 0)
        return true;
    if (!h->origins)
        return is_local(name, name_bytes(name));
    size_t n;
    for (const char *list = h->origins, *o; (o = next_origin(&list, &n));)
        if (n == strlen(origin) && strncasecmp(o, origin, n) == 0)
            return true;
    return false;
}

/* The request has been let in: its origin may read the reply. */
void ch_http_cors_headers(ch_exchange *x)
{
    const char *origin = ch_http_pair(&x->headers, "origin", true);
    if (!origin)
        return;
    ch_exchange_set_header(x, "Access-Control-Allow-Origin", is_any(x->h) ? "*" : origin);
    ch_exchange_set_header(x, "Vary", "Origin");
    ch_exchange_set_header(x, "Access-Control-Expose-Headers",
                           "x-request-id, request-id, retry-after, retry-after-ms");
}

void ch_http_preflight(ch_exchange *x, const char *methods)
{
    static const char usual[] = "authorization, content-type, x-api-key, anthropic-version, "
                                "anthropic-beta, x-request-id";
    const char *wanted = ch_http_pair(&x->headers, "access-control-request-headers", true);
    ch_exchange_set_header(x, "Access-Control-Allow-Methods", methods);
    ch_exchange_set_header(x, "Access-Control-Allow-Headers", wanted ? wanted : usual);
    ch_exchange_set_header(x, "Access-Control-Max-Age", "600");
    pthread_mutex_lock(&x->lock);
    ch_http_set_reply(x, 204, NULL, NULL, 0);
    pthread_mutex_unlock(&x->lock);
}
