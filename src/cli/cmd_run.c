/* cmd_run.c - chalcis run: continue a text
 *
 * The completion alone goes to stdout, as whole UTF-8 characters as soon as they are whole; speed
 * goes to stderr. SPDX-License-Identifier: MIT */
#include "cli.h"
#include "log_prob_rows.h"
#include "run_beams.h"
#include "run_cost.h"
#include "run_grammar.h"
#include "run_input.h"
#include "sample.h"
#include "wishes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_COUNT = 256, COUNT_UNSAID = -2, FILES_MOST = 64 };

struct options {
    const char *model, *tokenizer, *prompt, *file, *k_type, *v_type, *system, *save, *load, *color;
    const char *files[FILES_MOST];
    int n_files;
    ch_list lora;
    int count, threads, context, answers, beams, log_probs, prompt_log_probs;
    double length_penalty;
    const char *early;
    ch_wishes wishes;
    bool echo, json, ignore_end, chat, cost;
    ch_grammar_flags grammar;
    ch_sampling sampling;
};

#define O(f) offsetof(struct options, f)
static const ch_opt opts[] = {
    CH_OPTS_MODEL(O(model), O(tokenizer), O(lora)),
    {'p', "prompt", CH_OPT_STR, O(prompt), "TEXT", "what to continue", 0, 0},
    {'f', "file", CH_OPT_STR, O(file), "FILE", "the same from a file; - is standard input", 0, 0},
    {0, "chat", CH_OPT_FLAG, O(chat), NULL, "the prompt is what a user says, in the model's chat template or the vocabulary's chat format", 0, 0},
    {0, "system", CH_OPT_STR, O(system), "TEXT", "with --chat: a system message before it", 0, 0},
    {0, "load", CH_OPT_STR, O(load), "FILE", "go on with a session that was saved; the prompt comes behind it, and may be none", 0, 0},
    {0, "save", CH_OPT_STR, O(save), "FILE", "save the session at the end: tokens and what was computed of them", 0, 0},
    {'n', "count", CH_OPT_INT, O(count), "N", "most tokens to write [256, within the context]; -1: until it is full", -1, 1e9},
    CH_OPTS_WISHES(O(wishes)),
    {'s', "seed", CH_OPT_SEED, O(sampling.seed), "S", "same seed, same text; random: another each time, which is told [0]", 0, 0},
    {0, "answers", CH_OPT_INT, O(answers), "N", "so many answers, one after the other [1]", 1, 4096},
    {0, "logprobs", CH_OPT_INT, O(log_probs), "N", "tell how likely each token was, and the N likeliest there", 0, 1e6},
    {0, "prompt-logprobs", CH_OPT_INT, O(prompt_log_probs), "N", "the same of the prompt's tokens", 0, 1e6},
    {0, "beams", CH_OPT_INT, O(beams), "W", "search for the likeliest texts, W at once, instead of drawing", 1, CH_BEAMS_MOST},
    {0, "length-penalty", CH_OPT_REAL, O(length_penalty), "A", "beams: divide ln p by length to this power [1]", -100, 100},
    {0, "early-stopping", CH_OPT_STR, O(early), "HOW", "beams: end once W texts ended: yes; when no other seems to get better: no; when none can: never [no]", 0, 0},
    CH_OPT_THREADS(O(threads), "the text"),
    {'c', "context", CH_OPT_INT, O(context), "N", "most tokens in all [the model's, at most 4096; more if -n asks for it]", 1, 1e9},
    CH_OPTS_CACHE(O(k_type), O(v_type)),
    {0, "echo", CH_OPT_FLAG, O(echo), NULL, "print the prompt too", 0, 0},
    CH_OPTS_GRAMMAR(O(grammar)),
    {0, "ignore-end", CH_OPT_FLAG, O(ignore_end), NULL, "go on after an end token", 0, 0},
    {0, "show-cost", CH_OPT_FLAG, O(cost), NULL, "shade each token by the probability that the model gave it, and say how many steps it took where that is its own", 0, 0},
    {0, "color", CH_OPT_STR, O(color), "WHEN", "of shades: auto, always, never [auto: on a terminal, unless NO_COLOR is set]", 0, 0},
    CH_OPT_JSON(O(json)),
    {0},
};
#undef O

