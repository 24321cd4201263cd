/* SPDX-License-Identifier: MIT */
/* What culm top shows, and how it fills a screen. */
#include "app/screen.h"
#include "app/status.h"
#include "app/top_view.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct terminal pipe_end = {0};
static const struct terminal plain = {.is_terminal = true, .width = 80, .height = 24};

static struct status_provider providers[] = {
    {.name = "good",
     .calls = 12,
     .answered = 11,
     .failed = 1,
     .last_answered_at = 1700000009000,
     .last_failed_at = 1700000008000,
     .last_failure = "timeout",
     .last_failure_text = "it was slow"},
    {.name = "bad",
     .calls = 2,
     .failed = 2,
     .last_failed_at = 1700000009000,
     .last_failure = "network",
     .last_failure_text = "no route to \033[2Jhost"},
    {.name = "unused"},
};

static struct engine_run *make_runs(size_t n)
{
    struct engine_run *runs = mem_zalloc((n + 1) * sizeof(*runs));

    for (size_t i = 0; i < n; i++) {
        runs[i] = (struct engine_run){.session_id = STR("a-session-with-a-rather-long-name"),
                                      .provider = STR("good"),
                                      .model = STR("a-model-with-a-rather-long-name"),
                                      .state = i == 0 ? "retrying" : "running",
                                      .started_at = 1700000000000,
                                      .round = 3,
                                      .pieces = 1234,
                                      .pieces_per_second = 45.6};
        snprintf(runs[i].run_id, sizeof(runs[i].run_id), "8fbe3a9c-0000-4000-8000-%012zu", i);
    }
    return runs;
}

static struct status picture(struct engine_run *runs, size_t n)
{
    return (struct status){
        .version = "1.2.3",
        .boot_id = "boot-1",
        .started_at = 1700000000000,
        .uptime_ms = 180000,
        .process = {.pid = 77, .resident_bytes = 13 * 1024 * 1024, .cpu_ms = 1800, .open_files = 20, .max_files = 1024},
        .store = {.file_bytes = 2048, .disk_free_bytes = UINT64_C(82565328896)},
        .engine = {.running = n,
                   .by_state = {[RUN_IS_RETRYING] = n > 0, [RUN_IS_RUNNING] = n > 0 ? n - 1 : 0},
                   .subscribers = 4,
                   .ended = {[END_COMPLETED] = 6, [END_ERROR] = 2},
                   .pieces_per_second = 456.7},
        .runs = runs,
        .n_runs = n < STATUS_RUNS_MAX ? n : STATUS_RUNS_MAX,
        .providers = providers,
        .n_providers = ARRAY_LEN(providers)};
}

static void write_view(struct top_view *v, const struct status *s, const struct terminal *t, struct buf *out)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct json *document;
    struct arena a;

    arena_init(&a);
    status_write_json(s, &text);
    assert_int_equal(json_parse(&a, buf_str(&text), &document, NULL), 0);
    top_view_write(v, document, "here", t, out);
    arena_done(&a);
}

static void show(size_t runs, const struct terminal *t, struct buf *out)
{
    struct engine_run *all = make_runs(runs < STATUS_RUNS_MAX ? runs : STATUS_RUNS_MAX);
    const struct status s = picture(all, runs);
    struct top_view v = {0};

    write_view(&v, &s, t, out);
    mem_free(all);
}

static void expect(const struct buf *text, const char *part)
{
    if (str_find(buf_str(text), str_of(part)) < 0)
        fail_msg("no \"%s\" in\n%s", part, text->p);
}

static size_t count_lines(const struct buf *text)
{
    size_t n = 0;

    for (size_t i = 0; i < text->n; i++)
        n += text->p[i] == '\n';
    return n;
}

static void a_pipe_gets_it_whole(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    show(2, &pipe_end, &text);
    expect(&text, "culm 1.2.3   up 3 min   pid 77   here\n");
    expect(&text, "runs     2 at work: 1 running, 1 retrying   ended: 6 completed, 2 error\n");
    expect(&text, "text     456.7 pieces/s");
    expect(&text, "watchers 4 ");
    expect(&text, "disk free 76.9 GiB\n");
    expect(&text, "process  13.0 MiB   cpu 1.0 %   files 20 of 1024 ");
    expect(&text, "\na-session-with-a-rather-long-name\t8fbe3a9c-0000-4000-8000-000000000001\trunning\t"
                  "a-model-with-a-rather-long-name\t3\t3 min\t1234\t45.6\n");
}

