/* line.c - see line.h
 *
 * With libedit Ctrl-C is a key like others: it empties the line; so is Ctrl-Z.  Pasted text comes
 * in brackets (ESC [200~ ... ESC [201~, which terminals send where ESC [?2004h asked for it) and
 * enters the line as it is, its newlines too.  Without libedit the terminal's own line is all there
 * is.
 *
 * The history's file is libedit's.  Each line is appended as soon as it is remembered, so that
 * neither a signal nor another program that keeps lines there loses one; at opening it is cut, and
 * renamed, where it has grown too long.  A lock keeps the two apart.
 * SPDX-License-Identifier: MIT */
#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef CH_LIBEDIT
#include <histedit.h>
#include <langinfo.h>
#endif

enum { HISTORY_LINES = 1000, LINE_BYTES = 1 << 24 };

struct ch_line {
    char *plain; /* of getline */
    size_t cap;
    const char *prompt;
    char *history_path;
    ch_line_words *words;
    void *arg;
    bool typed, shows; /* by somebody; a prompt too */
    wchar_t pasted;    /* what the line began with when that was pasted, or 0 */
#ifdef CH_LIBEDIT
    EditLine *edit;
    History *history;
    bool interrupted;
#endif
};

/* ---- Plain ----------------------------------------------------------------------------------- */

static void on_interrupt(int sig) { (void)sig; } /* ends the reading */

static ch_line_end get_plain(ch_line *l, const char **text, size_t *n)
{
    struct sigaction was, ends = {.sa_handler = on_interrupt}; /* without SA_RESTART */
    if (l->shows) {
        fputs(l->prompt, stdout);
        fflush(stdout);
    }
    if (l->typed)
        sigaction(SIGINT, &ends, &was);
    errno = 0;
    const ssize_t got = getline(&l->plain, &l->cap, stdin);
    const bool interrupted = got < 0 && errno == EINTR;
    if (l->typed)
        sigaction(SIGINT, &was, NULL);
    if (interrupted) {
        clearerr(stdin);
        puts("");
        return CH_LINE_INTERRUPTED;
    }
    if (got < 0)
        return CH_LINE_ENDED;
    *n = (size_t)got;
    if (*n > 0 && l->plain[*n - 1] == '\n')
        l->plain[--*n] = '\0';
    if (*n > 0 && l->plain[*n - 1] == '\r')
        l->plain[--*n] = '\0';
    *text = l->plain;
    return CH_LINE_READ;
}

/* ---- libedit --------------------------------------------------------------------------------- */
#ifdef CH_LIBEDIT

static ch_line *of(EditLine *edit)
{
    void *l = NULL;
    el_get(edit, EL_CLIENTDATA, &l);
    return l;
}

static char *prompt(EditLine *edit) { return (char *)(uintptr_t)of(edit)->prompt; }

static unsigned char interrupt(EditLine *edit, wint_t key)
{
    (void)key;
    of(edit)->interrupted = true;
    return CC_EOF;
}

/* The terminal is asked to bracket what it pastes while a line is read, and not else. */
static void ask_for_brackets(bool on)
{
    fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
    fflush(stdout);
}

static unsigned char suspend(EditLine *edit, wint_t key)
{
    (void)edit;
    (void)key;
    ask_for_brackets(false);
    raise(SIGTSTP); /* libedit gives the terminal back meanwhile */
    ask_for_brackets(true);
    return CC_REDISPLAY;
}

/* libedit gives the terminal back and sends the signal again, to this; the third one ends it. */
static void on_end(int sig)
{
    static const char plain[] = "\033[?2004l";
    const ssize_t told = write(STDOUT_FILENO, plain, sizeof plain - 1);
    (void)told;
    raise(sig); /* SA_RESETHAND: the default */
}

static const int endings[] = {SIGHUP, SIGTERM, SIGQUIT};

static void catch_endings(struct sigaction was[CH_COUNT(endings)])
{
    const struct sigaction on = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < CH_COUNT(endings); i++)
        if (sigaction(endings[i], NULL, &was[i]) == 0 && was[i].sa_handler == SIG_DFL)
            sigaction(endings[i], &on, NULL);
}

static void leave_endings(const struct sigaction was[CH_COUNT(endings)])
{
    for (size_t i = 0; i < CH_COUNT(endings); i++)
        sigaction(endings[i], &was[i], NULL);
}

