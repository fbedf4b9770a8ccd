/* caller_in.h - what caller.c and caller_rules.c share
 *
 *     open  lead  head NAME mid ARGUMENTS tail  close
 *
 * A call is held to in two parts.  `first` is a grammar of all that is before the arguments,
 * as the format writes it, with the names of all tools; where its text is complete the tool is
 * known, and that tool's own grammar begins.  In objects it goes to the end of the object: it
 * is one of {"arguments": SCHEMA} that is told to have begun with `wrapper`, so that no token
 * has to end where the arguments do.
 * SPDX-License-Identifier: MIT */
#ifndef CH_CALLER_IN_H
#define CH_CALLER_IN_H

#include "caller.h"

typedef enum ch_call_shape {
    CH_CALL_FREE,   /* nothing is held */
    CH_CALL_OBJECT, /* {"name": "f", "arguments": {..}}; r->how.open may be "" */
    CH_CALL_LIST,   /* [{"name": "f", "arguments": {..}}, ..] */
    CH_CALL_NAMED,  /* f[ARGS]{..}, the tag is a token */
    CH_CALL_HEADED  /* the format's own header, which is free; then {..} */
} ch_call_shape;

typedef struct ch_call_tool {
    char *written;        /* its name as a call writes it */
    ch_shelved *rest;     /* from its arguments on */
} ch_call_tool;

struct ch_call_rules {
    ch_shelf *shelf;
    const ch_reply_format *format;
    ch_reply_writing how;
    ch_call_shape shape;
    bool due, one;        /* a call is required; and is the last */
    ch_call_tool *tools;  /* those that may be called */
    int n_tools;
    size_t bytes;         /* of the tools' grammars, each once */
    char wrapper[16];     /* of `rest`: its text before the arguments */
    ch_shelved *first, *more; /* before a call's arguments; between those of a list, or its end */
    ch_tokens space;      /* what is fed between other text and `open` */
    ch_tokens open, lead, between, close; /* and there; open: with all that is certain */
    bool certain;         /* open goes up to the arguments of tools[0] */
};

#endif
