/* jinja.h - values, the tree of a template, and a rendering in progress; private to template/
 *
 *     text --lex.c--> words --parse.c, parse_expr.c--> nodes --render.c, express.c--> text
 *
 * Values are Python's as far as templates can tell: undefined, None, bool, int (64 bits), float,
 * str, list, tuple, dict in order of insertion, and a few that can only be called or asked.  They
 * lie in memory that ends with the rendering, so nothing is ever freed alone, on no path.
 * Text carries its origin a byte: mark[i] != 0 says that byte i is data; mark NULL says that all
 * of it is what `data` says.  Numbers and lists have one origin, for the text they may become.
 * SPDX-License-Identifier: MIT */
#ifndef CH_JINJA_H
#define CH_JINJA_H

#include "base.h"
#include "template.h"

/* ---- Memory (memory.c) ----------------------------------------------------------------------- */

typedef struct ch_jmem {
    struct ch_jchunk *chunks;
    size_t used, limit;
} ch_jmem;

void *ch_jmem_take(ch_jmem *m, size_t bytes); /* aligned, zeroed; NULL: the limit, or no memory */
void ch_jmem_close(ch_jmem *m);

/* ---- Values ---------------------------------------------------------------------------------- */

typedef enum ch_value_kind {
    CH_V_ABSENT, /* an argument that was not given; no template sees it */
    CH_V_UNDEFINED,
    CH_V_NONE,
    CH_V_BOOL,
    CH_V_INT,
    CH_V_REAL,
    CH_V_TEXT,
    CH_V_LIST,
    CH_V_TUPLE,
    CH_V_SERIES, /* what select and its kin give: Python's generator, true whatever it holds */
    CH_V_DICT,
    CH_V_NAMESPACE,
    CH_V_LOOP,
    CH_V_MACRO,
    CH_V_FUNCTION,
    CH_V_METHOD,
    CH_V_KINDS
} ch_value_kind;

typedef struct ch_value {
    uint8_t kind;
    bool data; /* it, or some of its bytes, came from the conversation */
    union {
        bool b;
        int64_t i;
        double r;
        struct {
            const char *p; /* UTF-8; of undefined values: their name */
            const uint8_t *mark;
            size_t n;
        } s;
        struct ch_vlist *list; /* LIST, TUPLE, SERIES */
        struct ch_vdict *dict; /* DICT, NAMESPACE */
        struct ch_vloop *loop;
        const struct ch_vmacro *macro;
        const struct ch_builtin *fn; /* FUNCTION */
        struct {
            const struct ch_builtin *fn;
            const struct ch_value *self;
        } m;
    } v;
} ch_value;

typedef struct ch_vlist {
    ch_value *at;
    size_t n, cap;
} ch_vlist;

typedef struct ch_vpair {
    ch_value key, value;
} ch_vpair;

typedef struct ch_vdict {
    ch_vpair *at;
    size_t n, cap;
} ch_vdict;

typedef struct ch_vloop {
    const ch_vlist *over;
    size_t index;
} ch_vloop;

typedef struct ch_scope {
    ch_vdict vars;
    struct ch_scope *parent;
} ch_scope;

typedef struct ch_vmacro {
    const struct ch_node *node;
    ch_scope *scope; /* where it was written */
} ch_vmacro;

/* ---- Nodes ----------------------------------------------------------------------------------- */

