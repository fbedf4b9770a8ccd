/* loop.c - ch_train: steps, with a look at the held-out text and a checkpoint now and then, and
 * the finished file
 *
 * SPDX-License-Identifier: MIT */
#include "run.h"

#include <stdlib.h>
#include <string.h>

static int64_t step_tokens(const ch_train_run *r)
{
    return (int64_t)r->o.micro_batch * r->o.length * r->o.accumulate;
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
    const double bytes = (double)r->held_out.bytes / (double)r->held_out.n;
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
    return ch_metrics_put(&r->metrics,
                          json_pack("{s:I, s:f, s:f, s:I}", "step", (json_int_t)r->trainer.step,
                                    "val_loss", r->p.val_loss, "val_bpb", bits_a_byte(r),
                                    "val_tokens", (json_int_t)scored),
                          r->e);
}

static int save(ch_train_run *r)
{
    ch_train_tell(r, "saving");
    json_t *state = json_pack("{s:i, s:I, s:I, s:o, s:o, s:o, s:o}", "format", 1, "step",
                              (json_int_t)r->trainer.step, "tokens",
                              (json_int_t)(r->trainer.step * step_tokens(r)), "options",
                              ch_train_describe(&r->o), "data", ch_train_data_json(r), "loss",
                              number(r->p.loss), "val_loss", number(r->p.val_loss));
    if (!state)
        return ch_fail(r->e, CH_ENOMEM, "no memory for the state of the run");
    const int rc = ch_checkpoint_save(r->o.out, &r->trainer, r->tk, state, r->e);
    json_decref(state);
    return rc;
}

static int one_step(ch_train_run *r, double *timed_s, int64_t *timed_tokens)
{
    ch_trainer *t = &r->trainer;
    ch_train_progress *p = &r->p;
    const uint64_t began = ch_clock_ns();
    p->lr = ch_schedule_lr(t->step + 1, r->o.steps, r->o.lr, r->o.lr_end, r->o.warmup);
    int rc = ch_trainer_step(t, &r->train, p->lr, &p->loss, &p->grad_norm, r->e);
    if (rc < 0)
        return rc;
    const double s = (double)(ch_clock_ns() - began) * 1e-9;
    *timed_s += s;
    *timed_tokens += step_tokens(r);
    p->step = (int)t->step;
    p->tokens = t->step * step_tokens(r);
    p->tok_s = (double)*timed_tokens / *timed_s;
    p->eta_s = (double)(p->steps - p->step) * (double)step_tokens(r) / p->tok_s;
    ch_train_tell(r, "training");
    return ch_metrics_put(&r->metrics,
                          json_pack("{s:I, s:f, s:f, s:f, s:I, s:f, s:f}", "step",
                                    (json_int_t)t->step, "loss", p->loss, "lr", p->lr, "grad_norm",
                                    p->grad_norm, "tokens", (json_int_t)p->tokens, "tok_s",
                                    (double)step_tokens(r) / s, "seconds", s),
                          r->e);
}

static int run_steps(ch_train_run *r)
{
    double timed_s = 0;
    int64_t timed_tokens = 0, saved = r->trainer.step;
    int rc = r->stored ? CH_OK : save(r); /* a run can be resumed from its first moment on */
    ch_train_tell(r, "training");
    while (rc == CH_OK && r->trainer.step < r->o.steps && !ch_train_cancelled(r)) {
        rc = one_step(r, &timed_s, &timed_tokens);
        const int64_t step = r->trainer.step;
        if (rc == CH_OK && (step % r->o.eval_every == 0 || step == r->o.steps))
            rc = evaluate(r);
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
    ch_file *f = NULL;
    char *path = ch_io_join(r->o.out, "model.gguf");
    int rc = path ? ch_file_new(&f, r->e)
                  : ch_fail(r->e, CH_ENOMEM, "no memory for a path in %s", r->o.out);
    ch_train_tell(r, "saving");
    if (rc == CH_OK)
        rc = ch_model_to_file(r->model, f, CH_F32, NULL, r->e);
    if (rc == CH_OK)
        rc = set_name(f, r->o.out, r->e);
    if (rc == CH_OK)
        rc = ch_file_set_u32(f, "general.file_type", 0, r->e); /* all f32 */
    if (rc == CH_OK)
        rc = ch_tokenizer_to_file(r->tk, f, r->e);
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
    if (rc == CH_OK && r.trainer.step == r.o.steps)
        rc = finish(&r);
    if (rc == CH_OK)
        *out = (ch_train_result){.steps = (int)r.trainer.step,
                                 .tokens = r.trainer.step * step_tokens(&r),
                                 .parameters = ch_model_count(&r.model->config, true),
                                 .loss = r.p.loss,
                                 .val_loss = r.p.val_loss,
                                 .val_bpb = bits_a_byte(&r),
                                 .seconds = (double)(ch_clock_ns() - began) * 1e-9};
    ch_train_teardown(&r);
    return rc;
}
