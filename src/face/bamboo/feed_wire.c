/* SPDX-License-Identifier: MIT */
#include "face/bamboo/feed_wire.h"

#include "base/str.h"
#include "face/bamboo/event_wire.h"
#include "face/bamboo/transcript.h"

typedef void write_fn(const struct feed_row *row, struct buf *out);

/* ---- events that are none of a session's stream, or more than that says ---- */

static void begin(struct json_writer *w, const char *type, struct str session_id)
{
    json_begin_object(w);
    json_key_text(w, "type", type);
    json_key_str(w, "session_id", session_id);
}

/* As every event of a fact ends. */
static void end(struct json_writer *w, const struct fact *f)
{
    json_key_u64(w, "seq", f->seq);
    json_key_i64(w, "at", f->at);
    json_end_object(w);
}

static void write_created(const struct feed_row *row, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    const struct fact *f = row->fact;

    begin(&w, "session_created", row->session_id);
    json_key_text(&w, "project_id", NULL);
    json_key_str(&w, "title", session_title(f->title));
    json_key_text(&w, "kind", session_kind(f->parent));
    json_key_time(&w, "created_at", f->at);
    end(&w, f);
}

static void write_like_stream(const struct feed_row *row, const struct fact *f, struct buf *out)
{
    struct event_context c = {.session_id = row->session_id, .title_version = row->title_version};

    event_wire_write(&c, f, out);
}

/* A change of several things is one event on the session's stream; here each has its own. */
static void write_title(const struct feed_row *row, struct buf *out)
{
    struct fact f = *row->fact;

    f.set_pinned = false;
    write_like_stream(row, &f, out);
}

static void write_pinned(const struct feed_row *row, struct buf *out)
{
    struct fact f = *row->fact;

    f.set_title = false;
    write_like_stream(row, &f, out);
}

static void write_model(const struct feed_row *row, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    const struct fact *f = row->fact;

    begin(&w, "session_model_updated", row->session_id);
    if (f->set_model) {
        json_key_str(&w, "provider", f->provider);
        json_key_str(&w, "model", f->model);
    }
    if (f->set_effort)
        json_key_str(&w, "reasoning_effort", f->effort);
    json_key_time(&w, "updated_at", f->at);
    end(&w, f);
}

static void write_committed(const struct feed_row *row, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    begin(&w, "session_history_committed", row->session_id);
    end(&w, row->fact);
}

static void write_cleared(const struct feed_row *row, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    begin(&w, "session_cleared", row->session_id);
    end(&w, row->fact);
}

static void write_deleted(const struct feed_row *row, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    begin(&w, "session_deleted", row->session_id);
    json_end_object(&w);
}

static void write_unreadable(const struct feed_row *row, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    begin(&w, "event_unreadable", row->session_id);
    json_end_object(&w);
}

/* Those that are not here are what the session's stream has. */
static write_fn *const writers[] = {
    [FEED_SESSION_CREATED] = write_created, [FEED_TITLE_UPDATED] = write_title,
    [FEED_PINNED_UPDATED] = write_pinned,   [FEED_MODEL_UPDATED] = write_model,
    [FEED_SESSION_CLEARED] = write_cleared, [FEED_HISTORY_COMMITTED] = write_committed,
    [FEED_SESSION_DELETED] = write_deleted, [FEED_UNREADABLE] = write_unreadable,
};

/* ---- frames ---- */

void feed_frame_event(const struct feed_row *row, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    if (writers[row->event] == NULL && event_wire_type(row->fact) == NULL)
        return; /* of its kind not every fact has an event */
    buf_add_str(out, STR("id: "));
    buf_add_u64(out, row->seq);
    buf_add_str(out, STR("\ndata: "));
    json_begin_object(&w);
    json_key_u64(&w, "seq", row->seq);
    json_key_time(&w, "ts", row->at);
    json_key_str(&w, "session_id", row->session_id);
    json_key(&w, "event");
    if (writers[row->event] != NULL)
        writers[row->event](row, out);
    else
        write_like_stream(row, row->fact, out);
    json_end_object(&w);
    buf_add_str(out, STR("\n\n"));
}

void feed_frame_state(const struct session_row *s, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    buf_add_str(out, STR("data: "));
    json_begin_object(&w);
    json_key_text(&w, "type", "session_state");
    json_key(&w, "session");
    session_row_write(s, false, &w);
    json_end_object(&w);
    buf_add_str(out, STR("\n\n"));
}

void feed_frame_reset(uint64_t from_seq, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    buf_add_str(out, STR("data: "));
    json_begin_object(&w);
    json_key_text(&w, "type", "feed_reset");
    json_key_u64(&w, "from_seq", from_seq);
    json_end_object(&w);
    buf_add_str(out, STR("\n\n"));
}
