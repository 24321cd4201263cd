/* SPDX-License-Identifier: MIT */
#include "session/feed.h"

typedef bool when_fn(const struct fact *f);

static bool feed_always(const struct fact *f UNUSED)
{
    return true;
}

static bool feed_sets_title(const struct fact *f)
{
    return f->set_title;
}

static bool feed_sets_pinned(const struct fact *f)
{
    return f->set_pinned;
}

static bool feed_sets_model(const struct fact *f)
{
    return f->set_model || f->set_effort;
}

static bool feed_clears(const struct fact *f)
{
    return f->how == REMOVAL_CLEAR;
}

static const struct row {
    enum fact_kind kind;
    unsigned part;
    when_fn *when;
} rows[FEED_EVENT_COUNT] = {
#define X(event, kind, part, when) [FEED_##event] = {FACT_##kind, part, when},
    FEED_EVENTS(X)
#undef X
};

#define X(event, kind, part, when) _Static_assert((part) < FEED_PARTS, "no number is left for " #event);
FEED_EVENTS(X)
#undef X

bool feed_has(enum fact_kind kind)
{
    static const uint64_t kinds = 0
#define X(event, kind, part, when) | UINT64_C(1) << FACT_##kind
        FEED_EVENTS(X)
#undef X
        ;

    return (kinds >> kind & 1) != 0;
}

unsigned feed_parts(const struct fact *f, struct feed_part out[FEED_PARTS])
{
    unsigned n = 0;

    for (int i = 0; i < FEED_EVENT_COUNT && n < FEED_PARTS; i++)
        if (rows[i].kind == f->kind && rows[i].when(f))
            out[n++] = (struct feed_part){(enum feed_event)i, rows[i].part};
    return n;
}
