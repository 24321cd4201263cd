/* SPDX-License-Identifier: MIT */
#include "face/open_stream.h"

#include "face/face_internal.h"

void open_stream_init(struct open_stream *s, const struct open_stream_kind *kind, struct face *f)
{
    s->kind = kind;
    s->face = f;
    list_init(&s->ready_link);
    list_add_tail(&f->streams, &s->link);
}

void open_stream_done(struct open_stream *s)
{
    list_remove(&s->link);
    list_remove(&s->ready_link);
}

void open_stream_wake(struct open_stream *s)
{
    struct face *f = s->face;

    if (!list_is_empty(&s->ready_link))
        return;
    if (list_is_empty(&f->ready))
        timer_start(f->wake, 0);
    list_add_tail(&f->ready, &s->ready_link);
}

void open_streams_run(void *face)
{
    struct face *f = face;

    /* Whoever wakes up meanwhile has its turn in the next one. */
    struct list turn;

    list_init(&turn);
    while (!list_is_empty(&f->ready)) {
        struct list *it = f->ready.next;

        list_remove(it);
        list_add_tail(&turn, it);
    }
    while (!list_is_empty(&turn)) {
        struct open_stream *s = LIST_ITEM(turn.next, struct open_stream, ready_link);

        list_remove(&s->ready_link);
        s->kind->run(s);
    }
}

void face_close_streams(struct face *f)
{
    f->stopping = true;
    LIST_EACH (it, tmp, &f->streams) {
        struct open_stream *s = LIST_ITEM(it, struct open_stream, link);

        s->kind->close(s);
    }
}