static const ch_usage usage = {
    .synopsis = "run [-m MODEL] [-p TEXT | -f FILE] [-n N] [options] [FILE...]",
    .about = "Continues a text: standard input where it is a file or a pipe, then the files, then "
             "-p, each on\na line of its own.  -f alone leaves standard input to others.",
    .most_args = FILES_MOST,
    .opts = opts,
    .samplers = true,
    .sampling = offsetof(struct options, sampling),
};

struct running {
    struct options *o;
    char path[4096];
    ch_model *model;
    ch_lora *lora;
    ch_tokenizer *tokenizer;
    ch_grammar *grammar;
    ch_session *session;
    ch_tokens prompt;
    ch_run_format format;
    ch_session *base; /* holds the prompt; the session itself, where there is one answer */
    ch_cost cost;
    ch_buf text;    /* of the completion */
    size_t shown;   /* bytes of it that are on stdout */
    size_t safe;    /* bytes of it that no stop can take back */
    int drawn, written; /* by this answer, by all */
    int prompt_length;  /* tokens before the answer */
    const char *stop;
    ch_log_prob_rows rows, prompt_rows;
    ch_session_stats stats;
    json_t *answers; /* of several, with --json */
    size_t *ends;    /* of each drawn token, in the text */
    size_t n_ends, cap_ends;
};

static int open_model(struct running *r, ch_err *e)
{
    int rc = ch_cli_model_path(r->path, sizeof r->path, r->o->model, e);
    if (rc == CH_OK)
        rc = ch_cli_open_model(&r->model, r->path, r->o->threads, e);
    if (rc == CH_OK)
        rc = ch_cli_lora(&r->lora, r->model, &r->o->lora, e);
    if (rc == CH_OK)
        rc = ch_tokenizer_open(&r->tokenizer, r->path, r->o->tokenizer, e);
    if (rc == CH_OK) { /* there are no more */
        r->rows.top = CH_MIN(r->rows.top, ch_tokenizer_size(r->tokenizer));
        r->prompt_rows.top = CH_MIN(r->prompt_rows.top, ch_tokenizer_size(r->tokenizer));
    }
    return rc == CH_OK ? ch_cli_grammar(&r->grammar, &r->o->grammar, r->tokenizer, e) : rc;
}

static int read_prompt(struct running *r, ch_err *e)
{
    ch_buf b;
    ch_buf_init(&b, (size_t)1 << 30);
    bool any;
    const ch_run_input in = {r->o->prompt, r->o->file, r->o->files, r->o->n_files};
    int rc = ch_run_read(&b, &any, &in, e);
    const char *text = b.data ? b.data : "";
    if (rc == CH_OK && !any && !r->o->load)
        rc = ch_fail(e, CH_EARG, "there is no prompt: give -p TEXT, a FILE, or standard input; "
                                 "chalcis chat talks");
    if (rc == CH_OK)
        rc = r->o->chat ? ch_run_conversation(&r->prompt, &r->format, r->tokenizer,
                                              r->o->system, text, b.size, e)
                        : ch_tokenizer_encode(&r->prompt, r->tokenizer, text, b.size,
                                              r->o->load ? 0 : CH_ENCODE_BOS, e);
    if (rc == CH_OK && r->format.stop) {
        ch_list *stop = &r->o->wishes.stop;
        if (stop->n < (int)CH_COUNT(stop->at))
            stop->at[stop->n++] = r->format.stop;
    }
    if (rc == CH_OK && r->prompt.n == 0 && !r->o->load)
        rc = ch_fail(e, CH_EARG, "the prompt is empty, and %s has no token to begin a text with",
                     r->path);
    if (rc == CH_OK && r->o->echo && !r->o->json && b.size)
        fwrite(b.data, 1, b.size, stdout);
    ch_buf_close(&b);
    return rc;
}

/* How many tokens the cache has to hold for beams: what each writes, and the pages it shares in
 * part; 0: the usual. */
static int beams_need(const struct running *r, int context)
{
    const int most = r->o->count == COUNT_UNSAID ? DEFAULT_COUNT : r->o->count;
    const int64_t each = CH_MIN(most < 0 ? context : most, context) + 64;
    const int64_t all = context + (r->o->beams + 1) * each;
    return r->o->beams == 0 ? 0 : (int)CH_MIN(all, (int64_t)INT32_MAX / 2);
}

