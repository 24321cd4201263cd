/* SPDX-License-Identifier: MIT */
#include "rig.h"

/* What the handler does with a stream is told by the path; what came back is written down here. */
struct watcher {
    struct http_server *server;
    struct loop *loop;
    struct http_stream *stream;
    char path[32];
    int rooms, closes, silences;
    int waits;     /* writes that had to wait for room */
    size_t pieces; /* still to write */
};

static struct watcher w;
static char large[64 * 1024];

static void write_pieces(struct watcher *me)
{
    while (me->pieces > 0 && me->stream != NULL) {
        me->pieces--;
        if (!http_stream_write(me->stream, (struct str){large, sizeof(large)})) {
            me->waits++;
            return;
        }
    }
    if (me->pieces == 0 && me->stream != NULL) {
        http_stream_end(me->stream);
        me->stream = NULL;
    }
}

static void on_room(void *arg)
{
    struct watcher *me = arg;

    me->rooms++;
    if (strcmp(me->path, "/cut") == 0) {
        http_stream_abort(me->stream);
        me->stream = NULL;
    } else {
        write_pieces(me);
    }
}

static void on_close(void *arg)
{
    struct watcher *me = arg;

    me->closes++;
    if (me->stream != NULL) {
        assert_false(http_stream_write(me->stream, STR("too late")));
        http_stream_abort(me->stream); /* harmless */
    }
    me->stream = NULL;
}

static void on_silence(void *arg)
{
    struct watcher *me = arg;

    me->silences++;
    http_stream_write(me->stream, STR(": beat\n\n"));
    if (me->silences == 3) {
        http_stream_end(me->stream);
        me->stream = NULL;
    }
}

static void on_request(void *arg UNUSED, struct http_request *r)
{
    struct http_stream_callbacks cb = {.on_room = on_room, .on_close = on_close, .arg = &w};
    struct str path = http_request_path(r);

    if (str_is(path, "/closes")) { /* how the stream before has ended */
        char text[64];

        snprintf(text, sizeof(text), "<closes=%d streams=%zu>", w.closes, http_server_streams(w.server));
        http_reply(r, 200, STR("text/plain"), str_of(text));
        return;
    }
    w = (struct watcher){.server = w.server, .loop = w.loop, .pieces = 200};
    str_copy(w.path, sizeof(w.path), path);
    if (str_is(path, "/beat"))
        cb.on_silence = on_silence;
    http_reply_header(r, "X-Of-Ours", "yes");
    w.stream = http_reply_stream(r, 200, &cb);
    if (w.stream == NULL)
        return;
    assert_int_equal(http_server_streams(w.server), 1);
    if (str_is(path, "/three")) {
        http_stream_write(w.stream, STR("data: 1\n\n"));
        http_stream_write(w.stream, STR(""));
        http_stream_write(w.stream, STR("data: 2\n\n"));
        assert_true(http_stream_write(w.stream, STR("data: 3\n\n")));
        http_stream_end(w.stream);
        w.stream = NULL;
    } else if (str_is(path, "/large") || str_is(path, "/cut") || str_is(path, "/stuck")) {
        write_pieces(&w);
    } else if (str_is(path, "/all")) { /* without waiting for room: all is taken, and all is sent before the end */
        for (; w.pieces > 0; w.pieces--)
            http_stream_write(w.stream, (struct str){large, sizeof(large)});
        write_pieces(&w);
    }
}

static struct http_server_stats play(void (*script)(struct rig *), const struct http_server_limits *limits)
{
    struct http_server_options o = {.on_request = on_request};
    struct http_server_stats stats;
    struct rig rig = {0};

    if (limits != NULL)
        o.limits = *limits;
    memset(large, 'l', sizeof(large));
    rig_open(&rig, &o);
    w = (struct watcher){.server = rig.server, .loop = rig.loop};
    rig_play(&rig, script);
    http_server_stats(rig.server, &stats);
    rig_close(&rig);
    return stats;
}

/* --- */

static void hear_three(struct rig *rig)
{
    static const char body[] = "\r\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n9\r\ndata: 3\n\n\r\n0\r\n\r\n";
    struct buf heard CLEANUP(buf_done) = BUF_INIT;

    CHECK(rig, rig_ask(rig, "GET /three HTTP/1.1\r\nHost: x\r\n\r\n", &heard));
    CHECK(rig, str_has_prefix(buf_str(&heard), STR("HTTP/1.1 200 OK\r\n")));
    CHECK(rig, rig_has(&heard, "\r\nContent-Type: text/event-stream; charset=utf-8\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nCache-Control: no-cache, no-transform\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nConnection: close\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nX-Accel-Buffering: no\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nTransfer-Encoding: chunked\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nX-Content-Type-Options: nosniff\r\n"));
    CHECK(rig, rig_has(&heard, "\r\nX-Of-Ours: yes\r\n"));
    CHECK(rig, str_find(buf_str(&heard), STR(body)) == (ptrdiff_t)(heard.n - sizeof(body) + 1));
}

static void events_go_out_as_chunks(void **state UNUSED)
{
    play(hear_three, NULL);
    assert_int_equal(w.closes, 0);
}

