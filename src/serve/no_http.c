/* no_http.c - the server of a program that was built where libmicrohttpd is not: there is none
 *
 * In the place of server.c and http*.c (Makefile, SERVE).  Nothing opens, so that what takes a
 * server is never called.  SPDX-License-Identifier: MIT */
#include "serve.h"

static int none(ch_err *e)
{
    return ch_fail(e, CH_EARG, "this program was built without libmicrohttpd, and cannot serve; "
                               "install it and build again");
}

int ch_server_open(ch_server **out, const ch_server_options *o, ch_err *e)
{
    (void)o;
    *out = NULL;
    return none(e);
}

int ch_server_port(const ch_server *s)
{
    (void)s;
    return 0;
}

int ch_server_keys(ch_server *s, ch_err *e)
{
    (void)s;
    return none(e);
}

int ch_server_check(const ch_server *s, ch_err *e)
{
    (void)s;
    return none(e);
}

int ch_server_log(ch_server *s, ch_err *e)
{
    (void)s;
    return none(e);
}

void ch_server_drain(ch_server *s, int most_ms)
{
    (void)s, (void)most_ms;
}

void ch_server_close(ch_server **s)
{
    (void)s;
}
