/* SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "base/count.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { GUARD_S = 60 }; /* only ends a test that would hang */

/* Two ends: the log writes to `in`, the test reads from `out`. */
struct reader {
    int in, out;
};

static void open_log(int fd, enum log_format format)
{
    log_open(&(struct log_target){.format = format, .fd = fd, .journal = "/nonexistent/journal"});
}

static struct reader open_pipe(enum log_format format)
{
    struct reader r;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    r = (struct reader){.in = fds[1], .out = fds[0]};
    fcntl(r.out, F_SETFL, O_NONBLOCK);
    open_log(r.in, format);
    return r;
}

static void close_reader(struct reader *r)
{
    open_log(STDERR_FILENO, LOG_FORMAT_TEXT);
    close(r->in);
    close(r->out);
}

/* Reads what is there. */
static void drain(const struct reader *r, struct buf *out)
{
    char part[4096];
    ssize_t n;

    while ((n = read(r->out, part, sizeof(part))) > 0)
        buf_add(out, part, (size_t)n);
}

static int guard(void **state UNUSED)
{
    log_set_level(LOG_LEVEL_INFO);
    open_log(STDERR_FILENO, LOG_FORMAT_TEXT);
    LOG_INFO("log.test", log_message("what an earlier test made the log drop is told here"));
    alarm(GUARD_S);
    return 0;
}

/* ---- levels ---- */

static void each_module_has_its_level(void **state UNUSED)
{
    struct log_levels l = log_levels_all(LOG_LEVEL_WARN), back;

    assert_int_equal(log_levels_put(&l, STR("store=debug"), NULL), 0);
    assert_int_equal(log_levels_put(&l, STR(" http = error "), NULL), 0);
    log_set_levels(&l);
    assert_true(log_wants(LOG_LEVEL_WARN, "run.end"));
    assert_false(log_wants(LOG_LEVEL_INFO, "run.end"));
    assert_true(log_wants(LOG_LEVEL_DEBUG, "store.open"));
    assert_true(log_wants(LOG_LEVEL_ERROR, "http.request"));
    assert_false(log_wants(LOG_LEVEL_WARN, "http.request"));
    back = log_get_levels();
    assert_int_equal(back.base, LOG_LEVEL_WARN);
    assert_int_equal(back.of[LOG_MODULE_STORE], LOG_LEVEL_DEBUG);
    assert_int_equal(back.of[LOG_MODULE_RUN], LOG_LEVEL_COUNT);
}

static void a_wrong_level_is_refused_with_the_nearest(void **state UNUSED)
{
    static const struct {
        const char *item, *why;
    } rows[] = {
        {"stoer=debug", "did you mean \"store\""},
        {"store=loud", "none of error, warn, info, debug"},
        {"store", "MODULE=LEVEL"},
        {"", "MODULE=LEVEL"},
        {"=info", "no module"},
        {"store=", "none of"},
        {"store=debug=info", "none of"},
        {"a-name-that-is-longer-than-any-module=info", "MODULE=LEVEL"},
    };
    struct log_levels l = log_levels_all(LOG_LEVEL_INFO);
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(log_levels_put(&l, str_of(rows[i].item), &err), -ERR_BAD_REQUEST);
        if (strstr(err.text, rows[i].why) == NULL)
            fail_msg("%s: %s", rows[i].item, err.text);
    }
    for (size_t i = 0; i < LOG_MODULE_COUNT; i++)
        assert_int_equal(l.of[i], LOG_LEVEL_COUNT);
}

static int evaluations;

static int64_t evaluated(void)
{
    return ++evaluations;
}

static void fields_of_an_unwanted_line_are_not_made(void **state UNUSED)
{
    struct reader r = open_pipe(LOG_FORMAT_JSON);
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    LOG_DEBUG("run.end", log_int("n", evaluated()));
    assert_int_equal(evaluations, 0);
    errno = ENOENT;
    LOG_INFO("run.end", log_int("n", evaluated()));
    assert_int_equal(evaluations, 1);
    assert_int_equal(errno, ENOENT); /* who logs an error still has it */
    drain(&r, &out);
    assert_int_equal(count_text(&out, "\n"), 1);
    close_reader(&r);
}

/* ---- a reader that does not read ---- */

static size_t log_until_dropped(uint64_t before)
{
    size_t n = 0;

    while (log_dropped() == before) {
        LOG_INFO("run.end", log_uint("n", n));
        n++;
    }
    return n;
}

