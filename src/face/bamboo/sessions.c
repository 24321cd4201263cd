/* SPDX-License-Identifier: MIT */
/* Sessions as things: the list, one of them, making one. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/past.h"
#include "face/bamboo/session_reply.h"
#include "face/bamboo/transcript.h"
#include "face/bamboo/turn.h"

#define PAGE_SESSIONS 200
#define PAGE_SESSIONS_MAX 1000

/* ---- one ---- */

static void send_row(struct exchange *x, int status, const struct session_row *row, uint64_t at_seq)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    if (at_seq > 0)
        json_key_u64(&w, "at_seq", at_seq);
    json_key(&w, "session");
    session_row_write(row, true, &w);
    json_end_object(&w);
    exchange_send(x, status, &body);
}

static void send_session(struct exchange *x, int status, const struct session_row *row)
{
    exchange_etag(x, row->metadata_version);
    send_row(x, status, row, 0);
}

static void on_session(struct exchange *x, const struct answer *a)
{
    if (a->rc < 0)
        exchange_no_session(x, x->id);
    else
        send_session(x, 200, &a->sessions[0]);
}

void session_query(struct exchange *x)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = x->id, .with_fold = true};

    exchange_query(x, &q, on_session);
}

/* Without ETag: it is for changes, and nobody changes the past. */
static void on_past_session(struct exchange *x, const struct answer *a)
{
    if (a->rc < 0)
        exchange_no_session(x, x->id);
    else if (!past_refused(x, "query", a))
        send_row(x, 200, &a->sessions[0], a->sessions[0].last_seq);
}

void session_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_SESSION, .session_id = x->id, .with_fold = true, .at_seq = past_at_seq(x)};

    exchange_query(x, &q, q.at_seq > 0 ? on_past_session : on_session);
}

/* ---- many ---- */

static void write_features(struct json_writer *w)
{
    static const char *const features[] = {"chat.execute",   "events.cursor",   "facts.pages",     "runs.records",
                                           "sessions.state", "sessions.search", "sessions.cursor", "sessions.at_seq",
                                           "feed.state",     "guidance",        "execute.on_busy", "messages.edit",
                                           "requests.keys",  "sessions.fork"};

    json_key(w, "features");
    json_begin_array(w);
    for (size_t i = 0; i < ARRAY_LEN(features); i++)
        json_put_str(w, str_of(features[i]));
    json_end_array(w);
}

/* What sessions_get() read of the query. */
struct page {
    uint32_t limit, offset;
    bool by_cursor;
};

