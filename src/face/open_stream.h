/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What all event streams have in common: the reply they are, the first frame, the heartbeat, pages
 * of the store for who is behind, and a turn soon for whoever is woken, outside of the call that woke
 * it. Embedded in each kind of stream, which has functions for it. Owned by the kind; loop thread.
 */
#include "session/query.h"

#include "face/exchange.h"

#define OPEN_STREAM_WRITE_BYTES (16 * 1024) /* small frames leave together, in pieces of about this size */

struct open_stream;

/* Of the store: asked for, then handed out. Who is not behind has none. */
struct page {
    struct list link;           /* of the face, while it is on its way */
    struct open_stream *stream; /* NULL: that is over */
    struct answer *answer;      /* NULL: on its way */
    size_t at;                  /* of it, for the kind */
};

struct open_stream_kind {
    void (*run)(struct open_stream *s);  /* its turn, or there is room; it may be gone afterwards */
    void (*gone)(struct open_stream *s); /* the connection is over: free it */
    void (*stop)(struct open_stream *s); /* the face stops: end it, if it has begun */
    void (*put_waiting)(struct open_stream *s, struct buf *out); /* goes before a heartbeat; NULL: nothing ever waits */
};

struct open_stream {
    const struct open_stream_kind *kind;
    struct face *face;
    struct http_stream *http; /* NULL: not begun yet, or over */
    struct list link, ready_link;
    struct page *page; /* NULL: nothing was asked for */
};

void open_stream_init(struct open_stream *s, const struct open_stream_kind *kind, struct face *f);
void open_stream_done(struct open_stream *s); /* neither a turn nor a page comes any more */

/* Answers the exchange, which is gone afterwards, with a stream. False: the connection is gone already. */
NODISCARD bool open_stream_begin(struct open_stream *s, struct exchange *x);
/* The first frame of all. `first_seq` may be NULL: then it is not told. */
void open_stream_put_opened(struct open_stream *s, const uint64_t *first_seq, uint64_t last_seq);
void open_stream_flush(struct open_stream *s, struct buf *out); /* writes what is in it, and empties it */
void open_stream_end(struct open_stream *s);                    /* the reply is whole; nothing where it has not begun */

/* What one look for more came to. DONE: that was all, and its end is told. GONE: it ends without a word. */
enum progress { PROGRESS_MORE, PROGRESS_WAIT, PROGRESS_DONE, PROGRESS_GONE };
/* Looks for more as long as there is room and no page is awaited; what was found last is left in `out`, to be flushed.
 */
enum progress open_stream_pull(struct open_stream *s, enum progress (*look)(struct open_stream *s, struct buf *out),
                               struct buf *out);

/* It has its turn when the page is there. One at a time. */
void open_stream_ask(struct open_stream *s, const struct query *q);
void open_stream_drop_page(struct open_stream *s); /* nothing where there is none */
void open_stream_pages_free(struct face *f);       /* the face goes: nothing comes of what is on its way */

void open_stream_wake(struct open_stream *s);
void open_streams_run(void *face); /* the function of the face's timer */
