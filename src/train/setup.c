/* setup.c - options, texts, vocabulary, tokens, model: everything before the first step
 *
 * SPDX-License-Identifier: MIT */
#include "chat.h"
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

void ch_train_tell(ch_train_run *r, const char *phase)
{
    r->p.phase = phase;
    if (r->o.progress)
        r->o.progress(r->o.progress_arg, &r->p);
}

/* Two processes in one run would take each other's checkpoints away.  The lock goes with its
 * process, whatever ends it; file systems that have none are trusted. */
static int lock(ch_train_run *r)
{
    if (r->lock >= 0)
        return CH_OK;
    r->lock = open(r->o.out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->lock < 0)
        return ch_fail(r->e, CH_EIO, "cannot open %s: %s", r->o.out, strerror(errno));
    if (flock(r->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return ch_fail(r->e, CH_EARG, "%s: another process is training this run", r->o.out);
    return CH_OK;
}

/* When the run looks at the held-out text, and at how much, decides its result only where it may
 * end the run; otherwise what was asked for replaces what is stored. */
static int free_validations(json_t *stored, const ch_train_options *o, ch_err *e)
{
    int rc = 0;
    if (json_number_value(json_object_get(stored, "patience")) > 0)
        return CH_OK;
    if (o->eval_every != 0)
        rc |= json_object_set_new(stored, "eval_every", json_integer(o->eval_every));
    if (o->eval_tokens != 0)
        rc |= json_object_set_new(stored, "eval_tokens", json_integer(o->eval_tokens));
    return rc == 0 ? CH_OK : ch_fail(e, CH_ENOMEM, "no memory for the options of the run");
}

static int settle(ch_train_run *r)
{
    const ch_train_options *o = &r->o;
    if (!o->out || !*o->out)
        return ch_fail(r->e, CH_EARG, "out: a directory for the run is needed");
    if (!o->data || o->n_data < 1)
        return ch_fail(r->e, CH_EARG, "data: at least one file or directory of text is needed");
    int rc = ch_io_is_dir(o->out) ? lock(r) : CH_OK; /* before its state is read */
    if (rc < 0)
        return rc;
    rc = ch_checkpoint_links(o->out, r->e);
    if (rc < 0)
        return rc;
    const bool there = ch_checkpoint_exists(o->out);
    if (o->resume && !there)
        return ch_fail(r->e, CH_EARG, "%s: there is no checkpoint to resume from", o->out);
    if (!o->resume && there)
        return ch_fail(r->e, CH_EARG,
                       "%s: a run is there already; resume it, or choose another directory",
                       o->out);
    rc = there ? ch_checkpoint_load(o->out, NULL, &r->stored, r->e) : CH_OK;
    json_t *options = json_object_get(r->stored, "options");
    if (rc == CH_OK && there && !json_is_object(options))
        rc = ch_fail(r->e, CH_EFORMAT, "%s: state.json has no \"options\"", o->out);
    if (rc == CH_OK && there)
        rc = free_validations(options, o, r->e);
    if (rc == CH_OK)
        rc = ch_train_from_open(r);
    if (rc == CH_OK && !there && ch_io_is_dir(o->out))
        rc = ch_checkpoint_claim(o->out, o->lora > 0, r->e);
    return rc == CH_OK ? ch_train_settle(&r->o, options, r->e) : rc;
}

/* ---- Vocabulary ----------------------------------------------------------------------------- */

static void learned(void *arg, int done, int of)
{
    ch_train_run *r = arg;
    r->p.step = done;
    r->p.steps = of;
    ch_train_tell(r, "vocabulary");
}

static int learn_vocabulary(ch_train_run *r)
{
    static const char *const specials[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    const ch_bpe_options o = {.vocab = r->o.vocab,
                              .specials = specials,
                              .n_special = CH_COUNT(specials),
                              .bos = 0,
                              .eos = 0,
                              .progress = learned,
                              .arg = r};
    ch_bpe_trainer *t;
    int rc = ch_bpe_trainer_open(&t, &o, r->e);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < r->texts.n && rc == CH_OK; i++) {
        const struct ch_text *d = &r->texts.at[i];
        for (size_t k = 0; k < d->parts && rc == CH_OK && !d->held_out; k++) {
            const ch_part *p = &r->texts.part[d->first + k];
            rc = ch_bpe_trainer_add(t, p->bytes, p->n, r->e);
        }
    }
    if (rc == CH_OK)
        rc = ch_bpe_trainer_finish(&r->tk, t, r->e);
    ch_bpe_trainer_close(&t);
    return rc;
}

static int own_vocabulary(ch_train_run *r)
{
    char *path = ch_io_join(r->o.out, "current/tokenizer.json"); /* its link may be missing */
    if (!path)
        return ch_fail(r->e, CH_ENOMEM, "no memory for a path in %s", r->o.out);
    const int rc = ch_tokenizer_open(&r->tk, path, NULL, r->e);
    free(path);
    return rc;
}

static int get_vocabulary(ch_train_run *r)
{
    int rc;
    ch_train_tell(r, "vocabulary");
    if (r->source)
        return ch_train_from_vocabulary(r);
    if (r->stored)
        rc = own_vocabulary(r);
    else if (r->o.tokenizer)
        rc = ch_tokenizer_open(&r->tk, r->o.tokenizer, NULL, r->e);
    else
        rc = learn_vocabulary(r);
    if (rc < 0)
        return rc;
    r->p.step = r->p.steps = 0;
    const int size = ch_tokenizer_size(r->tk);
    if (r->stored && size != r->o.vocab)
        return ch_fail(r->e, CH_EFORMAT, "%s: tokenizer.json has %d entries, state.json says %d",
                       r->o.out, size, r->o.vocab);
    r->o.vocab = size;
    return CH_OK;
}

/* ---- Data ----------------------------------------------------------------------------------- */

json_t *ch_train_data_json(const ch_train_run *r)
{
    char hash[33];
    snprintf(hash, sizeof hash, "%016" PRIx64 "%016" PRIx64, r->data.hi, r->data.lo);
    const ch_texts *t = &r->texts;
    const ch_duplicates *d = &t->duplicates;
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}}",
                     "hash", hash, "documents",
                     (json_int_t)r->train.documents, "tokens", (json_int_t)r->train.n, "bytes",
                     (json_int_t)r->train.bytes, "held_out_documents",
                     (json_int_t)r->held_out.documents, "held_out_tokens",
                     (json_int_t)r->held_out.n, "held_out_bytes", (json_int_t)r->held_out.bytes,
                     "skipped", (json_int_t)t->skipped, "excluded", (json_int_t)t->excluded,
                     "duplicates", "documents", (json_int_t)d->exact, "bytes",
                     (json_int_t)d->exact_bytes, "dropped", (json_int_t)t->dropped,
                     "near_documents", (json_int_t)d->near, "near_bytes",
                     (json_int_t)d->near_bytes);
}

