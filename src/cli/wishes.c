/* wishes.c - see wishes.h.  SPDX-License-Identifier: MIT */
#include "wishes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int add(ch_tokens *t, ch_token id, ch_err *e)
{
    if (!ch_array_room(&t->id, &t->cap, t->n + 1, sizeof *t->id))
        return ch_fail(e, CH_ENOMEM, "no memory for %zu tokens", t->n + 1);
    t->id[t->n++] = id;
    return CH_OK;
}

/* A token's number at *text, which moves behind it. */
static bool read_id(ch_token *out, const char **text)
{
    char *end;
    errno = 0;
    const long id = strtol(*text, &end, 10);
    if (end == *text || errno || id < 0 || id > INT32_MAX)
        return false;
    *out = (ch_token)id;
    *text = end;
    return true;
}

/* "15043=2.5"; "15043+2.5" and "15043-2.5", as others write it. */
static int read_bias(ch_logit_bias *out, const char *text, ch_err *e)
{
    const char *at = text;
    char *end = NULL;
    double bias = 0;
    bool ok = read_id(&out->id, &at) && *at && strchr("=+-", *at);
    if (ok) {
        at += *at == '=';
        bias = strtod(at, &end);
        ok = end != at && *end == '\0' && !isnan(bias) && bias < 1e30;
    }
    out->bias = (float)bias;
    return ok ? CH_OK
              : ch_fail(e, CH_EARG, "--logit-bias wants ID=BIAS, a token's number and a number or "
                                    "-inf, not \"%.40s\"",
                        text);
}

static int read_allowed(ch_tokens *out, const char *text, ch_err *e)
{
    const char *at = text;
    int rc = CH_OK;
    do {
        ch_token id;
        if (!read_id(&id, &at) || (*at && *at != ','))
            return ch_fail(e, CH_EARG, "--allow wants tokens' numbers with commas between, not "
                                       "\"%.40s\"",
                           text);
        rc = add(out, id, e);
    } while (rc == CH_OK && *at++ == ',');
    return rc;
}

int ch_wishes_breakers(ch_tokens *out, const ch_list *text, const ch_tokenizer *tk, ch_err *e)
{
    static const char *const usual[] = {"\n", ":", "\"", "*"};
    int rc = CH_OK;
    if (text->n == 1 && strcmp(text->at[0], "none") == 0)
        return CH_OK;
    for (int i = 0; i < text->n && rc == CH_OK; i++)
        rc = ch_sampling_breakers(out, tk, text->at[i], e);
    for (size_t i = 0; i < CH_COUNT(usual) && text->n == 0 && rc != CH_ENOMEM; i++)
        rc = ch_sampling_breakers(out, tk, usual[i], e);
    return rc == CH_EARG && text->n == 0 ? CH_OK : rc; /* a vocabulary may have no colon */
}

int ch_wishes_open(ch_wishes *w, ch_sampling *how, const ch_tokenizer *tk, int from, ch_err *e)
{
    int rc = CH_OK;
    for (int i = 0; i < w->bias.n && rc == CH_OK; i++)
        rc = read_bias(&w->bias_at[i], w->bias.at[i], e);
    for (int i = 0; i < w->allow.n && rc == CH_OK; i++)
        rc = read_allowed(&w->allowed, w->allow.at[i], e);
    if (rc == CH_OK && ch_sampling_is_on(how, CH_SAMPLER_dry))
        rc = ch_wishes_breakers(&w->broken, &w->breakers, tk, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_endings(&w->ends, tk, ch_tokenizer_size(tk), e);
    if (rc == CH_OK && w->stop.n > 0)
        rc = ch_stops_open(&w->stops, w->stop.at, w->stop.n, e);
    how->bias = w->bias_at;
    how->n_bias = w->bias.n;
    how->allowed = w->allow.n > 0 ? w->allowed.id : NULL;
    how->n_allowed = (int)w->allowed.n;
    how->ends = w->ends.id;
    how->n_ends = (int)w->ends.n;
    how->ends_from = w->least > 0 ? from + CH_MIN(w->least, INT32_MAX - from) : 0;
    how->dry_breakers = w->broken.id;
    how->n_dry_breakers = (int)w->broken.n;
    return rc;
}

void ch_wishes_close(ch_wishes *w)
{
    ch_tokens_free(&w->allowed);
    ch_tokens_free(&w->ends);
    ch_tokens_free(&w->broken);
    ch_stops_close(&w->stops);
}