/* A number of tokens that was asked for in so many words is given, beyond the model's context with
 * a note; one that was not stays within it. */
static int open_session(struct running *r, ch_err *e)
{
    const struct options *o = r->o;
    ch_model_info info;
    ch_model_get_info(&info, r->model);
    int loaded = 0, rc = o->load ? ch_session_saved_length(&loaded, o->load, e) : CH_OK;
    if (rc < 0)
        return rc;
    const int64_t asked = loaded + (int64_t)r->prompt.n + CH_MAX(o->count, 0);
    int context = o->context;
    if (!context && (o->count > 0 || loaded > 0) && asked > CH_MIN(info.context, 4096)) {
        if (asked > CH_MAX_CONTEXT)
            return ch_fail(e, CH_ELIMIT, "prompt and -n make %lld tokens, a context holds %d",
                           (long long)asked, CH_MAX_CONTEXT);
        context = (int)asked;
    }
    const ch_session_options so = {
        .threads = o->threads, .context = context, .k_type = o->k_type, .v_type = o->v_type,
        .cache_tokens = beams_need(r, context ? context : CH_MIN(info.context, 4096)),
        .lora = r->lora};
    rc = ch_session_open(&r->base, r->model, &so, e);
    if (rc < 0)
        return rc;
    if (context > info.context)
        ch_cli_note_context(context, info.context);
    if (o->load)
        rc = ch_session_load(r->base, o->load, e);
    if (rc == CH_OK && r->prompt.n + (size_t)ch_session_length(r->base) >
                           (size_t)ch_session_context(r->base))
        rc = ch_fail(e, CH_ELIMIT, "the prompt has %zu tokens, the context holds %d",
                     r->prompt.n + (size_t)ch_session_length(r->base),
                     ch_session_context(r->base));
    if (rc == CH_OK && r->prompt.n == 0 && ch_session_length(r->base) == 0)
        rc = ch_fail(e, CH_EARG, "%s holds no token, and there is no prompt", o->load);
    return rc;
}

static void show(struct running *r, bool last)
{
    if (r->o->json)
        return;
    if (r->o->cost) {
        ch_cost_show(&r->cost, &r->text, r->safe, last);
        return;
    }
    r->shown += ch_cli_put_text(stdout, r->text.data ? r->text.data + r->shown : "",
                                r->safe - r->shown, last);
    fflush(stdout);
}

/* The next piece of the text; does it end here, by a stop? */
static bool ends(struct running *r)
{
    r->safe = r->text.size;
    if (!r->o->wishes.stops ||
        ch_stops_feed(&r->safe, r->o->wishes.stops, r->text.data, r->text.size) < 0)
        return false;
    r->text.size = r->safe;
    r->stop = "stop";
    return true;
}

/* A conversation's format may have a blank before what is said. */
static void drop_lead(struct running *r)
{
    const char *lead = r->format.lead;
    const size_t n = lead ? strlen(lead) : 0;
    if (r->drawn != 1 || n == 0 || r->text.size < n || memcmp(r->text.data, lead, n) != 0)
        return;
    memmove(r->text.data, r->text.data + n, r->text.size - n);
    r->text.size -= n;
}

/* Where nothing can be drawn: because the text is whole by its grammar, and cannot say so? */
static bool is_complete(const struct running *r)
{
    bool yes = false;
    return r->grammar && r->drawn > 0 &&
           ch_session_may_end(&yes, r->session, NULL) == CH_OK && yes;
}

