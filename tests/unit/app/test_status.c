/* SPDX-License-Identifier: MIT */
/* The two forms of the status, written from a picture whose every number is known. */
#include "app/status.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/status_fields.h"

/* 2 and 3 samples in the first two buckets, one above all bounds. */
static const struct histogram_reading lengths = {
    .buckets = {[0] = 2, [1] = 3, [HISTOGRAM_BOUNDS] = 1}, .count = 6, .sum_us = 200000370};

static struct engine_run runs[] = {{.session_id = {"s1", 2},
                                    .provider = {"p", 1},
                                    .model = {"m", 1},
                                    .run_id = "r1",
                                    .state = "running",
                                    .started_at = 1700000000123,
                                    .round = 3,
                                    .pieces = 40,
                                    .piece_bytes = 160,
                                    .pieces_per_second = 12.345}};
static struct status_provider providers[] = {
    {.name = "one", .calls = 5, .failed = 2, .failed_by = {[FAILURE_RATE_LIMIT] = 2}},
    {.name = "t\"w\\o\n",
     .calls = 7,
     .last_failed_at = 1700000000007,
     .last_failure = "network",
     .last_failure_text = "a \"quoted\" text"}};
static struct route_reading routes[] = {
    {.method = "GET", .path = "/api/v1/runs/{run}", .by_class = {[1] = 4, [3] = 1}}};

static struct status picture(void)
{
    return (struct status){.version = "1.2.3",
                           .boot_id = "boot-1",
                           .started_at = 1700000000500,
                           .uptime_ms = 61001,
                           .process = {.pid = 77, .resident_bytes = 4096, .cpu_ms = 1250},
                           .store = {.appends = 9, .refused = 1, .flush = lengths},
                           .engine = {.running = 1,
                                      .by_state = {[RUN_IS_RUNNING] = 1},
                                      .ended = {[END_COMPLETED] = 6, [END_ERROR] = 2},
                                      .pieces_per_second = 12.345},
                           .loop = {.stalls = 2, .longest_us = 30500, .longest = "slow"},
                           .http = {.refused = {[HTTP_REFUSED_BODY] = 3}},
                           .door_refused = {[DOOR_REFUSED_UNAUTHORIZED] = 8},
                           .runs = runs,
                           .n_runs = ARRAY_LEN(runs),
                           .providers = providers,
                           .n_providers = ARRAY_LEN(providers),
                           .routes = routes,
                           .n_routes = ARRAY_LEN(routes)};
}

/* ---- Prometheus ---- */

static bool has_line(const struct buf *text, const char *line)
{
    CLEANUP(buf_done) struct buf all = BUF_INIT, wanted = BUF_INIT;

    buf_addf(&all, "\n%s", text->p);
    buf_addf(&wanted, "\n%s\n", line);
    return str_find(buf_str(&all), buf_str(&wanted)) >= 0;
}

static void expect_lines(const char *const *lines, size_t n)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    const struct status s = picture();

    status_write_prometheus(&s, &text);
    for (size_t i = 0; i < n; i++)
        if (!has_line(&text, lines[i]))
            fail_msg("no line \"%s\" in\n%s", lines[i], text.p);
}

