/* SPDX-License-Identifier: MIT */
#include "engine/feed_states.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

struct state {
    struct list link;      /* in `ready` or `resting`, or nowhere */
    bool dirty;            /* it changed since it was asked for */
    bool resting;          /* asked for less than LIMIT_STATE_MS ago */
    uint64_t version;      /* 0: never told, or seen by everybody */
    uint64_t after;        /* events up to this number come first */
    int64_t until;         /* mono; resting */
    struct answer *answer; /* until it is encoded */
    struct buf frame;
    char id[];
};

struct feed_states {
    struct map *by_id;
    struct list ready;   /* to be asked for */
    struct list resting; /* by `until` */
    struct state *asking;
    bool asked; /* also where `asking` was forgotten */
    /* Version v stands in told[v & (cap - 1)], first <= v <= version; NULL: a newer one took its place. */
    struct state **told;
    size_t cap;
    uint64_t first, version;
    uint64_t full_from; /* those below have no text */
    size_t n_full;
};

struct feed_states *feed_states_new(void)
{
    struct feed_states *f = mem_zalloc(sizeof(*f));

    f->by_id = map_new();
    f->first = f->full_from = 1;
    list_init(&f->ready);
    list_init(&f->resting);
    return f;
}

static struct state **told_at(const struct feed_states *f, uint64_t version)
{
    return &f->told[version & (f->cap - 1)];
}

static bool has_text(const struct state *s)
{
    return s->answer != NULL || s->frame.n > 0;
}

static void drop_text(struct feed_states *f, struct state *s)
{
    f->n_full -= has_text(s);
    answer_free(s->answer);
    s->answer = NULL;
    buf_done(&s->frame);
}

static void state_free(struct feed_states *f, struct state *s)
{
    drop_text(f, s);
    list_remove(&s->link);
    if (s->version > 0)
        *told_at(f, s->version) = NULL;
    if (f->asking == s)
        f->asking = NULL;
    map_take(f->by_id, str_of(s->id));
    mem_free(s);
}

static void free_if_done(struct feed_states *f, struct state *s)
{
    if (!s->dirty && !s->resting && s->version == 0 && f->asking != s)
        state_free(f, s);
}

void feed_states_clear(struct feed_states *f)
{
    size_t it = 0;
    struct state *s;

    while ((s = map_any(f->by_id, &it)) != NULL)
        state_free(f, s);
    mem_free(f->told);
    f->told = NULL;
    f->cap = 0;
    f->first = f->full_from = f->version + 1;
}

void feed_states_free(struct feed_states *f)
{
    feed_states_clear(f);
    map_free(f->by_id);
    mem_free(f);
}

/* ---- what changed ---- */

static void touch(struct feed_states *f, struct state *s, uint64_t after)
{
    if (s->dirty)
        return; /* it is asked for as it is then */
    s->dirty = true;
    s->after = after;
    if (!s->resting)
        list_add_tail(&f->ready, &s->link);
}

void feed_states_touch(struct feed_states *f, struct str session_id, uint64_t after)
{
    struct state *s = map_find(f->by_id, session_id);

    if (s == NULL) {
        s = mem_zalloc(sizeof(*s) + session_id.n + 1);
        str_copy(s->id, session_id.n + 1, session_id);
        list_init(&s->link);
        map_put(f->by_id, session_id, s);
    }
    touch(f, s, after);
}

void feed_states_forget(struct feed_states *f, struct str session_id)
{
    struct state *s = map_find(f->by_id, session_id);

    if (s != NULL)
        state_free(f, s);
}

/* ---- asking ---- */

static void wake_rested(struct feed_states *f, int64_t now)
{
    while (!list_is_empty(&f->resting)) {
        struct state *s = LIST_ITEM(f->resting.next, struct state, link);

        if (s->until > now)
            return;
        list_remove(&s->link);
        s->resting = false;
        if (s->dirty)
            list_add_tail(&f->ready, &s->link);
        else
            free_if_done(f, s);
    }
}