/* Behind ESC [200~: everything up to ESC [201~ belongs to the line. */
static unsigned char paste(EditLine *edit, wint_t key)
{
    static const wchar_t end[] = L"\033[201~";
    size_t n = 0, cap = 256, ends = CH_COUNT(end) - 1;
    wchar_t *text = malloc(cap * sizeof *text), c;
    (void)key;
    while (text && n < LINE_BYTES && el_wgetc(edit, &c) == 1) {
        if (n + 2 > cap) {
            wchar_t *more = realloc(text, 2 * cap * sizeof *text);
            if (!more)
                break;
            text = more;
            cap *= 2;
        }
        text[n++] = c == L'\r' ? L'\n' : c;
        if (n >= ends && wmemcmp(text + n - ends, end, ends) == 0) {
            n -= ends;
            break;
        }
    }
    if (text) {
        while (n > 0 && text[n - 1] == L'\n')
            n--; /* the Enter that sends it is typed */
        text[n] = L'\0';
        const LineInfoW *at = el_wline(edit);
        if (n > 0 && at->cursor == at->buffer)
            of(edit)->pasted = text[0];
        if (n > 0)
            el_winsertstr(edit, text);
    }
    free(text);
    return CC_REFRESH;
}

/* The longest beginning that all words have, or a list of them. */
static unsigned char complete(EditLine *edit, wint_t key)
{
    const ch_line *l = of(edit);
    const LineInfo *at = el_line(edit);
    const size_t n = (size_t)(at->cursor - at->buffer);
    size_t cut = 0, same = 0;
    int count = 0;
    const char *first = NULL, *w;
    (void)key;
    for (; l->words && (w = l->words(l->arg, at->buffer, n, count, &cut)); count++) {
        size_t k = 0;
        while (first && k < same && w[k] == first[k])
            k++;
        same = first ? k : strlen(w);
        first = first ? first : w;
    }
    if (count == 0)
        return CC_ERROR;
    if (same > cut) {
        char more[128];
        snprintf(more, sizeof more, "%.*s%s", (int)(same - cut), first + cut,
                 count == 1 ? " " : "");
        return el_insertstr(edit, more) == 0 ? CC_REFRESH : CC_ERROR;
    }
    puts("");
    for (int i = 0; i < count; i++)
        printf("%s  ", l->words(l->arg, at->buffer, n, i, &cut));
    puts("");
    return CC_REDISPLAY;
}

/* The history's file, locked, also where another program renamed a new one over it meanwhile. */
static int lock_history(const char *path)
{
    for (int i = 0; i < 100; i++) {
        struct stat is, at;
        const int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return -1;
        flock(fd, LOCK_EX); /* file systems without locks are left in peace */
        if (fstat(fd, &is) == 0 && stat(path, &at) == 0 && is.st_ino == at.st_ino)
            return fd;
        close(fd);
    }
    return -1;
}

static void append(const ch_line *l, const char *text)
{
    HistEvent ev;
    const int fd = lock_history(l->history_path);
    FILE *f = fd >= 0 ? fdopen(fd, "a") : NULL;
    History *one = f ? history_init() : NULL;
    if (one) {
        history(one, &ev, H_SETSIZE, 1);
        history(one, &ev, H_ENTER, text);
        fseek(f, 0, SEEK_END); /* at 0 libedit writes the line that a history begins with */
        history(one, &ev, H_SAVE_FP, f);
        history_end(one);
    }
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
}

/* The lines that are kept become the file. */
static void cut_history(const ch_line *l, const char *path)
{
    HistEvent ev;
    char *cut = NULL;
    const int fd = lock_history(path);
    if (fd < 0)
        return;
    history(l->history, &ev, H_CLEAR);
    if (history(l->history, &ev, H_LOAD, path) >= 0 && asprintf(&cut, "%s.new", path) >= 0) {
        if (history(l->history, &ev, H_SAVE, cut) < 0 || rename(cut, path) != 0)
            unlink(cut);
        free(cut);
    }
    close(fd);
}

/* A file that is none of libedit's is not written. */
static void load_history(ch_line *l)
{
    HistEvent ev;
    struct stat st;
    if (stat(l->history_path, &st) != 0 || st.st_size == 0)
        return;
    const int lines = history(l->history, &ev, H_LOAD, l->history_path);
    if (lines > 2 * HISTORY_LINES) {
        char *path = realpath(l->history_path, NULL); /* a link stays one */
        if (path)
            cut_history(l, path);
        free(path);
    } else if (lines < 0) {
        fprintf(stderr, "%s is not a history of lines: none are kept\n", l->history_path);
        free(l->history_path);
        l->history_path = NULL;
    }
}