typedef enum ch_node_kind {
    /* statements */
    CH_N_TEXT,         /* value */
    CH_N_PRINT,        /* a */
    CH_N_IF,           /* list: branches */
    CH_N_BRANCH,       /* a: condition, NULL in else; list: body */
    CH_N_FOR,          /* a: target, b: what, c: condition or NULL; list: body; more: else */
    CH_N_SET,          /* a: target, b: value */
    CH_N_SET_BLOCK,    /* a: target, b: filters or NULL; list: body */
    CH_N_MACRO,        /* name; more: parameters; list: body */
    CH_N_CALL_BLOCK,   /* a: the call; more: parameters; list: body */
    CH_N_FILTER_BLOCK, /* b: filters; list: body */
    CH_N_WITH,         /* more: CH_N_SET nodes; list: body */
    CH_N_BREAK,
    CH_N_CONTINUE,
    CH_N_PARAMETER, /* name; a: default or NULL */
    /* expressions */
    CH_N_CONST,    /* value */
    CH_N_NAME,     /* name */
    CH_N_LIST,     /* list */
    CH_N_TUPLE,    /* list */
    CH_N_DICT,     /* list: key, value, key, value, ... */
    CH_N_ATTR,     /* a, name */
    CH_N_ITEM,     /* a, b */
    CH_N_SLICE,    /* a; b: start, c: stop, list: step; each may be NULL */
    CH_N_CALL,     /* a; list: arguments */
    CH_N_FILTER,   /* a, name, builtin; list: arguments */
    CH_N_TEST,     /* a, name, builtin; list: arguments */
    CH_N_NAMED,    /* an argument: name, a */
    CH_N_NOT,      /* a */
    CH_N_SIGN,     /* op '-' or '+', a */
    CH_N_BINARY,   /* op, a, b */
    CH_N_COMPARE,  /* a; list: operands */
    CH_N_OPERAND,  /* op, a */
    CH_N_AND,      /* a, b */
    CH_N_OR,       /* a, b */
    CH_N_COND,     /* a if b else c; c may be NULL */
    CH_N_HELD,     /* the text of the block that filters are put on */
} ch_node_kind;

/* Operators of more than one character; the others are themselves. */
enum { CH_OP_FLOOR = 128, CH_OP_POWER, CH_OP_EQ, CH_OP_NE, CH_OP_LE, CH_OP_GE, CH_OP_IN,
       CH_OP_NOT_IN };

typedef struct ch_node {
    uint8_t kind, op;
    int line, column;
    ch_str name;
    ch_value value;
    const struct ch_builtin *builtin; /* NULL: there is none of that name */
    struct ch_node *a, *b, *c, *list, *more, *next;
} ch_node;

struct ch_template {
    ch_jmem mem;
    char *name;
    const ch_node *body;
};

/* ---- Words (lex.c) --------------------------------------------------------------------------- */

typedef enum ch_word_kind {
    CH_W_END,
    CH_W_DATA, /* text between tags, as white space control leaves it */
    CH_W_PRINT,
    CH_W_PRINT_END,
    CH_W_BLOCK,
    CH_W_BLOCK_END,
    CH_W_NAME,
    CH_W_TEXT, /* a string, its escapes resolved */
    CH_W_INT,
    CH_W_REAL,
    CH_W_OP
} ch_word_kind;

typedef struct ch_word {
    uint8_t kind, op;
    int line, column;
    ch_str text;
    int64_t i;
    double r;
} ch_word;

/* The words of text[0..n), which must outlive them and ends in a 0 byte; the last is CH_W_END. */
int ch_template_lex(ch_word **out, ch_jmem *m, const char *text, size_t n, const char *name,
                    ch_err *e);
/* The position of text[at]. */
void ch_template_place(int *line, int *column, const char *text, size_t at);

/* ---- Parsing --------------------------------------------------------------------------------- */

typedef struct ch_parser {
    ch_jmem *mem;
    const ch_word *w; /* the next word */
    const char *name;
    int depth, loops; /* nested constructs; loops around here in this body */
    int macros;       /* around here */
    ch_err *e;
} ch_parser;

