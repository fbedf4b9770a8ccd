/* guard.c - mapped files that lose bytes while they are read
 *
 * The handler puts zeros in place of what is lost, marks the mapping, and lets the read go on;
 * whoever computes with it asks for the mark before it believes what came out.  POSIX does not list
 * mmap as safe in handlers; the system call by itself is, for it takes no lock of the process, and
 * the handler only maps when it was entered from a read of the mapping.
 * SPDX-License-Identifier: MIT */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "err.h"

enum { MOST = 1024 };

#ifdef SYS_mmap2 /* where SYS_mmap is another call, or none */
#define CALL_MMAP SYS_mmap2
#else
#define CALL_MMAP SYS_mmap
#endif

/* Written under the lock; read without one, where the mapping is in use and so does not go away.
 * from is written last and cleared first. */
struct guarded {
    _Atomic uintptr_t from; /* 0: free */
    _Atomic size_t size;
    int fd;
    char *path;
    atomic_bool lost;
};

static struct {
    pthread_mutex_t lock;
    atomic_bool watching;
    atomic_int used; /* places that were ever taken */
    struct guarded at[MOST];
    struct sigaction before; /* the handler that was there */
    uintptr_t page;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct guarded *find(uintptr_t address)
{
    const int n = atomic_load(&all.used);
    for (int i = 0; i < n; i++) {
        struct guarded *g = &all.at[i];
        const uintptr_t from = atomic_load(&g->from);
        if (from && address >= from && address - from < atomic_load(&g->size) &&
            atomic_load(&g->from) == from) /* it has not become another's */
            return g;
    }
    return NULL;
}

/* ---- The list -------------------------------------------------------------------------------- */

void ch_guard_watch(void) { atomic_store(&all.watching, true); }

static char *printable(const char *path)
{
    char *copy = strdup(path);
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return copy;
}

bool ch_guard_add(const void *data, size_t n, int fd, const char *path)
{
    if (!atomic_load(&all.watching))
        return false;
    char *copy = printable(path);
    pthread_mutex_lock(&all.lock);
    int i = 0;
    while (i < MOST && atomic_load(&all.at[i].from))
        i++;
    const bool noted = copy && i < MOST;
    if (noted) {
        struct guarded *g = &all.at[i];
        atomic_store(&g->size, n);
        g->fd = fd;
        g->path = copy;
        atomic_store(&g->lost, false);
        atomic_store(&g->from, (uintptr_t)data);
        if (i >= atomic_load(&all.used))
            atomic_store(&all.used, i + 1);
    }
    pthread_mutex_unlock(&all.lock);
    if (!noted)
        free(copy);
    return noted;
}

void ch_guard_remove(const void *data)
{
    pthread_mutex_lock(&all.lock);
    struct guarded *g = find((uintptr_t)data);
    if (g) {
        atomic_store(&g->from, 0);
        close(g->fd);
        free(g->path);
    }
    pthread_mutex_unlock(&all.lock);
}

int ch_guard_whole(const void *data, ch_err *e)
{
    struct guarded *g = find((uintptr_t)data);
    struct stat st;
    if (!g)
        return CH_OK;
    const size_t size = atomic_load(&g->size);
    const bool cut = fstat(g->fd, &st) == 0 && (uintmax_t)st.st_size < size;
    if (!cut && !atomic_load(&g->lost))
        return CH_OK;
    atomic_store(&g->lost, true);
    if (cut)
        return ch_fail(e, CH_EIO, "%s was cut from %zu bytes to %lld while it was in use", g->path,
                       size, (long long)st.st_size);
    return ch_fail(e, CH_EIO, "%s: a part of it could not be read while it was in use", g->path);
}

/* ---- The signal ------------------------------------------------------------------------------ */

const char *ch_guard_path(const void *address)
{
    const struct guarded *g = find((uintptr_t)address);
    return g ? g->path : NULL;
}

/* Zeros from the page of an address to the end of its mapping: one signal, not one a page. */
static bool mend(uintptr_t address)
{
    struct guarded *g = find(address);
    if (!g)
        return false;
    const uintptr_t page = address & ~(all.page - 1);
    const uintptr_t from = atomic_load(&g->from);
    atomic_store(&g->lost, true);
    return syscall(CALL_MMAP, page, from + atomic_load(&g->size) - page, PROT_READ,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (long)page;
}

/* As if there were no handler of ours.  A fault comes again by itself where the handler returns to
 * it; a signal that somebody sent has to be sent again. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
    if (all.before.sa_flags & SA_SIGINFO) {
        all.before.sa_sigaction(sig, info, context);
    } else if (all.before.sa_handler == SIG_IGN && info->si_code <= 0) {
        return;
    } else if (all.before.sa_handler != SIG_DFL && all.before.sa_handler != SIG_IGN) {
        all.before.sa_handler(sig);
    } else {
        signal(sig, SIG_DFL);
        if (info->si_code <= 0)
            raise(sig);
    }
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
    const int kept = errno;
    if (info->si_code <= 0 || !mend((uintptr_t)info->si_addr))
        pass_on(sig, info, context);
    errno = kept;
}

int ch_guard_files(ch_err *e)
{
    struct sigaction a = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction now;
    pthread_mutex_lock(&all.lock);
    all.page = (uintptr_t)sysconf(_SC_PAGESIZE);
    bool failed = sigaction(SIGBUS, NULL, &now) != 0;
    const bool ours = !failed && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_bus;
    if (!failed && !ours) {
        all.before = now;
        failed = sigaction(SIGBUS, &a, NULL) != 0;
    }
    pthread_mutex_unlock(&all.lock);
    if (failed)
        return ch_fail(e, CH_EIO, "no handler of SIGBUS: %s", strerror(errno));
    ch_guard_watch();
    return CH_OK;
}
