/* SPDX-License-Identifier: MIT */
#include "engine/feed_hub.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/ring.h"
#include "base/str.h"
#include "engine/feed_states.h"

/* What the store gave at once; its events leave the ring one by one. */
struct page {
    size_t refs;
    struct answer *a;
};

/* A slot is reused with its frame buffer. */
struct slot {
    uint64_t seq;
    struct page *page; /* NULL: the frame is enough */
    uint32_t item;
    size_t bytes; /* of memory, roughly */
    struct buf frame;
};

struct feed_hub {
    size_t capacity;
    void (*wants)(void *arg);
    void *arg;
    uint64_t newest;     /* what the store has */
    uint64_t tail, head; /* the ring holds every event above the one, up to the other */
    struct slot *ring;   /* index i lives in ring[i & (cap - 1)]; first <= i < end */
    size_t cap, bytes;
    uint64_t first, end;
    bool asked, stale; /* a page is on its way; and it is of before everybody left */
    bool dirty, broken;
    struct feed_states *states;
    struct list watchers;
    size_t n_watchers;
};

struct feed_watcher {
    struct list link;
    struct feed_hub *hub;
    uint64_t seq, version; /* handed out: events, states */
    void (*wake)(void *arg);
    void *arg;
};

#define FRAME_KEPT 4096 /* a larger buffer does not stay with its slot */

static void want(struct feed_hub *h)
{
    h->wants(h->arg);
}

/* ---- the ring ---- */

static void page_unref(struct page *p)
{
    if (p == NULL || --p->refs > 0)
        return;
    answer_free(p->a);
    mem_free(p);
}

static struct slot *slot_at(const struct feed_hub *h, uint64_t i)
{
    return &h->ring[i & (h->cap - 1)];
}

static void drop_oldest(struct feed_hub *h)
{
    struct slot *s = slot_at(h, h->first++);

    h->tail = s->seq;
    h->bytes -= s->bytes;
    page_unref(s->page);
    s->page = NULL;
    if (s->frame.cap > FRAME_KEPT)
        buf_done(&s->frame);
}

static void push(struct feed_hub *h, struct page *p, uint32_t item, size_t bytes)
{
    struct slot *s;

    while (h->first < h->end && (h->end - h->first == h->capacity || h->bytes + bytes > LIMIT_PAGE_BYTES))
        drop_oldest(h);
    if (h->end - h->first == h->cap)
        h->ring = ring_grow(h->ring, &h->cap, h->first, sizeof(*h->ring));
    s = slot_at(h, h->end++);
    s->seq = p->a->feed[item].seq;
    s->page = p;
    s->item = item;
    s->bytes = bytes;
    buf_clear(&s->frame);
    p->refs++;
    h->bytes += bytes;
}

static void free_ring(struct feed_hub *h)
{
    while (h->first < h->end)
        drop_oldest(h);
    for (size_t i = 0; i < h->cap; i++)
        buf_done(&h->ring[i].frame);
    mem_free(h->ring);
    h->ring = NULL;
    h->cap = 0;
}

/* The first event above `seq`. */
static struct slot *find(const struct feed_hub *h, uint64_t seq)
{
    uint64_t low = h->first, high = h->end;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (slot_at(h, middle)->seq <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low < h->end ? slot_at(h, low) : NULL;
}

/* ---- hub ---- */

struct feed_hub *feed_hub_new(size_t capacity, void (*wants)(void *arg), void *arg)
{
    struct feed_hub *h = mem_zalloc(sizeof(*h));

