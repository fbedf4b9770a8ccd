/* cmd_template.c - chalcis template: what a model gets of a conversation, and what it answers
 *
 * SPDX-License-Identifier: MIT */
#include "cmd_template.h"

#include <stdlib.h>
#include <string.h>

#include "template.h"

struct options {
    const char *model, *tokenizer, *text, *messages, *tools, *file, *date, *parse, *format;
    ch_list set;
    bool no_prompt, ids;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    {'m', "model", CH_OPT_STR, O(model), "MODEL", "its own template and vocabulary [the bundled model]", 0, 0},
    {0, "tokenizer", CH_OPT_STR, O(tokenizer), "FILE", "vocabulary of a model that carries none [beside it]", 0, 0},
    {0, "file", CH_OPT_STR, O(file), "FILE", "another template, in Jinja; without -m no vocabulary is opened", 0, 0},
    {'p', "prompt", CH_OPT_STR, O(text), "TEXT", "a conversation of one message", 0, 0},
    {0, "messages", CH_OPT_STR, O(messages), "FILE", "a JSON list of messages, or an object with \"messages\" and other variables; - is standard input [-]", 0, 0},
    {0, "tools", CH_OPT_STR, O(tools), "FILE", "a JSON list of tools", 0, 0},
    {0, "set", CH_OPT_LIST, O(set), "NAME=JSON", "a variable, such as enable_thinking=false; what is no JSON is text; may be given several times", 0, 0},
    {0, "date", CH_OPT_STR, O(date), "YYYY-MM-DD", "the day that the template is told [today]", 0, 0},
    {0, "no-generation-prompt", CH_OPT_FLAG, O(no_prompt), NULL, "the answer is not opened", 0, 0},
    {0, "ids", CH_OPT_FLAG, O(ids), NULL, "a JSON array of token ids instead of the text", 0, 0},
    {0, "parse", CH_OPT_STR, O(parse), "FILE", "the way back: what a model has generated, as a JSON message with reasoning and tool calls; - is standard input; with a conversation, as its answer", 0, 0},
    {0, "format", CH_OPT_STR, O(format), "NAME", "how calls and reasoning are written in it: hermes, qwen3-coder, llama3, mistral, harmony, seed, nemotron, apriel, think, text [as the template does]", 0, 0},
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis =
        "template [-m MODEL | --file FILE] [-p TEXT | --messages FILE] [--parse FILE] [options]",
    .about = "Prints, byte for byte, the text that a model gets of a conversation; the names of its "
             "special tokens stand for those tokens.  With --parse, reads what a model answered.",
    .opts = opts};

enum { JSON_BYTES = 1 << 28 };

struct work {
    ch_tokenizer *tk;
    ch_template *t;
    const ch_reply_format *format; /* the template's */
    json_t *data, *trusted;
    ch_rendered text;
    ch_tokens ids;
    struct tm now;
};

static int load(json_t **out, const char *path, ch_err *e)
{
    ch_buf b;
    if (strcmp(path, "-") != 0)
        return ch_json_load(out, path, JSON_BYTES, e);
    *out = NULL;
    ch_buf_init(&b, JSON_BYTES);
    int rc = ch_cli_text(&b, NULL, "-", e);
    if (rc == CH_OK)
        rc = ch_json_parse(out, b.data, b.size, "standard input", e);
    ch_buf_close(&b);
    return rc;
}

static int put(struct work *w, const char *name, json_t *v, ch_err *e)
{
    return json_object_set_new(w->data, name, v) == 0
               ? CH_OK
               : ch_fail(e, CH_EARG, "%s cannot be set: its text is not UTF-8", name);
}

/* NAME=JSON, or NAME=TEXT */
static int set(struct work *w, const char *arg, ch_err *e)
{
    const char *is = strchr(arg, '=');
    json_t *v;
    if (is == NULL || is == arg)
        return ch_fail(e, CH_EARG, "--set %s: wanted NAME=JSON", arg);
    char *name = strndup(arg, (size_t)(is - arg));
    if (name == NULL)
        return ch_fail(e, CH_ENOMEM, "out of memory for a name");
    if (ch_json_parse(&v, is + 1, strlen(is + 1), name, NULL) < 0)
        v = json_string(is + 1);
    int rc = put(w, name, v, e);
    free(name);
    return rc;
}

/* As transformers calls a template: tools and documents are there, and none. */
static int conversation(struct work *w, const struct options *o, ch_err *e)
{
    json_t *v = NULL;
    w->data = json_pack("{s:n, s:n, s:b}", "tools", "documents", "add_generation_prompt",
                        !o->no_prompt);
    int rc = CH_OK;
    if (o->text != NULL)
        v = json_pack("[{s:s, s:s}]", "role", "user", "content", o->text);
    else
        rc = load(&v, o->messages != NULL ? o->messages : "-", e);
    if (rc < 0)
        return rc;
    if (v == NULL)
        return ch_fail(e, CH_EARG, "the prompt is not UTF-8");
    if (json_is_object(v)) {
        json_object_update(w->data, v);
        json_decref(v);
    } else {
        rc = put(w, "messages", v, e);
    }
    if (rc == CH_OK && o->tools != NULL && (rc = load(&v, o->tools, e)) == CH_OK)
        rc = put(w, "tools", v, e);
    for (int i = 0; i < o->set.n && rc == CH_OK; i++)
        rc = set(w, o->set.at[i], e);
    return rc;
}

