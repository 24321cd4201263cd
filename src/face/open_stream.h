/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What all event streams have in common: they are known to the face, and whoever is woken has its
 * turn soon, outside of the call that woke it. Embedded in each kind of stream, which has two
 * functions for it. Owned by the kind; loop thread.
 */
#include "base/list.h"

struct face;
struct open_stream;

struct open_stream_kind {
    void (*run)(struct open_stream *s);   /* its turn; it may be gone afterwards */
    void (*close)(struct open_stream *s); /* the face stops: end it, if it has begun */
};

struct open_stream {
    const struct open_stream_kind *kind;
    struct face *face;
    struct list link, ready_link;
};

void open_stream_init(struct open_stream *s, const struct open_stream_kind *kind, struct face *f);
void open_stream_done(struct open_stream *s); /* no turn comes any more */
void open_stream_wake(struct open_stream *s);
void open_streams_run(void *face); /* the function of the face's timer */
