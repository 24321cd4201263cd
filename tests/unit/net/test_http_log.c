/* SPDX-License-Identifier: MIT */
#include "base/id.h"
#include "base/log.h"
#include "rig.h"

/* "/STATUS" is answered with that; "/stream" is one that ends at once. */
static void on_request(void *arg UNUSED, struct http_request *r)
{
    struct str path = http_request_path(r);
    uint64_t status = 200;

    if (str_is(path, "/stream")) {
        struct http_stream *s = http_reply_stream(r, 200, &(struct http_stream_callbacks){0});

        http_stream_write(s, STR("12345"));
        http_stream_end(s);
        return;
    }
    if (!str_to_u64(str_skip(path, 1), &status))
        status = 200;
    http_request_set_label(r, &(struct http_label){.route = "/{status}",
                                                   .session = STR("s1"),
                                                   .code = status >= 500 ? "io" : NULL,
                                                   .error = status >= 500 ? "the disk \"is\" full" : NULL});
    http_reply(r, (int)status, STR("text/plain"), STR("four"));
}

static FILE *file;
static struct buf lines;

static int open_log(void **state UNUSED)
{
    file = tmpfile();
    if (file == NULL)
        abort();
    log_open(&(struct log_target){.format = LOG_FORMAT_JSON, .fd = fileno(file)});
    log_set_level(LOG_LEVEL_DEBUG);
    return 0;
}

static int close_log(void **state UNUSED)
{
    log_open(&LOG_TARGET(LOG_FORMAT_TEXT));
    buf_done(&lines);
    return fclose(file);
}

/* Runs the script and reads what was logged. */
static void run(void (*script)(struct rig *))
{
    const struct http_server_options o = {.on_request = on_request};
    char part[4096];
    size_t n;

    rig_run(&o, script, NULL);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    while ((n = fread(part, 1, sizeof(part), file)) > 0)
        buf_add(&lines, part, n);
}

static void has(const char *text)
{
    if (!rig_has(&lines, text))
        fail_msg("%s is not in %s", text, lines.n > 0 ? lines.p : "");
}

/* ---- names ---- */

static char first_id[64], second_id[64];

static void take_id(const struct buf *heard, char out[64])
{
    const char *at = strstr(heard->p, "\r\nX-Request-Id: ");

    if (at != NULL)
        snprintf(out, 64, "%.*s", (int)strcspn(at + 16, "\r"), at + 16);
}

static void ask_under_names(struct rig *rig)
{
    static const char *const bad[] = {"a b", "", "a/b", "\xc3\xa9", "a\"b", ".", "good\r\nX-Request-Id: good"};
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    char request[600], longest[130];

    memset(longest, 'x', sizeof(longest) - 1);
    longest[128] = '\0';
    snprintf(request, sizeof(request), "GET /200 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: %s\r\n\r\n",
             longest);
    CHECK(rig, rig_ask(rig, request, &heard));
    CHECK(rig, rig_has(&heard, longest));
    CHECK(rig, rig_ask(rig, "GET /200 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-request-id:  Az0._:-  \r\n\r\n",
                       &heard));
    CHECK(rig, count_text(&heard, "\r\nX-Request-Id: Az0._:-\r\n") == 1);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(request, sizeof(request),
                 "GET /200 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: %s\r\n\r\n", bad[i]);
        CHECK(rig, rig_ask(rig, request, &heard));
        CHECK(rig, rig_has(&heard, "HTTP/1.1 200 OK\r\n"));
        CHECK(rig, !rig_has(&heard, "good"));
        take_id(&heard, i % 2 == 0 ? first_id : second_id);
        CHECK(rig, strcmp(first_id, second_id) != 0);
    }
    longest[128] = 'x';
    longest[129] = '\0';
    snprintf(request, sizeof(request), "GET /200 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: %s\r\n\r\n",
             longest);
    CHECK(rig, rig_ask(rig, request, &heard));
    CHECK(rig, !rig_has(&heard, longest));
}

static void a_request_has_its_clients_name_if_it_is_one_or_one_of_ours(void **state UNUSED)
{
    run(ask_under_names);
    assert_true(id_is_valid(str_of(first_id)) && id_is_valid(str_of(second_id)));
    assert_int_equal(strncmp(first_id, second_id, 9), 0); /* of one life */
    has("\"request\":\"Az0._:-\",\"method\":\"GET\",\"route\":\"/{status}\",\"session\":\"s1\",\"status\":200,\"ms\":");
    has(first_id);
}

