/* candidates.c - the list that samplers narrow: filling, partial order, softmax
 *
 * Order: descending logit, ties by ascending id; that is total, so whatever is sorted has one
 * result.  The few best of n come to the front through a heap of k entries that holds the worst of
 * them at its root: n comparisons with the root and about k ln(n/k) repairs, in place.  Many, or
 * all of n: quicksort that leaves alone what is behind the k best (Martinez 2004), n + k log k.
 * Filling for the best k: the maxima of many interleaved parts are taken first; what k of them
 * reach bounds the k-th best logit from below, so that two vectorizable passes over the logits
 * replace one over the list.
 * SPDX-License-Identifier: MIT */
#include <float.h>

#include "sample.h"

#include <stdlib.h>

enum { LANES = 512, HALVINGS = 12, BLOCK = 64, PART = 16, HEAPED = 128, INSERTED = 16 };
#ifdef CH_HOSTILE
enum { DEPTH = 2 };
#else
enum { DEPTH = 64 };
#endif

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

static void sort_by_heap(ch_candidate *at, int n, int k)
{
    for (int i = k / 2 - 1; i >= 0; i--)
        sink(at, i, k);
    for (int i = k; i < n; i++)
        if (better(&at[i], &at[0])) {
            swap(&at[i], &at[0]);
            sink(at, 0, k);
        }
    for (int last = k - 1; last > 0; last--) {
        swap(&at[0], &at[last]);
        sink(at, 0, last);
    }
}

/* Those in front of what is returned are no worse than those behind it; neither is empty. */
static int split(ch_candidate *at, int n)
{
    const ch_candidate *a = &at[0], *b = &at[n / 2], *c = &at[n - 1];
    const ch_candidate *low = better(a, b) ? b : a, *high = low == a ? b : a;
    const ch_candidate pivot = better(low, c) ? *low : better(c, high) ? *high : *c;
    for (int i = 0, j = n - 1;; i++, j--) {
        while (better(&at[i], &pivot))
            i++;
        while (better(&pivot, &at[j]))
            j--;
        if (i >= j)
            return j + 1;
        swap(&at[i], &at[j]);
    }
}

static void sort_by_insertion(ch_candidate *at, int n)
{
    for (int i = 1; i < n; i++) {
        const ch_candidate x = at[i];
        int j = i;
        for (; j > 0 && better(&x, &at[j - 1]); j--)
            at[j] = at[j - 1];
        at[j] = x;
    }
}

/* The best k of n to the front; where splitting goes badly `depth` times, by heap. */
static void sort_by_splitting(ch_candidate *at, int n, int k, int depth)
{
    while (n > INSERTED && k > 0) {
        if (depth-- == 0) {
            sort_by_heap(at, n, CH_MIN(k, n));
            return;
        }
        const int front = split(at, n);
        sort_by_splitting(at, front, k, depth);
        at += front;
        n -= front;
        k -= front;
    }
    if (k > 0)
        sort_by_insertion(at, n);
}

