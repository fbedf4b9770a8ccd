/* bench_profile.c - where a step's time goes, by operation, and what it is bound by
 *
 * Beside bytes and operations a second stand their shares of the ceilings (ceilings.h) that were
 * measured in the same run: of the best round of all threads, since disturbances only lower a
 * ceiling.  Bytes are those of weights, and of the keys and values that rows look at, against the
 * cache, or the memory, that the weights come from; what comes from a nearer one may have more than
 * 100 %.  Products are set against the instruction that their format is multiplied with.
 * SPDX-License-Identifier: MIT */
#include "benching.h"
#include "kernel.h"

/* Of one test, what its figures are divided by. */
typedef struct shown {
    const ch_bench *bench;
    const ch_bench_test *test;
    const ch_ceilings *ceilings;
    ch_ceiling_id source; /* of its weights */
    int steps;
} shown;

static shown shown_of(const ch_bench *b, const ch_bench_test *t, const ch_ceilings *c)
{
    return (shown){b, t, c, ch_ceilings_source(c, (double)b->info.weight_bytes),
                   t->prompt > 0 ? 1 : t->generate};
}

static const char *unit_of(const ch_bench_test *t)
{
    return t->prompt == 0 ? (t->streams > 1 ? "step" : "token") : t->generate ? "round" : "prompt";
}

/* ---- Shares --------------------------------------------------------------------------------- */

static ch_ceiling_id instruction_of(const ch_ceilings *c, int kind)
{
    switch (kind) {
    case CH_PANEL_F32: return CH_CEILING_F32;
    case CH_PANEL_BF16: return c->at[CH_CEILING_BF16].isa ? CH_CEILING_BF16 : CH_CEILING_F32;
    case CH_PANEL_I16: return CH_CEILING_I16;
    default: return CH_CEILING_I8;
    }
}

/* Seconds that an operation's products take at least; 0: not known. */
static double least_seconds(const shown *s, int op)
{
    const ch_profile *p = &s->test->profile.cost;
    double left = p->op[op].macs, sum = 0; /* left: what linear did not count by format */
    for (int kind = 0; op == CH_OP_linear && kind < CH_PANELS; kind++) {
        const double most = s->ceilings->at[instruction_of(s->ceilings, kind)].all.most;
        if (p->panel_macs[kind] > 0 && most == 0)
            return 0;
        if (p->panel_macs[kind] > 0)
            sum += 2 * p->panel_macs[kind] / most * 1e-9;
        left -= p->panel_macs[kind];
    }
    const double most = s->ceilings->at[CH_CEILING_F32].all.most;
    if (left > 0 && most == 0)
        return 0;
    return left > 0 ? sum + 2 * left / most * 1e-9 : sum;
}

typedef struct row {
    double seconds, calls; /* of all steps; a step */
    double gb_s, read_share, gop_s, product_share; /* 0: none, or not known */
} row;

static row row_of(const shown *s, int op)
{
    const ch_profile *p = &s->test->profile.cost;
    const double seconds = (double)p->op[op].ns * 1e-9;
    row r = {.seconds = seconds, .calls = (double)p->op[op].calls / s->steps};
    if (p->op[op].ns == 0)
        return r;
    r.gb_s = p->op[op].bytes / seconds * 1e-9;
    r.read_share = r.gb_s / s->ceilings->at[s->source].all.most;
    r.gop_s = 2 * p->op[op].macs / seconds * 1e-9;
    r.product_share = least_seconds(s, op) / seconds;
    return r;
}

/* Seconds that no operation took. */
static double outside(const shown *s)
{
    double left = s->test->profile.seconds;
    for (int op = 0; op < CH_OPS; op++)
        left -= (double)s->test->profile.cost.op[op].ns * 1e-9;
    return left;
}

/* ---- The table ------------------------------------------------------------------------------ */

/* A rate and its share, in 19 columns; nothing past the last of them. */
static void print_pair(double rate, double share, bool last)
{
    char text[48] = "";
    if (rate > 0 && share > 0)
        snprintf(text, sizeof text, "%9.1f %6.1f %%", rate, 100 * share);
    else if (rate > 0)
        snprintf(text, sizeof text, "%9.1f", rate);
    printf(" %-*s", last ? 0 : 18, text);
}

static void print_row(const shown *s, int op)
{
    const row r = row_of(s, op);
    printf("  %-16s %-10s %5.1f %% %10.2f %7.1f", ch_op_name((ch_op_id)op),
           ch_op_group((ch_op_id)op), 100 * r.seconds / s->test->profile.seconds,
           r.seconds * 1e6 / s->steps, r.calls);
    if (r.gb_s > 0 || r.gop_s > 0)
        print_pair(r.gb_s, r.read_share, r.gop_s == 0);
    if (r.gop_s > 0)
        print_pair(r.gop_s, r.product_share, true);
    putchar('\n');
}