static int generate(struct running *r, ch_err *e)
{
    const struct options *o = r->o;
    const int most = o->count == COUNT_UNSAID ? DEFAULT_COUNT : o->count;
    int rc = r->grammar ? ch_session_grammar(r->session, r->grammar, e) : CH_OK;
    r->stop = "length";
    const int length = ch_session_length(r->session);
    ch_token before = length > 0 ? ch_session_tokens(r->session)[length - 1] : -1;
    while (rc == CH_OK && (most < 0 || r->drawn < most)) {
        if (ch_session_length(r->session) == ch_session_context(r->session)) {
            r->stop = "context";
            break;
        }
        ch_token t;
        rc = ch_session_next(&t, r->session, &o->sampling, e);
        if ((rc == CH_ELIMIT || rc == CH_EARG) && is_complete(r)) {
            r->stop = "grammar";
            rc = CH_OK;
            break;
        }
        if (rc < 0)
            break;
        if (!o->ignore_end && ch_tokenizer_ends_text(r->tokenizer, t)) {
            r->stop = "end";
            break;
        }
        if (!ch_tokenizer_append(&r->text, r->tokenizer, before, t))
            return ch_buf_check(&r->text, "the completion", e);
        before = t;
        r->drawn++;
        drop_lead(r);
        if (!ch_array_room(&r->ends, &r->cap_ends, r->n_ends + 1, sizeof *r->ends))
            return ch_fail(e, CH_ENOMEM, "no memory for %d tokens", r->drawn);
        r->ends[r->n_ends++] = r->text.size;
        rc = ch_log_prob_rows_drawn(&r->rows, r->session, e);
        if (o->cost && rc == CH_OK)
            rc = ch_cost_add(&r->cost, r->session, r->text.size, e);
        if (ends(r))
            break;
        show(r, false);
        if (ferror(stdout))
            return ch_fail(e, CH_EIO, "standard output was closed after %d tokens", r->drawn);
    }
    r->safe = r->text.size;
    show(r, true);
    if (rc == CH_ECANCELED)
        r->stop = "interrupted";
    return rc;
}

/* An answer is over: a line of its own, or an object. */
static void finish(struct running *r)
{
    const ch_session_stats st = ch_session_get_stats(r->session);
    const bool several = r->session != r->base;
    r->written += r->drawn;
    r->stats.drawn_tokens += st.drawn_tokens;
    r->stats.drawn_s += st.drawn_s;
    if (!r->o->json) {
        if (r->text.size > 0 && r->text.data[r->text.size - 1] != '\n')
            putchar('\n');
        fflush(stdout);
        ch_log_prob_rows_print(&r->rows, r->tokenizer, "written");
    } else if (several) {
        json_t *v = json_pack("{s:o, s:i, s:s}", "text",
                              ch_cli_string(r->text.data, r->text.size), "tokens", r->drawn,
                              "stop", r->stop);
        if (r->rows.top >= 0)
            json_object_set_new(v, "logprobs", ch_log_prob_rows_json(&r->rows, r->tokenizer));
        if (r->o->cost)
            json_object_set_new(v, "cost", ch_cost_json(&r->cost, &r->text));
        json_array_append_new(r->answers, v);
    }
}

/* Answer i, in a fork of what holds the prompt. */
static int answer(struct running *r, int i, ch_err *e)
{
    int rc = ch_session_fork(&r->session, r->base, e);
    if (rc < 0)
        return rc;
    ch_buf_clear(&r->text);
    r->shown = r->safe = r->rows.n = r->cost.n = r->cost.shown = r->n_ends = 0;
    r->drawn = 0;
    r->o->sampling.sample = (uint32_t)i;
    if (r->o->wishes.stops)
        ch_stops_reset(r->o->wishes.stops);
    if (!r->o->json)
        printf("--- %d of %d\n", i + 1, r->o->answers);
    ch_cli_catch_interrupts(r->session);
    rc = generate(r, e);
    ch_cli_catch_interrupts(r->base);
    finish(r);
    ch_session_close(&r->session);
    return rc;
}

static int beams(struct running *r, ch_err *e)
{
    const struct options *o = r->o;
    const int most = o->count == COUNT_UNSAID ? DEFAULT_COUNT : o->count;
    ch_beam_options b = {.width = o->beams,
                         .most = most < 0 ? INT32_MAX : most,
                         .least = o->wishes.least,
                         .length_penalty = isnan(o->length_penalty) ? 1 : o->length_penalty,
                         .ends = o->wishes.ends.id,
                         .n_ends = o->ignore_end ? 0 : (int)o->wishes.ends.n,
                         .stops = o->wishes.stops,
                         .tokenizer = r->tokenizer};
    const uint64_t t0 = ch_clock_ns();
    int rc = ch_run_beam_until(&b.until, o->early, e);
    if (rc == CH_OK && r->grammar)
        rc = ch_session_grammar(r->base, r->grammar, e);
    if (rc == CH_OK)
        rc = ch_run_beams(&r->written, o->json ? &r->answers : NULL, r->base, &b, r->format.lead,
                          o->answers, e);
    r->stats.drawn_tokens = (uint64_t)r->written;
    r->stats.drawn_s = (double)(ch_clock_ns() - t0) * 1e-9;
    r->stop = rc == CH_ECANCELED ? "interrupted" : "beams";
    return rc;
}

