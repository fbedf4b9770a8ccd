/* server_in.h - what the files of the server share.  SPDX-License-Identifier: MIT */
#ifndef CH_SERVER_IN_H
#define CH_SERVER_IN_H

#include <stdatomic.h>

#include "job.h"
#include "serve.h"

struct ch_server {
    ch_service service;
    ch_server_options o;
    ch_talk_style *style;
    ch_http *http;
    ch_ask_limits limits;
    atomic_bool draining;
    pthread_t ticker; /* pings silent streams */
    pthread_cond_t tick;
    bool ticking, closing; /* the latter under service.lock */
    int64_t opened; /* seconds since 1970 */
};

#define ROUTE(method, path, handler, open, quiet) ch_handler ch_route_##handler;
#include "routes.def"
#undef ROUTE

/* The body as JSON, or NULL: then x has been refused. */
json_t *ch_route_body(ch_exchange *x);
void ch_route_refuse(ch_exchange *x, const ch_err *e);

/* The page (web/chat), or a plain one. */
extern const char ch_chat_page[], ch_chat_page_end[];

#endif