static void a_full_pipe_never_stops_the_writer(void **state UNUSED)
{
    struct reader r = open_pipe(LOG_FORMAT_JSON);
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    uint64_t before = log_dropped();
    size_t passed = log_until_dropped(before) - 1;

    for (int i = 0; i < 1000; i++)
        LOG_INFO("run.end", log_text("lost", "x"));
    assert_int_equal(log_dropped() - before, 1001);
    assert_int_equal(fcntl(r.in, F_GETFL) & O_NONBLOCK, 0); /* the flag of a pipe that others may share */
    drain(&r, &out);
    assert_int_equal(count_text(&out, "\n"), passed);
    assert_int_equal(count_text(&out, "lost"), 0);

    buf_clear(&out);
    LOG_INFO("run.end", log_text("found", "x"));
    LOG_INFO("run.end", log_text("found", "y"));
    drain(&r, &out);
    assert_int_equal(count_text(&out, "\n"), 3);
    assert_int_equal(count_text(&out, "\"event\":\"log.dropped\",\"lines\":1001}"), 1);
    assert_int_equal(count_text(&out, "found"), 2);
    close_reader(&r);
}

/* Where the stream cannot be opened again, as after a change of user, the log asks it before each line. */
static void a_stream_that_is_not_ours_to_open_is_asked_first(void **state UNUSED)
{
    enum { LATER = 200 }; /* nothing is open there when the log looks */
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    uint64_t before = log_dropped();
    struct reader r;
    int fds[2];

    open_log(LATER, LOG_FORMAT_TEXT);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    r = (struct reader){.in = fds[1], .out = fds[0]};
    fcntl(r.out, F_SETFL, O_NONBLOCK);
    assert_int_equal(dup3(r.in, LATER, O_CLOEXEC), LATER);
    assert_int_not_equal(log_until_dropped(before), 1);
    drain(&r, &out);
    assert_int_not_equal(count_text(&out, "\n"), 0);
    close(LATER);
    close_reader(&r);
}

static void a_full_socket_never_stops_the_writer(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    uint64_t before = log_dropped();
    struct reader r;
    int fds[2];
    size_t passed;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    r = (struct reader){.in = fds[1], .out = fds[0]};
    fcntl(r.out, F_SETFL, O_NONBLOCK);
    open_log(r.in, LOG_FORMAT_JSON);
    passed = log_until_dropped(before) - 1;
    drain(&r, &out);
    assert_int_equal(count_text(&out, "\n"), passed);
    close_reader(&r);
}

static void a_reader_that_left_costs_lines_only(void **state UNUSED)
{
    struct reader r = open_pipe(LOG_FORMAT_TEXT);
    uint64_t before = log_dropped();

    signal(SIGPIPE, SIG_IGN);
    close(r.out);
    r.out = open("/dev/null", O_RDONLY | O_CLOEXEC);
    LOG_INFO("run.end", log_int("n", 1));
    assert_int_equal(log_dropped() - before, 1);
    close_reader(&r);
}

static void a_full_disk_costs_lines_only(void **state UNUSED)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    uint64_t before = log_dropped();

    if (fd < 0)
        abort();
    open_log(fd, LOG_FORMAT_TEXT);
    LOG_INFO("run.end", log_int("n", 1));
    LOG_INFO("run.end", log_int("n", 2));
    assert_int_equal(log_dropped() - before, 2);
    open_log(STDERR_FILENO, LOG_FORMAT_TEXT);
    close(fd);
}

/* ---- several threads ---- */

enum { THREADS = 4, LINES = 500 };

static void *log_lines(void *arg UNUSED)
{
    static char text[600];

    memset(text, 'x', sizeof(text));
    for (int i = 0; i < LINES; i++)
        LOG_INFO("run.end", log_str("text", (struct str){text, (size_t)i}), log_text("end", "yes"));
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state UNUSED)
{
    FILE *file = tmpfile();
    pthread_t threads[THREADS];
    char line[2000];
    int n = 0;

    if (file == NULL)
        abort();
    open_log(fileno(file), LOG_FORMAT_JSON);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    while (fgets(line, sizeof(line), file) != NULL) {
        assert_true(str_has_prefix(str_of(line), STR("{\"ts\":")));
        assert_non_null(strstr(line, "\"end\":\"yes\"}\n"));
        n++;
    }
    assert_int_equal(n, THREADS * LINES);
    open_log(STDERR_FILENO, LOG_FORMAT_TEXT);
    fclose(file);
}