static void print_ceilings(const shown *s)
{
    const ch_ceilings *c = s->ceilings;
    printf("  100 %% is %.1f GB/s (%s)", c->at[s->source].all.most, ch_ceiling_name(s->source));
    bool used[CH_CEILINGS] = {false};
    const ch_profile *p = &s->test->profile.cost;
    for (int kind = 0; kind < CH_PANELS; kind++)
        used[instruction_of(c, kind)] |= p->panel_macs[kind] > 0;
    for (int op = 0; op < CH_OPS; op++)
        used[CH_CEILING_F32] |= op != CH_OP_linear && p->op[op].macs > 0;
    for (int id = CH_CEILING_F32; id < CH_CEILINGS; id++)
        if (used[id] && c->at[id].isa)
            printf(", %.1f GOP/s (%s)", c->at[id].all.most, ch_ceiling_name((ch_ceiling_id)id));
    printf("\n");
}

static void print_test(const shown *s)
{
    const ch_bench_profile *p = &s->test->profile;
    char name[96];
    ch_bench_name(name, sizeof name, s->test);
    printf("%s: %.1f us a %s, %d thread%s\n", name, p->seconds * 1e6 / s->steps,
           unit_of(s->test), s->bench->threads, s->bench->threads > 1 ? "s" : "");
    printf("  %-27s %7s %10s %7s %9s %8s %9s %8s\n", "operation", "time", "us", "calls", "GB/s",
           "of most", "GOP/s", "of most");
    for (int op = 0; op < CH_OPS; op++)
        if (p->cost.op[op].calls)
            print_row(s, op);
    printf("  %-27s %5.1f %% %10.2f\n", "outside operations", 100 * outside(s) / p->seconds,
           outside(s) * 1e6 / s->steps);
    print_ceilings(s);
    printf("  barriers: %.1f a step; in them the caller waited %.2f us (%.1f %%)\n\n",
           (double)p->barriers / s->steps, (double)p->wait_ns * 1e-3 / s->steps,
           (double)p->wait_ns * 1e-7 / p->seconds);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* 0: none, or not known */
static json_t *known(double x)
{
    return x > 0 ? json_real(x) : json_null();
}

static json_t *operations(const shown *s)
{
    json_t *all = json_array();
    for (int op = 0; op < CH_OPS; op++) {
        const row r = row_of(s, op);
        if (r.calls > 0)
            json_array_append_new(
                all,
                json_pack("{s:s, s:s, s:f, s:f, s:f, s:o, s:o, s:o, s:o}", "operation",
                          ch_op_name((ch_op_id)op), "group", ch_op_group((ch_op_id)op),
                          "time_share", r.seconds / s->test->profile.seconds, "time_us",
                          r.seconds * 1e6 / s->steps, "calls", r.calls, "read_gb_s", known(r.gb_s),
                          "read_share", known(r.read_share), "gop_s", known(r.gop_s),
                          "product_share", known(r.product_share)));
    }
    return all;
}

static json_t *object_of(const shown *s)
{
    const ch_bench_profile *p = &s->test->profile;
    json_t *o = json_object();
    ch_bench_describe(o, s->bench, s->test);
    json_object_set_new(o, "unit", json_string(unit_of(s->test)));
    json_object_set_new(o, "time_us", json_real(p->seconds * 1e6 / s->steps));
    json_object_set_new(o, "weights_from", json_string(ch_ceiling_name(s->source)));
    json_object_set_new(o, "operations", operations(s));
    json_object_set_new(o, "outside_us", json_real(outside(s) * 1e6 / s->steps));
    json_object_set_new(o, "barriers", json_real((double)p->barriers / s->steps));
    json_object_set_new(o, "wait_us", json_real((double)p->wait_ns * 1e-3 / s->steps));
    return o;
}

int ch_bench_profile_report(const ch_bench *b, const ch_ceilings *c, bool json)
{
    json_t *tests = json_array();
    for (int i = 0; i < b->n; i++) {
        const shown s = shown_of(b, &b->test[i], c);
        if (json)
            json_array_append_new(tests, object_of(&s));
        else
            print_test(&s);
    }
    if (json)
        return ch_cli_print_json(
            json_pack("{s:o, s:o}", "ceilings", ch_ceilings_json(c), "tests", tests));
    json_decref(tests);
    return CH_EXIT_OK;
}