static int same_data(ch_train_run *r)
{
    json_t *now = ch_train_data_json(r);
    if (!now)
        return ch_fail(r->e, CH_ENOMEM, "no memory for the description of the data");
    static const char *const keys[] = {"documents", "tokens", "held_out_tokens"};
    const json_t *then = json_object_get(r->stored, "data");
    int rc = CH_OK;
    for (size_t i = 0; i < CH_COUNT(keys) && rc == CH_OK; i++) {
        const json_int_t was = json_integer_value(json_object_get(then, keys[i]));
        const json_int_t is = json_integer_value(json_object_get(now, keys[i]));
        if (was != is)
            rc = ch_fail(r->e, CH_EARG, "cannot resume: the data had %lld %s and has %lld now",
                         (long long)was, keys[i], (long long)is);
    }
    if (rc == CH_OK && !json_equal(json_object_get(then, "hash"), json_object_get(now, "hash")))
        rc = ch_fail(r->e, CH_EARG,
                     "cannot resume: the data is as large as the run's, and is other data");
    json_decref(now);
    return rc;
}

static bool has_conversations(const ch_texts *t)
{
    for (size_t i = 0; i < t->parts; i++)
        if (t->part[i].role != CH_ROLE_TEXT)
            return true;
    return false;
}

/* What the texts are, in a sentence that is shown once; format: that of what several have said, or
 * NULL. */
static void tell_data(ch_train_run *r, const char *format)
{
    const ch_texts *t = &r->texts;
    const ch_duplicates *d = &t->duplicates;
    char note[CH_NOTE_SIZE];
    size_t n = (size_t)snprintf(
        note, sizeof note, "%lld documents and %lld held out, %.1f MB",
        (long long)r->train.documents, (long long)r->held_out.documents, (double)t->bytes * 1e-6);
    if (format)
        n += (size_t)snprintf(note + n, sizeof note - n, "; conversations as %s writes them",
                              format);
    if (t->skipped)
        n += (size_t)snprintf(note + n, sizeof note - n, "; %zu files or values without text",
                              t->skipped);
    if (t->excluded)
        n += (size_t)snprintf(note + n, sizeof note - n,
                              "; %zu left out because they are in the validation texts",
                              t->excluded);
    if (d->exact)
        n += (size_t)snprintf(note + n, sizeof note - n, "; %llu copies (%.1f MB)%s",
                              (unsigned long long)d->exact, (double)d->exact_bytes * 1e-6,
                              r->o.dedup ? ", left out" : "");
    if (d->near)
        snprintf(note + n, sizeof note - n, "; half or more of %llu (%.1f MB) stands in others",
                 (unsigned long long)d->near, (double)d->near_bytes * 1e-6);
    r->p.note = note;
    ch_train_tell(r, "tokenizing");
    r->p.note = NULL;
}