static void on_sessions(struct exchange *x, const struct answer *a)
{
    const struct page *page = x->state;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key(&w, "sessions");
    json_begin_array(&w);
    for (size_t i = 0; i < a->n; i++)
        session_row_write(&a->sessions[i], false, &w);
    json_end_array(&w);
    json_key_u64(&w, "total", a->total);
    json_key_u64(&w, "limit", page->limit);
    json_key_u64(&w, "offset", page->offset);
    if (!page->by_cursor && page->offset + a->n < a->total && a->n > 0)
        json_key_u64(&w, "next_offset", page->offset + a->n);
    if (a->next.n > 0)
        json_key_str(&w, "next_cursor", a->next);
    json_key_u64(&w, "feed_seq", a->last_seq);
    write_features(&w);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

/* False: the word is none of these, and the exchange is answered. */
static bool is_one_of(struct exchange *x, const char *name, struct str word, const char *const *words)
{
    struct buf all CLEANUP(buf_done) = BUF_INIT;

    if (word.n == 0)
        return true;
    for (size_t i = 0; words[i] != NULL; i++) {
        if (str_is(word, words[i]))
            return true;
        buf_addf(&all, "%s\"%s\"", i == 0 ? "" : ", ", words[i]);
    }
    exchange_fail(x, ERR_BAD_REQUEST, "query: %s: expected one of " STR_FMT, name, STR_ARG(buf_str(&all)));
    return false;
}

void sessions_get(struct exchange *x)
{
    static const char *const kinds[] = {"root", "child", NULL};
    static const char *const states[] = {"idle", "queued", "running",   "asking", "waiting",
                                         "done", "error",  "cancelled", NULL};
    struct query q = {.kind = QUERY_SESSIONS};
    struct page *page = arena_zalloc(&x->arena, sizeof(*page));
    uint64_t offset;

    if (!exchange_query_limit(x, PAGE_SESSIONS, PAGE_SESSIONS_MAX, &q.limit) ||
        !exchange_query_u64(x, "offset", 0, &offset))
        return;
    q.offset = offset > UINT32_MAX ? UINT32_MAX : (uint32_t)offset;
    q.search = exchange_query_text(x, "q");
    q.state = exchange_query_text(x, "state");
    q.cursor = exchange_query_text(x, "cursor");
    q.session_kind = exchange_query_text(x, "kind");
    q.root = exchange_query_text(x, "root_session_id");
    if (!is_one_of(x, "kind", q.session_kind, kinds) || !is_one_of(x, "state", q.state, states))
        return;
    *page = (struct page){q.limit, q.offset, q.cursor.n > 0};
    x->state = page;
    exchange_query(x, &q, on_sessions);
}

/* ---- making one ---- */

/* What the reply says of it; its first fact says the rest. */
struct made {
    uint64_t seq;
    uint32_t messages;
};

static void on_made(struct exchange *x, const struct answer *a)
{
    const struct made *made = x->state;
    const struct fact *f;
    struct session s;
    struct session_row row;

    if (a->rc < 0 || a->facts == NULL || a->facts->n == 0) {
        exchange_no_session(x, x->id);
        return;
    }
    f = &a->facts->items[0];
    session_init(&s);
    session_fold(&s, f);
    row = (struct session_row){.id = f->id,
                               .title = f->title,
                               .title_set = f->title.n > 0,
                               .parent = f->parent,
                               .root = f->root,
                               .provider = f->provider,
                               .model = f->model,
                               .effort = f->effort,
                               .workspace = f->workspace,
                               .state = str_of(session_state_word(&s)),
                               .source = f->source,
                               .source_seq = f->of_seq,
                               .last_seq = made->seq,
                               .metadata_version = s.metadata_version,
                               .title_version = s.title_version,
                               .created_at = f->at,
                               .updated_at = f->at,
                               .depth = f->depth,
                               .message_count = made->messages};
    session_row_take_fold(&row, &s);
    send_session(x, 201, &row);
}

void session_made(struct exchange *x, const struct reply *reply)
{
    struct query first = {.kind = QUERY_FACTS, .session_id = x->id, .seqs = {1}, .n_seqs = 1};
    struct made *made = arena_zalloc(&x->arena, sizeof(*made));

    if (exchange_failed_by(x, reply, x->id))
        return;
    *made = (struct made){reply->seq, reply->message_count};
    x->state = made;
    if (reply->kind == REPLY_CREATED)
        exchange_query(x, &first, on_made);
    else if (reply->kind == REPLY_EXISTS) /* its key was forgotten meanwhile */
        session_query(x);
    else
        exchange_fail(x, ERR_INTERNAL, "The session was not made.");
}

void sessions_post(struct exchange *x)
{
    const struct create_request *r = x->in;
    struct input in = {.kind = INPUT_CREATE, .title = str_trim(r->title)};

    if (!turn_model(x, &r->wish, &in) ||
        !turn_session(x, &r->unsupported, r->workspace_path, r->system_prompt, STR_NULL, &in))
        return;
    in.set_title = in.title.n > 0;
    x->id = turn_session_id(x, STR_NULL);
    in.session_id = x->id;
    in.session_limits = budget_wish_limits(&r->budget);
    exchange_submit(x, x->id, &in, session_made);
}