bool feed_states_ask(struct feed_states *f, uint64_t head, int64_t mono_ms, struct str *session_id)
{
    struct state *s;

    wake_rested(f, mono_ms);
    if (f->asked || list_is_empty(&f->ready))
        return false;
    s = LIST_ITEM(f->ready.next, struct state, link);
    if (s->after > head)
        return false; /* the page that brings them serves again */
    list_remove(&s->link);
    s->dirty = false;
    s->resting = true;
    s->until = mono_ms + LIMIT_STATE_MS;
    list_add_tail(&f->resting, &s->link);
    f->asking = s;
    f->asked = true;
    *session_id = str_of(s->id);
    return true;
}

static void make_room(struct feed_states *f)
{
    size_t cap = f->cap == 0 ? 8 : f->cap * 2;
    struct state **told;

    if (f->version + 1 - f->first < f->cap)
        return;
    told = mem_zalloc(cap * sizeof(struct state *));
    for (uint64_t v = f->first; v <= f->version; v++)
        told[v & (cap - 1)] = *told_at(f, v);
    mem_free(f->told);
    f->told = told;
    f->cap = cap;
}

/* Who is slow gets those that lost their text when he comes to them: they are asked for again. */
static void drop_oldest_texts(struct feed_states *f)
{
    for (; f->n_full > LIMIT_RING_EVENTS && f->full_from < f->version; f->full_from++) {
        struct state *s = f->full_from < f->first ? NULL : *told_at(f, f->full_from);

        if (s != NULL)
            drop_text(f, s);
    }
}

static void tell(struct feed_states *f, struct state *s, struct answer *a)
{
    drop_text(f, s);
    s->answer = a;
    f->n_full++;
    make_room(f);
    if (s->version > 0)
        *told_at(f, s->version) = NULL;
    s->version = ++f->version;
    *told_at(f, s->version) = s;
    drop_oldest_texts(f);
}

bool feed_states_take(struct feed_states *f, struct answer *a)
{
    struct state *s = f->asking;

    f->asked = false;
    f->asking = NULL;
    if (s == NULL || a->rc == -ERR_NOT_FOUND) { /* erased, before or after it was asked for */
        if (s != NULL)
            state_free(f, s);
        answer_free(a);
        return false;
    }
    if (a->rc < 0) {
        answer_free(a);
        touch(f, s, 0); /* later */
        return false;
    }
    tell(f, s, a);
    return true;
}

int64_t feed_states_due(const struct feed_states *f)
{
    return list_is_empty(&f->resting) ? -1 : LIST_ITEM(f->resting.next, struct state, link)->until;
}

/* ---- telling ---- */

uint64_t feed_states_version(const struct feed_states *f)
{
    return f->version;
}

bool feed_states_next(struct feed_states *f, uint64_t *version, const struct session_row **row, struct buf **frame)
{
    while (*version < f->version) {
        struct state *s = *told_at(f, ++*version);

        if (s == NULL)
            continue;
        if (!has_text(s)) {
            touch(f, s, 0);
            continue;
        }
        if (s->frame.n > 0 && s->answer != NULL) {
            answer_free(s->answer);
            s->answer = NULL;
        }
        *row = s->answer == NULL ? NULL : &s->answer->sessions[0];
        *frame = &s->frame;
        return true;
    }
    return false;
}

bool feed_states_want(const struct feed_states *f)
{
    return !list_is_empty(&f->ready) && !f->asked;
}

void feed_states_seen(struct feed_states *f, uint64_t version)
{
    for (; f->first <= version; f->first++) {
        struct state *s = *told_at(f, f->first);

        if (s == NULL)
            continue;
        *told_at(f, f->first) = NULL;
        drop_text(f, s);
        s->version = 0;
        free_if_done(f, s);
    }
}
