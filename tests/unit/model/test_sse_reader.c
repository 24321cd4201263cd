/* SPDX-License-Identifier: MIT */
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/sse_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Events as text: name, '=', data, '|'. */
static void add_event(struct buf *seen, const struct sse_event *e)
{
    buf_add_str(seen, e->name);
    buf_add_char(seen, '=');
    buf_add_str(seen, e->data);
    buf_add_char(seen, '|');
}

static enum sse_next feed(struct sse_reader *r, struct str bytes, struct buf *seen)
{
    struct sse_event event;
    enum sse_next next;

    while ((next = sse_reader_next(r, &bytes, &event)) == SSE_EVENT)
        add_event(seen, &event);
    if (next == SSE_MORE)
        assert_int_equal(bytes.n, 0);
    return next;
}

static void finish(struct sse_reader *r, struct buf *seen)
{
    struct sse_event event;

    if (sse_reader_end(r, &event) == SSE_EVENT)
        add_event(seen, &event);
}

/* Each part in a block of its own, so that a view that outlives its bytes is seen by the sanitizer. */
static void feed_copy(struct sse_reader *r, struct str part, struct buf *seen)
{
    char *copy = mem_strndup(part.p, part.n);

    assert_int_equal(feed(r, (struct str){copy, part.n}, seen), SSE_MORE);
    mem_free(copy);
}

static const struct {
    const char *stream, *events;
} table[] = {
    {"data: a\n\n", "=a|"},
    {"data:a\n\ndata:  b\n\n", "=a|= b|"},
    {"data: a\r\n\r\ndata: b\r\n\r\n", "=a|=b|"},
    {"data: a\r\rdata: b\r\r", "=a|=b|"},
    {"data: a\r\n\ndata: b\n\r\n", "=a|=b|"},
    {"data: a\ndata: b\ndata\n\n", "=a\nb\n|"},
    {": ping\n\n:\n\ndata: a\n: between\n\n", "=a|"},
    {"event: error\ndata: a\n\ndata: b\n\n", "error=a|=b|"},
    {"event: lost\n\ndata: b\n\n", "=b|"},
    {"id: 1\nretry: 2\nnonsense\ndata: a\n\n", "=a|"},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "=a|"},
    {"\n\n\r\n\r\r\ndata: a\n\n", "=a|"},
    {"data:\n\n", "=|"},
    {"data: [DONE]", "=[DONE]|"},
    {"data: a\n\ndata: [DONE]\n", "=a|=[DONE]|"},
    {"data: {\"x\":\"a: b\"}\n\n", "={\"x\":\"a: b\"}|"},
    {"", ""},
};

static void every_split_gives_the_same_events(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct str stream = str_of(table[i].stream);

        for (size_t one = 0; one <= stream.n; one++) {
            for (size_t two = one; two <= stream.n; two++) {
                CLEANUP(buf_done) struct buf seen = BUF_INIT;
                CLEANUP(sse_reader_done) struct sse_reader r = {0};

                feed_copy(&r, (struct str){stream.p, one}, &seen);
                feed_copy(&r, (struct str){stream.p + one, two - one}, &seen);
                feed_copy(&r, str_skip(stream, two), &seen);
                finish(&r, &seen);
                assert_string_equal(seen.n == 0 ? "" : seen.p, table[i].events);
            }
        }
    }
}

static void bytes_one_by_one_give_the_same_events(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf seen = BUF_INIT;
        CLEANUP(sse_reader_done) struct sse_reader r = {0};

        for (const char *p = table[i].stream; *p != '\0'; p++)
            feed_copy(&r, (struct str){p, 1}, &seen);
        finish(&r, &seen);
        assert_string_equal(seen.n == 0 ? "" : seen.p, table[i].events);
    }
}

static void an_event_in_one_piece_is_not_copied(void **state UNUSED)
{
    CLEANUP(sse_reader_done) struct sse_reader r = {0};
    struct str stream = STR("data: abc\n\n"), bytes = stream;
    struct sse_event event;

    assert_int_equal(sse_reader_next(&r, &bytes, &event), SSE_EVENT);
    assert_ptr_equal(event.data.p, stream.p + 6);
    assert_null(r.line.p);
    assert_null(r.data.p);
}

static void an_endless_line_is_refused_in_bounded_memory(void **state UNUSED)
{
    CLEANUP(sse_reader_done) struct sse_reader r = {0};
    CLEANUP(buf_done) struct buf seen = BUF_INIT;
    char *block = mem_alloc(65536);
    size_t fed = 0;

    memset(block, 'x', 65536);
    while (fed < 100u * 1024 * 1024 && feed(&r, (struct str){block, 65536}, &seen) == SSE_MORE)
        fed += 65536;
    assert_in_range(fed, LIMIT_MODEL_LINE_BYTES - 65536, LIMIT_MODEL_LINE_BYTES);
    assert_in_range(r.line.cap, 1, 2 * LIMIT_MODEL_LINE_BYTES);
    assert_int_equal(seen.n, 0);
    mem_free(block);
}

static void an_event_of_endless_lines_is_refused(void **state UNUSED)
{
    CLEANUP(sse_reader_done) struct sse_reader r = {0};
    CLEANUP(buf_done) struct buf seen = BUF_INIT;
    CLEANUP(buf_done) struct buf line = BUF_INIT;
    size_t fed = 0;

    buf_add_str(&line, STR("data: "));
    while (line.n < 65535)
        buf_add_char(&line, 'x');
    buf_add_char(&line, '\n');
    while (fed < 100u * 1024 * 1024 && feed(&r, buf_str(&line), &seen) == SSE_MORE)
        fed += line.n;
    assert_in_range(fed, LIMIT_MODEL_LINE_BYTES / 2, LIMIT_MODEL_LINE_BYTES + 65536);
    assert_in_range(r.data.cap, 1, 2 * LIMIT_MODEL_LINE_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_gives_the_same_events),
        cmocka_unit_test(bytes_one_by_one_give_the_same_events),
        cmocka_unit_test(an_event_in_one_piece_is_not_copied),
        cmocka_unit_test(an_endless_line_is_refused_in_bounded_memory),
        cmocka_unit_test(an_event_of_endless_lines_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
