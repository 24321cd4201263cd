/* SPDX-License-Identifier: MIT */
#include "engine/hub.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/ring.h"
#include "base/str.h"

/* The model call whose text is being shown. */
struct live_text {
    bool open;
    uint32_t run, round, gen;
    uint64_t serial; /* rises with every message: tells old slots from new ones */
    char id[ID_TEXT];
    struct buf bytes[DELTA_CHANNELS];
};

/* A slot is reused with its frame buffer, so that a stream of tokens allocates nothing. */
struct slot {
    enum event_kind kind;
    struct facts *facts; /* fact: the block, and which of it */
    uint32_t item;
    int channel; /* delta: a range of the live text of message `serial` */
    uint64_t serial, offset;
    size_t n;
    size_t bytes; /* of memory, roughly */
    struct buf frame;
};

struct hub {
    struct str id;
    size_t capacity;
    bool ready, dirty;
    uint64_t fed; /* newest seq anybody tried to publish */
    struct session published;
    struct live_text live;
    struct slot *ring; /* index i lives in ring[i & (ring_cap - 1)]; tail <= i < head */
    size_t ring_cap, ring_bytes;
    uint64_t head, tail;
    struct list subscribers;
    size_t n_subscribers, n_caught_up;
};

struct subscriber {
    struct list link;
    struct hub *hub;
    uint64_t want;         /* the next fact to hand out */
    uint64_t pos;          /* ring index; OUTSIDE: look for `want` anew */
    uint64_t caught_at;    /* head when it last had everything */
    char message[ID_TEXT]; /* the message it has text of */
    uint64_t have[DELTA_CHANNELS];
    void (*wake)(void *arg);
    void *arg;
};

#define OUTSIDE UINT64_MAX
#define RING_KEPT 64     /* an idle ring larger than this gives its memory back */
#define BUFFER_KEPT 4096 /* so does a buffer that is used again */

/* ---- hub ---- */

struct hub *hub_new(struct str session_id, size_t capacity)
{
    struct hub *h = mem_zalloc(sizeof(*h));

    h->id = (struct str){mem_strndup(session_id.p, session_id.n), session_id.n};
    h->capacity = capacity;
    list_init(&h->subscribers);
    return h;
}

static struct slot *slot_at(const struct hub *h, uint64_t i)
{
    return &h->ring[i & (h->ring_cap - 1)];
}

static void drop_oldest(struct hub *h)
{
    struct slot *s = slot_at(h, h->tail++);

    h->ring_bytes -= s->bytes;
    facts_unref(s->facts);
    s->facts = NULL;
    if (s->frame.cap > BUFFER_KEPT)
        buf_done(&s->frame);
}

static void free_ring(struct hub *h)
{
    while (h->tail < h->head)
        drop_oldest(h);
    for (size_t i = 0; i < h->ring_cap; i++)
        buf_done(&h->ring[i].frame);
    mem_free(h->ring);
    h->ring = NULL;
    h->ring_cap = 0;
}

void hub_free(struct hub *h)
{
    if (h == NULL)
        return;
    LIST_EACH (it, next, &h->subscribers) {
        struct subscriber *s = LIST_ITEM(it, struct subscriber, link);

        list_remove(it);
        s->hub = NULL;
        s->wake(s->arg);
    }
    free_ring(h);
    for (int c = 0; c < DELTA_CHANNELS; c++)
        buf_done(&h->live.bytes[c]);
    mem_free((void *)(uintptr_t)h->id.p);
    mem_free(h);
}

/* Everybody has everything: whoever comes later starts from the snapshot or the log. */
static void clear_if_idle(struct hub *h)
{
    if (h->n_caught_up < h->n_subscribers)
        return;
    if (h->ring_cap > RING_KEPT) {
        free_ring(h);
        return;
    }
    while (h->tail < h->head)
        drop_oldest(h);
}

static struct slot *push(struct hub *h, enum event_kind kind, size_t bytes)
{
    struct slot *s;

    while (h->tail < h->head && (h->head - h->tail == h->capacity || h->ring_bytes + bytes > LIMIT_PAGE_BYTES))
        drop_oldest(h);
    if (h->head - h->tail == h->ring_cap)
        h->ring = ring_grow(h->ring, &h->ring_cap, h->tail, sizeof(*h->ring));
    s = slot_at(h, h->head++);
    s->kind = kind;
    s->bytes = bytes;
    h->ring_bytes += bytes;
    buf_clear(&s->frame);
    h->n_caught_up = 0;
    h->dirty = true;
    return s;
}

