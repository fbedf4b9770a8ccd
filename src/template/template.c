/* template.c - a template from text, and what it makes of a conversation (template.h)
 *
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "jinja.h"

#define PARSE_BYTES ((size_t)256 << 20) /* words and nodes of the largest template */

/* Newlines as \n, and the last one gone. */
static char *normal(ch_jmem *m, size_t *n, const char *text)
{
    char *out = ch_jmem_take(m, *n + 1);
    size_t k = 0;
    for (size_t i = 0; out != NULL && i < *n; i++) {
        out[k++] = text[i] == '\r' ? '\n' : text[i];
        if (text[i] == '\r' && i + 1 < *n && text[i + 1] == '\n')
            i++;
    }
    *n = k > 0 && out[k - 1] == '\n' ? k - 1 : k;
    return out;
}

static int parse(ch_template *t, const char *text, size_t n, ch_err *e)
{
    ch_word *words = NULL;
    ch_node *body = NULL;
    const char *own = normal(&t->mem, &n, text);
    if (own == NULL)
        return ch_fail(e, CH_ENOMEM, "%s: out of memory for a template", t->name);
    int rc = ch_template_lex(&words, &t->mem, own, n, t->name, e);
    if (rc < 0)
        return rc;
    ch_parser p = {.mem = &t->mem, .w = words, .name = t->name, .e = e};
    ch_err own_error;
    if (p.e == NULL)
        p.e = &own_error; /* the code is read from it */
    if (!ch_parse_template(&p, &body))
        return p.e->code;
    t->body = body;
    return CH_OK;
}

static int refuse_bytes(const char *text, size_t n, const char *name, ch_err *e)
{
    int line, column;
    size_t at = 0;
    uint32_t cp;
    for (int k; at < n && (k = ch_utf8_read(&cp, text + at, n - at)) > 0; at += (size_t)k)
        ;
    ch_template_place(&line, &column, text, at);
    return ch_fail(e, CH_EFORMAT, "%s:%d:%d: a byte that is not UTF-8", name, line, column);
}

int ch_template_parse(ch_template **out, const char *text, size_t n, const char *name, ch_err *e)
{
    *out = NULL;
    if (n > CH_TEMPLATE_BYTES)
        return ch_fail(e, CH_ELIMIT, "%s: a template of %zu bytes; %d are allowed", name, n,
                       CH_TEMPLATE_BYTES);
    if (!ch_utf8_valid(text, n))
        return refuse_bytes(text, n, name, e);
    ch_template *t = calloc(1, sizeof *t);
    if (t == NULL || (t->name = strdup(name)) == NULL) {
        free(t);
        return ch_fail(e, CH_ENOMEM, "%s: out of memory for a template", name);
    }
    t->mem.limit = PARSE_BYTES;
    int rc = parse(t, text, n, e);
    if (rc < 0)
        ch_template_close(&t);
    *out = t;
    return rc;
}

void ch_template_close(ch_template **t)
{
    if (*t == NULL)
        return;
    ch_jmem_close(&(*t)->mem);
    free((*t)->name);
    free(*t);
    *t = NULL;
}

/* ---- Variables ---- */

/* The word itself, in memory that no conversation wrote; NULL: none that is known. */
static const char *known_role(const char *role)
{
    static const char *const known[] = {"system", "developer", "user", "assistant", "tool",
                                        "function", "ipython", "tool_response", "tool_results",
                                        "observation", "environment", "documents", "model"};
    for (size_t i = 0; role != NULL && i < CH_COUNT(known); i++)
        if (strcmp(role, known[i]) == 0)
            return known[i];
    return NULL;
}

static void trust_roles(const ch_value *messages)
{
    for (size_t i = 0; ch_value_is_list(messages) && i < messages->v.list->n; i++) {
        const ch_value *m = &messages->v.list->at[i];
        for (size_t k = 0; m->kind == CH_V_DICT && k < m->v.dict->n; k++) {
            ch_vpair *p = &m->v.dict->at[k];
            if (!ch_text_is(&p->key, "role") || p->value.kind != CH_V_TEXT)
                continue;
            const char *role = known_role(p->value.v.s.p);
            if (role != NULL && strlen(role) == p->value.v.s.n)
                p->value = ch_text(role, strlen(role), false);
        }
    }
}

static int variables(ch_jinja *j, const json_t *o, bool data)
{
    ch_value all;
    if (o == NULL)
        return CH_OK;
    if (!json_is_object(o))
        return ch_jinja_fail(j, CH_EARG, "variables that are no JSON object");
    int rc = ch_value_from_json(j, &all, o, data, false);
    for (size_t i = 0; rc == CH_OK && i < all.v.dict->n; i++) {
        const ch_vpair *p = &all.v.dict->at[i];
        if (data && ch_text_is(&p->key, "messages"))
            trust_roles(&p->value);
        rc = ch_value_put(j, &j->scope->vars, &p->key, &p->value);
    }
    return rc;
}

