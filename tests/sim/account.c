/* SPDX-License-Identifier: MIT */
/* The store's account feed: all facts by place of arrival, and the ends of sessions. */
#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

/* Place i + 1. */
struct told {
    struct str session;
    struct facts *fact; /* NULL: the session was erased here, or the fact is gone with it */
    bool is_end;
};

struct account {
    struct told *items;
    size_t n, cap;
    uint64_t newest; /* number up to which there is an event */
};

struct account *account_new(void)
{
    return mem_zalloc(sizeof(struct account));
}

void account_free(struct account *a)
{
    for (size_t i = 0; i < a->n; i++)
        facts_unref(a->items[i].fact);
    mem_free(a->items);
    mem_free(a);
}

static void put(struct account *a, const struct told *t, bool is_event)
{
    a->items = mem_grow(a->items, &a->cap, a->n + 1, sizeof(*a->items));
    a->items[a->n++] = *t;
    if (is_event)
        a->newest = feed_last(a->n);
}

void account_put(struct account *a, struct str session, const struct fact *f)
{
    struct told t = {.session = session, .fact = facts_new(f, 1)};

    put(a, &t, feed_has(f->kind));
}

void account_erase(struct account *a, struct str session)
{
    struct told t = {.session = session, .is_end = true};

    for (size_t i = 0; i < a->n; i++) {
        if (a->items[i].fact == NULL || !str_eq(a->items[i].session, session))
            continue;
        facts_unref(a->items[i].fact);
        a->items[i].fact = NULL;
    }
    put(a, &t, true);
}

uint64_t account_newest(const struct account *a)
{
    return a->newest;
}

/* The events of place i + 1 above `after`. */
static unsigned events_of(const struct account *a, size_t i, uint64_t after, struct feed_row out[FEED_PARTS])
{
    const struct told *t = &a->items[i];
    struct feed_part parts[FEED_PARTS] = {{FEED_SESSION_DELETED, 0}};
    unsigned n = t->fact != NULL ? feed_parts(t->fact->items, parts) : t->is_end, kept = 0;

    for (unsigned k = 0; k < n; k++) {
        struct feed_row row = {
            .seq = feed_number(i + 1, parts[k].part), .event = parts[k].event, .session_id = t->session};

        row.fact = t->fact == NULL ? NULL : t->fact->items;
        if (row.seq > after)
            out[kept++] = row;
    }
    return kept;
}

bool account_next(const struct account *a, uint64_t after, struct feed_row *out)
{
    struct feed_row rows[FEED_PARTS];

    for (size_t i = feed_passed(after); i < a->n; i++) {
        if (events_of(a, i, after, rows) == 0)
            continue;
        *out = rows[0];
        return true;
    }
    return false;
}

/* The rows outlive an erasure that comes meanwhile: whoever reads them later looks at no fact. */
void account_read(const struct account *a, uint64_t after, size_t places, struct answer *out)
{
    uint64_t last = feed_last(a->n);
    size_t i = feed_passed(after);

    out->first_seq = 1;
    out->last_seq = out->upto = last;
    if (after >= last)
        return;
    out->feed = arena_alloc(&out->arena, places * FEED_PARTS * sizeof(*out->feed));
    for (; i < a->n && places > 0; i++, places--)
        out->n += events_of(a, i, after, out->feed + out->n);
    for (size_t k = 0; k < out->n; k++)
        out->feed[k].fact = NULL;
    out->more = i < a->n;
    out->upto = feed_last(i);
}