static int answer_all(struct running *r, ch_err *e)
{
    int rc = ch_log_prob_rows_feed(&r->prompt_rows, r->base, r->prompt.id, (int)r->prompt.n, e);
    r->stats = ch_session_get_stats(r->base);
    if (rc == CH_OK && !r->o->json)
        ch_log_prob_rows_print(&r->prompt_rows, r->tokenizer, "prompt");
    if (r->o->beams && rc == CH_OK)
        return beams(r, e);
    if (r->o->answers > 1) {
        for (int i = 0; i < r->o->answers && rc == CH_OK; i++)
            rc = answer(r, i, e);
        return rc;
    }
    r->session = r->base;
    r->prompt_length = ch_session_length(r->base);
    if (rc == CH_OK)
        rc = generate(r, e);
    finish(r);
    r->session = NULL;
    return rc;
}

/* What is saved is what was shown, as far as whole tokens go: neither a stop nor an end. */
static int save(struct running *r, ch_err *e)
{
    int shown = 0;
    while (shown < r->drawn && r->ends[shown] <= r->safe)
        shown++;
    const int rc = ch_session_rollback(r->base, r->prompt_length + shown, e);
    return rc < 0 ? rc : ch_session_save(r->base, r->o->save, e);
}

static double rate(double n, double s)
{
    return s > 0 ? n / s : 0;
}

/* The first token comes out of the prompt's last step: what is timed is the others. */
static double written_rate(const ch_session_stats *st)
{
    return rate((double)CH_MAX(st->drawn_tokens, (uint64_t)1) - 1, st->drawn_s);
}

static void report(const struct running *r)
{
    const ch_session_stats st = r->stats;
    fprintf(stderr,
            "\n[%s] prompt %llu tokens, %.1f ms (%.0f tok/s) | written %d tokens, %.3f s (%.1f "
            "tok/s) | stop: %s | seed %llu\n",
            r->model ? strrchr(r->path, '/') ? strrchr(r->path, '/') + 1 : r->path : "",
            (unsigned long long)st.prompt_tokens, st.prompt_s * 1e3,
            rate((double)st.prompt_tokens, st.prompt_s), r->written, st.drawn_s, written_rate(&st),
            r->stop, (unsigned long long)r->o->sampling.seed);
}

static json_t *sampling_json(const ch_sampling *s)
{
    unsigned char step[CH_SAMPLERS];
    const int n = ch_sampling_steps(step, s);
    json_t *v = json_object(), *order = json_array();
    for (const ch_sampling_param *p = ch_sampling_params; p->name; p++)
        json_object_set_new(v, p->name, ch_cli_number(ch_sampling_value(s, p)));
    for (int i = 0; i < n; i++)
        json_array_append_new(order, json_string(ch_samplers[step[i]].name));
    json_object_set_new(v, CH_CLI_SAMPLERS, order);
    return v;
}

/* One answer's text stands with the rest, several in a list. */
static int print_json(const struct running *r)
{
    const ch_session_stats st = r->stats;
    const bool one = json_array_size(r->answers) == 0;
    json_t *v = one ? json_pack("{s:o}", "text", ch_cli_string(r->text.data, r->text.size))
                    : json_pack("{s:O}", "answers", r->answers);
    json_t *rest =
        json_pack("{s:i, s:i, s:s, s:f, s:f, s:f, s:o, s:o}", "prompt_tokens", (int)r->prompt.n,
                  "tokens", r->written, "stop", r->stop, "prompt_s", st.prompt_s, "generate_s",
                  st.drawn_s, "tok_s", written_rate(&st), "seed",
                  ch_cli_unsigned(r->o->sampling.seed), "model",
                  ch_cli_string(r->path, strlen(r->path)));
    json_object_update(v, rest);
    json_decref(rest);
    json_object_set_new(v, "sampling", sampling_json(&r->o->sampling));
    if (one && r->rows.top >= 0)
        json_object_set_new(v, "logprobs", ch_log_prob_rows_json(&r->rows, r->tokenizer));
    if (r->prompt_rows.top >= 0)
        json_object_set_new(v, "prompt_logprobs",
                            ch_log_prob_rows_json(&r->prompt_rows, r->tokenizer));
    if (one && r->o->cost)
        json_object_set_new(v, "cost", ch_cost_json(&r->cost, &r->text));
    return ch_cli_print_json(v);
}

