/* records.c - tests of train/records.c: what is read, and what a stranger's file may hold
 *
 * SPDX-License-Identifier: MIT */
#include "nano.h"

/* What was read, one document a line: role letter, ':' and text of each part, '|' between. */
static int collect(void *arg, const ch_part *part, size_t n, ch_err *e)
{
    (void)e;
    for (size_t i = 0; i < n; i++) {
        ch_buf_printf(arg, "%s%c:", i ? "|" : "", "tsua"[part[i].role]);
        ch_buf_put(arg, part[i].bytes, part[i].n);
        assert_true(part[i].trains);
    }
    ch_buf_str(arg, n ? "\n" : "-\n");
    return CH_OK;
}

static int read_bytes(ch_buf *got, const char *bytes, size_t n, bool lines, ch_err *e)
{
    FILE *f = n ? fmemopen((void *)(uintptr_t)bytes, n, "r") : fopen("/dev/null", "r");
    assert_non_null(f);
    ch_buf_init(got, (size_t)64 << 20);
    const int rc = ch_records_read(f, lines, "file", collect, got, e);
    fclose(f);
    return rc;
}

static void expect(const char *bytes, bool lines, const char *want)
{
    ch_err e = {0};
    ch_buf got;
    assert_ok(read_bytes(&got, bytes, strlen(bytes), lines, &e), e);
    assert_string_equal(got.data ? got.data : "", want);
    ch_buf_close(&got);
}

static void every_shape(void **state)
{
    (void)state;
    static const struct {
        const char *value, *want;
    } shapes[] = {
        {"\"one\"", "t:one\n"},
        {"{\"text\": \"two\", \"prompt\": 1}", "t:two\n"},
        {"{\"prompt\": \"p\", \"response\": \"r\", \"text\": null}", "u:p|a:r\n"},
        {"{\"prompt\": \"p\", \"completion\": \"c\"}", "u:p|a:c\n"},
        {"{\"instruction\": \"i\", \"output\": \"o\"}", "u:i|a:o\n"},
        {"{\"instruction\": \"i\", \"input\": \"in\", \"output\": \"o\"}", "u:i\nin|a:o\n"},
        {"{\"instruction\": \"i\", \"input\": \"\", \"output\": \"o\"}", "u:i|a:o\n"},
        {"{\"question\": \"q\", \"answer\": \"a\"}", "u:q|a:a\n"},
        {"{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\","
         " \"content\": \"\"}, {\"role\": \"assistant\", \"content\": \"a\", \"more\": []}]}",
         "s:s|u:|a:a\n"},
        {"{\"messages\": []}", "-\n"},
        {"\"\"", "-\n"},
        {"{\"prompt\": \"\", \"response\": \"\"}", "-\n"},
    };
    ch_buf all, want;
    ch_buf_init(&all, 1 << 16);
    ch_buf_init(&want, 1 << 16);
    ch_buf_str(&all, "\xef\xbb\xbf [");
    for (size_t i = 0; i < CH_COUNT(shapes); i++) {
        expect(shapes[i].value, true, shapes[i].want);
        expect(shapes[i].value, false, shapes[i].want);
        ch_buf_printf(&all, "%s\n  %s ", i ? "," : "", shapes[i].value);
        ch_buf_str(&want, shapes[i].want);
    }
    ch_buf_str(&all, "]\n");
    expect(all.data, false, want.data);
    ch_buf_close(&all);
    ch_buf_close(&want);
    expect("", true, "");
    expect("", false, "");
    expect(" \n\n", false, "");
    expect("[]", false, "");
    expect("\xef\xbb\xbf\"a\"\r\n\n  \t\n\"b\\u0000\\ud83d\\ude00\"", true,
           "t:a\nt:b"); /* the 0 byte ends what strcmp sees */
}

