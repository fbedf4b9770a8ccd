/* run_beams.c - see run_beams.h.  SPDX-License-Identifier: MIT */
#include "run_beams.h"

#include <stdlib.h>
#include <string.h>

int ch_run_beam_until(ch_beam_until *out, const char *name, ch_err *e)
{
    static const char *const names[] = {"no", "yes", "never"};
    *out = CH_BEAM_LIKELY;
    for (size_t i = 0; name && i < CH_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (ch_beam_until)i;
            return CH_OK;
        }
    return name ? ch_fail(e, CH_EARG, "--early-stopping is \"%.20s\", known are no, yes and never",
                          name)
                : CH_OK;
}

/* The text ends where a stop begins, and is without what a conversation's format puts before it. */
static int text_of(ch_buf *b, const ch_beam *beam, const ch_beam_options *o, ch_token before,
                   const char *lead, ch_err *e)
{
    ch_buf raw;
    size_t from = lead ? strlen(lead) : 0, to;
    ch_buf_init(&raw, (size_t)1 << 30);
    for (int i = 0; i < beam->n - (beam->why == CH_BEAM_END); i++) {
        ch_tokenizer_append(&raw, o->tokenizer, before, beam->id[i]);
        before = beam->id[i];
    }
    to = raw.size;
    if (beam->why == CH_BEAM_STOP && to > 0) {
        ch_stops_reset(o->stops);
        ch_stops_feed(&to, o->stops, raw.data, raw.size);
    }
    if (to < from || from == 0 || memcmp(raw.data, lead, from) != 0)
        from = 0;
    ch_buf_clear(b);
    if (!raw.failed && to > from)
        ch_buf_utf8(b, raw.data + from, to - from);
    const int rc = ch_buf_check(raw.failed ? &raw : b, "the completion", e);
    ch_buf_close(&raw);
    return rc;
}

static json_t *answer(const ch_beam *b, const ch_buf *text)
{
    static const char *const why[] = {[CH_BEAM_LENGTH] = "length", [CH_BEAM_END] = "end",
                                      [CH_BEAM_STOP] = "stop", [CH_BEAM_GRAMMAR] = "grammar"};
    return json_pack("{s:s%, s:i, s:s, s:f, s:f}", "text", text->data ? text->data : "",
                     text->size, "tokens", b->n - (b->why == CH_BEAM_END), "stop", why[b->why],
                     "log_p", b->log_p, "score", b->score);
}

static int tell(json_t **json, const ch_beams *found, const ch_beam_options *o, ch_token before,
                const char *lead, int answers, ch_err *e)
{
    ch_buf text;
    int rc = CH_OK;
    ch_buf_init(&text, (size_t)1 << 30);
    for (int i = 0; i < found->n && i < answers && rc == CH_OK; i++) {
        const ch_beam *b = &found->at[i];
        rc = text_of(&text, b, o, before, lead, e);
        if (rc == CH_OK && json) {
            json_array_append_new(*json, answer(b, &text));
        } else if (rc == CH_OK) {
            if (answers > 1)
                printf("--- %d of %d: score %.4f, ln p %.4f, %d tokens\n", i + 1,
                       CH_MIN(answers, found->n), b->score, b->log_p, b->n);
            printf("%s\n", text.data ? text.data : "");
        }
    }
    ch_buf_close(&text);
    return rc;
}

int ch_run_beams(int *written, json_t **json, ch_session *s, const ch_beam_options *o,
                 const char *lead, int answers, ch_err *e)
{
    *written = 0;
    ch_beams *found = calloc(1, sizeof *found);
    if (!found)
        return ch_fail(e, CH_ENOMEM, "no memory for beams");
    int rc = ch_beam_search(found, s, o, e);
    if (rc == CH_OK)
        rc = tell(json, found, o, ch_session_tokens(s)[ch_session_length(s) - 1], lead, answers, e);
    for (int i = 0; i < found->n && i < answers; i++)
        *written += found->at[i].n;
    ch_beams_free(found);
    free(found);
    return rc;
}