/* ---- The result ---- */

static int spans(ch_rendered *r, const ch_jout *o, ch_err *e)
{
    size_t cap = 0;
    for (size_t i = 0; i < o->n; i++) {
        const bool data = o->mark[i] != 0;
        if (r->n_spans > 0 && r->span[r->n_spans - 1].data == data) {
            r->span[r->n_spans - 1].n++;
            continue;
        }
        if (!ch_array_room(&r->span, &cap, r->n_spans + 1, sizeof *r->span))
            return ch_fail(e, CH_ENOMEM, "out of memory for %zu pieces of text", r->n_spans);
        r->span[r->n_spans++] = (ch_token_span){1, data};
    }
    return CH_OK;
}

static int run(ch_rendered *r, ch_jinja *j, const ch_template_input *in)
{
    ch_jout o = {.limit = in->limits.output_bytes ? in->limits.output_bytes : (size_t)32 << 20};
    int rc = ch_scope_open(j, NULL);
    if (rc == CH_OK)
        rc = variables(j, in->trusted, false);
    if (rc == CH_OK)
        rc = variables(j, in->data, true);
    if (rc == CH_OK)
        rc = ch_scope_open(j, j->scope);
    j->out = &o;
    if (rc == CH_OK)
        rc = ch_render(j, j->t->body);
    if (rc < 0)
        return rc;
    ch_buf_init(&r->text, SIZE_MAX);
    ch_buf_put(&r->text, o.p, o.n);
    rc = ch_buf_check(&r->text, "the text of a template", j->e);
    return rc < 0 ? rc : spans(r, &o, j->e);
}

int ch_template_render(ch_rendered *r, const ch_template *t, const ch_template_input *in,
                       ch_err *e)
{
    enum { DEPTH = 400, STEPS = 10000000 };
    static const ch_node start = {.line = 1, .column = 1};
    const ch_template_limits *l = &in->limits;
    ch_jinja j = {
        .t = t, .at = &start, .now = in->now, .e = e,
        .mem.limit = l->memory_bytes ? l->memory_bytes : (size_t)512 << 20,
        .most_steps = l->steps ? l->steps : STEPS,
        .most_depth = l->depth > 0 && l->depth < DEPTH ? l->depth : DEPTH,
    };
    ch_rendered_free(r);
    int rc = run(r, &j, in);
    if (rc < 0)
        ch_rendered_free(r);
    ch_jmem_close(&j.mem);
    return rc;
}

void ch_rendered_free(ch_rendered *r)
{
    ch_buf_close(&r->text);
    free(r->span);
    *r = (ch_rendered){0};
}

/* ---- Tokens ---- */

int ch_rendered_encode(ch_tokens *out, const ch_tokenizer *tk, const ch_rendered *r, ch_err *e)
{
    return ch_tokenizer_encode_spans(out, tk, r->text.data, r->span, r->n_spans, e);
}

int ch_rendered_encode_part(ch_tokens *out, const ch_tokenizer *tk, const ch_rendered *r,
                            size_t from, size_t to, ch_err *e)
{
    ch_token_span *span = malloc((r->n_spans + 1) * sizeof *span);
    size_t n = 0, at = 0;
    if (span == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for %zu pieces of text", r->n_spans);
    for (size_t i = 0; i < r->n_spans && at < to; at += r->span[i++].n) {
        const size_t end = CH_MIN(at + r->span[i].n, to);
        if (end > from)
            span[n++] = (ch_token_span){end - CH_MAX(at, from), r->span[i].data};
    }
    const char *text = r->text.data != NULL ? r->text.data + from : "";
    const int rc = ch_tokenizer_encode_spans(out, tk, text, span, n, e);
    free(span);
    return rc;
}

int ch_template_names(json_t **out, const ch_tokenizer *tk, ch_err *e)
{
    const struct {
        const char *name;
        ch_token id;
    } all[] = {{"bos_token", ch_tokenizer_bos(tk)}, {"eos_token", ch_tokenizer_eos(tk)}};
    json_t *o = *out = json_object();
    bool ok = o != NULL;
    for (size_t i = 0; ok && i < CH_COUNT(all); i++) {
        size_t n;
        const char *name = ch_tokenizer_name(tk, all[i].id, &n);
        if (all[i].id >= 0 && ch_utf8_valid(name, n))
            ok = json_object_set_new(o, all[i].name, json_stringn(name, n)) == 0;
    }
    if (ok)
        return CH_OK;
    json_decref(o);
    *out = NULL;
    return ch_fail(e, CH_ENOMEM, "out of memory for the names of tokens");
}