void ch_candidates_sort(ch_candidates *c, int first)
{
    const int k = CH_MIN(first, c->n);
    if (c->sorted || k <= 0)
        return;
    if (k <= HEAPED && c->n > INSERTED)
        sort_by_heap(c->at, c->n, k);
    else
        sort_by_splitting(c->at, c->n, k, DEPTH);
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

/* About the k-th largest of x, and no larger: at least k of them reach it; -inf where no k are
 * finite.  By halving the range, since counting is what a CPU does fastest. */
static float kth_at_least(const float *x, int n, int k)
{
    float low = INFINITY, high = -INFINITY;
    int finite = 0;
    for (int i = 0; i < n; i++) {
        const bool is = x[i] >= -FLT_MAX;
        finite += is;
        low = is && x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    if (finite < k)
        return -INFINITY;
    high = CH_MIN(high, FLT_MAX);
    for (int h = 0; h < HALVINGS; h++) {
        const float mid = 0.5f * low + 0.5f * high;
        int reach = 0;
        for (int i = 0; i < n; i++)
            reach += x[i] >= mid;
        *(reach >= k ? &low : &high) = mid;
    }
    return low;
}

/* A value that at least `first` logits reach, -inf where finding one does not pay: many of the
 * maxima of LANES interleaved parts do.  NaN is passed over. */
static float lower_bound(const float *logits, int vocab, int first)
{
    if (first <= 0 || first > LANES / 2 || vocab < 4 * LANES)
        return -INFINITY;
    float most[LANES];
    for (int l = 0; l < LANES; l++)
        most[l] = -INFINITY;
    for (int i = 0; i + LANES <= vocab; i += LANES)
        for (int l = 0; l < LANES; l++)
            most[l] = logits[i + l] > most[l] ? logits[i + l] : most[l];
    return kth_at_least(most, LANES, first);
}

static inline bool none_reaches(const float *x, int n, float least)
{
    int any = 0;
    for (int l = 0; l < n; l++)
        any |= x[l] >= least;
    return !any;
}

void ch_candidates_fill(ch_candidates *c, const float *logits, int vocab, int first)
{
    float least = lower_bound(logits, vocab, first);
    if (first > 0 && least < -FLT_MAX)
        least = -FLT_MAX; /* what is -inf is never drawn, and a grammar leaves much of it */
    int n = 0;
    for (int i = 0, part; i < vocab; i += part) {
        part = CH_MIN(vocab - i, (int)PART);
        if (i % BLOCK == 0 && vocab - i >= BLOCK && none_reaches(logits + i, BLOCK, least))
            part = BLOCK;
        else if (part < PART || !none_reaches(logits + i, PART, least))
            for (int l = i; l < i + part; l++) {
                c->at[n] = (ch_candidate){.id = l, .logit = logits[l]};
                n += logits[l] >= least; /* false for NaN */
            }
    }
    c->n = n;
    c->sorted = false;
}

float ch_candidates_most(const ch_candidates *c)
{
    float most = -INFINITY;
    for (int i = 0; i < c->n; i++)
        most = c->at[i].logit > most ? c->at[i].logit : most;
    return most;
}

void ch_candidates_softmax(ch_candidates *c)
{
    const float most = ch_candidates_most(c);
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

double ch_candidates_entropy(const ch_candidates *c)
{
    double sum = 0;
    for (int i = 0; i < c->n; i++)
        if (c->at[i].p > 0)
            sum -= (double)c->at[i].p * log((double)c->at[i].p);
    return sum;
}

ch_token ch_candidates_best(const ch_candidates *c)
{
    ch_candidate best = {.id = -1, .logit = -INFINITY};
    for (int i = 0; i < c->n; i++)
        if (c->at[i].logit > best.logit || (c->at[i].logit == best.logit && c->at[i].id < best.id))
            best = c->at[i];
    return best.id;
}

/* ---- By id --------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    const ch_candidate *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

void ch_candidates_by_id(ch_candidates *c)
{
    bool ascending = true;
    for (int i = 0; i < c->n; i++) {
        c->at[i].p = 0;
        ascending = ascending && (i == 0 || c->at[i - 1].id < c->at[i].id);
    }
    if (!ascending)
        qsort(c->at, (size_t)c->n, sizeof *c->at, compare_ids);
    c->sorted = false;
}

ch_candidate *ch_candidates_find(const ch_candidates *c, ch_token id)
{
    int low = 0, high = CH_MIN(id, c->n - 1); /* as many ids as may be below it stand before it */
    if (high >= 0 && c->at[high].id == id)    /* and mostly all of them do */
        return &c->at[high];
    while (low <= high) {
        const int mid = low + (high - low) / 2;
        if (c->at[mid].id == id)
            return &c->at[mid];
        if (c->at[mid].id < id)
            low = mid + 1;
        else
            high = mid - 1;
    }
    return NULL;
}