/* ---- the journal ---- */

static int bind_journal(char path[sizeof(((struct sockaddr_un *)0)->sun_path)])
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(path, sizeof(sa.sun_path), "/tmp/culm-journal-%d", (int)getpid());
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    unlink(path);
    if (fd < 0)
        abort();
    assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static void the_journal_is_spoken_to_in_its_own_protocol(void **state UNUSED)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)], datagram[4096];
    struct reader r = open_pipe(LOG_FORMAT_TEXT);
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    int journal = bind_journal(path);
    ssize_t n;

    log_open(&(struct log_target){.format = LOG_FORMAT_JOURNALD, .fd = r.in, .journal = path});
    LOG_WARN("run.end", log_text("session", "s1"));
    n = read(journal, datagram, sizeof(datagram) - 1);
    assert_true(n > 0);
    datagram[n] = '\0';
    assert_non_null(strstr(datagram, "MESSAGE=run.end session=s1\n"));
    assert_non_null(strstr(datagram, "\nPRIORITY=4\n"));
    assert_non_null(strstr(datagram, "\nCULM_EVENT=run.end\n"));
    drain(&r, &out);
    assert_int_equal(out.n, 0);

    /* It is gone: the stream gets what it would have got. */
    close(journal);
    unlink(path);
    LOG_WARN("run.end", log_text("session", "s2"));
    drain(&r, &out);
    assert_string_equal(out.p, "<4>run.end session=s2\n");
    close_reader(&r);
}

static void without_its_socket_the_journal_gets_lines_with_a_priority(void **state UNUSED)
{
    struct reader r = open_pipe(LOG_FORMAT_JOURNALD);
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    LOG_INFO("run.end", log_text("session", "s1"));
    drain(&r, &out);
    assert_string_equal(out.p, "<6>run.end session=s1\n");
    close_reader(&r);
}

static void stderr_that_is_the_journal_is_recognised(void **state UNUSED)
{
    struct reader r = open_pipe(LOG_FORMAT_AUTO);
    char stream[64];
    struct stat st;

    assert_int_equal(log_format(), LOG_FORMAT_TEXT);
    assert_int_equal(fstat(r.in, &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    open_log(r.in, LOG_FORMAT_AUTO);
    assert_int_equal(log_format(), LOG_FORMAT_JOURNALD);
    setenv("JOURNAL_STREAM", "1:1", 1);
    open_log(r.in, LOG_FORMAT_AUTO);
    assert_int_equal(log_format(), LOG_FORMAT_TEXT);
    unsetenv("JOURNAL_STREAM");
    close_reader(&r);
}

/* ---- limits ---- */

static void what_a_stranger_can_cause_is_limited_and_counted(void **state UNUSED)
{
    struct log_limit l = LOG_LIMIT(3);

    for (int i = 0; i < 10; i++)
        assert_int_equal(log_limit_pass(&l, 5000 + i), i < 3);
    assert_int_equal(log_limit_take(&l), 7);
    assert_int_equal(log_limit_take(&l), 0);
    assert_false(log_limit_pass(&l, 5999));
    assert_true(log_limit_pass(&l, 6000));
    assert_int_equal(log_limit_take(&l), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_module_has_its_level, guard),
        cmocka_unit_test_setup(a_wrong_level_is_refused_with_the_nearest, guard),
        cmocka_unit_test_setup(fields_of_an_unwanted_line_are_not_made, guard),
        cmocka_unit_test_setup(a_full_pipe_never_stops_the_writer, guard),
        cmocka_unit_test_setup(a_stream_that_is_not_ours_to_open_is_asked_first, guard),
        cmocka_unit_test_setup(a_full_socket_never_stops_the_writer, guard),
        cmocka_unit_test_setup(a_reader_that_left_costs_lines_only, guard),
        cmocka_unit_test_setup(a_full_disk_costs_lines_only, guard),
        cmocka_unit_test_setup(lines_of_several_threads_do_not_mix, guard),
        cmocka_unit_test_setup(the_journal_is_spoken_to_in_its_own_protocol, guard),
        cmocka_unit_test_setup(without_its_socket_the_journal_gets_lines_with_a_priority, guard),
        cmocka_unit_test_setup(stderr_that_is_the_journal_is_recognised, guard),
        cmocka_unit_test_setup(what_a_stranger_can_cause_is_limited_and_counted, guard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