static void ask_for_everything(struct rig *rig)
{
    static const char *const requests[] = {
        "GET /204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: me\r\n\r\n",
        "HEAD /200 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: me\r\n\r\n",
        "GET /404 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: me\r\n\r\n",
        "GET /503 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: me\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: x\r\nX-Request-Id: me\r\n\r\n",
    };
    struct buf heard CLEANUP(buf_done) = BUF_INIT;

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        CHECK(rig, rig_ask(rig, requests[i], &heard));
        CHECK(rig, count_text(&heard, "\r\nX-Request-Id: me\r\n") == 1);
    }
}

static void every_answer_bears_the_name(void **state UNUSED)
{
    run(ask_for_everything);
    has("\"level\":\"debug\",\"module\":\"http\",\"event\":\"http.request\",\"request\":\"me\",\"method\":\"HEAD\"");
    has("\"level\":\"warn\",\"module\":\"http\",\"event\":\"http.request\",\"request\":\"me\"");
    has("\"status\":503,");
    has("\"code\":\"io\",\"error\":\"the disk \\\"is\\\" full\",\"peer\":\"127.0.0.1\"}");
    has("\"stream\":true");
    has("\"event\":\"http.stream_end\",\"request\":\"me\",\"end\":\"done\",\"ms\":");
}

/* ---- refusals ---- */

static void ask_wrongly(struct rig *rig)
{
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    char member[100];

    CHECK(rig, rig_ask(rig, "GET / HTTP/1.1\r\n\r\n", &heard));
    take_id(&heard, first_id);
    snprintf(member, sizeof(member), "\"code\":\"bad_request\"},\"request_id\":\"%s\"}", first_id);
    CHECK(rig, first_id[0] != '\0' && rig_has(&heard, member));
}

static void what_is_refused_before_it_is_a_request_has_a_name_too(void **state UNUSED)
{
    char field[100];

    first_id[0] = '\0';
    run(ask_wrongly);
    snprintf(field, sizeof(field), "\"request\":\"%s\",\"status\":400,\"peer\":\"127.0.0.1\"}", first_id);
    has(field);
    has("\"level\":\"info\",\"module\":\"http\",\"event\":\"http.refuse\",\"message\":\"A request needs exactly one "
        "Host");
}

enum { KNOCKS = 300 };

static void knock_often(struct rig *rig)
{
    static const char one[] = "GET /401 HTTP/1.1\r\nHost: x\r\n\r\n";
    struct buf heard CLEANUP(buf_done) = BUF_INIT;
    int fd = rig_dial(rig);

    for (int i = 0; i < KNOCKS; i++)
        CHECK(rig, rig_say(fd, one));
    CHECK(rig, rig_hear(fd, "HTTP/1.1 401", KNOCKS, &heard));
    close(fd);
}

static void who_knocks_often_does_not_fill_the_log(void **state UNUSED)
{
    struct str rest;
    size_t told = 0, passed;
    ptrdiff_t at;

    log_set_level(LOG_LEVEL_INFO);
    run(knock_often);
    passed = count_text(&lines, "\"status\":401");
    assert_in_range(passed, LIMIT_LOG_LINES_PER_SECOND, KNOCKS - 1);
    rest = buf_str(&lines);
    while ((at = str_find(rest, STR("\"what\":\"refused\",\"lines\":"))) >= 0) {
        rest = str_skip(rest, (size_t)at + strlen("\"what\":\"refused\",\"lines\":"));
        told += strtoul(rest.p, NULL, 10);
    }
    assert_int_equal(passed + told, KNOCKS);
}

static void success_is_for_who_asks_for_it(void **state UNUSED)
{
    log_set_level(LOG_LEVEL_INFO);
    run(ask_for_everything);
    assert_int_equal(count_text(&lines, "\n"), 1);
    has("\"status\":503");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_has_its_clients_name_if_it_is_one_or_one_of_ours),
        TEST(every_answer_bears_the_name),
        TEST(what_is_refused_before_it_is_a_request_has_a_name_too),
        TEST(who_knocks_often_does_not_fill_the_log),
        TEST(success_is_for_who_asks_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