static bool open_edit(ch_line *l)
{
    HistEvent ev;
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8"); /* what is typed is UTF-8 all the same */
    l->edit = el_init("chalcis", stdin, stdout, stderr);
    l->history = history_init();
    if (!l->edit || !l->history)
        return false;
    history(l->history, &ev, H_SETSIZE, HISTORY_LINES);
    history(l->history, &ev, H_SETUNIQUE, 1);
    if (l->history_path)
        load_history(l);
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, prompt);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_SIGNAL, 1);
    el_set(l->edit, EL_HIST, history, l->history);
    el_set(l->edit, EL_SETTY, "-d", "-isig", "-ixon", NULL);
    el_wset(l->edit, EL_ADDFN, L"chat-interrupt", L"Empties the line", interrupt);
    el_wset(l->edit, EL_ADDFN, L"chat-paste", L"Takes pasted text", paste);
    el_wset(l->edit, EL_ADDFN, L"chat-complete", L"Completes a command", complete);
    el_wset(l->edit, EL_ADDFN, L"chat-suspend", L"Stops the program, as elsewhere", suspend);
    el_set(l->edit, EL_BIND, "^C", "chat-interrupt", NULL);
    el_set(l->edit, EL_BIND, "^Z", "chat-suspend", NULL);
    el_set(l->edit, EL_BIND, "\033[200~", "chat-paste", NULL);
    el_set(l->edit, EL_BIND, "^I", "chat-complete", NULL);
    el_set(l->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(l->edit, NULL); /* ~/.editrc: the user's own keys */
    return true;
}

static ch_line_end get_edited(ch_line *l, const char **text, size_t *n)
{
    int count = 0;
    struct sigaction was[CH_COUNT(endings)];
    l->interrupted = false;
    catch_endings(was);
    ask_for_brackets(true);
    const char *got = el_gets(l->edit, &count);
    ask_for_brackets(false);
    leave_endings(was);
    if (!got || count <= 0)
        puts("");
    fflush(stdout);
    if (l->interrupted) {
        el_reset(l->edit);
        return CH_LINE_INTERRUPTED;
    }
    if (!got || count <= 0)
        return CH_LINE_ENDED;
    *n = strlen(got);
    *n -= *n > 0 && got[*n - 1] == '\n';
    free(l->plain);
    l->plain = strndup(got, *n);
    l->cap = 0;
    *text = l->plain ? l->plain : "";
    return CH_LINE_READ;
}

#endif
/* ---- Both ------------------------------------------------------------------------------------ */

static void make_folder(const char *path)
{
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash && slash != folder) {
        *slash = '\0';
        ch_io_make_dir(folder, NULL);
    }
    free(folder);
}

int ch_line_open(ch_line **out, const char *history_path, ch_line_words *words, void *arg,
                 ch_err *e)
{
    ch_line *l = calloc(1, sizeof *l);
    *out = l;
    if (!l)
        return ch_fail(e, CH_ENOMEM, "no memory to read lines");
    l->words = words;
    l->arg = arg;
    l->typed = isatty(STDIN_FILENO) == 1;
    l->shows = l->typed && isatty(STDOUT_FILENO) == 1;
    if (!l->shows)
        return CH_OK;
    l->history_path = history_path ? strdup(history_path) : NULL;
    if (l->history_path)
        make_folder(l->history_path);
#ifdef CH_LIBEDIT
    if (!open_edit(l)) {
        ch_line_close(out);
        return ch_fail(e, CH_ENOMEM, "no memory to edit lines");
    }
#endif
    return CH_OK;
}

void ch_line_close(ch_line **line)
{
    ch_line *l = *line;
    if (!l)
        return;
#ifdef CH_LIBEDIT
    if (l->edit)
        el_end(l->edit);
    if (l->history)
        history_end(l->history);
#endif
    free(l->history_path);
    free(l->plain);
    free(l);
    *line = NULL;
}

ch_line_end ch_line_get(ch_line *l, const char **text, size_t *n, const char *prompt_text)
{
    l->prompt = prompt_text;
    l->pasted = L'\0';
#ifdef CH_LIBEDIT
    if (l->edit)
        return get_edited(l, text, n);
#endif
    return get_plain(l, text, n);
}

bool ch_line_pasted(const ch_line *l)
{
    return l->pasted && l->plain && l->pasted < 0x80 && *l->plain == (char)l->pasted;
}

void ch_line_remember(ch_line *l, const char *text)
{
#ifdef CH_LIBEDIT
    HistEvent ev;
    if (l->history && *text && history(l->history, &ev, H_ENTER, text) > 0 && l->history_path)
        append(l, text);
#else
    (void)l;
    (void)text;
#endif
}
