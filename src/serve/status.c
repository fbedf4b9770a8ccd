/* status.c - health, readiness, models, load, metrics, the page
 *
 * Metrics are in Prometheus's text format, once by our own names and once by vLLM's, so that boards
 * made for it work.  SPDX-License-Identifier: MIT */
#include "server_in.h"

#include <inttypes.h>
#include <string.h>

void ch_route_health(ch_exchange *x, void *arg)
{
    const bool failed = ch_server_check(arg, NULL) < 0;
    ch_exchange_json(x, failed ? 503 : 200,
                     json_pack("{s:s}", "status", failed ? "failed" : "ok"));
}

/* May new requests be sent here?  Not when it has failed, while it is being closed, or no more may
 * wait. */
void ch_route_ready(ch_exchange *x, void *arg)
{
    const ch_server *s = arg;
    ch_engine_stats e;
    ch_engine_get_stats(&e, s->service.engine);
    const int most = s->o.engine.most_waiting ? s->o.engine.most_waiting : 256;
    const char *why = ch_server_check(s, NULL) < 0 ? "failed"
                      : atomic_load(&s->draining)  ? "draining"
                      : e.waiting >= most          ? "busy"
                                                   : "ready";
    ch_exchange_json(x, strcmp(why, "ready") == 0 ? 200 : 503, json_pack("{s:s}", "status", why));
}

static json_t *model_json(const ch_server *s)
{
    ch_model_info i;
    ch_model_get_info(&i, s->o.model);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:i, s:{s:s, s:I, s:I, s:i}}", "id",
                     s->o.name, "object", "model", "created", (json_int_t)s->opened, "owned_by",
                     "chalcis", "type", "model", "display_name", s->o.name, "max_model_len",
                     s->service.context, "meta", "architecture", i.arch, "parameters",
                     (json_int_t)i.parameters, "bytes", (json_int_t)i.weight_bytes, "vocabulary",
                     i.vocab);
}

void ch_route_models(ch_exchange *x, void *arg)
{
    const ch_server *s = arg;
    ch_exchange_json(x, 200,
                     json_pack("{s:s, s:[o], s:b, s:s, s:s}", "object", "list", "data",
                               model_json(s), "has_more", 0, "first_id", s->o.name, "last_id",
                               s->o.name));
}

void ch_route_model(ch_exchange *x, void *arg)
{
    const ch_server *s = arg;
    ch_refusal r;
    if (s->o.any_model || strcmp(ch_exchange_segment(x), s->o.name) == 0) {
        ch_exchange_json(x, 200, model_json(s));
        return;
    }
    ch_refuse(&r, CH_REFUSED_NOT_FOUND, "model", "there is no model \"%s\"; here is %s",
              ch_exchange_segment(x), s->o.name);
    r.code = "model_not_found";
    ch_exchange_refuse(x, &r, 0);
}

void ch_route_load(ch_exchange *x, void *arg)
{
    const ch_server *s = arg;
    ch_engine_stats e;
    ch_engine_get_stats(&e, s->service.engine);
    ch_exchange_json(
        x, 200,
        json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "active",
                  e.active, "waiting", e.waiting, "cache_tokens", (json_int_t)e.cache_tokens,
                  "cache_used", (json_int_t)e.cache_used, "cache_findable",
                  (json_int_t)e.cache_findable, "prompt_tokens", (json_int_t)e.prompt_tokens,
                  "shared_tokens", (json_int_t)e.shared_tokens, "drawn_tokens",
                  (json_int_t)e.drawn_tokens, "drafted", (json_int_t)e.drafted, "accepted",
                  (json_int_t)e.accepted, "steps", (json_int_t)e.steps, "busy_s", e.busy_s,
                  "draft_gain", e.draft_gain));
}

/* ---- Metrics --------------------------------------------------------------------------------- */

/* The model's name as a label's value. */
static void put_name(ch_buf *b, const char *name)
{
    for (; *name; name++)
        if (*name == '"' || *name == '\\')
            ch_buf_printf(b, "\\%c", *name);
        else
            ch_buf_printf(b, "%s%.1s", *name == '\n' ? "\\n" : "", *name == '\n' ? "" : name);
}

/* One number by our name and, if there is one, by vLLM's. */
static void number(ch_buf *b, const ch_server *s, const char *kind, const char *ours,
                   const char *vllm, double v)
{
    ch_buf_printf(b, "# TYPE chalcis_%s %s\nchalcis_%s %.17g\n", ours, kind, ours, v);
    if (!*vllm)
        return;
    ch_buf_printf(b, "# TYPE vllm:%s %s\nvllm:%s{model_name=\"", vllm, kind, vllm);
    put_name(b, s->o.name);
    ch_buf_printf(b, "\"} %.17g\n", v);
}