    h->capacity = capacity;
    h->wants = wants;
    h->arg = arg;
    h->states = feed_states_new();
    list_init(&h->watchers);
    return h;
}

void feed_hub_free(struct feed_hub *h)
{
    if (h == NULL)
        return;
    assert(list_is_empty(&h->watchers));
    free_ring(h);
    feed_states_free(h->states);
    mem_free(h);
}

size_t feed_hub_watchers(const struct feed_hub *h)
{
    return h->n_watchers;
}

void feed_hub_set_newest(struct feed_hub *h, uint64_t newest)
{
    h->newest = newest;
    if (h->n_watchers > 0)
        want(h);
}

void feed_hub_touch(struct feed_hub *h, struct str session_id)
{
    if (h->n_watchers == 0)
        return;
    feed_states_touch(h->states, session_id, h->newest);
    want(h);
}

void feed_hub_forget(struct feed_hub *h, struct str session_id)
{
    feed_states_forget(h->states, session_id);
}

/* ---- serving ---- */

bool feed_hub_wants_page(struct feed_hub *h, uint64_t *after)
{
    if (h->asked || h->broken || h->n_watchers == 0 || h->head >= h->newest)
        return false;
    h->asked = true;
    h->stale = false;
    *after = h->head;
    return true;
}

static void take_rows(struct feed_hub *h, struct answer *a)
{
    struct page *p = mem_zalloc(sizeof(*p));
    size_t bytes = (a->arena.total + ARENA_INLINE) / a->n + sizeof(struct slot);

    p->refs = 1;
    p->a = a;
    for (uint32_t i = 0; i < a->n; i++)
        push(h, p, i, bytes);
    page_unref(p);
}

void feed_hub_take_page(struct feed_hub *h, struct answer *a)
{
    h->asked = false;
    if (h->stale || h->n_watchers == 0) {
        answer_free(a);
        if (h->n_watchers > 0)
            want(h);
        return;
    }
    h->dirty = true;
    /* It cannot be read, or what follows is not kept any more: everybody leaves and comes back with his cursor. */
    h->broken = a->rc < 0 || a->first_seq > h->head + 1;
    if (!h->broken)
        h->head = a->upto;
    if (!h->broken && a->n > 0)
        take_rows(h, a);
    else
        answer_free(a);
    want(h);
}

bool feed_hub_wants_state(struct feed_hub *h, int64_t mono_ms, struct str *session_id)
{
    return h->n_watchers > 0 && feed_states_ask(h->states, h->head, mono_ms, session_id);
}

void feed_hub_take_state(struct feed_hub *h, struct answer *a)
{
    h->dirty |= feed_states_take(h->states, a);
    want(h);
}

void feed_hub_wake(struct feed_hub *h)
{
    uint64_t seen = UINT64_MAX;

    LIST_EACH (it, next, &h->watchers) {
        struct feed_watcher *w = LIST_ITEM(it, struct feed_watcher, link);

        seen = w->version < seen ? w->version : seen;
        if (h->dirty)
            w->wake(w->arg);
    }
    h->dirty = false;
    if (h->n_watchers > 0)
        feed_states_seen(h->states, seen);
}

int64_t feed_hub_due(const struct feed_hub *h)
{
    return h->n_watchers == 0 ? -1 : feed_states_due(h->states);
}

/* ---- watchers ---- */

struct feed_watcher *feed_watcher_new(struct feed_hub *h, uint64_t seq, uint64_t last, void (*wake)(void *arg),
                                      void *arg)
{
    struct feed_watcher *w = mem_zalloc(sizeof(*w));

    assert(seq <= last);
    w->hub = h;
    w->seq = seq;
    w->version = feed_states_version(h->states);
    w->wake = wake;
    w->arg = arg;
    if (h->n_watchers++ == 0)
        h->tail = h->head = last;
    list_add_tail(&h->watchers, &w->link);
    want(h); /* there may be newer ones than `last` */
    return w;
}

void feed_watcher_free(struct feed_watcher *w)
{
    struct feed_hub *h;

    if (w == NULL)
        return;
    h = w->hub;
    list_remove(&w->link);
    mem_free(w);
    if (--h->n_watchers > 0)
        return;
    free_ring(h);
    feed_states_clear(h->states);
    h->stale = h->asked;
    h->broken = h->dirty = false;
}

uint64_t feed_watcher_seq(const struct feed_watcher *w)
{
    return w->seq;
}

void feed_watcher_skip(struct feed_watcher *w, uint64_t seq)
{
    if (seq > w->seq)
        w->seq = seq;
}

static void give(struct slot *s, struct feed_item *out)
{
    if (s->page != NULL && s->frame.n > 0) {
        page_unref(s->page);
        s->page = NULL;
    }
    *out = (struct feed_item){.row = s->page == NULL ? NULL : &s->page->a->feed[s->item], .frame = &s->frame};
}

enum feed_next feed_watcher_next(struct feed_watcher *w, struct feed_item *out)
{
    struct feed_hub *h = w->hub;
    struct slot *s;

    if (h->broken)
        return FEED_END;
    if (w->seq < h->tail)
        return FEED_BEHIND;
    s = find(h, w->seq);
    if (s != NULL) {
        w->seq = s->seq;
        give(s, out);
        return FEED_ITEM;
    }
    if (w->seq < h->head)
        w->seq = h->head;
    *out = (struct feed_item){0};
    if (feed_states_next(h->states, &w->version, &out->session, &out->frame))
        return FEED_ITEM;
    if (feed_states_want(h->states))
        want(h);
    return FEED_EMPTY;
}