static void follow_live_text(struct hub *h)
{
    const struct run_state *r = &h->published.run;
    struct live_text *t = &h->live;
    bool open = r->active && r->round_open;

    if (open == t->open && (!open || (t->run == r->number && t->round == r->round && t->gen == r->gen)))
        return;
    t->open = open;
    t->serial++;
    for (int c = 0; c < DELTA_CHANNELS; c++) {
        if (t->bytes[c].cap > BUFFER_KEPT)
            buf_done(&t->bytes[c]);
        else
            buf_clear(&t->bytes[c]);
    }
    if (!open)
        return;
    t->run = r->number;
    t->round = r->round;
    t->gen = r->gen;
    session_message_id(&h->published, t->run, t->round, t->gen, t->id);
}

bool hub_is_ready(const struct hub *h)
{
    return h->ready;
}

bool hub_set_snapshot(struct hub *h, const struct session *published, struct str text, struct str reasoning)
{
    if (published->seq < h->fed || (h->ready && published->seq < h->published.seq))
        return false;
    h->ready = true;
    h->published = *published;
    h->fed = published->seq;
    h->live.open = false;
    follow_live_text(h);
    if (h->live.open) {
        buf_add_str(&h->live.bytes[DELTA_TEXT], text);
        buf_add_str(&h->live.bytes[DELTA_REASONING], reasoning);
    }
    /* What the ring holds ends before the gap that made this snapshot necessary. */
    while (h->tail < h->head)
        drop_oldest(h);
    LIST_EACH (it, next, &h->subscribers) {
        struct subscriber *s = LIST_ITEM(it, struct subscriber, link);

        s->pos = OUTSIDE;
        s->caught_at = OUTSIDE;
    }
    h->n_caught_up = 0;
    h->dirty = true;
    return true;
}

bool hub_publish(struct hub *h, struct facts *facts)
{
    for (uint32_t i = 0; i < facts->n; i++) {
        const struct fact *f = &facts->items[i];
        struct slot *s;

        if (f->seq > h->fed)
            h->fed = f->seq;
        if (h->ready && f->seq <= h->published.seq)
            continue;
        if (!h->ready || f->seq != h->published.seq + 1) {
            h->ready = false;
            h->fed = facts->items[facts->n - 1].seq;
            return false;
        }
        session_fold(&h->published, f);
        follow_live_text(h);
        if (h->n_subscribers == 0)
            continue;
        s = push(h, EVENT_FACT, facts->bytes / facts->n);
        s->facts = facts_ref(facts);
        s->item = i;
    }
    return true;
}

void hub_publish_delta(struct hub *h, uint32_t run, uint32_t round, uint32_t gen, int channel, uint64_t offset,
                       struct str piece)
{
    struct live_text *t = &h->live;
    struct buf *bytes = &t->bytes[channel];
    uint64_t at = bytes->n;
    struct slot *s;

    if (!h->ready || !t->open || t->run != run || t->round != round || t->gen != gen)
        return;
    if (offset > bytes->n || offset + piece.n <= bytes->n)
        return; /* a hole is closed by the finished message; what is known is known */
    piece = str_skip(piece, at - offset);
    buf_add_str(bytes, piece);
    if (h->n_subscribers == 0)
        return;
    s = push(h, EVENT_DELTA, piece.n);
    s->channel = channel;
    s->serial = t->serial;
    s->offset = at;
    s->n = piece.n;
}

bool hub_take_dirty(struct hub *h)
{
    bool was = h->dirty;

    h->dirty = false;
    return was;
}

void hub_wake(struct hub *h)
{
    LIST_EACH (it, next, &h->subscribers) {
        struct subscriber *s = LIST_ITEM(it, struct subscriber, link);

        if (s->caught_at != h->head)
            s->wake(s->arg);
    }
}

const struct session *hub_session(const struct hub *h)
{
    return &h->published;
}

struct str hub_session_id(const struct hub *h)
{
    return h->id;
}

size_t hub_subscribers(const struct hub *h)
{
    return h->n_subscribers;
}

/* ---- subscribers ---- */

struct subscriber *subscriber_new(struct hub *h, const struct position *at, void (*wake)(void *arg), void *arg)
{
    struct subscriber *s = mem_zalloc(sizeof(*s));

    assert(h->ready);
    s->hub = h;
    s->wake = wake;
    s->arg = arg;
    s->want = (at->has_cursor ? at->after : h->published.seq) + 1;
    s->pos = OUTSIDE;
    s->caught_at = OUTSIDE;
    if (at->has_cursor && at->offset > 0 && at->message_id.n == ID_TEXT - 1) {
        str_copy(s->message, sizeof(s->message), at->message_id);
        s->have[DELTA_TEXT] = at->offset;
        s->have[DELTA_REASONING] = OUTSIDE; /* a cursor counts the text; its reasoning was before the first word */
    }
    list_add_tail(&h->subscribers, &s->link);
    h->n_subscribers++;
    return s;
}