static void every_sample_is_in_base_units_with_its_labels(void **state UNUSED)
{
    static const char *const lines[] = {
        "# TYPE culm_build_info gauge",
        "culm_build_info{version=\"1.2.3\"} 1",
        "process_start_time_seconds 1700000000.5",
        "process_resident_memory_bytes 4096",
        "# TYPE process_cpu_seconds_total counter",
        "process_cpu_seconds_total 1.25",
        "# HELP culm_store_appends_total Appends that were completed, by outcome.",
        "culm_store_appends_total{outcome=\"stored\"} 9",
        "culm_store_appends_total{outcome=\"refused\"} 1",
        "culm_runs{state=\"running\"} 1",
        "culm_runs{state=\"pending\"} 0",
        "culm_runs_ended_total{end=\"completed\"} 6",
        "culm_runs_ended_total{end=\"error\"} 2",
        "culm_http_refused_total{reason=\"too_large\"} 3",
        "culm_http_refused_total{reason=\"unauthorized\"} 8",
        "culm_loop_longest_callback_seconds 0.0305",
        "culm_provider_calls_total{provider=\"one\"} 5",
        "culm_provider_calls_total{provider=\"t\\\"w\\\\o\\n\"} 7",
        "culm_provider_failed_total{provider=\"one\",kind=\"rate_limit\"} 2",
        "culm_provider_last_failed_timestamp_seconds{provider=\"one\"} 0",
        "culm_provider_last_failed_timestamp_seconds{provider=\"t\\\"w\\\\o\\n\"} 1700000000.007",
        "culm_http_requests_total{method=\"GET\",route=\"/api/v1/runs/{run}\",status=\"2xx\"} 4",
        "culm_http_requests_total{method=\"GET\",route=\"/api/v1/runs/{run}\",status=\"4xx\"} 1",
    };

    expect_lines(lines, ARRAY_LEN(lines));
}

static void a_histogram_adds_up(void **state UNUSED)
{
    static const char *const lines[] = {
        "# TYPE culm_store_flush_seconds histogram",        "culm_store_flush_seconds_bucket{le=\"0.00005\"} 2",
        "culm_store_flush_seconds_bucket{le=\"0.0001\"} 5", "culm_store_flush_seconds_bucket{le=\"1\"} 5",
        "culm_store_flush_seconds_bucket{le=\"100\"} 5",    "culm_store_flush_seconds_bucket{le=\"+Inf\"} 6",
        "culm_store_flush_seconds_sum 200.00037",           "culm_store_flush_seconds_count 6",
    };

    expect_lines(lines, ARRAY_LEN(lines));
}

/* What a parser of Prometheus insists on: each family once, with its HELP and TYPE right before its samples. */
static void every_family_is_announced_once(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT, seen = BUF_INIT;
    const struct status s = picture();
    struct str rest, line, family = STR("");

    status_write_prometheus(&s, &text);
    rest = buf_str(&text);
    while (rest.n > 0 && str_next(&rest, '\n', &line)) {
        struct str words = line, word;

        if (str_has_prefix(line, STR("# HELP "))) {
            words = str_skip(line, 7);
            assert_true(str_next(&words, ' ', &family));
            assert_true(words.n > 0 && words.p[words.n - 1] == '.');
            buf_addf(&seen, "|" STR_FMT "|", STR_ARG(family));
            continue;
        }
        if (str_has_prefix(line, STR("# TYPE "))) {
            words = str_skip(line, 7);
            assert_true(str_next(&words, ' ', &word) && str_eq(word, family));
            continue;
        }
        assert_true(str_has_prefix(line, family));
    }
    for (rest = buf_str(&seen); rest.n > 0;) {
        size_t end = 1 + (size_t)str_find(str_skip(rest, 1), STR("|")) + 1;
        struct str one = {rest.p, end};

        rest = str_skip(rest, end);
        assert_true(str_find(rest, one) < 0);
    }
}

static void without_items_a_list_says_nothing(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct status s = picture();

    s.n_providers = s.n_routes = s.n_runs = 0;
    status_write_prometheus(&s, &text);
    assert_true(str_find(buf_str(&text), STR("culm_provider_")) < 0);
    assert_true(str_find(buf_str(&text), STR("culm_http_requests_total")) < 0);
}

/* ---- the document ---- */

static const struct json *look_up(const struct json *at, const char *path)
{
    struct str rest = str_of(path), part;

    while (rest.n > 0 && at != NULL && str_next(&rest, '.', &part)) {
        char key[64];

        assert_true(str_copy(key, sizeof(key), part));
        at = json_find(at, key);
    }
    return at;
}

