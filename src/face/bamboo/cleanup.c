/* SPDX-License-Identifier: MIT */
/* POST /sessions/cleanup: deletes many sessions, one after the other. What is at work, or comes to life, stays. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/requests.h"
#include "face/error_body.h"

#define PAGE 200

struct doomed {
    struct doomed *next;
    struct str id;
    uint64_t seen; /* its last fact when it was chosen */
    bool is_gone;
};

/* In x->state. */
struct cleanup {
    enum cleanup_mode mode;
    struct doomed *first, **end, *at;
};

/* ---- which ---- */

/* Nobody has said anything in it: there is a system message at most. */
static bool is_empty(const struct session_row *row)
{
    bool never_spoken = row->last_run_id.n == 0 && row->source.n == 0;

    return row->inbox == 0 && (row->message_count == 0 || (row->message_count == 1 && never_spoken));
}

static bool is_chosen(const struct exchange *x, const struct session_row *row)
{
    const struct cleanup_request *q = x->in;
    const struct cleanup *c = x->state;

    if (row->is_running || (q->keep_pinned && row->pinned))
        return false;
    return c->mode == CLEANUP_ALL || (c->mode == CLEANUP_EMPTY ? is_empty(row) : row->parent.n > 0);
}

/* ---- one after the other ---- */

static void send_deleted(struct exchange *x)
{
    const struct cleanup *c = x->state;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);
    uint64_t n = 0;

    json_begin_object(&w);
    json_key(&w, "deleted_session_ids");
    json_begin_array(&w);
    for (const struct doomed *d = c->first; d != NULL; d = d->next) {
        if (d->is_gone) {
            json_put_str(&w, d->id);
            n++;
        }
    }
    json_end_array(&w);
    json_key_u64(&w, "deleted_count", n);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

static void delete_next(struct exchange *x);

static void on_deleted(struct exchange *x, const struct reply *reply)
{
    struct cleanup *c = x->state;

    if (reply->kind == REPLY_UNAVAILABLE) { /* the rest is for a repeat */
        exchange_fail_err(x, &reply->err);
        return;
    }
    c->at->is_gone = reply->kind == REPLY_DELETED;
    c->at = c->at->next;
    delete_next(x);
}

static void delete_next(struct exchange *x)
{
    const struct cleanup *c = x->state;
    struct input in = {.kind = INPUT_DELETE};

    if (c->at == NULL) {
        send_deleted(x);
        return;
    }
    in.session_id = c->at->id;
    in.change.seen = c->at->seen;
    exchange_submit(x, c->at->id, &in, on_deleted);
}

/* ---- all of the list ---- */

static void on_page(struct exchange *x, const struct answer *a);

static void ask_for_page(struct exchange *x, struct str cursor)
{
    struct query q = {.kind = QUERY_SESSIONS, .limit = PAGE, .cursor = cursor};

    exchange_query(x, &q, on_page);
}

static void on_page(struct exchange *x, const struct answer *a)
{
    struct cleanup *c = x->state;

    for (size_t i = 0; i < a->n; i++) {
        const struct session_row *row = &a->sessions[i];
        struct doomed *d;

        if (!is_chosen(x, row))
            continue;
        d = arena_zalloc(&x->arena, sizeof(*d));
        d->id = arena_str(&x->arena, row->id);
        d->seen = row->last_seq;
        *c->end = d;
        c->end = &d->next;
    }
    if (a->next.n > 0) {
        ask_for_page(x, arena_str(&x->arena, a->next));
        return;
    }
    c->at = c->first;
    delete_next(x);
}

static void refuse_mode(struct exchange *x, struct str mode)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    error_body_begin(&w, STR("Invalid cleanup mode: expected \"all\", \"empty\" or \"children\""),
                     err_wire_name(ERR_BAD_REQUEST), exchange_request_name(x));
    if (mode.p != NULL)
        json_key_str(&w, "mode", mode);
    else
        json_key_text(&w, "mode", NULL);
    json_end_object(&w);
    exchange_send(x, 400, &body);
}

void cleanup_post(struct exchange *x)
{
    const struct cleanup_request *q = x->in;
    struct cleanup *c = arena_zalloc(&x->arena, sizeof(*c));

    c->mode = cleanup_mode(q->mode);
    if (c->mode == CLEANUP_NONE) {
        refuse_mode(x, q->mode);
        return;
    }
    c->end = &c->first;
    x->state = c;
    ask_for_page(x, STR_NULL);
}