void subscriber_free(struct subscriber *s)
{
    struct hub *h;

    if (s == NULL)
        return;
    h = s->hub;
    if (h != NULL) {
        list_remove(&s->link);
        h->n_subscribers--;
        if (s->caught_at == h->head)
            h->n_caught_up--;
        clear_if_idle(h);
    }
    mem_free(s);
}

struct hub *subscriber_hub(const struct subscriber *s)
{
    return s->hub;
}

uint64_t subscriber_seq(const struct subscriber *s)
{
    return s->want - 1;
}

static bool starts_character(struct str text, uint64_t at)
{
    return at >= text.n || ((unsigned char)text.p[at] & 0xc0) != 0x80;
}

/* The bytes of this channel that the watcher lacks, up to `end`. A cursor that splits a character moves back. */
static bool give_text(struct subscriber *s, const char *message, int channel, struct str text, size_t end,
                      struct event *out)
{
    uint64_t from;

    if (strcmp(s->message, message) != 0) {
        str_copy(s->message, sizeof(s->message), str_of(message));
        memset(s->have, 0, sizeof(s->have));
    }
    from = s->have[channel];
    if (from >= end)
        return false;
    while (from > 0 && !starts_character(text, from))
        from--;
    *out = (struct event){.kind = EVENT_DELTA,
                          .channel = channel,
                          .message_id = s->message,
                          .offset = from,
                          .text = {text.p + from, end - from}};
    s->have[channel] = end;
    return true;
}

/* Before a finished message: what this watcher has not seen of it. */
static bool complete_text(struct subscriber *s, const struct fact *f, struct event *out)
{
    char id[ID_TEXT];

    if (f->kind != FACT_ASSISTANT || !str_copy(id, sizeof(id), f->id))
        return false;
    return give_text(s, id, DELTA_REASONING, f->reasoning, f->reasoning.n, out) ||
           give_text(s, id, DELTA_TEXT, f->text, f->text.n, out);
}

static bool next_delta(struct subscriber *s, struct slot *slot, struct event *out)
{
    struct live_text *t = &s->hub->live;
    struct str text = buf_str(&t->bytes[slot->channel]);

    if (slot->serial != t->serial)
        return false; /* finished: its fact completes the text; or void */
    if (!give_text(s, t->id, slot->channel, text, slot->offset + slot->n, out))
        return false;
    if (out->offset == slot->offset)
        out->frame = &slot->frame;
    return true;
}

/* Finds the place in the ring where `want` is, if it is there. */
static bool enter(struct subscriber *s)
{
    const struct hub *h = s->hub;

    if (s->want > h->published.seq) {
        s->pos = h->head;
        return true;
    }
    for (uint64_t i = h->tail; i < h->head; i++) {
        const struct slot *slot = slot_at(h, i);

        if (slot->kind == EVENT_FACT && slot->facts->items[slot->item].seq == s->want) {
            s->pos = i;
            return true;
        }
    }
    return false;
}

static void catch_up(struct subscriber *s)
{
    struct hub *h = s->hub;

    if (s->caught_at == h->head)
        return;
    s->caught_at = h->head;
    h->n_caught_up++;
    clear_if_idle(h);
}

enum hub_next subscriber_next(struct subscriber *s, struct event *out, uint64_t *seq, uint64_t *upto)
{
    struct hub *h = s->hub;

    if (h == NULL)
        return HUB_END;
    if (!h->ready)
        return HUB_EMPTY; /* a snapshot is on its way; it wakes everybody */
    if (s->pos != OUTSIDE && s->pos < h->tail)
        s->pos = OUTSIDE;
    if (s->pos == OUTSIDE && !enter(s)) {
        *seq = s->want;
        *upto = h->published.seq;
        return HUB_BEHIND;
    }
    while (s->pos < h->head) {
        struct slot *slot = slot_at(h, s->pos);
        const struct fact *f = slot->kind == EVENT_FACT ? &slot->facts->items[slot->item] : NULL;

        if (f == NULL) {
            s->pos++;
            if (next_delta(s, slot, out))
                return HUB_EVENT;
            continue;
        }
        if (f->seq >= s->want) {
            assert(f->seq == s->want);
            if (complete_text(s, f, out))
                return HUB_EVENT;
            s->want++;
            s->pos++;
            *out = (struct event){.kind = EVENT_FACT, .fact = f, .frame = &slot->frame};
            return HUB_EVENT;
        }
        s->pos++;
    }
    for (int c = DELTA_CHANNELS - 1; h->live.open && c >= 0; c--)
        if (give_text(s, h->live.id, c, buf_str(&h->live.bytes[c]), h->live.bytes[c].n, out))
            return HUB_EVENT;
    catch_up(s);
    return HUB_EMPTY;
}

bool subscriber_take(struct subscriber *s, const struct fact *f, struct event *out)
{
    assert(f->seq == s->want);
    if (complete_text(s, f, out))
        return true;
    s->want++;
    return false;
}