static void the_document_has_every_field_in_its_place(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    const struct status s = picture();
    struct json *root;
    struct arena a;
    size_t n;

    arena_init(&a);
    status_write_json(&s, &text);
    assert_int_equal(json_parse(&a, buf_str(&text), &root, NULL), 0);
    for (size_t i = 0; i < STATUS_LISTS; i++) {
        const struct status_list *list = &status_lists[i];
        const struct json *at = list->path == NULL ? root : json_find(root, list->path);

        assert_non_null(at);
        status_items(list, &s, &n);
        if (list->path != NULL) {
            assert_int_equal(at->type, JSON_ARRAY);
            at = at->first;
        }
        assert_true(n > 0);
        for (size_t k = 0; k < list->n_fields; k++)
            if (list->fields[k].path != NULL && look_up(at, list->fields[k].path) == NULL)
                fail_msg("no %s in %s", list->fields[k].path, text.p);
    }
    arena_done(&a);
}

static void the_document_says_what_is(void **state UNUSED)
{
    static const struct {
        const char *json;
    } parts[] = {
        {"\"version\":\"1.2.3\",\"boot_id\":\"boot-1\",\"pid\":77,\"started_at\":\"2023-11-14T22:13:20.500Z\","
         "\"uptime_ms\":61001,"},
        {"\"ended\":{\"completed\":6,\"suspended\":0,\"cancelled\":0,\"error\":2,\"budget\":0}}"},
        {"\"flush\":{\"count\":6,\"mean_us\":33333395,\"p50_us\":"},
        {"\"live_runs\":[{\"session_id\":\"s1\",\"run_id\":\"r1\",\"state\":\"running\",\"provider\":\"p\","
         "\"model\":\"m\",\"started_at\":\"2023-11-14T22:13:20.123Z\",\"round\":3,\"pieces\":40,\"bytes\":160,"
         "\"pieces_per_second\":12.3}]"},
        {"\"last_failed_at\":null,\"last_failure\":{\"kind\":null,\"message\":null}}"},
        {"\"last_failure\":{\"kind\":\"network\",\"message\":\"a \\\"quoted\\\" text\"}}"},
        {"\"routes\":[{\"method\":\"GET\",\"path\":\"/api/v1/runs/{run}\",\"status\":{\"2xx\":4,"},
    };
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    const struct status s = picture();

    status_write_json(&s, &text);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (str_find(buf_str(&text), str_of(parts[i].json)) < 0)
            fail_msg("no %s in\n%s", parts[i].json, text.p);
}

/* ---- the page ---- */

static void read_page(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char part[4096];
    ssize_t n;

    assert_true(fd >= 0);
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(out, part, (size_t)n);
    close(fd);
    assert_int_equal(n, 0);
}

static void expect_on_page(const struct buf *page, const char *name, const char *end)
{
    CLEANUP(buf_done) struct buf quoted = BUF_INIT;

    if (name == NULL)
        return;
    buf_addf(&quoted, "`%s%s", name, end);
    if (str_find(buf_str(page), buf_str(&quoted)) < 0)
        fail_msg("%s is not in docs/status.md", quoted.p);
}

static void every_field_and_metric_is_documented(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf page = BUF_INIT;

    read_page(STATUS_MD, &page);
    for (size_t i = 0; i < STATUS_LISTS; i++) {
        for (size_t k = 0; k < status_lists[i].n_fields; k++) {
            const struct status_field *f = &status_lists[i].fields[k];

            if (!str_has_prefix(str_of(f->path), STR("http.refused."))) /* they are the codes of errors */
                expect_on_page(&page, f->path, "`");
            expect_on_page(&page, f->metric, f->labels == NULL ? "`" : "{");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_is_in_base_units_with_its_labels),
        cmocka_unit_test(a_histogram_adds_up),
        cmocka_unit_test(every_family_is_announced_once),
        cmocka_unit_test(without_items_a_list_says_nothing),
        cmocka_unit_test(the_document_has_every_field_in_its_place),
        cmocka_unit_test(the_document_says_what_is),
        cmocka_unit_test(every_field_and_metric_is_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
