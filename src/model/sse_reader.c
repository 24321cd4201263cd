/* SPDX-License-Identifier: MIT */
#include "model/sse_reader.h"

#include "base/limits.h"
#include "base/str.h"

void sse_reader_done(struct sse_reader *r)
{
    buf_done(&r->line);
    buf_done(&r->data);
    buf_done(&r->name);
}

/* Takes one line out of *bytes, its end not included. False: the line goes on in bytes to come. */
static bool take_line(struct str *bytes, bool *ended_by_cr, struct str *line)
{
    const char *end = memchr(bytes->p, '\n', bytes->n);
    size_t n = end == NULL ? bytes->n : (size_t)(end - bytes->p);
    const char *cr = n == 0 ? NULL : memchr(bytes->p, '\r', n);

    if (cr != NULL)
        n = (size_t)(cr - bytes->p);
    *line = (struct str){bytes->p, n};
    *ended_by_cr = cr != NULL;
    *bytes = str_skip(*bytes, n + (cr != NULL || end != NULL ? 1 : 0));
    return cr != NULL || end != NULL;
}

/* A data line that is not the only one of its event, or whose bytes go away, is copied. */
static void keep_view(struct sse_reader *r)
{
    if (!r->has_view)
        return;
    buf_add_str(&r->data, r->view);
    r->has_view = false;
}

static bool add_data(struct sse_reader *r, struct str value)
{
    if (r->has_data) {
        keep_view(r);
        if (r->data.n + 1 + value.n > LIMIT_MODEL_LINE_BYTES)
            return false;
        buf_add_char(&r->data, '\n');
        buf_add_str(&r->data, value);
        return true;
    }
    r->has_data = r->has_view = true;
    r->view = value;
    return true;
}

/* False: the event has become too long. */
static bool take_field(struct sse_reader *r, struct str line)
{
    const char *colon = memchr(line.p, ':', line.n);
    struct str name = {line.p, colon == NULL ? line.n : (size_t)(colon - line.p)};
    struct str value = colon == NULL ? STR("") : str_skip(line, name.n + 1);

    if (value.n > 0 && value.p[0] == ' ')
        value = str_skip(value, 1);
    if (str_is(name, "data"))
        return add_data(r, value);
    if (str_is(name, "event")) {
        buf_clear(&r->name);
        buf_add_str(&r->name, value);
    }
    return true; /* a comment has the empty name; id and retry are of no use to us */
}

static enum sse_next give(struct sse_reader *r, struct sse_event *out)
{
    if (!r->has_data) {
        buf_clear(&r->name);
        return SSE_MORE;
    }
    *out = (struct sse_event){buf_str(&r->name), r->has_view ? r->view : buf_str(&r->data)};
    r->given = true;
    return SSE_EVENT;
}

static enum sse_next take_whole_line(struct sse_reader *r, struct str line, struct sse_event *out)
{
    if (!r->started && str_has_prefix(line, STR("\xef\xbb\xbf")))
        line = str_skip(line, 3);
    r->started = true;
    if (line.n == 0)
        return give(r, out);
    return take_field(r, line) ? SSE_MORE : SSE_TOO_LONG;
}

/* What the caller had borrowed is over. */
static void forget_given(struct sse_reader *r)
{
    if (!r->given)
        return;
    r->given = r->has_data = r->has_view = false;
    buf_clear(&r->data);
    buf_clear(&r->name);
}

/* A line that began in earlier bytes is put together in `line`; its view must not outlive that buffer. */
static enum sse_next finish_held_line(struct sse_reader *r, struct str rest, struct sse_event *out)
{
    enum sse_next next;

    buf_add_str(&r->line, rest);
    next = take_whole_line(r, buf_str(&r->line), out);
    keep_view(r);
    if (next == SSE_EVENT)
        out->data = buf_str(&r->data);
    buf_clear(&r->line);
    return next;
}

enum sse_next sse_reader_next(struct sse_reader *r, struct str *bytes, struct sse_event *out)
{
    forget_given(r);
    while (bytes->n > 0) {
        enum sse_next next;
        bool ended_by_cr, whole;
        struct str line;

        if (r->skip_lf) {
            r->skip_lf = false;
            if (bytes->p[0] == '\n') {
                *bytes = str_skip(*bytes, 1);
                continue;
            }
        }
        whole = take_line(bytes, &ended_by_cr, &line);
        if (line.n + r->line.n > LIMIT_MODEL_LINE_BYTES)
            return SSE_TOO_LONG;
        if (!whole) {
            buf_add_str(&r->line, line);
            break;
        }
        r->skip_lf = ended_by_cr;
        next = r->line.n > 0 ? finish_held_line(r, line, out) : take_whole_line(r, line, out);
        if (next != SSE_MORE)
            return next;
    }
    keep_view(r);
    return SSE_MORE;
}

enum sse_next sse_reader_end(struct sse_reader *r, struct sse_event *out)
{
    forget_given(r);
    if (r->line.n > 0 && finish_held_line(r, STR(""), out) == SSE_TOO_LONG)
        return SSE_TOO_LONG;
    return give(r, out);
}
