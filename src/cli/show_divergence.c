/* show_divergence.c - see show_divergence.h.  SPDX-License-Identifier: MIT */
#include "show_divergence.h"

#include <math.h>

void ch_cli_show_perplexity(FILE *to, const char *name, const ch_perplexity *p)
{
    fprintf(to,
            "%s %.4f  (nll %.6f nats a token, %.4f bits a byte; %llu tokens, %llu bytes; "
            "window %d, stride %d)\n",
            name, p->ppl, p->nll, p->bpb, (unsigned long long)p->tokens,
            (unsigned long long)p->bytes, p->window, p->stride);
}

json_t *ch_cli_perplexity_json(const ch_perplexity *p)
{
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:i, s:i}", "nll", ch_cli_number(p->nll), "ppl",
                     ch_cli_number(p->ppl), "bpb", ch_cli_number(p->bpb), "tokens",
                     (json_int_t)p->tokens, "bytes", (json_int_t)p->bytes, "window", p->window,
                     "stride", p->stride);
}

static const char *range(char out[64], const ch_interval *i, double unit, const char *form)
{
    char low[24], high[24];
    snprintf(low, sizeof low, form, i->low * unit);
    snprintf(high, sizeof high, form, i->high * unit);
    if (isnan(i->low))
        snprintf(out, 64, "too few tokens for an interval");
    else
        snprintf(out, 64, "95 %%: %s to %s", low, high);
    return out;
}

void ch_cli_show_divergence(FILE *to, const ch_divergence *d)
{
    char text[64];
    ch_cli_show_perplexity(to, "perplexity", &d->model);
    fprintf(to, "of the base %.4f; ratio %.5f (%s)\n", d->base.ppl, d->ratio.value,
            range(text, &d->ratio, 1, "%.5f"));
    fprintf(to, "KL(base || model) %.6f nats a token (%s); median %.6f, 90 %% %.6f, 99 %% %.6f, "
            "max %.6f\n", d->kl.value, range(text, &d->kl, 1, "%.6f"), d->median, d->p90, d->p99,
            d->most);
    fprintf(to, "same best token %.2f %% (%s)\n", 100 * d->same.value,
            range(text, &d->same, 100, "%.2f"));
}

static json_t *interval(const ch_interval *i, const char *name)
{
    return json_pack("{s:o, s:o, s:o}", name, ch_cli_number(i->value), "low",
                     ch_cli_number(i->low), "high", ch_cli_number(i->high));
}

void ch_cli_add_divergence(json_t *to, const ch_divergence *d)
{
    json_t *kl = interval(&d->kl, "mean");
    json_object_set_new(kl, "median", ch_cli_number(d->median));
    json_object_set_new(kl, "p90", ch_cli_number(d->p90));
    json_object_set_new(kl, "p99", ch_cli_number(d->p99));
    json_object_set_new(kl, "max", ch_cli_number(d->most));
    json_object_set_new(to, "base", ch_cli_perplexity_json(&d->base));
    json_object_set_new(to, "ppl_ratio", interval(&d->ratio, "value"));
    json_object_set_new(to, "kl", kl);
    json_object_set_new(to, "same_top", interval(&d->same, "share"));
}
