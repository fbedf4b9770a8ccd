/* http_gather.c - what a stream sends in quick succession goes out together
 *
 * A small model's token takes less time than waking a thread and writing to a socket, which take it
 * from the same processors.  So a stream that was woken less than gather_ms ago stays asleep, and
 * the watcher wakes all such streams at once when the first of them is due: nothing waits longer.
 * One that was woken less than twice as long ago is due, but it is the watcher that wakes it, and
 * not the thread that computes the next tokens.
 * The first few writes are never held (an opening event, the first token).
 * SPDX-License-Identifier: MIT */
#include "http_in.h"

enum { AT_ONCE = 4 }; /* writes of an exchange that are not held */

void ch_http_resume(ch_exchange *x)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    x->woken_ns = ch_clock_ns();
    MHD_resume_connection(x->wire);
}

/* With x->lock.  false: it need not, or cannot, be held. */
static bool hold(ch_exchange *x)
{
    ch_http *h = x->h;
    const uint64_t gather_ns = (uint64_t)h->o.gather_ms * 1000000, now = ch_clock_ns();
    const bool early = x->writes < AT_ONCE;
    x->writes += early;
    if (!x->suspended || early || now >= x->woken_ns + 2 * gather_ns)
        return false;
    pthread_mutex_lock(&h->lock);
    const bool held = !h->stop, first = held && !h->held;
    if (held && !x->held) {
        x->held = true;
        x->refs++;
        x->next_held = h->held;
        h->held = x;
    }
    if (first)
        h->held_until_ns = x->woken_ns + gather_ns;
    pthread_mutex_unlock(&h->lock);
    if (first)
        ch_http_wake(h);
    return held;
}

void ch_http_resume_soon(ch_exchange *x)
{
    if (!hold(x))
        ch_http_resume(x);
}

int ch_http_held_ms(const ch_http *h)
{
    const uint64_t now = ch_clock_ns();
    return !h->held ? -1 : now >= h->held_until_ns ? 0
                         : (int)((h->held_until_ns - now + 999999) / 1000000);
}

void ch_http_release_held(ch_http *h)
{
    pthread_mutex_lock(&h->lock);
    ch_exchange *x = h->stop || ch_http_held_ms(h) == 0 ? h->held : NULL;
    h->held = x ? NULL : h->held;
    pthread_mutex_unlock(&h->lock);
    while (x) {
        ch_exchange *next = x->next_held;
        pthread_mutex_lock(&x->lock);
        pthread_mutex_lock(&h->lock);
        x->held = false;
        pthread_mutex_unlock(&h->lock);
        ch_http_resume(x);
        pthread_mutex_unlock(&x->lock);
        ch_http_exchange_drop(x);
        x = next;
    }
}