static void a_provider_that_fails_says_why_and_an_unused_one_is_left_out(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    show(0, &pipe_end, &text);
    expect(&text, "model    good: 0 in flight   12 calls, 1 failed, 0 retries   first piece p50 0.0 ms\n");
    expect(&text, "   last: no route to \\x1b[2Jhost\n");
    assert_true(str_find(buf_str(&text), STR("unused")) < 0);
    assert_true(str_find(buf_str(&text), STR("it was slow")) < 0);
}

static void no_line_is_wider_and_no_frame_higher_than_the_terminal(void **state UNUSED)
{
    for (size_t width = 20; width <= 200; width += 20) {
        for (size_t height = 1; height < 60; height++) {
            const struct terminal t = {.is_terminal = true, .width = width, .height = height};
            CLEANUP(buf_done) struct buf text = BUF_INIT, frame = BUF_INIT;
            struct str rest, line;

            show(40, &t, &text);
            rest = buf_str(&text);
            for (size_t n = 0; n < 7 && rest.n > 0 && str_next(&rest, '\n', &line); n++)
                assert_true(terminal_cells(line) <= width);
            if (height > 12)
                assert_true(count_lines(&text) <= height);
            screen_frame(&t, buf_str(&text), &frame);
            assert_true(count_lines(&frame) < height);
        }
    }
}

static void what_does_not_fit_is_counted(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    show(40, &plain, &text);
    assert_int_equal(count_lines(&text), plain.height);
    expect(&text, "\n… and 27 more\n");
    buf_clear(&text);
    show(250, &pipe_end, &text); /* more than the document lists */
    expect(&text, "\n… and 150 more\n");
}

static void the_processor_is_measured_from_one_look_to_the_next(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct status s = picture(NULL, 0);
    struct top_view v = {0};

    write_view(&v, &s, &pipe_end, &text);
    expect(&text, "cpu 1.0 %");
    s.uptime_ms += 1000;
    s.process.cpu_ms += 500;
    buf_clear(&text);
    write_view(&v, &s, &pipe_end, &text);
    expect(&text, "cpu 50.0 %");
    s.uptime_ms = 1000; /* another life */
    s.process.cpu_ms = 20;
    buf_clear(&text);
    write_view(&v, &s, &pipe_end, &text);
    expect(&text, "cpu 2.0 %");
}

static void a_document_of_another_kind_does_no_harm(void **state UNUSED)
{
    static const char *const documents[] = {
        "{}",
        "[]",
        "1",
        "null",
        "{\"live_runs\":[1,null,{}],\"providers\":{\"a\":1},\"runs\":{\"ended\":[],\"active\":\"x\"}}",
        "{\"started_at\":\"never\",\"uptime_ms\":-5,\"store\":7,\"live_runs\":{\"a\":{\"started_at\":5}}}"};

    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        CLEANUP(buf_done) struct buf text = BUF_INIT;
        struct top_view v = {0};
        struct json *document;
        struct arena a;

        arena_init(&a);
        assert_int_equal(json_parse(&a, str_of(documents[i]), &document, NULL), 0);
        top_view_write(&v, document, "here", &plain, &text);
        expect(&text, "culm ");
        arena_done(&a);
    }
}

static void a_frame_replaces_the_one_before(void **state UNUSED)
{
    const struct terminal t = {.is_terminal = true, .width = 20, .height = 3};
    CLEANUP(buf_done) struct buf frame = BUF_INIT;

    screen_frame(&t, STR("a\nb\n"), &frame);
    assert_string_equal(frame.p, "\033[H\033[Ka\r\n\033[Kb\033[0m\r\n\033[J");
    buf_clear(&frame);
    screen_frame(&t, STR("a\nb\nc\nd\n"), &frame);
    assert_string_equal(frame.p, "\033[H\033[Ka\r\n\033[Kb\r\n\033[Kc\033[0m");
    buf_clear(&frame);
    screen_frame(&t, STR(""), &frame);
    assert_string_equal(frame.p, "\033[H\033[0m\r\n\033[J");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gets_it_whole),
        cmocka_unit_test(a_provider_that_fails_says_why_and_an_unused_one_is_left_out),
        cmocka_unit_test(no_line_is_wider_and_no_frame_higher_than_the_terminal),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(the_processor_is_measured_from_one_look_to_the_next),
        cmocka_unit_test(a_document_of_another_kind_does_no_harm),
        cmocka_unit_test(a_frame_replaces_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