/* Each returns NULL after a sentence. */
void *ch_parser_fail(ch_parser *p, const ch_word *at, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
ch_node *ch_parser_node(ch_parser *p, ch_node_kind kind, const ch_word *at);
ch_node *ch_parse_expression(ch_parser *p);
ch_node *ch_parse_condition(ch_parser *p); /* without "x if y" */
/* One, or several with commas; `cond`: "x if y" may be among them. */
ch_node *ch_parse_tuple(ch_parser *p, bool cond);
ch_node *ch_parse_primary(ch_parser *p);
/* Of the word after a "|" (or after `filter`), and all that follow with a "|". */
ch_node *ch_parse_filters(ch_parser *p, ch_node *on);
bool ch_parse_template(ch_parser *p, ch_node **first);
bool ch_parser_is(const ch_parser *p, const char *name);
bool ch_parser_is_op(const ch_parser *p, int op);
bool ch_parser_skip(ch_parser *p, const char *name);
bool ch_parser_skip_op(ch_parser *p, int op);
bool ch_parser_expect_op(ch_parser *p, int op);
bool ch_parser_enter(ch_parser *p); /* false: too deep; else p->depth is to be lowered again */
/* What stands there, for messages. */
const char *ch_word_show(char *out, size_t size, const ch_word *w);

/* ---- A rendering ----------------------------------------------------------------------------- */

/* Text under construction.  Failures stick and show in ch_jout_end. */
typedef struct ch_jout {
    char *p;
    uint8_t *mark;
    size_t n, cap, limit;
    bool some_data, some_trusted;
    int rc;
} ch_jout;

typedef struct ch_jinja {
    ch_jmem mem;
    const ch_template *t;
    const ch_node *at; /* for messages */
    uint64_t steps, most_steps;
    int depth, most_depth;
    ch_jout *out;
    ch_scope *scope, *top;
    ch_value held;
    const struct tm *now;
    enum { CH_FLOW_ON, CH_FLOW_BREAK, CH_FLOW_CONTINUE } flow;
    ch_err *e;
} ch_jinja;

/* "NAME:LINE:COLUMN: " and the sentence; returns code. */
int ch_jinja_fail(ch_jinja *j, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int ch_jinja_starve(ch_jinja *j); /* after ch_jmem_take gave NULL */
/* Counts a step, and one for every 64 bytes of work. */
int ch_jinja_step(ch_jinja *j, size_t bytes);
int ch_jinja_enter(ch_jinja *j); /* CH_OK: j->depth is to be lowered again */

/* text.c */
void ch_jout_put(ch_jinja *j, ch_jout *o, const char *p, size_t n, bool data);
void ch_jout_text(ch_jinja *j, ch_jout *o, const ch_value *text);
int ch_jout_end(ch_value *out, const ch_jout *o);
ch_value ch_text(const char *p, size_t n, bool data);
ch_value ch_text_part(const ch_value *s, size_t from, size_t n);
size_t ch_text_count(const ch_value *s);              /* characters */
size_t ch_text_place(const ch_value *s, size_t chars); /* where that character begins */
ch_value ch_text_strip(const ch_value *s, const ch_value *chars, bool left, bool right);
size_t ch_text_find(const ch_value *s, const ch_value *what, size_t from); /* SIZE_MAX: nowhere */
int ch_text_add(ch_jinja *j, ch_value *out, const ch_value *a, const ch_value *b);
int ch_text_change(ch_jinja *j, ch_value *out, const ch_value *s, int32_t (*to)(int32_t cp));
bool ch_text_is_space(uint32_t cp); /* Python's str.isspace */
bool ch_text_is(const ch_value *s, const char *what);

/* value.c */
ch_value ch_value_undefined(ch_str name);
ch_value ch_value_bool(bool b);
ch_value ch_value_int(int64_t i, bool data);
ch_value ch_value_real(double r, bool data);
ch_value ch_value_none(void);
bool ch_value_is_list(const ch_value *v); /* LIST, TUPLE, SERIES */
bool ch_value_is_number(const ch_value *v);
double ch_value_number(const ch_value *v);
const char *ch_value_type(const ch_value *v); /* as Python calls it */
bool ch_value_true(const ch_value *v); /* false of an argument that was not given */
int ch_value_list(ch_jinja *j, ch_value *out, ch_value_kind kind, size_t room, bool data);
int ch_value_append(ch_jinja *j, ch_vlist *l, const ch_value *v);
int ch_value_dict(ch_jinja *j, ch_value *out, ch_value_kind kind, bool data);
int ch_value_put(ch_jinja *j, ch_vdict *d, const ch_value *key, const ch_value *value);
/* *at is its place, or d->n.  Python compares keys as values: 1 and 1.0 are one. */
int ch_value_find(ch_jinja *j, size_t *at, const ch_vdict *d, const ch_value *key);
int ch_value_equal(ch_jinja *j, bool *out, const ch_value *a, const ch_value *b);
/* -1, 0, 1 where they can be ordered, else a sentence. */
int ch_value_order(ch_jinja *j, int *out, const ch_value *a, const ch_value *b);
int ch_value_contains(ch_jinja *j, bool *out, const ch_value *all, const ch_value *one);
/* What a loop goes over: a list's own items, or a new list of characters or keys. */
int ch_value_items(ch_jinja *j, const ch_vlist **out, const ch_value *v);
int ch_value_length(ch_jinja *j, size_t *out, const ch_value *v);

/* show.c, tojson.c */
int ch_value_show(ch_jinja *j, ch_jout *o, const ch_value *v, bool repr);
int ch_value_text(ch_jinja *j, ch_value *out, const ch_value *v); /* str(v) */
#define CH_REAL_COST 512 /* as bytes of work */
void ch_real_show(char out[32], double x);
/* copy: text is copied, v may go; otherwise v must outlive the rendering. */
int ch_value_from_json(ch_jinja *j, ch_value *out, const json_t *v, bool data, bool copy);

/* operators.c */
int ch_value_attr(ch_jinja *j, ch_value *out, const ch_value *v, ch_str name);
int ch_value_item(ch_jinja *j, ch_value *out, const ch_value *v, const ch_value *key);
/* ABSENT or None: as far as it goes. */
int ch_value_slice(ch_jinja *j, ch_value *out, const ch_value *v, const ch_value bound[3]);
int ch_value_binary(ch_jinja *j, ch_value *out, int op, const ch_value *a, const ch_value *b);
int ch_value_sign(ch_jinja *j, ch_value *out, int op, const ch_value *a);
int ch_value_compare(ch_jinja *j, bool *out, int op, const ch_value *a, const ch_value *b);

/* scope.c */
const ch_value *ch_scope_find(ch_jinja *j, const ch_scope *s, ch_str name); /* NULL: nowhere */
int ch_scope_set(ch_jinja *j, ch_str name, const ch_value *v); /* in j->scope itself */
int ch_scope_open(ch_jinja *j, ch_scope *parent);              /* j->scope is a new one */
int ch_scope_assign(ch_jinja *j, const ch_node *target, const ch_value *v);

/* express.c, render.c */
int ch_express(ch_jinja *j, ch_value *out, const ch_node *n);
int ch_render(ch_jinja *j, const ch_node *first); /* it and those next to it, into j->out */
int ch_render_text(ch_jinja *j, ch_value *out, const ch_node *first);

/* ---- Calls (calls.c) ------------------------------------------------------------------------- */

#define CH_ARGS_MAX 32
typedef struct ch_args {
    ch_value at[CH_ARGS_MAX];
    ch_str name[CH_ARGS_MAX]; /* p NULL: by place */
    int n;
} ch_args;

/* a->at[0..): in the order of `names`, CH_V_ABSENT where not given; as they came where names is
 * NULL. */
typedef int ch_builtin_fn(ch_jinja *j, ch_value *out, const ch_value *self, const ch_args *a);

typedef struct ch_builtin {
    const char *name;
    ch_builtin_fn *fn;
    const char *names; /* of the arguments, with blanks between; NULL: any */
    int least;         /* arguments that must be given */
    int kind;          /* of methods: whose */
} ch_builtin;

int ch_call(ch_jinja *j, ch_value *out, const ch_value *callee, ch_args *a);
int ch_call_builtin(ch_jinja *j, ch_value *out, const ch_builtin *b, const ch_value *self,
                    ch_args *a);
int ch_args_read(ch_jinja *j, ch_args *a, const ch_node *first);

const ch_builtin *ch_builtin_filter(ch_str name);
const ch_builtin *ch_builtin_test(ch_str name);
const ch_builtin *ch_builtin_method(int kind, ch_str name);
const ch_builtin *ch_builtin_global(ch_str name, bool has_date);

/* Arguments as C has them; absent ones leave *out alone.  `what` is named in the sentence. */
int ch_arg_int(ch_jinja *j, int64_t *out, const ch_value *v, const char *what);
int ch_arg_text(ch_jinja *j, ch_value *out, const ch_value *v, const char *what);

#define FILTER(name, fn, names, least) ch_builtin_fn ch_filter_##fn;
#include "filters.def"
#undef FILTER
#define TEST(name, fn, names, least) ch_builtin_fn ch_test_##fn;
#include "tests.def"
#undef TEST
#define METHOD(kind, name, fn, names, least) ch_builtin_fn ch_method_##fn;
#include "methods.def"
#undef METHOD

#endif