static void faults_name_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool lines;
        const char *says;
    } faults[] = {
        {"\"a\"\n\n{\"text\": \n", true, "file, line 3"},
        {"\"a\"\n12\n", true, "file, line 2: a number; allowed are a string, {\"text\"}"},
        {"[1]", true, "file, line 1: an array; allowed"},
        {"null", true, "line 1: null; allowed"},
        {"{}", true, "line 1: an empty object; allowed"},
        {"{\"body\": \"x\", \"b\": 1}", true, "an object with \"body\", \"b\"; allowed"},
        {"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1}", true, "\"d\" and more; allowed"},
        {"{\"prompt\": \"p\"}", true, "an object with \"prompt\"; allowed"},
        {"{\"prompt\": \"p\", \"response\": 3}", true, "\"response\" is a number; it must be a"},
        {"{\"text\": [\"a\"]}", true, "\"text\" is an array; it must be a string"},
        {"{\"messages\": {}}", true, "\"messages\" is an object; it must be an array"},
        {"{\"messages\": [\"a\"]}", true, "a message is a string; it must be an object"},
        {"{\"messages\": [{\"role\": \"tool\", \"content\": \"a\"}]}", true, "is tool; allowed"},
        {"{\"messages\": [{\"content\": \"a\"}]}", true, "\"role\" is null; allowed"},
        {"{\"messages\": [{\"role\": \"user\"}]}", true, "\"content\" is null; it must be a"},
        {"{\"instruction\": \"i\", \"input\": 1, \"output\": \"o\"}", true, "\"input\" is a n"},
        {"{\"text\": \"a\", \"text\": \"b\"}", true, "duplicate"},
        {"\"a\" \"b\"", true, "file, line 1"},
        {"\"bad \xff\"", true, "file, line 1"},
        {"[\"a\",\n\"bad \xc3\x28\"]", false, "file, line 2"},
        {"[\"a\"\n,\n3]", false, "file, line 3: a number; allowed"},
        {"[\"a\",]", false, "file, line 1"},
        {"[\"a\" \"b\"]", false, "another character; wanted ',' or ']'"},
        {"[\"a\",\n\"b\"\n", false, "file, line 3: the file ends; wanted ',' or ']'"},
        {"[", false, "file, line 1"},
        {"[\"a\"]\n]", false, "file, line 2: more after the end"},
        {"{\"text\": \"a\"}\n{\"text\": \"b\"}", false, "one value a line is called .jsonl"},
        {"[[\"a\"]]", false, "an array; allowed"},
    };
    for (size_t i = 0; i < CH_COUNT(faults); i++) {
        ch_err e = {0};
        ch_buf got;
        assert_fails(read_bytes(&got, faults[i].bytes, strlen(faults[i].bytes), faults[i].lines,
                                &e),
                     CH_EFORMAT, e, faults[i].says);
        ch_buf_close(&got);
    }
    ch_err e = {0};
    ch_buf got;
    assert_fails(read_bytes(&got, "[\"a\",\0\"b\"]", 10, false, &e), CH_EFORMAT, e, "a 0 byte");
    ch_buf_close(&got);
    assert_fails(read_bytes(&got, "\"a\"\n\"b\"\0\n", 9, true, &e), CH_EFORMAT, e, "a 0 byte");
    ch_buf_close(&got);
}