/* A model that continues from another writes conversations as that one does. */
static int tokenize(ch_train_run *r, char note[CH_NOTE_SIZE])
{
    const bool own = r->source && ch_tokenizer_template(r->tk);
    ch_format *format = NULL;
    int rc = r->o.cache ? ch_io_make_dir(r->o.cache, r->e) : CH_OK;
    if (rc == CH_OK && own)
        rc = ch_format_template_open(&format, r->tk, r->e);
    if (rc == CH_OK)
        rc = ch_token_cache_get(&r->train, &r->held_out, &r->tokens, &r->texts, r->tk,
                                own         ? format
                                : r->source ? &ch_format_chat
                                            : NULL,
                                r->o.cache ? r->o.cache : r->o.out, r->pool, note, r->e);
    ch_format_template_close(&format);
    return rc;
}

static int get_tokens(ch_train_run *r)
{
    ch_train_tell(r, "tokenizing");
    char note[CH_NOTE_SIZE];
    const bool chats = r->source && has_conversations(&r->texts);
    const int rc = tokenize(r, note);
    ch_texts_release(&r->texts);
    if (rc < 0)
        return rc;
    if (*note) {
        r->p.note = note;
        ch_train_tell(r, "tokenizing");
    }
    tell_data(r, !chats                          ? NULL
                 : ch_tokenizer_template(r->tk) ? "the model's chat template"
                                                : ch_chat_for(r->tk)->name);
    if (r->train.n < r->o.length)
        return ch_fail(r->e, CH_EARG,
                       "the text for training has %lld tokens; a sequence alone takes %d (length)",
                       (long long)r->train.n, r->o.length);
    if (r->train.targets < 1)
        return ch_fail(r->e, CH_EARG,
                       "the text for training has %lld tokens, and none of them is a target",
                       (long long)r->train.n);
    const ch_hash128 h = ch_corpus_hash(&r->held_out, r->pool);
    r->data = ch_corpus_hash(&r->train, r->pool);
    r->data = ch_hash_bytes(r->data, &h, sizeof h);
    return r->stored ? same_data(r) : CH_OK;
}

/* ---- Steps and model ------------------------------------------------------------------------ */

/* Steps that see so many leaves or hardly more: with a ramp some have half of them. */
static double steps_for(const ch_train_options *o, double leaves)
{
    const double ramp = CH_MAX(o->ramp, 0.0) * (o->accumulate / 2);
    return CH_MAX(1, ceil(leaves / (o->accumulate - ramp)));
}

static int open_model(ch_train_run *r)
{
    ch_config c = ch_train_config(&r->o);
    const ch_comm alone = ch_comm_self();
    int rc = r->source ? ch_train_from_model(r) : c.arch->configure(&c, NULL, r->e);
    if (rc == CH_OK && !r->source)
        rc = ch_model_create(&r->model, &c, r->o.seed, NULL, r->e);
    return rc == CH_OK ? ch_trainer_open(&r->trainer, r->model, &r->o, &alone, r->pool, r->e) : rc;
}

static void close_model(ch_train_run *r)
{
    ch_trainer_close(&r->trainer);
    if (r->model)
        ch_model_free(&r->model);
    ch_lora_close(&r->lora);
}

static double since_s(uint64_t began_ns)
{
    return (double)(ch_clock_ns() - began_ns) * 1e-9;
}

/* Leaves that fit into the hours: real steps and a validation on a model that is thrown away.  The
 * first step warms up and does not count; the fastest of the others does, because whatever else the
 * machine does makes steps slower, never faster. */
