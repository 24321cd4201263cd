/* SPDX-License-Identifier: MIT */
/* GET /history: the transcript, or what follows a message. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/past.h"
#include "face/bamboo/transcript.h"

static void write_messages(const struct answer *a, bool is_short, struct json_writer *w)
{
    size_t i = 0;

    /* A cut transcript must not begin with the results of calls that were cut off. */
    while (a->more && i < a->n && a->messages[i].role == ROLE_TOOL)
        i++;
    json_key(w, "messages");
    json_begin_array(w);
    for (; i < a->n; i++) {
        if (is_short)
            message_write_short(&a->messages[i], w);
        else
            message_write(&a->messages[i], w);
    }
    json_end_array(w);
}

static void send_history(struct exchange *x, const struct answer *a)
{
    uint64_t at_seq = past_at_seq(x);
    bool is_short = str_is(exchange_query_text(x, "projection"), "messages");
    bool since = exchange_query_text(x, "since_message_id").n > 0;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_str(&w, "session_id", x->id);
    if (at_seq > 0)
        json_key_u64(&w, "at_seq", at_seq);
    if (is_short)
        json_key_str(&w, "projection", STR("messages"));
    write_messages(a, is_short, &w);
    /* Everything or a cut page is a whole answer also for who asked for less: an unknown message is no start. */
    json_key_bool(&w, "is_delta", since && !a->more && a->n < a->total);
    json_key_bool(&w, "truncated", a->more);
    json_key_u64(&w, "total_message_count", a->total);
    if (!is_short) {
        json_key(&w, "compression_events");
        json_begin_array(&w);
        json_end_array(&w);
    }
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

/* Nothing said yet, or no such session? */
static void on_session(struct exchange *x, const struct answer *session)
{
    struct answer nothing = {.rc = 0};

    if (session->rc < 0)
        exchange_no_session(x, x->id);
    else
        send_history(x, &nothing);
}

static void on_messages(struct exchange *x, const struct answer *a)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = x->id};

    if (a->rc < 0)
        exchange_no_session(x, x->id);
    else if (a->total == 0)
        exchange_query(x, &q, on_session);
    else
        send_history(x, a);
}

static void on_past_messages(struct exchange *x, const struct answer *a)
{
    if (a->rc < 0)
        exchange_no_session(x, x->id);
    else if (!past_refused(x, "query", a))
        send_history(x, a);
}

void history_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_MESSAGES, .session_id = x->id, .limit = LIMIT_HISTORY_MESSAGES};
    struct str projection = exchange_query_text(x, "projection");

    if (projection.n > 0 && !str_is(projection, "messages")) {
        exchange_fail(x, ERR_BAD_REQUEST, "query: projection: expected \"messages\"");
        return;
    }
    q.after_message = exchange_query_text(x, "since_message_id");
    q.at_seq = past_at_seq(x);
    exchange_query(x, &q, q.at_seq > 0 ? on_past_messages : on_messages);
}