static void hear_without_chunks(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;

    CHECK(rig, rig_ask(rig, "GET /three HTTP/1.0\r\nHost: x\r\n\r\n", &heard));
    CHECK(rig, rig_has(&heard, "\r\nConnection: close\r\n"));
    CHECK(rig, !rig_has(&heard, "chunked"));
    CHECK(rig, rig_has(&heard, "\r\n\r\ndata: 1\n\ndata: 2\n\ndata: 3\n\n"));
    CHECK(rig, rig_ask(rig, "HEAD /three HTTP/1.1\r\nHost: x\r\n\r\n", &heard));
    CHECK(rig, rig_has(&heard, "text/event-stream"));
    CHECK(rig, str_find(buf_str(&heard), STR("\r\n\r\n")) == (ptrdiff_t)heard.n - 4);
}

static void old_clients_get_no_chunks_and_head_no_body(void **state UNUSED)
{
    play(hear_without_chunks, NULL);
}

static void hear_large(struct rig *rig)
{
    static const char *const paths[] = {"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "GET /all HTTP/1.1\r\nHost: x\r\n\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct buf heard CLEANUP(buf_done) = BUF_INIT;

        CHECK(rig, rig_ask(rig, paths[i], &heard));
        CHECK(rig, count_text(&heard, "\r\n10000\r\nllll") == 200);
        CHECK(rig, heard.n > 200 * sizeof(large) && heard.n < 201 * sizeof(large));
        CHECK(rig, str_find(buf_str(&heard), STR("\r\n0\r\n\r\n")) == (ptrdiff_t)heard.n - 7);
    }
}

static void a_full_socket_is_waited_for(void **state UNUSED)
{
    play(hear_large, NULL);
}

static void hear_beats(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;

    CHECK(rig, rig_ask(rig, "GET /beat HTTP/1.1\r\nHost: x\r\n\r\n", &heard));
    CHECK(rig, count_text(&heard, "8\r\n: beat\n\n\r\n") == 3);
}

static void silence_is_filled_with_heartbeats(void **state UNUSED)
{
    play(hear_beats, &(struct http_server_limits){.heartbeat_ms = 5});
    assert_int_equal(w.silences, 3);
    assert_int_equal(w.closes, 0);
}

/* Asks on other connections until the stream's end was noticed. */
static void wait_for_close(struct rig *rig, const char *expected)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;

    do
        CHECK(rig, rig_ask(rig, "GET /closes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &heard));
    while (!rig_has(&heard, expected));
}

static void leave(struct rig *rig)
{
    static const char *const paths[] = {"GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"};
    const struct linger reset = {.l_onoff = 1};

    for (size_t i = 0; i < 4; i++) {
        struct buf heard CLEANUP(buf_done) = BUF_INIT;
        int fd = rig_dial(rig);

        CHECK(rig, rig_say(fd, paths[i / 2]));
        CHECK(rig, rig_hear(fd, "\r\n\r\n", 1, &heard));
        CHECK(rig, rig_say(fd, "what a stream gets is dropped"));
        if (i % 2 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
        wait_for_close(rig, "<closes=1 streams=0>");
    }
}

static void a_client_that_leaves_is_noticed(void **state UNUSED)
{
    assert_int_equal(play(leave, NULL).stuck, 0);
}

static void read_nothing(struct rig *rig)
{
    int fd = rig_dial(rig);

    CHECK(rig, rig_say(fd, "GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n"));
    wait_for_close(rig, "<closes=1 streams=0>");
    close(fd);
}

static void a_stuck_client_is_cut(void **state UNUSED)
{
    struct http_server_stats stats = play(read_nothing, &(struct http_server_limits){.stuck_ms = 50});

    assert_int_equal(stats.stuck, 1);
    assert_int_equal(w.waits, 1);
    assert_int_equal(w.closes, 1);
}

static void be_cut(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;

    CHECK(rig, rig_ask(rig, "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n", &heard));
    CHECK(rig, !rig_has(&heard, "\r\n0\r\n\r\n"));
    wait_for_close(rig, "streams=0>");
}

static void a_stream_may_be_cut_from_its_own_callback(void **state UNUSED)
{
    play(be_cut, NULL);
    assert_int_equal(w.rooms, 1);
    assert_int_equal(w.closes, 0);
}

static void stay(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    int fd = rig_dial(rig);

    CHECK(rig, rig_say(fd, rig->data));
    CHECK(rig, rig_hear(fd, "\r\n\r\n", 1, &heard));
    /* Left open: the end of the server meets it. */
}

static void the_end_of_the_server_closes_its_streams(void **state UNUSED)
{
    static const char *const asked[] = {"GET /open HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"};

    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        const struct http_server_options o = {.on_request = on_request};
        struct rig rig = {.data = (void *)(uintptr_t)asked[i]};

        rig_open(&rig, &o);
        w = (struct watcher){.server = rig.server, .loop = rig.loop};
        rig_play(&rig, stay);
        rig_close(&rig);
        assert_int_equal(w.closes, 1);
        assert_null(w.stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_go_out_as_chunks),
        cmocka_unit_test(old_clients_get_no_chunks_and_head_no_body),
        cmocka_unit_test(a_full_socket_is_waited_for),
        cmocka_unit_test(silence_is_filled_with_heartbeats),
        cmocka_unit_test(a_client_that_leaves_is_noticed),
        cmocka_unit_test(a_stuck_client_is_cut),
        cmocka_unit_test(a_stream_may_be_cut_from_its_own_callback),
        cmocka_unit_test(the_end_of_the_server_closes_its_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