static int leaves_in_hours(ch_train_run *r, double *leaves)
{
    enum { STEPS = 4, VALIDATIONS = 21 };
    const double all_s = r->o.hours * 3600;
    double step_s = 0, eval_s, loss, norm;
    int64_t scored;
    r->o.steps = 1;
    ch_train_tell(r, "measuring");
    int rc = open_model(r);
    for (int i = 0; i < STEPS && rc == CH_OK; i++) {
        const uint64_t began = ch_clock_ns();
        rc = ch_trainer_step(&r->trainer, &r->train, r->o.lr * 1e-3, &loss, &norm, r->e);
        const double s = since_s(began);
        if (i <= 1 || s < step_s)
            step_s = s;
        if (i > 0 && since_s(r->began_ns) > all_s / 20)
            break;
    }
    const uint64_t began = ch_clock_ns();
    if (rc == CH_OK)
        rc = ch_trainer_eval(&r->trainer, &r->held_out, r->o.eval_tokens, &loss, &scored, r->e);
    eval_s = r->o.eval_every < 0 ? 0 : VALIDATIONS * since_s(began);
    close_model(r);
    r->o.steps = 0;
    *leaves = CH_MAX(0, all_s - since_s(r->began_ns) - eval_s) / step_s * r->o.accumulate;
    return rc;
}

static int get_steps(ch_train_run *r)
{
    ch_train_options *o = &r->o;
    const bool asked = o->tokens > 0 || o->epochs > 0;
    const double tokens = o->tokens > 0   ? o->tokens
                          : o->epochs > 0 ? o->epochs * (double)r->train.n
                                          : (double)r->train.n;
    double leaves = ceil(tokens / ((double)o->micro_batch * o->length));
    if (o->hours > 0 && !r->stored) {
        const int rc = leaves_in_hours(r, &leaves);
        if (rc < 0)
            return rc;
    }
    const double want = steps_for(o, leaves);
    if (o->steps == 0 && want > INT32_MAX)
        return ch_fail(r->e, CH_EARG, "%g tokens are %g steps; allowed are up to %d", tokens, want,
                       INT32_MAX);
    if (r->stored && asked && want != o->steps)
        return ch_fail(r->e, CH_EARG, "cannot resume: steps is %d in the run and %s asks for %.0f",
                       o->steps, o->tokens > 0 ? "tokens" : "epochs", want);
    if (o->steps == 0)
        o->steps = (int)want;
    if (o->eval_every == 0)
        o->eval_every = CH_MAX(1, o->steps / 20);
    if (o->save_every == 0)
        o->save_every = CH_MAX(1, o->steps / 10);
    if (o->save_every < 0)
        o->save_every = INT32_MAX;
    r->p.steps = o->steps;
    return CH_OK;
}

/* What the last checkpoint knew stays known until there is something newer. */
static int recall(ch_train_run *r)
{
    const json_t *loss = json_object_get(r->stored, "loss");
    const json_t *val_loss = json_object_get(r->stored, "val_loss");
    const json_t *best = json_object_get(r->stored, "best");
    int64_t worse;
    r->p.step = (int)r->trainer.step;
    if (json_is_number(loss))
        r->p.loss = json_number_value(loss);
    if (json_is_number(val_loss))
        r->p.val_loss = json_number_value(val_loss);
    if (json_is_number(best))
        r->best = json_number_value(best);
    r->stopped = json_is_true(json_object_get(r->stored, "stopped"));
    int rc = ch_json_int(&worse, r->stored, "worse", 0, 0, INT32_MAX, "state.json", r->e);
    r->worse = rc == CH_OK ? (int)worse : 0;
    return rc == CH_OK ? ch_spike_from_json(&r->trainer.spike,
                                            json_object_get(r->stored, "spike"), r->e)
                       : rc;
}

/* Parameters that a token is multiplied with: maps count as often as they are used. */
static double multiplied(const ch_config *c)
{
    const ch_integrator_config *i = &c->integrator;
    const bool once = i->depth == 0 || i->anchor == CH_ANCHOR_CLOSED;
    const double steps = once ? 1 : i->gate_layer > 0 ? (i->depth + 1) / 2.0 : i->depth;
    const double kept = c->ffn_groups ? c->ffn_groups : c->layers;
    const double kept_attention = c->attention_groups ? c->attention_groups : c->layers;
    const double ffn = (c->relu2 ? 2.0 : 3.0) * c->width * c->hidden;
    const double attention =
        2.0 * c->width * c->head_width * ((double)c->heads + (double)c->kv_heads);
    const double looked_up =
        (double)c->width * c->memory + (c->tied ? 0 : ch_config_letter(c, 'R') * (double)c->vocab);
    return (double)ch_model_count(c, true) - looked_up +
           ffn * ((c->layers - i->gate_layer) * steps + i->gate_layer - kept) +
           attention * (c->layers - kept_attention);
}

/* Multiplications and additions a token takes, forward and backward; an embedding table that is not
 * the head's, and the memory, are looked up, not multiplied. */