static void engine_numbers(ch_buf *b, const ch_server *s)
{
    ch_engine_stats e;
    ch_engine_get_stats(&e, s->service.engine);
    const double used = e.cache_tokens > 0 ? (double)e.cache_used / (double)e.cache_tokens : 0;
    number(b, s, "gauge", "answers_active", "num_requests_running", e.active);
    number(b, s, "gauge", "requests_waiting", "num_requests_waiting", e.waiting);
    number(b, s, "gauge", "waiting_tokens", "", (double)e.waiting_tokens);
    number(b, s, "gauge", "cache_used_ratio", "kv_cache_usage_perc", used);
    number(b, s, "gauge", "cache_findable_tokens", "", (double)e.cache_findable);
    number(b, s, "counter", "requests_total", "", (double)e.requests);
    number(b, s, "counter", "requests_refused_total", "", (double)e.refused);
    number(b, s, "counter", "requests_canceled_total", "", (double)e.canceled);
    number(b, s, "counter", "answers_failed_total", "", (double)e.failed);
    number(b, s, "counter", "prompt_tokens_total", "prompt_tokens_total",
           (double)(e.prompt_tokens + e.shared_tokens));
    number(b, s, "counter", "shared_tokens_total", "prompt_tokens_cached_total",
           (double)e.shared_tokens);
    number(b, s, "counter", "drawn_tokens_total", "generation_tokens_total",
           (double)e.drawn_tokens);
    number(b, s, "counter", "drafted_tokens_total", "spec_decode_num_draft_tokens_total",
           (double)e.drafted);
    number(b, s, "counter", "accepted_tokens_total", "spec_decode_num_accepted_tokens_total",
           (double)e.accepted);
    number(b, s, "counter", "put_off_total", "num_preemptions_total", (double)e.put_off);
    number(b, s, "counter", "steps_total", "", (double)e.steps);
    number(b, s, "counter", "busy_seconds_total", "", e.busy_s);
    number(b, s, "gauge", "draft_gain", "", e.draft_gain);
    number(b, s, "gauge", "failed", "", ch_server_check(s, NULL) < 0);
}

static void grammar_numbers(ch_buf *b, const ch_server *s)
{
    ch_shelf_stats g;
    ch_shelf_get_stats(&g, s->service.shelf);
    number(b, s, "counter", "grammars_compiled_total", "", (double)g.compiled);
    number(b, s, "counter", "grammars_found_total", "", (double)g.found);
    number(b, s, "gauge", "grammars_used_bytes", "", (double)g.used_bytes);
    number(b, s, "gauge", "grammars_kept_bytes", "", (double)g.kept_bytes);
}

static void http_numbers(ch_buf *b, const ch_server *s)
{
    ch_http_stats h;
    ch_http_get_stats(&h, s->http);
    ch_buf_str(b, "# TYPE chalcis_http_requests_total counter\n");
    for (int i = 1; i < (int)CH_COUNT(h.by_status); i++)
        ch_buf_printf(b, "chalcis_http_requests_total{status=\"%dxx\"} %" PRIu64 "\n", i,
                      h.by_status[i]);
    number(b, s, "counter", "http_gone_total", "", (double)h.gone);
    number(b, s, "counter", "http_slow_total", "", (double)h.slow);
    number(b, s, "counter", "http_bytes_in_total", "", (double)h.bytes_in);
    number(b, s, "counter", "http_bytes_out_total", "", (double)h.bytes_out);
    number(b, s, "counter", "log_lines_lost_total", "", (double)h.log_lost);
    number(b, s, "gauge", "http_connections", "", h.open);
    number(b, s, "gauge", "http_busy", "", h.busy);
}

void ch_route_metrics(ch_exchange *x, void *arg)
{
    const ch_server *s = arg;
    ch_buf b;
    ch_buf_init(&b, 1 << 20);
    engine_numbers(&b, s);
    grammar_numbers(&b, s);
    http_numbers(&b, s);
    ch_exchange_reply(x, 200, "text/plain; version=0.0.4; charset=utf-8", b.data, b.size);
    ch_buf_close(&b);
}

void ch_route_page(ch_exchange *x, void *arg)
{
    (void)arg;
    ch_exchange_set_header(x, "Content-Security-Policy", "frame-ancestors 'none'");
    ch_exchange_reply(x, 200, "text/html; charset=utf-8", ch_chat_page,
                      (size_t)(ch_chat_page_end - ch_chat_page));
}
