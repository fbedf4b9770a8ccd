/* loop.c - ch_train: steps, with a look at the held-out text and a checkpoint now and then, and
 * the finished file
 *
 * SPDX-License-Identifier: MIT */
#include "chat.h"
#include "lora.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>

/* Seen in the first `step` steps. */
static int64_t tokens_before(const ch_train_run *r, int64_t step)
{
    return ch_trainer_leaves_before(&r->trainer, step) * r->o.micro_batch * r->o.length;
}

/* JSON has no NaN. */
static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* Bits a byte of the newest look at the held-out text.  Bytes a token are the whole text's, of
 * which a part may have been scored. */
static double bits_a_byte(const ch_train_run *r)
{
    const double bytes = (double)r->held_out.bytes / (double)r->held_out.targets;
    return r->p.val_loss / (log(2) * bytes);
}

static int evaluate(ch_train_run *r)
{
    int64_t scored;
    ch_train_tell(r, "evaluating");
    int rc = ch_trainer_eval(&r->trainer, &r->held_out, r->o.eval_tokens, &r->p.val_loss, &scored,
                             r->e);
    if (rc < 0 || scored == 0)
        return rc;
    r->worse++;
    if (!(r->p.val_loss >= r->best)) {
        r->best = r->p.val_loss;
        r->worse = 0;
    }
    r->stopped = r->o.patience > 0 && r->worse >= r->o.patience;
    return ch_metrics_put(&r->metrics,
                          json_pack("{s:I, s:f, s:o, s:I}", "step", (json_int_t)r->trainer.step,
                                    "val_loss", r->p.val_loss, "val_bpb",
                                    number(bits_a_byte(r)),
                                    "val_tokens", (json_int_t)scored),
                          r->e);
}

static int save(ch_train_run *r)
{
    ch_train_tell(r, "saving");
    json_t *state = json_pack(
        "{s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:i, s:b, s:o}", "format", 2, "step",
        (json_int_t)r->trainer.step, "tokens", (json_int_t)tokens_before(r, r->trainer.step),
        "options", ch_train_describe(&r->o), "data", ch_train_data_json(r), "loss",
        number(r->p.loss), "val_loss", number(r->p.val_loss), "best", number(r->best), "worse",
        r->worse, "stopped", r->stopped, "spike", ch_spike_to_json(&r->trainer.spike));
    if (state && r->source)
        ch_train_from_save(state, r);
    if (!state)
        return ch_fail(r->e, CH_ENOMEM, "no memory for the state of the run");
    const int rc = ch_checkpoint_save(r->o.out, &r->trainer, r->tk, state, r->e);
    json_decref(state);
    return rc;
}

/* What one call of ch_train has spent on steps. */
typedef struct pace {
    double s;
    int64_t tokens;
} pace;

static int log_step(ch_train_run *r, int64_t tokens, double s, bool skipped)
{
    json_t *line = json_pack("{s:I, s:o, s:f, s:o, s:I, s:f, s:f}", "step",
                             (json_int_t)r->trainer.step, "loss", number(r->p.loss), "lr", r->p.lr,
                             "grad_norm", number(r->p.grad_norm), "tokens",
                             (json_int_t)r->p.tokens, "tok_s", (double)tokens / s, "seconds", s);
    if (line && skipped)
        json_object_set_new(line, "skipped", json_true());
    return ch_metrics_put(&r->metrics, line, r->e);
}

static int one_step(ch_train_run *r, pace *spent)
{
    ch_trainer *t = &r->trainer;
    ch_train_progress *p = &r->p;
    const ch_schedule schedule = {r->o.schedule, r->o.steps, r->o.warmup, r->o.decay, r->o.lr_end};
    const uint64_t began = ch_clock_ns();
    const int64_t skipped = t->spike.skipped;
    p->lr = r->o.lr * ch_schedule_at(&schedule, t->step + 1);
    int rc = ch_trainer_step(t, &r->train, p->lr, &p->loss, &p->grad_norm, r->e);
    if (rc < 0)
        return rc;
    const double s = (double)(ch_clock_ns() - began) * 1e-9;
    const int64_t tokens = tokens_before(r, t->step) - p->tokens;
    spent->s += s;
    spent->tokens += tokens;
    p->step = (int)t->step;
    p->tokens += tokens;
    p->tok_s = (double)spent->tokens / spent->s;
    p->eta_s = (double)(tokens_before(r, p->steps) - p->tokens) / p->tok_s;
    ch_train_tell(r, "training");
    return log_step(r, tokens, s, t->spike.skipped != skipped);
}