static double token_flop(const ch_train_options *o, const ch_config *c)
{
    return 6.0 * multiplied(c) + 12.0 * c->layers * c->heads * c->head_width * o->length;
}

static int open_samples(ch_train_run *r, int64_t step)
{
    if (r->o.sample_every > 0)
        return ch_samples_open(&r->samples, r->o.out, step, r->o.sample_prompt, r->tk, r->model,
                               r->e);
    char *path = ch_io_join(r->o.out, "samples.jsonl"); /* of the run before it was resumed */
    if (!path)
        return ch_fail(r->e, CH_ENOMEM, "no memory for a path in %s", r->o.out);
    const int rc = ch_io_exists(path) ? ch_metrics_shorten(path, step, r->e) : CH_OK;
    free(path);
    return rc;
}

static int get_model(ch_train_run *r)
{
    json_t *state = NULL;
    int rc = open_model(r);
    r->p.token_flop = rc == CH_OK ? token_flop(&r->o, &r->model->config) : 0;
    if (rc == CH_OK && r->stored)
        rc = ch_checkpoint_load(r->o.out, &r->trainer, &state, r->e);
    json_decref(state);
    if (rc == CH_OK && r->stored)
        rc = recall(r);
    const ch_comm alone = ch_comm_self(); /* a trainer that did not open has none */
    rc = ch_comm_agree(r->trainer.comm.ranks ? &r->trainer.comm : &alone, rc, r->e);
    return rc == CH_OK ? ch_trainer_share(&r->trainer, r->e) : rc;
}

int ch_train_setup(ch_train_run *r, const ch_train_options *asked, ch_err *e)
{
    *r = (ch_train_run){.o = *asked, .lock = -1, .began_ns = ch_clock_ns(), .e = e};
    r->p.val_loss = r->p.loss = r->best = (double)NAN;
    if (asked->n_validation > 0 && asked->held_out == 0 && !asked->resume)
        r->o.held_out = -1; /* what to hold out was said */
    int rc = settle(r);
    if (rc == CH_OK)
        rc = ch_pool_open(&r->pool, r->o.threads, e);
    if (rc == CH_OK)
        rc = ch_io_make_dir(r->o.out, e);
    if (rc == CH_OK)
        rc = lock(r);
    if (rc == CH_OK)
        rc = ch_texts_apart(r->o.data, r->o.n_data, r->o.out, e);
    if (rc == CH_OK)
        rc = ch_texts_apart(r->o.validation, r->o.n_validation, r->o.out, e);
    const int64_t step = r->stored ? json_integer_value(json_object_get(r->stored, "step")) : 0;
    if (rc == CH_OK) /* first, so that a place that cannot be written to is told of at once */
        rc = ch_metrics_open(&r->metrics, r->o.out, "metrics.jsonl", step, e);
    if (rc == CH_OK) {
        ch_train_tell(r, "reading");
        const ch_texts_options read = {
            .data = r->o.data,
            .n_data = r->o.n_data,
            .validation = r->o.validation,
            .n_validation = r->o.n_validation,
            .held_out = r->o.held_out,
            .dedup = r->o.dedup,
            .mask_prompts = r->o.mask_prompts};
        rc = ch_texts_load(&r->texts, &read, r->pool, e);
    }
    if (rc == CH_OK)
        rc = get_vocabulary(r);
    if (rc == CH_OK && asked->tokenizer && asked->vocab > 0 && r->o.vocab != asked->vocab)
        rc = ch_fail(e, CH_EARG, "vocab is %d, and %s has %d entries; give one of both",
                     asked->vocab, asked->tokenizer, r->o.vocab);
    if (rc == CH_OK)
        rc = get_tokens(r);
    if (rc == CH_OK)
        rc = get_steps(r);
    if (rc == CH_OK)
        rc = get_model(r);
    return rc == CH_OK ? open_samples(r, step) : rc;
}

void ch_train_teardown(ch_train_run *r)
{
    ch_samples_close(&r->samples);
    ch_metrics_close(&r->metrics);
    ch_trainer_close(&r->trainer);
    if (r->model)
        ch_model_free(&r->model);
    ch_lora_close(&r->lora);
    ch_file_close(&r->source);
    ch_corpus_free(&r->train);
    ch_corpus_free(&r->held_out);
    ch_io_unmap(&r->tokens);
    ch_texts_free(&r->texts);
    ch_tokenizer_close(&r->tk);
    ch_pool_close(&r->pool);
    json_decref(r->stored);
    if (r->lock >= 0)
        close(r->lock);
}
