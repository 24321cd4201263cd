/* SPDX-License-Identifier: MIT */
#include "face/cursor.h"

#include "base/str.h"

static int read_flag(const char *name, struct str word, bool *out, struct err *err)
{
    if (word.p == NULL)
        return 0;
    if (str_is(word, "1") || str_is(word, "true") || str_is(word, ""))
        *out = true;
    else if (str_is(word, "0") || str_is(word, "false"))
        *out = false;
    else
        return err_set(err, ERR_BAD_REQUEST, "query: %s: expected 0 or 1", name);
    return 0;
}

static int read_number(const char *name, struct str word, uint64_t *out, struct err *err)
{
    if (word.p == NULL || str_to_u64(word, out))
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "%s: expected a number from 0", name);
}

static int read_position(const struct watch_words *w, struct position *at, struct err *err)
{
    /* An empty header is what some clients send who have no id yet. */
    bool has_header = w->last_event_id.n > 0;
    int rc = has_header ? read_number("Last-Event-ID", w->last_event_id, &at->after, err)
                        : read_number("query: after", w->after, &at->after, err);

    if (rc < 0)
        return rc;
    at->has_cursor = has_header || w->after.p != NULL;
    if (w->message_id.n == 0)
        return 0;
    if (!at->has_cursor)
        return err_set(err, ERR_BAD_REQUEST, "query: message_id: completes a cursor; send Last-Event-ID or after too");
    if (!id_is_valid(w->message_id))
        return err_set(err, ERR_BAD_REQUEST, "query: message_id: not an id");
    at->message_id = w->message_id;
    return read_number("query: offset", w->offset, &at->offset, err);
}

int watch_wish_parse(const struct watch_words *w, struct watch_wish *out, struct err *err)
{
    struct watch_wish wish = {.deltas = true};
    uint64_t batch_ms = 0;
    int rc = read_position(w, &wish.at, err);

    if (rc == 0)
        rc = read_flag("follow", w->follow, &wish.follow, err);
    if (rc == 0)
        rc = read_flag("deltas", w->deltas, &wish.deltas, err);
    if (rc == 0)
        rc = read_number("query: batch_ms", w->batch_ms, &batch_ms, err);
    if (rc < 0)
        return rc;
    wish.batch_ms = batch_ms > BATCH_MS_MAX ? BATCH_MS_MAX : (uint32_t)batch_ms;
    *out = wish;
    return 0;
}

int feed_cursor_parse(struct str last_event_id, struct str since, uint64_t *out, struct err *err)
{
    *out = 0;
    if (last_event_id.n > 0)
        return read_number("Last-Event-ID", last_event_id, out, err);
    return read_number("query: since", since, out, err);
}

int cursor_check(const struct position *at, uint64_t first_seq, uint64_t last_seq, struct err *err)
{
    if (!at->has_cursor)
        return 0;
    if (at->after > last_seq)
        return err_set(err, ERR_BAD_REQUEST, "The cursor %" PRIu64 " is above the newest fact, %" PRIu64 ".", at->after,
                       last_seq);
    if (at->after + 1 < first_seq)
        return err_set(err, ERR_GONE, "The cursor %" PRIu64 " is below the first fact kept, %" PRIu64 ".", at->after,
                       first_seq);
    return 0;
}