static int sample(ch_train_run *r)
{
    ch_train_tell(r, "sampling");
    const int rc = ch_samples_take(&r->samples, r->model, r->lora, r->tk, r->trainer.step,
                                   r->o.seed, r->o.threads, r->e);
    r->p.sample = rc == CH_OK && r->samples.text.data ? r->samples.text.data : NULL;
    if (r->p.sample)
        ch_train_tell(r, "sampling");
    r->p.sample = NULL;
    return rc;
}

static bool out_of_time(const ch_train_run *r)
{
    return r->o.time > 0 && (double)(ch_clock_ns() - r->began_ns) * 1e-9 >= r->o.time * 3600;
}

static bool is_looked_at(const ch_train_run *r, int64_t step)
{
    return step == r->o.steps || (r->o.eval_every > 0 && step % r->o.eval_every == 0);
}

static int run_steps(ch_train_run *r)
{
    pace spent = {0};
    int64_t saved = r->trainer.step;
    r->p.tokens = tokens_before(r, saved);
    int rc = r->stored ? CH_OK : save(r); /* a run can be resumed from its first moment on */
    ch_train_tell(r, "training");
    while (rc == CH_OK && r->trainer.step < r->o.steps && !r->stopped && !ch_train_cancelled(r) &&
           !out_of_time(r)) {
        rc = one_step(r, &spent);
        const int64_t step = r->trainer.step;
        if (rc == CH_OK && is_looked_at(r, step))
            rc = evaluate(r);
        if (rc == CH_OK && r->o.sample_every > 0 && step % r->o.sample_every == 0)
            rc = sample(r);
        if (rc == CH_OK && (step % r->o.save_every == 0 || step == r->o.steps)) {
            rc = save(r);
            saved = step;
        }
    }
    return rc == CH_OK && saved != r->trainer.step ? save(r) : rc;
}

/* ---- The finished model --------------------------------------------------------------------- */

/* The last part of the path to the run. */
static int set_name(ch_file *f, const char *out, ch_err *e)
{
    size_t end = strlen(out);
    while (end > 1 && out[end - 1] == '/')
        end--;
    size_t at = end;
    while (at > 0 && out[at - 1] != '/')
        at--;
    return ch_file_set_str(f, "general.name", out + at, end - at, e);
}

static int finish(ch_train_run *r)
{
    if (r->lora)
        return CH_OK; /* the checkpoint is the adapter */
    ch_file *f = NULL;
    char *path = ch_io_join(r->o.out, "model.gguf");
    int rc = path ? ch_file_new(&f, r->e)
                  : ch_fail(r->e, CH_ENOMEM, "no memory for a path in %s", r->o.out);
    ch_train_tell(r, "saving");
    ch_trainer_swap_ema(&r->trainer); /* to the end of the run */
    if (rc == CH_OK)
        rc = ch_model_to_file(r->model, f, CH_F32, NULL, r->e);
    if (rc == CH_OK)
        rc = set_name(f, r->o.out, r->e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(f, "general.file_type", 0, r->e); /* all f32 */
    if (rc == CH_OK)
        rc = ch_tokenizer_to_file(r->tk, f, r->e);
    if (rc == CH_OK && r->source && !ch_tokenizer_template(r->tk))
        rc = ch_chat_to_file(ch_chat_for(r->tk), f, r->e);
    if (rc == CH_OK)
        rc = ch_gguf_write(f, path, r->e);
    ch_file_close(&f);
    free(path);
    return rc;
}

int ch_train(ch_train_result *out, const ch_train_options *o, ch_err *e)
{
    const uint64_t began = ch_clock_ns();
    ch_train_run r;
    *out = (ch_train_result){.loss = (double)NAN, .val_loss = (double)NAN, .val_bpb = (double)NAN};
    int rc = ch_train_setup(&r, o, e);
    if (rc == CH_OK)
        rc = run_steps(&r);
    if (rc == CH_OK && (r.trainer.step == r.o.steps || r.stopped))
        rc = finish(&r);
    if (rc == CH_OK && (r.trainer.step == r.o.steps || r.stopped))
        rc = ch_train_card(&r, bits_a_byte(&r));
    if (rc == CH_OK)
        *out = (ch_train_result){.steps = (int)r.trainer.step,
                                 .tokens = tokens_before(&r, r.trainer.step),
                                 .skipped = r.trainer.spike.skipped,
                                 .finished = r.trainer.step == r.o.steps || r.stopped,
                                 .parameters = r.lora ? r.lora->count
                                                      : ch_model_count(&r.model->config, true),
                                 .loss = r.p.loss,
                                 .val_loss = r.p.val_loss,
                                 .val_bpb = bits_a_byte(&r),
                                 .seconds = (double)(ch_clock_ns() - began) * 1e-9};
    ch_train_teardown(&r);
    return rc;
}
