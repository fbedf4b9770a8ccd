/* candidates.c - the list that samplers narrow: filling, partial order, softmax
 *
 * Order: descending logit, ties by ascending id; that is total, so whatever is sorted has one
 * result.  The best k of n come to the front through a heap of k entries that holds the worst of
 * them at its root: n comparisons with the root and about k ln(n/k) repairs, in place.  All of n:
 * the same heap, n log n.
 * Filling for the best k: the maxima of many interleaved parts are taken first; the k-th best of
 * them bounds the k-th best logit from below, so that two vectorizable passes over the logits
 * replace one over the list.
 * SPDX-License-Identifier: MIT */
#include <float.h>

#include "sample.h"

enum { LANES = 512, BLOCK = 64 };

static bool better(const ch_candidate *a, const ch_candidate *b)
{
    return a->logit != b->logit ? a->logit > b->logit : a->id < b->id;
}

static void swap(ch_candidate *a, ch_candidate *b)
{
    const ch_candidate t = *a;
    *a = *b;
    *b = t;
}

/* The entry at i sinks until none below it is worse. */
static void sink(ch_candidate *heap, int i, int n)
{
    const ch_candidate x = heap[i];
    for (int child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && better(&heap[child], &heap[child + 1]))
            child++;
        if (!better(&x, &heap[child]))
            break;
        heap[i] = heap[child];
    }
    heap[i] = x;
}

void ch_candidates_sort(ch_candidates *c, int first)
{
    const int k = CH_MIN(first, c->n);
    if (c->sorted || k <= 0)
        return;
    for (int i = k / 2 - 1; i >= 0; i--)
        sink(c->at, i, k);
    for (int i = k; i < c->n; i++)
        if (better(&c->at[i], &c->at[0])) {
            swap(&c->at[i], &c->at[0]);
            sink(c->at, 0, k);
        }
    for (int last = k - 1; last > 0; last--) {
        swap(&c->at[0], &c->at[last]);
        sink(c->at, 0, last);
    }
    c->sorted = k == c->n;
}

int ch_candidates_more(ch_candidates *c, int front)
{
    if (c->sorted)
        return c->n;
    ch_candidates rest = {.at = c->at + front, .n = c->n - front};
    const int more = CH_MIN(CH_MAX(front, 64), rest.n);
    ch_candidates_sort(&rest, more);
    c->sorted = rest.sorted || rest.n == 0;
    return front + more;
}

/* A value that at least `first` logits reach; -inf where finding one does not pay.  It is one of
 * the maxima of LANES interleaved parts, which `work` holds; NaN is passed over. */
static float lower_bound(ch_candidate *work, const float *logits, int vocab, int first)
{
    if (first <= 0 || first > LANES / 2 || vocab < 4 * LANES)
        return -INFINITY;
    float most[LANES];
    for (int l = 0; l < LANES; l++)
        most[l] = -INFINITY;
    for (int i = 0; i + LANES <= vocab; i += LANES)
        for (int l = 0; l < LANES; l++)
            most[l] = logits[i + l] > most[l] ? logits[i + l] : most[l];
    for (int l = 0; l < LANES; l++)
        work[l] = (ch_candidate){.id = l, .logit = most[l]};
    ch_candidates maxima = {.at = work, .n = LANES};
    ch_candidates_sort(&maxima, first);
    return work[first - 1].logit;
}

static bool none_reaches(const float *x, float least)
{
    int any = 0;
    for (int l = 0; l < BLOCK; l++)
        any |= x[l] >= least;
    return !any;
}

void ch_candidates_fill(ch_candidates *c, const float *logits, int vocab, int first)
{
    float least = lower_bound(c->at, logits, vocab, first);
    if (first > 0 && least < -FLT_MAX)
        least = -FLT_MAX; /* what is -inf is never drawn, and a grammar leaves much of it */
    int n = 0;
    for (int i = 0; i < vocab; i += BLOCK) {
        const int end = CH_MIN(vocab - i, (int)BLOCK);
        if (end == BLOCK && none_reaches(logits + i, least))
            continue;
        for (int l = 0; l < end; l++) {
            c->at[n] = (ch_candidate){.id = i + l, .logit = logits[i + l]};
            n += logits[i + l] >= least; /* false for NaN */
        }
    }
    c->n = n;
    c->sorted = false;
}

static float best_logit(const ch_candidates *c)
{
    float most = -INFINITY;
    for (int i = 0; i < c->n; i++)
        most = c->at[i].logit > most ? c->at[i].logit : most;
    return most;
}

void ch_candidates_softmax(ch_candidates *c)
{
    const float most = best_logit(c);
    double sum = 0;
    for (int i = 0; i < c->n; i++) {
        ch_candidate *a = &c->at[i];
        /* The difference of equal infinities would be NaN. */
        a->p = a->logit == -INFINITY ? 0 : a->logit == most ? 1 : expf(a->logit - most);
        sum += (double)a->p;
    }
    const double scale = sum > 0 ? 1 / sum : 0;
    for (int i = 0; i < c->n; i++)
        c->at[i].p = (float)((double)c->at[i].p * scale);
}

ch_token ch_candidates_best(const ch_candidates *c)
{
    ch_candidate best = {.id = -1, .logit = -INFINITY};
    for (int i = 0; i < c->n; i++)
        if (c->at[i].logit > best.logit || (c->at[i].logit == best.logit && c->at[i].id < best.id))
            best = c->at[i];
    return best.id;
}
