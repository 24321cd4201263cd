/* SPDX-License-Identifier: MIT */
/*
 * The first two bytes say where the rest is split. However a stream is split, the events are the same as those of a
 * plain reading: the lines of the whole text, one after the other.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "check.h"
#include "model/sse_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names and data may hold any byte, so lengths go with them. */
static void add_event(struct buf *seen, struct str name, struct str data)
{
    buf_addf(seen, "%zu %zu ", name.n, data.n);
    buf_add_str(seen, name);
    buf_add_str(seen, data);
}

static void feed(struct sse_reader *r, struct str bytes, struct buf *seen)
{
    char *copy = mem_strndup(bytes.n > 0 ? bytes.p : "", bytes.n); /* what is borrowed too long shows */
    struct str rest = {copy, bytes.n};
    struct sse_event event;
    enum sse_next next;

    while ((next = sse_reader_next(r, &rest, &event)) == SSE_EVENT)
        add_event(seen, event.name, event.data);
    CHECK(next == SSE_MORE && rest.n == 0);
    mem_free(copy);
}

static void finish(struct sse_reader *r, struct buf *seen)
{
    struct sse_event event;
    enum sse_next next = sse_reader_end(r, &event);

    CHECK(next != SSE_TOO_LONG);
    if (next == SSE_EVENT)
        add_event(seen, event.name, event.data);
}

struct plain {
    struct buf name, data;
    bool has_data;
};

static void end_plain(struct plain *e, struct buf *seen)
{
    if (e->has_data)
        add_event(seen, buf_str(&e->name), buf_str(&e->data));
    buf_clear(&e->name);
    buf_clear(&e->data);
    e->has_data = false;
}

static void read_plain_line(struct plain *e, struct str line, struct buf *seen)
{
    ptrdiff_t colon = str_find(line, STR(":"));
    struct str name = {line.p, colon < 0 ? line.n : (size_t)colon};
    struct str value = colon < 0 ? STR("") : str_skip(line, (size_t)colon + 1);

    if (value.n > 0 && value.p[0] == ' ')
        value = str_skip(value, 1);
    if (line.n == 0) {
        end_plain(e, seen);
    } else if (str_is(name, "data")) {
        if (e->has_data)
            buf_add_char(&e->data, '\n');
        buf_add_str(&e->data, value);
        e->has_data = true;
    } else if (str_is(name, "event")) {
        buf_clear(&e->name);
        buf_add_str(&e->name, value);
    }
}

static void read_plainly(struct str text, struct buf *seen)
{
    struct plain e = {0};
    size_t at = 0;

    if (str_has_prefix(text, STR("\xef\xbb\xbf")))
        text = str_skip(text, 3);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '\n' && text.p[i] != '\r')
            continue;
        read_plain_line(&e, (struct str){text.p + at, i - at}, seen);
        if (text.p[i] == '\r' && i + 1 < text.n && text.p[i + 1] == '\n')
            i++;
        at = i + 1;
    }
    if (at < text.n)
        read_plain_line(&e, str_skip(text, at), seen);
    end_plain(&e, seen);
    buf_done(&e.name);
    buf_done(&e.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_done) struct buf whole = BUF_INIT;
    CLEANUP(buf_done) struct buf split = BUF_INIT;
    CLEANUP(sse_reader_done) struct sse_reader r = {0};
    struct str text = {(const char *)data, size};
    size_t one, two;

    if (size < 2)
        return 0;
    text = str_skip(text, 2);
    one = text.n == 0 ? 0 : data[0] % (text.n + 1);
    two = one + data[1] % (text.n - one + 1);
    feed(&r, (struct str){text.p, one}, &split);
    feed(&r, (struct str){text.p + one, two - one}, &split);
    feed(&r, str_skip(text, two), &split);
    finish(&r, &split);
    read_plainly(text, &whole);
    CHECK(str_eq(buf_str(&whole), buf_str(&split)));
    return 0;
}