/* No prefix, no flipped byte and no depth does worse than an error. */
static void damaged_files(void **state)
{
    (void)state;
    static const char good[] =
        "[\"a\", {\"text\": \"b\\u00e9\"},\n {\"messages\": [{\"role\": \"user\", \"content\": "
        "\"c\"}]}, {\"instruction\": \"i\", \"input\": \"j\", \"output\": \"o\"}]";
    char bytes[sizeof good];
    ch_buf got;
    for (int lines = 0; lines < 2; lines++)
        for (size_t n = 0; n + 1 < sizeof good; n++)
            for (int how = 0; how < 4; how++) {
                ch_err e = {0};
                memcpy(bytes, good, sizeof good);
                bytes[n] = (char)(how == 0   ? 0
                                  : how == 1 ? 0xff
                                  : how == 2 ? bytes[n] ^ 1
                                             : bytes[n]);
                const int rc =
                    read_bytes(&got, bytes, how == 3 ? n : sizeof good - 1, lines, &e);
                assert_true(rc == CH_OK ? e.code == 0 : e.code == rc && e.text[0]);
                ch_buf_close(&got);
            }
    enum { DEEP = 100000 };
    char *deep = malloc(DEEP);
    assert_non_null(deep);
    memset(deep, '[', DEEP);
    for (int lines = 0; lines < 2; lines++) {
        ch_err e = {0};
        assert_fails(read_bytes(&got, deep, DEEP, lines, &e), CH_EFORMAT, e, "file, line 1");
        ch_buf_close(&got);
    }
    free(deep);
}

/* A value longer than the limit is refused before it is held, wherever it ends. */
static void long_values(void **state)
{
    (void)state;
#ifdef CH_HOSTILE
    const size_t n = ((size_t)1 << 20) + 10;
#else
    const size_t n = ((size_t)64 << 20) + 10;
#endif
    char *bytes = malloc(n);
    assert_non_null(bytes);
    for (int lines = 0; lines < 2; lines++) {
        ch_err e = {0};
        ch_buf got;
        memset(bytes, 'x', n);
        bytes[0] = lines ? '"' : '[';
        bytes[1] = '"';
        assert_fails(read_bytes(&got, bytes, n, lines, &e), CH_ELIMIT, e,
                     "file, line 1: longer than the allowed");
        ch_buf_close(&got);
    }
    free(bytes);
}

static int stop(void *arg, const ch_part *part, size_t n, ch_err *e)
{
    (void)part;
    (void)n;
    return ++*(int *)arg == 2 ? ch_fail(e, CH_ENOMEM, "enough") : CH_OK;
}

static void the_reader_can_stop(void **state)
{
    (void)state;
    for (int lines = 0; lines < 2; lines++) {
        char text[] = "[\"a\",\"b\",\"c\"]";
        char rows[] = "\"a\"\n\"b\"\n\"c\"\n";
        ch_err e = {0};
        int calls = 0;
        FILE *f = lines ? fmemopen(rows, strlen(rows), "r") : fmemopen(text, strlen(text), "r");
        assert_non_null(f);
        assert_fails(ch_records_read(f, lines, "file", stop, &calls, &e), CH_ENOMEM, e, "enough");
        assert_int_equal(calls, 2);
        fclose(f);
    }
}

/* 318 files that try parsers: whatever they hold, there are documents or a sentence. */
static void published_hard_cases(void **state)
{
    (void)state;
    skip_without("conform/JSONTestSuite");
    char **files;
    size_t n, fine = 0;
    ch_err e = {0};
    assert_ok(ch_io_list(&files, &n, shared_path("conform/JSONTestSuite"), &e), e);
    for (size_t i = 0; i < n; i++)
        for (int lines = 0; lines < 2; lines++) {
            ch_buf got;
            FILE *f = fopen(files[i], "r");
            assert_non_null(f);
            e = (ch_err){0};
            ch_buf_init(&got, (size_t)1 << 24);
            const int rc = ch_records_read(f, lines, files[i], collect, &got, &e);
            assert_true(rc == CH_OK ? e.code == 0 : e.code == rc && e.text[0]);
            fine += rc == CH_OK;
            ch_buf_close(&got);
            fclose(f);
        }
    assert_true(fine > 10 && fine < n);
    ch_io_free_list(files, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape),         cmocka_unit_test(faults_name_their_line),
        cmocka_unit_test(damaged_files),       cmocka_unit_test(long_values),
        cmocka_unit_test(the_reader_can_stop), cmocka_unit_test(published_hard_cases),
    };
    return cmocka_run_group_tests_name("train/records", tests, NULL, NULL);
}
