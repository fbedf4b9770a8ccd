/* run_cost.c - see run_cost.h
 *
 * Shades go from red, probability 0, over yellow to green, 1.
 *
 * SPDX-License-Identifier: MIT */
#include "run_cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int levels[] = {88, 130, 136, 100, 64, 22}; /* of the 256 colours, 0 to 1 */

int ch_cost_open(ch_cost *c, const char *when, ch_err *e)
{
    const char *term = getenv("COLORTERM");
    bool colour;
    const int rc = ch_cli_color(&colour, when, stdout, e);
    const bool rgb = term && (strstr(term, "truecolor") || strstr(term, "24bit"));
    *c = (ch_cost){.paint = !colour ? CH_COST_PLAIN : rgb ? CH_COST_RGB : CH_COST_256};
    return rc;
}

void ch_cost_close(ch_cost *c)
{
    free(c->at);
    *c = (ch_cost){0};
}

int ch_cost_add(ch_cost *c, ch_session *s, size_t end, ch_err *e)
{
    ch_log_prob drawn;
    const int rc = ch_session_log_probs(&drawn, NULL, 0, s, e);
    if (rc < 0)
        return rc;
    if (c->n == c->cap) {
        const size_t cap = CH_MAX(2 * c->cap, (size_t)64);
        ch_cost_token *more = realloc(c->at, cap * sizeof *more);
        if (!more)
            return ch_fail(e, CH_ENOMEM, "no memory for what %zu tokens cost", cap);
        c->at = more;
        c->cap = cap;
    }
    c->at[c->n++] = (ch_cost_token){drawn.id, exp(drawn.log_p), ch_session_steps(s), end};
    return CH_OK;
}

/* ---- Showing --------------------------------------------------------------------------------- */

static void begin(const ch_cost *c, double p, FILE *to)
{
    const double q = isfinite(p) ? p : 0;
    if (c->paint == CH_COST_RGB)
        fprintf(to, "\033[38;2;255;255;255;48;2;%d;%d;0m", (int)(150 * fmin(1, 2 - 2 * q)),
                (int)(110 * fmin(1, 2 * q)));
    else if (c->paint == CH_COST_256)
        fprintf(to, "\033[38;5;231;48;5;%dm", levels[(int)(q * (CH_COUNT(levels) - 1) + 0.5)]);
}

static void end(const ch_cost *c, FILE *to)
{
    if (c->paint != CH_COST_PLAIN)
        fputs("\033[0m", to);
}

/* Shades end with the line. */
static void put(const ch_cost *c, const char *text, size_t n, double p)
{
    while (n > 0) {
        const char *line = memchr(text, '\n', n);
        const size_t part = line ? (size_t)(line - text) : n;
        begin(c, p, stdout);
        ch_cli_put_text(stdout, text, part, true);
        end(c, stdout);
        if (line)
            putchar('\n');
        text += part + (line != NULL);
        n -= part + (line != NULL);
    }
}

/* As digits above the line. */
static void put_steps(double steps)
{
    static const char *const raised[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                         "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    char digits[16];
    snprintf(digits, sizeof digits, "%.0f", steps);
    for (const char *d = digits; *d >= '0' && *d <= '9'; d++)
        fputs(raised[*d - '0'], stdout);
}

static void note(const ch_cost *c, const ch_cost_token *t)
{
    if (c->paint == CH_COST_PLAIN && t->steps > 0)
        printf("[%.2f/%.1f]", t->p, t->steps);
    else if (c->paint == CH_COST_PLAIN)
        printf("[%.2f]", t->p);
    else if (t->steps > 0)
        put_steps(t->steps);
}

static void explain(const ch_cost *c)
{
    const bool steps = c->n > 0 && c->at[c->n - 1].steps > 0;
    if (c->paint == CH_COST_PLAIN) {
        fprintf(stderr, "\n[probability%s]", steps ? "/steps" : "");
        return;
    }
    fputs("\nprobability:", stderr);
    for (int i = 0; i <= 5; i++) {
        begin(c, i / 5.0, stderr);
        fprintf(stderr, " %.1f ", i / 5.0);
        end(c, stderr);
    }
    if (steps)
        fputs("; raised: steps", stderr);
}

void ch_cost_show(ch_cost *c, const ch_buf *text, size_t safe, bool last)
{
    size_t from = c->shown > 0 ? CH_MIN(c->at[c->shown - 1].end, text->size) : 0;
    for (size_t i = c->shown; i < c->n; i++) {
        const ch_cost_token *t = &c->at[i];
        const size_t upto = CH_MIN(t->end, text->size); /* a stop may have cut it */
        if (upto > safe && !last)
            break;
        if (ch_utf8_whole(text->data, upto) != upto && !(last && i + 1 == c->n))
            continue; /* half a character: with the next one */
        if (upto < t->end && upto == from)
            break; /* nothing is left of it */
        put(c, text->data + from, upto - from, t->p);
        note(c, t);
        from = upto;
        c->shown = i + 1;
    }
    fflush(stdout);
    if (last)
        explain(c);
}

json_t *ch_cost_json(const ch_cost *c, const ch_buf *text)
{
    json_t *list = json_array();
    ch_buf piece;
    ch_buf_init(&piece, (size_t)1 << 20);
    for (size_t i = 0, from = 0, upto; i < c->n; from = upto, i++) {
        const ch_cost_token *t = &c->at[i];
        upto = CH_MIN(t->end, text->size);
        ch_buf_clear(&piece);
        if (upto > from)
            ch_buf_utf8(&piece, text->data + from, upto - from);
        json_t *v = json_pack("{s:i, s:s%, s:o}", "id", (int)t->id, "text",
                              piece.data ? piece.data : "", piece.size, "p", ch_cli_number(t->p));
        if (t->steps > 0)
            json_object_set_new(v, "steps", json_real(t->steps));
        json_array_append_new(list, v);
    }
    ch_buf_close(&piece);
    return list;
}