static int run(struct running *r)
{
    ch_err e = {0};
    int rc = ch_cost_open(&r->cost, r->o->color, &e);
    if (rc == CH_OK)
        rc = open_model(r, &e);
    if (rc == CH_OK)
        rc = read_prompt(r, &e);
    if (rc == CH_OK)
        rc = open_session(r, &e);
    if (rc == CH_OK)
        rc = ch_wishes_open(&r->o->wishes, &r->o->sampling, r->tokenizer,
                            ch_session_length(r->base) + (int)r->prompt.n, &e);
    if (rc < 0)
        return ch_cli_fail(&e);
    ch_cli_catch_interrupts(r->base);
    rc = answer_all(r, &e);
    ch_cli_catch_interrupts(NULL);
    if ((rc == CH_OK || rc == CH_ECANCELED) && r->o->save) {
        const int saved = save(r, &e);
        rc = saved < 0 ? saved : rc;
    }
    if (rc < 0 && rc != CH_ECANCELED)
        return ch_cli_fail(&e);
    int code = rc == CH_ECANCELED ? CH_EXIT_INTERRUPTED : CH_EXIT_OK;
    if (r->o->json) {
        const int printed = print_json(r);
        return printed == CH_EXIT_OK ? code : printed;
    }
    report(r);
    return code;
}

/* Options that exclude each other, or are nothing without another. */
static const char *contradiction(const struct options *o)
{
    const struct {
        bool wrong;
        const char *says;
    } rules[] = {
        {o->chat && o->load, "--chat begins a conversation, --load goes on with a text; give one"},
        {o->prompt && o->file, "-p and -f are two prompts; give one"},
        {o->system && !o->chat, "--system goes with --chat"},
        {o->echo && o->json, "--echo prints the prompt, --json an object; give one"},
        {o->save && (o->beams || o->answers > 1),
         "--save keeps one answer's session, not --answers or --beams"},
        {o->beams && (o->wishes.bias.n || o->wishes.allow.n || o->log_probs >= 0 || o->cost),
         "--beams knows no --logit-bias, --allow, --logprobs or --show-cost"},
        {o->beams && o->count == 0, "-n 0 leaves --beams nothing to search"},
        {!o->beams && (o->early || !isnan(o->length_penalty)),
         "--early-stopping and --length-penalty go with --beams"},
        {o->grammar.compact && !o->grammar.schema && !o->grammar.object,
         "--json-compact goes with --json-schema or --json-object"},
    };
    for (size_t i = 0; i < CH_COUNT(rules); i++)
        if (rules[i].wrong)
            return rules[i].says;
    return NULL;
}

int ch_cmd_run(int argc, char **argv)
{
    struct options o = {.count = COUNT_UNSAID, .sampling = CH_SAMPLING, .answers = 1,
                        .log_probs = -1, .prompt_log_probs = -1,
                        .length_penalty = (double)NAN};
    const int rc = ch_cli_parse(&o, o.files, &o.n_files, argc, argv, &usage);
    if (rc >= 0)
        return rc;
    const char *wrong = contradiction(&o);
    if (wrong)
        return ch_cli_usage("run", "%s", wrong);
    if (o.beams && o.answers > o.beams)
        return ch_cli_usage("run", "--answers is %d, --beams finds %d", o.answers, o.beams);
    struct running r = {.o = &o, .stop = "interrupted", .rows.top = o.log_probs,
                        .prompt_rows.top = o.prompt_log_probs,
                        .answers = json_array()};
    ch_buf_init(&r.text, (size_t)1 << 30);
    const int code = run(&r);
    ch_session_close(&r.base);
    ch_grammar_close(&r.grammar);
    ch_wishes_close(&o.wishes);
    ch_log_prob_rows_close(&r.rows);
    ch_log_prob_rows_close(&r.prompt_rows);
    json_decref(r.answers);
    ch_lora_close(&r.lora);
    ch_model_close(&r.model);
    ch_tokenizer_close(&r.tokenizer);
    ch_cost_close(&r.cost);
    free(r.ends);
    free(r.format.stop);
    free(r.format.lead);
    ch_tokens_free(&r.prompt);
    ch_buf_close(&r.text);
    return code;
}
