/* SPDX-License-Identifier: MIT */
#include "session/facts.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void check_refused(const struct session *s, const struct fact *wrong, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct fact f = wrong[i];
        const char *why;

        if (f.seq == 0)
            f.seq = s->seq + 1;
        why = session_refuses(s, &f);
        if (why == NULL || why[0] == '\0')
            fail_msg("fact %zu, %s, would be folded", i, fact_kind_name(f.kind));
    }
}

static void facts_that_cannot_be_are_refused(void **state UNUSED)
{
    const struct fact in_model[] = {
        {.kind = FACT_BUDGET, .seq = 4},
        {.kind = FACT_BUDGET, .seq = 6},
        CREATED,
        STARTED(1),
        STARTED(2),
        ROUND(2, 0, 0),
        FAILED(1, 1, 0),
        ANSWER(2, 0, 2, COUNTED(0, 0)),
        ANSWER(1, 1, 2, COUNTED(0, 0)),
        ANSWER(1, 0, 3, COUNTED(0, 0)),
        CALL_STARTED(1),
        CALL_ENDED(1, "r"),
        ENDED(2, END_COMPLETED),
        {.kind = FACT_RUN_RECOVERED, .run = 2},
        {.kind = FACT_BUDGET, .run = 0},
        {.kind = FACT_MODEL_FAILED, .run = 1, .round = 1, .tokens = -1},
        ANSWER(1, 0, 2, .calls = {NULL, LIMIT_CALLS_PER_ROUND + 1}),
    };
    const struct fact in_tools[] = {
        CALL_STARTED(1),         CALL_STARTED(3),
        CALL_ENDED(0, "r"),      CALL_ENDED(3, "r"),
        ENDED(1, END_COMPLETED), ROUND(2, 1, 0),
        ROUND(3, 0, 0),          ANSWER(1, 0, 5, COUNTED(0, 0)),
        FAILED(1, 0, 0),         {.kind = FACT_CALL_ENDED, .run = 1, .call = 1, .place = 4},
    };
    const struct fact in_rest[] = {
        STARTED(1),
        STARTED(3),
        ROUND(1, 0, 0),
        ENDED(1, END_COMPLETED),
        {.kind = FACT_CANCEL_REQUESTED, .run = 1},
        CALL_STARTED(2),
        RECOVERED(false, 0),
        {.kind = FACT_BUDGET, .run = 1},
        {.kind = FACT_BUDGET_EXCEEDED, .run = 1},
        {.kind = FACT_MESSAGE_EDITED, .place = 1, .bytes = INT64_C(1) << 53},
        {.kind = FACT_MESSAGE_EDITED, .place = 1, .bytes = INT64_MIN},
    };
    const struct fact before_all[] = {POSTED("m"), STARTED(1)};
    struct session s;

    session_init(&s);
    check_refused(&s, before_all, ARRAY_LEN(before_all));
    begin(&s);
    check_refused(&s, in_model, ARRAY_LEN(in_model));
    fold(&s, (struct fact)ANSWER(1, 0, 2, TWO_CALLS));
    fold(&s, (struct fact)CALL_STARTED(1));
    check_refused(&s, in_tools, ARRAY_LEN(in_tools));
    fold(&s, (struct fact)CALL_ENDED(1, "r1"));
    fold(&s, (struct fact)ENDED(1, END_CANCELLED));
    check_refused(&s, in_rest, ARRAY_LEN(in_rest));
}

static void what_is_refused_is_never_folded(void **state UNUSED)
{
    const struct rlimit no_core = {0, 0};
    struct fact f = STARTED(7);
    struct session s;
    int status = 0;
    pid_t child;

    begin(&s);
    f.seq = s.seq + 1;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        session_fold(&s, &f);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void sums_of_tokens_stop_at_the_largest_number(void **state UNUSED)
{
    struct session s;

    begin(&s);
    fold(&s, (struct fact)ANSWER(1, 0, 2, COUNTED(INT64_MAX, INT64_MAX)));
    fold(&s, (struct fact)ROUND(2, 0, INT64_MAX));
    fold(&s, (struct fact)ANSWER(2, 0, 3, COUNTED(INT64_MAX, INT64_MAX)));
    assert_true(s.run.usage.prompt_tokens == INT64_MAX && s.run.usage.completion_tokens == INT64_MAX);
    assert_true(s.run.used_tokens == INT64_MAX);
    assert_true(amount_add(INT64_MIN, -1) == INT64_MIN && amount_add(5, -7) == -2);
}

/* All bytes but those of the gaps between fields, which are nobody's. */
static void two_sessions_differ_in_a_field_that_has_a_name(void **state UNUSED)
{
    enum { GAPS = 58 };
    struct session a, b;
    size_t unnamed = 0;

    begin(&a);
    b = a;
    assert_null(session_differs(&a, &b));
    b.run.usage.cached_tokens++;
    assert_string_equal(session_differs(&a, &b), "run.usage.cached_tokens");
    memset(&a, 'x', sizeof(a)); /* texts without end: each of their bytes counts */
    for (size_t i = 0; i < sizeof(a); i++) {
        b = a;
        ((unsigned char *)&b)[i] ^= 1;
        unnamed += session_differs(&a, &b) == NULL;
    }
    if (unnamed != GAPS)
        fail_msg("%zu bytes are in no field", unnamed);
}

/* A compiler may leave anything between two fields. */
static void what_is_between_the_fields_is_not_stored(void **state UNUSED)
{
    struct session a, b;

    memset(&a, 'x', sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++) {
        CLEANUP(buf_done) struct buf head = BUF_INIT, other = BUF_INIT;

        b = a;
        ((unsigned char *)&b)[i] ^= 1;
        session_write_head(&a, &head);
        session_write_head(&b, &other);
        assert_int_equal(str_eq(buf_str(&head), buf_str(&other)), session_differs(&a, &b) == NULL);
    }
}

static void bytes_that_are_no_session_are_not_read_as_one(void **state UNUSED)
{
    struct session good, s;

    begin(&good);
    fold(&good, (struct fact)ANSWER(1, 0, 2, TWO_CALLS));
    assert_true(session_is_whole(&good));
#define SPOILED(what)                                                                                                  \
    s = good;                                                                                                          \
    what;                                                                                                              \
    assert_false(session_is_whole(&s))
    SPOILED(s.n_calls = LIMIT_CALLS_PER_ROUND + 1);
    SPOILED(s.calls[1].state = CALL_OVER + 1);
    SPOILED(s.calls[0].effect = 200);
    SPOILED(s.assistant_seq = s.seq + 1);
    SPOILED(s.last_end = -1);
    SPOILED(s.run.origin = 99);
    SPOILED(s.context_bytes = INT64_MAX);
    SPOILED(s.run.reserved_tokens = -1);
    SPOILED(memset(s.run_model, 'x', sizeof(s.run_model)));
    SPOILED(memset(&s.run.active, 3, sizeof(s.run.active)));
#undef SPOILED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_that_cannot_be_are_refused),
        cmocka_unit_test(what_is_refused_is_never_folded),
        cmocka_unit_test(sums_of_tokens_stop_at_the_largest_number),
        cmocka_unit_test(two_sessions_differ_in_a_field_that_has_a_name),
        cmocka_unit_test(what_is_between_the_fields_is_not_stored),
        cmocka_unit_test(bytes_that_are_no_session_are_not_read_as_one),
    };

    return cmocka_run_group_tests_name("session check", tests, NULL, NULL);
}
