/* SPDX-License-Identifier: MIT */
#include "app/output.h"
#include "temporary.h"

#include <signal.h>

struct fixture {
    struct loop *loop;
    int fds[2];
    struct output *out;
    struct timer *look;
    struct buf read;
    size_t wanted;
    bool gone;
};

static void on_gone(void *arg)
{
    struct fixture *f = arg;

    f->gone = true;
    loop_stop(f->loop);
}

static void begin(struct fixture *f, bool is_terminal)
{
    struct err err;

    *f = (struct fixture){.gone = false};
    assert_int_equal(loop_new(&f->loop, &err), 0);
    assert_int_equal(pipe(f->fds), 0);
    f->out = output_new(f->loop, f->fds[1], is_terminal, on_gone, f);
}

static void end(struct fixture *f)
{
    output_free(f->out);
    timer_free(f->look);
    buf_done(&f->read);
    close(f->fds[0]);
    close(f->fds[1]);
    loop_free(f->loop);
}

/* Reads a little whenever the loop has nothing else to do, until all is there. */
static void on_look(void *arg)
{
    struct fixture *f = arg;
    char part[10000];
    ssize_t n = read(f->fds[0], part, sizeof(part));

    assert_true(n > 0);
    buf_add(&f->read, part, (size_t)n);
    if (f->read.n < f->wanted)
        timer_start(f->look, 1);
    else
        loop_stop(f->loop);
}

static void what_the_reader_does_not_take_yet_waits(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct fixture f;

    begin(&f, false);
    for (int i = 0; i < 50000; i++)
        buf_addf(&text, "%d\n", i);
    output_add(f.out, buf_str(&text)); /* more than a pipe holds: returns all the same */
    assert_false(output_is_empty(f.out));
    f.wanted = text.n;
    f.look = timer_new(f.loop, "test.look", on_look, &f);
    timer_start(f.look, 1);
    loop_run(f.loop);
    assert_true(output_is_empty(f.out));
    assert_true(str_eq(buf_str(&f.read), buf_str(&text)));
    end(&f);
}

static void a_reader_that_left_is_said_once(void **state UNUSED)
{
    struct fixture f;

    begin(&f, false);
    close(f.fds[0]);
    output_add(f.out, STR("x"));
    output_add(f.out, STR("y"));
    assert_false(f.gone); /* not from inside */
    loop_run(f.loop);
    assert_true(f.gone);
    assert_true(output_is_empty(f.out));
    f.fds[0] = dup(f.fds[1]);
    end(&f);
}

static void dropping_ends_the_wait(void **state UNUSED)
{
    static char much[200000];
    struct fixture f;

    begin(&f, false);
    output_add(f.out, (struct str){much, sizeof(much)});
    assert_false(output_is_empty(f.out));
    output_drop(f.out);
    assert_true(output_is_empty(f.out));
    end(&f);
}

static void a_terminal_is_not_commanded(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct fixture f;
    char got[64];
    ssize_t n;

    output_escape(STR("a\tb\n\x1b[31m\r\x7f\xc2\x9b\xc3\xa9\xc2\xa0"), &out);
    assert_string_equal(out.p, "a\tb\n\\x1b[31m\\x0d\\x7f\\x9b\xc3\xa9\xc2\xa0");
    begin(&f, true);
    output_add(f.out, STR("\x1bZ"));
    n = read(f.fds[0], got, sizeof(got));
    assert_true(n == 5 && memcmp(got, "\\x1bZ", 5) == 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_reader_does_not_take_yet_waits),
        cmocka_unit_test(a_reader_that_left_is_said_once),
        cmocka_unit_test(dropping_ends_the_wait),
        cmocka_unit_test(a_terminal_is_not_commanded),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