static int open_template(struct work *w, const struct options *o, ch_err *e)
{
    char path[4096];
    ch_buf b;
    int rc = CH_OK;
    if (o->model != NULL || o->file == NULL || o->ids) {
        rc = ch_cli_model_path(path, sizeof path, o->model, e);
        rc = rc < 0 ? rc : ch_tokenizer_open(&w->tk, path, o->tokenizer, e);
        rc = rc < 0 ? rc : ch_template_names(&w->trusted, w->tk, e);
    }
    if (rc == CH_OK && o->file == NULL) {
        const char *own = o->tools ? ch_tokenizer_tool_template(w->tk)
                                   : ch_tokenizer_template(w->tk);
        if (own == NULL)
            return ch_fail(e, CH_EUNSUPPORTED, "%s has no chat template; give one with --file",
                           path);
        w->format = ch_reply_format_of(own);
        return ch_template_parse(&w->t, own, strlen(own), "template", e);
    }
    ch_buf_init(&b, CH_TEMPLATE_BYTES);
    rc = rc < 0 ? rc : ch_io_read_file(&b, o->file, e);
    if (rc == CH_OK)
        rc = ch_template_parse(&w->t, b.data, b.size, o->file, e);
    if (rc == CH_OK)
        w->format = ch_reply_format_of(b.size > 0 ? b.data : "");
    ch_buf_close(&b);
    return rc;
}

static int day(struct tm *out, const char *date, ch_err *e)
{
    const time_t now = time(NULL);
    int used = 0;
    localtime_r(&now, out);
    if (date == NULL)
        return CH_OK;
    *out = (struct tm){.tm_hour = 12, .tm_isdst = -1};
    if (sscanf(date, "%4d-%2d-%2d%n", &out->tm_year, &out->tm_mon, &out->tm_mday, &used) == 3 &&
        date[used] == 0) {
        struct tm given = *out;
        out->tm_year -= 1900;
        out->tm_mon--;
        if (mktime(out) != (time_t)-1 && out->tm_mday == given.tm_mday &&
            out->tm_mon + 1 == given.tm_mon)
            return CH_OK;
    }
    return ch_fail(e, CH_EARG, "--date %s: wanted a day as YYYY-MM-DD", date);
}

static void print_ids(const ch_tokens *ids)
{
    putchar('[');
    for (size_t i = 0; i < ids->n; i++)
        printf("%s%d", i ? ", " : "", (int)ids->id[i]);
    puts("]");
}

static int render(struct work *w, const struct options *o, ch_err *e)
{
    int rc = day(&w->now, o->date, e);
    rc = rc < 0 ? rc : open_template(w, o, e);
    rc = rc < 0 ? rc : conversation(w, o, e);
    const ch_template_input in = {.data = w->data, .trusted = w->trusted, .now = &w->now};
    return rc < 0 ? rc : ch_template_render(&w->text, w->t, &in, e);
}

/* The conversation, where there is one, tells tools and whether the answer began as reasoning. */
static int parse(struct work *w, const struct options *o)
{
    ch_err e = {0};
    json_t *tools = NULL;
    int rc = CH_OK;
    if (o->text != NULL || o->messages != NULL)
        rc = render(w, o, &e);
    else if (o->format == NULL)
        rc = open_template(w, o, &e);
    if (rc == CH_OK && o->tools != NULL && w->data == NULL)
        rc = load(&tools, o->tools, &e);
    if (tools != NULL)
        w->data = json_pack("{s:o}", "tools", tools);
    if (rc < 0)
        return ch_cli_fail(&e);
    return ch_cli_parse_reply(w->format, o->format, o->parse, json_object_get(w->data, "tools"),
                              &w->text.text);
}

static int run(struct work *w, const struct options *o)
{
    ch_err e = {0};
    int rc = render(w, o, &e);
    if (rc == CH_OK && o->ids)
        rc = ch_rendered_encode(&w->ids, w->tk, &w->text, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    if (o->ids)
        print_ids(&w->ids);
    else if (w->text.text.size > 0)
        fwrite(w->text.text.data, 1, w->text.text.size, stdout);
    return CH_EXIT_OK;
}

static bool is_stdin(const char *path) { return path && strcmp(path, "-") == 0; }

/* What cannot be meant; NULL: nothing. */
static const char *nonsense(const struct options *o)
{
    const bool talk = o->text || o->messages;
    if (o->text && o->messages)
        return "-p and --messages are two conversations; give one";
    if (o->format && !o->parse)
        return "--format is for --parse";
    if (o->format && !talk && (o->model || o->tokenizer || o->file))
        return "--format says how the reply is written, so that without a conversation -m, "
               "--tokenizer and --file are not read; give -p or --messages, or leave them out";
    const bool messages = is_stdin(o->messages) || (!talk && !o->parse);
    if (messages + is_stdin(o->tools) + is_stdin(o->parse) > 1)
        return "messages, tools and a reply cannot all be standard input; one of them can";
    return NULL;
}

int ch_cmd_template(int argc, char **argv)
{
    struct options o = {0};
    struct work w = {0};
    int n_args;
    const int rc = ch_cli_parse(&o, NULL, &n_args, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    const char *wrong = nonsense(&o);
    if (wrong)
        return ch_cli_usage("template", "%s", wrong);
    const int code = o.parse ? parse(&w, &o) : run(&w, &o);
    ch_tokens_free(&w.ids);
    ch_rendered_free(&w.text);
    json_decref(w.data);
    json_decref(w.trusted);
    ch_template_close(&w.t);
    ch_tokenizer_close(&w.tk);
    return code;
}
